"""The kitchen as single-life RL uses it: shut two things at once, having shut only one at a time.

After Chen, Sharma, Levine & Finn (2022, arXiv 2210.08863), who never released their environment;
that the two are the microwave and the hinged cabinet is what we know of it. Reward and success are
EARL's (see :mod:`unreset.tasks.kitchen.kitchen`).
"""

from __future__ import annotations

from dataclasses import replace

from unreset.core.types import Task
from unreset.tasks.benchmarks import SINGLE_LIFE
from unreset.tasks.kitchen.kitchen_task import kitchen

PROTOCOL = SINGLE_LIFE["kitchen"]
ALONE, TOGETHER = "microwave,hinge", "microwave+hinge"  # as options of KitchenEnv


def kitchen_combination(reward: str = "dense", together: bool = False) -> Task:
    """The kitchen with one of two doors open, or with both of them ``together``.

    The demonstrations of either show one door alone: what is new in the life is never shown.

    Args:
        reward: "dense" or "sparse", EARL's.
        together: whether both doors are open, as in the life, or one of them at a time, as before.

    Raises:
        UnresetError: if there is no such reward.
    """
    before = kitchen(reward, ALONE)
    doors = "microwave and cabinet" + (", both open" if together else ", one of them open")
    return replace(
        kitchen(reward, TOGETHER) if together else before,
        name="kitchen_together" if together else "kitchen_alone",
        summary=f"close the doors of {doors} (single-life RL; MuJoCo)",
        demonstrations=before.demonstrations,
        **PROTOCOL.periods(),
    )
