"""A dexterous hand lifts a ball to a place in the air, and puts it back on the table.

A stand-in: the light-bulb task of the EARL benchmark (Sharma, Xu et al. 2022, arXiv 2112.09605)
was never released. This is the nearest thing on a maintained model: the Adroit hand with the ball
of Rajeswaran et al. (2018, arXiv 1709.10087), as gymnasium-robotics ships them. Goals, starts and
rewards are our own, so numbers cannot be compared with the benchmark's.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from unreset.core.types import Task
from unreset.tasks.benchmarks import OURS
from unreset.tasks.extras import folder
from unreset.tasks.simulation.mujoco_env import MujocoEnv, delete, import_mujoco
from unreset.tasks.simulation.simulated import simulated

PROTOCOL = OURS["dexterous"]
FRAME_SKIP = 10  # of 0.002 s
RADIUS = 0.035  # metres, of the ball; its centre's height on the table
LIFTED = 0.04  # metres above where it rests on the table

#: The ball stays in a box with invisible walls: metres from the middle of the table, and up.
BOX, CEILING = 0.25, 0.6

#: Of an observation: 30 hand joints, palm, ball, then the velocities of joints and ball.
JOINTS, PALM, BALL = slice(0, 30), slice(30, 33), slice(33, 36)
JOINT_VELOCITIES, BALL_VELOCITY, BALL_SPIN = slice(36, 66), slice(66, 69), slice(69, 72)
SIZE = 72
FASTEST = 50.0  # rad/s or m/s: observed velocities are clipped here

#: Where the ball should be, x, y, z in metres: in the air, and (the starts) on the table.
GOALS = np.array([(0.0, 0.0, 0.2), (0.1, 0.05, 0.22), (-0.1, 0.05, 0.22)], np.float32)
INITIAL = np.array([(0.0, 0.0, RADIUS), (0.1, 0.05, RADIUS), (-0.1, 0.05, RADIUS)], np.float32)
WIDE = 0.12  # metres: a wide start puts the ball anywhere in a square of this half-width

#: Of (observation; goal): joints, palm to ball, ball to goal, palm and ball, velocities.
OFFSETS = np.zeros((78, SIZE + 3), np.float32)
OFFSETS[range(30), range(30)] = 1.0
OFFSETS[range(30, 33), range(33, 36)] = 10.0
OFFSETS[range(30, 33), range(30, 33)] = -10.0
OFFSETS[range(33, 36), range(72, 75)] = 10.0
OFFSETS[range(33, 36), range(33, 36)] = -10.0
OFFSETS[range(36, 42), range(30, 36)] = 5.0
OFFSETS[range(42, 72), range(36, 66)] = 0.1
OFFSETS[range(72, 75), range(66, 69)] = 1.0
OFFSETS[range(75, 78), range(69, 72)] = 0.1


def _distance(difference: Any) -> Any:
    return (difference**2).sum() ** 0.5


def achieved(observation: Any) -> Any:
    """The goal that an observation satisfies: where the ball is."""
    return observation[BALL]


def success(observation: Any, goal: Any) -> Any:
    """The ball's centre within the protocol's radius of the goal."""
    return ((observation[BALL] - goal) ** 2).sum() <= PROTOCOL.success_radius**2


def sparse_reward(observation: Any, goal: Any) -> Any:
    """1 on success, else 0."""
    return success(observation, goal).astype(np.float32)


def dense_reward(observation: Any, goal: Any) -> Any:
    """``-|palm - ball| - 2 |ball - goal| + lifted + 2 success``; distances in metres.

    ``lifted`` is 1 while the ball is off the table and its goal is too, else 0.
    """
    reach = _distance(observation[PALM] - observation[BALL])
    far = _distance(observation[BALL] - goal)
    air = RADIUS + LIFTED
    lifted = (observation[BALL][2] > air) & (goal[2] > air)
    return -reach - 2.0 * far + 1.0 * lifted + 2.0 * success(observation, goal)


REWARDS: dict[str, Any] = {"sparse": sparse_reward, "dense": dense_reward}


@cache
def _model(mujoco: Any) -> Any:
    """The hand above its table, the ball moving freely inside a box of invisible walls."""
    assets = folder("gymnasium_robotics", "dexterous") / "envs/assets"
    specification = mujoco.MjSpec.from_file(str(assets / "adroit_hand/adroit_relocate.xml"))
    ball = next(body for body in specification.bodies if body.name == "Object")
    # Three hinges in a row lock where the middle one has turned by 90 degrees, which the ball of
    # an episode seldom does, but that of a practice without end will.
    for joint in list(ball.joints):
        delete(specification, joint)
    ball.add_freejoint()
    geom = next(geom for geom in specification.geoms if geom.name == "sphere")
    geom.condim = 6  # with friction against rolling
    geom.conaffinity = 3
    world = specification.worldbody
    walls = (
        ((-BOX, 0, 0), (1, 0, 1, 0)),
        ((BOX, 0, 0), (1, 0, -1, 0)),
        ((0, -BOX, 0), (1, -1, 0, 0)),
        ((0, BOX, 0), (1, 1, 0, 0)),
        ((0, 0, CEILING), (0, 1, 0, 0)),
    )
    for place, turn in walls:  # planes that face inwards, met by nothing but the ball
        world.add_geom(
            type=mujoco.mjtGeom.mjGEOM_PLANE,
            pos=place,
            quat=turn,
            size=(1, 1, 0.1),
            contype=2,
            conaffinity=0,
            group=5,
            rgba=(0, 0, 0, 0),
        )
    return specification.compile()


class DexterousEnv(MujocoEnv):
    """An Adroit hand on an arm of six joints, a table, and a ball.

    Observation [72]: 30 joint positions (m, rad), palm [3] and ball [3] (m), then the velocities
    of joints [30], ball [3] (m/s) and its spin [3] (rad/s). Goal [3]: where the ball should be.
    Action [30]: what each joint should be at, from the low (-1) to the high end (1) of its range.

    Args:
        reward_type: "sparse" or "dense".
        arguments: those of :class:`unreset.tasks.simulation.goal_env.GoalEnv`.

    Raises:
        ValueError: if an argument is not one of these.
        UnresetError: if mujoco or gymnasium-robotics is not installed.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 50}  # noqa: RUF012
    observation_high = np.array([4.0] * 36 + [FASTEST] * 36)
    observation_low = -observation_high
    action_size = 30
    goals, initial_goals = GOALS, INITIAL
    rewards = REWARDS
    success, achieved = staticmethod(success), staticmethod(achieved)
    camera_names = ("vil_camera", "fixed")

    def __init__(self, **arguments: Any) -> None:
        mujoco = import_mujoco("dexterous")
        model = _model(mujoco)
        low, high = model.actuator_ctrlrange.T
        self._middle, self._range = (low + high) / 2, (high - low) / 2
        self._palm, self._target = model.site("S_grasp").id, model.site("target").id
        super().__init__(mujoco, model, **arguments)

    def _begin(self, start: str) -> None:
        if start == "goal":
            where = np.asarray(self._goal)
        elif start == "wide":
            where = np.array([*self.np_random.uniform(-WIDE, WIDE, 2), RADIUS])
        else:
            where = INITIAL[self.np_random.integers(len(INITIAL))]
        state = np.zeros(SIZE)
        state[BALL] = where
        self._put(state)

    def _put(self, state: np.ndarray) -> None:
        """Joints, ball and velocities as observed; the palm follows, the ball's turn is lost."""
        data = self.data
        self.mujoco.mj_resetData(self.model, data)
        data.qpos[:] = [*state[JOINTS], *state[BALL], 1, 0, 0, 0]
        data.qvel[:] = [*state[JOINT_VELOCITIES], *state[BALL_VELOCITY], *state[BALL_SPIN]]
        self.mujoco.mj_forward(self.model, data)

    def _simulate(self, action: np.ndarray) -> None:
        self.data.ctrl[:] = self._middle + self._range * action
        self.mujoco.mj_step(self.model, self.data, nstep=FRAME_SKIP)
        self.mujoco.mj_kinematics(self.model, self.data)  # a step moves bodies after it placed them

    def _look(self) -> np.ndarray:
        data = self.data
        seen = np.empty(SIZE, np.float32)
        seen[JOINTS] = data.qpos[:30]
        seen[PALM] = data.site_xpos[self._palm]
        seen[BALL] = data.qpos[30:33]
        seen[36:] = np.minimum(np.maximum(data.qvel, -FASTEST), FASTEST)
        return seen

    def _picture(self, camera: str, size: int, marked: bool = True) -> np.ndarray:
        """The model's green ball marks the goal."""
        self.model.site_pos[self._target] = self._goal
        self.model.site_rgba[self._target, 3] = float(marked)
        return super()._picture(camera, size)


def dexterous(reward: str = "sparse") -> Task:
    """The task, with its "sparse" or "dense" reward; there are no demonstrations.

    Raises:
        UnresetError: if there is no such reward.
    """
    return simulated(
        "dexterous",
        "unreset/Dexterous-v0",
        DexterousEnv,
        PROTOCOL,
        reward,
        summary="lift a ball with a hand; stands in for EARL's light bulb (MuJoCo)",
        lasting=True,
        proprioception=(*range(33), *range(36, 66)),  # joints, palm, and the joints' velocities
        offsets=OFFSETS,
        position=(33, 35),
        position_name="ball x and height",
    )
