"""Grasp a cube from anywhere on a table and lift it: MEDAL++'s robot task, in simulation.

The task is that of Sharma et al. 2023 (MEDAL++, arXiv 2303.01488): a robot's hand that sees
proprioception and two cameras grasps a cube; started where nobody demonstrated, it gets better by
practising. The scene is ours: the Fetch arm and the table of gymnasium-robotics (Plappert et al.
2018, arXiv 1802.09464), edited in memory and stepped by bare MuJoCo. Positions are in metres from
the middle of the table's top; x points away from the robot.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from unreset.tasks.benchmarks import OURS
from unreset.tasks.cube.cube_grasp_model import CAMERAS, EXTRA, HALF, MIDDLE, REACH, model_xml
from unreset.tasks.simulation.mujoco_env import MujocoEnv, import_mujoco

PROTOCOL = OURS["cube_grasp"]

CENTRAL = 0.08  # initial starts: the cube's centre within +-CENTRAL in x and y
HOME = np.array([0.0, 0.0, 0.2])  # the hand's
HELD, AWAY = 0.04, 0.08  # from hand to cube: at most, where it is held; at least, where let go
REST_SLACK = 0.01  # height above rest up to which the cube lies on the table
GOALS = np.array([[0.0, 0.0, 0.15]], np.float32)  # lifted 12.5 cm above the middle
PLACES = np.array(
    [(x, y, HALF) for x in (-0.12, 0.0, 0.12) for y in (-0.18, -0.09, 0.0, 0.09, 0.18)],
    np.float32,
)  # where the cube is to be put down

#: Of (observation, goal): from the hand to the cube, from the cube to the goal, opening and
#: height of the cube in decimetres; velocities in metres a second.
OFFSETS = np.zeros((15, 17), np.float32)
OFFSETS[[0, 1, 2], [4, 5, 6]] = OFFSETS[[3, 4, 5], [14, 15, 16]] = 10.0
OFFSETS[[0, 1, 2], [0, 1, 2]] = OFFSETS[[3, 4, 5], [4, 5, 6]] = -10.0
OFFSETS[[6, 7], [3, 6]] = 10.0
OFFSETS[range(8, 15), range(7, 14)] = 1.0

STEP = 0.05  # largest displacement of the hand's target per axis and step
SUBSTEPS = 20  # of 0.002 s: 25 steps a second
_HAND_LOW = np.array([*(-REACH - 0.01), 0.02])  # fingertips are 18.5 mm below the hand
_HAND_HIGH = np.array([*(REACH + 0.01), 0.3])
_DOWN = np.array([1.0, 0.0, 1.0, 0.0]) / math.sqrt(2)  # the hand's orientation
_FINGERS = ("robot0:r_gripper_finger_joint", "robot0:l_gripper_finger_joint")
_GAP = 0.05  # how far a finger moves
_PARKED = np.array([3.0, 0.75, HALF])  # on the floor, in the model's frame
_SETTLE, _SQUEEZE = 15, 10  # steps for the hand to arrive and for fingers to hold


def success(observation: Any, goal: Any) -> Any:
    """Whether the cube is within 5 cm of the goal, and held or let go as the goal has it.

    For a goal [3] in the air the hand must be at the cube (within 4 cm): it holds it. For a goal
    on the table the cube must lie there and the hand be gone (8 cm away): it has put it down.
    """
    cube = observation[4:7]
    reach = ((cube - observation[0:3]) ** 2).sum()
    near = ((cube - goal) ** 2).sum() <= PROTOCOL.success_radius**2
    on_table = goal[2] <= HALF + REST_SLACK
    let_go = (cube[2] <= HALF + REST_SLACK) & (reach >= AWAY**2)
    return near & ((on_table & let_go) | (~on_table & (reach <= HELD**2)))


def sparse_reward(observation: Any, goal: Any) -> Any:
    """1 on success, else 0."""
    return success(observation, goal).astype(np.float32)


def dense_reward(observation: Any, goal: Any) -> Any:
    """Minus metres from cube to goal, minus half of those from hand to cube until it is there.

    1 is added on success. Ours: the real robot had no such reward.
    """
    cube = observation[4:7]
    distance = ((cube - goal) ** 2).sum() ** 0.5
    reach = ((cube - observation[0:3]) ** 2).sum() ** 0.5
    fetching = (distance > PROTOCOL.success_radius) * reach
    return success(observation, goal).astype(np.float32) - distance - 0.5 * fetching


def achieved(observation: Any) -> Any:
    """Where the cube is [3]."""
    return observation[4:7]


REWARDS = {"sparse": sparse_reward, "dense": dense_reward}


class CubeGraspEnv(MujocoEnv):
    """A hand grasps and lifts a cube, and puts it down elsewhere; the task never ends by itself.

    ``observation`` [14], in metres and metres a second from the middle of the table's top: hand
    x, y, z and the opening between its fingers (0 to 0.1); cube x, y, z; velocities of the hand
    (3), of the opening and of the cube (3). Goals [3] are places for the cube: in the air, where
    it is to be held, or on the table (z = 0.025), where it is to be let go. Actions [4] move the
    hand's target by up to 5 cm from where the hand is, and open (positive) or close its fingers.
    The cube's orientation is not observed; pictures show it. A fence that touches the cube alone
    keeps it within reach. After ``reset(options={"state": ...})`` nothing moves.
    See :class:`unreset.tasks.simulation.goal_env.GoalEnv` for arguments and methods.
    """

    observation_low = (-np.inf,) * 14
    observation_high = (np.inf,) * 14
    action_size = 4
    goals = GOALS
    initial_goals = PLACES
    rewards = REWARDS
    success, achieved = staticmethod(success), staticmethod(achieved)
    camera_names = CAMERAS

    def __init__(self, **arguments: Any) -> None:
        mujoco = import_mujoco(EXTRA)
        model = mujoco.MjModel.from_xml_string(model_xml())
        super().__init__(mujoco, model, **arguments)
        cube, self._site = model.joint("object0:joint"), model.site("robot0:grip").id
        self._cube = slice(cube.qposadr[0], cube.qposadr[0] + 7)
        self._cube_velocity = slice(cube.dofadr[0], cube.dofadr[0] + 6)
        fingers = [model.joint(name) for name in _FINGERS]
        self._fingers = np.array([finger.qposadr[0] for finger in fingers])
        self._finger_velocities = np.array([finger.dofadr[0] for finger in fingers])
        self._motion = np.zeros(6)
        self._grip = model.site("robot0:grip").pos[0]  # the hand's point, below the wrist
        self._home = self.data.qpos.copy()
        self._home[self._cube] = [*_PARKED, 1.0, 0.0, 0.0, 0.0]
        self._arrange(HOME, 2 * _GAP, _PARKED - MIDDLE)
        self._home = self.data.qpos.copy()

    def _target(self, hand: np.ndarray) -> None:
        """Ask for a hand's position [3]; the body that is moved is above the hand's point."""
        self.data.mocap_pos[0] = hand + MIDDLE
        self.data.mocap_pos[0, 2] += self._grip
        self.data.mocap_quat[0] = _DOWN

    def _hand(self) -> np.ndarray:
        return np.asarray(self.data.site_xpos[self._site] - MIDDLE)

    def _simulate(self, action: np.ndarray) -> None:
        hand = self._hand() + STEP * action[:3]
        self._target(np.minimum(np.maximum(hand, _HAND_LOW), _HAND_HIGH))
        self.data.ctrl[:] = self.data.qpos[self._fingers] + action[3]
        self.mujoco.mj_step(self.model, self.data, SUBSTEPS)
        self._place()

    def _place(self) -> None:
        """Where bodies are and how they move: a step leaves that as it was a substep before."""
        self.mujoco.mj_kinematics(self.model, self.data)
        self.mujoco.mj_comPos(self.model, self.data)
        self.mujoco.mj_comVel(self.model, self.data)

    def _look(self) -> np.ndarray:
        data, seen = self.data, np.empty(14, np.float32)
        site = self.mujoco.mjtObj.mjOBJ_SITE
        self.mujoco.mj_objectVelocity(self.model, data, site, self._site, self._motion, 0)
        seen[0:3] = self._hand()
        seen[3] = data.qpos[self._fingers].sum()
        seen[4:7] = data.qpos[self._cube][:3] - MIDDLE
        seen[7:10] = self._motion[3:]
        seen[10] = data.qvel[self._finger_velocities].sum()
        seen[11:14] = data.qvel[self._cube_velocity][:3]
        return seen

    def _begin(self, start: str) -> None:
        random = self.np_random
        if start == "goal" and self._goal[2] > HALF + REST_SLACK:
            self._arrange(self._goal, 2 * HALF, self._goal)
            return
        turn = float(random.uniform(-math.pi / 4, math.pi / 4))
        hand, cube = HOME + random.uniform(-0.02, 0.02, 3), np.array([0.0, 0.0, HALF])
        if start == "goal":
            cube[:] = self._goal
        elif start == "initial":
            cube[:2] = random.uniform(-CENTRAL, CENTRAL, 2)
        else:
            hand[:2] = random.uniform(-REACH, REACH)
            while np.abs(cube[:2]).max() <= CENTRAL:
                cube[:2] = random.uniform(-REACH, REACH)
        self._arrange(hand, 2 * _GAP, cube, turn)

    def _put(self, state: np.ndarray) -> None:
        self._arrange(state[0:3], float(state[3]), state[4:7])

    def _checked_state(self, value: Any) -> np.ndarray:
        state = super()._checked_state(value)
        for what, position in (("hand", state[0:3]), ("cube", state[4:7])):
            low = np.array([*(-REACH - 0.02), 0.0])
            if (position < low).any() or (position > [*(-low[:2]), 0.4]).any():
                raise ValueError(
                    f"state puts the {what} at {position.tolist()}; x and y must lie within "
                    f"{(-low[:2]).round(3).tolist()} of 0, and z between 0 and 0.4"
                )
        return state

    def _arrange(self, hand: Any, opening: float, cube: Any, turn: float = 0.0) -> None:
        """Drive the hand there, then lay the cube down; between the fingers it is squeezed."""
        data = self.data
        self.mujoco.mj_resetData(self.model, data)
        data.qpos[:] = self._home
        self._target(hand)
        data.ctrl[:] = opening / 2
        self.mujoco.mj_step(self.model, data, _SETTLE * SUBSTEPS)
        data.qpos[self._fingers] = np.clip(opening / 2, 0.0, _GAP)
        data.qpos[self._cube] = [*(cube + MIDDLE), math.cos(turn / 2), 0, 0, math.sin(turn / 2)]
        data.qvel[:] = 0.0
        lifted = cube[2] > HALF + REST_SLACK
        if lifted and ((np.asarray(cube) - hand) ** 2).sum() <= HELD**2:
            data.ctrl[:] = 0.0
            self.mujoco.mj_step(self.model, data, _SQUEEZE * SUBSTEPS)
        self._place()
