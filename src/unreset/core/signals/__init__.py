"""Learned rewards and detectors; the state of each is part of the run and is fitted on rows."""

from __future__ import annotations

from typing import Any

import jax

from unreset.core.signals import matching, novelty
from unreset.core.signals.matching import Matching
from unreset.core.signals.novelty import Novelty
from unreset.core.types import Array

Signal = Matching | Novelty
"""What a role can be rewarded by, besides the environment."""


def init(signal: Signal, key: jax.Array, input_size: int) -> Any:
    """The fresh state of a signal for inputs [input_size]."""
    if isinstance(signal, Matching):
        return matching.init(signal, key, input_size)
    return novelty.init(signal, key, input_size)


def reward(signal: Signal, state: Any, inputs: Array) -> Array:
    """Its scaled reward [...] for reaching inputs [..., input]."""
    if isinstance(signal, Matching):
        logit = matching.logits(signal, state, inputs)
        return signal.scale * matching.reward(signal.form, logit)
    return signal.scale * novelty.reward(signal, state, inputs)
