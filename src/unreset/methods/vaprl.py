"""VaPRL (Sharma, Gupta et al. 2021, arXiv 2107.12931): a value-accelerated curriculum of starts.

One goal-conditioned policy does both: it goes to a start C(g) and then to a goal g of the task.
``C(g) = argmin_s d(s) subject to V(s, g) >= epsilon`` over demonstrated and visited states s, where
d(s) is the distance to the initial states: practice begins near the goal and moves back.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from unreset.core.method import Method, Role
from unreset.core.types import Task
from unreset.goals import Curriculum, TaskGoals
from unreset.methods.settings import Settings, published_learner, published_practice


@dataclass(frozen=True)
class VaPRL(Settings):
    """A forward role, and a backward role that goes to the start chosen by a curriculum."""

    curriculum: Curriculum = field(default_factory=Curriculum)
    """The choice of starts."""

    def method(self, task: Task) -> Method:
        forward = Role(
            "forward",
            TaskGoals(kept=True),
            self.ends(task),
            demonstrations=(0, 1),
            imitate=(0, 1),
        )
        backward = Role(
            "backward",
            self.curriculum,
            self.ends(task),
            other_goals=("initial",),
            demonstrations=(0, 1),
            imitate=(0, 1),
        )
        return Method("vaprl", (forward, backward), self.learner, self.practice)


PRESETS = {
    "default": VaPRL(),
    "paper": VaPRL(
        practice=replace(
            published_practice(),
            share_learner=True,
            goals_per_row=4,
            boundary="terminal_on_success",
        ),
        learner=published_learner(),
    ),
}
