"""EARL's kitchen: a Franka arm closes what stands open and switches off the light.

The rules follow the benchmark (Sharma, Xu et al. 2022, arXiv 2112.09605) on the kitchen of Gupta et
al. (2019, arXiv 1910.11956), with the models that gymnasium-robotics ships.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from unreset.tasks.benchmarks import EARL
from unreset.tasks.kitchen.kitchen_model import CAMERAS, kitchen_model
from unreset.tasks.kitchen.kitchen_starts import ALL_PAIRS, EVERY, PAIRS, check_tasks, opened
from unreset.tasks.simulation.mujoco_env import MujocoEnv, import_mujoco

PROTOCOL = EARL["kitchen"]
FRAME_SKIP = 40
OBJECTS = slice(9, 23)
HAND_STEP = 0.02  # metres per unit of action
HAND_LOW, HAND_HIGH = np.array([-0.7, -0.1, 1.8]), np.array([0.4, 0.5, 2.6])
HAND_START = np.array([-0.440, 0.1, 2.226])
SETTLING_STEPS = 10
#: The two fingers get what joints 1 and 2 were told when the arm's own actuators were taken out.
FINGER_STEP = 2.0 * 0.08
FINGER_OPEN = 0.04

RESET_ROBOT = np.array(
    [0.14839, -1.76849, 1.84390, -2.47686, 0.26025, 0.71253, 1.59515, 0.04793, 0.03714]
)
SETTLED_ROBOT = (-0.409, -1.704, 1.421, -2.506, 0.623, 1.265, 0.884, 0.04, 0.0)

#: Half-widths of the uniform noise on each of the 23 observed positions.
NOISE = 0.1 * np.array([0.1] * 9 + [0.005] * 2 + [0.0005] * 6 + [0.005] * 3 + [0.1] * 3, np.float64)

_ROUNDED = 1e-6  # what float32 loses of an observation
_NEAR = 0.05  # of each object's number: which of the resets it may be

#: What is scored: name, the object numbers it consists of, and the site the hand should go to.
COMPONENTS: tuple[tuple[str, slice, str], ...] = (
    ("burner 1", slice(0, 2), "knob1_site"),
    ("burner 2", slice(2, 4), "knob2_site"),
    ("burner 3", slice(4, 6), "knob3_site"),
    ("burner 4", slice(6, 8), "knob4_site"),
    ("light", slice(8, 10), "light_site"),
    ("slide", slice(10, 11), "slide_site"),
    ("hinge", slice(11, 13), "hinge_site2"),
    ("microwave", slice(13, 14), "microhandle_site"),
)

GOALS = np.array(
    [
        [
            *(-0.41336, -1.69701, 1.42864, -2.50053, 0.62199, 1.26320, 0.88904, 0.04351, 0.00792),
            *(-5.1586e-4, 4.8548e-4, -5.453e-6, 6.351e-6, 6.0838e-5, -3.3861e-5, 6.6395e-5),
            *(-1.9802e-5, -1.24776e-4, 3.80652e-4, -1.51485e-4, -9.22298e-4, 7.22934e-3),
            6.96505e-3,
        ]
    ],
    np.float32,
)
INITIAL = np.array([[*SETTLED_ROBOT, *opened(pair)] for pair in PAIRS], np.float32)

#: Of (observation; goal): robot, objects, and what objects lack to the goal, each about 1 at most.
_SCALES = [1.0] * 7 + [10.0] * 2 + [0.64, 100.0] * 4 + [1.4, 20.0, 2.7, 0.69, 0.69, 1.4]
OFFSETS = np.zeros((37, 46), np.float32)
OFFSETS[range(23), range(23)] = _SCALES
OFFSETS[range(23, 37), range(9, 23)] = _SCALES[9:]
OFFSETS[range(23, 37), range(32, 46)] = -np.array(_SCALES[9:])


def success(observation: Any, goal: Any) -> Any:
    """All 14 object numbers together within 0.3 of the goal's; the robot does not count."""
    error = observation[OBJECTS] - goal[OBJECTS]
    return (error**2).sum() <= PROTOCOL.success_radius**2


def sparse_reward(observation: Any, goal: Any) -> Any:
    """1 on success, else 0."""
    return success(observation, goal).astype(np.float32)


def objects_reward(observation: Any, goal: Any) -> Any:
    """The part of the dense reward that an observation shows: ``-10 |error| + finished``.

    ``error`` is that of the 14 object numbers; ``finished`` counts the components whose own error
    is less than 0.01 for each of their numbers.
    """
    squares = (observation[OBJECTS] - goal[OBJECTS]) ** 2
    total = -10.0 * squares.sum() ** 0.5
    for _, part, _ in COMPONENTS:
        total = total + (squares[part].sum() < _tolerance(part) ** 2)
    return total


def _tolerance(part: slice) -> float:
    return 0.01 * (part.stop - part.start)


def dense_reward(
    observation: np.ndarray, goal: np.ndarray, hand: np.ndarray, handles: np.ndarray
) -> float:
    """The benchmark's reward: :func:`objects_reward` - 0.5 |hand - handle|.

    The handle is that of the first component, in the order of :data:`COMPONENTS`, that is not
    finished; when all are, the hand may be anywhere.

    Args:
        observation: [23].
        goal: [23].
        hand: [3], metres, where the hand is told to be.
        handles: [8, 3], metres, of the components.
    """
    squares = (np.asarray(observation[OBJECTS], np.float64) - goal[OBJECTS]) ** 2
    unfinished = [
        number
        for number, (_, part, _) in enumerate(COMPONENTS)
        if squares[part].sum() >= _tolerance(part) ** 2
    ]
    reward = -10.0 * float(np.sqrt(squares.sum())) + len(COMPONENTS) - len(unfinished)
    if unfinished:
        reward -= 0.5 * float(np.sqrt(((hand - handles[unfinished[0]]) ** 2).sum()))
    return reward


class KitchenEnv(MujocoEnv):
    """The kitchen, with two of four elements standing open at the start (or one; see ``tasks``).

    Observation [23]: 7 arm joints (rad), 2 fingers (m), then the objects: 4 times a knob (rad) and
    its burner (m), light switch (rad), light (m), sliding door (m), left and right hinged door
    (rad), microwave (rad); all with uniform noise, which rewards and success see as well.

    Action [9]: the first three move the hand's target by 0.02 m per unit along x, y and z, inside a
    box; the hand's orientation is held. As in the benchmark, numbers 3 to 8 do nothing, and
    the fingers cannot be chosen: their actuators get the commands of arm joints 1 and 2.

    Args:
        reward_type: "dense", the benchmark's, or "sparse".
        tasks: "all_pairs" draws one of the six pairs at each reset; "microwave", "light", "slide",
            "hinge" or two of them joined by "+" are always the same; several such starts joined by
            "," are drawn from as the pairs are.
        arguments: those of :class:`unreset.tasks.simulation.goal_env.GoalEnv`.

    Raises:
        ValueError: if an argument is not one of these.
        UnresetError: if mujoco or gymnasium-robotics is not installed.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 12}  # noqa: RUF012
    observation_low, observation_high = np.full(23, -8.0), np.full(23, 8.0)
    action_size = 9
    goals, initial_goals = GOALS, INITIAL
    rewards = {"dense": objects_reward, "sparse": sparse_reward}  # noqa: RUF012
    starts = ("initial", "goal")
    success = staticmethod(success)
    camera_names = CAMERAS

    def __init__(
        self, reward_type: str = "dense", tasks: str = ALL_PAIRS, **arguments: Any
    ) -> None:
        self.tasks = check_tasks(tasks)
        mujoco = import_mujoco("kitchen")
        model = kitchen_model(mujoco)
        self._handles = [model.site(site).id for *_, site in COMPONENTS]
        self._settled: dict[bytes, dict[str, np.ndarray]] = {}
        super().__init__(mujoco, model, reward_type=reward_type, **arguments)

    def score(self, goal: np.ndarray) -> tuple[float, bool]:
        """Reward and success of the present state for a goal [23]."""
        reward, reached = super().score(goal)
        if self.reward_type == "dense":
            handles = self.data.site_xpos[self._handles]
            reward = dense_reward(self._current(), goal, self.data.mocap_pos[0], handles)
        return reward, reached

    def _begin(self, start: str) -> None:
        objects = np.asarray(GOALS[0, OBJECTS], np.float64)
        if start == "initial":
            objects = opened(self.tasks[self.np_random.integers(len(self.tasks))])
        self._rest(objects)

    def _rest(self, objects: np.ndarray) -> None:
        """As a reset leaves robot and objects [14]."""
        key = objects.tobytes()
        if key not in self._settled:
            self._settled[key] = self._settle(objects)
        self._restore(self._settled[key])

    def _settle(self, objects: np.ndarray) -> dict[str, np.ndarray]:
        """The simulator after the reset's ten steps, which nothing random enters."""
        self.mujoco.mj_resetData(self.model, self.data)
        self.data.qpos[:] = [*RESET_ROBOT, *objects]
        self.data.mocap_pos[0] = HAND_START
        self._command_fingers(RESET_ROBOT[:2])
        self.mujoco.mj_step(self.model, self.data, nstep=SETTLING_STEPS * FRAME_SKIP)
        return self._simulator()

    def _put(self, state: np.ndarray) -> None:
        """What a reset leaves, where it is that but for the noise; else robot and objects at rest.

        Those are as observed, and the hand's target is where the hand is.
        """
        data = self.data
        for objects in (np.asarray(GOALS[0, OBJECTS], np.float64), *map(opened, EVERY)):
            if np.abs(objects - state[OBJECTS]).max() < _NEAR:
                self._rest(objects)
                if (np.abs(data.qpos - state) <= NOISE + _ROUNDED).all():
                    return
        self.mujoco.mj_resetData(self.model, data)
        data.qpos[:] = state
        self.mujoco.mj_kinematics(self.model, data)
        data.mocap_pos[0] = np.clip(self._target_of_hand(), HAND_LOW, HAND_HIGH)
        self._command_fingers(state[:2])
        self.mujoco.mj_forward(self.model, data)

    def _target_of_hand(self) -> np.ndarray:
        """Where the mocap body would have to be for the weld to be satisfied."""
        weld = self.model.equality("hand_weld").id
        offset = np.empty(3)
        self.mujoco.mju_rotVecQuat(offset, self.model.eq_data[weld, 3:6], self.data.mocap_quat[0])
        return np.asarray(self.data.body("panda0_link7").xpos - offset)

    def _command_fingers(self, joints: np.ndarray) -> None:
        self.data.ctrl[:] = np.minimum(np.maximum(joints, 0.0), FINGER_OPEN)

    def _simulate(self, action: np.ndarray) -> None:
        data = self.data
        target = data.mocap_pos[0] + HAND_STEP * action[:3]
        data.mocap_pos[0] = np.minimum(np.maximum(target, HAND_LOW), HAND_HIGH)
        self._command_fingers(self._current()[:2] + FINGER_STEP * action[:2])
        self.mujoco.mj_step(self.model, data, nstep=FRAME_SKIP)
        self.mujoco.mj_kinematics(self.model, data)  # a step moves bodies after it placed sites

    def _look(self) -> np.ndarray:
        noise = NOISE * self.np_random.uniform(-1.0, 1.0, 23)
        return np.asarray(self.data.qpos + noise, np.float32)
