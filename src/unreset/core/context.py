"""A method bound to a task: what a part may ask about the run that it is in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from unreset.core.types import Task


@dataclass(frozen=True, eq=False)
class Context:
    """A method and the task that it practises. It is made once for a run and never changes."""

    method: Any  # a Method, which is made of parts, which are given this: so it cannot be named
    task: Task
