"""Networks that concatenate, multi-scale blocks, companions and SSRN beside PyTorch, all in float64."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402
from torch_variants import MSRB, SSRN, make_torch, ssrn_state  # noqa: E402
from torch_vgg import gradients_by_name, images_from_torch, images_to_torch, load_state  # noqa: E402

from mlp.diagnostics import relative_error  # noqa: E402
from mlp.losses import SoftmaxCrossEntropy  # noqa: E402
from mlp.models import ssrn, vgg  # noqa: E402
from mlp.models.deep_supervision import DeepSupervision, taps_of  # noqa: E402
from mlp.models.multi_scale import msrb  # noqa: E402

pytestmark = pytest.mark.oracle

RNG = np.random.default_rng(0)
X, TARGETS = RNG.standard_normal((4, 16, 16, 3)), RNG.integers(0, 5, 4)


def off_the_first_values(model):
    rng = np.random.default_rng(7)
    for name, p in model.named_parameters():
        if name.endswith(("gamma", "beta")):
            p.data += 0.3 * rng.standard_normal(p.data.shape)
    return model


def agree(ours, theirs, name, largest=0.0):
    assert relative_error(ours, theirs, largest) < 1e-9, name


def compare_networks(model, module, x, targets, torch_x, names=lambda name: name.removeprefix("trunk.")):
    """Assert that loss, gradients, running statistics and evaluation agree to 1e-9."""
    loss = SoftmaxCrossEntropy()
    value = loss.forward(model.forward(x, training=True), targets)
    grad_x = model.backward(loss.backward())
    torch_x = torch_x.requires_grad_()
    torch_loss = functional.cross_entropy(module(torch_x), torch.tensor(targets))
    torch_loss.backward()
    assert value == pytest.approx(torch_loss.item(), rel=1e-9)
    gradients = {names(name): array for name, array in gradients_by_name(module).items()}
    mine = {name: p.grad for name, p in model.named_parameters()}
    assert gradients.keys() == mine.keys()
    largest = max(np.linalg.norm(g) for g in mine.values())
    for name, gradient in mine.items():
        if np.linalg.norm(gradient) > 1e-12 * largest:  # others are zero on paper
            agree(gradient, gradients[name].reshape(gradient.shape), name, largest)
    with torch.no_grad():
        agree(model.forward(x), module.eval()(torch_x.detach()).numpy(), "evaluation")
    return grad_x, torch_x.grad


SETTINGS = {
    "dense": {"dense": True, "growth": 4},
    "dense, BN": {"dense": True, "growth": 4, "norm": "batch"},
    "multi-scale": {"multi_scale": True, "residual": True},
    "multi-scale, BN": {"multi_scale": True, "residual": True, "norm": "batch", "reduction_shortcut": "avgpool"},
}


def loaded(module, state):
    """Return a PyTorch module with the arrays of mlp; the trunk of a dense network adds a component to its names."""
    inner = {name.removeprefix("trunk."): name for name, _ in module.named_parameters()}
    inner |= {name.removeprefix("trunk."): name for name, _ in module.named_buffers()}

    def there(name):
        path, _, last = name.rpartition(".")
        last = {"gamma": "weight", "beta": "bias"}.get(last, last)
        full = inner[f"{path}.{last}"]
        return full.rpartition(".")[0] + "." + name.rpartition(".")[2]

    return load_state(module, {there(name): array for name, array in state.items()})


@pytest.mark.parametrize("name", SETTINGS)
def test_whole_networks(name):
    settings = {"depth": 14, "filters": 16, "num_classes": 5, **SETTINGS[name]}
    model = off_the_first_values(vgg(**settings, dtype=np.float64))
    module = loaded(make_torch(**settings).double(), model.state_dict())
    mine, theirs = compare_networks(model, module, X, TARGETS, images_to_torch(X))
    agree(mine, images_from_torch(theirs), "dL/dx")


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{"dense": True}, {"multi_scale": True, "residual": True}], ids=str)
def test_whole_networks_of_38_layers(settings):
    model = off_the_first_values(vgg(38, "batch", num_classes=5, dtype=np.float64, **settings))
    module = loaded(make_torch(depth=38, norm="batch", num_classes=5, **settings).double(), model.state_dict())
    compare_networks(model, module, X, TARGETS, images_to_torch(X))


def test_the_block_of_the_paper():
    block, x = msrb(4, dtype=np.float64), RNG.standard_normal((2, 6, 6, 4))
    module, upstream = load_state(MSRB(4).double(), block.state_dict()), RNG.standard_normal((2, 6, 6, 4))
    tensor = images_to_torch(x).requires_grad_()
    y = module(tensor)
    y.backward(images_to_torch(upstream))
    agree(block.forward(x, training=True), images_from_torch(y), "outputs")
    agree(block.backward(upstream), images_from_torch(tensor.grad), "dL/dx")
    gradients = gradients_by_name(module)
    for name, p in block.named_parameters():
        agree(p.grad, gradients[name], name)


@pytest.mark.parametrize("bands", [23, 200])
def test_ssrn_is_made_of_three_dimensional_convolutions(bands):
    model = off_the_first_values(ssrn(5, bands, dropout=0.0, dtype=np.float64))
    module = SSRN(5, bands).double()
    missing, unknown = module.load_state_dict(torch_names(ssrn_state(model.state_dict())), strict=False)
    assert not unknown
    assert all(name.endswith("num_batches_tracked") for name in missing)
    x = RNG.standard_normal((3, 7, 7, bands))
    value = SoftmaxCrossEntropy()
    loss = value.forward(model.forward(x, training=True), TARGETS[:3])
    grad_x = model.backward(value.backward())
    tensor = images_to_torch(x).requires_grad_()
    torch_loss = functional.cross_entropy(module(tensor), torch.tensor(TARGETS[:3]))
    torch_loss.backward()
    assert loss == pytest.approx(torch_loss.item(), rel=1e-9)
    agree(grad_x, images_from_torch(tensor.grad), "dL/dx")
    gradients = {name: p.grad for name, p in module.named_parameters()}
    ours = torch_names(ssrn_state({name: p.grad for name, p in model.named_parameters()}))
    largest = max(float(g.norm()) for g in ours.values())
    for name, gradient in ours.items():
        if float(gradient.norm()) > 1e-12 * largest:  # biases in front of a norm are zero on paper
            agree(gradient.numpy(), gradients[name].numpy(), name, largest)
    with torch.no_grad():
        agree(model.forward(x), module.eval()(images_to_torch(x)).numpy(), "evaluation")


def torch_names(arrays):
    """Return arrays with gamma and beta called weight and bias."""
    renamed = {"gamma": "weight", "beta": "bias"}
    parts = {name: name.rpartition(".") for name in arrays}
    return {f"{path}.{renamed.get(last, last)}": arrays[name] for name, (path, _, last) in parts.items()}


def test_companions():
    """The objective and its gradients, with companions written as PyTorch users would."""
    settings = {"depth": 14, "filters": 8, "num_classes": 5, "norm": "batch"}
    model = off_the_first_values(vgg(**settings, companions="blocks", dtype=np.float64))
    loss = DeepSupervision(SoftmaxCrossEntropy(), taps_of(model), weight=0.3, threshold=0.5)
    loss.forward(model.forward(X, training=True), TARGETS)
    model.backward(loss.backward())

    module = load_state(make_torch(**settings).double(), model.network.state_dict())
    companions = {name: nn.Linear(8, 5).double() for name in loss.taps}
    outputs, targets = {}, torch.tensor(TARGETS)
    for name, linear in companions.items():
        stage, unit = name[:7], name[8:]
        load_state(linear, {last: model.state_dict()[f"companions.{name}.{last}"] for last in ("weight", "bias")})
        unit_module = getattr(getattr(module, stage), unit)
        unit_module.register_forward_hook(lambda m, i, y, name=name: outputs.update({name: y}))
    objective = functional.cross_entropy(module(images_to_torch(X)), targets)
    for name, linear in companions.items():
        companion_loss = functional.cross_entropy(linear(outputs[name].mean(dim=(2, 3))), targets)
        objective = objective + 0.3 * torch.clamp(companion_loss - 0.5, min=0.0)
    objective.backward()
    assert loss.objective == pytest.approx(objective.item(), rel=1e-9)
    gradients = gradients_by_name(module)
    largest = max(np.linalg.norm(g) for g in gradients.values())
    for name, p in model.network.named_parameters():
        if np.linalg.norm(p.grad) > 1e-12 * largest:
            agree(p.grad, gradients[name], name, largest)
    for name, linear in companions.items():
        agree(model.taps[name].branch.layers["*"].weight.grad, linear.weight.grad.numpy().T, name)
