"""Scripted experts on the Sawyer tasks, forward and backward, moving as a person's hand would."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from math import cos, sin
from typing import Any, NamedTuple

import numpy as np

from unreset.core.types import BACKWARD, FORWARD, Trajectory
from unreset.tasks.sawyer import sawyer_door, sawyer_peg
from unreset.tasks.sawyer.sawyer import CLOSE, HAND, OBJECT, OPEN, OPENING, SawyerEnv
from unreset.tasks.simulation.hand import Hand
from unreset.tasks.simulation.scripted import Scripted

Script = Callable[["SawyerHand"], None]

SPEEDS = (0.7, 1.0)  # of the fastest; a person's differ from one demonstration to the next
LONGEST = 300  # steps after which a script is given up
GAIN = 15.0  # action for each metre that the hand's target is from where it should be
WOBBLE, WOBBLE_DECAY = 0.12, 0.8  # drift of the hand: kick per step, and what stays of the last
GRIP = 0.8  # of the strongest, so that a wobble does not matter

_HELD = 0.6  # opening below which the fingers may hold the peg
_STILL = 4  # steps


class Lost(Exception):
    """A script has not succeeded in time."""


class SawyerHand(Hand):
    """A person's hand on the robot's.

    It steers the point that the robot's hand follows, and looks at where the robot's hand is.
    """

    env: SawyerEnv

    def __init__(self, env: SawyerEnv, generator: np.random.Generator, goal: np.ndarray) -> None:
        super().__init__(env, generator, goal, SPEEDS)
        self.wobble = np.zeros(4)

    @property
    def place(self) -> np.ndarray:
        """Where the robot's hand is [3]."""
        return self.seen[HAND]

    def go(self, to: np.ndarray, grip: float, tolerance: float) -> None:
        """Move to a point [3], until the hand is as near as ``tolerance``, in metres."""
        self.follow(lambda: to, grip, lambda: bool(np.linalg.norm(to - self.place) < tolerance))

    def grasp(self) -> None:
        """Stay and close the fingers until they have stopped."""
        here = self.env.target.copy()

        def stopped() -> bool:
            openings = [seen[OPENING] for seen in self.observations[-_STILL:]]
            return openings[-1] < _HELD and max(openings) - min(openings) < 0.01

        self.follow(lambda: here, CLOSE, stopped)

    def follow(
        self,
        target: Callable[[], np.ndarray],
        grip: float,
        arrived: Callable[[], bool] = lambda: False,
    ) -> None:
        """Follow a moving point [3] until arrived, or until the first success.

        Raises:
            Lost: if that takes too long.
        """
        while not self.success and not arrived():
            if len(self.actions) == LONGEST:
                raise Lost
            self.wobble = WOBBLE_DECAY * self.wobble + self.generator.normal(0.0, WOBBLE, 4)
            way = GAIN * (target() - self.env.target)
            way *= min(1.0, self.speed / max(float(np.abs(way).max()), 1e-6))
            wanted = np.append(way, GRIP * grip) + self.wobble
            self.act(np.clip(wanted, -1.0, 1.0).astype(np.float32))


# The door: everything is told in its own frame, x along it from the hinge and y out of its back.

_BAR = -0.12  # y of its handle's bar
_BEYOND = 0.2  # the angle at which to aim beyond closed


def _at_door(angle: float, x: float, y: float, z: float) -> np.ndarray:
    """The place [3] of a point of the door's frame while the door stands at an angle."""
    hinge = sawyer_door.HINGE
    east, north = x * cos(angle) - y * sin(angle), x * sin(angle) + y * cos(angle)
    return np.array((hinge[0] + east, hinge[1] + north, z))


def close_door(hand: SawyerHand) -> None:
    """Go down before the bar, and push it along its arc."""
    draw = hand.generator.uniform
    along, height, lead = draw(0.37, 0.41), draw(0.085, 0.115), draw(0.7, 1.0)

    def angle() -> float:
        return sawyer_door.angle_of(hand.seen[OBJECT])

    start = _at_door(angle(), along, _BAR - draw(0.06, 0.08), 0.16)
    hand.go(start, CLOSE, 0.05)
    hand.go(np.array((*start[:2], height)), CLOSE, 0.04)
    hand.follow(lambda: _at_door(min(angle() + lead, _BEYOND), along, _BAR, height), CLOSE)


def open_door(hand: SawyerHand) -> None:
    """Go over the bar and down between it and the door, and pull the bar along its arc."""
    draw = hand.generator.uniform
    along, height, lead = draw(0.35, 0.39), draw(0.09, 0.11), draw(1.1, 1.4)
    above = draw(0.22, 0.25)

    def angle() -> float:
        return sawyer_door.angle_of(hand.seen[OBJECT])

    hand.go(np.array((hand.place[0], hand.place[1] - 0.06, above)), CLOSE, 0.05)
    hand.go(_at_door(angle(), along, _BAR + 0.06, above), CLOSE, 0.035)
    hand.go(_at_door(angle(), along, _BAR + 0.06, height), CLOSE, 0.035)
    hand.follow(lambda: _at_door(angle() - lead, along, _BAR + 0.03, height), CLOSE)


# The peg.

_HOLE = np.array(sawyer_peg.GOALS[0][OBJECT], np.float64)


def _take(hand: SawyerHand) -> None:
    """Go over the peg, down around it, and close the fingers."""
    draw = hand.generator.uniform
    aside, height, above = draw(-0.01, 0.01), draw(0.015, 0.025), draw(0.06, 0.09)

    def over(up: float) -> np.ndarray:
        return hand.seen[OBJECT] + sawyer_peg.GRASP + (aside, 0.0, height + up)

    hand.go(over(above), OPEN, 0.04)
    hand.go(over(0.0), OPEN, 0.012)
    hand.grasp()


def _carry(hand: SawyerHand, to: np.ndarray, tolerance: float) -> None:
    """Bring the held peg's head to a point [3]."""

    def target() -> np.ndarray:
        return to + (hand.env.target - hand.seen[OBJECT])

    def near() -> bool:
        return bool(np.linalg.norm(to - hand.seen[OBJECT]) < tolerance)

    hand.follow(target, CLOSE, near)


def insert_peg(hand: SawyerHand) -> None:
    """Take the peg, bring it before the hole, and push it in."""
    draw = hand.generator.uniform
    _take(hand)
    before = np.array((-0.15, *(_HOLE[1:] + draw(-0.005, 0.005, 2))))
    _carry(hand, before, 0.02)
    _carry(hand, _HOLE, 0.0)


def remove_peg(hand: SawyerHand) -> None:
    """Take the peg if it is not held, pull it out, and lay it where it is to be."""
    _bring_back(hand)
    _carry(hand, np.array(hand.goal[OBJECT]), 0.0)


def put_down_peg(hand: SawyerHand) -> None:
    """The same, then let go and rise."""
    _bring_back(hand)
    _carry(hand, np.array(hand.goal[OBJECT]), 0.02)
    here = hand.env.target.copy()
    hand.follow(lambda: here, OPEN, lambda: bool(hand.seen[OPENING] > sawyer_peg.WIDE_OPEN))
    hand.go(here + np.array((0.0, 0.0, 2 * sawyer_peg.CLEAR)), OPEN, 0.0)


def _bring_back(hand: SawyerHand) -> None:
    """Take the peg if it is not held, pull it out, and bring it over where it is to lie."""
    if hand.seen[OPENING] > _HELD:
        _take(hand)
    _carry(hand, np.array((-0.13, *_HOLE[1:])), 0.03)
    x, y, z = hand.goal[OBJECT]
    _carry(hand, np.array((x, y, z + hand.generator.uniform(0.06, 0.1))), 0.03)


class Scripts(NamedTuple):
    """What is done on a task, there and back."""

    forward: Script  # from an initial start to a goal of the task
    backward: Script  # to an initial state
    backward_starts: tuple[str | None, ...]
    """Where the ways back that belong to a way there start: a kind of start of the environment, or
    None for where the way there ended."""


DOOR = Scripts(close_door, open_door, (None,))
PEG = Scripts(insert_peg, remove_peg, (None, "goal"))
PUT_DOWN = PEG._replace(backward=put_down_peg)


def demonstrate(env: SawyerEnv, scripts: Scripts, number: int, seed: int) -> list[Trajectory]:
    """``number`` demonstrations forward, then the backward ones that belong to them.

    The environment is reset and stepped; ``seed`` decides everything. What fails is drawn again.
    """
    generator = np.random.default_rng(seed)
    env.reset(seed=seed)
    tries = 0

    def drawn(direction: int, start: dict[str, Any]) -> Trajectory:
        goals = env.initial_goals if direction == BACKWARD else env.goals
        script = scripts.backward if direction == BACKWARD else scripts.forward
        nonlocal tries
        made = None
        while made is None:
            tries += 1
            env.reset(options=start)
            hand = SawyerHand(env, generator, goals[generator.integers(len(goals))])
            with contextlib.suppress(Lost):
                script(hand)
            made = hand.trajectory(direction)
        return made

    forward: list[Trajectory] = []
    backward: list[Trajectory] = []
    for _ in range(number):
        forward.append(drawn(FORWARD, {"start": "initial"}))
        for start in scripts.backward_starts:
            # At rest, so that the first observation says all that a replay needs.
            end = {"state": forward[-1].observations[-1]} if start is None else {"start": start}
            backward.append(drawn(BACKWARD, end))
    return Scripted(forward + backward, tries)


def door_demonstrations(number: int = 10, seed: int = 0) -> list[Trajectory]:
    """``number`` trajectories that close the door, and as many that open it again.

    All forward ones come first; backward one ``i`` starts where forward one ``i`` ended. The same
    seed gives the same arrays: observations [T + 1, 7] and actions [T, 4], float32. They hold no
    rewards: those of the door can be recomputed.

    Raises:
        UnresetError: if mujoco or metaworld is not installed.
    """
    return demonstrate(sawyer_door.SawyerDoorEnv(), DOOR, number, seed)


def peg_demonstrations(
    number: int = 10,
    seed: int = 0,
    reward: str = "sparse",
    kind: type[sawyer_peg.SawyerPegEnv] = sawyer_peg.SawyerPegEnv,
) -> list[Trajectory]:
    """``number`` trajectories that insert the peg, and twice as many that lay it on the table.

    All forward ones come first. Backward one ``2 i`` starts where forward one ``i`` ended, the peg
    in the hand; ``2 i + 1`` as a reset at the goal does, the hand at home. Each leads to one of the
    fifteen initial states. The same seed gives the same arrays: observations [T + 1, 7] and
    actions [T, 4], float32. ``kind`` is whose peg it is: that on the small table, too.

    Raises:
        UnresetError: if mujoco or metaworld is not installed.
    """
    scripts = PUT_DOWN if reward == "put_down" else PEG
    return demonstrate(kind(reward_type=reward), scripts, number, seed)
