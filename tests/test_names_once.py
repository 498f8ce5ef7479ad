"""Whatever keeps arrays by name never holds two under one name: it refuses, and says which."""

import numpy as np
import pytest

from mlp.errors import ConfigurationError, DamagedError
from mlp.files import write_arrays
from mlp.files.stored import read_arrays
from mlp.interop import to_torch_arrays, torch_names
from mlp.layers import Affine, BatchNorm, Dropout, Layer, ReLU, Sequential
from mlp.learning_rules import Adam
from mlp.training.history import History


class Dotted(Layer):
    """Its parts' names make the same path twice."""

    def __init__(self):
        setattr(self, "0.weight", Affine(2, 2))
        self.inner = Sequential(Affine(2, 2))

    def children(self):
        return [("", vars(self)["0.weight"]), ("", self.inner.children()[0][1])]


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: Sequential({"": Affine(2, 2), "*": Affine(2, 2)}), "weight"),
        (lambda: Sequential({"a": Sequential({"*": BatchNorm(2), "*b": BatchNorm(2)})}), "gamma"),
        (lambda: Sequential({"*": Dropout(0.5), "*b": Dropout(0.5)}), "step"),  # they would draw the same masks
        (lambda: Sequential({"a.b": Affine(2, 2), "a": Sequential({"b": Affine(2, 2)})}), "a.b.weight"),
        (lambda: Sequential(Dotted()), "0.weight"),
    ],
)
def test_two_layers_of_a_model_under_one_name(make, name):
    with pytest.raises(ConfigurationError, match=rf"two arrays of the model are called '{name}'"):
        make()


def test_wrappers_and_layers_without_arrays_may_share_a_path():
    assert list(Sequential({"*": ReLU(), "": Affine(2, 2), "*b": ReLU()}).state_dict()) == ["weight", "bias"]


def test_a_model_that_was_changed_since_is_neither_saved_nor_loaded():
    model = Sequential({"": Affine(2, 2), "b": Affine(2, 2)})
    state = model.state_dict()
    model.layers["*"] = model.layers.pop("b")
    for action in (model.state_dict, lambda: model.load_state_dict(state)):
        with pytest.raises(ConfigurationError, match="two arrays of the model are called 'weight'"):
            action()


class TwoNames(Layer):
    """A student's layer, registered for PyTorch with one name for two arrays."""

    buffer_names = ("a", "b")

    def __init__(self):
        self.a, self.b = np.zeros(2), np.ones(2)


def test_two_arrays_under_one_name_in_pytorch():
    torch_names.register(TwoNames, lambda layer: [("a", "weight", None), ("b", "weight", None)])
    with pytest.raises(ConfigurationError, match=r"'0.weight' twice.*torch_names"):
        to_torch_arrays(Sequential(TwoNames()))


@pytest.mark.parametrize("names", [("mean", "mean"), ("steps",)])
def test_moments_of_a_rule(names):
    rule = Adam()
    rule.moment_names = names
    with pytest.raises(ConfigurationError, match="moment_names must differ from each other and from 'steps'"):
        rule.initialize(Affine(2, 2).parameters())


@pytest.mark.parametrize("table", ["names", "a/b", "../x", "checkpoint-latest", "curves", "gradient_flow_map", ""])
def test_tables_of_a_history_have_names_that_no_file_of_a_run_has(table):
    history = History()
    history.rows.append({"epoch": 1})
    with pytest.raises(ConfigurationError, match="the name of a table or a statistic is letters, digits and _"):
        history.add_row(table, ["0.weight"], {"mean": np.zeros(1)})


@pytest.mark.parametrize("statistic", ["names", "a/b", "a b"])
def test_statistics_of_a_table(statistic):
    history = History()
    history.rows.append({"epoch": 1})
    with pytest.raises(ConfigurationError, match="got '(names|a.b)'"):
        history.add_row("flow", ["0.weight"], {statistic: np.zeros(1)})


def test_columns_of_a_table():
    history = History()
    history.rows.append({"epoch": 1})
    with pytest.raises(ConfigurationError, match=r"'flow' has two columns 'a'"):
        history.add_row("flow", ["a", "b", "a"], {"mean": np.zeros(3)})


def test_any_name_can_be_written_and_comes_back(tmp_path):
    """np.savez has arguments of its own: file, allow_pickle."""
    arrays = {
        name: np.arange(3) + i for i, name in enumerate(("file", "allow_pickle", "args", "a.npy", "a", "tables/x"))
    }
    write_arrays(tmp_path / "a.npz", arrays)
    found = read_arrays(tmp_path / "a.npz")
    assert list(found) == list(arrays)
    assert all((found[name] == array).all() for name, array in arrays.items())


def test_objects_are_no_arrays_of_a_run(tmp_path):
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        write_arrays(tmp_path / "a.npz", {"a": np.array([{}, None])})
    assert list(tmp_path.iterdir()) == []


def test_a_file_with_two_arrays_of_one_name_is_refused(tmp_path):
    import zipfile

    write_arrays(tmp_path / "a.npz", {"a": np.zeros(2), "b": np.zeros(2)})
    content = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(content.replace(b"b.npy", b"a.npy"))
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        assert archive.namelist() == ["a.npy", "a.npy"]
    with pytest.raises(DamagedError, match="two arrays of one name"):
        read_arrays(tmp_path / "a.npz")
    (tmp_path / "a.npz").write_bytes(content.replace(b"b.npy", b"a\0npy"))  # zip's names end at a zero
    with pytest.raises(DamagedError):
        read_arrays(tmp_path / "a.npz")
