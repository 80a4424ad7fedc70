"""Phases of a fixed length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from unreset.core.protocols import Scope
from unreset.core.ranges import Count
from unreset.core.rules import Moment, SwitchRule, Verdict


@dataclass(frozen=True)
class After(SwitchRule):
    """The end of a phase after a number of steps."""

    steps: Count
    """Steps after which a phase ends."""

    @property
    def most_steps(self) -> int | None:
        """That number."""
        return self.steps

    def judge(self, scope: Scope, moment: Moment, verdict: Verdict) -> tuple[Any, Verdict]:
        """End the phase where its time is up."""
        return (), verdict._replace(end=verdict.end | (moment.phase.steps + 1 >= self.steps))
