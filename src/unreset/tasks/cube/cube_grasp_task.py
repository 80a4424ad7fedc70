"""The task of the cube: to grasp and lift it, and to put it down again."""

from __future__ import annotations

from typing import Any

from unreset.core.types import Task
from unreset.tasks.cube.cube_grasp import OFFSETS, PROTOCOL, CubeGraspEnv
from unreset.tasks.cube.cube_grasp_expert import cube_grasp_demonstrations
from unreset.tasks.simulation.simulated import simulated


def _demonstrations(seed: int = 0) -> Any:
    return cube_grasp_demonstrations(seed=seed)


def cube_grasp(reward: str = "sparse") -> Task:
    """The task, with its "sparse" or "dense" reward; simulating needs the extra ``cube``.

    Raises:
        UnresetError: if there is no such reward.
    """
    return simulated(
        "cube_grasp",
        "unreset/CubeGrasp-v0",
        CubeGraspEnv,
        PROTOCOL,
        reward,
        summary="grasp a cube and lift it (as MEDAL++'s robot; MuJoCo)",
        lasting=True,
        demonstrations=_demonstrations,
        proprioception=(0, 1, 2, 3, 7, 8, 9, 10),  # hand, opening, and their velocities
        offsets=OFFSETS,
        position=(4, 5),
        position_name="cube position",
    )
