"""MEDAL++ (Sharma, Ahmad & Finn 2023, arXiv 2303.01488): practise from pixels, rewards learned.

Nothing is told but demonstrations. The forward role is rewarded by a goal classifier (VICE, Fu et
al. 2018): ``f(D_f(s', g))``, whose positives are the last states of the demonstrations. The
backward role goes back to where experts have been (MEDAL): ``f(D_b(s', g))``, whose positives are
the states of the forward demonstrations.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from unreset.core.method import ENVIRONMENT, Method, Practice, Role
from unreset.core.sac import SAC
from unreset.core.signals import Signal
from unreset.core.signals.matching import Matching
from unreset.core.types import Task
from unreset.core.vision import Vision
from unreset.methods.settings import Settings


@dataclass(frozen=True)
class MedalPP(Settings):
    """MEDAL from pixels: both roles' rewards are learned from demonstrations."""

    practice: Practice = field(default_factory=Practice)
    """The loop."""
    learner: SAC = field(default_factory=lambda: SAC(vision=Vision(pixels=True)))
    """The learner."""
    classifier: Matching = field(default_factory=lambda: Matching(last_states=10))
    """The forward role's reward: the goal classifier."""
    matching: Matching = field(default_factory=Matching)
    """The backward role's reward: the discriminator of experts' states."""
    forward_reward: Literal["classifier", "environment"] = "classifier"
    """The forward role's reward: learned, or the task's own (an ablation)."""
    forward_cloning: bool = True
    """Whether the forward policy clones the forward demonstrations (MEDAL++: yes)."""
    backward_cloning: bool = False
    """Whether the backward policy clones the backward demonstrations (MEDAL++: on the robot)."""
    steps: int = 150_000
    """Environment steps of each seed."""

    def method(self, task: Task) -> Method:
        length, learned = self.practice.length(task), self.forward_reward == "classifier"
        forward = Role(
            "forward",
            keep_goal=True,
            reward="classifier" if learned else ENVIRONMENT,
            length=length,
            end_on_success=False,
            demonstrations=(0,),
            imitate=(0,) if self.forward_cloning else (),
        )
        backward = Role(
            "backward",
            reward="discriminator",
            length=length,
            end_on_success=False,
            demonstrations=(0, 1),
            imitate=(1,) if self.backward_cloning else (),
        )
        signals: dict[str, Signal] = {"discriminator": self.matching}
        if learned:
            signals["classifier"] = self.classifier
        return Method("medalpp", (forward, backward), self.learner, self.practice, signals)


def _laptop() -> MedalPP:
    """For two CPU cores."""
    judge = Matching(
        hidden=(128,),
        learning_rate=1e-3,
        interval=4,
        batch_size=128,
        scale=0.02,
        form="log D - log(1-D)",
        spectral_norm=False,
    )
    return MedalPP(
        practice=Practice(
            updates_per_step=1,
            batch_size=128,
            boundary="bootstrap",
            hindsight=0.0,
            demonstration_share=0.25,
            other_goals=0.25,
            reset_every=None,
        ),
        learner=SAC(
            vision=Vision(pixels=True),
            trunk=50,
            learning_rate=1e-3,
            average_tau=0.005,
            cloning_steps=20_000,
        ),
        classifier=replace(judge, last_states=10),
        matching=judge,
        backward_cloning=True,
    )


PRESETS = {"default": _laptop(), "laptop": _laptop()}
