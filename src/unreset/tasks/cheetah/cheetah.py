"""Single-life RL's half-cheetah: run 300 m, in the life over hurdles that it never met before.

The rules follow the released code of QWALE (Chen, Sharma, Levine & Finn 2022, arXiv 2210.08863): a
cheetah with a short torso, its reward, and ten hurdles. A hurdle costs nothing by itself; it stops
who does not jump, and may throw it on its back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from unreset.core.types import Task
from unreset.tasks.benchmarks import SINGLE_LIFE
from unreset.tasks.cheetah.cheetah_model import EXTRA, PITCH, HalfCheetahEnv, cheetah_model
from unreset.tasks.environments.judges import known_to_environment
from unreset.tasks.simulation.mujoco_env import import_mujoco
from unreset.tasks.simulation.simulated import ask, simulated

PROTOCOL = SINGLE_LIFE["cheetah"]
DISTANCE = 300.0  # metres
GOALS = np.array([[DISTANCE]], np.float32)
SHORT_TORSO = 0.28  # metres, half of its length
EFFORT_WEIGHT = 0.1
SIZE = 18
POSITIONS, VELOCITIES, CONSTANT = slice(0, 8), slice(8, 17), -1.0

#: Of (observation, goal): positions, and tenths of velocities. The rest never changes.
OFFSETS = np.zeros((SIZE - 1, SIZE + 1), np.float32)
OFFSETS[range(SIZE - 1), range(SIZE - 1)] = [1.0] * 8 + [0.1] * 9


def reward(speed: float, action: np.ndarray, pitch: float) -> float:
    """``dx/dt - 0.1 |a|^2 - |pitch|``.

    Args:
        speed: metres a second, mean of the step.
        action: [6].
        pitch: of the torso, in radians; turns count.
    """
    return speed - EFFORT_WEIGHT * float((action**2).sum()) - abs(pitch)


class CheetahEnv(HalfCheetahEnv):
    """A half-cheetah with a short torso is to run far.

    Observation [18]: height (m) and pitch (rad, turns count) of the torso, six joints (rad); the
    velocities of forward motion and of these eight (m/s, rad/s); and a number that is always -1.
    Goal [1]: by how many metres the back foot shall be farther than at the start, which an
    observation does not tell. See :class:`HalfCheetahEnv` for actions.

    Args:
        hurdles: whether ten hurdles stand on the track.
        arguments: those of :class:`unreset.tasks.simulation.goal_env.GoalEnv`.
    """

    observation_low, observation_high = (-np.inf,) * SIZE, (np.inf,) * SIZE
    goals = GOALS
    rewards = {"dense": known_to_environment}  # noqa: RUF012

    def __init__(self, hurdles: bool = False, **arguments: Any) -> None:
        model = cheetah_model(import_mujoco(EXTRA), SHORT_TORSO, hurdles)
        super().__init__(model, **arguments)
        self._foot = self.data.body("bfoot").xpos
        self._start = 0.0  # where the back foot was

    @property
    def way(self) -> float:
        """By how many metres the back foot is farther than at the start."""
        return float(self._foot[0]) - self._start

    def score(self, goal: np.ndarray) -> tuple[float, bool]:
        """Reward of the last step, and whether the way is longer than the goal [1]."""
        self._current()
        paid = reward(self._speed, self._acted, float(self.data.qpos[PITCH]))
        return paid, self.way > float(goal[0])

    def achieved(self, observation: Any) -> Any:  # type: ignore[override]
        """The way [1], which only the simulator knows."""
        return np.array([self.way], np.float32)

    def _rest(self) -> None:
        super()._rest()
        self._start = float(self._foot[0])

    def _look(self) -> np.ndarray:
        data = self.data
        return np.concatenate([data.qpos[1:], data.qvel, [CONSTANT]], dtype=np.float32)

    def _put(self, state: np.ndarray) -> None:
        """As observed, where the track begins; the way begins there, too."""
        data = self.data
        self.mujoco.mj_resetData(self.model, data)
        data.qpos[1:], data.qvel[:] = state[POSITIONS], state[VELOCITIES]
        self._rest()

    def _simulator(self) -> dict[str, np.ndarray]:
        return {**super()._simulator(), "start": np.array(self._start)}

    def _restore(self, state: Mapping[str, np.ndarray]) -> None:
        super()._restore(state)
        self._start = float(state["start"])

    def _picture(self, camera: str, size: int, marked: bool = True) -> np.ndarray:
        """A post stands where the way ends."""
        post = self.model.site("finish").id
        self.model.site_pos[post, 0] = self._start + self._goal[0]
        self.model.site_rgba[post, 3] = float(marked)
        return super()._picture(camera, size)


def cheetah(hurdles: bool = False) -> Task:
    """The task on a free track, or on one with ``hurdles``; simulating needs the extra ``cheetah``.

    There are no demonstrations. Only its environment knows its reward and its success.
    """
    return simulated(
        "cheetah_hurdles" if hurdles else "cheetah",
        "unreset/Cheetah-v0",
        CheetahEnv,
        PROTOCOL,
        "dense",
        arguments={"hurdles": hurdles},
        summary="a short half-cheetah runs 300 m"
        + (" over ten hurdles" if hurdles else "")
        + " (single-life RL; MuJoCo)",
        achieved=known_to_environment,
        success=known_to_environment,
        score=ask,
        proprioception=tuple(number for number in range(1, SIZE) if number not in (8, 9)),
        offsets=OFFSETS,
        position=(VELOCITIES.start, POSITIONS.start + 1),
        position_name="forward speed and pitch",
    )
