"""Makes the task of a simulated environment: what its class says is not said again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import gymnasium
import numpy as np

from unreset.core.types import Task
from unreset.errors import UnresetError
from unreset.tasks.benchmarks import Protocol
from unreset.tasks.simulation.goal_env import GoalEnv, Reward


def chosen(task: str, rewards: Mapping[str, Reward], reward: str) -> Reward:
    """One of a task's rewards; raises UnresetError if there is no such reward."""
    if reward not in rewards:
        raise UnresetError(f"reward of {task} must be one of {list(rewards)}, not {reward!r}")
    return rewards[reward]


def ask(environment: Any, observation: np.ndarray, goal: np.ndarray) -> tuple[float, bool]:
    """A task's ``score`` where the reward needs the simulator: reward and success, of its state."""
    answer: tuple[float, bool] = environment.unwrapped.score(goal)
    return answer


def make(
    identifier: str, *, cameras: Sequence[str] = (), camera_size: int = 84, **arguments: Any
) -> Any:
    """An environment by its name in Gymnasium, with pictures in its observations where wanted."""
    return gymnasium.make(identifier, cameras=cameras, camera_size=camera_size, **arguments)


def simulated(
    name: str,
    identifier: str,
    kind: type[GoalEnv],
    protocol: Protocol,
    reward: str,
    arguments: Mapping[str, Any] | None = None,
    **fields: Any,
) -> Task:
    """The task of an environment.

    Args:
        name: the task's.
        identifier: the environment's, in Gymnasium.
        kind: its class, for sizes, goals, starts, rewards and predicate.
        protocol: lengths and periods.
        reward: one of the class's rewards.
        arguments: of the environment, besides the reward.
        fields: the other ones of :class:`Task`; they precede what the class says.

    Raises:
        UnresetError: if there is no such reward.
    """
    of_class: dict[str, Any] = {
        "observation_size": len(kind.observation_low),
        "action_size": kind.action_size,
        "goals": kind.goals,
        "initial_goals": kind.initial_goals,
        "achieved": kind.achieved,
        "reward": chosen(name, kind.rewards, reward),
        "success": kind.successes.get(reward, kind.success),
        "sparse": reward == "sparse" or reward in kind.successes,
        "starts": tuple(kind.starts),
        "cameras": tuple(kind.camera_names),
        **protocol.periods(),
    }
    environment = partial(
        make,
        identifier,
        reward_type=reward,
        disable_env_checker=True,
        **(arguments or {}),
    )
    return Task(name=name, environment=environment, **{**of_class, **fields})
