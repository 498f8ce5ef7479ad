"""The textbook: each file has one layer, or one family: its formulas, forward and backward, and nothing else.

What all layers share is in `machinery` and in `parameter`.
"""

from mlp.checks import names_elsewhere
from mlp.layers.activations import LeakyReLU, ReLU
from mlp.layers.affine import Affine
from mlp.layers.batch_norm import BatchNorm
from mlp.layers.concat import Concat
from mlp.layers.containers import Identity, Residual, Sequential
from mlp.layers.convolution import Conv2d, im2col
from mlp.layers.dropout import Dropout
from mlp.layers.machinery.base import Layer
from mlp.layers.machinery.probing import frozen_buffers, frozen_gradients, leaf_layers, observed, observed_backward
from mlp.layers.normalization import GroupNorm, InstanceNorm, LayerNorm
from mlp.layers.parameter import FlatParameters, Parameter
from mlp.layers.pooling import AvgPool2d, GlobalAvgPool, MaxPool2d
from mlp.layers.reshape import Flatten, Reshape
from mlp.layers.smooth_activations import ELU, Sigmoid, Tanh
from mlp.layers.strided_identity import StridedIdentity
from mlp.layers.tap import Tap

__all__ = [
    "ELU",
    "Affine",
    "AvgPool2d",
    "BatchNorm",
    "Concat",
    "Conv2d",
    "Dropout",
    "FlatParameters",
    "Flatten",
    "GlobalAvgPool",
    "GroupNorm",
    "Identity",
    "InstanceNorm",
    "Layer",
    "LayerNorm",
    "LeakyReLU",
    "MaxPool2d",
    "Parameter",
    "ReLU",
    "Reshape",
    "Residual",
    "Sequential",
    "Sigmoid",
    "StridedIdentity",
    "Tanh",
    "Tap",
    "frozen_buffers",
    "frozen_gradients",
    "im2col",
    "leaf_layers",
    "observed",
    "observed_backward",
]

__getattr__ = names_elsewhere(
    __name__,
    {
        "Linear": "Affine",
        "Dense": "Affine",
        "AffineLayer": "Affine",
        "Conv2D": "Conv2d",
        "Convolution2D": "Conv2d",
        "ConvolutionalLayer": "Conv2d",
        "BatchNorm1d": "BatchNorm",
        "BatchNorm2d": "BatchNorm",
        "BatchNormalization": "BatchNorm",
        "LayerNormalization": "LayerNorm",
        "InstanceNorm2d": "InstanceNorm",
        "MaxPooling2D": "MaxPool2d",
        "AveragePooling2D": "AvgPool2d",
        "AdaptiveAvgPool2d": "GlobalAvgPool",
        "GlobalAveragePooling2D": "GlobalAvgPool",
        "Dropout2d": "Dropout",
        "Module": "Layer",
        "ModuleList": "Sequential",
        "Concatenate": "Concat",
        "Add": "Residual",
        "Softmax": "mlp.losses.SoftmaxCrossEntropy, which holds the softmax",
        "LogSoftmax": "mlp.losses.SoftmaxCrossEntropy, which holds the softmax",
    },
)
