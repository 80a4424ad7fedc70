"""A task's Gymnasium environment as drivers and evaluation use it, with its failures named."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np

from unreset.core.types import Task
from unreset.errors import Failure, UnresetError

_JUMP = 5.0  # an environment's own reset moves it by more than this times any step before it


class World:
    """Resets and steps one environment; whatever it does wrong becomes a :class:`Failure`."""

    def __init__(
        self,
        task: Task,
        environment: gymnasium.Env[Any, Any] | None = None,
        start: str = "initial",
        render_mode: str | None = None,
    ) -> None:
        if environment is None:
            if task.environment is None:
                raise UnresetError(f"task {task.name!r} has no Gymnasium environment")
            environment = task.environment(render_mode=render_mode)
        self.task, self.environment, self.start = task, environment, start
        self._inner: Any = environment.unwrapped
        self._options = None if start == "initial" else {"start": start}

    def reset(self, seed: int | None) -> np.ndarray:
        """Reset; the observation [observation]."""
        try:
            observation, _ = self.environment.reset(seed=seed, options=self._options)
        except (UnresetError, KeyboardInterrupt):
            raise
        except Exception as error:
            raise Failure(f"the environment's reset failed: {error!r}") from error
        self._first = self._last = self._checked(observation)
        self._largest, self._time = 0.0, self._clock()
        return self._first

    def step(self, action: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Act; the observation [observation], and whether it terminated and was truncated [2]."""
        try:
            observation, _, terminated, truncated, info = self.environment.step(action)
        except (UnresetError, KeyboardInterrupt):
            raise
        except Exception as error:
            raise Failure(f"the environment's step failed: {error!r}") from error
        array = self._checked(observation)
        self._refuse_own_reset(array, info)
        return array, np.array([terminated, truncated], bool)

    def scores(self, observation: np.ndarray, goal: np.ndarray, asked: np.ndarray) -> Any:
        """Reward and success for a goal, and reward for another; None for a pure task."""
        if self.task.score is None:
            return None
        try:
            reward, success = self.task.score(self.environment, observation, goal)
            other = reward
            if not np.array_equal(goal, asked):
                other = self.task.score(self.environment, observation, asked)[0]
        except Exception as error:
            raise Failure(f"the score of task {self.task.name!r} failed: {error!r}") from error
        scores = np.array([reward, success, other], np.float32)
        if not np.isfinite(scores).all():
            raise Failure(f"the reward of task {self.task.name!r} is {scores[0]}")
        return scores

    def show(self, goal: np.ndarray) -> None:
        """Tell an environment that wants to know that this is the goal [goal] now."""
        if self.environment.has_wrapper_attr("set_goal"):
            self.environment.get_wrapper_attr("set_goal")(goal)

    @property
    def exact(self) -> bool:
        """Whether the environment can be saved and restored, wrappers that count included."""
        able = all(hasattr(self._inner, name) for name in ("get_state", "set_state"))
        counts = self.environment.has_wrapper_attr("_elapsed_steps")
        return able and not counts and bool(getattr(self._inner, "exact", True))

    def save(self) -> dict[str, np.ndarray]:
        """What the environment's next step depends on; nothing if it cannot tell."""
        return dict(self._inner.get_state()) if self.exact else {}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Take up what :meth:`save` gave."""
        self._inner.set_state(state)
        self._first = self._last = np.full(self.task.observation_size, np.nan, np.float32)
        self._largest, self._time = np.inf, self._clock()

    def _checked(self, observation: Any) -> np.ndarray:
        task = self.task
        try:
            array = np.asarray(task.state(observation), np.float32)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise Failure(
                f"the environment's observation does not hold the state of task {task.name!r}: "
                f"{error!r}"
            ) from error
        if array.shape != (task.observation_size,):
            raise Failure(
                f"the environment's observation has shape {array.shape}, "
                f"but the task says ({task.observation_size},)"
            )
        if not np.isfinite(array).all():
            bad = int(np.flatnonzero(~np.isfinite(array))[0])
            raise Failure(f"the environment's observation[{bad}] is {array[bad]}")
        return array

    def _clock(self) -> float:
        """Simulated seconds since the reset, of a MuJoCo environment."""
        return float(getattr(getattr(self._inner, "data", None), "time", 0.0))

    def _refuse_own_reset(self, observation: np.ndarray, info: Any) -> None:
        """A reset that nobody asked for would be counted by nobody."""
        time, moved = self._clock(), float(np.abs(observation - self._last).max())
        told = isinstance(info, dict) and any("final_obs" in str(key) for key in info)
        back = moved > _JUMP * self._largest and np.array_equal(observation, self._first)
        if told or time < self._time or (self._largest > 0 and back):
            raise Failure(
                "the environment has reset itself; practice goes on without resets, and every "
                "reset must be counted: remove its automatic resets (and wrappers such as "
                "Autoreset), or let it return truncated=True and be reset"
            )
        self._largest, self._time = max(self._largest, moved), time
        self._last = observation
