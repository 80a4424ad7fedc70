"""EARL's minitaur: a quadruped walks to a point in a pen, and on to the next one.

The robot, its motors, the pen, goals, reward and predicate follow the benchmark (Sharma, Xu et al.
2022, arXiv 2112.09605), which took the robot from PyBullet's (Tan et al. 2018, arXiv 1804.10332).
"""

from __future__ import annotations

import importlib
import math
import os
import sys
import weakref
from functools import partial
from typing import Any

import numpy as np

from unreset.core.types import Task
from unreset.tasks.benchmarks import EARL
from unreset.tasks.extras import require
from unreset.tasks.minitaur.minitaur_motor import MOTORS, SUBSTEP, VOLTAGE, Motors, motor_angles
from unreset.tasks.simulation.goal_env import GoalEnv
from unreset.tasks.simulation.simulated import simulated

PROTOCOL = EARL["minitaur"]
EXTRA = "minitaur"
GOALS = np.array([(x, y) for y in (0.2, 0.0, 0.4) for x in (0.4, 0.2, -0.2, -0.4)], np.float32)
INITIAL = np.zeros((1, 2), np.float32)

#: Of (observation, goal): angles, tenths of velocities, fifths of torques, orientation, and five
#: times the metres from the robot to the goal.
OFFSETS = np.zeros((30, 32), np.float32)
OFFSETS[range(28), range(28)] = np.repeat([1.0, 0.1, 0.2, 1.0], [8, 8, 8, 4])
OFFSETS[[28, 29], [28, 29]], OFFSETS[[28, 29], [30, 31]] = -5.0, 5.0

DISTANCE_WEIGHT, ENERGY_WEIGHT = 2.0, 0.005
SUBSTEPS, SOLVER_ITERATIONS = 5, 60
START = (0.0, 0.0, 0.2)
LEGS = ("front_left", "back_left", "front_right", "back_right")
DIRECTIONS = np.repeat([-1.0, 1.0], 4)  # motors on the left turn the other way round

# What each reset draws anew; masses are factors.
MASSES = (0.8, 1.2)
VOLTAGES = (VOLTAGE - 1.2, VOLTAGE + 0.8)
VISCOUS_DAMPINGS = (0.0, 0.01)
FRICTIONS = (0.8, 1.5)

PEN = 1.5  # half of its side
_WALL = (0.1, 1.0, 0.5)  # a tile
_BURIED = -10.0  # height of the goal's mark where it is not to be seen
_WALL_HEIGHTS = {False: 0.5, True: 0.25}  # of its middle, in an open and a closed pen
_UPPER_LEG, _LOWER_LEG = 0.115, 0.2
_KNEE = -(math.pi / 2 + math.asin(_UPPER_LEG / _LOWER_LEG))  # with both upper legs level
_ENDS = ((0.0, 0.005, _LOWER_LEG), (0.0, 0.01, _LOWER_LEG))  # where two lower legs are joined
_SETTLE = 100  # substeps


def success(observation: Any, goal: Any) -> Any:
    """Whether the robot's middle is less than 10 cm from the goal, seen from above."""
    return ((observation[28:30] - goal) ** 2).sum() < PROTOCOL.success_radius**2


def dense_reward(observation: Any, goal: Any) -> Any:
    """Minus twice the metres to the goal along x and y, minus 0.005 of a substep's energy.

    The energy, in joules, is the size of the motors' total power (observed torques times
    velocities, summed with their signs) times 0.002 s.
    """
    distance = abs(observation[28:30] - goal).sum()
    power = abs((observation[8:16] * observation[16:24]).sum())
    return -DISTANCE_WEIGHT * distance - ENERGY_WEIGHT * SUBSTEP * power


def sparse_reward(observation: Any, goal: Any) -> Any:
    """1 on success, else 0. (Ours; the benchmark has the dense one only.)"""
    return success(observation, goal).astype(np.float32)


def achieved(observation: Any) -> Any:
    """Where the robot is: x, y."""
    return observation[28:30]


REWARDS = {"dense": dense_reward, "sparse": sparse_reward}


def _import_pybullet() -> Any:
    """The package; importing it prints its date to the standard error, which is kept from there."""
    if "pybullet" in sys.modules:
        return sys.modules["pybullet"]
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        return require("pybullet", EXTRA)
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


class MinitaurEnv(GoalEnv):
    """A quadruped walks to a goal; the task never ends by itself, not even on a fall.

    The benchmark's walls hang 25 cm above the floor, and a robot that stands walks under them;
    those of a ``closed`` pen reach the floor.

    ``observation`` [30]: angles (8, radians), velocities (8) and observed torques (8, newton
    metres) of the motors, orientation (quaternion x, y, z, w), position x, y in metres. Goals [2]
    are positions. Actions [8] swing (4) and fold (4) the legs. Each reset draws masses, battery,
    damping and friction anew. Pictures show the goal as a ball.
    See :class:`unreset.tasks.simulation.goal_env.GoalEnv` for arguments and methods.

    PyBullet cannot restore all that its next step depends on (it saves no contact solver's warm
    start, and nothing across processes), so there is no ``get_state`` and no option ``state``: an
    interrupted run goes on from a reset.
    """

    observation_low = (-np.inf,) * 30
    observation_high = (np.inf,) * 30
    action_size = MOTORS
    goals = GOALS
    initial_goals = INITIAL
    rewards = REWARDS
    starts = ("initial",)
    camera_names = ("following", "above")
    success, achieved = staticmethod(success), staticmethod(achieved)

    def __init__(self, reward_type: str = "dense", closed: bool = False, **arguments: Any) -> None:
        self._wall_height = _WALL_HEIGHTS[bool(closed)]
        self._bullet = _import_pybullet()
        self._data = importlib.import_module("pybullet_data").getDataPath()
        self._free: Any = None  # disconnects from the simulator
        super().__init__(reward_type=reward_type, **arguments)

    def close(self) -> None:
        """Free the simulator; a reset makes a new one."""
        if self._free is not None:
            self._free()
        self._free = self._seen = None

    def _begin(self, start: str) -> None:
        bullet = self._bullet
        if self._free is None:
            self._client = bullet.connect(bullet.DIRECT)
            self._free = weakref.finalize(self, bullet.disconnect, self._client)
        self._scene = partial(_call, bullet, self._client)
        self._build()
        self._randomise()
        self._torques = np.zeros(MOTORS)
        for _ in range(_SETTLE):
            self._substep(np.full(MOTORS, math.pi / 2))

    def _load(self, name: str, position: tuple[float, ...], flags: int = 0) -> int:
        path = os.path.join(self._data, name)
        return int(self._scene("loadURDF", path, basePosition=position, flags=flags))

    def _build(self) -> None:
        """An empty world, then floor, pen, robot and the ball that marks the goal."""
        bullet, scene = self._bullet, self._scene
        scene("resetSimulation")
        scene(
            "setPhysicsEngineParameter",
            numSolverIterations=SOLVER_ITERATIONS,
            fixedTimeStep=SUBSTEP,
            deterministicOverlappingPairs=1,
        )
        scene("setGravity", 0, 0, -10)
        self._load("plane.urdf", (0.0, 0.0, 0.0))
        half = [side / 2 for side in _WALL]
        wall = {
            "baseCollisionShapeIndex": scene(
                "createCollisionShape", bullet.GEOM_BOX, halfExtents=half
            ),
            "baseVisualShapeIndex": scene(
                "createVisualShape", bullet.GEOM_BOX, halfExtents=half, rgbaColor=(1, 0.8, 0.8, 1)
            ),
        }
        for side in range(4):
            angle = side * math.pi / 2
            turned = bullet.getQuaternionFromEuler((0, 0, angle))
            for along in (-1.0, 0.0, 1.0):
                middle = (PEN + half[0], along, self._wall_height)
                place, _ = bullet.multiplyTransforms((0, 0, 0), turned, middle, (0, 0, 0, 1))
                scene("createMultiBody", basePosition=place, baseOrientation=turned, **wall)
        ball = scene("createVisualShape", bullet.GEOM_SPHERE, radius=0.03, rgbaColor=(0, 0.6, 0, 1))
        self._ball = scene("createMultiBody", baseVisualShapeIndex=ball)
        robot = self._load("quadruped/minitaur.urdf", START, bullet.URDF_USE_SELF_COLLISION)
        self._robot = robot
        count = scene("getNumJoints", robot)
        joints = [scene("getJointInfo", robot, joint) for joint in range(count)]
        self._joints = {joint[1].decode(): joint[0] for joint in joints}
        self._links = {joint[12].decode(): joint[0] for joint in joints}
        names = [f"{leg}{side}" for leg in LEGS for side in "LR"]
        self._motor_joints = [self._joints[f"motor_{name}_joint"] for name in names]
        knees = [self._joints[f"knee_{name}_link"] for name in names]
        for motor, knee, direction in zip(self._motor_joints, knees, DIRECTIONS, strict=True):
            scene("resetJointState", robot, motor, direction * math.pi / 2)
            scene("resetJointState", robot, knee, direction * _KNEE)
            for joint in (motor, knee):  # PyBullet's own motors would brake
                scene("setJointMotorControl2", robot, joint, bullet.VELOCITY_CONTROL, force=0)
        for left, right in zip(knees[::2], knees[1::2], strict=True):
            joined = (bullet.JOINT_POINT2POINT, (0, 0, 0), *_ENDS)
            scene("createConstraint", robot, left, robot, right, *joined)

    def _randomise(self) -> None:
        """Another robot of the same make: uniform in the ranges above."""
        random, robot = self.np_random, self._robot
        body, legs, motors = random.uniform(*MASSES, 3)
        self._motors = Motors(random.uniform(*VOLTAGES), random.uniform(*VISCOUS_DAMPINGS))
        friction = random.uniform(*FRICTIONS)
        factors = {"base": body, "upper_leg": legs, "lower_leg": legs, "motor": motors}
        for name, link in {"base": -1, **self._links}.items():
            factor = next((factors[kind] for kind in factors if name.startswith(kind)), None)
            if factor is not None:
                mass = self._scene("getDynamicsInfo", robot, link)[0] * factor
                self._scene("changeDynamics", robot, link, mass=mass)
            if name.startswith("lower_leg"):
                self._scene("changeDynamics", robot, link, lateralFriction=friction)

    def _turning(self) -> tuple[np.ndarray, np.ndarray]:
        """Angles [8] and velocities [8] of the motors, each in its own sense of rotation."""
        states = self._scene("getJointStates", self._robot, self._motor_joints)
        angle, velocity = np.array([state[:2] for state in states]).T
        return angle * DIRECTIONS, velocity * DIRECTIONS

    def _substep(self, wanted: np.ndarray) -> None:
        given, self._torques = self._motors.torques(wanted, *self._turning())
        self._scene(
            "setJointMotorControlArray",
            self._robot,
            self._motor_joints,
            self._bullet.TORQUE_CONTROL,
            forces=given * DIRECTIONS,
        )
        self._scene("stepSimulation")

    def _simulate(self, action: np.ndarray) -> None:
        wanted = motor_angles(action)
        for _ in range(SUBSTEPS):
            self._substep(wanted)

    def _look(self) -> np.ndarray:
        position, orientation = self._scene("getBasePositionAndOrientation", self._robot)
        seen = (*self._turning(), self._torques, orientation, position[:2])
        return np.concatenate(seen, dtype=np.float32)

    def _picture(self, camera: str, size: int, marked: bool = True) -> np.ndarray:
        bullet, scene = self._bullet, self._scene
        place = (*map(float, self._goal), 0.03 if marked else _BURIED)
        scene("resetBasePositionAndOrientation", self._ball, place, (0, 0, 0, 1))
        follows = camera == "following"
        target = scene("getBasePositionAndOrientation", self._robot)[0] if follows else (0, 0, 0)
        distance, pitch = (1.0, -30.0) if follows else (3.2, -89.9)
        view = bullet.computeViewMatrixFromYawPitchRoll(target, distance, 0.0, pitch, 0.0, 2)
        projection = bullet.computeProjectionMatrixFOV(60.0, 1.0, 0.1, 100.0)
        renderer = bullet.ER_TINY_RENDERER
        picture = scene("getCameraImage", size, size, view, projection, renderer=renderer)[2]
        return np.array(picture, np.uint8).reshape(size, size, 4)[..., :3].copy()

    def _checked_state(self, value: Any) -> np.ndarray:
        raise ValueError("the minitaur cannot be put into a state; reset without option state")


def _call(bullet: Any, client: int, name: str, *arguments: Any, **named: Any) -> Any:
    """Call PyBullet for one simulator among several."""
    return getattr(bullet, name)(*arguments, physicsClientId=client, **named)


def minitaur(reward: str = "dense") -> Task:
    """The task, with its "dense" or "sparse" reward; simulating needs the extra ``minitaur``.

    Raises:
        UnresetError: if there is no such reward.
    """
    return simulated(
        "minitaur",
        "unreset/Minitaur-v0",
        MinitaurEnv,
        PROTOCOL,
        reward,
        summary="a quadruped walks to points in a pen (EARL; PyBullet)",
        proprioception=tuple(range(28)),
        offsets=OFFSETS,
        position=(28, 29),
        position_name="robot position",
    )
