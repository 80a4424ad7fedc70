"""The goals of somebody else's environment: where it keeps them, and when one is reached."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from unreset.errors import UnresetError
from unreset.tasks.environments.interface import named
from unreset.tasks.environments.judges import Function

MAZE_RADIUS = 0.45  # of gymnasium-robotics' mazes, which do not publish it


def holder(own: Any, goal: np.ndarray) -> Any:
    """What keeps an environment's goal, in an array ``goal`` of that shape; None if nothing does.

    It is the environment itself, as in gymnasium-robotics, or its ``task``, as in panda-gym.
    """
    for place in (own, getattr(own, "task", None)):
        kept = getattr(place, "goal", None)
        if isinstance(kept, np.ndarray) and kept.shape == goal.shape:
            return place
    return None


def takes_goals(own: Any, goal: np.ndarray) -> bool:
    """Whether an environment can be told a goal: by ``set_goal``, or where it keeps its own."""
    return hasattr(own, "set_goal") or holder(own, goal) is not None


def tell(own: Any, goal: np.ndarray) -> None:
    """Tell an environment its goal [goal], float32, if it can be told."""
    if hasattr(own, "set_goal"):
        own.set_goal(goal)
    elif (place := holder(own, goal)) is not None:
        place.goal = goal.astype(place.goal.dtype)
        if hasattr(own, "update_target_site_pos"):  # the mazes' mark
            own.update_target_site_pos()


def radius(own: Any) -> float:
    """The distance within which an environment with goals counts one as reached."""
    if hasattr(own, "rotation_threshold"):
        raise UnresetError(
            'its success is more than a distance; give success="environment", or a function'
        )
    for place in (own, getattr(own, "task", None)):
        if isinstance(found := getattr(place, "distance_threshold", None), float | int):
            return float(found)
    if hasattr(own, "maze") and hasattr(own, "update_target_site_pos"):
        return MAZE_RADIUS
    raise UnresetError(
        "nothing says how near to a goal is success; give success=, a distance, a function, or "
        '"environment" (what its info says)'
    )


def distance(value: Any) -> float:
    """A distance within which a goal is reached; raises UnresetError where it is none."""
    if isinstance(value, bool) or not 0 <= float(value) < np.inf:
        raise UnresetError(f"success must be a distance of at least 0, or a function, not {value}")
    return float(value)


def places(what: str, value: Any, size: int, number: int | None = None) -> tuple[int, ...]:
    """Which numbers of an observation [size] are meant, ``number`` of them; none if ``None``.

    Raises:
        UnresetError: where they are no such places.
    """
    try:
        found = np.asarray(value if isinstance(value, np.ndarray) else list(value))
    except (TypeError, ValueError):  # a single number, ragged rows
        found = np.empty((0, 0))
    if found.size == 0 and found.ndim == 1 and number is None:
        return ()
    whole = found.ndim == 1 and found.dtype.kind in "iu" and number in (None, len(found))
    if not whole or (found < 0).any() or (found >= size).any():
        raise UnresetError(
            f"{what} must be {'' if number is None else f'{number} '}numbers' places in the "
            f"observation, 0 to {size - 1}, not {value!r:.60}"
        )
    return tuple(found.tolist())


def rows(what: str, value: Any, size: int | None = None) -> np.ndarray:
    """``value`` as finite float32 [rows, size]."""
    try:
        array = np.array(value, np.float32)
    except (TypeError, ValueError) as error:
        raise UnresetError(f"{what} must be rows of numbers, not {value!r}") from error
    if array.size == 0 and size is not None:
        return array.reshape(0, size)
    if array.ndim != 2 or array.size == 0 or size not in (None, array.shape[1]):
        raise UnresetError(
            f"{what} must be rows of {'as many' if size is None else size} numbers each, "
            f"not of shape {array.shape}"
        )
    if not np.isfinite(array).all():
        raise UnresetError(f"{what} contain NaN or infinity")
    return array


def unknown(observation: Any) -> Any:
    """Stands where nothing says what goal an observation achieves."""
    raise UnresetError("this task does not say what goal an observation achieves; give achieved=")


def reader(achieved: Sequence[int] | Function | None, observation: np.ndarray, size: int) -> Any:
    """The function that reads a goal [size] from an observation (NumPy and JAX)."""
    if achieved is None:
        return unknown
    if not callable(achieved):
        numbers = np.asarray(places("achieved", achieved, len(observation), size))
        return lambda observation: observation[numbers]
    try:
        shape = jax.eval_shape(achieved, observation).shape
    except Exception as error:  # any: it is the user's
        raise UnresetError(f"achieved must work in JAX (use jax.numpy): {error!r}") from error
    if shape != (size,):
        raise UnresetError(f"achieved must return a goal, of shape ({size},), not {shape}")
    return achieved


def refuse_other_distance(own: Any, achieved: np.ndarray, radius: float) -> None:
    """Refuse a radius that is not what the environment itself means by it.

    Its predicate, where it has one (``_is_success`` in gymnasium-robotics, its task's
    ``is_success`` in panda-gym), is asked about goals a little nearer and a little farther than
    that to what is achieved, [goal], along each of a goal's numbers.

    Raises:
        UnresetError: where it says something else.
    """
    judge = getattr(own, "_is_success", None) or getattr(
        getattr(own, "task", None), "is_success", None
    )
    if not callable(judge):
        return
    for share, way in [(s, w) for s in (0.8, 1.25) for w in np.eye(len(achieved))]:
        with named("its predicate of success failed"):
            reached = bool(np.asarray(judge(achieved, achieved + share * radius * way)).all())
        if reached != (share < 1):
            raise UnresetError(
                f"its success is more than the distance {radius:g} to the goal (it says {reached} "
                f'{share * radius:.3g} away); give success="environment", or a function'
            )
