"""PAINT's half-cheetah: run as fast as you are told, and do not fall on your back.

A continuing task of Xie, Tajwar, Sharma & Finn (2022, arXiv 2210.10765): nothing ends it, the
velocity that is asked for changes now and then, and what counts is the average reward. On its back
the cheetah is taken to be helpless.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from unreset.core.types import Task
from unreset.tasks.benchmarks import PAINT
from unreset.tasks.cheetah.cheetah_model import EXTRA, JOINTS, HalfCheetahEnv, cheetah_model
from unreset.tasks.sawyer.sawyer import arrays
from unreset.tasks.simulation.mujoco_env import import_mujoco
from unreset.tasks.simulation.simulated import ask, simulated

PROTOCOL = PAINT["cheetah_velocity"]
GOALS = np.arange(3.0, 9.0, dtype=np.float32)[:, None]  # metres a second
FASTEST = 8.0
SPEED_WEIGHT, EFFORT_WEIGHT = 0.95, 0.05
SIZE = 18
SPEED, HEIGHT, PITCH = range(3)  # in an observation; then joints, and velocities of all nine
VELOCITIES = slice(9, 18)

#: Of (observation, goal): speed, positions, tenths of velocities, and the speed that is lacking.
OFFSETS = np.zeros((SIZE + 1, SIZE + 1), np.float32)
OFFSETS[range(SIZE), range(SIZE)] = [0.25] + [1.0] * 8 + [0.1] * 9
OFFSETS[SIZE, [SPEED, SIZE]] = -0.25, 0.25


def success(observation: Any, goal: Any) -> Any:
    """Whether the mean speed of the last step is less than 0.5 m/s from the goal. (Ours.)"""
    return abs(observation[SPEED] - goal[0]) < PROTOCOL.success_radius


def achieved(observation: Any) -> Any:
    """The mean speed of the last step [1]."""
    return observation[SPEED : SPEED + 1]


def effortless_reward(observation: Any, goal: Any) -> Any:
    """The part of the reward that an observation shows: as if nothing had been done."""
    lacking = abs(observation[SPEED] - goal[0])
    return SPEED_WEIGHT * (FASTEST - lacking) / FASTEST + EFFORT_WEIGHT


def reward(observation: Any, goal: Any, action: Any) -> Any:
    """``0.95 (8 - |v - g|) / 8 + 0.05 (6 - |a|^2) / 6``: at most 1.

    Args:
        observation: [18], whose first number is v.
        goal: [1], g in metres a second.
        action: [6], a.
    """
    return effortless_reward(observation, goal) - EFFORT_WEIGHT * (action**2).sum() / JOINTS


def stuck(observation: Any) -> Any:
    """Whether it lies on its back: the torso's pitch, wrapped to (-pi, pi], beyond 120 degrees.

    The pitch counts turns. That the wrapped one is beyond 2 pi / 3 on either side is what a cosine
    below -1/2 says.
    """
    return arrays(observation).cos(observation[PITCH]) < -0.5


class CheetahVelocityEnv(HalfCheetahEnv):
    """A half-cheetah is to run at a given speed.

    Observation [18]: mean forward speed of the last step (m/s); height (m) and pitch (rad, turns
    count) of the torso, six joints (rad); the velocities of forward motion, of these eight (m/s,
    rad/s). Goal [1]: a speed. See :class:`HalfCheetahEnv` for actions.

    The paper's observation has 19 numbers, goal included. Where the cheetah is on its endless track
    is not observed. The reward needs the action: :meth:`score` knows the last one.
    """

    observation_low, observation_high = (-np.inf,) * SIZE, (np.inf,) * SIZE
    goals = GOALS
    rewards = {"dense": effortless_reward}  # noqa: RUF012
    success, achieved = staticmethod(success), staticmethod(achieved)

    def __init__(self, **arguments: Any) -> None:
        super().__init__(cheetah_model(import_mujoco(EXTRA)), **arguments)

    def score(self, goal: np.ndarray) -> tuple[float, bool]:
        """Reward and success of the last step for a goal [1]."""
        seen = self._current()
        return float(reward(seen, goal, self._acted)), bool(success(seen, goal))

    def _look(self) -> np.ndarray:
        data = self.data
        return np.concatenate([[self._speed], data.qpos[1:], data.qvel], dtype=np.float32)

    def _put(self, state: np.ndarray) -> None:
        """As observed, where the track begins."""
        data = self.data
        self.mujoco.mj_resetData(self.model, data)
        data.qpos[1:], data.qvel[:] = state[HEIGHT : VELOCITIES.start], state[VELOCITIES]
        self._rest()
        self._speed = float(state[SPEED])


def cheetah_velocity() -> Task:
    """The task; simulating needs the extra ``cheetah``. There are no demonstrations."""
    return simulated(
        "cheetah_velocity",
        "unreset/CheetahVelocity-v0",
        CheetahVelocityEnv,
        PROTOCOL,
        "dense",
        summary="a half-cheetah runs at a given speed, without end (PAINT; MuJoCo)",
        score=ask,
        stuck=stuck,
        proprioception=tuple(number for number in range(PITCH, SIZE) if number not in (9, 10)),
        offsets=OFFSETS,
        position=(SPEED, PITCH),
        position_name="forward speed and pitch",
    )
