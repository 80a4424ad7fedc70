"""Goals that the task asks for."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp

from unreset.core.context import Context
from unreset.core.protocols import Scope
from unreset.core.ranges import Whole
from unreset.core.rules import GoalRule, Turn
from unreset.core.types import Array


@dataclass(frozen=True)
class TaskGoals(GoalRule):
    """The task's goals: the one that is drawn or asked for, or always the same one."""

    number: Whole | None = None
    """The only one of them that is pursued, counted from 0; None for any of them."""
    kept: bool = False
    """Whether a phase pursues the one that was drawn when the phase before began, so that that one
    could prepare for it (MEDAL, VaPRL)."""

    @property
    def follows(self) -> bool:
        """Unless it is always the same one."""
        return self.number is None

    def misfit(self, context: Context) -> str | None:
        """A goal of that number."""
        return unknown(context, self, self.number, len(context.task.goals))

    def choose(self, scope: Scope, turn: Turn) -> tuple[Array, Array]:
        """The goal, which is the task's."""
        if self.number is not None:
            return jnp.asarray(scope.task.goals[self.number]), turn.drawn
        return (turn.kept, turn.kept) if self.kept else (turn.drawn, turn.drawn)


def unknown(context: Context, rule: GoalRule, number: int | None, known: int) -> str | None:
    """Why there is no goal of a number among the known ones."""
    if number is None or 0 <= number < known:
        return None
    return (
        f"role {rule.roles(context.method)[0].name!r} of {context.method.name} pursues goal "
        f"{number}, and task {context.task.name!r} has {known}, counted from 0"
    )
