"""What a deployed policy is given, checked: an arm must not move by what was not meant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from unreset.errors import UnresetError


def numbers(name: str, value: Any) -> np.ndarray:
    """``value`` as float32 of any shape.

    Raises:
        UnresetError: where it is anything but finite numbers; one line names it and what is wrong.
    """
    try:
        given = np.asarray(value)
    except Exception as error:  # any: ragged rows, tensors on a GPU
        raise UnresetError(f"the {name} must be an array of numbers: {error!r:.200}") from error
    if np.ma.is_masked(value):
        raise UnresetError(f"the {name} is masked: some of its numbers are missing")
    if given.dtype.kind not in "biuf":
        raise UnresetError(f"the {name} must be numbers, not of type {given.dtype}")
    with np.errstate(over="ignore"):
        array = given.astype(np.float32)
    if not np.isfinite(array).all():
        place = tuple(int(at) for at in np.argwhere(~np.isfinite(array))[0])
        raise UnresetError(f"the {name} contains NaN or infinity: {given[place]} at {list(place)}")
    return array


def asked(observation: Any, goal: Any) -> Any:
    """The goal that is meant, which a dictionary may hold as ``desired_goal``; None for none.

    Raises:
        UnresetError: where it is given twice.
    """
    held = observation.get("desired_goal") if isinstance(observation, Mapping) else None
    if held is not None and goal is not None:
        raise UnresetError(
            "the goal is given twice, in the observation's desired_goal and beside it: give one"
        )
    return held if goal is None else goal


def joined(observation: Any, goal: Any, metadata: Mapping[str, Any]) -> np.ndarray:
    """Observation and goal side by side, float32 [..., observation + goal].

    Raises:
        UnresetError: where one of them is missing, not finite numbers, or of another shape than
            [..., observation] and [..., goal].
    """
    if isinstance(observation, Mapping):
        if "observation" not in observation:
            raise UnresetError(
                f"the observation holds {sorted(map(str, observation))}, but this policy for "
                f"{metadata.get('task', 'a task')} needs observation and desired_goal"
            )
        observation = observation["observation"]
    sizes = metadata["observation_size"], metadata["goal_size"]
    seen = numbers("observation", observation)
    if goal is None and sizes[1] == 0:
        goal = np.zeros((*seen.shape[:-1], 0))
    wanted = None if goal is None else numbers("goal", goal)
    fits = seen.ndim > 0 and seen.shape[-1] == sizes[0]
    if wanted is None or not fits or wanted.shape != (*seen.shape[:-1], sizes[1]):
        told = "no goal" if wanted is None else f"a goal of shape {wanted.shape}"
        raise UnresetError(
            f"this policy for {metadata.get('task', 'a task')} needs an observation of {sizes[0]} "
            f"numbers and a goal of {sizes[1]}, [..., {sizes[0]}] and [..., {sizes[1]}], but got "
            f"an observation of shape {seen.shape} and {told}"
        )
    return np.concatenate([seen, wanted], axis=-1)


def finite(action: np.ndarray) -> np.ndarray:
    """The action, if it is one; raises UnresetError where the numbers given are too large."""
    if not np.isfinite(action).all():
        raise UnresetError("the action is not finite: observation or goal are absurdly large")
    return action
