"""MBPO (Janner, Fu, Zhang & Levine 2019, arXiv 1906.08253): episodes, and what a model imagines.

The reference for model-based practice: one role that is reset after every phase.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from unreset.core.method import Method, Practice
from unreset.core.types import Task
from unreset.data.imagined import Imagination
from unreset.learners.sac import SAC
from unreset.methods.oracle import Oracle
from unreset.methods.settings import Settings
from unreset.models.dynamics import Dynamics


@dataclass(frozen=True)
class Mbpo(Settings):
    """Episodic learning, with a hard reset after every phase, from short imagined rollouts."""

    imagination: Imagination = field(default_factory=lambda: Imagination(share=0.5))
    """How much it learns from what a model imagines, and of what."""

    def method(self, task: Task) -> Method:
        base = Oracle(practice=self.practice, learner=self.learner)
        return replace(base.method(task), name="mbpo")


def _paper() -> Mbpo:
    """The published settings, those of Hopper where they differ by task."""
    return Mbpo(
        practice=Practice(
            updates_per_step=20,
            batch_size=256,
            demonstration_share=0.0,
            hindsight=0.0,
            other_goals=0.0,
            phase_share=1.0,
            seed_steps=5_000,
            seed_actions="uniform",
        ),
        learner=SAC(
            hidden=(256, 256),
            relative=False,
            octaves=0,
            layer_norm=False,
            initial_temperature=1.0,
            target_entropy=-1 / 3,
            cloning_start=0.0,
            cloning_end=0.0,
            self_cloning=0.0,
            average_tau=1.0,
            reward_scale=1.0,
        ),
        imagination=Imagination(
            share=0.95,
            last_length=15,
            growing_from=20_000,
            growing_to=150_000,
            demonstrations=0.0,
        ),
        model=Dynamics(
            members=7,
            elites=5,
            hidden=(200, 200, 200, 200),
            relative=False,
            octaves=0,
            beta=0.0,
            batch_size=256,
            held_out=0.2,
        ),
    )


PRESETS = {"default": Mbpo(), "paper": _paper()}
