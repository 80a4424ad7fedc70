"""The exceptions that a user meets (free of JAX, for deployed policies)."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UnresetError(Exception):
    """A mistake that the user can mend; the message says what was wrong and what would be right."""


class Failure(UnresetError):
    """Something that broke a run under way; the message names the last whole checkpoint."""


class Notice(UserWarning):
    """A warning for the user; the command line prints it as one line."""


def look_up(kind: str, name: str, known: Iterable[str]) -> None:
    """Raise UnresetError with the nearest name, or all of them, unless ``name`` is known."""
    names = list(known)
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names)}"
        raise UnresetError(f"unknown {kind} {name!r}; {hint}")
