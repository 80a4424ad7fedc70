"""A method bound to a task: what a part may ask about the run that it is in."""

from __future__ import annotations

from dataclasses import dataclass

from unreset.core.method import Method
from unreset.core.types import Task


@dataclass(frozen=True, eq=False)
class Context:
    """A method and the task that it practises. It is made once for a run and never changes."""

    method: Method
    task: Task
