"""What people do wrong on the first day in Python: each gets a sentence that says what to write."""

import copy
import pickle
import re

import numpy as np
import pytest

import mlp
from mlp.data import Batches, ImageSet
from mlp.data.patches import padded_scene
from mlp.diagnostics import GradientFlow, examine, find_learning_rate
from mlp.errors import MlpError, NonFiniteLossError
from mlp.experiments.inference import evaluate_run
from mlp.experiments.run import run
from mlp.initializers import he_normal
from mlp.interop import save_safetensors
from mlp.layers import (
    Affine,
    BatchNorm,
    Conv2d,
    Dropout,
    Flatten,
    GroupNorm,
    Layer,
    LeakyReLU,
    Parameter,
    Reshape,
    Sequential,
)
from mlp.learning_rules import Adam, LearningRule
from mlp.losses import MeanSquaredError, SoftmaxCrossEntropy
from mlp.training import (
    Checkpoint,
    History,
    Hook,
    LayerTable,
    Trainer,
    load_checkpoint,
    load_model,
    save_checkpoint,
)

PIXELS, LABELS, NAMES = np.zeros((6, 8, 8, 3), np.uint8), np.array([0, 1, 2, 0, 1, 2]), ("a", "b", "c")
LOGITS, LOSS, TWO = np.zeros((2, 4), np.float32), SoftmaxCrossEntropy(), np.zeros((2, 3), np.float32)


TABLE = LayerTable(["a"], {"mean_abs": [np.ones(1)]})
SOME = np.zeros((2, 8, 8, 3), np.float32)


def model():
    return Sequential(Affine(3, 4))


def trainer(**options):
    return Trainer(model(), LOSS, Adam(), **options)


def images():
    return ImageSet(PIXELS, LABELS, NAMES)


def trained(valid=None, **options):
    """Train a classifier of the images above for an epoch."""
    network = Sequential(Flatten(), Affine(192, 3))
    return Trainer(network, LOSS, Adam(), **options).fit(Batches(images(), 2), valid, epochs=1)


def other_classes():
    return trained(Batches(ImageSet(PIXELS, LABELS % 2, ("a", "b")), 2))


class Given:
    """Batches that were made before."""

    def __init__(self, batches, length=None):
        self.batches, self.length = batches, len(batches) if length is None else length

    def __len__(self):
        return self.length

    def epoch(self, epoch):
        return iter(self.batches)


def one_batch(x):
    """Train with a batch of images."""
    return Trainer(Sequential(Flatten(), Affine(192, 3)), LOSS, Adam()).fit(Given([(x, LABELS[: len(x)])]))


def learns(rule):
    """Train with a rule."""
    return Trainer(Sequential(Flatten(), Affine(192, 3)), LOSS, rule).fit(Batches(images(), 2))


class Keras(Hook):
    def on_epoch_end(self, epoch, logs):
        print(logs)


class NoInit(LearningRule):
    def __init__(self):
        self.learning_rate = 0.1


class OneMoment(LearningRule):
    moment_names = "velocity"


class NoReturn(LearningRule):
    def change(self, gradient):
        self.flat.data -= gradient


class Mean(LearningRule):
    def change(self, gradient):
        return gradient.mean()


class Brackets(Layer):
    buffer_names = "mean"


class InList(Layer):
    def __init__(self):
        self.layers = [Affine(3, 4)]


class NoBuffer(Layer):
    buffer_names = ("mean",)


def another_gradient():
    network = model()
    network.forward(np.zeros((2, 3), np.float32))
    return network.backward(np.zeros((3, 4), np.float32))


MISTAKES = {
    "a list of images": (lambda: ImageSet(PIXELS.tolist(), LABELS, NAMES), "got a list: write np.asarray(images)"),
    "a list of labels": (lambda: ImageSet(PIXELS, [0, 1, 2], NAMES), "got [0, 1, 2]: write np.asarray(labels)"),
    "pixels in 0 .. 1": (lambda: ImageSet(PIXELS / 255, LABELS, NAMES), "keep the bytes 0 .. 255"),
    "labels from 1": (lambda: ImageSet(PIXELS, LABELS + 1, NAMES), "take labels - 1"),
    "labels of floats": (lambda: ImageSet(PIXELS, LABELS * 1.0, NAMES), "labels.astype(np.int64)"),
    "labels as rows": (lambda: ImageSet(PIXELS, np.eye(3)[LABELS], NAMES), "labels.argmax(axis=1)"),
    "labels in a column": (lambda: ImageSet(PIXELS, LABELS[:, None], NAMES), "shape (6, 1): write labels[:, 0]"),
    "images and labels exchanged": (lambda: ImageSet(LABELS, PIXELS, NAMES), "images must be (N, H, W, C)"),
    "the number of classes": (lambda: ImageSet(PIXELS, LABELS, 3), "names of classes are a tuple of strings"),
    "numbers as names": (lambda: ImageSet(PIXELS, LABELS, (0, 1, 2)), "such as ('cat', 'dog')"),
    "a text of names": (lambda: ImageSet(PIXELS, LABELS, "abc"), "got 'abc'"),
    "batches of arrays": (lambda: Batches(PIXELS, LABELS), "batches are made of an ImageSet, got ndarray"),
    "a batch size of floats": (lambda: Batches(images(), 2.5), "batch_size must be a whole number of at least 1"),
    "a batch size as text": (lambda: Batches(images(), "2"), "batch_size must be a whole number"),
    "no seed": (lambda: Batches(images(), 2, seed=None), "seed must be a whole number of at least 0, got None"),
    "batches of bytes": (lambda: Batches(images(), 2, dtype=np.uint8), "dtype must be np.float32 or np.float64"),
    "batches of no dtype": (lambda: Batches(images(), 2, dtype="x"), "(floating-point numbers), got 'x'"),
    "a layer of whole numbers": (lambda: Affine(3, 4, dtype=int), "dtype must be np.float32 or np.float64"),
    "a convolution of texts": (lambda: Conv2d(3, 4, 3, dtype="foo"), "got 'foo'"),
    "a norm of nothing": (lambda: BatchNorm(3, dtype=None), "got None"),
    "a group norm of bools": (lambda: GroupNorm(1, 3, dtype=bool), "dtype must be np.float32 or np.float64"),
    "bytes as whole numbers": (lambda: mlp.data.normalize(PIXELS, dtype=int), "dtype must be np.float32 or"),
    "weights of texts": (lambda: model().astype("foo"), "dtype must be np.float32 or np.float64"),
    "half precision": (lambda: model().astype(np.float16), "dtype must be np.float32 or np.float64"),
    "PyTorch's frozen weights": (lambda: setattr(Parameter(TWO), "requires_grad", False), "give them to the rule"),
    "half an image": (lambda: mlp.data.synthetic(10.5), "num_train must be a whole number"),
    "no data set": (lambda: mlp.data.load_dataset(None), "dataset must be one of "),
    "the order of a Trainer": (lambda: Trainer(LOSS, model(), Adam()), "expected Trainer(model, loss, rule)"),
    "rule and loss exchanged": (lambda: Trainer(model(), Adam(), LOSS), "the loss is an mlp Loss"),
    "the name of a rule": (lambda: Trainer(model(), LOSS, "adam"), "mlp.learning_rules.Adam(); got 'adam'"),
    "the name of a loss": (lambda: Trainer(model(), "mse", Adam()), "mlp.losses.SoftmaxCrossEntropy(); got 'mse'"),
    "a list of layers": (lambda: Trainer([Affine(3, 4)], LOSS, Adam()), "got [Affine(3, 4, bias=True)]"),
    "a hook without a list": (lambda: trainer(hooks=GradientFlow()), "write hooks=[GradientFlow(...)]"),
    "no hooks": (lambda: trainer(hooks=None), "write hooks=[GradientFlow()], got None"),
    "Keras's moments": (
        lambda: trainer(hooks=[Keras()]),
        "Keras.on_epoch_end would never be called: a hook has after_",
    ),
    "the class of a hook": (lambda: trainer(hooks=[GradientFlow]), "write GradientFlow(...), not GradientFlow"),
    "a function as a hook": (lambda: trainer(hooks=[print]), "to write a hook, subclass mlp.training.hooks.Hook"),
    "a schedule not made": (lambda: trainer(schedule=mlp.schedulers.cosine), "not mlp.schedulers.cosine"),
    "arrays to fit": (lambda: trainer().fit(PIXELS, LABELS), "got a ndarray: write mlp.data.Batches(image_set"),
    "a set to fit": (lambda: trainer().fit(images()), "write mlp.data.Batches(image_set, batch_size=100)"),
    "epochs without a name": (lambda: trainer().fit(Batches(images(), 2), 5), "write epochs=5"),
    "epochs as text": (lambda: trainer().fit(Batches(images(), 2), epochs="2"), "epochs must be a whole number"),
    "arrays to evaluate": (lambda: trainer().evaluate((PIXELS, LABELS)), "batches must be batches, got a tuple"),
    "the Trainer first": (lambda: save_checkpoint(trainer(), "x.npz"), "save_checkpoint(path, trainer); got 'x.npz'"),
    "the model first": (lambda: load_model(model(), "x.npz"), "load_model(path, model); got 'x.npz'"),
    "the file first": (lambda: save_safetensors("x", model()), "save_safetensors(model, path); got 'x'"),
    "checkpoints nowhere": (lambda: trained(hooks=[Checkpoint("nowhere")]), "there is no folder nowhere"),
    "layers in a list": (lambda: Trainer(InList(), LOSS, Adam()), "Affine in the list 'layers' is not found there"),
    "the Trainer first here": (lambda: load_checkpoint(trainer(), "x.npz"), "load_checkpoint(path, trainer)"),
    "a rate as text": (lambda: Adam("1e-3"), "learning_rate must be a number, got '1e-3'"),
    "parameters for a rate": (lambda: Adam(model().parameters()), "learning_rate must be a number, got a list"),
    "a model for a rule": (lambda: Adam().initialize(model()), "rule.initialize(model.parameters())"),
    "a dict for a rule": (lambda: Adam().initialize(dict(model().named_parameters())), "model.parameters()"),
    "arrays for a rule": (lambda: Adam().initialize([np.zeros(3)]), "model.parameters()"),
    "a kernel of floats": (lambda: Conv2d(3, 4, kernel_size=3.0), "kernel_size must be an int >= 1 or a pair of them"),
    "features as text": (lambda: BatchNorm("4"), "num_features must be a whole number"),
    "the other momentum": (lambda: BatchNorm(4, momentum=2), "momentum must lie in"),
    "a seed as generator": (lambda: Affine(3, 4, rng=0), "got 0: write rng=np.random.default_rng(0)"),
    "the name of an initializer": (lambda: Affine(3, 4, initializer="he"), "write mlp.initializers.he_normal()"),
    "an initializer not made": (lambda: Affine(3, 4, initializer=he_normal), "not mlp.initializers.he_normal"),
    "a slope as text": (lambda: LeakyReLU("0.1"), "negative_slope must be a number, got '0.1'"),
    "a shape without a tuple": (lambda: Reshape(12), "got 12: write (12,)"),
    "a size that is left open": (lambda: Reshape((-1,)), "must be a whole number of at least 1, got -1"),
    "layers by number": (lambda: Sequential({1: Affine(3, 4)}), "the names of layers must be strings"),
    "a list of weights without decay": (lambda: Adam(no_decay=["bias"]), "such as 'gamma|beta|bias', got ['bias']"),
    "a rule without super().__init__": (lambda: learns(NoInit()), "call super().__init__(learning_rate)"),
    "a rule with one moment in brackets": (lambda: learns(OneMoment(0.1)), "moment_names must be strings in a tuple"),
    "a change without a return": (lambda: learns(NoReturn(0.1)), "what to subtract from the weights, an array (579,)"),
    "a change that is one number": (lambda: learns(Mean(0.1)), "change must return what to subtract"),
    "buffers in brackets": (lambda: Sequential(Brackets()), "buffer_names must be strings in a tuple"),
    "a buffer that is not there": (
        lambda: Sequential(NoBuffer()),
        "'mean' in buffer_names is missing: write self.mean",
    ),
    "a list in a batch": (lambda: one_batch(SOME.tolist()), "got a list: write np.asarray(x"),
    "a masked batch": (lambda: one_batch(np.ma.array(SOME)), "got a masked array: write x.filled(0)"),
    "a batch of nothing": (lambda: one_batch(SOME[:0]), "a batch needs at least one sample"),
    "no batches": (lambda: trainer().evaluate(Given([])), "batches must have at least one batch"),
    "epochs that end": (
        lambda: trainer().fit(Given([(TWO, LABELS[:2])], 3)),
        "an epoch of train_batches gave 1 batches",
    ),
    "a probability as text": (lambda: Dropout("0.5"), "p must be a number, got '0.5'"),
    "a list for a layer": (lambda: model().forward([[1.0]]), "Sequential: expected an array, got [[1.0]]"),
    "nothing for a layer": (lambda: model().forward(None), "expected an array, got None"),
    "the loss for backward": (lambda: model().backward(0.5), "write model.backward(loss.backward())"),
    "a list of logits": (lambda: LOSS.forward([[0.0, 1.0]], np.array([1])), "expected outputs as an array"),
    "a list of targets": (lambda: LOSS.forward(LOGITS, [0, 1]), "got [0, 1]: write np.asarray(targets)"),
    "targets as rows": (lambda: LOSS.forward(LOGITS, np.eye(4)[:2]), "take targets.argmax(axis=1)"),
    "targets in a column": (lambda: LOSS.forward(LOGITS, np.zeros((2, 1), int)), "write targets[:, 0]"),
    "a list to regress": (lambda: MeanSquaredError().forward(TWO, [[0.0]]), "expected targets as an array"),
    "the name of a network": (
        lambda: mlp.models.vgg("vgg08"),
        "depth must be a whole number, got 'vgg08': try 8",
    ),
    "a depth as text": (lambda: mlp.models.vgg(depth="8"), "got '8': try 8 or 14, as in vgg(depth=8)"),
    "a depth below 8": (lambda: mlp.models.vgg(depth=2), "try 8 or 14"),
    "a seed as text": (lambda: mlp.models.vgg(depth=8, seed="x"), "seed must be a whole number"),
    "whole numbers as weights": (lambda: model().astype(int), "dtype must be np.float32 or np.float64"),
    "a file as weights": (lambda: model().load_state_dict("x.npz"), "mlp.training.load_model(FILE, model)"),
    "a number of pixels": (lambda: model().summary(32), "expected the shape of one image, (32, 32, 3)"),
    "no run": (lambda: mlp.load_run(None), "a file or a folder must have a name, got None"),
    "a number for a layer": (lambda: model().forward(np.float32(3)), "expected a batch, with samples along its first"),
    "images for an affine layer": (lambda: model().forward(SOME), "put Flatten() or GlobalAvgPool() before this layer"),
    "one image": (lambda: Conv2d(3, 4, 3).forward(SOME[0]), "for one image (H, W, C) write x[None]"),
    "grey images": (lambda: Conv2d(1, 4, 3).forward(SOME[..., 0]), "for grey images (N, H, W) write x[..., None]"),
    "a statistic misspelt": (lambda: mlp.plotting.gradient_flow(TABLE, statistic="std"), "no 'std': it has mean_abs"),
    "a story without a flow": (lambda: mlp.plotting.story({"a": History()}), "no gradient flow was recorded: give the"),
    "statistics of nothing": (lambda: mlp.plotting.layer_statistics(None), "no gradient flow was recorded"),
    "flows of nothing": (lambda: mlp.plotting.compare_gradient_flow({"a": [None]}), "no gradient flow was recorded"),
    "a split of a run": (lambda: evaluate_run("x", split="all"), "split must be one of test, valid, train, got 'all'"),
    "half an epoch": (lambda: run("x", {}, stop_after=0.5), "stop_after must be a whole number of at least 1, got 0.5"),
    "half a side": (lambda: padded_scene(None, 2.5), "side must be a whole number of at least 1"),
    "masked inputs": (
        lambda: model().forward(np.ma.zeros((2, 3), np.float32)),
        "got a masked array: write x.filled(0)",
    ),
    "another gradient": (another_gradient, "backward takes the gradient of outputs of shape (2, 4), got one of (3, 4)"),
    "PyTorch's train": (lambda: model().train(), "Sequential has no train: write model.forward(x, training=True)"),
    "Keras's fit": (lambda: model().fit(PIXELS, LABELS), "write mlp.training.Trainer(model, loss, rule).fit(batches"),
    "PyTorch's step": (lambda: Adam().step(), "Adam has no step: write rule.update()"),
    "PyTorch's zero_grad": (lambda: Adam().zero_grad(), "leave it out, backward overwrites the gradients"),
    "a Trainer's optimizer": (lambda: trainer().optimizer, "Trainer has no optimizer: write trainer.rule"),
    "a history's plot": (lambda: trainer().history.plot(), "write mlp.plotting.curves(history)"),
    "a column misspelt": (lambda: trainer().history.column("val_accuracy"), "no column 'val_accuracy': it has epoch, "),
    "a schedule of None": (lambda: trained(schedule=lambda step: None), "schedule(0) must be a number, got None"),
    "a schedule as text": (lambda: trained(schedule=lambda step: "1"), "schedule(0) must be a number, got '1'"),
    "a schedule below 0": (lambda: trained(schedule=lambda step: -1.0), "schedule(0) must be 0 or greater, got -1.0"),
    "other classes": (other_classes, "validation images must have the classes of the training images, ('a', 'b', 'c')"),
    "an image of a set": (lambda: images()[0], "write image_set.take(np.arange(10)) for a smaller set"),
    "a loop over a set": (lambda: list(images()), "an ImageSet is not indexed"),
    "a loop over batches": (lambda: list(Batches(images(), 2)), "write for x, targets in batches.epoch(0)"),
    "an epoch before the first": (lambda: list(Batches(images(), 2).epoch(-1)), "epoch must be a whole number"),
    "a model to examine": (lambda: examine(model(), Batches(images(), 2)), "examine takes a Trainer"),
    "a regression to examine": (lambda: examine(trainer(), Given([(TWO, TWO)])), "the targets must be class numbers"),
    "a set for a search": (lambda: find_learning_rate(trainer(), images()), "write mlp.data.Batches(image_set"),
    "a setting misspelt": (lambda: run("x", {"learning_rat": 1}), "did you mean 'learning_rate'?"),
    "settings as a list": (lambda: run("x", ["vgg08"]), "settings are a dict, "),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_gets_a_sentence(mistake, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    function, sentence = MISTAKES[mistake]
    with pytest.raises(MlpError, match=re.escape(sentence)) as error:
        function()
    assert len(str(error.value)) < 400
    assert not list(tmp_path.iterdir())


def test_what_is_right_in_other_forms_is_taken():
    assert Adam(np.float32(1e-3)).learning_rate == pytest.approx(1e-3)
    assert Adam(np.array(1e-3)).learning_rate == 1e-3
    assert Conv2d(3, 4, kernel_size=[3, 5]).kernel_size == (3, 5)
    assert Batches(images(), np.int64(2)).batch_size == 2
    assert trainer(schedule=lambda step: np.float32(0.1), hooks=(GradientFlow(),)).hooks


class WithProperty(Sequential):
    @property
    def broken(self):
        return self.nowhere


def test_other_attributes_are_missing_as_ever_and_errors_inside_properties_are_kept():
    network = WithProperty(Affine(3, 4))
    assert not hasattr(network, "train") and not hasattr(network, "anything") and hasattr(network, "layers")
    with pytest.raises(AttributeError, match="'WithProperty' object has no attribute 'nowhere'"):
        _ = network.broken
    assert isinstance(copy.deepcopy(network), WithProperty)
    assert pickle.loads(pickle.dumps(network)).layers.keys() == network.layers.keys()


def test_an_evaluation_without_numbers_says_where_they_end(capsys):
    network = Sequential(Flatten(), Affine(192, 3))
    network.parameters()[0].data[...] = np.nan
    loss, _ = Trainer(network, LOSS, Adam()).evaluate(Batches(images(), 2))
    assert np.isnan(loss)
    assert "note: the loss is nan, so the accuracy means nothing: the first layer" in capsys.readouterr().err


def test_an_evaluation_without_numbers_looks_at_running_statistics_and_at_later_batches(capsys):
    network = Sequential(Flatten(), BatchNorm(192), Affine(192, 3))
    whole = Trainer(network, LOSS, Adam())
    network.layers["1"].running_mean[...] = np.inf
    whole.evaluate(Batches(images(), 2))
    assert "non-finite outputs is BatchNorm '1'" in capsys.readouterr().err
    network.initialize(0)
    whole.evaluate(Given([(SOME, LABELS[:2]), (SOME * np.nan, LABELS[:2])]))
    assert "non-finite outputs is Flatten '0'; its inputs are not finite either" in capsys.readouterr().err


def test_targets_that_are_no_numbers_are_found():
    network = Sequential(Affine(3, 3))
    with pytest.raises(NonFiniteLossError, match="the targets are not finite"):
        Trainer(network, MeanSquaredError(), Adam()).fit(Given([(TWO, TWO * np.nan)]))
