"""The tabletop as a Gymnasium environment, for learners and drivers that are not in JAX."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from unreset.core.types import Array
from unreset.tasks.simulation.goal_env import SavableEnv, vector
from unreset.tasks.tabletop import tabletop
from unreset.tasks.tabletop.tabletop_render import CAMERAS, render

_FREE, _HELD = (-1.0, -1.0), (0.0, 0.0)
_HELD_SLACK = 1e-3  # a held mug's offset is kept up to rounding, which adds up along an episode

_reset = jax.jit(tabletop.reset, static_argnames="start")


@jax.jit
def _step(observation: Array, action: Array) -> Array:
    """The next observation [6]: an observation says all there is to know about the table."""
    state = tabletop.step(tabletop.from_observation(observation), action)
    return tabletop.observe(state)


@partial(jax.jit, static_argnames="reward_type")
def _score(observation: Array, goal: Array, reward_type: str) -> tuple[Array, Array]:
    """Reward and success, over any leading axes [..., 6] of observation and goal."""
    scores = (tabletop.REWARDS[reward_type], tabletop.success)
    reward, success = (jnp.vectorize(score, signature="(n),(n)->()") for score in scores)
    return reward(observation, goal), success(observation, goal)


def _positions(what: str, value: Any) -> np.ndarray:
    """Six numbers of which the first four lie in the arena."""
    array = vector(what, value, 6).copy()
    if (np.abs(array[:4]) > np.float32(tabletop.ARENA)).any():
        raise ValueError(
            f"{what} puts gripper and mug at {array[:4].tolist()}; "
            f"their x and y must lie in [-{tabletop.ARENA}, {tabletop.ARENA}]"
        )
    return array


class TabletopEnv(SavableEnv):
    """A gripper carries a mug to one of four coasters; the task never ends by itself.

    ``observation`` [6] is gripper x, y, mug x, y in table units, and (0, 0) while the mug is held,
    else (-1, -1); goals are laid out alike, with nothing held. Actions [3] move the gripper by up
    to 0.2 in x and y, and grip where the third number is positive. ``info["is_success"]`` is the
    benchmark's own predicate: gripper and mug together within 0.2 of the goal, also after a wide
    start. For episodes of a fixed length pass ``max_episode_steps`` to :func:`gymnasium.make`.
    See :class:`unreset.tasks.simulation.goal_env.GoalEnv` for arguments and methods.
    """

    observation_low = (*[-tabletop.ARENA] * 4, -1.0, -1.0)
    observation_high = (*[tabletop.ARENA] * 4, 0.0, 0.0)
    action_size = 3
    goals = tabletop.GOALS
    initial_goals = tabletop.INITIAL
    rewards = tabletop.REWARDS
    starts = tabletop.STARTS
    camera_names = tuple(CAMERAS)

    def __init__(self, **arguments: Any) -> None:
        # One small step is a thousand times too little work for an accelerator.
        self._device = jax.local_devices(backend="cpu")[0]
        super().__init__(**arguments)

    def compute_reward(
        self, achieved_goal: np.ndarray, desired_goal: np.ndarray, info: Any = None
    ) -> Any:
        """The reward of achieving one goal [..., 6] while another [..., 6] was desired.

        Returns a float for single goals and float32 [...] for arrays of them; ``info`` is unused.
        """
        with jax.default_device(self._device):
            reward, _ = _score(
                np.asarray(achieved_goal, np.float32),
                np.asarray(desired_goal, np.float32),
                self.reward_type,
            )
        return float(reward) if reward.ndim == 0 else np.array(reward)

    def score(self, goal: np.ndarray) -> tuple[float, bool]:
        """Reward and success of the present state for a goal [6]."""
        with jax.default_device(self._device):
            reward, success = _score(self._current(), goal, self.reward_type)
        return float(reward), bool(success)

    def _begin(self, start: str) -> None:
        if start == "goal":
            self._table = self._goal.copy()
            return
        number = int(self.np_random.integers(2**31)) if start == "wide" else 0
        with jax.default_device(self._device):
            self._table = np.array(tabletop.observe(_reset(jax.random.key(number), start)))

    def _put(self, state: np.ndarray) -> None:
        self._table = state

    def _simulate(self, action: np.ndarray) -> None:
        with jax.default_device(self._device):
            self._table = np.array(_step(self._table, action))

    def _look(self) -> np.ndarray:
        return self._table

    def _simulator(self) -> dict[str, np.ndarray]:
        return {}

    def _restore(self, state: Mapping[str, np.ndarray]) -> None:
        self._table = np.array(state["seen"])

    def _picture(self, camera: str, size: int, marked: bool = True) -> np.ndarray:
        with jax.default_device(self._device):
            seen = self._current()
            drawn = render(seen, self._goal, size) if marked else CAMERAS[camera](seen, size)
            return np.array(drawn)

    @staticmethod
    def achieved(observation: np.ndarray) -> np.ndarray:
        """The goal [6] that an observation satisfies: its positions, with nothing held."""
        return np.array([*observation[:4], *_FREE], np.float32)

    def _checked_goal(self, value: Any) -> np.ndarray:
        goal = _positions("goal", value)
        if tuple(goal[4:]) != _FREE:
            raise ValueError(
                f"goal ends in {goal[4:].tolist()}; it must be gripper x, y, mug x, y, -1, -1"
            )
        return goal

    def _checked_state(self, value: Any) -> np.ndarray:
        state = _positions("state", value)
        if tuple(state[4:]) not in (_FREE, _HELD):
            raise ValueError(
                f"state ends in {state[4:].tolist()}; it must be gripper x, y, mug x, y, "
                f"then -1, -1 (nothing held) or 0, 0 (mug held)"
            )
        apart = float(np.linalg.norm(state[:2] - state[2:4]))
        if tuple(state[4:]) == _HELD and apart >= tabletop.GRASP_RADIUS + _HELD_SLACK:
            raise ValueError(
                f"state says that the mug is held (0, 0), but it is {apart:.3f} from the gripper; "
                f"a held mug is within {tabletop.GRASP_RADIUS}, and -1, -1 means nothing held"
            )
        return state
