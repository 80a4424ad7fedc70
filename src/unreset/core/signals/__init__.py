"""Learned rewards and detectors; the state of each is part of the run and is fitted on rows."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from unreset.core.signals import matching, novelty
from unreset.core.signals.matching import Matching
from unreset.core.signals.novelty import Novelty
from unreset.core.types import Array
from unreset.networks.views import Inputs, Vision

Signal = Matching | Novelty
"""What a role can be rewarded by, besides the environment."""


def init(signal: Signal, key: jax.Array, inputs: Inputs, vision: Vision, encoder: Any) -> Any:
    """The fresh state of a signal for inputs such as these; vision and encoder are the policy's."""
    if isinstance(signal, Matching):
        return matching.init(signal, key, inputs, signal.sight(vision), encoder)
    return novelty.init(signal, key, jnp.asarray(inputs).size)


def reward(signal: Signal, state: Any, inputs: Inputs, vision: Vision) -> Array:
    """Its scaled reward [...] for reaching inputs [..., input]; ``vision`` is the policy's."""
    if isinstance(signal, Matching):
        logit = matching.logits(signal, state, inputs, signal.sight(vision))
        return signal.scale * matching.reward(signal.form, logit)
    return signal.scale * novelty.reward(signal, state, jnp.asarray(inputs))
