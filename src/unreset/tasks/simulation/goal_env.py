"""What the Gymnasium environments of all tasks have in common; a task adds its simulator."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded

Observation = dict[str, Any]  # of float32 vectors, and uint8 pictures [size, size, 3] of cameras
Reward = Callable[[Any, Any], Any]

OPTIONS = ("state", "goal", "start")
_WORD = (1 << 64) - 1


def vector(what: str, value: Any, size: int) -> np.ndarray:
    """``value`` as float32 [size], or a ValueError that says what is wrong with it."""
    try:
        array = np.asarray(value, np.float32)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{what} must be {size} numbers, not {value!r}") from error
    if array.shape != (size,):
        raise ValueError(f"{what} must have shape ({size},), not {array.shape}")
    # A sum of squares is finite if all numbers are, unless they are huge; and it is faster.
    if not isfinite(array.dot(array)) and not np.isfinite(array).all():
        raise ValueError(f"{what} must be finite, but is {array.tolist()}")
    return array


class GoalEnv(gymnasium.Env[Observation, np.ndarray]):
    """A task that is practised without end: it never terminates, truncates or resets by itself.

    Observations follow Gymnasium's convention for goals: ``observation`` [observation],
    ``achieved_goal`` [goal] and ``desired_goal`` [goal], and one picture for each of ``cameras``.
    Actions lie in [-1, 1]; larger ones are clipped. ``info["is_success"]`` is the benchmark's own
    predicate. Randomness comes from ``reset(seed=...)`` alone.

    A task implements ``success``, ``_begin``, ``_put``, ``_simulate`` and ``_look`` (``achieved``,
    if goals are no observations; ``_picture``, if it can be drawn), and fills the class attributes.
    One whose simulator can be saved derives from :class:`SavableEnv`.

    Args:
        reward_type: one of the task's rewards.
        start: where a reset without options begins: "initial", "goal" (already at the goal) or
            "wide" (anywhere), where the task has them.
        render_mode: None or "rgb_array".
        render_size: side of the picture of :meth:`render` in pixels.
        cameras: names of cameras whose pictures are part of the observation; nothing marks the
            goal in them.
        camera_size: side of those pictures in pixels.

    Raises:
        ValueError: if an argument is not one of these.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 20}  # noqa: RUF012

    # Filled by the task.
    observation_low: Any
    observation_high: Any
    action_size: int
    goals: np.ndarray  # [goals, goal]
    initial_goals: np.ndarray  # [initials, goal]
    rewards: Mapping[str, Reward]  # (observation, goal) -> reward
    successes: Mapping[str, Callable[[Any, Any], Any]] = {}  # of rewards that ask for another one
    starts: Sequence[str] = ("initial", "goal", "wide")  # the benchmark's, at a goal, anywhere
    camera_names: Sequence[str] = ()  # the first one is render()'s

    def __init__(
        self,
        reward_type: str = "sparse",
        start: str = "initial",
        render_mode: str | None = None,
        render_size: int = 256,
        cameras: Sequence[str] = (),
        camera_size: int = 84,
    ) -> None:
        if reward_type not in self.rewards:
            raise ValueError(
                f"reward_type must be one of {list(self.rewards)}, not {reward_type!r}"
            )
        if render_mode not in (None, "rgb_array"):
            raise ValueError(f"render_mode must be None or 'rgb_array', not {render_mode!r}")
        for name, size in (("render_size", render_size), ("camera_size", camera_size)):
            if not isinstance(size, int) or size < 1:
                raise ValueError(f"{name} must be a number of pixels, not {size!r}")
        if unknown := sorted(set(cameras) - set(self.camera_names)):
            raise ValueError(f"unknown cameras {unknown}; there are {list(self.camera_names)}")
        self._check_start(start)
        self.reward_type, self.start = reward_type, start
        self._success = self.successes.get(reward_type, self.success)
        self.render_mode, self.render_size = render_mode, render_size
        self.cameras, self.camera_size = tuple(cameras), camera_size
        low = np.asarray(self.observation_low, np.float32)
        high = np.asarray(self.observation_high, np.float32)
        goal = spaces.Box(-np.inf, np.inf, self.goals.shape[1:], np.float32)
        picture = spaces.Box(0, 255, (camera_size, camera_size, 3), np.uint8)
        self.observation_space = spaces.Dict(
            {
                "observation": spaces.Box(low, high, dtype=np.float32),
                "achieved_goal": goal,
                "desired_goal": goal,
                **dict.fromkeys(self.cameras, picture),
            }
        )
        self._farthest = np.ones(self.action_size, np.float32)
        self.action_space = spaces.Box(-self._farthest, self._farthest, dtype=np.float32)
        self._seen: np.ndarray | None = None  # [observation], what was last observed
        self._goal = np.array(self.goals[0], np.float32)

    # What a task implements.

    @staticmethod
    def success(observation: Any, goal: Any) -> Any:
        """The benchmark's predicate of success."""
        raise NotImplementedError

    @staticmethod
    def achieved(observation: Any) -> Any:
        """The goal [goal] that an observation satisfies; by default the observation itself."""
        return observation

    def _begin(self, start: str) -> None:
        """Put the simulator at a random start of this kind, with ``self.np_random``."""
        raise NotImplementedError

    def _put(self, state: np.ndarray) -> None:
        """Put the simulator where an observation was taken, or at the nearest such state."""
        raise NotImplementedError

    def _simulate(self, action: np.ndarray) -> None:
        """One step; the action [action] lies in [-1, 1]."""
        raise NotImplementedError

    def _look(self) -> np.ndarray:
        """The simulator's state as an observation, float32 [observation]; called once a step."""
        raise NotImplementedError

    def _picture(self, camera: str, size: int, marked: bool = True) -> np.ndarray:
        """A camera's picture, uint8 [size, size, 3], with or without what marks the goal."""
        raise NotImplementedError

    def _draw_goal(self, start: str) -> np.ndarray:
        """The goal of a reset; by default one of the task's. (It precedes ``_begin``.)"""
        return np.array(self.goals[self.np_random.integers(len(self.goals))], np.float32)

    def _checked_goal(self, value: Any) -> np.ndarray:
        return vector("goal", value, self.goals.shape[1])

    def _checked_state(self, value: Any) -> np.ndarray:
        return vector("state", value, len(self.observation_low))

    # What users call.

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Put the scene back and choose a goal.

        Args:
            seed: starts the environment's random numbers afresh; None lets them go on.
            options: ``start``, one of the task's kinds of start, or ``state`` [observation], an
                observation to start from (the nearest state where it does not fix everything);
                ``goal`` [goal] sets the goal.

        Raises:
            ValueError: if an option is unknown or does not fit; the environment is unchanged.
        """
        options = options or {}
        if unknown := sorted(set(options) - set(OPTIONS), key=str):
            raise ValueError(f"unknown reset options {unknown}; there are {list(OPTIONS)}")
        if {"start", "state"} <= set(options):
            raise ValueError("options start and state exclude each other; give one of them")
        start = self._check_start(options.get("start", self.start))
        state = self._checked_state(options["state"]) if "state" in options else None
        goal = self._checked_goal(options["goal"]) if "goal" in options else None
        super().reset(seed=seed)
        self._goal = self._draw_goal(start) if goal is None else goal
        if state is None:
            self._begin(start)
        else:
            self._put(state)
        self._seen = self._look()
        return self._observe(), {"is_success": self.score(self._goal)[1]}

    def step(self, action: np.ndarray) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Act; ``terminated`` and ``truncated`` are always False.

        Raises:
            ValueError: if the action is not finite numbers of the right count.
            gymnasium.error.ResetNeeded: before the first reset.
        """
        action = vector("action", action, self.action_size)
        self._current()
        self._simulate(np.minimum(np.maximum(action, -self._farthest), self._farthest))
        self._seen = self._look()
        reward, success = self.score(self._goal)
        return self._observe(), reward, False, False, {"is_success": success}

    def set_goal(self, goal: Any) -> Observation:
        """Ask for another goal [goal] without touching the scene; returns the new observation."""
        goal = self._checked_goal(goal)
        self._current()
        self._goal = goal
        return self._observe()

    def score(self, goal: np.ndarray) -> tuple[float, bool]:
        """Reward and success of the present state for a goal [goal]."""
        seen = self._current()
        reward = self.rewards[self.reward_type](seen, goal)
        return float(reward), bool(self._success(seen, goal))

    def render(self) -> np.ndarray | None:
        """The scene from the first camera, uint8 [render_size, render_size, 3].

        None without a render mode.

        Raises:
            gymnasium.error.ResetNeeded: before the first reset.
        """
        if self.render_mode is None:
            gymnasium.logger.warn('to render, make the environment with render_mode="rgb_array"')
            return None
        self._current()
        return self._picture(self.camera_names[0], self.render_size)

    def _check_start(self, start: Any) -> str:
        if start not in self.starts:
            raise ValueError(f"start must be one of {list(self.starts)}, not {start!r}")
        return str(start)

    def _current(self) -> np.ndarray:
        if self._seen is None:
            raise ResetNeeded("call reset() before using the environment")
        return self._seen

    def _observe(self) -> Observation:
        seen = self._current()
        # A goal drawn into the scene would be told, not seen.
        pictures = {name: self._picture(name, self.camera_size, False) for name in self.cameras}
        return {
            "observation": seen.copy(),
            "achieved_goal": self.achieved(seen).copy(),
            "desired_goal": self._goal.copy(),
            **pictures,
        }


class SavableEnv(GoalEnv):
    """A task whose simulator can be saved, so that a killed run goes on exactly.

    A task implements ``_simulator`` and ``_restore`` too.
    """

    def _simulator(self) -> dict[str, np.ndarray]:
        """Everything that the simulator's next step depends on; shapes never change."""
        raise NotImplementedError

    def _restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take up what ``_simulator`` gave."""
        raise NotImplementedError

    def get_state(self) -> dict[str, np.ndarray]:
        """All that the next steps depend on, as arrays of fixed shapes.

        Raises:
            gymnasium.error.ResetNeeded: before the first reset.
        """
        generator: Any = self.np_random.bit_generator.state
        numbers = generator["state"]
        words = [numbers[name] >> shift & _WORD for name in ("state", "inc") for shift in (0, 64)]
        rest = [generator["has_uint32"], generator["uinteger"]]
        return {
            "random": np.array([*words, *rest], np.uint64),
            "seen": self._current().copy(),
            "goal": self._goal.copy(),
            **self._simulator(),
        }

    def set_state(self, state: Mapping[str, np.ndarray]) -> Observation:
        """Go on from what :meth:`get_state` gave; returns the observation."""
        words = [int(word) for word in state["random"]]
        self.np_random.bit_generator.state = {
            "bit_generator": "PCG64",
            "state": {"state": words[0] | words[1] << 64, "inc": words[2] | words[3] << 64},
            "has_uint32": words[4],
            "uinteger": words[5],
        }
        self._restore(state)
        self._seen, self._goal = np.array(state["seen"]), np.array(state["goal"])
        return self._observe()
