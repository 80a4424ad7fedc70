"""Making a user's environment, and reading vectors from what it observes."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from gymnasium import spaces

from unreset.errors import Notice, UnresetError
from unreset.tasks.environments import interface
from unreset.tasks.environments.adapted_env import Environment
from unreset.tasks.environments.identifiers import registered
from unreset.tasks.environments.interface import in_one_line, named
from unreset.tasks.environments.judges import Function
from unreset.tasks.simulation.mujoco_env import prepare_drawing

GOAL_KEYS = ("observation", "achieved_goal", "desired_goal")
SAME = 1e-6  # goals nearer than this are one
State = str | Sequence[str] | Function | None


class Sights(NamedTuple):
    """What some resets showed."""

    vector: Function  # the environment's observation -> the task's
    observations: np.ndarray  # [samples, observation], the task's
    goals: np.ndarray | None  # [distinct, goal], if resets choose goals
    cameras: tuple[str, ...]  # the names under which there are pictures
    # The last numbers of an observation are then the goal that it achieves.


def builder(make: str | Callable[..., Environment], options: Mapping[str, Any]) -> Function:
    """(render_mode=None) -> the environment, made with these options.

    It raises UnresetError, in one line, where that cannot be.
    """
    if not isinstance(make, str) and not callable(make):
        raise UnresetError(
            f"make must be the id of an environment or a function that returns one, not {make}; of "
            "an environment that is there already, write lambda: gymnasium.make(...)"
        )

    def build(render_mode: str | None = None) -> Environment:
        prepare_drawing()  # else MuJoCo would look for a window
        # Only where it is wanted: environments have defaults of their own.
        drawn = {} if render_mode is None else {"render_mode": render_mode}
        if isinstance(make, str):
            made = registered(make, {**options, **drawn})
        else:
            made = _called(make, {**options, **(drawn if _takes_render_mode(make) else {})})
        if isinstance(made, gymnasium.vector.VectorEnv):
            raise UnresetError("it is a vector environment; practice takes a single one")
        if not isinstance(made, gymnasium.Env):
            raise UnresetError(f"what makes it returned {made!r}, not a gymnasium.Env")
        own: Any = made.unwrapped
        # gymnasium-robotics' mazes: no end on success, and goals change only when asked.
        for option, value in (("continuing_task", True), ("reset_target", False)):
            if isinstance(getattr(own, option, None), bool):
                setattr(own, option, value)
        return made

    return build


def look(inner: Environment, state: State, with_goals: bool, samples: int) -> Sights:
    """Reset with seeds 0, 1, ... and read the observations, and goals if it has them."""
    if samples < 1:
        raise UnresetError(f"samples must be at least 1, not {samples}")
    space: Any = inner.observation_space
    keys: dict[str, Any] = dict(space) if _is_dictionary(space) else {}
    with_goals = with_goals and all(_is_vector(keys.get(key)) for key in GOAL_KEYS)
    part = _reader(space, state, with_goals)

    def with_achieved(observation: Any) -> np.ndarray:
        return np.concatenate([np.ravel(part(observation)), np.ravel(observation[GOAL_KEYS[1]])])

    vector = with_achieved if with_goals else part
    seen, goals = [], []
    for seed in range(samples):
        with named("its reset failed"):
            observation, _ = interface.reset(inner, seed)
        with named("its observations are not vectors of numbers"):
            # Copies: some environments write every observation into the same memory.
            seen.append(np.array(vector(observation), np.float32).ravel())
            if with_goals:
                goals.append(np.array(observation[GOAL_KEYS[2]], np.float32).ravel())
    if len(lengths := sorted({len(row) for row in seen})) > 1:
        raise UnresetError(f"its observations are not vectors of one length, but of {lengths}")
    rows = np.stack(seen)
    if not np.isfinite(rows).all():
        raise UnresetError("the observations of its resets contain NaN or infinity")
    cameras = tuple(str(key) for key, space in keys.items() if _is_picture(space))
    return Sights(vector, rows, distinct(np.stack(goals)) if with_goals else None, cameras)


def distinct(rows: np.ndarray) -> np.ndarray:
    """The rows as float32 without repetitions, in order."""
    first = np.unique(np.round(rows / SAME), axis=0, return_index=True)[1]
    return np.asarray(rows, np.float32)[np.sort(first)]


def _called(make: Callable[..., Environment], arguments: Mapping[str, Any]) -> Any:
    try:
        return make(**arguments)
    except UnresetError:
        raise
    except Exception as error:  # any: it is the user's
        raise UnresetError(f"it cannot be made: {in_one_line(error)}") from error


def _takes_render_mode(make: Callable[..., Any]) -> bool:
    try:
        parameters = inspect.signature(make).parameters.values()
    except ValueError:  # not every callable has a signature
        return False
    return any(p.name == "render_mode" or p.kind is p.VAR_KEYWORD for p in parameters)


def _reader(space: Any, state: State, with_goals: bool) -> Function:
    """What reads the task's vector from an observation of this space."""
    if callable(state):
        return state
    known: dict[str, Any] = dict(space) if _is_dictionary(space) else {}
    if state is not None:
        keys = [state] if isinstance(state, str) else list(state)
        if unknown := sorted(set(keys) - set(known)):
            raise UnresetError(f"state names {unknown}, but its observation has {sorted(known)}")
        if pictures := [key for key in keys if not _is_vector(known[key])]:
            raise UnresetError(f"state names {pictures}, which hold no vectors")
    elif with_goals:
        keys = ["observation"]
    elif known:
        keys = [k for k in known if k not in GOAL_KEYS[1:] and _is_vector(known[k])]
        _say_skipped([k for k in known if not (_is_vector(known[k]) or _is_picture(known[k]))])
        if not keys:
            raise UnresetError(
                f"its observation {space} holds no vectors, by which success and goals are told; "
                "of anything else make some with state= a function"
            )
    elif _is_vector(space):
        return np.ravel
    else:
        raise UnresetError(
            f"its observations are {space}, not vectors: make some with state= a function (and put "
            "pictures into a dictionary, under their cameras' names)"
        )
    return lambda observation: np.concatenate([np.ravel(observation[key]) for key in keys])


def _say_skipped(keys: list[str]) -> None:
    if keys:
        warnings.warn(
            f"{', '.join(keys)} of the observation are left out: neither vectors nor pictures "
            "(uint8 [H, W, 3]); state= says what to take",
            category=Notice,
            stacklevel=5,  # where from_environment was called
        )


def _is_dictionary(space: Any) -> bool:
    return isinstance(space, spaces.Dict)


def _is_vector(space: Any) -> bool:
    """Whether a space's elements are numbers in a row (or few rows), not a picture."""
    pictures = len(getattr(space, "shape", None) or ()) >= 2 and space.dtype == np.uint8
    numbers = isinstance(space, spaces.Box | spaces.MultiBinary)
    return numbers and not pictures and len(space.shape) < 3


def _is_picture(space: Any) -> bool:
    """Whether a space's elements are pictures that can be learned from: uint8 [H, W, 3]."""
    shape: tuple[int, ...] = getattr(space, "shape", None) or ()
    colours = len(shape) == 3 and shape[-1] == 3
    return isinstance(space, spaces.Box) and space.dtype == np.uint8 and colours
