"""The tabletop as a Gymnasium environment, for learners and drivers that are not in JAX."""

from __future__ import annotations

from functools import partial
from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded

from unreset.core.types import Array
from unreset.tasks import tabletop
from unreset.tasks.tabletop_render import render

Observation = dict[str, Any]  # of float32 arrays [6]

REWARDS = {"sparse": tabletop.sparse_reward, "dense": tabletop.dense_reward}
OPTIONS = ("state", "goal", "wide")
_FREE, _HELD = (-1.0, -1.0), (0.0, 0.0)
_HELD_SLACK = 1e-3  # a held mug's offset is kept up to rounding, which adds up along an episode

_reset = jax.jit(tabletop.reset, static_argnames="wide")


@jax.jit
def _step(observation: Array, action: Array) -> Array:
    """The next observation [6]: an observation says all there is to know about the table."""
    state = tabletop.step(tabletop.from_observation(observation), action)
    return tabletop.observe(state)


@partial(jax.jit, static_argnames="reward_type")
def _score(observation: Array, goal: Array, reward_type: str) -> tuple[Array, Array]:
    """Reward and success, over any leading axes [..., 6] of observation and goal."""
    scores = (REWARDS[reward_type], tabletop.success)
    reward, success = (jnp.vectorize(score, signature="(n),(n)->()") for score in scores)
    return reward(observation, goal), success(observation, goal)


def _vector(what: str, value: Any, size: int) -> np.ndarray:
    """``value`` as float32 [size], or a ValueError that says what is wrong with it."""
    try:
        vector = np.asarray(value, np.float32)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{what} must be {size} numbers, not {value!r}") from error
    if vector.shape != (size,):
        raise ValueError(f"{what} must have shape ({size},), not {vector.shape}")
    if not np.isfinite(vector).all():
        raise ValueError(f"{what} must be finite, but is {vector.tolist()}")
    return vector


def _positions(what: str, value: Any) -> np.ndarray:
    """Six numbers of which the first four lie in the arena."""
    vector = _vector(what, value, 6).copy()
    if (np.abs(vector[:4]) > np.float32(tabletop.ARENA)).any():
        raise ValueError(
            f"{what} puts gripper and mug at {vector[:4].tolist()}; "
            f"their x and y must lie in [-{tabletop.ARENA}, {tabletop.ARENA}]"
        )
    return vector


def _checked_goal(value: Any) -> np.ndarray:
    goal = _positions("goal", value)
    if tuple(goal[4:]) != _FREE:
        raise ValueError(
            f"goal ends in {goal[4:].tolist()}; it must be gripper x, y, mug x, y, -1, -1"
        )
    return goal


def _checked_state(value: Any) -> np.ndarray:
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


class TabletopEnv(gymnasium.Env[Observation, np.ndarray]):
    """A gripper carries a mug to one of four coasters; the task never ends by itself.

    Observations follow Gymnasium's convention for goals: ``observation`` [6] (gripper x, y,
    mug x, y in table units, and (0, 0) while the mug is held, else (-1, -1)), ``achieved_goal``
    [6] (the goal that these positions satisfy) and ``desired_goal`` [6]. Actions [3] in [-1, 1]
    move the gripper by up to 0.2 in x and y, and grip where the third number is positive; larger
    actions are clipped. ``info["is_success"]`` is the benchmark's own predicate: gripper and mug
    together within 0.2 of the goal, also after a wide start.

    ``terminated`` and ``truncated`` are always False: practice goes on until :meth:`reset` is
    called, and :meth:`set_goal` asks for something else meanwhile. For episodes of a fixed
    length pass ``max_episode_steps`` to :func:`gymnasium.make`.

    Args:
        reward_type: "sparse" (1 on success, else 0) or "dense" (see
            :func:`unreset.tasks.tabletop.dense_reward`).
        render_mode: None or "rgb_array".
        render_size: side of the picture in pixels.

    Raises:
        ValueError: if an argument is not one of these.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 20}  # noqa: RUF012

    def __init__(
        self,
        reward_type: str = "sparse",
        render_mode: str | None = None,
        render_size: int = 256,
    ) -> None:
        if reward_type not in REWARDS:
            raise ValueError(f"reward_type must be one of {list(REWARDS)}, not {reward_type!r}")
        if render_mode not in (None, "rgb_array"):
            raise ValueError(f"render_mode must be None or 'rgb_array', not {render_mode!r}")
        if not isinstance(render_size, int) or render_size < 1:
            raise ValueError(f"render_size must be a number of pixels, not {render_size!r}")
        self.reward_type = reward_type
        self.render_mode = render_mode
        self.render_size = render_size
        high = np.array([tabletop.ARENA] * 4 + [0.0] * 2, np.float32)
        low = np.array([-tabletop.ARENA] * 4 + [-1.0] * 2, np.float32)
        table = spaces.Box(low, high, dtype=np.float32)
        self.observation_space = spaces.Dict(
            {"observation": table, "achieved_goal": table, "desired_goal": table}
        )
        self.action_space = spaces.Box(-1.0, 1.0, (3,), np.float32)
        # One small step is a thousand times too little work for an accelerator.
        self._device = jax.local_devices(backend="cpu")[0]
        self._table: np.ndarray | None = None  # [6]
        self._goal = tabletop.GOALS[0].copy()  # [6]

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Put gripper and mug back and choose a goal.

        Args:
            seed: starts the environment's random numbers afresh; None lets them go on.
            options: ``state`` [6], laid out as the observation, places gripper and mug (default:
                gripper home, mug on the right) or ``wide`` = True places them anywhere apart;
                ``goal`` [6] sets the goal (default: one of the four coasters, at random).

        Raises:
            ValueError: if an option is unknown or does not fit; the environment is unchanged.
        """
        options = options or {}
        if unknown := sorted(set(options) - set(OPTIONS), key=str):
            raise ValueError(f"unknown reset options {unknown}; there are {list(OPTIONS)}")
        wide = options.get("wide", False)
        if not isinstance(wide, bool | np.bool_):
            raise ValueError(f"option wide must be True or False, not {wide!r}")
        if wide and "state" in options:
            raise ValueError("options state and wide=True exclude each other; give one of them")
        state = _checked_state(options["state"]) if "state" in options else None
        goal = _checked_goal(options["goal"]) if "goal" in options else None

        super().reset(seed=seed)
        self._table = self._start(bool(wide)) if state is None else state
        if goal is None:
            goal = tabletop.GOALS[self.np_random.integers(len(tabletop.GOALS))].copy()
        self._goal = goal
        return self._observe(), {"is_success": self._reward()[1]}

    def step(self, action: np.ndarray) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Grip or release, then move by 0.2 times the action [3].

        Raises:
            ValueError: if the action is not three finite numbers.
            gymnasium.error.ResetNeeded: before the first reset.
        """
        action = _vector("action", action, 3)
        with jax.default_device(self._device):
            self._table = np.array(_step(self._current(), action))
        reward, success = self._reward()
        return self._observe(), reward, False, False, {"is_success": success}

    def set_goal(self, goal: Any) -> Observation:
        """Ask for another goal [6] without touching the scene; returns the new observation.

        Raises:
            ValueError: if the goal is not gripper x, y, mug x, y in the arena, then -1, -1.
            gymnasium.error.ResetNeeded: before the first reset.
        """
        goal = _checked_goal(goal)
        self._current()
        self._goal = goal
        return self._observe()

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

    def render(self) -> np.ndarray | None:
        """The scene from above, uint8 [render_size, render_size, 3]; None without a render mode.

        Raises:
            gymnasium.error.ResetNeeded: before the first reset.
        """
        if self.render_mode is None:
            gymnasium.logger.warn('to render, make the environment with render_mode="rgb_array"')
            return None
        with jax.default_device(self._device):
            return np.array(render(self._current(), self._goal, self.render_size))

    def _start(self, wide: bool) -> np.ndarray:
        """An initial state [6] of the benchmark."""
        number = int(self.np_random.integers(2**31)) if wide else 0
        with jax.default_device(self._device):
            return np.array(tabletop.observe(_reset(jax.random.key(number), wide=wide)))

    def _current(self) -> np.ndarray:
        if self._table is None:
            raise ResetNeeded("call reset() before using the environment")
        return self._table

    def _reward(self) -> tuple[float, bool]:
        with jax.default_device(self._device):
            reward, success = _score(self._current(), self._goal, self.reward_type)
        return float(reward), bool(success)

    def _observe(self) -> Observation:
        table = self._current()
        return {
            "observation": table.copy(),
            "achieved_goal": np.array([*table[:4], *_FREE], np.float32),
            "desired_goal": self._goal.copy(),
        }
