"""Small runs, and folders of runs that nobody ran, for the tests of the tools around a run."""

import json
from contextlib import contextmanager

import numpy as np
import pytest

from mlp.commands.command_line import run_command
from mlp.experiments import RunConfig, run
from mlp.experiments.hooks import SaveFigures
from mlp.reproduction.plan import folder_name, settings_of
from mlp.reproduction.reports import ROWS
from mlp.reproduction.scale import FULL

HEADER = "epoch,train_loss,train_acc,val_loss,val_acc,learning_rate,seconds\n"
CLASSES = ("disc", "stripes", "noise", "dark")
DRAW = SaveFigures.draw


@pytest.fixture(scope="session", autouse=True)
def no_pictures():
    """Runs in this process draw nothing: it takes most of their time. Tests about pictures ask for `pictures`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SaveFigures, "draw", lambda self, history: None)
        yield


@contextmanager
def drawing():
    """Within this context runs draw their pictures."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SaveFigures, "draw", DRAW)
        yield


@contextmanager
def sketching():
    """Within this context a picture's file holds a few bytes: enough where it only has to be there."""
    with pytest.MonkeyPatch.context() as patch:
        sketch = lambda figure, file, **options: file.write(repr(figure).encode())  # noqa: E731
        patch.setattr("matplotlib.figure.Figure.savefig", sketch)
        yield


@pytest.fixture
def sketches():
    """Pictures are sketches."""
    with sketching():
        yield


@pytest.fixture
def pictures():
    """Runs draw their pictures."""
    with drawing():
        yield


@pytest.fixture(scope="session")
def own_images(tmp_path_factory):
    """An .npz file with 8 x 8 images of four classes, of different brightness: easy to learn."""
    rng = np.random.default_rng(0)
    labels = np.arange(280) % 4
    images = (rng.integers(0, 100, (280, 8, 8, 3)) + 45 * labels[:, None, None, None]).astype(np.uint8)
    path = tmp_path_factory.mktemp("data") / "own.npz"
    test = {"test_images": images[240:], "test_labels": labels[240:]}
    np.savez(path, images=images[:240], labels=labels[:240], class_names=CLASSES, **test)
    return path


@pytest.fixture(scope="session")
def small(own_images):
    """Settings of a run of a second."""
    return {"dataset": f"npz:{own_images}", "filters": 4, "batch_size": 10, "epochs": 2, "learning_rate": 1e-2}


@pytest.fixture(scope="session")
def make_run(small, tmp_path_factory):
    """A function that runs with some settings, `small` for the others, and returns the folder."""

    def make(name="run", stop_after=None, **settings):
        folder = tmp_path_factory.mktemp("runs") / name
        run(folder, {**small, **settings}, stop_after=stop_after)
        return folder

    return make


@pytest.fixture(scope="session")
def finished(make_run):
    """A finished run with batch norm."""
    return make_run("finished", norm="batch")


@pytest.fixture
def call(monkeypatch, capsys):
    """A function that calls a script's main and returns (exit status, standard output, standard error)."""

    def call(module, *arguments):
        name = module.__name__.rpartition(".")[2]
        monkeypatch.setattr("sys.argv", [f"{name}.py", *map(str, arguments)])
        capsys.readouterr()
        status = run_command(name)
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call


@pytest.fixture
def write(tmp_path):
    """A function that writes the folder of a row's run; the numbers of each epoch are given, those before repeat."""

    def write(row, *last_rows, seed=0, scale=FULL, test=None, done=None, dataset="cifar100", run=0):
        named = ROWS[row].runs[run]
        config = RunConfig(**settings_of(named, seed, scale, dataset))
        folder = tmp_path / scale.name / folder_name(named, seed, dataset)
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(
            json.dumps({"settings": config.as_dict(), "facts": {"num_images": [47_500, 2_500]}})
        )
        done = config.epochs if done is None else done
        rows = [last_rows[0]] * (done - len(last_rows)) + list(last_rows)
        lines = [f"{epoch},{','.join(map(str, row))},0.001,1.0\n" for epoch, row in enumerate(rows, start=1)]
        (folder / "metrics.csv").write_text(HEADER + "".join(lines))
        if test is not None:
            content = {"test_loss": test[0], "test_acc": test[1], "best_epoch": done, "images": 10_000}
            (folder / "test.json").write_text(json.dumps(content))
        return folder

    return write
