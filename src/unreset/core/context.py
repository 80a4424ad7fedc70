"""A method bound to a task: what a part may ask about the run that it is in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from unreset.core.types import Array, Task
from unreset.networks.views import Frames, coarse, looked_at


@dataclass(frozen=True)
class Context:
    """A method and the task that it practises. It is made once for a run and never changes."""

    method: Any  # a Method, which is made of parts, which are given this: so it cannot be named
    task: Task

    def plain(self, observation: Array, frames: Frames) -> Array:
        """Numbers [..., n] for parts that see no goal: the observation, or coarse pictures."""
        vision = self.method.vision
        if not vision.pixels:
            return observation
        sight = replace(
            vision, goal_view="none", proprioception=False, goal_proprioception=False, stack=1
        )
        # Without a goal's view its numbers do not count.
        goal = observation[..., :0]
        return coarse(looked_at(sight, self.task, observation, goal, frames, None).image)
