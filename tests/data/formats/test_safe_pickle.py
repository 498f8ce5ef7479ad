import pickle

import numpy as np
import pytest

from mlp.data.formats.safe_pickle import load_pickle
from mlp.errors import DataError


def test_the_marker_would_be_made_by_an_ordinary_unpickler(marker):
    pickle.loads(pickle.dumps({"x": marker.malicious}, protocol=2))
    assert marker.path.exists()


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])
def test_code_is_refused_and_not_run(marker, protocol):
    content = pickle.dumps({"x": marker.malicious}, protocol=protocol)
    with pytest.raises(DataError, match=r"train asks for (posix|nt)\.system"):
        load_pickle(content, "train")
    assert not marker.path.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"cos\nsystem\n(S'true'\ntR.",
        b"c__builtin__\neval\n(S'1'\ntR.",
        b"cbuiltins\ngetattr\n.",
        b"cnumpy\nload\n.",
        b"cnumpy.core.multiarray\nfromfile\n.",
        b"cnumpy\nndarray.tofile\n.",
        b"(S'true'\nios\nsystem\n.",
        b"\x80\x02\x82\x01.",  # an object from the extension registry
    ],
)
def test_globals_that_are_no_data_are_refused(content):
    with pytest.raises(DataError, match="evil asks for"):
        load_pickle(content, "evil")


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize(
    "array",
    [
        np.arange(12, dtype=np.uint8).reshape(3, 4),
        np.asfortranarray(np.arange(12, dtype=np.int64).reshape(3, 4)),
        np.array([1.5, -2.0], dtype=">f4"),
        np.array([True, False]),
        np.zeros((0, 3072), np.uint8),
    ],
    ids=["uint8", "column order", "big endian", "bool", "empty"],
)
def test_arrays_and_texts_come_back(array, protocol):
    loaded = load_pickle(pickle.dumps({b"a": array, "b": [b"x", "y", 3, None]}, protocol=protocol), "here")
    np.testing.assert_array_equal(loaded["a"], array)
    assert loaded["a"].dtype == array.dtype
    assert loaded["b"] == [b"x", "y", 3, None]


def test_strings_of_python_2():
    assert load_pickle(b"\x80\x02}U\x03keyU\x02\xff\x00s.", "here") == {"key": b"\xff\x00"}


@pytest.mark.parametrize("dtype", [object, "datetime64[s]", "U3", [("a", "u1")]])
def test_arrays_of_anything_but_numbers_are_refused(dtype):
    with pytest.raises(DataError, match="here is truncated or damaged"):
        load_pickle(pickle.dumps({"a": np.zeros(2, dtype)}, protocol=2), "here")


def test_an_array_of_pointers_is_refused():
    # numpy.dtype("O") whose state denies that it holds objects: NumPy would take the eight bytes for an address.
    content = (
        b"\x80\x02}U\x01acnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR"
        b"(K\x01(K\x01tcnumpy\ndtype\n(U\x01OK\x00K\x01tR(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"\x89U\x08AAAAAAAAtbs."
    )
    assert load_pickle(content.replace(b"U\x01O", b"U\x02u8"), "here")["a"] == [0x4141414141414141]
    with pytest.raises(DataError, match="elements of type 'O'"):
        load_pickle(content, "here")


def test_every_truncation_is_an_error():
    content = pickle.dumps({"data": np.arange(30, dtype=np.uint8), "labels": [1, 2, 300]}, protocol=2)
    for length in range(len(content)):
        with pytest.raises(DataError, match="^short "):
            load_pickle(content[:length], "short")


def test_damaged_bytes_raise_nothing_but_data_errors():
    content = pickle.dumps({b"data": np.arange(30, dtype=np.uint8), b"labels": [1, 2, 300]}, protocol=2)
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(3000):
        damaged = bytearray(content)
        for place in rng.integers(0, len(content), 3):
            damaged[place] = rng.integers(0, 256)
        try:
            assert isinstance(load_pickle(bytes(damaged), "damaged"), dict)
        except DataError:
            refused += 1
    assert refused > 1000


@pytest.mark.parametrize("value", [[1], b"text", np.zeros(3, np.uint8), {3: 4}])
def test_what_is_no_dictionary_of_names_is_refused(value):
    with pytest.raises(DataError, match="no dictionary"):
        load_pickle(pickle.dumps(value, protocol=2), "here")


def test_running_out_of_memory_names_the_file(monkeypatch):
    def out_of_memory(self):
        raise MemoryError

    monkeypatch.setattr("mlp.data.formats.safe_pickle.SafeUnpickler.load", out_of_memory)
    with pytest.raises(DataError, match="not enough memory to read big$"):
        load_pickle(b"", "big")


@pytest.mark.parametrize(
    "use",
    [b"}%bI1\ns.", b"}(%bI1\nu.", b"(%bI1\nd.", b"\x8f(%b\x90.", b"(%b\x91."],
    ids=["s", "u", "d", "add", "frozen"],
)
def test_keys_that_take_forever_to_hash_are_refused(use):
    nested = b")" + b"2\x86" * 100  # the pair of the pair of the pair ...
    with pytest.raises(DataError, match=r"here is truncated or damaged"):
        load_pickle(b"\x80\x04" + use % nested, "here")


@pytest.mark.parametrize("size", [1, 2**40, 2**64 - 1])
def test_bytearrays_whose_length_would_be_reserved_are_refused(size):
    with pytest.raises(DataError, match="here is truncated or damaged"):
        load_pickle(b"\x80\x05}\x8c\x01a\x96" + size.to_bytes(8, "little"), "here")


def test_a_buffer_in_an_order_that_is_none_is_refused():
    content = pickle.dumps({"a": np.zeros((2, 2), np.uint8)}, protocol=5).replace(b"\x8c\x01C", b"\x8c\x01K")
    with pytest.raises(DataError, match="an array in the order 'K'"):
        load_pickle(content, "here")
