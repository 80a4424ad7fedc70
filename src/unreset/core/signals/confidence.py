"""Leave a phase early where success is sure: nothing is learned from what is mastered.

RISC (Patil, Rajendran, Berseth & Chandar 2024, arXiv 2405.01684).
"""

from __future__ import annotations

from dataclasses import dataclass

import jax

from unreset.core.ranges import Share
from unreset.core.types import Array

MASTERED = 0.5  # probability of success from which on a phase that was left is no failed one (ours)


@dataclass(frozen=True)
class Confidence:
    """Hyper-parameters of the rule; the success critics are the learner's."""

    trust: Share = 0.9
    """beta: how slowly a phase comes to trust the success critic (RISC: 0.9; minitaur 0.95)."""
    after: Share = 0.5
    """Share of a phase before it may be left (RISC: 0.5; door 0.75, minitaur 0.25)."""
    share: Share = 1.0
    """Share of the phases that may be left (RISC: 1; peg 0.5, minitaur 0.25)."""


def leave(
    config: Confidence, success: Array, steps: Array, length: Array, phase_key: Array, key: Array
) -> Array:
    """Whether [] to leave a phase after ``steps`` of ``length`` steps.

    With probability ``success (1 - trust^steps)``, once ``after`` of the phase is over; ``success``
    [] is the success critic's. ``phase_key`` is one for the phase, ``key`` one for the step.
    """
    may = jax.random.uniform(phase_key) < config.share
    probability = success * (1 - config.trust**steps)
    return may & (steps >= config.after * length) & (jax.random.uniform(key) < probability)
