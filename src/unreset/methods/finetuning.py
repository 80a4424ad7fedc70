"""One life on the task's own reward: soft actor-critic that goes on from a prior run, or afresh.

What single-life methods are measured against (Chen, Sharma, Levine & Finn 2022, arXiv 2210.08863):
fine-tuning, learning from scratch, and exploring with a bonus for novelty (random network
distillation, Burda et al. 2018, arXiv 1810.12894).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from unreset.core.environment import ENVIRONMENT
from unreset.core.method import Method, Practice, Role
from unreset.core.ranges import Count
from unreset.core.types import Task
from unreset.goals import TaskGoals
from unreset.learners.sac import SAC
from unreset.methods.settings import Settings, life_learner, life_practice
from unreset.rewards import RND, Reward, Sum


@dataclass(frozen=True)
class FineTuning(Settings):
    """One life on the task's own reward, perhaps with a bonus for novelty."""

    practice: Practice = field(default_factory=life_practice)
    """The loop."""
    learner: SAC = field(default_factory=life_learner)
    """The learner; where there is a prior run, that run's."""
    explore: bool = False
    """Whether novelty is rewarded, too."""
    novelty: RND = field(default_factory=lambda: RND(scale=1.0))
    """That bonus."""
    steps: Count = 200_000
    """Environment steps of a life, at most."""

    def method(self, task: Task) -> Method:
        role = Role(
            "forward",
            TaskGoals(),
            self.ends(task),
            reward="novelty_and_task" if self.explore else ENVIRONMENT,
            demonstrations=(0, 1),
        )
        rewards: dict[str, Reward] = {}
        if self.explore:
            both = Sum(("novelty", ENVIRONMENT))
            rewards = {"novelty": self.novelty, "novelty_and_task": both}
        return Method("finetuning", (role,), self.learner, self.practice, rewards)


PRESETS = {"default": FineTuning(), "novelty": FineTuning(explore=True)}
