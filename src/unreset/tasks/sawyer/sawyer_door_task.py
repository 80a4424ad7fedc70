"""EARL's door as a task."""

from __future__ import annotations

from unreset.core.types import Task
from unreset.tasks.sawyer import sawyer
from unreset.tasks.sawyer.sawyer_door import PROTOCOL, SawyerDoorEnv
from unreset.tasks.sawyer.sawyer_experts import door_demonstrations
from unreset.tasks.simulation.simulated import simulated


def sawyer_door(reward: str = "sparse") -> Task:
    """The task, with its "sparse" or "dense" reward.

    Raises:
        UnresetError: if there is no such reward.
    """
    return simulated(
        "sawyer_door",
        "unreset/SawyerDoor-v0",
        SawyerDoorEnv,
        PROTOCOL,
        reward,
        summary="close a door (EARL; MuJoCo)",
        lasting=True,
        demonstrations=door_demonstrations,
        cameras=sawyer.LOOKING,
        proprioception=sawyer.PROPRIOCEPTION,
        offsets=sawyer.OFFSETS,
        position=(4, 5),
        position_name="handle position",
    )
