"""The task's own reward: what roles are rewarded by where a method names nothing else."""

from __future__ import annotations

from dataclasses import dataclass

import jax

from unreset.core.context import Context
from unreset.core.protocols import Reward, Scope, Steps
from unreset.core.types import Array

ENVIRONMENT = "environment"  # its name in every method


@dataclass(frozen=True)
class Environment(Reward):
    """The task's reward for the goal, times the learner's ``reward_scale``."""

    @property
    def told(self) -> bool:
        return True

    def relabels(self, context: Context) -> bool:
        vision = context.method.vision
        return not vision.pixels or vision.goal_view != "none"

    def reward(self, scope: Scope, steps: Steps) -> tuple[Array, Array]:
        """Computed anew where the task can do that in JAX, else as it was recorded."""
        reward, task = steps.reward, scope.task
        if task.pure:
            reward = jax.vmap(task.reward)(steps.next_observation, steps.goal)
        return reward * scope.method.learner.reward_scale, steps.success
