"""The tanh-normal distribution: a normal one whose samples pass through a tanh."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp

from unreset.core.types import Array


def sample_tanh_normal(mean: Array, log_std: Array, key: Array) -> tuple[Array, Array]:
    """An action in (-1, 1) and its log density [...], by the change of variables of SAC (App. C).

    ``log(1 - tanh(u)^2) = 2 (log 2 - u - softplus(-2u))`` keeps the correction finite for large u.
    """
    noise = jax.random.normal(key, mean.shape)
    before = mean + jnp.exp(log_std) * noise
    log_normal = -0.5 * noise**2 - log_std - 0.5 * math.log(2 * math.pi)
    correction = 2 * (math.log(2) - before - jax.nn.softplus(-2 * before))
    return jnp.tanh(before), jnp.sum(log_normal - correction, axis=-1)


def tanh_normal_log_density(mean: Array, log_std: Array, action: Array) -> Array:
    """The log density [...] of an action [..., action], which is pulled inside (-1, 1) by 1e-6."""
    inside = jnp.clip(action, -1 + 1e-6, 1 - 1e-6)
    before = jnp.arctanh(inside)
    noise = (before - mean) * jnp.exp(-log_std)
    log_normal = -0.5 * noise**2 - log_std - 0.5 * math.log(2 * math.pi)
    return jnp.sum(log_normal - jnp.log1p(-(inside**2)), axis=-1)
