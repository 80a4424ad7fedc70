"""Oracle: episodic reinforcement learning, with a hard reset after every phase.

What all reset-free methods are measured against: the same learner with a person (or a simulator)
who restores the initial state each time (EARL, Sharma, Xu et al. 2022, arXiv 2112.09605).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from unreset.core.method import Method, Practice, Role
from unreset.core.types import Task
from unreset.goals import TaskGoals
from unreset.learners.sac import SAC
from unreset.methods.settings import Settings, published_learner, published_practice
from unreset.switching import AtEnd


@dataclass(frozen=True)
class Oracle(Settings):
    """One forward role that is reset whenever its phase ends."""

    def method(self, task: Task) -> Method:
        forward = Role(
            "forward",
            TaskGoals(),
            self.ends(task),
            (AtEnd(),),
            demonstrations=(0,),
            imitate=(0,),
        )
        return Method("oracle", (forward,), self.learner, self.practice)


def _prior() -> Oracle:
    """What the data is made with that a single life begins with (``unreset prior``).

    A life leads to where nobody has been, so networks see plain numbers, without waves. Values
    count no entropy: with it the temperature climbed at first, and values were of that and not of
    the task for thousands of steps. After 24,000 steps on the point mass two of ten did not know
    their task yet (benchmarks/log.md).
    """
    return Oracle(
        steps=60_000,
        practice=Practice(
            updates_per_step=2, demonstration_share=0.25, hindsight=0.0, other_goals=0.0
        ),
        learner=SAC(octaves=0, target_entropy=-1.0, entropy_backup=False),
    )


PRESETS = {
    "default": Oracle(),
    "paper": Oracle(
        practice=replace(
            published_practice(),
            reset_every=0,
            seed_actions="uniform",
            replay_capacity=5_000_000,
        ),
        learner=published_learner(),
        steps=5_000_000,
    ),
    "prior": _prior(),
}
