"""What stands open in the kitchen at the start, by name."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

#: The four single tasks: which object numbers stand where at the start.
OPENED: Mapping[str, Mapping[int, float]] = {
    "microwave": {13: -0.7},
    "light": {8: -0.69, 9: -0.05},
    "slide": {10: 0.37},
    "hinge": {12: 1.45},
}
PAIRS = (
    "microwave+hinge",
    "microwave+slide",
    "microwave+light",
    "light+slide",
    "light+hinge",
    "slide+hinge",
)
ALL_PAIRS = "all_pairs"
EVERY = (*OPENED, *PAIRS)


def opened(tasks: str) -> np.ndarray:
    """The 14 object positions with these tasks, such as "microwave+hinge", still to be done."""
    objects = np.zeros(14)
    for task in tasks.split("+"):
        for number, position in OPENED[task].items():
            objects[number] = position
    return objects


def check_tasks(tasks: str) -> tuple[str, ...]:
    """The starts that an option ``tasks`` names; raises ValueError where it names none."""
    if tasks == ALL_PAIRS:
        return PAIRS
    starts = tuple(tasks.split(",")) if isinstance(tasks, str) else ()
    if not starts or len(set(starts)) != len(starts) or not all(map(_is_start, starts)):
        raise ValueError(
            f"tasks must be {ALL_PAIRS!r}, one of {list(OPENED)}, two of them joined by '+', or "
            f"several such starts joined by ',', not {tasks!r}"
        )
    return starts


def _is_start(start: str) -> bool:
    parts = start.split("+")
    return len(parts) <= 2 and len(set(parts)) == len(parts) and set(parts) <= set(OPENED)
