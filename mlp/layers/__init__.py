"""The textbook: one layer, or one family of layers, a file; its formulas, forward and backward, and nothing else."""

from mlp.layers.activations import LeakyReLU, ReLU
from mlp.layers.affine import Affine
from mlp.layers.base import Layer
from mlp.layers.batch_norm import BatchNorm
from mlp.layers.containers import Identity, Residual, Sequential
from mlp.layers.convolution import Conv2d, im2col
from mlp.layers.flatten import Flatten
from mlp.layers.parameter import FlatParameters, Parameter
from mlp.layers.pooling import AvgPool2d, GlobalAvgPool
from mlp.layers.probing import frozen_buffers, observed

__all__ = [
    "Affine",
    "AvgPool2d",
    "BatchNorm",
    "Conv2d",
    "FlatParameters",
    "Flatten",
    "GlobalAvgPool",
    "Identity",
    "Layer",
    "LeakyReLU",
    "Parameter",
    "ReLU",
    "Residual",
    "Sequential",
    "frozen_buffers",
    "im2col",
    "observed",
]
