"""EARL's peg: the arm inserts a peg into a hole; practising, it must pull it out and lay it down.

The task follows the benchmark (Sharma, Xu et al. 2022, arXiv 2112.09605): its starts and goals,
both rewards and the predicate of success. Its dense reward is Meta-World's (Yu et al. 2019, arXiv
1910.10897) with a smaller radius; and whether the peg is held is judged by the distance from the
hand's body to where it is to be held, not from the middle between the fingertips. How well the
fingers cage the peg is still judged by the fingertips.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import dist
from typing import Any

import numpy as np

from unreset.tasks.benchmarks import EARL
from unreset.tasks.sawyer import sawyer
from unreset.tasks.sawyer.sawyer import HAND, OBJECT, OPENING, SawyerEnv, arrays

PROTOCOL = EARL["sawyer_peg"]
RADIUS = PROTOCOL.success_radius
HOME = (0.0, 0.6, 0.2)  # the hand's target
HEAD = np.array((-0.1, 0.0, 0.0))  # from the peg's middle to its head
GRASP = np.array((0.13, 0.0, 0.01))  # from its head to where it is to be held
START_LOW, START_HIGH, HEIGHT = (0.0, 0.5), (0.2, 0.7), 0.02  # of the peg's middle, on the table
CLEAR, WIDE_OPEN = 0.1, 0.8  # metres from the head up to a hand that has put it down; its opening
SPREAD = 0.02  # of starts around points, in each direction
_HAND = (0.00615235, 0.6001898, 0.19430117, 1.0)  # and opening

#: Hand, opening, head of the peg: the head in the hole.
GOALS = np.array([(*HOME, 1.0, -0.27, 0.6, 0.13)], np.float32)
#: The head somewhere on the table: fifteen of the starts.
INITIAL = np.array(
    [
        (*_HAND, x, y, HEIGHT)
        for x, y in (
            (0.00313463, 0.68326396),
            (-0.04035005, 0.67949003),
            (0.02531051, 0.6074387),
            (0.05957219, 0.6271171),
            (-0.07566337, 0.62575287),
            (-0.01177235, 0.55206996),
            (0.02779735, 0.54707706),
            (0.01835314, 0.5329686),
            (0.02690855, 0.6263067),
            (0.01766127, 0.59630984),
            (0.0560186, 0.6634998),
            (-0.03950658, 0.6323736),
            (-0.03216827, 0.5247563),
            (0.01265727, 0.69466716),
            (0.05076993, 0.6025737),
        )
    ],
    np.float32,
)
#: x and y of the head at the wide starts.
WIDE = (
    *((-0.3, 0.8), (-0.4, 0.8), (-0.3, 0.9), (-0.4, 0.9), (-0.2, 0.8), (-0.2, 0.75), (-0.2, 0.9)),
    *((-0.1, 0.77), (0.0, 0.9), (0.1, 0.8), (0.15, 0.75), (-0.3, 0.4), (-0.4, 0.4), (-0.3, 0.45)),
    *((-0.4, 0.45), (-0.2, 0.4), (-0.2, 0.45), (-0.2, 0.38), (-0.1, 0.42), (0.0, 0.45)),
    *((0.1, 0.36), (0.15, 0.44)),
)

_PRISMS = [  # opposite corners of the two spaces before the block, above and below the hole
    (f"bottom_right_corner_collision_box_{number}", f"top_left_corner_collision_box_{number}")
    for number in (1, 2)
]
_WEIGHTS = np.array((1.0, 2.0, 2.0))  # of x, y, z in the dense reward's distance
_NEAR, _LIFTED = 0.08, 0.01  # metres: the hand holds the peg, the peg has left the table
_LYING = 0.05  # metres that the head is up at most while the peg lies on the table
_HALF_LENGTH = 0.12  # of the peg, along x
_REACH = 0.88  # metres from the arm's foot, at (0, 0), within which the fingers come to the table
_NEAREST = 0.385  # y of a peg that the fingers just still take: their target's is 0.4 at least


def success(observation: Any, goal: Any) -> Any:
    """The peg's head within 5 cm of the goal's. NumPy and JAX, [7] each."""
    return sawyer.within(observation, goal, RADIUS)


def sparse_reward(observation: Any, goal: Any) -> Any:
    """1 on success, else 0. NumPy and JAX, [7] each."""
    return success(observation, goal).astype(np.float32)


def put_down(observation: Any, goal: Any) -> Any:
    """Success that leaves the scene as a reset would; ours, to practise with.

    Where the goal's head lies on the table, the hand has also let go, and is 10 cm above it.
    NumPy and JAX, [7] each.
    """
    clear = observation[HAND][2] - observation[OBJECT][2] > CLEAR
    left = (observation[OPENING] > WIDE_OPEN) & clear
    return success(observation, goal) & (left | (goal[OBJECT][2] > _LYING))


def put_down_reward(observation: Any, goal: Any) -> Any:
    """1 once it is so, else 0. NumPy and JAX, [7] each."""
    return put_down(observation, goal).astype(np.float32)


def stuck(observation: Any) -> Any:
    """Whether the peg lies where the hand cannot take it, which nobody undoes but a person.

    That is too near to the robot, or all of it too far from it. It is ours, from where the hand was
    seen to come; the benchmark does not tell, and waits for its next hard reset. Observation [7],
    NumPy and JAX.
    """
    x, y, z = observation[OBJECT] - HEAD.astype(np.float32)
    aside = arrays(observation).maximum(abs(x) - _HALF_LENGTH, 0.0)
    beyond = (y < _NEAREST) | (aside**2 + y**2 > _REACH**2)
    return beyond & (z < _LYING)


def _closeness(distance: float, low: float, high: float, margin: float) -> float:
    """1 between low and high, a tenth at a margin outside, with a long tail."""
    outside = max(low - distance, distance - high, 0.0)
    if outside == 0.0:
        return 1.0
    return 1.0 / (9.0 * (outside / margin) ** 2 + 1.0) if margin else 0.0


def _both(one: float, other: float) -> float:
    """The Hamacher product of two numbers in [0, 1]."""
    total = one + other - one * other
    return one * other / total if total > 0 else 0.0


def _within_prism(point: np.ndarray, zero: np.ndarray, one: np.ndarray) -> float:
    """1 outside a prism; inside, the product of the ways from one corner to the other."""
    ways = (point - zero) / (one - zero)
    return float(ways.prod()) if ((ways >= 0.0) & (ways <= 1.0)).all() else 1.0


class SawyerPegEnv(SawyerEnv):
    """The hand inserts a peg into the hole of a block.

    See :class:`SawyerEnv` for observations and actions. The object is the peg's head, and
    ``info["is_success"]`` says whether it is within 5 cm of its goal. Starts: ``initial``, the peg
    on the table; ``goal``, the peg in the hole, with one of the initial states as goal; ``wide``,
    the peg on the table, half the time around one of 22 points all about the block.

    The dense reward needs more than the observation: where the fingers are, what they were last
    told, and where they and the peg started. :meth:`score` knows.
    """

    goals, initial_goals = GOALS, INITIAL
    rewards = {  # noqa: RUF012
        "sparse": sparse_reward,
        "dense": sparse_reward,
        "put_down": put_down_reward,
    }
    successes = {"put_down": put_down}  # noqa: RUF012
    starts: Sequence[str] = ("initial", "goal", "wide")
    camera_names = ("clearview", "doorview", "wrist")
    scene = "sawyer_peg_insertion_side.xml"
    homes = (HOME,)
    success = staticmethod(success)

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        model, data = self.model, self.data
        self.mujoco.mj_forward(model, data)
        peg = model.joint(int(model.body("peg").jntadr[0]))
        position, velocity = int(peg.qposadr[0]), int(peg.dofadr[0])
        self._peg, self._peg_velocity = data.qpos[position:][:3], data.qvel[velocity:][:6]
        self._head, self._grasp = (data.site(name).xpos for name in ("pegHead", "pegGrasp"))
        self._pads = [data.body(name).xpos for name in ("leftpad", "rightpad")]
        self._prisms = [[data.site(name).xpos.copy() for name in pair] for pair in _PRISMS]
        # Where the peg's middle, and the middle of the fingertips, were at the start.
        self._peg_start, self._tips_start = np.zeros(3), np.zeros(3)

    def _edit(self, mujoco: Any, spec: Any) -> None:
        """The benchmark's scene is Meta-World's."""

    def _object(self) -> Any:
        return self._head

    def _tips(self) -> np.ndarray:
        right, left = self._fingertips
        return 0.5 * (right + left)

    def _place(self, position: np.ndarray) -> None:
        self._peg[:], self._peg_velocity[:] = position - HEAD, 0.0
        self.mujoco.mj_kinematics(self.model, self.data)
        self._peg_start, self._tips_start = self._peg.copy(), self._tips()

    def _draw_goal(self, start: str) -> np.ndarray:
        goals = self.initial_goals if start == "goal" else self.goals
        return np.array(goals[self.np_random.integers(len(goals))])

    def _begin(self, start: str) -> None:
        self._settle(HOME)
        draw = self.np_random
        if start == "goal":
            head = np.array(GOALS[0][OBJECT], np.float64) + draw.uniform(-SPREAD, SPREAD, 3)
        elif start == "wide" and draw.random() < 0.5:
            point = WIDE[draw.integers(len(WIDE))]
            head = np.array((*point, HEIGHT)) + draw.uniform(-SPREAD, SPREAD, 3)
        else:
            head = HEAD + np.append(draw.uniform(START_LOW, START_HIGH), HEIGHT)
        self._place(head)

    def _simulator(self) -> dict[str, np.ndarray]:
        starts = {"peg_start": self._peg_start.copy(), "tips_start": self._tips_start.copy()}
        return {**super()._simulator(), **starts}

    def _restore(self, state: Mapping[str, np.ndarray]) -> None:
        super()._restore(state)
        self._peg_start, self._tips_start = (
            np.array(state[name], np.float64) for name in ("peg_start", "tips_start")
        )

    def score(self, goal: np.ndarray) -> tuple[float, bool]:
        """Reward and success of the present state for a goal [7]."""
        reward, success = super().score(goal)
        return self._dense_reward(goal) if self.reward_type == "dense" else reward, success

    def _dense_reward(self, goal: np.ndarray) -> float:
        """Up to 1 for caging the peg, up to 7 for taking it to the goal, 10 there."""
        seen = self._current()
        head, target = seen[OBJECT].astype(np.float64), goal[OBJECT].astype(np.float64)
        start = float(np.linalg.norm((self._peg_start + HEAD - target) * _WEIGHTS))
        way = float(np.linalg.norm((head - target) * _WEIGHTS))
        if way <= RADIUS:
            return 10.0
        free = [_within_prism(head, zero, one) for zero, one in self._prisms]
        in_place = _both(_closeness(way, 0.0, RADIUS, start), _both(free[1], free[0]))
        near = dist(self._grasp, seen[HAND]) < _NEAR and seen[OPENING] > 0.0
        if near and self._grasp[2] - _LIFTED > self._peg_start[2]:
            return float(_both(1.0, in_place) + 1.0 + 5.0 * in_place)
        return float(_both(self._caging(), in_place))

    def _caging(self) -> float:
        """How well the fingers are around the place to hold, in [0, 1]; half of it for closing."""
        sides = []
        for pad in self._pads:
            margin = abs(abs(pad[1] - self._peg_start[1]) - 0.03)
            sides.append(_closeness(abs(pad[1] - self._grasp[1]), 0.0075, 0.03, margin))
        start, tips = self._tips_start, self._tips()
        margin = dist(self._peg_start[[0, 2]], start[[0, 2]]) - 0.005
        above = _closeness(dist(tips[[0, 2]], self._grasp[[0, 2]]), 0.0, 0.005, margin)
        caging = _both(_both(*sides), above)
        closing = min(max(float(self._commands[0]), 0.0), 1.0) if caging > 0.97 else 0.0
        return 0.5 * (_both(caging, closing) + caging)
