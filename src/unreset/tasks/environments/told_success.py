"""What the ``info`` of somebody else's environment says about success."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from unreset.errors import UnresetError

#: Under which names an info may say it: Gymnasium's robotics; Meta-World and ManiSkill; gym-hil.
NAMES = ("is_success", "success", "succeed")


class Unclear(UnresetError):
    """An info that speaks of success, but not clearly."""


def told_success(info: Any) -> bool | None:
    """Whether an info says that the task is done; None where it does not say.

    It may say so under several of :data:`NAMES`, by a bool, a finite number (0 is no success) or an
    array of one such value; None says nothing.

    Raises:
        Unclear: where a value is anything else, or two of them disagree.
    """
    given = info if isinstance(info, Mapping) else {}
    told = {name: given[name] for name in NAMES if given.get(name) is not None}
    read = {name: _read(name, value) for name, value in told.items()}
    if len(set(read.values())) > 1:
        values = ", ".join(f"{name}={_shown(value)}" for name, value in told.items())
        raise Unclear(
            f"its info disagrees about success: {values}; let one of them say it, or give success= "
            "a function"
        )
    return next(iter(read.values()), None)


def _read(name: str, value: Any) -> bool:
    try:
        array = np.asarray(value)
        if array.size == 1 and array.dtype.kind in "biuf" and np.isfinite(array).all():
            return bool(array.item())
    except Exception:  # any: it is the user's
        pass
    raise Unclear(
        f"its info says {name}={_shown(value)}, which must be True or False, or one finite number; "
        "mend that, or give success= a function"
    )


def _shown(value: Any) -> str:
    return f"{' '.join(repr(value).split()):.60}"
