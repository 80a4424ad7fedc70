"""What benchmarks ask of their tasks, as data: one table to read, and to override.

The EARL rows are those of the released benchmark (Sharma, Xu et al. 2022, arXiv 2112.09605).
To practise or evaluate by other numbers, replace a task's fields, such as
``dataclasses.replace(unreset.registry.task("kitchen"), horizon=280)``, or give flags to ``unreset
train``, such as ``--horizon 280``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Protocol:
    """Periods and episode lengths of a benchmark's task; all in environment steps."""

    horizon: int  # of one evaluation episode
    train_reset_every: int  # hard resets in training, for deployed evaluation
    continuing_reset_every: int  # hard resets in continuing evaluation
    goal_change_every: int  # new task goal in continuing evaluation
    success_radius: float  # distance to the goal at which the task counts as done
    stuck_reward: float = 0.0  # of every further step where nobody gets away without help

    def periods(self) -> dict[str, Any]:
        """The fields that :class:`unreset.core.types.Task` has too."""
        fields = asdict(self)
        del fields["success_radius"]
        return fields


#: EARL's table. The benchmark changes goals every two evaluation episodes throughout.
EARL: Mapping[str, Protocol] = {
    "tabletop": Protocol(200, 200_000, 50_000, 400, 0.2),
    "sawyer_door": Protocol(300, 200_000, 50_000, 600, 0.02),
    "sawyer_peg": Protocol(200, 100_000, 50_000, 400, 0.05),
    "kitchen": Protocol(400, 100_000, 50_000, 800, 0.3),
    "minitaur": Protocol(1000, 100_000, 100_000, 2000, 0.1),
}

#: Single-life RL (Chen, Sharma, Levine & Finn 2022, arXiv 2210.08863): what prior data is made in.
SINGLE_LIFE: Mapping[str, Protocol] = {
    "pointmass": Protocol(1000, 200_000, 50_000, 2000, 2.0),
    "tabletop": Protocol(200, 200_000, 50_000, 400, 0.15),
    "cheetah": Protocol(500, 200_000, 50_000, 1000, 0.0),
    "kitchen": Protocol(400, 200_000, 50_000, 800, 0.3),
}

#: PAINT (Xie, Tajwar, Sharma & Finn 2022, arXiv 2210.10765). It has no continuing evaluation: there
#: the periods are those of its training. A cheetah has one reset in 3,000,500 steps unless it asks
#: for more; its radius, in m/s, is ours, since the paper measures its reward and no success.
PAINT: Mapping[str, Protocol] = {
    "sticky_maze": Protocol(50, 500, 500, 100, 0.1),
    "tabletop_edge": Protocol(200, 200_000, 200_000, 400, 0.2, -0.1),
    "cheetah_velocity": Protocol(2000, 3_000_500, 3_000_500, 500, 0.5),
    "sawyer_peg_small": Protocol(1000, 100_000, 100_000, 2000, 0.05, -0.1),
}

#: Ours, where no benchmark released the task.
OURS: Mapping[str, Protocol] = {
    "dexterous": Protocol(200, 100_000, 50_000, 400, 0.1),
    "cube_grasp": Protocol(100, 100_000, 50_000, 200, 0.05),
    "pointmass_walls": Protocol(100, 100_000, 50_000, 200, 0.2),
}
