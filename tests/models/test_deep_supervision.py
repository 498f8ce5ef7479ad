"""Deep supervision (section 5 of the definitions): objective, gradients, counts, engines, and what is saved."""

import math

import numpy as np
import pytest

from mlp.data import Batches, load_dataset
from mlp.data.formats.sources import MissingDataError
from mlp.engine import CpuEngine, TextbookEngine
from mlp.errors import ConfigurationError
from mlp.layers import Affine, Tap, frozen_buffers
from mlp.learning_rules import GradientDescent
from mlp.losses import SoftmaxCrossEntropy
from mlp.models import vgg
from mlp.models.deep_supervision import DeepSupervision, taps_of, without_companions

SMALL = {"depth": 14, "filters": 4, "num_classes": 3, "dtype": np.float64}
RNG = np.random.default_rng(0)
X, TARGETS = RNG.standard_normal((5, 8, 8, 3)), RNG.integers(0, 3, 5)


@pytest.mark.parametrize(
    ("settings", "companions"),
    [
        ({"companions": "blocks"}, 392_296 - 336_196),
        ({"companions": "stages"}, 342_796 - 336_196),
        ({"companions": "blocks", "norm": "batch"}, 394_600 - 338_500),
        ({"companions": "stages", "norm": "batch"}, 345_100 - 338_500),
    ],
)
def test_parameters(settings, companions):
    model = vgg(**settings)
    plain = {name: value for name, value in settings.items() if name != "companions"}
    assert without_companions(model).num_parameters == vgg(**plain).num_parameters
    assert model.num_parameters - without_companions(model).num_parameters == companions


def test_the_network_keeps_names_and_first_weights():
    plain, model = vgg(**SMALL, norm="batch"), vgg(**SMALL, norm="batch", companions="blocks")
    state = model.state_dict()
    for name, array in plain.state_dict().items():
        np.testing.assert_array_equal(state.pop(name), array)
    places = [
        f"stage_{s}_{unit}" for s in range(3) for unit in ("block_0", "reduction") if (s, unit) != (2, "reduction")
    ]
    assert list(taps_of(model)) == places
    assert list(state) == [f"companions.{place}.{name}" for place in places for name in ("weight", "bias")]
    np.testing.assert_array_equal(plain.forward(X), model.forward(X))
    np.testing.assert_array_equal(plain.forward(X, training=True), model.forward(X, training=True))


def gradients(alpha, threshold=0.0, engine=TextbookEngine, **settings):
    """Return (gradients by name, loss) of one batch."""
    model = vgg(**{**SMALL, "companions": "blocks", **settings})
    loss = SoftmaxCrossEntropy()
    if settings.get("companions") != "none":
        loss = DeepSupervision(loss, taps_of(model), weight=alpha, threshold=threshold)
    running = engine()
    running.bind(model, loss, GradientDescent(1e-3))
    running.gradients(X, TARGETS)
    result = {name: p.grad.copy() for name, p in model.named_parameters()}
    running.close()
    return result, loss


def test_gradients_are_linear_in_alpha():
    zero, one, two = (gradients(alpha)[0] for alpha in (0.0, 0.1, 0.2))
    largest = max(np.linalg.norm(g) for g in one.values())
    for name in zero:
        assert np.linalg.norm(zero[name] + two[name] - 2 * one[name]) < 1e-12 * largest, name


@pytest.mark.parametrize("silent", [{"alpha": 0.0}, {"alpha": 0.1, "threshold": math.inf}])
def test_silent_companions_change_nothing(silent):
    plain, _ = gradients(0.0, companions="none", norm="batch")
    found, _ = gradients(**silent, norm="batch")
    for name, gradient in plain.items():
        assert gradient.tobytes() == found.pop(name).tobytes(), name
    assert found
    assert not any(gradient.any() for gradient in found.values())


def test_nothing_reaches_the_layers_behind_the_last_tap():
    one, two = gradients(0.1)[0], gradients(0.7)[0]
    behind = [name for name in one if name.startswith(("stage_2.reduction", "head"))]
    assert behind
    for name in one:
        if name.endswith("weight"):
            assert np.array_equal(one[name], two[name]) == (name in behind), name


def test_finite_differences_of_the_objective():
    model = vgg(**SMALL, norm="batch", companions="blocks")
    loss = DeepSupervision(SoftmaxCrossEntropy(0.1), taps_of(model), weight=0.3, threshold=0.5)

    def objective():
        with frozen_buffers(model):
            loss.forward(model.forward(X, training=True), TARGETS)
        return loss.objective

    objective()
    model.backward(loss.backward())
    rng, h = np.random.default_rng(1), 1e-6
    largest = max(np.linalg.norm(p.grad) for p in model.parameters())
    for name, p in model.named_parameters():
        direction = rng.standard_normal(p.data.shape)
        analytic, before = float((p.grad * direction).sum()), p.data.copy()
        values = []
        for sign in (1, -1):
            p.data = before + sign * h * direction
            values.append(objective())
        p.data = before
        assert (values[0] - values[1]) / (2 * h) == pytest.approx(analytic, rel=1e-6, abs=1e-7 * largest), name


def test_a_companion_below_the_threshold_has_no_gradient():
    _, loss = gradients(0.1)
    middle = sorted(loss.companion_losses)[2]
    found, loss = gradients(0.1, threshold=middle)
    for name, value in zip(loss.taps, loss.companion_losses, strict=True):
        assert found[f"companions.{name}.weight"].any() == (value > middle), name
    counted = sum(value - middle for value in loss.companion_losses if value > middle)
    assert loss.objective > counted * 0.1


def test_alpha_falls_to_zero_in_a_line():
    loss = DeepSupervision(SoftmaxCrossEntropy(), {}, weight=0.2)
    alphas = []
    for epoch in range(4):
        loss.begin_epoch(epoch, 4)
        alphas.append(loss.alpha)
    np.testing.assert_allclose(alphas, [0.2, 0.15, 0.1, 0.05], rtol=1e-15)


@pytest.mark.parametrize("settings", [{"norm": "batch"}, {"dense": True, "growth": 2}, {"companions": "stages"}])
def test_the_cpu_engine_agrees(settings):
    ours, textbook_loss = gradients(0.1, threshold=0.4, engine=TextbookEngine, **settings)
    theirs, cpu_loss = gradients(0.1, threshold=0.4, engine=lambda: CpuEngine(2), **settings)
    assert cpu_loss.objective == pytest.approx(textbook_loss.objective, rel=1e-12)
    np.testing.assert_allclose(cpu_loss.companion_losses, textbook_loss.companion_losses, rtol=1e-12)
    largest = max(np.linalg.norm(g) for g in ours.values())
    for name, gradient in ours.items():
        assert np.linalg.norm(gradient - theirs[name]) < 1e-10 * max(np.linalg.norm(gradient), 1e-3 * largest), name


@pytest.mark.parametrize("engine", [TextbookEngine, lambda: CpuEngine(2)])
def test_evaluation_leaves_the_companions_out(engine):
    model = vgg(**SMALL, companions="blocks")
    loss, running = DeepSupervision(SoftmaxCrossEntropy(), taps_of(model)), engine()
    running.bind(model, loss, GradientDescent(1e-3))
    running.train_step(X, TARGETS)
    assert len(loss.companion_losses) == 5
    with frozen_buffers(model):
        model.forward(X, training=True)  # a probe that asks for no loss
    value, _ = running.evaluate(X[:3], TARGETS[:3])
    assert loss.companion_losses == []
    assert loss.objective == value
    running.close()


def test_a_tap_is_the_identity_and_adds_a_gradient():
    branch = Affine(3, 2, dtype=np.float64)
    tap, x = Tap(branch), RNG.standard_normal((4, 3))
    assert tap.forward(x, training=True) is x
    g, grad_branch = RNG.standard_normal((4, 3)), RNG.standard_normal((4, 2))
    np.testing.assert_array_equal(tap.look(), branch.forward(x))
    assert tap.look() is None
    tap.grad_branch = grad_branch
    np.testing.assert_allclose(tap.backward(g), g + grad_branch @ branch.weight.data.T, rtol=1e-14)
    np.testing.assert_allclose(branch.weight.grad, x.T @ grad_branch, rtol=1e-14)
    tap.forward(x, training=True)
    assert tap.backward(g) is g
    assert not branch.weight.grad.any()


def test_errors():
    with pytest.raises(ConfigurationError, match="companions must be one of none, blocks, stages"):
        vgg(companions="all")
    with pytest.raises(ConfigurationError, match="this model has no companions"):
        taps_of(vgg(8))
    with pytest.raises(ConfigurationError, match="^weight must be 0 or greater"):
        DeepSupervision(SoftmaxCrossEntropy(), {}, weight=-1)


@pytest.mark.slow
def test_gradients_of_vgg38_at_its_first_weights():
    """|grad| with seed 0 and the first four training images of CIFAR-100, in float64."""
    try:
        train, _, _ = load_dataset("cifar100")
    except MissingDataError:
        pytest.skip("CIFAR-100 is not in the data folder")
    x, targets = next(iter(Batches(train.take(np.arange(4)), 4, dtype=np.float64).epoch(0)))
    norms = []
    for alpha in (0.0, 0.1):
        model = vgg(38, companions="blocks", seed=0, dtype=np.float64)
        loss = DeepSupervision(SoftmaxCrossEntropy(), taps_of(model), alpha)
        loss.forward(model.forward(x, training=True), targets)
        model.backward(loss.backward())
        norms.append({name: np.linalg.norm(p.grad) for name, p in model.named_parameters()})
    for name, without, with_companions in (
        ("input.conv_0", 6.7e-16, 1.0e-2),
        ("stage_1.block_0.conv_0", 4.3e-11, 2.4e-3),
        ("stage_2.reduction.conv_1", 7.8e-2, 7.8e-2),
    ):
        assert norms[0][f"{name}.weight"] == pytest.approx(without, rel=0.05)
        assert norms[1][f"{name}.weight"] == pytest.approx(with_companions, rel=0.05)
