"""PAINT's peg: EARL's on a table so small that the peg falls off, and then nobody picks it up.

The task of Xie, Tajwar, Sharma & Finn (2022, arXiv 2210.10765): everything is that of
:mod:`unreset.tasks.sawyer.sawyer_peg` but the size of the table. The hand's target stays 5 cm
above the table's top, and so what lies on the floor stays there until somebody helps.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from unreset.core.types import Task
from unreset.tasks.benchmarks import PAINT
from unreset.tasks.sawyer.sawyer import OBJECT
from unreset.tasks.sawyer.sawyer_peg import SawyerPegEnv
from unreset.tasks.sawyer.sawyer_peg_task import sawyer_peg
from unreset.tasks.simulation.mujoco_env import delete
from unreset.tasks.simulation.simulated import make

PROTOCOL = PAINT["sawyer_peg_small"]
TABLE = (0.42, 0.16)  # half of its sides along x and y, in metres
BIG_TABLE = (0.70, 0.40)  # the benchmark's
MIDDLE = (0.0, 0.6)  # of both


def stuck(observation: Any) -> Any:
    """Whether the peg has fallen off: its head [3] is below the table's top, which is at 0.

    PAINT looks at the peg's middle. Both are at one height as long as the peg lies as it did at
    the start, and it always does: its inertia in the scene is so large that it does not turn.
    """
    return observation[OBJECT][2] < 0.0


class SawyerPegSmallEnv(SawyerPegEnv):
    """:class:`SawyerPegEnv` on the small table.

    There is no start ``wide``, whose places are mostly beyond the edge. The retaining wall around
    the big table is gone: it would hang in the air.
    """

    starts = ("initial", "goal")

    def _edit(self, mujoco: Any, spec: Any) -> None:
        shrink = [small / big for small, big in zip(TABLE, BIG_TABLE, strict=True)]
        table = next(body for body in spec.bodies if body.name == "tablelink")
        for geom in table.geoms:
            if geom.type == mujoco.mjtGeom.mjGEOM_BOX:  # the top that is seen, and all that is felt
                geom.size[:2] = TABLE
        legs = next(mesh for mesh in spec.meshes if mesh.name == "tablebody")
        legs.scale = [*shrink, 1.0]
        delete(spec, next(body for body in spec.bodies if body.name == "RetainingWall"))


def sawyer_peg_small(reward: str = "sparse") -> Task:
    """The task, with its "sparse", "dense" or "put_down" reward.

    Raises:
        UnresetError: if there is no such reward.
    """
    from unreset.tasks.sawyer.sawyer_experts import peg_demonstrations  # noqa: PLC0415 - it needs the peg's module

    return replace(
        sawyer_peg(reward),
        name="sawyer_peg_small",
        summary="the peg on a table that it can fall off (PAINT; MuJoCo)",
        **PROTOCOL.periods(),
        environment=partial(
            make, "unreset/SawyerPegSmall-v0", reward_type=reward, disable_env_checker=True
        ),
        starts=tuple(SawyerPegSmallEnv.starts),
        stuck=stuck,
        demonstrations=partial(peg_demonstrations, reward=reward, kind=SawyerPegSmallEnv),
    )
