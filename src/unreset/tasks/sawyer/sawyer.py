"""What the Sawyer tasks share: a robot arm whose hand follows a point that actions move.

The tasks are those of the EARL benchmark (Sharma, Xu et al. 2022, arXiv 2112.09605), which took
them from Meta-World (Yu et al. 2019, arXiv 1910.10897). The scenes are the asset files of the
package metaworld; none of its code is run.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import dist
from typing import Any

import jax.numpy as jnp
import numpy as np

from unreset.tasks.extras import folder
from unreset.tasks.simulation.mujoco_env import MujocoEnv, import_mujoco, weld_as_before_3

STEP = 0.01  # metres that an action of 1 moves the hand's target
SUBSTEPS = 5  # of 2.5 ms each
HAND_LOW, HAND_HIGH = (-0.5, 0.40, 0.05), (0.5, 1.0, 0.5)  # of the hand's target
OPEN, CLOSE = -1.0, 1.0  # the fourth action
WIDEST = 0.1  # metres between the fingers at an opening of 1
_RIGHT_RANGE, _LEFT_RANGE = 0.04, 0.03  # metres that each finger can close
_SETTLING = 50 * SUBSTEPS  # substeps in which a reset drives the hand to its place
_AS_SETTLED = 1e-3  # metres and opening from there within which a state counts as a reset's
_MOCAP_QUAT = (1.0, 0.0, 1.0, 0.0)  # the hand points down
_FINGERTIPS = ("rightEndEffector", "leftEndEffector")
_CAMERA_ANGLES = (3.6, 2.3, 4.0)  # radians, about x, y, z in turn
_CAMERAS = (  # name, position, vertical view in degrees
    ("doorview", (0.8, 0.3, 0.8), 45.0),
    ("clearview", (1.2, 0.3, 0.8), 60.0),
)

HAND, OPENING, OBJECT = slice(0, 3), 3, slice(4, 7)  # in observations and goals
PROPRIOCEPTION = (0, 1, 2, OPENING)
LOOKING = ("doorview", "wrist")  # cameras to learn from: one from the side, one on the hand
# Thrown about, the hand leaves the benchmark's own bounds by some centimetres.
LOW = (-0.8, 0.1, -0.2, 0.0, -np.inf, -np.inf, -np.inf)
HIGH = (0.8, 1.3, 0.9, 1.0, np.inf, np.inf, np.inf)

#: Of (hand, opening, object; goal): from object to hand, from the goal to the object, opening, and
#: where the object is, since hinge, hole and table do not move along. About unit size, from metres.
OFFSETS = np.zeros((10, 14), np.float32)
OFFSETS[range(3), range(3)], OFFSETS[range(3), range(4, 7)] = 10.0, -10.0
OFFSETS[range(3, 6), range(4, 7)], OFFSETS[range(3, 6), range(11, 14)] = 10.0, -10.0
OFFSETS[6, OPENING] = 2.0
OFFSETS[range(7, 10), range(4, 7)] = 4.0


def within(observation: Any, goal: Any, radius: float) -> Any:
    """Whether the object is at its goal: the distance of the last three numbers, in metres.

    NumPy and JAX; observation and goal [7].
    """
    return ((observation[OBJECT] - goal[OBJECT]) ** 2).sum() <= radius**2


def arrays(value: Any) -> Any:
    """The module that computes with ``value``: NumPy, or JAX's."""
    return np if isinstance(value, np.ndarray) else jnp


class SawyerEnv(MujocoEnv):
    """A hand, its fingers, and one object.

    Observations and goals [7]: the hand's x, y, z in metres, the fingers' opening (1 open, about
    0.3 closed on nothing), and the object's x, y, z. Actions [4]: the first three move the target
    that the hand follows by up to 1 cm, the fourth opens (negative) or closes the fingers.
    80 steps are one second.

    A task gives ``scene``, ``homes``, ``success``, ``_edit``, ``_object`` and ``_place``.
    """

    observation_low, observation_high = LOW, HIGH
    action_size = 4
    scene: str  # a file of metaworld
    homes: Sequence[tuple[float, float, float]]  # the hand's targets after resets

    def __init__(self, **arguments: Any) -> None:
        mujoco = import_mujoco("sawyer")
        scenes = folder("metaworld", "sawyer") / "assets" / "sawyer_xyz"
        spec = mujoco.MjSpec.from_file(str(scenes / self.scene))
        quaternion = np.empty(4)
        mujoco.mju_euler2Quat(quaternion, _CAMERA_ANGLES, "xyz")
        for name, position, view in _CAMERAS:
            spec.worldbody.add_camera(name=name, pos=position, quat=quaternion, fovy=view)
        spec.camera("gripperPOV").name = "wrist"
        self._edit(mujoco, spec)
        model = spec.compile()
        # The hand is welded to its target without an offset, as stiffly as in the benchmark.
        model.eq_data[0] = (0, 0, 0, 0, 0, 0, -1, 0, 0, 0, 1)
        weld_as_before_3(model, "hand")
        super().__init__(mujoco, model, **arguments)
        self.target, self._commands = self.data.mocap_pos[0], self.data.ctrl
        self._hand = self.data.body("hand").xpos
        self._fingertips = [self.data.site(name).xpos for name in _FINGERTIPS]
        self._fingers = [int(model.joint(name).qposadr[0]) for name in ("r_close", "l_close")]
        self._goal_site = int(model.site("goal").id)
        self._low, self._high = np.array(HAND_LOW), np.array(HAND_HIGH)
        self._settled: dict[tuple[float, ...], np.ndarray] = {}

    # What a task implements.

    def _edit(self, mujoco: Any, spec: Any) -> None:
        """Change the scene before it is compiled."""
        raise NotImplementedError

    def _object(self) -> Any:
        """The object's position [3]."""
        raise NotImplementedError

    def _place(self, position: np.ndarray) -> None:
        """Put the object, at rest, where its position is or is nearest to [3]."""
        raise NotImplementedError

    # The hand.

    def _drive(self, target: tuple[float, ...], substeps: int) -> None:
        """Let the hand follow a target [3], with the fingers as they are commanded."""
        self.target[:] = target
        self.data.mocap_quat[0] = _MOCAP_QUAT
        self.mujoco.mj_step(self.model, self.data, substeps)

    def _settle(self, target: tuple[float, ...]) -> None:
        """The simulator's reset, then the open hand driven to a target [3].

        It ends the same each time, so it is simulated once and put back afterwards.
        """
        if target in self._settled:
            super()._restore({"mujoco": self._settled[target]})
            return
        self.mujoco.mj_resetData(self.model, self.data)
        self._commands[:] = OPEN, -OPEN
        self._drive(target, _SETTLING)
        self._settled[target] = super()._simulator()["mujoco"]

    def _put(self, state: np.ndarray) -> None:
        """Hand, opening and object of an observation [7].

        Where a reset leaves the open hand, all is as after that reset, the hand's target at home.
        Elsewhere all is at rest, with the target where it holds the hand.
        """
        arm = np.asarray(state[:4], np.float64)
        if not any(self._leaves(home, arm) for home in self.homes):
            self._reach(arm[HAND], float(arm[OPENING]))
        self._place(np.asarray(state[OBJECT], np.float64))

    def _leaves(self, home: tuple[float, ...], arm: np.ndarray) -> bool:
        """Settle at home; whether that is where hand and opening [4] are."""
        self._settle(home)
        return bool(np.abs(self._look()[:4] - arm).max() < _AS_SETTLED)

    def _reach(self, hand: np.ndarray, opening: float) -> None:
        """Bring the hand to a place [3], at rest, with the fingers at an opening.

        The arm comes from home through whatever is in its way: an observation does not tell which
        way it went.
        """
        model, data = self.model, self.data
        self._settle(self.homes[0])
        closed = WIDEST * (1.0 - opening)
        left = min(0.5 * closed, _LEFT_RANGE)
        data.qpos[self._fingers] = self._commands[:] = min(closed - left, _RIGHT_RANGE), -left
        contacts = int(self.mujoco.mjtDisableBit.mjDSBL_CONTACT)
        model.opt.disableflags |= contacts
        target = hand.copy()
        for _ in range(4):  # under its weight the hand settles some millimetres below its target
            self._drive(tuple(target), _SETTLING)
            self.mujoco.mj_kinematics(model, data)
            target += hand - self._hand
        model.opt.disableflags ^= contacts
        self.target[:] = target
        data.qvel[:] = 0.0

    def _simulate(self, action: np.ndarray) -> None:
        """Move the target, and simulate a step but for its last substep, which the next one owes.

        So things are seen as in the benchmark, which looks at them as the last substep found them.
        A reset owes nothing.
        """
        step, model, data, target = self.mujoco.mj_step, self.model, self.data, self.target
        step(model, data, -round(data.time / model.opt.timestep) % SUBSTEPS)
        target += STEP * action[HAND]
        np.maximum(target, self._low, out=target)
        np.minimum(target, self._high, out=target)
        command = action[3]
        self._commands[0], self._commands[1] = command, -command
        step(model, data, SUBSTEPS - 1)

    def _look(self) -> np.ndarray:
        # Simulating leaves positions as they were one substep ago.
        self.mujoco.mj_kinematics(self.model, self.data)
        seen = np.empty(7, np.float32)
        seen[HAND] = self._hand
        right, left = self._fingertips
        seen[OPENING] = min(dist(right, left) / WIDEST, 1.0)
        seen[OBJECT] = self._object()
        return seen

    def score(self, goal: np.ndarray) -> tuple[float, bool]:
        """Reward and success of the present state for a goal [7]."""
        if self.reward_type == "dense":
            return super().score(goal)
        success = bool(self._success(self._current(), goal))  # and so computed only once
        return float(success), success

    def _picture(self, camera: str, size: int, marked: bool = True) -> np.ndarray:
        self.model.site_pos[self._goal_site] = self._goal[OBJECT]
        self.model.site_rgba[self._goal_site, 3] = float(marked)
        return super()._picture(camera, size)
