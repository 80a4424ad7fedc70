"""Protocols of the rules that end phases, and of those that say what a phase is for.

They are parts, as in :mod:`unreset.core.protocols`: frozen dataclasses of hyper-parameters, which
compare equal where they say the same. What a rule learns or remembers is its state, which lies in
the run's table of states under the name that :class:`unreset.core.method.Method` gives it.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple, TypeVar

from unreset.core.protocols import Part, Scope
from unreset.core.types import Array, Transition
from unreset.core.view import Phase, View

Rule = TypeVar("Rule", bound=Hashable)


class Moment(NamedTuple):
    """A step just made, after which a phase may end."""

    view: View  # as it was when the step was made
    transition: Transition
    step: Array  # [], the number of the environment step
    key: Array  # the rule's own, if it draws

    @property
    def phase(self) -> Phase:
        """The phase that may end; its ``steps`` do not count this one yet."""
        return self.view.phase


class Verdict(NamedTuple):
    """What rules say of the phase after a step, each [] bool."""

    end: Array  # whether it ends with this step
    reset: Array  # whether a hard reset follows, which ends it, too
    success: Array  # whether it ends because success is sure: it neither failed nor succeeded


class SwitchRule(Part):
    """A rule that ends phases or asks for hard resets. It says it of the roles that have it.

    The rules of a role are asked in their order, and each one knows what those before it have said.
    """

    def roles(self, method: Any) -> list[int]:
        """The numbers of the roles that have it."""
        return [number for number in range(len(method.roles)) if self in method.rules_of(number)]

    @property
    def most_steps(self) -> int | None:
        """Steps after which it ends a phase at the latest; None where it may never."""
        return None

    @property
    def ends_on_success(self) -> bool:
        """Whether it ends a phase that reaches its goal."""
        return False

    @property
    def resets(self) -> bool:
        """Whether it may ask for hard resets."""
        return False

    def judge(self, scope: Scope, moment: Moment, verdict: Verdict) -> tuple[Any, Verdict]:
        """Its state after a step of a role that has it, and what it makes of the verdict so far."""
        raise NotImplementedError


class Turn(NamedTuple):
    """A phase that is about to begin."""

    drawn: Array  # [goal] of the task: drawn for it, or what the task asks for
    kept: Array  # [goal] of the task, drawn when the phase before began, if there was one
    key: Array  # the one with which ``drawn`` was drawn


class GoalRule(Part):
    """A rule that chooses the goal of each phase of the roles that have it."""

    @property
    def source(self) -> str:
        """Where its goals come from, in a word: "task", "initial", or another one."""
        return "task"

    @property
    def from_states(self) -> bool:
        """Whether it needs demonstrations, in any direction."""
        return False

    @property
    def follows(self) -> bool:
        """Whether its goal is the one that the task asks for: then it changes with that."""
        return False

    def roles(self, method: Any) -> list[Any]:
        """The roles that have it."""
        return [role for role in method.roles if role.goals == self]

    def choose(self, scope: Scope, turn: Turn) -> tuple[Array, Array]:
        """The goal [goal] of a phase; and the task's [goal] that it leads to, kept for the next."""
        raise NotImplementedError

    def draw(self, scope: Scope, number: int, key: Array) -> Array:
        """Goals [number, goal] to teach; not asked of those from "task" or "initial"."""
        raise NotImplementedError


class Order:
    """A rule that says which role acts next; without one the roles take turns."""

    memory: float
    """Share of a role's running success rate that one more phase leaves as it is."""

    def needs(self, method: Any) -> str | None:
        """The reason why a method cannot have it; None where it can."""

    def follow(self, method: Any, phase: Phase, key: Array) -> Array:
        """The role [] that acts after a phase."""
        raise NotImplementedError


def in_one_order(lists: Sequence[Sequence[Rule]]) -> list[Rule] | None:
    """Every rule of some lists once, in an order that agrees with each; None: there is none."""
    left, found = [list(rules) for rules in lists], []
    while heads := [rules[0] for rules in left if rules]:
        free = [rule for rule in heads if not any(rule in rules[1:] for rules in left)]
        if not free:
            return None
        found.append(free[0])
        left = [rules[1:] if rules[:1] == free[:1] else rules for rules in left]
    return found


def named(kind: str, rules: Sequence[Rule]) -> dict[str, Rule]:
    """Rules by name: what kind they are, and their classes' names, numbered where several share it.

    No name that somebody gives a part has a slash.
    """
    found: dict[str, Rule] = {}
    for rule in rules:
        word = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(rule).__name__).lower()
        name, number = f"{kind}/{word}", 1
        while name in found:
            number += 1
            name = f"{kind}/{word}_{number}"
        found[name] = rule
    return found
