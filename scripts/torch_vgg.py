"""The networks of `mlp.models.vgg`, written as PyTorch's users write them, to compare numbers and speed.

    model = VGG(depth=38, norm="batch", residual=True)          # the keywords of mlp.models.vgg, dropout left out
    model.load_from(mlp_model)                                  # the same weights and running statistics
    gradients_by_name(model)["stage_0.block_1.conv_0.weight"]   # after loss.backward(): compare with p.grad of mlp

The two differ only in layout and in a few names:

    images            mlp (N, H, W, C)            PyTorch (N, C, H, W)
    kernels           mlp (KH, KW, C, F)          PyTorch (F, C, KH, KW)
    affine weights    mlp (D_in, D_out)           PyTorch (D_out, D_in)
    norms             mlp gamma, beta             PyTorch weight, bias

Modules have the names of mlp's layers, so a weight has the same name in both. This file needs PyTorch; `mlp` does not.
"""

from collections import OrderedDict

import numpy as np
import torch
from torch import nn
from torch.nn import functional

STAGES = 3
SLOPE = 0.01  # of the leaky ReLU below zero
NORM_LAYERS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.LayerNorm, nn.GroupNorm, nn.InstanceNorm2d)
NORM_NAMES = {"weight": "gamma", "bias": "beta"}


def make_norm(norm, filters, norm_groups):
    """Return the module for a norm of images by its name in mlp."""
    return {
        "none": nn.Identity,
        "batch": lambda: nn.BatchNorm2d(filters),
        "layer": lambda: nn.GroupNorm(1, filters),  # nn.LayerNorm would have weights for every pixel
        "instance": lambda: nn.InstanceNorm2d(filters, affine=True),
        "group": lambda: nn.GroupNorm(norm_groups or 8, filters),
    }[norm]()


class Input(nn.Module):
    """conv 3x3, no bias - norm - LReLU."""

    def __init__(self, image_channels, filters, norm):
        super().__init__()
        self.conv_0 = nn.Conv2d(image_channels, filters, 3, padding=1, bias=False)
        self.norm_0 = norm

    def forward(self, x):
        return functional.leaky_relu(self.norm_0(self.conv_0(x)), SLOPE)


class Block(nn.Module):
    """Two convolutions: a processing block, or with `reduction` one that also halves height and width.

    Args:
        new_norm: a function that makes a norm.
        shortcut: None, or a function of x whose result is added after the second convolution.
    """

    def __init__(self, filters, new_norm, norm_position, reduction, shortcut):
        super().__init__()
        self.conv_0 = nn.Conv2d(filters, filters, 3, padding=1, bias=reduction)
        self.norm_0 = new_norm()
        self.conv_1 = nn.Conv2d(filters, filters, 3, padding=1, bias=reduction)
        self.norm_1 = new_norm()
        self.norm_after, self.reduction, self.shortcut = norm_position == "after", reduction, shortcut

    def forward(self, x):
        y = self.norm_and_activation(self.conv_0(x), self.norm_0)
        if self.reduction:
            y = functional.avg_pool2d(y, 2)
        return self.norm_and_activation(
            self.conv_1(y), self.norm_1, None if self.shortcut is None else self.shortcut(x)
        )

    def norm_and_activation(self, y, norm, shortcut=None):
        """[norm] - [+ shortcut] - LReLU, or [+ shortcut] - LReLU - [norm]."""
        if not self.norm_after:
            y = norm(y)
        if shortcut is not None:
            y = y + shortcut
        y = functional.leaky_relu(y, SLOPE)
        return norm(y) if self.norm_after else y


def halving_shortcut(kind, filters, new_norm):
    """Return the shortcut of a reduction block by its name in mlp; None for "none"."""
    if kind in ("projection", "projection_everywhere"):
        return projection(filters, 2, new_norm)
    pixels = {"none": None, "avgpool": lambda x: functional.avg_pool2d(x, 2), "strided": lambda x: x[:, :, ::2, ::2]}
    return pixels[kind]


def projection(filters, stride, new_norm):
    """conv 1x1, no bias - [norm]."""
    convolution = nn.Conv2d(filters, filters, 1, stride=stride, bias=False)
    return nn.Sequential(OrderedDict(conv_0=convolution, norm_0=new_norm()))


class Head(nn.Module):
    """Global average pooling - affine."""

    def __init__(self, filters, num_classes):
        super().__init__()
        self.affine = nn.Linear(filters, num_classes)

    def forward(self, x):
        return self.affine(x.mean(dim=(2, 3)))


class VGG(nn.Module):
    """VGG-style network, (N, image_channels, H, W) -> (N, num_classes); see `mlp.models.vgg` for the keywords."""

    def __init__(
        self,
        depth=38,
        norm="none",
        residual=False,
        num_classes=100,
        filters=32,
        norm_position="before",
        reduction_shortcut="none",
        norm_groups=None,
        image_channels=3,
    ):
        super().__init__()

        def new_norm():
            return make_norm(norm, filters, norm_groups)

        def shortcut():
            everywhere = reduction_shortcut == "projection_everywhere"
            return projection(filters, 1, new_norm) if everywhere else nn.Identity()

        self.input = Input(
            image_channels, filters, make_norm("batch" if norm == "none" else norm, filters, norm_groups)
        )
        for s in range(STAGES):
            stage = nn.Sequential()
            for b in range((depth - 8) // 6):
                block = Block(filters, new_norm, norm_position, False, shortcut() if residual else None)
                stage.add_module(f"block_{b}", block)
            halved = halving_shortcut(reduction_shortcut, filters, new_norm)
            stage.add_module("reduction", Block(filters, new_norm, norm_position, True, halved))
            self.add_module(f"stage_{s}", stage)
        self.head = Head(filters, num_classes)

    def forward(self, x):
        x = self.input(x)
        for s in range(STAGES):
            x = getattr(self, f"stage_{s}")(x)
        return self.head(x)

    def load_from(self, mlp_model):
        """Copy weights and running statistics of an `mlp` model, converted to the dtype of this one; returns self."""
        return load_state(self, mlp_model.state_dict())


# --- the same arrays in both layouts ------------------------------------------------------------------------------


def images_to_torch(x):
    """Return images (N, H, W, C) as a tensor (N, C, H, W), vectors (N, D) as they are."""
    return torch.tensor(np.moveaxis(x, -1, 1).copy())


def images_from_torch(tensor):
    """Return a tensor (N, C, H, W) as images (N, H, W, C), (N, D) as it is."""
    return np.moveaxis(tensor.detach().numpy(), 1, -1)


def weight_to_torch(array):
    """Return a weight of mlp in the layout of PyTorch: all axes reversed, but KH before KW."""
    return torch.tensor((array.transpose(3, 2, 0, 1) if array.ndim == 4 else array.T).copy())


def weight_from_torch(tensor):
    """Return a weight of PyTorch, or its gradient, in the layout of mlp."""
    array = tensor.detach().numpy()
    return (array.transpose(2, 3, 1, 0) if array.ndim == 4 else array.T).copy()


def named_tensors(module):
    """Yield (name in mlp, tensor) for all parameters and running statistics of a PyTorch module."""
    for path, layer in module.named_modules():
        is_norm = isinstance(layer, NORM_LAYERS)
        own = [*layer.named_parameters(recurse=False), *layer.named_buffers(recurse=False)]
        for name, tensor in own:
            if name != "num_batches_tracked":
                name = NORM_NAMES.get(name, name) if is_norm else name
                yield f"{path}.{name}" if path else name, tensor


def load_state(module, state):
    """Copy the arrays of an mlp `state_dict` into a PyTorch module whose layers have the same names; returns it.

    Raises:
        KeyError: a name that only one of them has.
    """
    tensors = dict(named_tensors(module))
    if tensors.keys() != state.keys():
        raise KeyError(f"only in one of the two models: {sorted(tensors.keys() ^ state.keys())}")
    with torch.no_grad():
        for name, tensor in tensors.items():
            tensor.copy_(weight_to_torch(state[name]))
    return module


def state_by_name(module):
    """Return parameters and running statistics of a PyTorch module as arrays, names and layout those of mlp."""
    return {name: weight_from_torch(tensor) for name, tensor in named_tensors(module)}


def gradients_by_name(module):
    """Return the gradients of all parameters of a PyTorch module as arrays, names and layout those of mlp."""
    return {name: weight_from_torch(t.grad) for name, t in named_tensors(module) if isinstance(t, nn.Parameter)}
