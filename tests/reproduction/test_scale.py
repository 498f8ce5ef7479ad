"""The quick scale: what it makes smaller, what it keeps, and that it says so."""

import pytest

from mlp.errors import ConfigurationError, DataError
from mlp.experiments import RunConfig
from mlp.experiments.build import make_schedule
from mlp.reproduction.index import identity
from mlp.reproduction.plan import folder_name, plan_runs, settings_of
from mlp.reproduction.reports import ROWS
from mlp.reproduction.scale import FULL, QUICK, choose_dataset, find_scale, without_missing_scenes

SMALLER = {"limit_classes", "limit_train", "epochs", "filters", "batch_size", "schedule_factor"}


def config(row, scale, run=0, **options):
    return RunConfig(**settings_of(ROWS[row].runs[run], 0, scale, **options))


def test_quick_changes_sizes_and_nothing_else():
    for row in (row for row in ROWS.values() if row.can_run):
        for run in row.runs:
            full, quick = (RunConfig(**settings_of(run, 7, scale)).as_dict() for scale in (FULL, QUICK))
            assert {name for name in full if full[name] != quick[name]} <= SMALLER
            if run.settings.get("dataset") == "indian_pines":
                assert {name for name in full if full[name] != quick[name]} == {"epochs"}
                continue
            assert quick["batch_size"] == round(full["batch_size"] / 5)
            epochs = full["epochs"] if "smoothness" in row.probes else 8  # two, at both scales
            assert (quick["epochs"], quick["filters"], quick["seed"]) == (epochs, 16, 7)


def test_the_label_says_what_the_settings_are():
    quick = config("s0-1", QUICK)
    assert f"{quick.limit_classes} classes" in QUICK.label
    assert f"{quick.limit_train:,} images" in QUICK.label
    assert f"{quick.epochs} epochs" in QUICK.label
    assert f"{quick.filters} filters" in QUICK.label
    assert QUICK.label.startswith("quick scale: ")


def test_full_is_the_protocol():
    assert config("s1-1", FULL) == RunConfig()
    assert FULL.seeds(ROWS["s4-3"].seeds) == ROWS["s4-3"].seeds
    assert QUICK.seeds(ROWS["s4-3"].seeds) == (0,)


def test_schedules_end_where_they_end_at_full_scale():
    """E and the exponential one in their last epochs; I has as many half waves as an epoch has steps, 475 or 95."""
    for row, run in (("x-5", 0), ("x-5", 2), ("x-5", 3), ("x-5", 5)):
        ends = []
        for scale in (FULL, QUICK):
            settings = config(row, scale, run)
            schedule = make_schedule(settings, 10)
            ends.append((schedule(0), schedule(10 * settings.epochs)))
        assert ends[0] == pytest.approx(ends[1])
    for scale, steps in ((FULL, 475), (QUICK, 95)):
        settings = config("s0-1", scale)
        assert steps == (settings.limit_train or 47_500) / settings.batch_size
        schedule = make_schedule(settings, steps)
        assert schedule(settings.epochs) == pytest.approx(2e-5)  # half a wave lasts so many steps as there are epochs
        assert schedule(steps * settings.epochs) == pytest.approx(2e-5)  # an odd number of them: it ends below


def test_names_of_folders():
    run = ROWS["s1-14"].runs[0]
    expected = "vgg38_norm-batch_residual_reduction_shortcut-avgpool_weight_decay-0.001_seed-256"
    assert folder_name(run, 256) == expected
    assert folder_name(ROWS["s1-1"].runs[0], 0) == "vgg08_seed-0"
    assert folder_name(ROWS["s1-1"].runs[0], 0, "synthetic") == "vgg08_dataset-synthetic_seed-0"


def test_a_setting_equal_to_its_default_is_no_difference():
    assert identity({"norm": "none", "seed": 0, "learning_rate": 1e-3}) == identity({})
    assert ROWS["s2-6"].runs[0].differences == ROWS["s1-4"].runs[0].differences
    assert identity({"device": "cuda:0", "engine": "textbook"}) == identity({})
    assert identity({"seed": 1}) != identity({})


def test_which_images(tmp_path):
    assert choose_dataset(QUICK, tmp_path) == "synthetic"
    with pytest.raises(DataError, match="CIFAR-100 was not found"):
        choose_dataset(FULL, tmp_path)
    with pytest.raises(ConfigurationError, match="--scale must be one of full, quick, got 'tiny'"):
        find_scale("tiny")


@pytest.mark.parametrize("scale", [FULL, QUICK])
def test_a_missing_scene_leaves_the_other_runs(scale, tmp_path):
    """One line says so for all seeds; if nothing else was asked for, it is an error."""
    both = plan_runs([ROWS["s0-1"], ROWS["s4-25"]], scale, [0, 1])
    said = []
    kept = without_missing_scenes(both, tmp_path, said.append)
    assert [run.wanted_by for run in kept] == [["s0-1"]] * len(kept)
    assert len(kept) == len(both) / 2
    (line,) = said
    assert line.startswith("s4-25 is left out: Indian Pines")
    assert "download_data.py indian_pines" in line
    assert "--dataset" not in line  # no flag of reproduce.py
    with pytest.raises(DataError, match="Indian Pines"):
        without_missing_scenes(plan_runs([ROWS["s4-25"]], scale), tmp_path)
