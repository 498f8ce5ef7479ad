"""Rows whose networks are measured: what is computed after their runs, what is skipped, what the claims say."""

import numpy as np
import pytest
from reproduction.made_up_runs import make_up_runs

from mlp.reproduction.index import RunIndex
from mlp.reproduction.page.write import write_report
from mlp.reproduction.plan import plan_runs
from mlp.reproduction.probes import compute
from mlp.reproduction.probes.claims import CLAIMS, claims_table, decide
from mlp.reproduction.probes.found import correlation_file, read_dense, read_profiles
from mlp.reproduction.reports import ROWS, select
from mlp.reproduction.scale import QUICK


def test_verdicts():
    assert decide("above", [2.0, 2.1, 1.9], [1.0, 1.1, 0.9]) == "shown"
    assert decide("below", [2.0, 2.1, 1.9], [1.0, 1.1, 0.9]) == "contrary"
    assert decide("below", [1.0, 1.5, 2.0], [1.2, 1.4, 1.9]) == "not shown"
    assert decide("above", [2.0], [1.0, 1.1]) == "shown (one seed)"
    assert decide("above", [float("nan")], [1.0]) == "not finite"


def test_every_claim_names_runs_that_rows_have():
    for claim in CLAIMS:
        labels = [run.label for run in ROWS[claim.row].runs]
        assert {claim.first, claim.second} <= set(labels), claim


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("probes")
    make_up_runs(folder, select(["x-6", "s2-20", "s2-22", "s2-23", "s1-24"]), QUICK)
    return folder


def test_all_claims_are_judged_where_everything_was_measured(root):
    table = claims_table(RunIndex(root), QUICK)
    assert len(table) == len(CLAIMS) + 1
    assert all("shown" in row[-1] or "contrary" in row[-1] for row in table[1:])


@pytest.mark.slow
def test_the_page_of_a_row_has_the_exhibits_it_comes_from(root, tmp_path):
    paths = write_report(tmp_path, RunIndex(root), QUICK, say=lambda line: None, rows=["x-6"])
    assert [path.name for path in paths] == ["x-6.html", "x-6.md"]
    text = paths[1].read_text()
    for name in ("x-6-fig", "s2-20-fig1", "s2-22-fig2", "s2-23-fig1", "s1-24-fig"):
        assert f"### {name}: " in text
    assert "s0-fig1" not in text
    assert "contrary" in text or "shown" in text


@pytest.mark.slow
def test_correlations_are_measured_once(tmp_path, monkeypatch):
    few = {"plain": {}, "BN": {"norm": "batch"}}
    monkeypatch.setattr(compute, "NETS", few)
    monkeypatch.setattr(compute, "DENSE_NETWORKS", {"quick": 2})
    root = tmp_path / "quick"
    assert compute.measure_rows(select(["s1-23"]), [], root, QUICK, dataset="synthetic") == []
    profiles = read_profiles(correlation_file(tmp_path, QUICK, "he"))
    assert set(profiles) == {(name, depth) for name in few for depth in QUICK.depths}
    assert all(p.cosine[-1] == pytest.approx(1.0) for p in profiles.values())
    assert set(read_dense(correlation_file(tmp_path, QUICK, "dense"))) >= {"relu", "residual_norm"}
    monkeypatch.setattr(compute, "profile_at_start", None)  # would fail if it were called
    assert compute.measure_rows(select(["s1-23"]), [], root, QUICK, dataset="synthetic") == []


def test_a_failed_landscape_is_named_and_stops_no_other(root, monkeypatch):
    tried = []

    def fail(folder, statistics, *rest):
        tried.append((folder.path.name, statistics))
        raise OSError("no space left")

    monkeypatch.setattr(compute, "measure_landscape", fail)
    rows = select(["s2-22"])
    failed = compute.measure_rows(rows, plan_runs(rows, QUICK), root / "quick", QUICK)
    assert len(failed) == len(tried) == 8
    assert "no space left" in failed[0]
    assert np.unique([statistics for _, statistics in tried]).tolist() == ["batch", "running"]
