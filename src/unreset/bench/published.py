"""Published learning curves of the benchmark's tasks, mean over seeds, for comparison.

``published.csv`` holds, for each task and method, the mean and the standard error of success over
seeds at some environment steps; none of it was trained here. Sources: the evaluations released with
EARL (Sharma, Xu et al. 2022, arXiv 2112.09605) and, for ``medal`` and what begins with ``risc`` or
``fb_``, with RISC (Patil et al. 2024, arXiv 2405.01684).
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from unreset.runs.rows import read_rows

LEVELS = (0.5, 0.8, 0.9)
_FILE = Path(__file__).with_name("published.csv")


class Published(NamedTuple):
    """A published curve."""

    method: str
    steps: np.ndarray  # [points]
    success: np.ndarray  # [points]
    seeds: int

    def steps_to(self, level: float) -> float:
        """Steps at which the mean first is at a level; infinite where it never is."""
        passed = np.flatnonzero(self.success >= level)
        return float(self.steps[passed[0]]) if len(passed) else np.inf


def curves(task: str) -> list[Published]:
    """The published curves of a task; none where there are none.

    Points of at most half the seeds are left out: the few that went on longer are another mean.
    """
    rows = [row for row in read_rows(_FILE) if row["env"] == task]
    found = []
    for method in dict.fromkeys(row["method"] for row in rows):
        mine = [row for row in rows if row["method"] == method]
        seeds = max(int(row["seeds"]) for row in mine)
        mine = [row for row in mine if 2 * int(row["seeds"]) > seeds]
        points = sorted((float(row["env_steps"]), float(row["success_mean"])) for row in mine)
        steps, success = np.array(points).T
        found.append(Published(method, steps, success, seeds))
    return found
