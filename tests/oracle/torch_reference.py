"""PyTorch's half of the comparisons: `reference(case, given)` computes what `case.run(given)` should give."""

from collections import OrderedDict
from functools import singledispatch

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch_cases import LayerCase, LossCase, NetCase, RuleCase, ScheduleCase, state_of
from torch_vgg import VGG, gradients_by_name, images_from_torch, images_to_torch, load_state, state_by_name

from mlp import layers, losses
from mlp.learning_rules import AdaGrad, Adam, AdamW, GradientDescent, Momentum, Nesterov, RMSProp

torch.set_num_threads(1)  # the arrays are small: threads would wait for each other


@singledispatch
def reference(case, given):
    """Return PyTorch's results for a case, by the same names and in the same layout as `case.run(given)`."""
    raise NotImplementedError(f"no PyTorch code for {type(case).__name__}")


@reference.register
def _(case: LayerCase, given):
    module = load_state(to_torch(case.make(), images=len(case.shape) == 4).double(), state_of(given))
    module.train(case.training)
    for values in given["x"]:
        x = images_to_torch(values).requires_grad_()
        outputs = module(x)
    outputs.backward(images_to_torch(given["upstream"]))
    results = {"outputs": images_from_torch(outputs), "grad.x": images_from_torch(x.grad)}
    return {**results, **gradients(module), **running_statistics(module)}


@reference.register
def _(case: LossCase, given):
    logits, targets = (torch.tensor(array) for array in given.values())
    logits.requires_grad_()
    loss = torch_loss(case.make())(logits, targets)
    loss.backward()
    return {"loss": loss.detach().numpy(), "grad.logits": logits.grad.numpy()}


@reference.register
def _(case: RuleCase, given):
    weight, bias = (nn.Parameter(torch.tensor(part)) for part in (given["weights"][:3], given["weights"][3:]))
    rule = case.make()
    optimizer = torch_optimizer(rule, weight, bias)
    path = []
    for grad, rate in zip(given["grads"], given["rates"], strict=True):
        for group in optimizer.param_groups:
            group["lr"] = float(rate)
        weight.grad, bias.grad = torch.tensor(grad[:3]), torch.tensor(grad[3:])
        if rule.clip_value is not None:
            nn.utils.clip_grad_value_([weight, bias], rule.clip_value)
        if rule.clip_norm is not None:
            nn.utils.clip_grad_norm_([weight, bias], rule.clip_norm)
        optimizer.step()
        path.append(torch.cat([weight, bias]).detach().numpy())
    return {f"weight_{i}": np.array(path)[:, i] for i in range(5)}


@reference.register
def _(case: ScheduleCase, given):
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=case.learning_rate)
    scheduler = torch_scheduler(case.torch, optimizer)
    rates = []
    for step in range(case.steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if (step + 1) % case.steps_per_epoch == 0:
            scheduler.step()
    return {"rates": np.array(rates)}


@reference.register
def _(case: NetCase, given):
    model = load_state(VGG(**case.settings).double(), state_of(given))
    optimizer = torch.optim.SGD(model.parameters(), lr=case.learning_rate, momentum=0.9)
    losses, first = [], {}
    for values, targets in zip(given["x"], given["targets"], strict=True):
        x = images_to_torch(values).requires_grad_()
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(x), torch.tensor(targets))
        loss.backward()
        losses.append(loss.item())
        first = first or {"grad.x": images_from_torch(x.grad), **gradients(model)}
        optimizer.step()
    logits = model.eval()(images_to_torch(given["x"][0])).detach().numpy()
    return {"losses": np.array(losses), **first, **running_statistics(model), "logits": logits}


def gradients(module):
    return {f"grad.{name}": array for name, array in gradients_by_name(module).items()}


def running_statistics(module):
    return {name: array for name, array in state_by_name(module).items() if "running_" in name}


def torch_loss(loss):
    """Return PyTorch's function for a loss."""
    if type(loss) is losses.SoftmaxCrossEntropy:
        return nn.CrossEntropyLoss(label_smoothing=loss.label_smoothing)
    return {losses.MeanSquaredError: nn.MSELoss, losses.BinaryCrossEntropy: nn.BCEWithLogitsLoss}[type(loss)]()


def torch_optimizer(rule, weight, bias):
    """Return PyTorch's optimizer with the settings of a learning rule; the bias decays unless the rule spares it."""
    decay = rule.decoupled_weight_decay if type(rule) is AdamW else rule.weight_decay
    spared = {"params": [bias], "weight_decay": decay if rule.no_decay is None else 0.0}
    groups = [{"params": [weight], "weight_decay": decay}, spared]
    kind, settings = OPTIMIZERS[type(rule)]
    return kind(groups, lr=rule.learning_rate, **settings(rule))


OPTIMIZERS = {
    GradientDescent: (torch.optim.SGD, lambda r: {}),
    Momentum: (torch.optim.SGD, lambda r: {"momentum": r.momentum}),
    Nesterov: (torch.optim.SGD, lambda r: {"momentum": r.momentum, "nesterov": True}),
    AdaGrad: (torch.optim.Adagrad, lambda r: {"eps": r.eps}),
    RMSProp: (torch.optim.RMSprop, lambda r: {"alpha": r.decay, "eps": r.eps}),
    Adam: (torch.optim.Adam, lambda r: {"betas": (r.beta1, r.beta2), "eps": r.eps}),
    AdamW: (torch.optim.AdamW, lambda r: {"betas": (r.beta1, r.beta2), "eps": r.eps}),
}


def torch_scheduler(description, optimizer):
    """Return PyTorch's scheduler: one (name, settings), or two of them and the step between them."""
    *parts, milestone = (*description, None) if len(description) == 1 else description
    schedulers = [getattr(torch.optim.lr_scheduler, name)(optimizer, **settings) for name, settings in parts]
    if milestone is None:
        return schedulers[0]
    return torch.optim.lr_scheduler.SequentialLR(optimizer, schedulers, milestones=[milestone])


def to_torch(layer, images):
    """Return the PyTorch module for a layer of mlp, its modules named alike; its weights are those of PyTorch.

    Args:
        images: whether its inputs are images, (N, C, H, W) in PyTorch, or vectors.
    """
    if type(layer) is layers.Sequential:
        return nn.Sequential(modules_of(layer, images))
    if type(layer) is layers.Residual:
        return Shortcut(modules_of(layer.body, images), to_torch(layer.shortcut, images))
    return LEAVES[type(layer)](layer, images)


def modules_of(sequential, images):
    return OrderedDict((name, to_torch(child, images)) for name, child in sequential.children())


LEAVES = {
    layers.Affine: lambda a, _: nn.Linear(a.in_features, a.out_features, bias=a.bias is not None),
    layers.Conv2d: lambda c, _: nn.Conv2d(
        c.in_channels, c.out_channels, c.kernel_size, stride=c.stride, padding=c.padding, bias=c.bias is not None
    ),
    layers.BatchNorm: lambda n, images: (nn.BatchNorm2d if images else nn.BatchNorm1d)(
        n.num_features, eps=n.eps, momentum=n.momentum
    ),
    layers.LayerNorm: lambda n, images: (
        nn.GroupNorm(1, n.num_features, eps=n.eps) if images else nn.LayerNorm(n.num_features, eps=n.eps)
    ),
    layers.InstanceNorm: lambda n, _: nn.InstanceNorm2d(n.num_features, eps=n.eps, affine=True),
    layers.GroupNorm: lambda n, _: nn.GroupNorm(n.num_groups, n.num_features, eps=n.eps),
    layers.StridedIdentity: lambda s, _: Function(
        lambda x: functional.pad(x[:, :, :: s.stride, :: s.stride], (0, 0, 0, 0, 0, s.out_channels - s.in_channels))
    ),
    layers.LeakyReLU: lambda a, _: nn.LeakyReLU(a.negative_slope),
    layers.ReLU: lambda a, _: nn.ReLU(),
    layers.Sigmoid: lambda a, _: nn.Sigmoid(),
    layers.Tanh: lambda a, _: nn.Tanh(),
    layers.ELU: lambda a, _: nn.ELU(a.alpha),
    layers.MaxPool2d: lambda p, _: nn.MaxPool2d(p.kernel_size, stride=p.stride),
    layers.AvgPool2d: lambda p, _: nn.AvgPool2d(p.kernel_size, stride=p.stride),
    layers.GlobalAvgPool: lambda p, _: Function(lambda x: x.mean(dim=(2, 3))),
    layers.Flatten: lambda p, _: Function(lambda x: x.permute(0, 2, 3, 1).flatten(1)),  # channels vary fastest
    layers.Identity: lambda p, _: nn.Identity(),
}


class Function(nn.Module):
    """A function of the inputs, as a module."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


class Shortcut(nn.Sequential):
    """Modules one after the other, the last one around all others: y = body(x) + shortcut(x)."""

    def __init__(self, body, shortcut):
        super().__init__(OrderedDict(**body, shortcut=shortcut))

    def forward(self, x):
        *body, shortcut = self
        y = x
        for module in body:
            y = module(y)
        return y + shortcut(x)
