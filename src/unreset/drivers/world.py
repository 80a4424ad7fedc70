"""A task's Gymnasium environment as drivers and evaluation use it, with its failures named."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gymnasium
import numpy as np
from gymnasium import wrappers

from unreset.core.types import Task
from unreset.core.vision import Frames, Vision, stacked, taken
from unreset.errors import Failure, UnresetError

_JUMP = 5.0  # an environment's own reset moves it by more than this times any step before it
_ACQUAINTED = 20  # steps after which it is known how far a step moves it
_STATELESS = (wrappers.OrderEnforcing, wrappers.PassiveEnvChecker, wrappers.RescaleAction)


class World:
    """Resets and steps one environment; whatever it does wrong becomes a :class:`Failure`.

    With a ``vision`` that sees pixels, ``frames`` hold what its cameras saw last, uint8
    [height, width, 3 stack] each.
    """

    def __init__(
        self,
        task: Task,
        environment: gymnasium.Env[Any, Any] | None = None,
        start: str = "initial",
        render_mode: str | None = None,
        vision: Vision | None = None,
    ) -> None:
        if environment is None:
            if task.environment is None:
                raise UnresetError(f"task {task.name!r} has no Gymnasium environment")
            with named("the environment cannot be made"):
                environment = task.environment(render_mode=render_mode)
        self.task, self.environment, self.start = task, environment, start
        self._options = None if start == "initial" else {"start": start}
        self._shapes = vision.looking(task) if vision is not None else {}
        self._stack = vision.stack if vision is not None else 1
        blank = {name: np.zeros(shape, np.uint8) for name, shape in self._shapes.items()}
        self.frames = stacked(None, blank, self._stack)
        self._savable = _savable(environment)
        self._blank: dict[str, np.ndarray] = {}  # a saved state's shapes
        self._broken = False

    def reset(self, seed: int | None) -> np.ndarray:
        """Reset; the observation [observation]."""
        self.frames = {}
        with self._watched("the environment's reset failed"):
            observation, _ = self.environment.reset(seed=seed, options=self._options)
            self._first = self._last = self._checked(observation)
        self._broken = False
        self._largest, self._steps, self._time = 0.0, 0, self._clock()
        return self._first

    def step(self, action: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Act; the observation [observation], and whether it terminated and was truncated [2]."""
        with self._watched("the environment's step failed"):
            observation, _, terminated, truncated, info = self.environment.step(action)
            array = self._checked(observation)
            self._refuse_own_reset(array, info)
        return array, np.array([terminated, truncated], bool)

    def scores(self, observation: np.ndarray, goal: np.ndarray, asked: np.ndarray) -> Any:
        """Reward and success for a goal, and reward for another; None for a pure task."""
        if self.task.score is None:
            return None
        with self._watched(f"the score of task {self.task.name!r} failed"):
            reward, success = self.task.score(self.environment, observation, goal)
            other = reward
            if not np.array_equal(goal, asked):
                other = self.task.score(self.environment, observation, asked)[0]
            scores = np.array([reward, success, other], np.float32)
            if not np.isfinite(scores).all():
                raise Failure(f"the reward of task {self.task.name!r} is {scores[0]}")
        return scores

    def show(self, goal: np.ndarray) -> None:
        """Tell an environment that wants to know that this is the goal [goal] now."""
        if self.environment.has_wrapper_attr("set_goal"):
            with self._watched("the environment's set_goal failed"):
                self.environment.get_wrapper_attr("set_goal")(goal)

    @property
    def exact(self) -> bool:
        """Whether it can be saved and restored, with whatever wraps it."""
        return self._savable is not None

    def save(self) -> dict[str, np.ndarray]:
        """What the next step depends on; nothing if it cannot tell.

        ``whole`` says whether it can go on from there: not where a step has just failed.
        """
        if self._savable is None:
            return {}
        try:
            if self._broken:
                raise Failure("it is broken")
            state = {name: np.array(value) for name, value in self._savable.get_state().items()}
        except Exception:  # the run is worth saving without it
            return {"whole": np.array(False), **self._blank}
        self._blank = {name: np.zeros_like(value) for name, value in state.items()}
        return {"whole": np.array(True), **state}

    def restore(
        self, observation: np.ndarray, state: dict[str, np.ndarray], frames: Frames
    ) -> bool:
        """Take up what :meth:`save` gave with the last observation and frames; whether it could."""
        if self._savable is None or not state.get("whole", False):
            return False
        with self._watched("the environment's set_state failed"):
            self._savable.set_state({name: state[name] for name in state if name != "whole"})
        self._first, self._last = np.full_like(observation, np.nan), observation
        self.frames = {name: np.asarray(picture) for name, picture in frames.items()}
        self._largest, self._steps, self._time = 0.0, 0, self._clock()
        return True

    @contextmanager
    def _watched(self, what: str) -> Iterator[None]:
        """Name what fails; what is saved then cannot be gone on from."""
        try:
            with named(what):
                yield
        except BaseException:
            self._broken = True
            raise

    def _checked(self, observation: Any) -> np.ndarray:
        task = self.task
        with named(f"the environment's observation does not hold the state of task {task.name!r}"):
            array = np.array(task.state(observation), np.float32)  # it may use its own one again
        if array.shape != (task.observation_size,):
            raise Failure(
                f"the environment's observation has shape {array.shape}, "
                f"but the task says ({task.observation_size},)"
            )
        if not np.isfinite(array).all():
            bad = int(np.flatnonzero(~np.isfinite(array))[0])
            raise Failure(f"the environment's observation[{bad}] is {array[bad]}")
        if self._shapes:
            seen = taken(observation, self._shapes)
            self.frames = stacked(self.frames or None, seen, self._stack)
        return array

    def _clock(self) -> float:
        """Simulated seconds since the reset, of a MuJoCo environment."""
        data = getattr(self.environment.unwrapped, "data", None)
        return float(getattr(data, "time", 0.0))

    def _refuse_own_reset(self, observation: np.ndarray, info: Any) -> None:
        """A reset that nobody asked for would be counted by nobody.

        It is told, or simulated time goes back, or after a step as long as none before the
        observation is one with which practice begins (and was not before).
        """
        time, moved = self._clock(), float(np.abs(observation - self._last).max())
        told = isinstance(info, dict) and any("final_obs" in str(key) for key in info)
        jumped = self._steps >= _ACQUAINTED and moved > _JUMP * self._largest > 0
        begun = self._begins(observation) and not self._begins(self._last)
        if told or time < self._time or (jumped and begun):
            raise Failure(
                "the environment has reset itself; practice goes on without resets, and every "
                "reset must be counted: remove its automatic resets (and wrappers such as "
                "Autoreset), or let it return truncated=True and be reset"
            )
        if not jumped:
            self._largest = max(self._largest, moved)
        self._time = time
        self._steps, self._last = self._steps + 1, observation

    def _begins(self, observation: np.ndarray) -> bool:
        """Whether practice begins with this observation, as far as is known."""
        if np.array_equal(observation, self._first):
            return True
        begins = self.task.beginnings
        if begins is None:
            return False
        low, high = begins.min(axis=0), begins.max(axis=0)
        slack = 0.05 * (high - low)
        return bool(((observation >= low - slack) & (observation <= high + slack)).all())


@contextmanager
def named(what: str) -> Iterator[None]:
    """Turn any exception into a Failure that says what failed."""
    try:
        yield
    except UnresetError:  # a Failure, or as plain: a simulator that is not installed
        raise
    except Exception as error:
        raise Failure(f"{what}: {error!r}") from error


def _savable(environment: gymnasium.Env[Any, Any]) -> Any:
    """The outermost layer with get_state and set_state, if nothing with a state wraps it."""
    layer: Any = environment
    while not all(hasattr(layer, name) for name in ("get_state", "set_state")):
        if not isinstance(layer, _STATELESS):
            return None
        layer = layer.env
    return layer
