import gzip
import io
import tarfile

import numpy as np
import pytest

from mlp.data import load_cifar100, load_npz
from mlp.data.formats.mnist import read_idx
from mlp.data.formats.safe_pickle import load_pickle
from mlp.data.formats.sources import BoundedStream, Form, MissingDataError, load_form, unreadable
from mlp.errors import DataError
from mlp.experiments.images import read_picture


def read(root):
    form = Form("set", ("a", "b"), lambda files: files, ("set.tar.gz", "set.tar.xz"))
    return load_form(root, (form,), "The set", ("Get it.", "Type this."))


def pack(path, members):
    """Write an archive of (name, content) pairs; a content that is a `TarInfo` is written as it is."""
    with tarfile.open(path, f"w:{path.suffix[1:]}") as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
            else:
                info.type, info.linkname = content
                archive.addfile(info)


@pytest.mark.parametrize("cut", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("compression", ["gz", "xz"])
def test_truncated_archive_is_named(tiny_cifar, compression, cut):
    path = tiny_cifar.write_archive(compression)
    content = path.read_bytes()
    path.write_bytes(content[: int(cut * len(content))])
    with pytest.raises(DataError, match=rf"cifar-100-python\.tar\.{compression}.*download it again"):
        load_cifar100(tiny_cifar.root)


@pytest.mark.parametrize("content", [b"<html>404 Not Found</html>", bytes(10240)], ids=["web page", "zeros"])
def test_what_is_no_archive_is_named(tiny_cifar, content):
    path = tiny_cifar.write_archive()
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"cifar-100-python\.tar\.gz .*download it again"):
        load_cifar100(tiny_cifar.root)


@pytest.mark.parametrize("compression", ["gz", "xz"])
@pytest.mark.parametrize("place", [0.2, 0.5, 0.8])
def test_one_damaged_byte_is_noticed_by_the_checksum(tiny_cifar, compression, place):
    path = tiny_cifar.write_archive(compression)
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"cifar-100-python\.tar\.{compression} is truncated or damaged"):
        load_cifar100(tiny_cifar.root)


def test_members_that_climb_out_are_ignored_and_nothing_is_written(tmp_path):
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    members = [("../escaped", b"x"), ("/tmp/set/a", b"x"), ("set/../../a", b"x"), ("set/a", b"1"), ("set/b", b"2")]
    pack(data_dir / "set.tar.gz", members)
    files = read(data_dir)
    assert {name: content for name, (content, _) in files.items()} == {"a": b"1", "b": b"2"}
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["data", "set.tar.gz"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE])
def test_only_regular_members_are_read(tmp_path, kind):
    pack(tmp_path / "set.tar.gz", [("set/other", b"x"), ("set/a", (kind, "set/other")), ("set/b", b"2")])
    with pytest.raises(DataError, match=r"set\.tar\.gz lacks set/a"):
        read(tmp_path)


def test_huge_member_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("mlp.data.formats.sources.LARGEST_MEMBER", 10)
    pack(tmp_path / "set.tar.gz", [("set/a", bytes(11)), ("set/b", b"2")])
    with pytest.raises(DataError, match="set/a claims 11 bytes"):
        read(tmp_path)


def test_places_are_tried_in_order(tmp_path):
    pack(tmp_path / "set.tar.xz", [("set/a", b"xz"), ("set/b", b"")])
    assert read(tmp_path)["a"] == (b"xz", f"{tmp_path / 'set.tar.xz'}:set/a")
    pack(tmp_path / "set.tar.gz", [("set/a", b"gz"), ("set/b", b"")])
    assert read(tmp_path)["a"][0] == b"gz"
    for folder, content in ((tmp_path, b"here"), (tmp_path / "set", b"folder")):
        folder.mkdir(exist_ok=True)
        for name in "ab":
            (folder / name).write_bytes(content)
        assert read(tmp_path)["a"] == (content, str(folder / "a"))


def test_forms_are_tried_in_order_and_folders_before_archives(tmp_path):
    def load():
        forms = [Form(name, ("a",), lambda files, name=name: name, (f"{name}.tar.gz",)) for name in ("one", "two")]
        return load_form(tmp_path, forms, "The set", ("Get it.", "Type this."))

    with pytest.raises(MissingDataError, match=r"looked for one, two, one\.tar\.gz, two\.tar\.gz\. Get it"):
        load()
    pack(tmp_path / "two.tar.gz", [("two/a", b"")])
    assert load() == "two"
    pack(tmp_path / "one.tar.gz", [("one/a", b"")])
    assert load() == "one"
    for name in ("two", "one"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a").touch()
        assert load() == name


@pytest.mark.parametrize("packed", ["gz", "xz", ""])
def test_members_may_begin_with_a_dot_and_the_compression_is_that_of_the_bytes(tmp_path, packed):
    path = tmp_path / f"made.{packed}"
    pack(path, [("./set/a", b"1"), ("./set/b", b"2")])
    path.rename(tmp_path / "set.tar.gz")
    assert {name: content for name, (content, _) in read(tmp_path).items()} == {"a": b"1", "b": b"2"}


@pytest.mark.parametrize("suffix", [".tgz", ".tar"])
def test_other_names_of_archives(tiny_cifar, suffix):
    path = tiny_cifar.write_archive("gz")
    content = path.read_bytes()
    path.unlink()
    path.with_name(f"cifar-100-python{suffix}").write_bytes(content if suffix == ".tgz" else gzip.decompress(content))
    assert len(load_cifar100(tiny_cifar.root)) == 2


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_header_of_gigabytes_takes_no_memory(tmp_path, kind):
    info = tarfile.TarInfo("long")
    info.type, info.size = kind, 3 * 2**30
    (tmp_path / "set.tar.gz").write_bytes(gzip.compress(info.tobuf(tarfile.GNU_FORMAT) + bytes(2**23)))
    with pytest.raises(DataError, match="a header of more than 4,194,304 bytes"):
        read(tmp_path)


def test_a_stream_for_tarfile_bounds_what_is_read_without_a_seek():
    stream = BoundedStream(io.BytesIO(bytes(2**23)))
    for size in (3 * 2**30, -1):
        with pytest.raises(ValueError, match="a header of more than 4,194,304 bytes"):
            stream.read(size)
    for _ in range(2):  # pieces of a header, or of a member's content, each after a seek
        stream.seek(0)
        assert len(stream.read(2**21)) == len(stream.read(2**21)) == 2**21
    with pytest.raises(ValueError, match="a header of more than"):
        stream.read(1)


def test_a_member_may_be_longer_than_a_header(tmp_path):
    content = bytes(range(256)) * 2**15  # 8 MiB
    pack(tmp_path / "set.tar.gz", [("set/a", content), ("set/b", b"2")])
    assert read(tmp_path)["a"][0] == content


def test_many_long_names_one_after_the_other_are_one_header(tmp_path):
    info = tarfile.TarInfo("long")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 2**20
    names = (info.tobuf(tarfile.GNU_FORMAT) + bytes(2**20)) * 8
    (tmp_path / "set.tar.gz").write_bytes(gzip.compress(names))
    with pytest.raises(DataError, match="a header of more than 4,194,304 bytes"):
        read(tmp_path)


def test_archives_of_too_much_are_refused(tmp_path, monkeypatch):
    pack(tmp_path / "set.tar.gz", [("other", bytes(100_000)), ("set/a", b"1"), ("set/b", b"2")])
    with monkeypatch.context() as patch:
        patch.setattr("mlp.data.formats.sources.LARGEST_ARCHIVE", 50_000)
        with pytest.raises(DataError, match="a member that ends at byte"):
            read(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("mlp.data.formats.sources.MOST_MEMBERS", 2)
        with pytest.raises(DataError, match="more than 2 members"):
            read(tmp_path)
    assert len(read(tmp_path)) == 2


def test_a_file_that_is_far_too_large_is_not_read(tmp_path):
    (tmp_path / "b").touch()
    with open(tmp_path / "a", "wb") as file:
        file.truncate(2**40)  # a hole: it takes no room
    with pytest.raises(DataError, match="a has 1,099,511,627,776 bytes, more than any file of this set"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (MemoryError(), "there is not enough memory to read x$"),
        (PermissionError(13, "Permission denied"), "x cannot be read: Permission denied$"),
        (OSError(5, "Input/output error"), "x cannot be read: Input/output error$"),
        (OSError("no such format"), r"x is truncated or damaged \(OSError: no such format\): get it again$"),
        (ValueError("y" * 5000), r"x is truncated or damaged \(ValueError: y{300} \.\.\.\): get it again$"),
    ],
)
def test_only_what_was_read_and_found_wrong_is_called_damaged(error, message):
    with pytest.raises(DataError, match=message):
        raise unreadable("x", error, advice=": get it again")


@pytest.mark.parametrize("error", [MemoryError(), PermissionError(13, "Permission denied")])
def test_good_files_of_all_formats_are_not_called_damaged(tmp_path, monkeypatch, error):
    def fails(*arguments, **options):
        raise error

    np.savez(tmp_path / "own.npz", images=np.zeros((20, 4, 4, 3), np.uint8), labels=np.zeros(20, int))
    np.save(tmp_path / "a.npy", np.zeros((4, 4), np.uint8))
    actions = [
        ("mlp.data.formats.npz.zipfile.ZipFile", lambda: load_npz(tmp_path / "own.npz")),
        ("mlp.data.formats.mnist.io.BytesIO", lambda: read_idx(b"", "x")),
        ("mlp.data.formats.safe_pickle.SafeUnpickler.load", lambda: load_pickle(b"", "x")),
        ("mlp.experiments.images.read_array", lambda: read_picture(tmp_path / "a.npy", (4, 4, 1))),
    ]
    for place, action in actions:
        with monkeypatch.context() as patch:
            patch.setattr(place, fails)
            with pytest.raises(DataError, match=r"not enough memory to read|cannot be read: Permission denied"):
                action()


@pytest.mark.parametrize("above", ["", "./", "/", "/home/me/set/", "set/", "set/set/"])
def test_archives_as_people_pack_them(tmp_path, above):
    names = [f"{above}{name}" if above.endswith("set/") or not above else f"{above}set/{name}" for name in "ab"]
    pack(tmp_path / "set.tar.gz", [(name, name[-1].encode()) for name in names])
    assert {name: content for name, (content, _) in read(tmp_path).items()} == {"a": b"a", "b": b"b"}


def test_a_file_of_the_name_in_another_folder_is_another_one(tmp_path):
    pack(tmp_path / "set.tar.gz", [("set/a", b"a"), ("other/b", b"no")])
    with pytest.raises(DataError, match=r"set\.tar\.gz lacks set/b"):
        read(tmp_path)


def test_a_folder_in_a_folder_of_its_name_is_read_and_a_packed_one_of_another_kind_named(tmp_path):
    (tmp_path / "set-python.zip").write_bytes(b"PK")
    with pytest.raises(MissingDataError, match=r"; there is set-python\.zip, which is none of them"):
        load_form(tmp_path, (Form("set", ("a",), dict, ("set-python.tar",)),), "The set", ("Get it.", "Type this."))
    (tmp_path / "set" / "set").mkdir(parents=True)
    for name in "ab":
        (tmp_path / "set" / "set" / name).write_text(name)
    assert read(tmp_path)["b"][0] == b"b"
