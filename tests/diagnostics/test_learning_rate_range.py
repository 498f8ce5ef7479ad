"""The range test finds rates where the answer is known, and leaves everything as it was."""

import numpy as np
import pytest

from mlp.data import Batches
from mlp.data.image_set import ImageSet
from mlp.diagnostics import find_learning_rate
from mlp.diagnostics.learning_rate_range import RateSearch
from mlp.errors import ConfigurationError
from mlp.layers import Affine, BatchNorm, Dropout, Flatten, Sequential
from mlp.learning_rules import RULES, GradientDescent
from mlp.losses import MeanSquaredError, SoftmaxCrossEntropy
from mlp.models import vgg
from mlp.models.deep_supervision import DeepSupervision, taps_of
from mlp.training import Trainer


class Line:
    """Batches of y = 3 x + noise, one number each: E[x^2] = scale^2, so the curvature of the loss is 2 scale^2."""

    def __init__(self, scale, noise=0.3):
        self.scale, self.noise = scale, noise

    def __len__(self):
        return 10

    def epoch(self, epoch):
        rng = np.random.default_rng(epoch)
        for _ in range(len(self)):
            x = rng.choice([-1.0, 1.0], (16, 1)) * self.scale
            yield x, 3.0 * x / self.scale + self.noise * rng.standard_normal((16, 1))


def line_trainer(rule):
    model = Sequential(Affine(1, 1, bias=False, rng=np.random.default_rng(0), dtype=np.float64))
    return Trainer(model, MeanSquaredError(), rule, engine="textbook")


@pytest.mark.parametrize("scale", [0.3, 1.0, 3.0, 30.0])
def test_gradient_descent_on_a_parabola(scale):
    """With curvature k, one step of 1/k is perfect, and gradient descent diverges at rates above 2/k."""
    curvature = 2 * scale**2
    found = find_learning_rate(line_trainer(GradientDescent(1.0)), Line(scale), first=1e-7, last=100.0, steps=250)
    assert found.suggestion is not None
    assert 0.01 < found.suggestion * curvature < 0.3
    assert found.ended
    assert 2.0 < found.rates[-1] * curvature < 20.0  # what ended the test was divergence
    assert len(found.rates) < 250
    assert f"a tenth of {10 * found.suggestion:.1e}" in found.reason


def test_the_rates_and_the_smoothed_loss_are_those_of_the_formulas():
    found = find_learning_rate(line_trainer(GradientDescent(1.0)), Line(1.0), first=1e-4, last=1e-2, steps=5)
    np.testing.assert_allclose(found.rates, [1e-4, 10**-3.5, 1e-3, 10**-2.5, 1e-2])
    means = [found.losses[:2].mean(), *(found.losses[i : i + 3].mean() for i in range(3)), found.losses[3:].mean()]
    np.testing.assert_allclose(found.smoothed, means)
    assert found.ended == ""


def search_of(losses, ended=""):
    return RateSearch(np.geomspace(1e-6, 10, 200)[: len(losses)], np.asarray(losses), 200, ended)


def test_what_is_said_of_losses_that_fall_rise_or_do_neither():
    noise = 0.01 * np.random.default_rng(0).standard_normal(200)
    flat = search_of(4.6 + noise)
    assert flat.suggestion is None
    assert flat.reason == "the loss fell at no rate in 200 steps: more steps may show more"
    assert search_of(4.6 + noise[:90], "it was infinite or NaN").reason.endswith("so stay well below")
    falling = search_of(np.linspace(4.6, 1.0, 200) + noise)
    assert falling.suggestion == pytest.approx(1.0, rel=0.2)
    assert "it was still falling" in falling.reason
    valley = search_of(4.6 + noise - np.exp(-(((np.arange(200) - 120) / 20.0) ** 2)))
    assert valley.suggestion == pytest.approx(valley.rates[120] / 10, rel=0.4)


def test_a_curve_that_is_noisy_or_flat_is_doubted():
    i, noise = np.arange(200), np.random.default_rng(0).standard_normal(200)
    valley = -np.exp(-(((i - 120) / 20.0) ** 2))
    assert search_of(4.6 + 0.01 * noise + valley).doubt == ""
    assert search_of(np.linspace(4.6, 1.0, 200) + 0.01 * noise).doubt == ""
    assert search_of(4.6 + 0.01 * noise).doubt == ""  # there is no suggestion to doubt
    noisy = search_of(4.6 + 0.5 * noise + 0.9 * valley)
    assert noisy.suggestion is not None and "has no clear valley: from " in noisy.doubt
    plateau = search_of(np.where(i < 60, 4.6, 3.6) + 0.01 * noise)
    assert plateau.suggestion is not None
    low, high = (float(word) for word in plateau.doubt.replace(" the loss", "").split()[7:10:2])
    assert low == pytest.approx(plateau.rates[70], rel=1.0) and high > 5.0


@pytest.mark.parametrize("bad", [[np.nan], [np.inf]])
def test_a_first_loss_that_is_no_number(bad, monkeypatch):
    trainer = line_trainer(GradientDescent(1.0))
    monkeypatch.setattr(MeanSquaredError, "forward", lambda *_: bad[0])
    with pytest.raises(ConfigurationError, match="infinite or NaN at the first learning rate"):
        find_learning_rate(trainer, Line(1.0))


def images():
    pixels = np.random.default_rng(0).integers(0, 255, (40, 4, 4, 3)).astype(np.uint8)
    return Batches(ImageSet(pixels, np.arange(40) % 4, tuple("abcd")), 8, shuffle=True)


@pytest.mark.parametrize("rule", sorted(RULES))
@pytest.mark.parametrize("engine", ["textbook", "cpu"])
def test_everything_stays_as_it_was(rule, engine):
    model = Sequential(Flatten(), BatchNorm(48), Dropout(0.1), Affine(48, 4, rng=np.random.default_rng(0)))
    trainer = Trainer(model, SoftmaxCrossEntropy(), RULES[rule](0.01), engine=engine)
    trainer.fit(images(), epochs=1)
    before, moments, rate = model.state_dict(), trainer.rule.state_dict(), trainer.rule.learning_rate
    find_learning_rate(trainer, images(), steps=12)
    assert all(np.array_equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(np.array_equal(value, moments[name]) for name, value in trainer.rule.state_dict().items())
    assert (trainer.rule.learning_rate, trainer.epoch, trainer.step) == (rate, 1, 5)
    trainer.fit(images(), epochs=2)  # and training continues


def test_a_deeply_supervised_network():
    pixels = np.random.default_rng(0).integers(0, 255, (8, 32, 32, 3)).astype(np.uint8)
    batches = Batches(ImageSet(pixels, np.arange(8) % 4, tuple("abcd")), 4)
    model = vgg(depth=8, num_classes=4, filters=4, companions="blocks")
    trainer = Trainer(model, DeepSupervision(SoftmaxCrossEntropy(), taps_of(model)), GradientDescent(0.1))
    assert len(find_learning_rate(trainer, batches, steps=3).losses) == 3


@pytest.mark.parametrize("range_", [{"first": 1.0, "last": 0.1}, {"steps": 1}, {"first": 0.0}])
def test_a_range_that_is_none(range_):
    with pytest.raises(ConfigurationError):
        find_learning_rate(line_trainer(GradientDescent(1.0)), Line(1.0), **range_)


def test_the_table_has_all_digits():
    found = find_learning_rate(line_trainer(GradientDescent(1.0)), Line(1.0), steps=3)
    lines = found.csv().splitlines()
    assert lines[0] == "learning_rate,loss,smoothed_loss"
    assert [float(number) for number in lines[-1].split(",")] == [found.rates[2], found.losses[2], found.smoothed[2]]
