"""The other networks of `mlp.models` in PyTorch: VGG that concatenates, multi-scale blocks, companions, SSRN.

    make_torch(dense=True, norm="batch")            # the keywords of mlp.models.vgg; a `torch_vgg.VGG` without others
    load_state(model, mlp_model.state_dict())       # the same weights and running statistics, see `torch_vgg`

SSRN uses three-dimensional convolutions, as in its paper: (N, bands, H, W) -> (N, 1, bands, H, W). In mlp the input is
an image of H W x bands pixels.
"""

from collections import OrderedDict

import torch
from torch import nn
from torch.nn import functional
from torch_vgg import SLOPE, STAGES, VGG, make_norm, projection


def make_torch(*, dense=False, growth=8, multi_scale=False, **settings):
    """Return the network that mlp.models.vgg builds for these keywords."""
    if dense:
        return DenseVGG(growth=growth or 8, **settings)
    if multi_scale:
        return MultiScaleVGG(**settings)
    return VGG(**settings)


class DenseBlock(nn.Module):
    """[x, conv(act(conv(act(x))))], with a norm in front of each activation."""

    def __init__(self, channels, filters, growth, new_norm):
        super().__init__()
        self.norm_0, self.conv_0 = new_norm(channels), nn.Conv2d(channels, filters, 3, padding=1, bias=False)
        self.norm_1, self.conv_1 = new_norm(filters), nn.Conv2d(filters, growth, 3, padding=1, bias=False)

    def forward(self, x):
        y = self.conv_0(functional.leaky_relu(self.norm_0(x), SLOPE))
        return torch.cat([x, self.conv_1(functional.leaky_relu(self.norm_1(y), SLOPE))], dim=1)


class DenseReduction(nn.Module):
    """The block that halves height and width."""

    def __init__(self, channels, filters, new_norm):
        super().__init__()
        self.norm_0, self.conv_0 = new_norm(channels), nn.Conv2d(channels, filters, 3, padding=1)
        self.norm_1, self.conv_1 = new_norm(filters), nn.Conv2d(filters, filters, 3, padding=1)

    def forward(self, x):
        y = functional.avg_pool2d(self.conv_0(functional.leaky_relu(self.norm_0(x), SLOPE)), 2)
        return self.conv_1(functional.leaky_relu(self.norm_1(y), SLOPE))


class DenseVGG(nn.Module):
    """VGG that concatenates."""

    def __init__(self, depth=38, norm="none", num_classes=100, filters=32, growth=8, image_channels=3):
        super().__init__()

        def new_norm(channels):
            return make_norm(norm, channels, None)

        first = OrderedDict(conv_0=nn.Conv2d(image_channels, filters, 3, padding=1, bias=False))
        first["norm_0"] = make_norm("batch" if norm == "none" else norm, filters, None)
        layers, blocks = OrderedDict(input=nn.Sequential(first)), (depth - 8) // 6
        for s in range(STAGES):
            stage = OrderedDict(
                (f"block_{b}", DenseBlock(filters + growth * b, filters, growth, new_norm)) for b in range(blocks)
            )
            stage["reduction"] = DenseReduction(filters + growth * blocks, filters, new_norm)
            layers[f"stage_{s}"] = nn.Sequential(stage)
        self.trunk = nn.Sequential(layers)
        self.head = nn.Sequential(OrderedDict(norm_0=new_norm(filters), affine=nn.Linear(filters, num_classes)))

    def forward(self, x):
        y = functional.leaky_relu(self.head.norm_0(self.trunk(x)), SLOPE)
        return self.head.affine(y.mean(dim=(2, 3)))


class MultiScaleBlock(nn.Module):
    """Convolutions of 3 x 3 and 5 x 5, twice, joined by one of 1 x 1."""

    def __init__(self, filters, new_norm, shortcut):
        super().__init__()
        w = filters // 4
        for level, inputs, outputs in ((0, filters, w), (1, 2 * w, 2 * w)):
            for size in (3, 5):
                conv = nn.Conv2d(inputs, outputs, size, padding=size // 2, bias=False)
                self.add_module(f"conv_{size}_{level}", conv)
                self.add_module(f"norm_{size}_{level}", new_norm(outputs))
        self.fusion, self.norm_fusion = nn.Conv2d(4 * w, filters, 1, bias=False), new_norm(filters)
        self.shortcut = shortcut

    def forward(self, x):
        y = x
        for level in (0, 1):
            names = [f"{size}_{level}" for size in (3, 5)]
            parts = [getattr(self, f"norm_{name}")(getattr(self, f"conv_{name}")(y)) for name in names]
            y = torch.cat([functional.leaky_relu(part, SLOPE) for part in parts], dim=1)
        y = self.norm_fusion(self.fusion(y))
        return functional.leaky_relu(y if self.shortcut is None else y + self.shortcut(x), SLOPE)


class MultiScaleVGG(VGG):
    """VGG with multi-scale processing blocks."""

    def __init__(self, **settings):
        super().__init__(**settings)
        norm, filters = settings.get("norm", "none"), settings.get("filters", 32)

        def new_norm(channels=filters):
            return make_norm(norm, channels, None)

        def shortcut():
            everywhere = settings.get("reduction_shortcut") == "projection_everywhere"
            return projection(filters, 1, new_norm) if everywhere else nn.Identity()

        for s in range(STAGES):
            stage = getattr(self, f"stage_{s}")
            for name in [name for name, _ in stage.named_children() if name != "reduction"]:
                block = MultiScaleBlock(filters, new_norm, shortcut() if settings.get("residual") else None)
                setattr(stage, name, block)


class MSRB(nn.Module):
    """The block of the paper on multi-scale residual networks."""

    def __init__(self, n):
        super().__init__()
        for level, width in ((0, n), (1, 2 * n)):
            for size in (3, 5):
                self.add_module(f"conv_{size}_{level}", nn.Conv2d(width, width, size, padding=size // 2))
        self.fusion = nn.Conv2d(4 * n, n, 1)

    def forward(self, x):
        y = x
        for level in (0, 1):
            y = torch.cat([functional.relu(getattr(self, f"conv_{size}_{level}")(y)) for size in (3, 5)], dim=1)
        return self.fusion(y) + x


class SSRN(nn.Module):
    """The spectral-spatial residual network as its paper has it, with three-dimensional convolutions; no dropout."""

    def __init__(self, num_classes=16, bands=200, spectral_blocks=2, spatial_blocks=2, filters=24):
        super().__init__()
        F, B = filters, (bands - 7) // 2 + 1
        self.input = self.convolved(nn.Conv3d(1, F, (7, 1, 1), stride=(2, 1, 1)), F)
        self.spectral = [self.block("spectral", i, (7, 1, 1), (3, 0, 0), F) for i in range(spectral_blocks)]
        self.collapse = self.convolved(nn.Conv3d(F, 128, (B, 1, 1)), 128)
        self.spatial_input = self.convolved(nn.Conv3d(1, F, (128, 3, 3)), F)
        self.spatial = [self.block("spatial", i, (1, 3, 3), (0, 1, 1), F) for i in range(spatial_blocks)]
        self.head = nn.Sequential(OrderedDict(affine=nn.Linear(F, num_classes)))

    @staticmethod
    def convolved(conv, channels):
        return nn.Sequential(OrderedDict(conv_0=conv, norm_0=nn.BatchNorm3d(channels), activation_0=nn.ReLU()))

    def block(self, kind, i, kernel, padding, F):
        layers = OrderedDict()
        for j in (0, 1):
            layers[f"conv_{j}"], layers[f"norm_{j}"] = nn.Conv3d(F, F, kernel, padding=padding), nn.BatchNorm3d(F)
        block = nn.Sequential(layers)
        self.add_module(f"{kind}_{i}", block)
        return block

    def forward(self, x):
        y = self.input(x[:, None])  # (N, F, B, H, W)
        for block in self.spectral:
            y = residual(block, y)
        y = self.collapse(y)[:, :, 0]  # (N, 128, H, W)
        y = self.spatial_input(y[:, None])  # (N, F, 1, H - 2, W - 2)
        for block in self.spatial:
            y = residual(block, y)
        return self.head.affine(y.mean(dim=(2, 3, 4)))


def residual(block, x):
    """relu(norm(conv(relu(norm(conv x)))) + x)."""
    y = functional.relu(block.norm_0(block.conv_0(x)))
    return functional.relu(block.norm_1(block.conv_1(y)) + x)


def ssrn_state(state):
    """Return the arrays of an mlp `ssrn` as those of SSRN above, (F, C, D, H, W) kernels in PyTorch's layout."""
    arrays = {}
    for name, array in state.items():
        if name == "head.dropout.step":
            continue
        if array.ndim == 4:  # (1, K, C, F) along the spectrum; (3, 3, C, F) of pixels, the first of them 128 deep
            kernel = array.transpose(3, 2, 0, 1)  # (F, C, KH, KW)
            if name.startswith("spatial_input"):
                array = kernel[:, None]  # (F, 1, 128, 3, 3)
            elif name.startswith("spatial"):
                array = kernel[:, :, None]  # (F, C, 1, 3, 3)
            else:
                array = kernel.transpose(0, 1, 3, 2)[..., None]  # (F, C, K, 1, 1)
        elif array.ndim == 2:
            array = array.T
        arrays[name] = torch.tensor(array.copy())
    return arrays
