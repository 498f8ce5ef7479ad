"""The findings beside made-up runs whose numbers are known: differences, standard errors, verdicts."""

import json
import math

import pytest

from mlp.commands import reproduce
from mlp.reproduction.findings import check, check_findings, find_run, findings_table
from mlp.reproduction.index import RunIndex
from mlp.reproduction.reports.findings import CHANCE, FINDINGS, RELATIONS, Claim
from mlp.reproduction.scale import FULL, QUICK

CLAIMS = [claim for finding in FINDINGS for claim in finding.claims]


def verdict(tmp_path, *claim):
    return check(FINDINGS[0], Claim(*claim), RunIndex(tmp_path), FULL)


@pytest.mark.parametrize("claim", CLAIMS, ids=str)
def test_claims_are_about_runs_that_there_are(claim):
    assert claim.metric in ("val_acc", "train_acc", "gap_acc")
    assert claim.relation in RELATIONS
    for name in {claim.run, claim.other} - {CHANCE}:
        row, run = find_run(name)
        assert row.can_run
        assert run in row.runs
        assert name == (f"{row.id}: {run.label}" if ": " in name else row.id)
        assert ": " in name or len(row.runs) == 1
    assert claim.relation != "at" or claim.other == CHANCE


@pytest.mark.parametrize(
    ("better", "relation", "word"),
    [
        (0.53, "above", "shown"),
        (0.53, "below", "contrary"),
        (0.52, "above", "not shown"),
        (0.48, "below", "not shown"),
        (0.47, "below", "shown"),
        (0.47, "above", "contrary"),
    ],
)
def test_a_difference_is_shown_beyond_two_standard_errors(tmp_path, write, better, relation, word):
    write("s0-3", (1.5, 0.6, 1.5, 0.5))
    write("s0-5", (1.5, 0.6, 1.5, better))
    checked = verdict(tmp_path, "val_acc", "s0-5", relation, "s0-3")
    assert (checked.ours, checked.other, checked.verdict) == (better, 0.5, word)
    assert checked.error == pytest.approx(math.sqrt((0.25 + better * (1 - better)) / 2500))  # 1.41 points


@pytest.mark.parametrize(("accuracy", "word"), [(0.006, "shown"), (0.0139, "shown"), (0.0155, "not shown")])
def test_at_chance_means_no_better_than_it(tmp_path, write, accuracy, word):
    write("s0-2", (4.6, 0.01, 4.6, accuracy))
    checked = verdict(tmp_path, "val_acc", "s0-2", "at")
    assert (checked.other, checked.verdict) == (0.01, word)
    p = max(accuracy, 0.01)
    assert checked.error == pytest.approx(math.sqrt(p * (1 - p) / 2500))


def test_a_gap_is_as_uncertain_as_both_its_parts(tmp_path, write):
    write("s3-6", (1.0, 0.7, 1.5, 0.5))
    write("s3-8", (1.0, 0.6, 1.5, 0.5))
    checked = verdict(tmp_path, "gap_acc", "s3-8", "below", "s3-6")
    assert (checked.ours, checked.other) == (pytest.approx(0.1), pytest.approx(0.2))
    variance = (0.25 + 0.25) / 2500 + (0.24 + 0.21) / 47_500
    assert checked.error == pytest.approx(math.sqrt(variance))
    assert checked.verdict == "shown"


def test_seeds_bring_more_images(tmp_path, write):
    for seed, accuracy in ((0, 0.52), (2045458, 0.54)):
        write("s4-3", (1.0, 0.7, 1.5, accuracy), seed=seed)
    checked = check(FINDINGS[0], Claim("val_acc", "s4-3", "above"), RunIndex(tmp_path), FULL, [0, 2045458])
    assert checked.ours == pytest.approx(0.53)
    assert checked.error == pytest.approx(math.sqrt(0.53 * 0.47 / 5000))


def test_what_is_missing_is_not_judged(tmp_path, write):
    assert verdict(tmp_path, "val_acc", "s0-2", "at").verdict == "not run"
    write("s0-2", (4.6, 0.01, 4.6, 0.01), done=3)
    assert verdict(tmp_path, "val_acc", "s0-2", "at").verdict == "not complete"
    folder = write("s0-1", (1.7, 0.5, 1.9, 0.47))
    assert verdict(tmp_path, "val_acc", "s0-1", "above").verdict == "shown"
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({"settings": config["settings"]}))  # as older versions wrote it
    assert verdict(tmp_path, "val_acc", "s0-1", "above").verdict == "not complete"


def test_the_full_scale_is_taken_where_it_has_complete_runs(tmp_path, write):
    assert check_findings(RunIndex(tmp_path)).judged == 0
    write("s0-2", (2.3, 0.1, 2.3, 0.1), scale=QUICK)
    write("s0-2", (4.6, 0.01, 4.6, 0.01), done=3)
    assert check_findings(RunIndex(tmp_path)).scale is QUICK
    write("s0-1", (1.7, 0.5, 1.9, 0.47))
    assert check_findings(RunIndex(tmp_path)).scale is FULL
    quick = check_findings(RunIndex(tmp_path), QUICK)
    assert quick.caption.startswith("1 of 1 claims are shown (quick ")
    assert quick.caption.endswith(f"; {len(CLAIMS) - 1} more have no complete runs")
    assert len(findings_table(quick)[1]) == 1


def test_the_command(tmp_path, write, call):
    write("s0-2", (2.3, 0.1, 2.3, 0.112), scale=QUICK)
    status, out, error = call(reproduce, "findings", "--runs", tmp_path)
    assert (status, error) == (0, "note: these are runs at the quick scale: at full scale fewer claims can be judged\n")
    assert call(reproduce, "findings", "--runs", tmp_path, "--scale", "quick")[2] == ""
    nothing = call(reproduce, "findings", "--runs", tmp_path, "--scale", "full")[1]
    assert nothing.startswith("no runs yet; they are made by: python scripts/reproduce.py run all --out")
    assert QUICK.label in out
    line = next(line for line in out.splitlines() if "VGG38 (s0-2) at chance" in line)
    assert line.split(" | ")[2:] == ["11.2 and 10.0 %", "+1.2 ± 0.6", "shown |"]
    (tmp_path / "quick" / "damaged").mkdir()
    (tmp_path / "quick" / "damaged" / "config.json").write_text("{")
    assert "config.json is damaged" in call(reproduce, "findings", "--runs", tmp_path)[2]


def test_unfinished_runs_are_no_empty_table(tmp_path, write, call):
    """The scale is the one that has runs, and the command finishes them."""
    write("s0-2", (2.3, 0.1, 2.3, 0.112), scale=QUICK, done=1)
    status, out, _ = call(reproduce, "findings", "--runs", tmp_path)
    assert (status, out.count("\n")) == (0, 1)
    assert out.startswith("no row has complete runs yet (quick scale: ")
    assert f"reproduce.py run s0-2 --scale quick --out {tmp_path}" in out
