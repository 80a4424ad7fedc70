"""Phases that end where success is sure: nothing is learned from what is mastered.

RISC (Patil, Rajendran, Berseth & Chandar 2024, arXiv 2405.01684).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from unreset.core import foresight
from unreset.core.keys import stream
from unreset.core.protocols import Scope
from unreset.core.ranges import Share
from unreset.core.rules import Moment, SwitchRule, Verdict
from unreset.core.types import Array

MASTERED = 0.5  # probability of success from which on a phase that was left is no failed one (ours)


@dataclass(frozen=True)
class Confident(SwitchRule):
    """The end of a phase whose success is sure; of roles whose phases end on success."""

    trust: Share = 0.9
    """beta: how slowly a phase comes to trust the success critic (RISC: 0.9; minitaur 0.95)."""
    after: Share = 0.5
    """Share of a phase before it may be left (RISC: 0.5; door 0.75, minitaur 0.25)."""
    share: Share = 1.0
    """Share of the phases that may be left (RISC: 1; peg 0.5, minitaur 0.25)."""

    @property
    def foresees(self) -> tuple[str, ...]:
        """Success."""
        return (foresight.SUCCESS,)

    def judge(self, scope: Scope, moment: Moment, verdict: Verdict) -> tuple[Any, Verdict]:
        """Leave a phase that goes on and seems to be sure; say so where success is likely."""
        method, view, phase = scope.method, moment.view, moment.phase
        event, step = foresight.SUCCESS, moment.transition
        success = foresight.of_step(method, scope.task, view, event, step).min()
        phase_key = jax.random.fold_in(stream(view.key, "phases"), phase.segment)
        length = jnp.array([role.length for role in method.roles])[phase.role]
        left = self.leave(success, phase.steps + 1, length, (phase_key, moment.key))
        left &= (moment.step >= method.practice.seed_steps) & ~verdict.end
        left &= jnp.array([role.ends_on_success for role in method.roles])[phase.role]
        sure = left & (success > MASTERED)
        return (), verdict._replace(end=verdict.end | left, success=verdict.success | sure)

    def leave(
        self, success: Array, steps: Array | int, length: Array | int, keys: tuple[Array, Array]
    ) -> Array:
        """Whether [] to leave a phase after ``steps`` of ``length`` steps.

        With probability ``success (1 - trust^steps)``, once ``after`` of the phase is over;
        ``success`` [] is the success critic's. ``keys`` are one for the phase and one for the step.
        """
        may = jax.random.uniform(keys[0]) < self.share
        probability = success * (1 - self.trust**steps)
        sure = jax.random.uniform(keys[1]) < probability
        return may & (steps >= self.after * length) & sure
