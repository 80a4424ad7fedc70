"""Seeds, whole numbers of 32 bits, all of which count; and how many there are of something."""

from __future__ import annotations

from typing import Any

import numpy as np

from unreset.errors import UnresetError

MOST = (1 << 32) - 1  # larger ones would be taken for others: JAX's keys are made of 32 bits


def checked(seed: Any, seeds: Any = 1, name: str = "seed") -> tuple[int, int]:
    """The first of some seeds and their number, as Python's ints.

    Args:
        seed: the first of them, an int or one of NumPy's, from 0 to 4,294,967,295.
        seeds: how many follow each other; the last is in that range, too.
        name: of the first one's argument.

    Raises:
        UnresetError: where one of them is not such a number; one line names it.
    """
    first, number = whole(name, seed), whole("seeds", seeds)
    if not 0 <= first <= MOST:
        raise UnresetError(f"{name} must be from 0 to {MOST:,}, not {first:,}")
    if number < 1:
        raise UnresetError(f"seeds must be at least 1, not {number}")
    if first + number - 1 > MOST:
        raise UnresetError(
            f"{name}={first:,} and {number:,} seeds would end with seed {first + number - 1:,}; "
            f"the last must be at most {MOST:,}"
        )
    return first, number


def whole(name: str, value: Any) -> int:
    """An argument that is a whole number, as Python's int; raises UnresetError where it is none."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
        raise UnresetError(f"{name} must be a whole number, not {value!r:.60}")
    return int(value)


def at_least(name: str, value: Any, least: int = 1) -> int:
    """An argument that says how many, as Python's int; raises UnresetError where it cannot."""
    if (number := whole(name, value)) < least:
        raise UnresetError(f"{name} must be at least {least}, not {number}")
    return number
