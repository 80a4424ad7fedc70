"""Phases that end where their goal is reached."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from unreset.core.protocols import Scope
from unreset.core.rules import Moment, SwitchRule, Verdict


@dataclass(frozen=True)
class OnSuccess(SwitchRule):
    """The end of a phase that reaches its goal."""

    @property
    def ends_on_success(self) -> bool:
        """Yes."""
        return True

    def judge(self, scope: Scope, moment: Moment, verdict: Verdict) -> tuple[Any, Verdict]:
        """End the phase where the goal is reached."""
        return (), verdict._replace(end=verdict.end | moment.transition.success)
