"""Forward-backward reinforcement learning (Han, Levine & Abbeel 2015; as in EARL and MEDAL).

The forward role reaches the task's goals, the backward role returns to the initial states; both
learn from the environment's reward for the goal they are given, and both stop when they reach it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from unreset.core.method import Method, Role
from unreset.core.ranges import Count, Whole
from unreset.core.types import Task
from unreset.goals import InitialStates, TaskGoals
from unreset.methods.settings import Settings, published_learner, published_practice
from unreset.switching import AfterFailures


@dataclass(frozen=True)
class FBRL(Settings):
    """A forward and a backward role, both rewarded for reaching their goal."""

    attempts: Whole = 0
    """Failed phases of one role in a row after which a hard reset is asked for; 0: never (ours)."""
    steps: Count = 20_000
    """Environment steps of each seed."""

    def method(self, task: Task) -> Method:
        forward = Role(
            "forward",
            TaskGoals(),
            self.ends(task),
            (AfterFailures(self.attempts),) if self.attempts else (),
            demonstrations=(0,),
            imitate=(0,),
        )
        backward = replace(
            forward, name="backward", goals=InitialStates(), demonstrations=(1,), imitate=(1,)
        )
        return Method("fbrl", (forward, backward), self.learner, self.practice)


PRESETS = {
    "default": FBRL(),
    "paper": FBRL(
        practice=replace(published_practice(), replay_capacity=5_000_000),
        learner=published_learner(),
        steps=5_000_000,
    ),
}
