"""The units of demonstrated actions: normalized to [-1, 1], or the environment's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from unreset.core.types import Task, Trajectory
from unreset.demos.store import SAY_UNITS, Normalized
from unreset.demos.words import Units
from unreset.errors import UnresetError

Bounds = tuple[np.ndarray, np.ndarray]  # lowest and highest action, [action] each

SMALL = 0.25  # a set whose largest action is smaller may be in other units
_NARROW = 1.5  # of the 2 of [-1, 1]: bounds that leave so much tell little
_BEYOND = 0.1  # of the half of a range: how far beyond its bounds actions are still in its units
_ROUNDING = 1e-6  # of the half of a range


def normalized(
    trajectories: Sequence[Trajectory], task: Task, units: Units = "environment"
) -> Normalized:
    """The same trajectories with actions in [-1, 1], as all that practises takes them.

    Args:
        trajectories: with actions [T, action] in ``units``.
        task: whose environment says the bounds that [-1, 1] stands for (``Task.action_bounds``).
        units: ``"environment"``, the environment's own; ``"normalized"``, which they are already,
            however small.

    Raises:
        UnresetError: where an action lies outside the bounds.
    """
    if units not in ("normalized", "environment"):
        raise UnresetError(f"actions must be 'normalized' or 'environment', not {units!r}")
    bounds = own(task)
    if units == "normalized" or bounds is None:
        return Normalized(trajectories)
    return within(trajectories, bounds)


def of_space(trajectories: Sequence[Trajectory], task: Task, space: Bounds) -> Normalized:
    """Trajectories whose source says the space of their actions, normalized by that.

    Raises:
        UnresetError: where it is neither [-1, 1] nor the range of the task's environment.
    """
    bounds = own(task)
    if _is_unit(space) or space[0].shape != (task.action_size,):  # that is refused later
        return Normalized(trajectories)
    if bounds is not None and not _same(space, bounds):
        raise UnresetError(
            f"its actions range from {_told(space[0])} to {_told(space[1])}, but those of "
            f"{task.name} from {_told(bounds[0])} to {_told(bounds[1])}; {SAY_UNITS}"
        )
    return within(trajectories, space)


def within(trajectories: Sequence[Trajectory], bounds: Bounds) -> Normalized:
    """Trajectories whose actions lie within bounds, stretched to [-1, 1]."""
    low, high = bounds
    middle, half = (high + low) / 2, (high - low) / 2
    inverse = np.divide(1.0, half, out=np.zeros_like(half), where=half > 0)
    # What float32 makes of a bound far from 0 is rounding, too.
    slack = _ROUNDING * half + 2e-7 * np.maximum(abs(low), abs(high))
    found = Normalized()
    for number, one in enumerate(trajectories):
        actions = np.asarray(one.actions)
        if not _fits(actions, low.size):  # refused for its shape or type later
            found.append(one)
            continue
        actions = actions.astype(np.float64)
        outside = (actions < low - slack) | (actions > high + slack)
        if outside.any():
            step, which = np.argwhere(outside)[0]
            raise UnresetError(
                f"demonstration {number}: number {which} of action {step} is "
                f"{actions[step, which]:.6g}, outside its range {low[which]:.6g} to "
                f"{high[which]:.6g}"
            )
        share = (np.clip(actions, low, high) - middle) * inverse
        found.append(one._replace(actions=share.astype(np.float32)))
    return found


def refuse_doubt(trajectories: Sequence[Trajectory], task: Task, stated: bool = True) -> None:
    """Refuse trajectories whose actions seem to be in the environment's units, not normalized.

    They do where all numbers keep within environment bounds that are much narrower than [-1, 1];
    and, unless they are ``stated`` to be normalized, where the largest is far below 1 (one beyond 1
    does not fit anyway). :class:`Normalized` ones are known to be.

    Raises:
        UnresetError: one line that says how to tell.
    """
    rows = [np.asarray(one.actions) for one in trajectories]
    if isinstance(trajectories, Normalized) or not rows:
        return
    if not all(_fits(actions, task.action_size) and len(actions) for actions in rows):
        return  # refused for their shape or type
    low = np.min([actions.min(axis=0) for actions in rows], axis=0).astype(np.float64)
    high = np.max([actions.max(axis=0) for actions in rows], axis=0).astype(np.float64)
    largest = max(abs(low).max(), abs(high).max())
    bounds = own(task)
    doubtful = bounds is not None and _keeps_within(low, high, bounds)
    if not doubtful and (stated or largest == 0 or largest >= SMALL):
        return
    known = ""
    if bounds is not None:
        known = f", and the environment's range from {_told(bounds[0])} to {_told(bounds[1])}"
    raise UnresetError(
        f"actions seem not to be normalized to [-1, 1]: the largest is {largest:.3g}{known}; "
        f"{SAY_UNITS}"
    )


def own(task: Task) -> Bounds | None:
    """The bounds of actions in the units of the task's environment; None if they are [-1, 1]."""
    bounds = task.action_bounds
    return None if bounds is None or _is_unit(bounds) else bounds


def _keeps_within(low: np.ndarray, high: np.ndarray, bounds: Bounds) -> bool:
    """Whether all that acts keeps within bounds, where those are narrower than [-1, 1]."""
    room = np.minimum(bounds[1], 1.0) - np.maximum(bounds[0], -1.0)
    telling = (room <= _NARROW) & ((low != 0) | (high != 0))
    slack = _BEYOND * (bounds[1] - bounds[0]) / 2
    inside = (low >= bounds[0] - slack) & (high <= bounds[1] + slack)
    return bool(telling.any() and inside[telling].all())


def _fits(actions: np.ndarray, size: int) -> bool:
    return actions.ndim == 2 and actions.shape[1] == size and actions.dtype.kind in "biuf"


def _is_unit(bounds: Bounds) -> bool:
    return bool((bounds[0] == -1).all() and (bounds[1] == 1).all())


def _same(one: Bounds, other: Bounds) -> bool:
    return all(
        a.shape == b.shape and np.allclose(a, b, rtol=1e-5, atol=1e-9)
        for a, b in zip(one, other, strict=True)
    )


def _told(values: Any) -> str:
    """A bound in words: one number where all are the same."""
    distinct = [f"{value:.4g}" for value in values]
    return distinct[0] if len(set(distinct)) == 1 else f"({', '.join(distinct)})"
