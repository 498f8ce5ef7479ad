"""Weights to and from PyTorch."""

import builtins
import json

import numpy as np
import pytest

from mlp.errors import CheckpointError, ConfigurationError, ShapeError
from mlp.interop import from_torch_arrays, load_safetensors, save_safetensors, to_torch_arrays, torch_names
from mlp.layers import (
    Affine,
    BatchNorm,
    Conv2d,
    Dropout,
    Flatten,
    GroupNorm,
    InstanceNorm,
    Layer,
    LayerNorm,
    Parameter,
    Sequential,
)
from mlp.models import vgg


class Mix(Layer):
    """y = x M: a layer of one's own."""

    def __init__(self):
        self.mixing = Parameter(np.arange(6, dtype=np.float32).reshape(2, 3))


def network(dtype=np.float32, seed=0):
    layers = {"conv": Conv2d(3, 5, kernel_size=(2, 3)), "norm": BatchNorm(5), "flat": Flatten(), "drop": Dropout()}
    return Sequential({**layers, "affine": Affine(7, 4, bias=False)}).initialize(seed).astype(dtype)


def same(a, b):
    return a.keys() == b.keys() and all((a[name] == b[name]).all() and a[name].dtype == b[name].dtype for name in a)


def test_names_and_layout_are_those_of_pytorch():
    model = network()
    arrays = to_torch_arrays(model)
    assert {name: array.shape for name, array in arrays.items()} == {
        "conv.weight": (5, 3, 2, 3),
        "conv.bias": (5,),
        "norm.weight": (5,),
        "norm.bias": (5,),
        "norm.running_mean": (5,),
        "norm.running_var": (5,),
        "norm.num_batches_tracked": (),
        "affine.weight": (4, 7),
    }
    state = model.state_dict()
    assert arrays["conv.weight"][4, 2, 1, 0] == state["conv.weight"][1, 0, 2, 4]
    assert arrays["affine.weight"][3, 6] == state["affine.weight"][6, 3]
    assert all(array.flags.c_contiguous for array in arrays.values())


@pytest.mark.parametrize("norm", [LayerNorm(4), InstanceNorm(4), GroupNorm(2, 4)], ids=lambda n: type(n).__name__)
def test_norms_of_single_samples_have_weight_and_bias(norm):
    assert list(to_torch_arrays(Sequential({"norm": norm}))) == ["norm.weight", "norm.bias"]


def test_arrays_there_and_back():
    model, other = (
        vgg(depth=14, norm="batch", num_classes=5, filters=4),
        vgg(14, "batch", num_classes=5, filters=4, seed=1),
    )
    model.forward(np.random.default_rng(0).random((4, 8, 8, 3), np.float32), training=True)  # moves running statistics
    assert not same(model.state_dict(), other.state_dict())
    from_torch_arrays(other, to_torch_arrays(model))
    assert same(model.state_dict(), other.state_dict())


def test_layers_of_ones_own_keep_their_layout_until_they_are_registered():
    layer = Mix()
    assert to_torch_arrays(layer)["mixing"].shape == (2, 3)

    class Turned(Mix):
        pass

    @torch_names.register
    def _(layer: Turned):
        return [("mixing", "weight", (1, 0))]

    arrays = to_torch_arrays(Turned())
    assert arrays["weight"].shape == (3, 2)
    other = Turned()
    other.mixing.data[...] = 0
    from_torch_arrays(other, arrays)
    np.testing.assert_array_equal(other.mixing.data, layer.mixing.data)


@pytest.mark.parametrize(
    ("given", "got"),
    [
        (np.zeros(3), r"got array\(\[0., 0., 0.\]\): write"),
        ([np.zeros(2)], r"got \[array\(\[0., 0.\]\)\]: write"),
        (None, "got None: write"),
        ({"affine.weight": [1.0]}, r"got \[1.0\] in it: write"),
        ({"affine.weight": None}, "got None in it: write"),
    ],
)
def test_something_else_than_a_dict_of_arrays_is_said_as_it_was_given(given, got):
    with pytest.raises(ShapeError, match=f"expected arrays by name, a dict of arrays, {got} "):
        from_torch_arrays(network(), given)


def test_everything_that_does_not_fit_is_listed_and_nothing_is_copied():
    model = network()
    arrays = to_torch_arrays(network(seed=1))
    del arrays["norm.bias"], arrays["norm.num_batches_tracked"]
    arrays["affine.weight"] = arrays["affine.weight"].T
    arrays["head.weight"] = np.zeros(3)
    before = model.state_dict()
    with pytest.raises(CheckpointError) as caught:
        from_torch_arrays(model, arrays)
    assert str(caught.value).splitlines() == [
        "the weights do not fit the model:",
        "  norm.bias (5,) is missing",
        "  affine.weight must be (4, 7), got (7, 4)",
        "  head.weight (3,) is not in the model",
    ]
    assert same(model.state_dict(), before)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_files_there_and_back(tmp_path, dtype):
    pytest.importorskip("safetensors")
    model, other = network(dtype), network(dtype, seed=1)
    save_safetensors(model, tmp_path / "w.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["w.safetensors"]
    load_safetensors(other, tmp_path / "w.safetensors")
    assert same(model.state_dict(), other.state_dict())


def test_files_that_cannot_be_read(tmp_path):
    pytest.importorskip("safetensors")
    path = tmp_path / "w.safetensors"
    with pytest.raises(CheckpointError, match="there is no file"):
        load_safetensors(network(), path)
    save_safetensors(network(), path)
    content = path.read_bytes()
    for damaged in (b"", content[:100], content[:-1], b"\xff" * 50, content[8:]):
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError, match="w.safetensors cannot be read as safetensors"):
            load_safetensors(network(), path)
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="w.safetensors: the weights do not fit the model"):
        load_safetensors(vgg(depth=8), path)


def test_without_the_package_one_sentence_says_what_to_do(tmp_path, monkeypatch):
    plain = builtins.__import__

    def without(name, *arguments, **keywords):
        if name.partition(".")[0] == "safetensors":
            raise ImportError("No module named 'safetensors'")
        return plain(name, *arguments, **keywords)

    monkeypatch.setattr("builtins.__import__", without)
    for function in (save_safetensors, load_safetensors):
        with pytest.raises(ConfigurationError, match="python -m pip install 'safetensors>=0.4'"):
            function(network(), tmp_path / "w.safetensors")
    assert not list(tmp_path.iterdir())


@pytest.mark.oracle
def test_a_pytorch_model_computes_the_same(tmp_path):
    torch = pytest.importorskip("torch")
    files = pytest.importorskip("safetensors.torch")
    import torch_vgg

    settings = {"depth": 14, "norm": "batch", "residual": True, "num_classes": 7, "filters": 6}
    model = vgg(**settings, dtype=np.float64)
    x = np.random.default_rng(0).standard_normal((8, 16, 16, 3))
    for _ in range(3):
        model.forward(x, training=True)  # running statistics away from where they start
    theirs = torch_vgg.VGG(**settings).double().eval()
    images = torch.tensor(x.transpose(0, 3, 1, 2).copy())

    save_safetensors(model, tmp_path / "ours.safetensors")
    theirs.load_state_dict(files.load_file(tmp_path / "ours.safetensors"))  # strict: every name is there
    with torch.no_grad():
        np.testing.assert_allclose(theirs(images).numpy(), model.forward(x), rtol=0, atol=1e-12)

    with torch.no_grad():
        for tensor in theirs.state_dict().values():
            if tensor.is_floating_point():
                tensor.copy_(torch.rand_like(tensor) + 0.1)
        files.save_file(theirs.state_dict(), tmp_path / "theirs.safetensors")
        expected = theirs(images).numpy()
    load_safetensors(model, tmp_path / "theirs.safetensors")
    np.testing.assert_allclose(model.forward(x) / expected, 1.0, rtol=0, atol=1e-12)


class Scaled(Conv2d):
    """A convolution with something more, which PyTorch's does not have."""

    def __init__(self):
        super().__init__(3, 4, 3)
        self.scale = Parameter(np.ones(4, np.float32))


def test_what_a_subclass_adds_is_not_dropped():
    with pytest.raises(ConfigurationError, match="Scaled '0' adds scale to what PyTorch's layer has"):
        to_torch_arrays(Sequential(Scaled()))


class Counted(Conv2d):
    """A convolution with a counter that PyTorch has no place for."""

    buffer_names = ("seen",)

    def __init__(self):
        super().__init__(3, 4, 3)
        self.seen = np.zeros(1, np.float32)


def test_who_registers_names_decides_which():
    with pytest.raises(ConfigurationError, match="Counted '0' adds seen"):
        to_torch_arrays(Sequential(Counted()))
    torch_names.register(Counted, lambda layer: torch_names.dispatch(Conv2d)(layer))
    assert set(to_torch_arrays(Sequential(Counted()))) == {"0.weight", "0.bias"}


@pytest.mark.parametrize("settings", [{"norm": "batch"}, {"dense": True, "growth": 2}])
def test_companions_stay_behind(settings):
    given = {"depth": 14, "filters": 4, "num_classes": 3, **settings}
    plain, model = vgg(**given, seed=1), vgg(**given, seed=2, companions="blocks")
    arrays = to_torch_arrays(plain)
    assert to_torch_arrays(model).keys() == arrays.keys()
    from_torch_arrays(model, arrays)
    state = model.state_dict()
    for name, array in plain.state_dict().items():
        np.testing.assert_array_equal(state[name], array)


class Scale(Layer):
    """y = a x, with one learned number of shape ()."""

    def __init__(self):
        self.factor = Parameter(np.array(0.5, np.float32))


def test_a_single_number_keeps_its_shape():
    model, other = Scale(), Scale()
    other.factor.data[...] = 0
    arrays = to_torch_arrays(model)
    assert arrays["factor"].shape == ()
    from_torch_arrays(other, arrays)
    assert other.factor.data == 0.5


def small():
    return Sequential({"affine": Affine(3, 2), "norm": BatchNorm(2)}).initialize(0)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("affine.weight", lambda a: np.where(a == a.max(), np.nan, a), "has 1 of 6 values that are NaN or infinite"),
        ("affine.weight", lambda a: a.astype(np.float64) + 1e300, "has 6 of 6 values .* infinite as float32"),
        ("affine.bias", lambda a: a > 0, r"must be float32 numbers, got bool: convert it with \.float\(\)"),
        ("affine.bias", lambda a: a.astype(np.int8), "must be float32 numbers, got int8"),
        ("affine.bias", lambda a: a.astype(np.complex64), "must be float32 numbers, got complex64"),
        ("norm.running_var", lambda a: a - 2, "must not be less than 0, got -1"),
    ],
)
def test_values_that_cannot_be_weights_are_refused_and_nothing_is_copied(name, change, message):
    model = small()
    before = model.state_dict()
    arrays = to_torch_arrays(small())
    arrays[name] = change(arrays[name])
    arrays["norm.bias"] = arrays["norm.bias"] + 1
    with pytest.raises(CheckpointError, match=f"{name} {message}"):
        from_torch_arrays(model, arrays)
    assert same(model.state_dict(), before)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "model.", "module._orig_mod.", "_orig_mod.module."])
def test_prefixes_of_wrappers_are_taken_off(prefix):
    arrays = {name: array + 1 for name, array in to_torch_arrays(small()).items()}
    model = small()
    from_torch_arrays(model, {prefix + name: array for name, array in arrays.items()})
    np.testing.assert_array_equal(to_torch_arrays(model)["affine.weight"], arrays["affine.weight"])


def test_a_prefix_that_belongs_to_the_model_stays():
    model, other = (Sequential({"module": Affine(3, 2)}).initialize(seed) for seed in (0, 1))
    from_torch_arrays(other, to_torch_arrays(model))
    assert same(model.state_dict(), other.state_dict())


def write_safetensors(path, kinds):
    """Write a file of zeros by hand: name -> (type, shape, bytes)."""
    header, at = {}, 0
    for name, (kind, shape, size) in kinds.items():
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(at))


def test_types_of_numbers_that_numpy_lacks(tmp_path):
    pytest.importorskip("safetensors")
    path, model = tmp_path / "w.safetensors", Sequential(Affine(3, 2)).initialize(0)
    write_safetensors(path, {"0.weight": ("BF16", [2, 3], 12), "0.bias": ("F16", [2], 4)})
    content = bytearray(path.read_bytes())
    content[-16:-14] = b"\xc0\xbf"  # -1.5 in bfloat16: the upper half of 0xBFC00000
    path.write_bytes(content)
    load_safetensors(model, path)
    assert model.state_dict()["0.weight"].tolist() == [[-1.5, 0], [0, 0], [0, 0]]
    write_safetensors(path, {"0.weight": ("C64", [2, 3], 48), "0.bias": ("F32", [2], 8)})
    with pytest.raises(CheckpointError, match=r"0\.weight holds numbers of type C64 \(complex.*\.float\(\)"):
        load_safetensors(model, path)


def test_a_file_that_is_far_too_large_is_not_read(tmp_path):
    pytest.importorskip("safetensors")
    with open(tmp_path / "w.safetensors", "wb") as file:
        file.truncate(2**40)  # a hole: it takes no room
    with pytest.raises(CheckpointError, match="has 1,099,511,627,776 bytes, the model's weights at most"):
        load_safetensors(small(), tmp_path / "w.safetensors")


def test_a_file_with_two_arrays_of_one_name_is_refused(tmp_path):
    pytest.importorskip("safetensors")
    entry = b'"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'
    header = b"{" + entry + b"," + entry + b"}"
    (tmp_path / "w.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    with pytest.raises(CheckpointError, match="it has 'a' twice"):
        load_safetensors(small(), tmp_path / "w.safetensors")


def test_a_long_list_of_what_does_not_fit_is_cut():
    arrays = {f"layer_{k}.weight": np.zeros(3) for k in range(1000)}
    with pytest.raises(CheckpointError, match=r"and 9\d\d more") as caught:
        from_torch_arrays(network(), arrays)
    assert len(str(caught.value)) < 1000


class Tensor:
    """What a tensor of PyTorch is to NumPy's eyes: it has a shape, and a dtype of another library."""

    shape, dtype = (3,), "torch.float32"


@pytest.mark.parametrize("weights", [{"weight": Tensor()}, {"weight": [1.0]}, {"weight": 1.0}, [Tensor()], Tensor()])
def test_weights_that_are_no_arrays_get_a_sentence(weights):
    with pytest.raises(ShapeError, match=r"a dict of arrays, got .*: write \{name: tensor.detach"):
        from_torch_arrays(network(), weights)
    with pytest.raises(ShapeError, match="weights by name"):
        network().load_state_dict(weights)
