"""Gymnasium's interface to somebody else's environment: what it answers is checked, and named."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from unreset.errors import Failure, Notice, UnresetError

_OLD = "that is old Gym's interface: change it to Gymnasium's, or wrap it by the package shimmy"
_STEP = "(observation, reward, terminated, truncated, info)"


@contextmanager
def named(what: str) -> Iterator[None]:
    """Turn any exception but an interruption into a Failure that says what failed, in one line."""
    try:
        yield
    except (UnresetError, KeyboardInterrupt):  # as plain, such as: a simulator is not installed
        raise
    except BaseException as error:  # also sys.exit: it shall not end this process
        raise Failure(f"{what}: {in_one_line(error)}") from error


def in_one_line(error: BaseException) -> str:
    """An exception with its kind."""
    return " ".join(repr(error).split())


def reset(
    environment: Any, seed: int | None, options: dict[str, Any] | None = None
) -> tuple[Any, Mapping[str, Any]]:
    """Reset an environment; its observation and info.

    Raises:
        Failure: where it answers something else, or cannot be reset so.
    """
    try:
        answer = environment.reset(seed=seed, options=options)
    except TypeError as error:
        if "unexpected keyword argument" not in str(error):
            raise
        raise Failure(
            f"the environment's reset takes no seed and options ({error}), but must be "
            f"reset(self, *, seed=None, options=None); {_OLD}"
        ) from error
    if not (isinstance(answer, tuple) and len(answer) == 2 and isinstance(answer[1], Mapping)):
        raise Failure(
            f"the environment's reset returned {_kind(answer)}, not (observation, info); {_OLD}"
        )
    return answer[0], answer[1]


def step(environment: Any, action: Any) -> tuple[Any, Any, bool, bool, Mapping[str, Any]]:
    """Act; what Gymnasium's step returns, the reward as it came (see :func:`number`).

    Raises:
        Failure: where it answers something else.
    """
    answer = environment.step(action)
    if not (isinstance(answer, tuple) and len(answer) == 5 and isinstance(answer[4], Mapping)):
        old = f"; {_OLD}" if isinstance(answer, tuple) and len(answer) == 4 else ""
        raise Failure(f"the environment's step returned {_kind(answer)}, not {_STEP}{old}")
    observation, reward, terminated, truncated, info = answer
    ends = _flag("terminated", terminated), _flag("truncated", truncated)
    return observation, reward, *ends, info


def close(environment: Any) -> None:
    """Close an environment that is not needed any more; one that fails at it is only told of."""
    try:
        environment.close()
    except Exception as error:  # any: it is the user's, and nothing depends on it
        warnings.warn(
            f"the environment's close failed: {in_one_line(error)}", category=Notice, stacklevel=2
        )


def number(value: Any) -> float:
    """A reward as one number, also from an array of one; NaN where it is none."""
    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        return float("nan")
    return float(array.item()) if array.size == 1 else float("nan")


def _flag(name: str, value: Any) -> bool:
    if np.size(value) != 1:
        raise Failure(
            f"the environment's step returned {name} of shape {np.shape(value)}, not True or "
            "False: a vector environment? practice takes a single one"
        )
    return bool(np.asarray(value).item())


def _kind(answer: Any) -> str:
    """What was returned, in a few words."""
    if not isinstance(answer, tuple):
        return f"one {type(answer).__name__}"
    return f"{len(answer)} values ({', '.join(type(value).__name__ for value in answer)})"
