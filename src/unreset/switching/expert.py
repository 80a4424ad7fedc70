"""Phases that end where a discriminator takes the state for an expert's, or for a success."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax

from unreset.core.protocols import Discriminates, Fresh, Scope
from unreset.core.ranges import Share
from unreset.core.rules import Moment, SwitchRule, Verdict


@dataclass(frozen=True)
class LikeExpert(SwitchRule):
    """The end of a phase in a state that looks like what a discriminator looks for."""

    reward: str
    """The discriminator, by its name among the method's rewards."""
    above: Share
    """Probability, in (0, 1), above which the phase ends."""

    def needs(self, method: Any, name: str) -> str | None:
        """A discriminator of that name."""
        if isinstance(method.rewards.get(self.reward), Discriminates):
            return None
        role = method.roles[self.roles(method)[0]]
        return (
            f"phases of role {role.name!r} of {method.name} end where "
            f"{self.reward!r} takes a state for an expert's, which needs a discriminator of that "
            "name among its rewards"
        )

    def judge(self, scope: Scope, moment: Moment, verdict: Verdict) -> tuple[Any, Verdict]:
        """End the phase where the discriminator is sure enough."""
        judge, place = scope.of(self.reward)
        assert isinstance(judge, Discriminates)
        logit = judge.score(place, Fresh(moment.phase.role, moment.phase.goal, moment.transition))
        return (), verdict._replace(end=verdict.end | (jax.nn.sigmoid(logit) > self.above))
