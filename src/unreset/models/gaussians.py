"""A network of Gaussians, and the running moments that normalise its inputs and outputs."""

from __future__ import annotations

from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp

from unreset.core.types import Array
from unreset.networks.mlp import MLP

LEAST_STD = 1e-4  # of a number that hardly changes, so that dividing by it stays finite
MOVING = 1e-3  # least share of the newest rows in the running moments
LOG_VARIANCE = (-10.0, 0.5)  # bounds to begin with (MBPO)


class Moments(NamedTuple):
    """Running mean and variance, and the range, of the numbers of some rows."""

    mean: Array  # [n]
    square: Array  # [n], mean of squares about the origin of the first rows' mean
    low: Array  # [n]
    high: Array  # [n]
    origin: Array  # [n]

    @property
    def deviation(self) -> Array:
        """Standard deviation [n]."""
        variance = self.square - (self.mean - self.origin) ** 2
        return jnp.maximum(jnp.sqrt(jnp.maximum(variance, 0.0)), LEAST_STD)


class Gaussian(nn.Module):
    """Means and bounded log variances [..., output]: one member of an ensemble."""

    hidden: tuple[int, ...]
    output: int

    @nn.compact
    def __call__(self, inputs: Array) -> tuple[Array, Array]:
        both = MLP(self.hidden, 2 * self.output, activation=nn.silu)(inputs)
        mean, raw = jnp.split(both, 2, axis=-1)
        low, high = (
            self.param(name, nn.initializers.constant(value), (self.output,))
            for name, value in zip(("low", "high"), LOG_VARIANCE, strict=True)
        )
        raw = high - nn.softplus(high - raw)
        return mean, low + nn.softplus(raw - low)


def fresh(size: int) -> Moments:
    """The moments [size] of no rows."""
    nothing, most = jnp.zeros(size), jnp.full(size, jnp.inf, jnp.float32)
    return Moments(nothing, nothing, most, -most, nothing)


def moved(moments: Moments, values: Array, updates: Array) -> Moments:
    """The moments after rows [N, n]."""
    share = jnp.maximum(1.0 / (updates + 1), MOVING)
    origin = jnp.where(updates == 0, values.mean(axis=0), moments.origin)
    square = ((values - origin) ** 2).mean(axis=0)
    return Moments(
        moments.mean + share * (values.mean(axis=0) - moments.mean),
        moments.square + share * (square - moments.square),
        jnp.minimum(moments.low, values.min(axis=0)),
        jnp.maximum(moments.high, values.max(axis=0)),
        origin,
    )
