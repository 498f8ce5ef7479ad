"""The rows of the reports: none is missing, and all that they say can be run, printed and drawn."""

import json
import re
from pathlib import Path

import pytest

from mlp.errors import ConfigurationError
from mlp.experiments import RunConfig
from mlp.experiments.build import make_rule, make_schedule
from mlp.experiments.record import count_parameters
from mlp.reproduction.figures import DRAWERS
from mlp.reproduction.index import identity
from mlp.reproduction.listing import list_rows, rows_as_json
from mlp.reproduction.plan import plan_runs, settings_of
from mlp.reproduction.probes.figures import PROBE_KINDS
from mlp.reproduction.reports import EXHIBITS, REPORTS, ROWS, near, rows_of, runs_of, select
from mlp.reproduction.reports.row import METRICS, PROBES, STATES, TAKEN
from mlp.reproduction.scale import FULL, QUICK

ROOT = Path(__file__).parents[2]
HOW_MANY = {"s0": 23, "s1": 25, "s2": 24, "s3": 21, "s4": 27, "x": 6}
ALL_IDS = [f"{report}-{number}" for report, count in HOW_MANY.items() for number in range(1, count + 1)]
NETWORKS = ["x-1", "x-2", "s4-24", "s4-25", "s4-26"]  # that the reports have not run: protocols of ours
PROBED = ["s1-23", "s1-24", "s2-20", "s2-22", "s2-23", "x-6"]
REVIEWED = ["s0-23", "s1-25", "s2-24", "s3-21", "s4-27"]
TESTED = ["s0-14", "s0-15", "s0-16", "s0-19", "s1-19", "s1-20", "s2-18", "s2-19", "s3-20", "s4-23"]
RUNS = [(row, run) for row in ROWS.values() for run in row.runs]


def in_state(state):
    return {row.id for row in ROWS.values() if row.state == state}


def test_no_row_is_missing_and_all_are_in_order():
    assert list(ROWS) == ALL_IDS


def test_states():
    assert not in_state("planned")
    assert in_state("reviewed") == set(REVIEWED)
    assert in_state("tested") == set(TESTED)
    assert set(STATES) == {row.state for row in ROWS.values()}
    for row in ROWS.values():
        assert row.can_run == (row.state == "runnable" or row.id in ("s0-16", "s0-19")), row.id
        assert bool(row.runs or row.probes) == row.can_run
        assert bool(row.probes) == (row.id in PROBED)
        assert set(row.probes) <= set(PROBES)


def test_ids_are_unique_within_each_report():
    """ROWS and EXHIBITS are dicts: a second row of the same id would hide the first."""
    assert sum(len(report.ROWS) for report in REPORTS.values()) == len(ROWS)
    assert sum(len(report.EXHIBITS) for report in REPORTS.values()) == len(EXHIBITS)
    assert all(row.id.startswith(f"{name}-") for name, report in REPORTS.items() for row in report.ROWS)


@pytest.mark.parametrize("scale", [FULL, QUICK], ids=lambda scale: scale.name)
@pytest.mark.slow
def test_every_run_can_be_built(scale):
    for settings in {identity(s): s for s in (settings_of(run, 0, scale) for _, run in RUNS)}.values():
        config = RunConfig(**settings)
        assert count_parameters(config) > 0  # each architecture is built once
        assert make_schedule(config, 95)(0) == pytest.approx(make_rule(config).learning_rate)


def test_what_is_published_can_be_true():
    for row, run in RUNS:
        for name, number in run.published.numbers().items():
            assert name in METRICS
            if name.endswith("acc"):
                assert 0 < number.value < 0.9, (row.id, name)
                assert number.spread is None or 0 <= number.spread < 0.02, (row.id, name)
            else:
                assert 0.4 < number.value < 4.7, (row.id, name)  # ln 100 = 4.605
                assert number.spread is None or 0 <= number.spread < 0.02, (row.id, name)
            if row.taken != "final" and number.value != 0.595:
                assert number.spread is not None, (row.id, name)
        if run.published.parameters is not None:
            assert run.published.parameters in (60_000, 336_000, 339_000)


@pytest.mark.parametrize(
    ("row", "published"),
    [
        ("s0-2", "train 4.61 / 1 %, val 4.61 / 1 %"),
        ("s0-7", "train 0.97 / 70.8 %, val 1.48 / 61.72 %"),
        ("s1-17", "train 0.552 / 83.8 %, val 1.3 / 65.8 %, test 1.316 / 64.7 %"),
        ("s1-18", "train - / 86.1 ± 1.42 %, test 1.327 ± 0.0191 / 65.1 ± 0.48 %"),
        ("s2-5", "train 1.371 ± 0.002 / 59.9 ± 0.2 %, val 1.953 ± 0.001 / 47.7 ± 0.1 %"),
        ("s2-16", "val - / 43.8 ± 0.2 %"),
        ("s3-10", "train 4.608 / 0.7 %, val 4.61 / 0.5 %, test 4.611 / 0.5 %"),
        ("s4-18", "train - / 73.1 ± 1.4 %, val - / 60 ± 1 %, test - / 59.8 ± 1.1 %"),
    ],
)
def test_published_numbers_as_they_are_listed(row, published):
    assert list_rows([ROWS[row]], long=True).count(f" -> {published}\n") == 1


def test_the_protocol_of_each_report():
    for row, run in RUNS:
        config, report = RunConfig(**run.settings), row.id.partition("-")[0]
        if report == "s0":  # schedule I; shortcuts around reduction blocks only where the row is about them
            assert config.schedule_unit == "step"
            assert config.reduction_shortcut == "none" or row.id in ("s0-17", "s0-18", "s0-20")
        elif row.id != "x-5":
            assert config.schedule_unit == "epoch"
        if report in ("s1", "s4") and config.residual and row.id != "s1-21":
            assert config.reduction_shortcut == "avgpool"
        if report == "s4" and row.id not in NETWORKS:
            assert config.norm == "none"
        if report == "s3" and row.id not in ("s3-1", "s3-2", "s3-3", "s3-4", "s3-5", "s3-7"):
            assert config.norm_position == "after"
        if row.id == "s4-25":
            assert (config.epochs, config.batch_size, config.schedule) == (200, 16, "constant")
            continue
        if "smoothness" in row.probes:  # two epochs at a constant rate
            assert (config.schedule, config.epochs) == ("constant", 2)
        else:
            assert config.schedule in ("cosine", "exponential")
            assert config.epochs == 100
        assert (config.filters, config.split) == (32, "coursework")
    s4 = (0, 2045458, 186285, 2122020, 11132)
    assert all(ROWS[f"s4-{i}"].seeds == s4 and ROWS[f"s4-{i}"].taken == "seeds" for i in (3, *range(6, 21)))
    assert ROWS["s1-18"].seeds == (0, 256, 512, 1024)
    assert all(ROWS[f"s2-{i}"].taken == "last5" for i in (*range(4, 10), *range(11, 17)))


def test_tables_and_figures_resolve_both_ways():
    for row in ROWS.values():
        assert row.taken in TAKEN
        assert all(name in EXHIBITS for name in row.exhibits), row.id
        assert all(name.startswith(f"{row.id.partition('-')[0]}-") for name in row.exhibits), row.id
    for name, exhibit in EXHIBITS.items():
        assert rows_of(name), name
        assert exhibit.kind in {"table", *DRAWERS, *PROBE_KINDS}
        assert ("tab" in name) == exhibit.is_table
        known = {*METRICS, "gap_acc", "gap_loss", "learning_rate", "seconds", "peak_memory_mb"}
        assert set(exhibit.metrics) <= known
    assert [row.id for row in rows_of("s0-tab1")] == [*(f"s0-{i}" for i in range(1, 8)), "s0-13"]
    assert len(runs_of(rows_of("s0-tab1"))) == 7  # those of s0-13 are the same seven


def test_tested_rows_name_tests_that_exist():
    for row in ROWS.values():
        assert bool(row.test) == (row.state == "tested"), row.id
        if row.test:
            file, name = row.test.split(" -k ")
            assert re.search(rf"^def test_{name}_", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE), row.test


def test_rows_of_different_reports_share_their_runs():
    planned = plan_runs(select(["all"]), QUICK)
    by_name = {run.name: run for run in planned}
    assert {"s1-1", "s2-1", "s3-1", "s4-1"} <= set(by_name["vgg38_seed-0"].wanted_by)
    assert {"s1-4", "s2-6", "s3-5", "x-5"} <= set(by_name["vgg38_norm-batch_seed-0"].wanted_by)
    assert "s0-2" in by_name["vgg38_schedule_unit-step_seed-0"].wanted_by
    assert len({identity(run.settings) for run in planned}) == len(planned) == len(by_name)
    assert len(planned) < 120
    assert {run.more for run in planned} == {(), QUICK.smoothness_flags}
    assert all(bool(run.more) == (run.epochs == 2) for run in planned)
    seeds = list(plan_runs(select(["s1-18", "s1-14", "s1-15"]), FULL))
    assert [RunConfig(**run.settings).seed for run in seeds] == [0, 256, 512, 1024]


def test_selecting_rows():
    assert [row.id for row in select(["s4-3", "s0-7", "s4-3"])] == ["s0-7", "s4-3"]
    assert len(select(["all"])) == 126
    assert len(select(["s2", "s2-tab1"])) == 24
    assert [row.id for row in select(["s4-fig7"])] == ["s4-22"]
    with pytest.raises(ConfigurationError, match=r"no row, table or figure 's0-99'.*s0-1 \.\.\. s0-23, s0-tab1"):
        select(["s0-99"])
    with pytest.raises(ConfigurationError, match="an id like s0-7"):
        select(["banana"])
    assert near("x-9", [*ROWS, *EXHIBITS]).startswith("x-1 ... x-6, x-1-tab")


def test_the_list_has_every_row_and_is_json_too():
    text = list_rows(list(ROWS.values()), long=True)
    assert re.findall(r"^((?:s\d|x)-\d+) ", text, re.MULTILINE) == ALL_IDS
    assert "vgg38, norm batch, residual, learning_rate 0.01, schedule_unit step -> train 0.97" in text
    assert "seeds 0, 2045458, 186285, 2122020, 11132" in text
    assert "126 rows" in text
    content = {row["id"]: row for row in json.loads(rows_as_json(list(ROWS.values())))}
    assert list(content) == ALL_IDS
    assert content["s0-7"]["runs"][0]["published"]["val_acc"] == {"value": 0.6172, "spread": None}
    assert content["s4-3"]["runs"][0]["published"]["val_acc"] == {"value": 0.561, "spread": 0.005}
    assert content["s4-3"]["runs"][0]["settings"]["reduction_shortcut"] == "avgpool"


def test_a_mistyped_row_is_answered_with_the_one_it_resembles():
    with pytest.raises(ConfigurationError, match=r"'s0_7' \(did you mean s0-7\?\)"):
        select(["s0_7"])
