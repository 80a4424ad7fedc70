"""MEDAL (Sharma, Ahmad & Finn 2022, arXiv 2205.05212): go back to where experts have been.

The forward role learns the task. The backward role learns to visit the states of the task's
demonstrations: its reward grows with D(s'), a discriminator between those states and its own
(the paper's: ``-log(1 - D(s'))``). It is given the goal that the forward role attempts next.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from unreset.core.method import Method, Role
from unreset.core.ranges import Share
from unreset.core.types import Task
from unreset.goals import TaskGoals
from unreset.methods.settings import Settings, published_learner, published_practice
from unreset.rewards import Discriminator


@dataclass(frozen=True)
class Medal(Settings):
    """A forward role, and a backward role rewarded for matching the expert's states."""

    matching: Discriminator = field(
        default_factory=lambda: Discriminator(
            hidden=(128, 128),
            learning_rate=1e-3,
            interval=1,
            batch_size=256,
            scale=0.02,
            form="log D - log(1-D)",
        )
    )
    """The discriminator."""
    backward_cloning: bool = True
    """Whether the backward policy clones the backward demonstrations (MEDAL: no)."""
    both_directions: bool = True
    """Whether the forward learner is also taught to undo the task (MEDAL: no)."""
    end_when_expert: Share = 0.7
    """End a backward phase once the discriminator says expert with more than this (MEDAL: 1)."""

    def method(self, task: Task) -> Method:
        forward = Role(
            "forward",
            TaskGoals(kept=True),
            self.ends(task),
            other_goals=("initial",) if self.both_directions else (),
            demonstrations=(0, 1) if self.both_directions else (0,),
            imitate=(0, 1) if self.both_directions else (0,),
        )
        backward = Role(
            "backward",
            TaskGoals(),
            self.ends(task, success=False, like=("discriminator", self.end_when_expert)),
            reward="discriminator",
            demonstrations=(0, 1),
            imitate=(1,) if self.backward_cloning else (),
        )
        rewards = {"discriminator": self.matching}
        return Method("medal", (forward, backward), self.learner, self.practice, rewards)


PRESETS = {
    "default": Medal(),
    "paper": Medal(
        practice=published_practice(),
        learner=published_learner(),
        matching=Discriminator(),
        end_when_expert=1.0,
        backward_cloning=False,
        both_directions=False,
        steps=10_000_000,
    ),
}
