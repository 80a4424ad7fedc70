"""EARL's door: the arm closes an open door; practising, it must open it again.

The task follows the benchmark (Sharma, Xu et al. 2022, arXiv 2112.09605): a door twenty times
lighter than Meta-World's, its hinge's range, the distribution of starts, both rewards and the
predicate of success.
"""

from __future__ import annotations

from math import atan2, pi
from typing import Any

import numpy as np

from unreset.tasks.benchmarks import EARL
from unreset.tasks.sawyer import sawyer
from unreset.tasks.sawyer.sawyer import HAND, OBJECT, SawyerEnv

PROTOCOL = EARL["sawyer_door"]
DOOR = (0.1, 0.95, 0.1)  # the door frame's position
HINGE = (-0.085, 0.85)  # x, y
LOWEST, OPENED, CLOSED, SPREAD = -1.4, -pi / 3, 0.0, pi / 20  # angles of the hinge
HOME, HOME_AT_GOAL = (0.0, 0.4, 0.2), (0.29, 0.74, 0.1)  # targets of the hand
_CLOSED_HANDLE = (0.29072163, 0.74286009, 0.10003595)
_HANDLE_ANGLE = atan2(_CLOSED_HANDLE[1] - HINGE[1], _CLOSED_HANDLE[0] - HINGE[0])
_DENSITY = 50.0  # of the door, in kg/m^3
_DENSE_RADIUS = 0.05

#: Hand, opening, handle: the handle where the closed door has it, and the hand there too.
GOALS = np.array([(*_CLOSED_HANDLE, 1.0, *_CLOSED_HANDLE)], np.float32)
#: The door open by 60 degrees.
INITIAL = np.array(
    [(0.00591636, 0.39968333, 0.19493164, 1.0, 0.01007495, 0.47104556, 0.10003595)], np.float32
)


def success(observation: Any, goal: Any) -> Any:
    """The handle within 2 cm of the goal's; the hand does not matter. NumPy and JAX, [7] each."""
    return sawyer.within(observation, goal, PROTOCOL.success_radius)


def sparse_reward(observation: Any, goal: Any) -> Any:
    """1 on success, else 0. NumPy and JAX, [7] each."""
    return success(observation, goal).astype(np.float32)


def dense_reward(observation: Any, goal: Any) -> Any:
    """Up to 3 for the hand at the handle, up to 6 for the handle near its goal, 10 at the goal.

    Both fall off as a Gaussian, to a tenth at a margin beyond a tolerance: 1.25 cm and 5 cm. The
    margins of the benchmark depend on where the hand's target and the door were put at the start;
    here they are always those of an initial start, so that the reward is a function of observation
    and goal. NumPy and JAX, [7] each.
    """
    arrays = sawyer.arrays(observation)

    def length(difference: Any) -> Any:
        return arrays.sqrt((difference**2).sum())

    def closeness(distance: Any, tolerance: float, margin: Any) -> Any:
        return 0.1 ** ((arrays.maximum(distance - tolerance, 0.0) / margin) ** 2)

    handle, target = observation[OBJECT], goal[OBJECT]
    reach, way = length(observation[HAND] - handle), length(handle - target)
    reach_margin = length(np.array(HOME, np.float32) - handle) + 0.1
    way_margin = length(np.array(DOOR, np.float32) - target)
    reward = 3.0 * closeness(reach, 0.25 * _DENSE_RADIUS, reach_margin)
    reward = reward + 6.0 * closeness(way, _DENSE_RADIUS, way_margin)
    return arrays.where(way < _DENSE_RADIUS, 10.0, reward)


def angle_of(handle: np.ndarray) -> float:
    """The door's angle, in radians, at which its handle is at or nearest to a position [3]."""
    return atan2(handle[1] - HINGE[1], handle[0] - HINGE[0]) - _HANDLE_ANGLE


class SawyerDoorEnv(SawyerEnv):
    """The hand closes an open door.

    See :class:`SawyerEnv` for observations and actions. The object is the door's handle, and
    ``info["is_success"]`` says whether it is within 2 cm of its goal. Starts: ``initial``, the door
    open by 51 to 60 degrees; ``goal``, by 0 to 9 degrees, with the hand at the handle.
    """

    goals, initial_goals = GOALS, INITIAL
    rewards = {"sparse": sparse_reward, "dense": dense_reward}  # noqa: RUF012
    starts = ("initial", "goal")
    camera_names = ("doorview", "clearview", "wrist")
    scene = "sawyer_door_pull.xml"
    homes = (HOME, HOME_AT_GOAL)
    success = staticmethod(success)

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        joint = self.model.joint("doorjoint")
        self._angle, self._angular_velocity = int(joint.qposadr[0]), int(joint.dofadr[0])
        self._handle = self.data.geom("handle").xpos

    def _edit(self, mujoco: Any, spec: Any) -> None:
        spec.body("door").pos = DOOR
        spec.joint("doorjoint").range = (LOWEST, CLOSED)
        for geom in spec.body("door_link").geoms:
            geom.density = _DENSITY

    def _object(self) -> Any:
        return self._handle

    def _turn(self, angle: float) -> None:
        self.data.qpos[self._angle], self.data.qvel[self._angular_velocity] = angle, 0.0

    def _place(self, position: np.ndarray) -> None:
        self._turn(min(max(angle_of(position), LOWEST), CLOSED))

    def _begin(self, start: str) -> None:
        if start == "goal":
            self._settle(HOME_AT_GOAL)
            self._turn(CLOSED - self.np_random.uniform(0.0, SPREAD))
        else:
            self._settle(HOME)
            self._turn(OPENED + self.np_random.uniform(0.0, SPREAD))
