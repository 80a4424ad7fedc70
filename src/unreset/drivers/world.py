"""A task's Gymnasium environment as drivers and evaluation use it, with its failures named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import gymnasium
import numpy as np
from gymnasium import wrappers

from unreset.core.types import Task
from unreset.drivers import states
from unreset.drivers.unasked import Unasked
from unreset.errors import Failure, UnresetError
from unreset.networks.views import Frames, Vision, stacked, taken
from unreset.tasks.environments import interface
from unreset.tasks.environments.interface import in_one_line, named

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
            environment = _made(task, render_mode)
        else:
            _check_given(environment, task)
        self.task, self.environment, self.start = task, environment, start
        self._options = None if start == "initial" else {"start": start}
        self._shapes = vision.looking(task) if vision is not None else {}
        self._stack = vision.stack if vision is not None else 1
        blank = {name: np.zeros(shape, np.uint8) for name, shape in self._shapes.items()}
        self.frames = stacked(None, blank, self._stack)
        self._savable = _savable(environment)
        self.notes: list[str] = []  # what a person should know
        self._broken = False
        self._unasked = Unasked(task)

    def reset(self, seed: int | None) -> np.ndarray:
        """Reset; the observation [observation]."""
        self.frames = {}
        with self._watched("the environment's reset failed"):
            observation, _ = interface.reset(self.environment, seed, self._options)
            array = self._checked(observation)
        self._broken = False
        self._unasked.begin(array, self.environment)
        return array

    def step(self, action: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Act; the observation [observation], and whether it terminated and was truncated [2]."""
        with self._watched("the environment's step failed"):
            answer = interface.step(self.environment, action)
            observation, _, terminated, truncated, info = answer
            array = self._checked(observation)
            self._look(array, info, action)
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

        ``whole`` says whether it can go on from there: not where a step has just failed, or where
        its state is nothing that can be stored, of which there is a note.
        """
        if self._savable is None:
            return {}
        if not self._broken:
            try:
                return {**states.stored(self._savable.get_state()), "whole": np.array(True)}
            except UnresetError as reason:
                self._note(f"{reason}: a resumed run begins with a counted reset")
            except (Exception, SystemExit) as error:  # the run is worth saving without it
                self._note(f"get_state failed ({error!r}): a resumed run begins with a reset")
        return {"whole": np.array(False)}

    def try_saving(self) -> None:
        """Do without saved states, and note why, where the first is not read as it was stored."""
        if self._savable is None:
            return
        state = self.save()
        if state["whole"]:
            try:
                states.check_reading(state)
            except UnresetError as reason:
                self._note(f"{reason}: a resumed run begins with a counted reset")
                state["whole"] = np.array(False)
        if not state["whole"]:
            self._savable = None

    def _note(self, note: str) -> None:
        if note not in self.notes:
            self.notes.append(note)

    def restore(
        self, observation: np.ndarray, state: dict[str, np.ndarray], frames: Frames
    ) -> bool:
        """Take up what :meth:`save` gave with the last observation and frames; whether it could."""
        if self._savable is None or not state.get("whole", False):
            return False
        try:
            with named("the environment's set_state failed"):
                self._savable.set_state({name: state[name] for name in state if name != "whole"})
        except UnresetError as failure:  # it begins with a reset instead
            self._note(str(failure))
            return False
        self.frames = {name: np.asarray(picture) for name, picture in frames.items()}
        self._unasked.begin(observation, self.environment, first=False)
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

    def _look(self, observation: np.ndarray, info: Mapping[str, Any], action: np.ndarray) -> None:
        """Refuse a reset that nobody asked for."""
        self._unasked.look(observation, info, self.environment, action)


def _check_given(environment: Any, task: Task) -> None:
    """Refuse what is no environment, or would take actions in [-1, 1] for others."""
    if not isinstance(environment, gymnasium.Env):
        raise UnresetError(
            f"environment must be a Gymnasium environment, made already, not {environment!r:.60}"
        )
    space: Any = environment.action_space
    bounded = isinstance(space, gymnasium.spaces.Box) and space.is_bounded()
    unit = bounded and (space.low == -1).all() and (space.high == 1).all()
    if space.shape != (task.action_size,) or (bounded and not unit):
        raise UnresetError(
            f"the environment's actions are {space}, but practice acts with {task.action_size} "
            "numbers in [-1, 1]: wrap it in gymnasium.wrappers.RescaleAction(environment, -1, 1)"
        )


def _made(task: Task, render_mode: str | None) -> Any:
    """The task's environment; raises UnresetError, in one line, where it cannot be made."""
    assert task.environment is not None
    try:
        return task.environment(render_mode=render_mode)
    except (UnresetError, KeyboardInterrupt):  # such as a simulator that is not installed
        raise
    except BaseException as error:  # any, also sys.exit: it is the user's
        text = f"the environment of task {task.name!r} cannot be made: {in_one_line(error)}"
        raise UnresetError(text) from error


def _savable(environment: gymnasium.Env[Any, Any]) -> Any:
    """The outermost layer with get_state and set_state, if nothing with a state wraps it."""
    layer: Any = environment
    while not all(hasattr(layer, name) for name in ("get_state", "set_state")):
        if not isinstance(layer, _STATELESS):
            return None
        layer = layer.env
    return layer
