"""The loss around a network, against functions whose landscape is known. Numbers are those of the definitions."""

import numpy as np
import pytest
from point_network import Point

import mlp
from mlp.diagnostics.landscape import (
    Landscape,
    direction_to,
    filter_normalized,
    landscape,
    loss_in_plane,
    random_direction,
    refining_order,
    trajectory,
)
from mlp.diagnostics.landscape.surface import grid
from mlp.engine import make_engine
from mlp.errors import ConfigurationError, ShapeError
from mlp.layers import Affine, Conv2d, LeakyReLU, Sequential
from mlp.losses import Loss, SoftmaxCrossEntropy


class Quadratic(Loss):
    """(w - c)^T H (w - c) / 2, the mean over the batch."""

    def __init__(self, curvature, minimum):
        self.curvature, self.minimum = curvature, minimum

    def forward(self, outputs, targets):
        self._kept = outputs - self.minimum
        return float(np.einsum("ni,ij,nj->n", self._kept, self.curvature, self._kept).mean() / 2)

    def backward(self):
        difference = self.take()
        return difference @ self.curvature / len(difference)


IMAGES = np.zeros((2, 1)), np.zeros(2, np.int64)


def quadratic_landscape(curvature, minimum, weights, directions, **options):
    model = Point(weights).set_paths()
    directions = [{"weight": np.array(direction, np.float64)} for direction in directions]
    return landscape(model, Quadratic(curvature, minimum), *IMAGES, directions, engine="textbook", **options)


def small_net(norm="none", depth=14, seed=0, **options):
    return mlp.models.vgg(depth, norm, filters=4, num_classes=5, seed=seed, dtype=np.float64, **options)


def images(n=6, size=8, classes=5):
    rng = np.random.default_rng(1)
    return rng.normal(size=(n, size, size, 3)), rng.integers(0, classes, n)


def test_1_a_quadratic_has_the_landscape_of_its_formula():
    rng = np.random.default_rng(0)
    root = rng.normal(size=(6, 6))
    curvature, minimum, w, u, v = root @ root.T, *rng.normal(size=(4, 6))
    found = quadratic_landscape(curvature, minimum, w, [u, v], points=9)
    x, y = np.meshgrid(found.x, found.y)
    g = curvature @ (w - minimum)
    expected = (w - minimum) @ g / 2 + x * (g @ u) + y * (g @ v)
    expected += x**2 * (u @ curvature @ u) / 2 + x * y * (u @ curvature @ v) + y**2 * (v @ curvature @ v) / 2
    assert np.abs(found.loss - expected).max() < 1e-11 * np.abs(expected).max()
    assert quadratic_landscape(np.diag([1.0, 10.0]), 0.0, [0, 0], np.eye(2), points=3).loss[2, 2] == 5.5


def test_2_an_affine_layer_with_cross_entropy_is_convex():
    model = Sequential(Affine(7, 4, dtype=np.float64)).initialize(3)
    rng = np.random.default_rng(2)
    loss = landscape(
        model, SoftmaxCrossEntropy(), rng.normal(size=(20, 7)), rng.integers(0, 4, 20), points=15, limits=(-9, 9)
    ).loss
    for second in (
        loss[2:] - 2 * loss[1:-1] + loss[:-2],
        loss[:, 2:] - 2 * loss[:, 1:-1] + loss[:, :-2],
        loss[2:, 2:] - 2 * loss[1:-1, 1:-1] + loss[:-2, :-2],
        loss[2:, :-2] - 2 * loss[1:-1, 1:-1] + loss[:-2, 2:],
    ):
        assert second.min() >= -1e-12


def test_3_directions_have_the_size_of_each_filter():
    model = small_net("batch")
    model.parameters()[0].data[..., 2] = 0.0
    direction = random_direction(model, 0, seed=5)
    for name, p in model.named_parameters():
        d, w = direction[name].reshape(-1, p.data.shape[-1]), p.data.reshape(-1, p.data.shape[-1])
        assert d.dtype == w.dtype
        if p.data.ndim < 2:
            assert not d.any()
        else:
            np.testing.assert_allclose(np.linalg.norm(d, axis=0), np.linalg.norm(w, axis=0), rtol=1e-9, atol=0)
    assert not direction["input.conv_0.weight"][..., 2].any()
    assert set(direction) == {name for name, _ in model.named_parameters()}  # and no buffer


def test_3_the_same_seed_draws_the_same_direction_in_every_precision():
    wide, narrow = small_net(), small_net().astype(np.float32)
    for name, d in random_direction(wide, 1, seed=4).items():
        other = random_direction(narrow, 1, seed=4)[name]
        assert other.dtype == np.float32
        np.testing.assert_allclose(other, d, rtol=2e-6)
    keys = ((0, 0), (1, 0), (0, 1))
    first, second, again = (random_direction(wide, k, seed)["head.affine.weight"] for k, seed in keys)
    assert not np.allclose(first, second)
    assert not np.allclose(first, again)


def scaled_block(factor):
    """A plain network whose first processing block has its convolutions scaled by factor and 1/factor."""
    model = small_net()
    weights = dict(model.named_parameters())
    weights["stage_0.block_0.conv_0.weight"].data *= factor
    weights["stage_0.block_0.conv_1.weight"].data *= 1.0 / factor
    return model


def test_4_filter_normalization_does_not_see_the_scale_of_layers():
    loss, batch = SoftmaxCrossEntropy(), images()
    plain, scaled = (landscape(scaled_block(factor), loss, *batch, points=3) for factor in (1.0, 7.0))
    np.testing.assert_allclose(scaled.loss, plain.loss, rtol=1e-10)
    assert np.ptp(plain.loss) > 1e-4
    raw = landscape(scaled_block(7.0), loss, *batch, [random_direction(small_net(), k) for k in (0, 1)], points=3)
    assert np.abs(raw.loss / plain.loss - 1).max() > 1e-6


@pytest.mark.parametrize("statistics", ["batch", "running"])
def test_4_with_batch_norm_only_the_statistics_of_the_batch_make_it_blind_to_scale(statistics):
    def line(factor, normalized=True):
        model = small_net("batch")
        for name, p in model.named_parameters():
            if ".conv_" in name:  # weights, and the biases in front of a norm
                p.data *= factor
        directions = None if normalized else [random_direction(small_net("batch"), k) for k in (0, 1)]
        options = {"points": 3, "statistics": statistics, "line": True}
        return landscape(model, SoftmaxCrossEntropy(), *images(16, 16), directions, **options).loss

    change = np.abs(line(3.0) / line(1.0) - 1).max()
    if statistics == "running":
        assert change > 1e-3
    else:  # up to the eps beside the variance, which does not scale
        assert change < 3e-5
        assert np.abs(line(3.0, normalized=False) / line(1.0, normalized=False) - 1).max() > 1e-2


@pytest.mark.parametrize("engine", ["textbook", "cpu"])
def test_5_a_line_is_the_middle_row_and_batches_do_not_matter(engine):
    model, loss, batch = small_net("batch", 8), SoftmaxCrossEntropy(), images(7)
    options = {"points": 5, "engine": engine, "threads": 1}
    whole = landscape(model, loss, *batch, **options)
    assert np.array_equal(landscape(model, loss, *batch, line=True, **options).loss[0], whole.loss[2])
    for size in (1, 3):
        cut = landscape(model, loss, *batch, batch_size=size, **options)
        np.testing.assert_allclose(cut.loss, whole.loss, rtol=1e-6)
    assert whole.centre == pytest.approx(loss.forward(model.forward(batch[0]), batch[1]), rel=1e-12)
    np.testing.assert_allclose(whole.row, whole.loss[2])


def test_6_a_path_on_an_ellipse_lies_in_the_plane_of_the_ellipse():
    rng = np.random.default_rng(0)
    plane = np.linalg.qr(rng.normal(size=(50, 2)))[0].T  # (2, 50)
    angle = np.arange(40) * 2 * np.pi / 40
    path = np.stack([3 * np.cos(angle), np.sin(angle)], axis=1)  # (40, 2)
    found = trajectory(path @ plane + rng.normal(size=50))
    np.testing.assert_allclose(found.explained, [0.9, 0.1], rtol=1e-12)
    np.testing.assert_allclose(np.abs(found.coordinates), np.abs(path - path[-1]), atol=1e-12)
    np.testing.assert_allclose(found.directions @ found.directions.T, np.eye(2), atol=1e-12)
    assert not found.coordinates[-1].any()
    with pytest.raises(ConfigurationError, match="three epochs or more"):
        trajectory(path[:2])
    with pytest.raises(ConfigurationError, match="do not move"):
        trajectory(np.ones((4, 3)))
    for bad in (np.nan, np.inf):
        with pytest.raises(ConfigurationError, match="are not finite"):
            trajectory(np.where(np.eye(4, 3) > 0, bad, 1.0))


def test_a_line_between_two_networks_ends_at_both_with_their_running_statistics():
    loss, batch = SoftmaxCrossEntropy(), images()
    first, second = small_net("batch", 8, seed=0), small_net("batch", 8, seed=1)
    for model in (first, second):
        model.forward(batch[0], training=True)  # moves running statistics
    there = second.state_dict()
    with loss_in_plane(first, loss, batch, [direction_to(first, there)]) as at:
        ends = at(0.0)[0], at(1.0)[0]
        at(1000.0)
        # lower at some channels of the second network: far beyond it they would be negative
        variances = [array for name, array in first.named_buffers() if name.endswith("running_var")]
        assert min(variance.min() for variance in variances) == 0.0  # not below, far beyond the ends
    expected = [loss.forward(model.forward(batch[0]), batch[1]) for model in (first, second)]
    np.testing.assert_allclose(ends, expected, rtol=1e-12)
    assert abs(expected[0] - expected[1]) > 1e-3
    weights_only = {name: d for name, d in direction_to(first, there).items() if "running" not in name}
    with loss_in_plane(first, loss, batch, [weights_only]) as at:
        assert abs(at(1.0)[0] - expected[1]) > 1e-3
    with pytest.raises(ShapeError):
        direction_to(first, small_net("batch", 14).state_dict())


def test_points_come_in_an_order_that_refines():
    order = refining_order(9, 9)
    assert sorted(order) == [(j, i) for j in range(9) for i in range(9)]
    assert order[0] == (4, 4)
    assert set(order[:9]) == {(j, i) for j in (0, 4, 8) for i in (0, 4, 8)}
    assert set(order[:25]) == {(j, i) for j in range(0, 9, 2) for i in range(0, 9, 2)}
    assert refining_order(1, 5) == [(0, 2), (0, 0), (0, 4), (0, 1), (0, 3)]


def test_a_rough_picture_is_the_finest_grid_that_is_complete():
    found = Landscape(grid(9, (-1, 1)), grid(9, (-1, 1)))
    for j, i in refining_order(9, 9)[:26]:
        found.loss[j, i], found.visited[j, i] = 10 * j + i, True
    x, y, loss = found.rough()
    np.testing.assert_allclose(x, [-1, -0.5, 0, 0.5, 1])
    np.testing.assert_allclose(y, x)
    assert loss[1, 2] == 24


def test_half_width_is_where_the_loss_is_one_nat_higher():
    found = Landscape(np.linspace(-1, 1, 9), np.zeros(1))
    found.loss[0] = 2.0 + 4.0 * found.x**2 * np.where(found.x < 0, 4.0, 1.0)
    assert found.half_width == pytest.approx((0.25 + 0.5) / 2)
    found.loss[0] = 2.0 + np.where(found.x < 0, 5.0 * -found.x, 0.5)
    assert found.half_width == np.inf


def test_wrong_settings_are_named():
    model, loss, batch = small_net(depth=8), SoftmaxCrossEntropy(), images()
    for options, message in (
        ({"points": 4}, "odd number of at least 3.*got 4"),
        ({"points": 5, "limits": (1, -1)}, "the lower one first"),
        ({"points": 3, "statistics": "none"}, "running, batch"),
        ({"points": 3, "directions": [{"nowhere": np.ones(3)}]}, "'nowhere'.*no such parameter or buffer"),
        ({"points": 3, "directions": [{"input.conv_0.weight": np.ones(3)}]}, r"\(3, 3, 3, 4\) there"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            landscape(model, loss, *batch, **options)


def test_a_filter_of_zeros_stays():
    assert not filter_normalized(np.ones((3, 2)), np.zeros((3, 2))).any()


def test_a_given_engine_is_closed_at_the_end():
    engine = make_engine("cpu", 1)
    model = Sequential(Conv2d(3, 2, 3, dtype=np.float64), LeakyReLU(), mlp.layers.GlobalAvgPool())
    with loss_in_plane(model, SoftmaxCrossEntropy(), images(classes=2), [], engine=engine) as at:
        assert np.isfinite(at()[0])
    assert getattr(engine, "team", None) is None


def test_a_landscape_over_no_images_is_refused():
    x, targets = images(0)
    with pytest.raises(ShapeError, match="a mean over images, and x has none"):
        landscape(small_net(), SoftmaxCrossEntropy(), x, targets, points=3)
