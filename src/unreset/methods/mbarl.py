"""MBARL (Charles, Sharma, Dong & Finn, poster): one model of the world for doing and for undoing.

Forward and backward roles have different rewards, but live in one world: one model learns from
everybody's rows, and both learn from what it imagines. The backward reward of MEDAL is computed
from the present discriminator on imagined states as on real ones. Any method can imagine
(``--imagination.share 0.5``); here it is on from the beginning. With ``--explore`` a third role
explores for the model's sake, and stays near the demonstrations (the poster's proposal).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from unreset.core.method import Method, Practice, Role
from unreset.core.types import Task
from unreset.data.imagined import Imagination
from unreset.goals import TaskGoals
from unreset.methods import fbrl, mbpo, medal
from unreset.methods.medal import Medal
from unreset.methods.settings import Settings, published_learner, published_practice
from unreset.models.planning import Planning
from unreset.rewards import RND, Constrained, Constraint, Discriminator
from unreset.switching import After

_BASES: Mapping[str, Mapping[str, Settings]] = {"medal": medal.PRESETS, "fbrl": fbrl.PRESETS}


@dataclass(frozen=True)
class Mbarl(Settings):
    """MEDAL, or forward-backward practice, that also learns from what one shared model imagines."""

    imagination: Imagination = field(default_factory=lambda: Imagination(share=0.5))
    """How much it learns from what a model imagines, and of what."""
    base: Literal["medal", "fbrl"] = "medal"
    """Whose roles it has; to change what only that method has, say --imagination.share 0.5 with the
    method itself."""
    published: bool = False
    """Whether what only that method has is as published."""

    explore: bool = False
    """Whether a third role explores: it seeks novel states that are like demonstrated ones. Its
    reward is a third one in each batch: --batch-size must be a multiple of six."""
    exploring: Constraint = field(default_factory=Constraint)
    """How far from those it may go."""
    nearness: Discriminator = field(default_factory=lambda: Medal().matching)
    """The discriminator that says how far it is off."""
    novelty: RND = field(default_factory=RND)
    """What is new to it."""

    def method(self, task: Task) -> Method:
        settings = _BASES[self.base]["paper" if self.published else "default"]
        base = replace(settings, practice=self.practice, learner=self.learner).method(task)
        if not self.explore:
            return replace(base, name="mbarl")
        explore = Role(
            "explore",
            TaskGoals(kept=True),
            (After(self.practice.length(task)),),
            reward="explore",
            demonstrations=(0, 1),
        )
        rewards = {
            **base.rewards,
            "nearness": self.nearness,
            "novelty": self.novelty,
            "explore": Constrained("novelty", "nearness", self.exploring),
        }
        return replace(
            base,
            name="mbarl",
            roles=(*base.roles, explore),
            rewards=rewards,
        )


def _paper() -> Mbarl:
    """Algorithm 1 of the poster: roles, discriminator and networks of MEDAL, the model of MBPO.

    The poster names rollouts' lengths (20 to 50, the shortest is taken) and where they begin. The
    model, its share of a batch and the updates for each step are those of MBPO's preset.
    """
    parent = mbpo.PRESETS["paper"]
    return Mbarl(
        published=True,
        practice=replace(published_practice(), updates_per_step=parent.practice.updates_per_step),
        learner=published_learner(),
        imagination=Imagination(
            share=parent.imagination.share, length=20, last_length=20, demonstrations=None
        ),
        model=parent.model,
    )


PRESETS = {
    "default": Mbarl(),
    "paper": _paper(),
    "explore": Mbarl(explore=True, practice=Practice(batch_size=192)),
    "mpc": Mbarl(planning=Planning(horizon=5, samples=128, iterations=3, elites=16)),
}
