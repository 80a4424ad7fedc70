"""R3L (Zhu et al. 2020, arXiv 2004.12570): perturb the world instead of restoring it.

The forward role learns the task from its reward, or from a goal classifier (VICE, Fu et al. 2018,
arXiv 1805.11686); the perturbation role is rewarded for novel states (random network distillation,
``|f(s') - f*(s')|^2``) and so leaves the next attempt somewhere else each time.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from unreset.core.environment import ENVIRONMENT
from unreset.core.method import Method, Practice, Role
from unreset.core.types import Task
from unreset.goals import TaskGoals
from unreset.methods.settings import Settings, published_learner, published_practice
from unreset.rewards import RND, Discriminator, Reward


@dataclass(frozen=True)
class R3L(Settings):
    """A forward role, and a perturbation role rewarded for novelty."""

    practice: Practice = field(default_factory=lambda: Practice(share_learner=False))
    """The loop; novelty wanders, so each role has a learner of its own."""
    novelty: RND = field(default_factory=RND)
    """The perturbation role's reward."""
    forward_reward: Literal["environment", "classifier"] = "environment"
    """The forward role's reward: the task's, or a goal classifier's (R3L: the classifier's)."""
    classifier: Discriminator = field(
        default_factory=lambda: Discriminator(last_states=10, form="log D", scale=1.0)
    )
    """The goal classifier, where it is asked for: demonstrations' last states are its positives."""

    both_directions: bool = True
    """Whether the forward learner is also taught to undo the task (R3L: no)."""

    def method(self, task: Task) -> Method:
        classified = self.forward_reward == "classifier"
        both = self.both_directions and not classified  # a classifier knows the task's goals alone
        forward = Role(
            "forward",
            TaskGoals(),
            self.ends(task, success=not classified),
            reward="classifier" if classified else ENVIRONMENT,
            other_goals=("initial",) if both else (),
            demonstrations=(0, 1) if both else (0,),
            imitate=(0, 1) if both else (0,),
        )
        perturb = Role("perturb", TaskGoals(), self.ends(task, success=False), reward="novelty")
        rewards: dict[str, Reward] = {"novelty": self.novelty}
        if classified:
            rewards["classifier"] = self.classifier
        return Method("r3l", (forward, perturb), self.learner, self.practice, rewards)


PRESETS = {
    "default": R3L(),
    "paper": R3L(
        practice=replace(published_practice(), boundary="bootstrap"),
        learner=published_learner(),
        novelty=RND(scale=1.0),
        forward_reward="classifier",
        both_directions=False,
    ),
}
