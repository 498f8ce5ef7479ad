"""Files of runs that are cut off, edited or hostile: damaged, or not readable; never a hang, a crash or a guess."""

import contextlib
import json
import os
import zipfile

import numpy as np
import pytest

from mlp.data import load_npz
from mlp.data.download.checksums import md5_of
from mlp.errors import CheckpointError, ConfigurationError, DamagedError, DataError, MlpError
from mlp.experiments.images import read_picture
from mlp.experiments.own_model import build_own_model, digest_of_file
from mlp.experiments.run_folder import RunFolder
from mlp.files import atomic_write, named_path, stored, write_arrays, write_json, write_text
from mlp.files.stored import read_end
from mlp.reproduction.index import epochs_done
from mlp.reproduction.work import last_line_of_log, read_planned
from mlp.training.attempts import read_attempts


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"3",
        b'"text"',
        b"null",
        b"{",
        b"[" * 100_000,
        b"\xff\xfe{}",
        b'{"a":1',
        b'[{"a":1}]',
        b'{"a":{"b":1,"b":2}}',
    ],
)
def test_json_that_is_no_object_is_damaged(tmp_path, content):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(DamagedError, match="a.json is damaged: ") as caught:
        stored.read_object(path)
    assert len(str(caught.value)) < 1000


def test_a_byte_order_mark_is_no_damage(tmp_path):
    (tmp_path / "a.json").write_bytes(b"\xef\xbb\xbf" + json.dumps({"a": "é"}).encode())
    assert stored.read_object(tmp_path / "a.json") == {"a": "é"}


def test_text_of_any_length_is_not_read_to_its_end(tmp_path, monkeypatch):
    monkeypatch.setattr(stored, "LONGEST_TEXT", 100)
    (tmp_path / "a.json").write_text("{}" + " " * 98)
    assert stored.read_object(tmp_path / "a.json") == {}
    (tmp_path / "a.json").write_text("{}" + " " * 99)
    with pytest.raises(DamagedError, match="longer than 100 bytes"):
        stored.read_object(tmp_path / "a.json")


@pytest.mark.parametrize("value", [True, None, "1", [1], {}, 10**400])
def test_what_is_no_number(value):
    with pytest.raises(ValueError, match="x "):
        stored.as_number("x", value)


@pytest.mark.parametrize("value", [7, -0.1, 1e300, -1e-300])
def test_numbers_beyond_their_limits(value):
    with pytest.raises(ValueError, match=r"must lie in 0 \.\. 1"):
        stored.as_number("x", value, 0, 1)


def test_arrays_come_back_as_they_were(tmp_path):
    arrays = {
        "a/b": np.arange(6.0).reshape(2, 3),
        "text": np.array("é"),
        "none": np.zeros((0, 2)),
        "flag": np.array(True),
    }
    write_arrays(tmp_path / "a.npz", arrays)
    back = stored.read_arrays(tmp_path / "a.npz")
    assert back.keys() == arrays.keys()
    for name, array in arrays.items():
        assert back[name].dtype == array.dtype
        np.testing.assert_array_equal(back[name], array)


def npy(array, shape=None):
    """The bytes of an .npy file whose header may tell another shape."""
    descr = np.lib.format.dtype_to_descr(array.dtype)
    header = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape or array.shape}, }}"
    header = header.ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + array.tobytes()


def archive(path, members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, content in members:
            file.writestr(name, content)


VALUES = np.arange(4.0)
BAD_ARCHIVES = {
    "an array of objects": ([("a.npy", npy(VALUES).replace(b"'<f8'", b"'|O' "))], 0),
    "a header of terabytes": ([("a.npy", npy(VALUES, (10**6, 10**6)))], 0),
    "a header beyond all integers": ([("a.npy", npy(VALUES, (10**30,)))], 0),
    "a negative shape": ([("a.npy", npy(VALUES, (-2, -2)))], 0),
    "more bytes than told": ([("a.npy", npy(VALUES, (2,)))], 0),
    "a header that is code": (
        [("a.npy", npy(VALUES).replace(b"'fortran_order': False", b"'fortran_order': exit() "))],
        0,
    ),
    "no header": ([("a.npy", b"")], 0),
    "two of a name": ([("a.npy", npy(VALUES)), ("a.npy", npy(VALUES))], 0),
    "a bomb": ([("a.npy", npy(np.zeros(10**6)))], zipfile.ZIP_DEFLATED),
    "another compression": ([("a.npy", npy(VALUES))], zipfile.ZIP_LZMA),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", BAD_ARCHIVES)
def test_archives_that_are_wrong_are_damaged(tmp_path, name):
    members, compression = BAD_ARCHIVES[name]
    archive(tmp_path / "a.npz", members, compression)
    with pytest.raises(DamagedError):
        stored.read_arrays(tmp_path / "a.npz")


def test_every_cut_and_many_flips_are_damaged_or_harmless(tmp_path):
    path = tmp_path / "a.npz"
    write_arrays(path, {"a": VALUES, "b": np.array("text")})
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    versions = [whole[:length] for length in range(0, len(whole), 7)]
    for _ in range(300):
        flipped = bytearray(whole)
        flipped[rng.integers(len(whole))] ^= 1 << rng.integers(8)
        versions.append(bytes(flipped))
    for version in versions:
        path.write_bytes(version)
        with contextlib.suppress(DamagedError):
            stored.read_arrays(path)


def test_a_file_that_is_no_npz(tmp_path):
    np.save(tmp_path / "a.npy", VALUES)
    with pytest.raises(DamagedError, match="not a zip file"):
        stored.read_arrays(tmp_path / "a.npy")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes with names")
@pytest.mark.parametrize("reader", [stored.read_text, stored.read_object, stored.read_arrays])
def test_what_cannot_be_read_is_not_called_damaged(tmp_path, reader):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "folder", "nul\0"):
        with pytest.raises(CheckpointError, match="cannot be read") as caught:
            reader(tmp_path / name)
        assert not isinstance(caught.value, DamagedError)
    with pytest.raises(FileNotFoundError):
        reader(tmp_path / "none")


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), OSError(5, "Input/output error")])
def test_errors_of_the_system_are_no_damage(tmp_path, monkeypatch, error):
    write_arrays(tmp_path / "a.npz", {"a": VALUES})

    def fails(*arguments, **options):
        raise error

    monkeypatch.setattr(zipfile.ZipFile, "open", fails)
    with pytest.raises(CheckpointError, match=f"cannot be read: {error.strerror}") as caught:
        stored.read_arrays(tmp_path / "a.npz")
    assert not isinstance(caught.value, DamagedError)


def test_too_little_memory_is_no_damage(tmp_path, monkeypatch):
    write_arrays(tmp_path / "a.npz", {"a": VALUES})

    def fails(*arguments, **options):
        raise MemoryError("Unable to allocate 1 GiB")

    monkeypatch.setattr(np.lib.format, "read_array", fails)
    with pytest.raises(MemoryError):
        stored.read_arrays(tmp_path / "a.npz")


# --- writing ----------------------------------------------------------------------------------------------------------

WRITERS = {
    "text": lambda path: write_text(path, "new"),
    "json": lambda path: write_json(path, {"new": 1}),
    "arrays": lambda path: write_arrays(path, {"new": VALUES}),
}


@pytest.mark.skipif(os.name != "posix", reason="needs links")
@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_a_link_at_the_name_of_the_part_leads_nowhere(tmp_path, write):
    (tmp_path / "target").write_text("precious")
    (tmp_path / "a.part").symlink_to(tmp_path / "target")
    write(tmp_path / "a")
    assert (tmp_path / "target").read_text() == "precious"
    assert not (tmp_path / "a").is_symlink()
    os.mkfifo(tmp_path / "a.part")
    write(tmp_path / "a")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "target"]


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_a_full_disk_names_the_file(tmp_path, monkeypatch, write):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as caught:
        write(tmp_path / "name")
    assert caught.value.filename == str(tmp_path / "name")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_open_elsewhere_for_a_moment(tmp_path, monkeypatch):
    """As Windows has it: nobody may rename over an open file."""
    replace, failures = os.replace, []

    def busy(source, target):
        if len(failures) < 2:
            failures.append(target)
            raise PermissionError(13, "in use")
        replace(source, target)

    monkeypatch.setattr(os, "replace", busy)
    monkeypatch.setattr("mlp.files.PAUSES", (0, 0, 0))
    with atomic_write(tmp_path / "a") as file:
        file.write(b"new")
    assert (tmp_path / "a").read_bytes() == b"new"


def test_names_that_are_no_text_can_be_written_about(tmp_path):
    write_text(tmp_path / "a", "run\udcff")
    assert (tmp_path / "a").read_text() == "run\\udcff"


@pytest.mark.parametrize("name", ["", " ", "a\0b", "~nobody-has-this-name/x"])
def test_names_that_are_none(name):
    with pytest.raises(ConfigurationError):
        named_path(name)


def test_a_tilde_is_the_home_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert named_path("~/x") == tmp_path / "x"


@pytest.fixture
def pipes(tmp_path):
    """A function that puts a named pipe, which nobody writes to, in the place of a file."""
    if not hasattr(os, "mkfifo"):
        pytest.skip("this system has no named pipes")

    def make(name):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        os.mkfifo(path)
        return path

    return make


def test_no_reader_waits_for_a_pipe(pipes, tmp_path):
    for name in ("attempts.tsv", "planned.tsv", "log.txt", "metrics.csv", "net.py", "images.npy", "own.npz"):
        pipes(name)
    assert read_attempts(tmp_path) == []
    assert last_line_of_log(tmp_path) == ""
    assert epochs_done(RunFolder(tmp_path)) == 0
    assert digest_of_file(f"{tmp_path / 'net.py'}:model") is None
    refusals = [
        (lambda: read_planned(tmp_path), CheckpointError),
        (lambda: md5_of(tmp_path / "own.npz"), DataError),
        (lambda: load_npz(tmp_path / "own.npz"), DataError),
        (lambda: read_picture(tmp_path / "images.npy", (8, 8, 3)), DataError),
        (lambda: build_own_model(f"{tmp_path / 'net.py'}:f", 2, (8, 8, 3), 0, "float32", trust_code=True), MlpError),
    ]
    for action, kind in refusals:
        with pytest.raises(kind):
            action()


def test_the_end_of_a_long_file(tmp_path):
    (tmp_path / "log.txt").write_bytes(b"\xff" * 50 + b"\nthe end")
    assert read_end(tmp_path / "log.txt", 7) == "the end"
    assert read_end(tmp_path / "log.txt", 1000).startswith("\ufffd")


def test_a_file_of_gigabytes_is_no_code(tmp_path):
    with open(tmp_path / "net.py", "wb") as file:
        file.truncate(2**36)
    assert digest_of_file(f"{tmp_path / 'net.py'}:model") is None
