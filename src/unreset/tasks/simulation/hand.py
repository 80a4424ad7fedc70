"""A scripted hand in an environment, and the record of what it has seen and done there."""

from __future__ import annotations

import numpy as np

from unreset.core.types import Trajectory
from unreset.tasks.simulation.goal_env import GoalEnv


class Hand:
    """Goes on from where the scene is to a goal [goal], as fast as a draw from ``speeds``."""

    def __init__(
        self,
        env: GoalEnv,
        generator: np.random.Generator,
        goal: np.ndarray,
        speeds: tuple[float, float],
    ) -> None:
        self.env, self.generator, self.goal = env, generator, np.array(goal)
        self.speed = generator.uniform(*speeds)
        self.observations = [env.set_goal(goal)["observation"]]
        self.actions: list[np.ndarray] = []
        self.rewards: list[float] = []
        self.success = env.score(goal)[1]

    @property
    def seen(self) -> np.ndarray:
        """The last observation [observation]."""
        return self.observations[-1]

    def act(self, action: np.ndarray) -> None:
        """One step, recorded."""
        seen, reward, _, _, info = self.env.step(action)
        self.actions.append(action)
        self.rewards.append(reward)
        self.observations.append(seen["observation"])
        self.success = bool(info["is_success"])

    def trajectory(self, direction: int) -> Trajectory | None:
        """The record, or None where it does not end with a success, or began with one."""
        if not (self.success and self.actions):
            return None
        # Without rewards, a trajectory's last step is worth 1 and the others nothing.
        rewards = None if self.env.reward_type == "sparse" else np.array(self.rewards, np.float32)
        seen, done = np.stack(self.observations), np.stack(self.actions)
        return Trajectory(seen, done, self.goal, direction, rewards)
