"""QWALE (Chen, Sharma, Levine & Finn 2022, arXiv 2210.08863): finish a task once, in one life.

There is prior data of another run or of demonstrations, something about the task is new, and
nothing is ever reset. The agent is rewarded for states that look like prior ones (GAIL-type
matching of Ho & Ermon 2016), above all like those that are further on than it is itself (see
:mod:`unreset.rewards.prior_weights`), and so finds back to what it knows and on from there.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from unreset.core.environment import ENVIRONMENT
from unreset.core.method import Method, Practice, Role
from unreset.core.ranges import Count
from unreset.core.types import Task
from unreset.goals import TaskGoals
from unreset.learners.sac import SAC
from unreset.methods.settings import Settings, life_learner, life_practice
from unreset.rewards import Discriminator, Reward, Sum


@dataclass(frozen=True)
class QWALE(Settings):
    """One life, drawn to the prior states that are further on."""

    practice: Practice = field(default_factory=life_practice)
    """The loop."""
    learner: SAC = field(default_factory=life_learner)
    """The learner; where there is a prior run, that run's."""
    matching: Discriminator = field(
        default_factory=lambda: Discriminator(
            interval=1,
            batch_size=512,
            arrivals=True,
            weighted=True,
            spectral_norm=True,
            form="log D - log(1-D)",
            scale=0.3,
        )
    )
    """The reward: which states are a prior's, and how much each of those counts. Far from all of
    them -log(1-D) (QWALE) is nearly flat; a logit whose slope is bounded is not (ours)."""
    task_reward: bool = True
    """Whether the task's own reward is added (QWALE; its code: where it is dense)."""
    only_dense: bool = False
    """Whether that is so only where it is more than 1 on success and else 0 (QWALE's code)."""
    steps: Count = 200_000
    """Environment steps of a life, at most."""

    def method(self, task: Task) -> Method:
        rewards: dict[str, Reward] = {"prior": self.matching}
        added = self.task_reward and not (self.only_dense and task.sparse)
        if added:
            rewards["prior_and_task"] = Sum(("prior", ENVIRONMENT))
        role = Role(
            "forward",
            TaskGoals(),
            self.ends(task),
            reward="prior_and_task" if added else "prior",
            demonstrations=(0, 1),
        )
        return Method("qwale", (role,), self.learner, self.practice, rewards)


_ours = QWALE()
PRESETS = {
    "default": _ours,
    "gail": replace(_ours, matching=replace(_ours.matching, weighted=False)),
    "gail_sa": replace(
        _ours,
        matching=replace(_ours.matching, weighted=False, arrivals=False, see_action=True),
    ),
    "paper": replace(
        _ours,
        practice=replace(_ours.practice, boundary="terminal", demonstration_share=None),
        matching=replace(_ours.matching, spectral_norm=False, form="-log(1-D)", scale=10.0),
        only_dense=True,
    ),
}
