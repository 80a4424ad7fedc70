"""The demonstrations of a script, and how often it had to try."""

from __future__ import annotations

from collections.abc import Sequence

from unreset.core.types import Trajectory


class Scripted(list[Trajectory]):
    """What a script has shown, all of it successful, and in how many tries."""

    def __init__(self, trajectories: Sequence[Trajectory], tries: int) -> None:
        super().__init__(trajectories)
        self.tries = tries
