"""One writer per folder: in processes beside each other, without locks, with a folder that is moved away."""

import os
import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest

from mlp.errors import CheckpointError, FolderInUseError
from mlp.files import atomic_write, locks, write_text
from mlp.files.locks import kept_to_this_machine, only_writer
from mlp.layers import Affine
from mlp.training.hooks import KeepWeights

fcntl = pytest.importorskip("fcntl", reason="this system has no such locks")
HOLD = """
import sys
from mlp.files.locks import only_writer
with only_writer(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def held(tmp_path):
    """A folder that another process has locked, and the process."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path / "lock")], **pipes) as process:
        assert process.stdout.readline() == "held\n"
        yield tmp_path, process
        process.kill()


def test_a_second_writer_is_told_who_the_first_is_and_comes_after_its_death(held):
    folder, process = held
    with pytest.raises(FolderInUseError, match=r"another run is writing to .*\(process 12 on n1\)"):
        only_writer(folder / "lock", lambda: "process 12 on n1").__enter__()
    process.kill()
    process.wait()
    with only_writer(folder / "lock"):
        write_text(folder / "file", "text")


def test_the_file_is_open_for_writing_as_network_drives_want_it(tmp_path):
    with only_writer(tmp_path / "lock") as lock:
        assert fcntl.fcntl(lock.descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDWR


@pytest.mark.parametrize("how", ["deleted", "moved", "replaced"])
def test_a_folder_that_is_no_longer_ours_is_not_written_to(tmp_path, how):
    folder = tmp_path / "run"
    folder.mkdir()
    with only_writer(folder / "lock"):
        write_text(folder / "before", "text")
        if how == "deleted":
            shutil.rmtree(folder)
        else:
            folder.rename(tmp_path / "elsewhere")
        if how != "moved":
            folder.mkdir()
        if how == "replaced":
            (folder / "lock").touch()
        with pytest.raises(CheckpointError, match="no longer the folder in which this run began"):
            write_text(folder / "after", "text")
    assert not (folder / "after").exists()


def test_nothing_is_written_below_a_folder_that_is_no_longer_ours(tmp_path):
    """Another run is at that path now, and has files of the same names below its folder."""
    folder = tmp_path / "run"
    folder.mkdir()
    trainer = SimpleNamespace(epoch=1, model=Affine(2, 2))
    with only_writer(folder / "lock"):
        KeepWeights(folder).write(trainer)
        folder.rename(tmp_path / "elsewhere")
        (folder / "weights").mkdir(parents=True)
        for action in (lambda: KeepWeights(folder).write(trainer), lambda: write_text(folder / "weights" / "x", "x")):
            with pytest.raises(CheckpointError, match="no longer the folder in which this run began"):
                action()
        write_text(tmp_path / "beside", "text")  # that is another folder
    assert list((folder / "weights").iterdir()) == []
    assert [path.name for path in (tmp_path / "elsewhere" / "weights").iterdir()] == ["epoch-0001.npz"]


def test_a_lock_that_was_lost_is_noticed_before_the_next_write(tmp_path):
    """As after a while without the network: the server has given the lock to another."""
    with only_writer(tmp_path / "lock") as lock:
        fcntl.flock(lock.descriptor, fcntl.LOCK_UN)
        with only_writer(tmp_path / "lock"):
            locks._held[str(tmp_path)] = lock  # one process plays both
            with pytest.raises(FolderInUseError, match="was lost, another run may be writing there"):
                write_text(tmp_path / "file", "text")


@pytest.mark.parametrize("reason", ["refused", "kept to the machine", "none"])
def test_where_there_are_no_locks_a_warning_says_so(tmp_path, monkeypatch, capsys, reason):
    def refuse(descriptor, operation):
        raise OSError(37, "No locks available")

    if reason == "refused":
        monkeypatch.setattr(locks.fcntl, "flock", refuse)
    elif reason == "none":
        monkeypatch.setattr(locks, "fcntl", None)
    else:
        monkeypatch.setattr(locks, "kept_to_this_machine", lambda path: "it is mounted with nolock")
    with only_writer(tmp_path / "lock"):
        write_text(tmp_path / "file", "text")
    expected = {"refused": "No locks available", "none": "this system has none"}.get(reason, "mounted with nolock")
    error = capsys.readouterr().err
    assert f"warning: {tmp_path} has no locks ({expected}" in error.replace("it is ", "")
    assert "nothing keeps a second run from writing there" in error


def test_mount_options_that_keep_a_lock_to_one_machine(tmp_path, monkeypatch):
    mounts = tmp_path / "mounts"
    real = locks.Path
    monkeypatch.setattr(locks, "Path", lambda path: mounts if path == "/proc/mounts" else real(path))
    for options, expected in {
        "rw,hard": None,
        "rw,nolock": "nolock",
        "rw,local_lock=flock": "local_lock=flock",
    }.items():
        mounts.write_text(f"/dev/sda / ext4 rw 0 0\nserver:/home {tmp_path} nfs {options} 0 0\nbroken\n")
        answer = kept_to_this_machine(tmp_path / "run" / "lock")
        assert answer == (expected and f"it is mounted with {expected}")
    mounts.unlink()
    assert kept_to_this_machine(tmp_path / "lock") is None


def test_the_file_is_never_a_link_to_another(tmp_path):
    (tmp_path / "target").write_text("keep me")
    (tmp_path / "lock").symlink_to(tmp_path / "target")
    with pytest.raises(CheckpointError, match="lock is not a file, but a link"):
        only_writer(tmp_path / "lock").__enter__()
    assert (tmp_path / "target").read_text() == "keep me"


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_named(tmp_path, make):
    make(tmp_path / "lock")
    with pytest.raises(CheckpointError, match="lock is not a file, but a link, a folder, a pipe or a device"):
        only_writer(tmp_path / "lock").__enter__()


def test_a_disk_that_fills_in_the_middle_of_a_line_names_the_file(tmp_path, monkeypatch):
    with only_writer(tmp_path / "lock") as lock:
        monkeypatch.setattr(os, "write", lambda descriptor, content: len(content) - 1)
        with pytest.raises(OSError, match=r"No space left on device: '.*lock'"):
            lock.append("a line\n")


def test_two_that_write_one_file_outside_of_a_locked_folder_mix_nothing(tmp_path):
    """The first one to end has written all of its text, or nothing; the other one is told."""
    path = tmp_path / "page.html"
    first = atomic_write(path, "w")
    first.__enter__().write("first")
    second = atomic_write(path, "w")
    second.__enter__().write("sec")  # half of it, under the temporary name of both
    with pytest.raises(FolderInUseError, match=r"page\.html is not written: another process writes it too"):
        first.__exit__(None, None, None)
    assert not path.exists()
    second.__exit__(None, None, None)
    assert path.read_text() == "sec"
