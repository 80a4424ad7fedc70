"""EARL's peg as a task."""

from __future__ import annotations

from functools import partial

from unreset.core.types import Task
from unreset.tasks.sawyer import sawyer
from unreset.tasks.sawyer.sawyer_experts import peg_demonstrations
from unreset.tasks.sawyer.sawyer_peg import PROTOCOL, SawyerPegEnv, stuck
from unreset.tasks.simulation.simulated import ask, simulated


def sawyer_peg(reward: str = "sparse") -> Task:
    """The task, with its "sparse", "dense" or "put_down" reward.

    The last one is 1 on success, as the first, but a peg that shall lie on the table has to be put
    down (:func:`put_down`). That concerns practice alone: the task's goal is in the hole.

    Raises:
        UnresetError: if there is no such reward.
    """
    return simulated(
        "sawyer_peg",
        "unreset/SawyerPeg-v0",
        SawyerPegEnv,
        PROTOCOL,
        reward,
        summary="insert a peg into a hole (EARL; MuJoCo)",
        lasting=True,
        score=ask if reward == "dense" else None,
        demonstrations=partial(peg_demonstrations, reward=reward),
        cameras=sawyer.LOOKING,
        proprioception=sawyer.PROPRIOCEPTION,
        offsets=sawyer.OFFSETS,
        stuck=stuck,
        position=(4, 5),
        position_name="peg head position",
    )
