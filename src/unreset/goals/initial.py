"""Initial states as goals."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp

from unreset.core.context import Context
from unreset.core.method import draw_goal
from unreset.core.protocols import Scope
from unreset.core.ranges import Whole
from unreset.core.rules import GoalRule, Turn
from unreset.core.types import Array
from unreset.goals.task import unknown


@dataclass(frozen=True)
class InitialStates(GoalRule):
    """The task's initial states: any of them, or always the same one."""

    number: Whole | None = None
    """The only one of them that is pursued, counted from 0; None for any of them."""

    @property
    def source(self) -> str:
        """Initial states."""
        return "initial"

    def misfit(self, context: Context) -> str | None:
        """Initial states, and one of that number."""
        method, task, known = context.method, context.task, len(context.task.initial_goals)
        if not known:
            return (
                f"role {self.roles(method)[0].name!r} of {method.name} returns to initial states, "
                f"and task {task.name!r} has none: give initial_goals (or initial_success), or use "
                "medal or naive"
            )
        return unknown(context, self, self.number, known)

    def choose(self, scope: Scope, turn: Turn) -> tuple[Array, Array]:
        """The initial state, on the way to a goal of the task that is drawn."""
        if self.number is not None:
            return jnp.asarray(scope.task.initial_goals[self.number]), turn.drawn
        return draw_goal(scope.task, jnp.int32(1), turn.key), turn.drawn
