"""Naive reinforcement learning: one policy, no resets, nothing that undoes the task.

The baseline of EARL (Sharma, Xu et al. 2022, arXiv 2112.09605): standard RL in a
world that is not reset drifts to states from which it does not learn.
"""

from __future__ import annotations

from dataclasses import dataclass

from unreset.core.method import Method, Role
from unreset.core.types import Task
from unreset.goals import TaskGoals
from unreset.methods.settings import Settings, published_learner, published_practice


@dataclass(frozen=True)
class Naive(Settings):
    """One forward role that never undoes the task."""

    def method(self, task: Task) -> Method:
        forward = Role("forward", TaskGoals(), self.ends(task), demonstrations=(0,), imitate=(0,))
        return Method("naive", (forward,), self.learner, self.practice)


PRESETS = {
    "default": Naive(),
    "paper": Naive(practice=published_practice(), learner=published_learner()),
}
