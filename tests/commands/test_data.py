"""The command line of download_data.py, and of train.py where it is about data. No test reaches a network."""

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mlp.commands.command_line import run_command
from mlp.data import DATASETS
from mlp.data.download.fetch import SOURCES, RemoteFile
from mlp.data.synthetic import synthetic

SCRIPTS = Path(__file__).parents[2] / "scripts"
PLACE = "WHERE THE COMMAND RUNS"


def script(name, *arguments, cwd):
    command = [sys.executable, str(SCRIPTS / name), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)


def test_an_archive_that_is_another_file_is_one_line(tmp_path):
    (tmp_path / "page.tar.gz").write_text("<html>Not Found</html>")
    result = script("download_data.py", "cifar100", "--archive", "page.tar.gz", "--data-dir", "data", cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr.startswith("download_data.py: page.tar.gz has 22 bytes")
    assert "looks like a web page; expected cifar-100-python.tar.gz (eb9058c3a382ffc7106e4002c42a8d85)" in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "data").exists()


def main(name, *arguments, monkeypatch):
    """Run a script's main() in this process; return its exit status."""
    monkeypatch.setattr("sys.argv", [f"{name}.py", *map(str, arguments)])
    return run_command({"download_data": "data"}.get(name, name))


def test_help_and_wrong_names(monkeypatch, capsys):
    assert main("download_data", "--help", monkeypatch=monkeypatch) == 0
    text = capsys.readouterr().out
    for flag in ("--mirror", "--archive", "--data-dir", "--timeout", "cifar10-binary"):
        assert flag in text
    assert main("download_data", "imagenet", monkeypatch=monkeypatch) == 2
    assert "cifar100-binary, cifar10, cifar10-binary, indian_pines, mnist, got 'imagenet'" in capsys.readouterr().err


def test_a_download_is_reported(tmp_path, monkeypatch, capsys):
    (tmp_path / "stick").write_bytes(b"digits")
    monkeypatch.setitem(SOURCES, "mnist", (RemoteFile("a.gz", 6, hashlib.md5(b"digits").hexdigest(), ()),))
    arguments = ["mnist", "--archive", str(tmp_path / "stick"), "--data-dir", str(tmp_path / "data")]
    assert main("download_data", *arguments, monkeypatch=monkeypatch) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'data' / 'a.gz'}: 6 bytes, checksum right\n"
    assert (tmp_path / "data" / "a.gz").read_bytes() == b"digits"


def test_a_data_set_that_is_there_in_another_form_is_not_downloaded(tmp_path, monkeypatch, capsys):
    file = RemoteFile("a.gz", 6, "0" * 32, ("http://127.0.0.1:9/",))  # nobody listens there
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setitem(SOURCES, "mnist", (file,))
    arguments = ["mnist", "--data-dir", str(tmp_path)]
    assert main("download_data", *arguments, monkeypatch=monkeypatch) == 2  # it is not there
    capsys.readouterr()
    monkeypatch.setitem(DATASETS, "mnist", lambda data_dir: synthetic())
    assert main("download_data", *arguments, monkeypatch=monkeypatch) == 0
    assert "mnist is there already, nothing was downloaded: 5,000 training and 1,000 test" in capsys.readouterr().out
    (tmp_path / "a.gz").write_bytes(b"damage")  # the file itself is compared with its checksum
    assert main("download_data", *arguments, monkeypatch=monkeypatch) == 2


@pytest.fixture
def own(tmp_path):
    """A data set of your own images, 16 x 16 in shades of grey."""
    images = np.random.default_rng(0).integers(0, 256, (60, 16, 16), dtype=np.uint8)
    np.savez(tmp_path / "own.npz", images=images, labels=np.arange(60) % 3)
    return tmp_path


@pytest.mark.slow
def test_training_on_images_of_ones_own_and_resuming(own):
    settings = ["--dataset", "npz:own.npz", "--filters", "2", "--batch-size", "20", "--epochs", "2", "--out", "run"]
    result = script("train.py", *settings, "--stop-after", 1, cwd=own)
    assert result.returncode == 0, result.stderr
    assert "VGG08 on npz:own.npz" in result.stdout
    assert "51 training and 3 validation images" in result.stdout
    result = script("train.py", "--out", "run", "--resume", cwd=own)
    assert result.returncode == 0, result.stderr
    assert (own / "run" / "test.json").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dataset", "npz:own.npz", "--labels", "coarse"], "no coarse labels"),
        (["--labels", "both"], "--labels must be one of fine, coarse, got 'both'"),
        (["--dataset", "npz:none.npz"], f"there is no file none.npz in {PLACE}: "),
        (["--dataset", "folder:none"], f"there is no folder none in {PLACE}: "),
        (
            ["--dataset", "folder:"],
            "--dataset must be one of cifar100, cifar10, mnist, synthetic, indian_pines, npz:FILE, folder:DIR",
        ),
        (["--dataset", "mnist", "--data-dir", "none"], "python scripts/download_data.py mnist"),
        (["--dataset", "mnist", "--data-dir", "none"], "was not found in none, which does not exist: "),
        (["--dataset", "cifar10", "--data-dir", "own.npz"], "was not found in own.npz, which is a file: "),
    ],
)
def test_wrong_data_are_one_line_and_leave_nothing_behind(own, arguments, message, monkeypatch, capsys):
    monkeypatch.chdir(own)
    assert main("train", *arguments, "--out", "run", monkeypatch=monkeypatch) == 2
    error = capsys.readouterr().err
    assert message.replace(PLACE, str(own)) in error
    assert error.count("\n") == 1
    assert not (own / "run").exists()


def test_train_downloads_what_is_missing_if_asked(own, monkeypatch, capsys):
    file = RemoteFile("train-images-idx3-ubyte.gz", 9, "0" * 32, ("http://127.0.0.1:9/",))  # nobody listens there
    monkeypatch.setitem(SOURCES, "mnist", (file,))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.chdir(own)
    arguments = ("--dataset", "mnist", "--data-dir", "here", "--out", "run")
    assert main("train", *arguments, monkeypatch=monkeypatch) == 2
    assert "MNIST" in capsys.readouterr().err
    assert not (own / "here").exists()
    assert main("train", *arguments, "--download", monkeypatch=monkeypatch) == 2
    assert "could not be downloaded. Tried: http://127.0.0.1:9/train-images" in capsys.readouterr().err
    assert not (own / "run").exists()
