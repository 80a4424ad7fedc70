"""Multilayer perceptrons: the policy, the ensemble of critics, and what both are made of."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from unreset.core.types import Array
from unreset.networks.views import Inputs, Seen

xavier = nn.initializers.xavier_uniform()


class MLP(nn.Module):
    """Dense layers with ReLU, each optionally followed by LayerNorm before it; a linear output."""

    hidden: tuple[int, ...]
    output: int
    layer_norm: bool = False
    kernel_init: Any = xavier
    activation: Callable[[Array], Array] = nn.relu

    @nn.compact
    def __call__(self, inputs: Array) -> Array:
        for width in self.hidden:
            inputs = nn.Dense(width, kernel_init=self.kernel_init)(inputs)
            if self.layer_norm:
                inputs = nn.LayerNorm()(inputs)
            inputs = self.activation(inputs)
        return nn.Dense(self.output, kernel_init=self.kernel_init)(inputs)


class Trunk(nn.Module):
    """The bottleneck of the released MEDAL code: dense, LayerNorm, tanh. Width 0 leaves it out.

    Of what is seen, the features pass through it, and the numbers are put beside what comes out.
    """

    width: int

    @nn.compact
    def __call__(self, inputs: Inputs) -> Array:
        if isinstance(inputs, Seen):
            return jnp.concatenate([self._squeeze(inputs.image), inputs.vector], axis=-1)
        return self._squeeze(inputs)

    def _squeeze(self, features: Array) -> Array:
        if self.width == 0:
            return features
        return jnp.tanh(nn.LayerNorm()(nn.Dense(self.width, kernel_init=xavier)(features)))


class Actor(nn.Module):
    """Inputs [..., input] to the mean and log standard deviation [..., action] before the tanh."""

    hidden: tuple[int, ...]
    action_size: int
    trunk: int = 0
    layer_norm: bool = False
    log_std_range: tuple[float, float] = (-20.0, 2.0)

    @nn.compact
    def __call__(self, inputs: Inputs) -> tuple[Array, Array]:
        features = Trunk(self.trunk)(inputs)
        output = MLP(self.hidden, 2 * self.action_size, self.layer_norm)(features)
        mean, log_std = jnp.split(output, 2, axis=-1)
        return mean, jnp.clip(log_std, *self.log_std_range)


class Critics(nn.Module):
    """An ensemble of action values [critics, ...] on one trunk, or each on its own, or on none."""

    hidden: tuple[int, ...]
    critics: int
    trunk: int = 0
    layer_norm: bool = False
    own_trunks: bool = False

    @nn.compact
    def __call__(self, inputs: Inputs, action: Array) -> Array:
        each = partial(
            nn.vmap,
            variable_axes={"params": 0},
            split_rngs={"params": True},
            axis_size=self.critics,
        )
        trunk = each(Trunk, in_axes=None)(self.trunk) if self.own_trunks else Trunk(self.trunk)
        features = trunk(inputs)
        if self.own_trunks:
            action = jnp.broadcast_to(action, (self.critics, *action.shape))
        features = jnp.concatenate([features, action], axis=-1)
        heads = each(MLP, in_axes=0 if self.own_trunks else None)
        values: Array = heads(self.hidden, 1, self.layer_norm)(features)
        return values.squeeze(-1)


def octaves(inputs: Array, number: int) -> Array:
    """Inputs [..., n] with their sines and cosines at rising frequencies, [..., n (1 + 2 number)].

    The slowest wave is 8 units long and each next one half as long. A small network resolves a goal
    much sooner from these than from bare coordinates (Fourier features: Tancik et al. 2020,
    arXiv 2006.10739; in reinforcement learning, Li & Pathak 2021, arXiv 2112.03257).
    """
    if number == 0:
        return inputs
    frequencies = (jnp.pi / 4) * 2.0 ** jnp.arange(number)
    angles = (inputs[..., None] * frequencies).reshape(*inputs.shape[:-1], -1)
    return jnp.concatenate([inputs, jnp.sin(angles), jnp.cos(angles)], axis=-1)
