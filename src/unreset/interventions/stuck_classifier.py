"""Which states nobody leaves without help, learned from few labels (PAINT).

Proactive interventions (Xie, Tajwar, Sharma & Finn 2022, arXiv 2210.10765): a classifier tells
states in which the agent is stuck from states that it can leave by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from unreset.core.ranges import Count, Pair, Rate, Whole
from unreset.core.types import Array, Metrics
from unreset.networks.mlp import MLP, octaves


@dataclass(frozen=True)
class StuckClassifier:
    """Hyper-parameters of the classifier."""

    hidden: tuple[Count, ...] = (128, 128)
    """Widths of its hidden layers (PAINT)."""
    octaves: Whole = 6
    """Sines and cosines of each input, from 8 units down by octaves; 0 for none (ours)."""
    learning_rate: Rate = 1e-3
    """Adam's step size (PAINT)."""
    interval: Count = 1
    """Environment steps between its updates (ours; PAINT: 50,000 at once after every reset)."""
    batch_size: Pair = 128
    """Rows of one update, half of them stuck (PAINT: 64)."""


class Classifier(NamedTuple):
    """The state of the classifier."""

    params: Any
    optimizer: Any
    taught: Array  # [] bool, whether it has ever seen a stuck state


def _network(config: StuckClassifier) -> MLP:
    return MLP(config.hidden, 1)


def init(config: StuckClassifier, key: Array, input_size: int) -> Classifier:
    """A fresh classifier for inputs [input_size]."""
    params = _network(config).init(key, octaves(jnp.zeros(input_size), config.octaves))
    optimizer = optax.adam(config.learning_rate).init(params)
    return Classifier(params, optimizer, jnp.asarray(False))


def _logits(config: StuckClassifier, params: Any, inputs: Array) -> Array:
    found: Any = _network(config).apply(params, octaves(inputs, config.octaves))
    return found[..., 0]


def probability(config: StuckClassifier, state: Classifier, inputs: Array) -> Array:
    """That inputs [..., input] are stuck [...]; 0 as long as no stuck state is known."""
    return state.taught * jax.nn.sigmoid(_logits(config, state.params, inputs))


def update(
    config: StuckClassifier, state: Classifier, free: Array, stuck: Array, known: Array
) -> tuple[Classifier, Metrics]:
    """One step on rows [N, input] of either kind, if there are any stuck ones (``known`` [])."""

    def loss(params: Any) -> Array:
        left = jax.nn.softplus(_logits(config, params, free))
        caught = jax.nn.softplus(-_logits(config, params, stuck))
        return (left.mean() + caught.mean()) / 2

    value, gradient = jax.value_and_grad(loss)(state.params)
    updates, optimizer = optax.adam(config.learning_rate).update(gradient, state.optimizer)
    fresh = Classifier(optax.apply_updates(state.params, updates), optimizer, known)
    state = jax.tree.map(lambda new, old: jnp.where(known, new, old), fresh, state)
    return state, {"loss": value * known}
