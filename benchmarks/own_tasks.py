"""Two environments of gymnasium-robotics as tasks: what the tutorial says works out of the box.

cd benchmarks && unreset train fbrl own_tasks:fetch_reach --steps 10000 --eval-every 1000
cd benchmarks && unreset train fbrl own_tasks:point_maze --steps 20000 --eval-every 2000
"""

from __future__ import annotations

from unreset import from_environment
from unreset.core.types import Task


def fetch_reach() -> Task:
    return from_environment("FetchReach-v4")


def point_maze() -> Task:
    return from_environment("PointMaze_UMaze-v3")
