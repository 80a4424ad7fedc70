"""Behaviour cloning (Pomerleau 1989): imitate the demonstrations, without moving.

``minimise mean over expert rows( |tanh(mean_pi(s, g)) - a|^2 )``. What every other method should
beat; ``--cloning-updates`` begins any of them with it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from unreset.core.method import Method, Practice, Role
from unreset.core.ranges import Count
from unreset.core.types import Task
from unreset.goals import TaskGoals
from unreset.learners.cloning import Cloning
from unreset.methods.settings import Settings, offline_practice, published_learner


@dataclass(frozen=True)
class BC(Settings):
    """One role that imitates the demonstrations and never acts."""

    practice: Practice = field(default_factory=lambda: offline_practice(128, 4))
    """The loop; a step is a round of updates, and nothing moves."""
    learner: Cloning = field(default_factory=lambda: Cloning(octaves=0))
    """The learner; sines and cosines only help it to learn the few demonstrations by heart."""
    steps: Count = 6_000
    """Rounds of updates of each seed."""

    def method(self, task: Task) -> Method:
        forward = Role("forward", TaskGoals(), self.ends(task), demonstrations=(0,), imitate=(0,))
        return Method("bc", (forward,), self.learner, self.practice)


PRESETS = {
    "default": BC(),
    "paper": BC(
        practice=offline_practice(256, 1),
        learner=Cloning(**published_learner().acting()),
    ),
}
