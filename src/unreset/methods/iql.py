"""Implicit Q-learning (Kostrikov, Nair & Levine 2021, arXiv 2110.06169): from data, without moving.

Value, critics and policy are learned from the rows of demonstrations or of a data set, in which
actions may be good or bad; no action is ever judged that is not in it:

``V: minimise |tau - 1(u < 0)| u^2, u = min Q'(s, a) - V(s)``, ``Q: towards r + gamma V(s')``,
``policy: maximise exp(beta (min Q' - V)) log pi(a | s)``

A life can begin with what it learned (``unreset life --prior-learner iql``).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from unreset.core.method import Method, Practice, Role
from unreset.core.ranges import Count
from unreset.core.types import Task
from unreset.goals import TaskGoals
from unreset.learners.implicit import ImplicitQLearning
from unreset.methods.settings import Settings, offline_practice, published_learner


@dataclass(frozen=True)
class IQL(Settings):
    """One role whose policy and critics are learned from data; it never acts."""

    practice: Practice = field(default_factory=lambda: offline_practice(256, 4))
    """The loop; a step is a round of updates, and nothing moves."""
    learner: ImplicitQLearning = field(
        default_factory=lambda: ImplicitQLearning(advantage_scale=10.0, octaves=0)
    )
    """The learner; its networks see plain numbers, as those of a life do."""
    steps: Count = 5_000
    """Rounds of updates of each seed."""

    def method(self, task: Task) -> Method:
        role = Role("forward", TaskGoals(), self.ends(task), demonstrations=(0, 1), imitate=(0, 1))
        return Method("iql", (role,), self.learner, self.practice)


PRESETS = {
    "default": IQL(),
    "paper": IQL(
        practice=offline_practice(256, 1),
        learner=ImplicitQLearning(
            **replace(published_learner(), trunk=0, reward_scale=1.0).shared()
        ),
        steps=1_000_000,
    ),
}
