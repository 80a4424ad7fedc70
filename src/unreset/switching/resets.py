"""Hard resets that are asked for where a phase ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from unreset.core.protocols import Scope
from unreset.core.ranges import Count
from unreset.core.rules import Moment, SwitchRule, Verdict


@dataclass(frozen=True)
class AtEnd(SwitchRule):
    """A hard reset whenever a phase ends (oracle)."""

    @property
    def resets(self) -> bool:
        """Yes."""
        return True

    def judge(self, scope: Scope, moment: Moment, verdict: Verdict) -> tuple[Any, Verdict]:
        """Ask for a reset where the phase ends."""
        return (), verdict._replace(reset=verdict.reset | verdict.end)


@dataclass(frozen=True)
class AfterFailures(SwitchRule):
    """A hard reset once so many phases of a role in a row have failed (Leave No Trace)."""

    number: Count
    """Failed phases in a row."""

    @property
    def resets(self) -> bool:
        """Yes."""
        return True

    def judge(self, scope: Scope, moment: Moment, verdict: Verdict) -> tuple[Any, Verdict]:
        """Ask for a reset where the phase ends as one failure too many."""
        phase = moment.phase
        failed = verdict.end & ~moment.transition.success & ~verdict.success
        many = phase.failures[phase.role] + 1 >= self.number
        return (), verdict._replace(reset=verdict.reset | (failed & many))
