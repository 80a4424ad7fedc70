"""Encoders: networks that make features of pictures."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from unreset.core.types import Array
from unreset.networks.views import Inputs, Seen, Vision

SHARPNESS = 3.0  # factor on keypoints' scores at first; it is learned
STRIDES = {"drq": (2, 1, 1, 1), "strided": (2, 2)}  # of their convolutions


class Encoder(nn.Module):
    """Pictures [..., height, width, C] to features [..., F]; ``normal`` keeps layers 1-Lipschitz.

    At 84 x 84 "drq" puts out 39,200 features and "strided" 12,800; at 100 x 100 59,168 and 18,432.
    """

    config: Vision
    normal: bool = False  # spectral normalisation of every layer

    @nn.compact
    def __call__(self, image: Array) -> Array:
        config = self.config
        batch = image.shape[:-3]
        image = image.reshape(-1, *image.shape[-3:])
        if config.encoder in ("patches", "keypoints"):
            features = self._patches(image)
        else:
            features = image.astype(config.precision) / 255 - 0.5
            for number, stride in enumerate(STRIDES[config.encoder]):
                features = nn.relu(self._convolve(features, stride, f"Conv_{number}"))
        return features.reshape(*batch, -1).astype(jnp.float32)

    def _patches(self, image: Array) -> Array:
        side, (number, height, width, channels) = self.config.patch, image.shape
        rows, columns = height // side, width // side
        tiles = image.reshape(number, rows, side, columns, side, channels)
        tiles = tiles.transpose(0, 1, 3, 2, 4, 5).reshape(number * rows * columns, -1)
        # Else the gathering of pictures would be done again inside every product.
        held: Array = jax.lax.optimization_barrier(tiles)  # type: ignore[no-untyped-call]
        features = held.astype(self.config.precision) / 255 - 0.5
        for layer, size in enumerate(self.config.patch_widths):
            scores = Dense(size, self.normal, name=f"Dense_{layer}")(features)
            features = nn.relu(scores)
        if self.config.encoder == "patches":
            return features.reshape(number, -1)
        return self._keypoints(scores.astype(jnp.float32).reshape(number, rows, columns, -1))

    def _keypoints(self, scores: Array) -> Array:
        """Of scores [N, rows, columns, K]: x, y in [-1, 1] and presence in [-1, 1], [N, 3 K]."""
        number, rows, columns, points = scores.shape
        start = nn.initializers.constant(SHARPNESS)
        scores = scores.reshape(number, -1, points) * self.param("sharpness", start, (points,))
        share = jax.nn.softmax(scores, axis=1).reshape(number, rows, columns, points)
        x = jnp.einsum("nrck,c->nk", share, (2 * jnp.arange(columns) + 1) / columns - 1)
        y = jnp.einsum("nrck,r->nk", share, (2 * jnp.arange(rows) + 1) / rows - 1)
        presence = jax.nn.logsumexp(scores, axis=1) - jnp.log(rows * columns)
        return jnp.concatenate([x, y, jnp.tanh(presence / 4)], axis=-1)

    def _convolve(self, features: Array, stride: int, name: str) -> Array:
        shape = (3, 3, features.shape[-1], self.config.channels)
        kernel = self.param(f"{name}_kernel", nn.initializers.orthogonal(2**0.5), shape)
        bias = self.param(f"{name}_bias", nn.initializers.zeros, shape[-1:])
        kernel = normalised(kernel) if self.normal else kernel
        layout = ("NHWC", "HWIO", "NHWC")
        made = jax.lax.conv_general_dilated(
            features,
            kernel.astype(features.dtype),
            (stride, stride),
            "VALID",
            dimension_numbers=layout,
        )
        return jnp.asarray(made) + bias.astype(features.dtype)


def encode(config: Vision, encoder: Any, inputs: Inputs) -> Inputs:
    """What is seen, its pictures replaced by features [..., F]; as it is without an ``encoder``."""
    if not isinstance(inputs, Seen) or not encoder:
        return inputs
    features: Any = Encoder(config).apply(encoder, inputs.image)
    return Seen(features, inputs.vector)


class Dense(nn.Module):
    """A dense layer, its matrix divided by its largest singular value if it shall be ``normal``.

    It computes in the precision of its inputs.
    """

    size: int
    normal: bool = False
    kernel_init: Any = nn.initializers.xavier_uniform()

    @nn.compact
    def __call__(self, inputs: Array) -> Array:
        kernel = self.param("kernel", self.kernel_init, (inputs.shape[-1], self.size))
        bias = self.param("bias", nn.initializers.zeros, (self.size,))
        kernel = normalised(kernel) if self.normal else kernel
        return inputs @ kernel.astype(inputs.dtype) + bias.astype(inputs.dtype)


def normalised(kernel: Array, squarings: int = 7) -> Array:
    """A kernel [..., inputs, outputs] over its largest singular value (Miyato et al. 2018).

    The value comes from a power iteration, here by squaring the kernel's smaller Gram matrix, so
    that it needs no memory of the update before. As in the paper no gradient flows through the
    singular vectors.
    """
    matrix = kernel.reshape(-1, kernel.shape[-1])
    if matrix.shape[0] < matrix.shape[1]:
        matrix = matrix.T
    fixed = jax.lax.stop_gradient(matrix)
    power = fixed.T @ fixed
    for _ in range(squarings):
        power = power / (jnp.trace(power) + 1e-12)
        power = power @ power
    right = power[:, jnp.diagonal(power).argmax()]
    right = right / (jnp.linalg.norm(right) + 1e-12)
    left = fixed @ right
    left = left / (jnp.linalg.norm(left) + 1e-12)
    return kernel / (left @ matrix @ right + 1e-12)
