"""Hard resets on the schedule of the loop, which every method has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from unreset.core.protocols import Scope
from unreset.core.rules import Moment, SwitchRule, Verdict


@dataclass(frozen=True)
class Schedule(SwitchRule):
    """Hard resets every ``Practice.reset_every`` steps, and after the seed steps if that is so."""

    def judge(self, scope: Scope, moment: Moment, verdict: Verdict) -> tuple[Any, Verdict]:
        """Ask for a reset where one is due; the phase is none that its own rules have ended."""
        practice, reset = scope.method.practice, verdict.reset
        if practice.reset_every:
            reset |= moment.phase.since_reset + 1 >= practice.reset_every
        if practice.seed_reset:
            reset |= moment.step + 1 == practice.seed_steps
        return (), verdict._replace(reset=reset)
