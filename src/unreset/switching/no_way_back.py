"""Phases that end before there is no way back.

Leave No Trace (Eysenbach, Gu, Ibarz & Levine 2018, arXiv 1711.06782, Algorithm 1) aborts where
``Q_reset(s, a) < q_min``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from unreset.core.context import Context
from unreset.core.environment import ENVIRONMENT
from unreset.core.method import uncountable
from unreset.core.phases import act
from unreset.core.protocols import Scope
from unreset.core.ranges import Count
from unreset.core.rules import Moment, SwitchRule, Verdict
from unreset.core.types import Array


@dataclass(frozen=True)
class NoWayBack(SwitchRule):
    """The end of a phase before an action from which the next role sees no timely return."""

    within: Count
    """Steps in which the next role's critics must see a success (Leave No Trace, q_min)."""

    @property
    def asks_critics(self) -> bool:
        """Yes."""
        return True

    def needs(self, method: Any, name: str) -> str | None:
        """A role after it that returns to initial states, for the environment's reward."""
        for role in self.roles(method):
            after = method.roles[(role + 1) % len(method.roles)]
            leads_back = after.goals.source == "initial" and after.reward == ENVIRONMENT
            if method.order is not None or not leads_back:
                return (
                    f"role {method.roles[role].name!r} of {method.name} ends its phases where "
                    "there is no way back: the role after it must be one that the environment "
                    "rewards for reaching initial states, with no order"
                )
        return None

    def misfit(self, context: Context) -> str | None:
        """Steps are counted by values."""
        return uncountable(context)

    def judge(self, scope: Scope, moment: Moment, verdict: Verdict) -> tuple[Any, Verdict]:
        """End the phase where no critic of the next role values the next action enough."""
        learning = moment.step >= scope.method.practice.seed_steps
        least = scope.method.worth(self.within)
        lost = learning & (_return_value(scope.context, moment) < least)
        return (), verdict._replace(end=verdict.end | lost)


def _return_value(context: Context, moment: Moment) -> Array:
    """The most [] that a critic of the next role sees in the next action, for any initial state."""
    method, task, view = context.method, context.task, moment.view
    following = (view.phase.role + 1) % len(method.roles)
    seen, frames = moment.transition.next_observation, moment.transition.next_frames
    action = act(method, task, view, seen, moment.step + 1, frames)
    which = method.learner_of(following)
    critics = jax.tree.map(lambda x: x[which], view.critics)

    def value(goal: Array) -> Array:
        inputs = method.inputs(task, seen, goal, following, frames)
        return method.learner.value(critics, inputs, action).max()

    return jax.vmap(value)(jnp.asarray(task.initial_goals)).max()
