"""Scripted experts on the Sawyer tasks, forward and backward, moving as a person's hand would."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import cos, sin

import numpy as np

from unreset.demos.store import BACKWARD, FORWARD, Trajectory
from unreset.tasks import sawyer_door, sawyer_peg
from unreset.tasks.sawyer import CLOSE, HAND, OBJECT, OPEN, OPENING, SawyerEnv

Script = Callable[["Hand"], None]

SPEEDS = (0.7, 1.0)  # of the fastest; a person's differ from one demonstration to the next
LONGEST = 300  # steps after which a script is given up
GAIN = 15.0  # action for each metre that the hand's target is from where it should be
WOBBLE, WOBBLE_DECAY = 0.12, 0.8  # drift of the hand: kick per step, and what stays of the last
GRIP = 0.8  # of the strongest, so that a wobble does not matter

_HELD = 0.6  # opening below which the fingers may hold the peg
_STILL = 4  # steps


class Lost(Exception):
    """A script has not succeeded in time."""


class Hand:
    """A person's hand on the robot's, and all that it has seen and done on the way to a goal.

    It steers the point that the robot's hand follows, and looks at where the robot's hand is.
    """

    def __init__(self, generator: np.random.Generator, env: SawyerEnv, goal: np.ndarray) -> None:
        self.generator, self.env, self.goal = generator, env, goal
        self.speed = generator.uniform(*SPEEDS)
        self.wobble = np.zeros(4)
        self.observations = [env.set_goal(goal)["observation"]]
        self.actions: list[np.ndarray] = []
        self.rewards: list[float] = []
        self.success = env.score(goal)[1]

    @property
    def seen(self) -> np.ndarray:
        """The last observation [7]."""
        return self.observations[-1]

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
            action = np.clip(wanted, -1.0, 1.0).astype(np.float32)
            seen, reward, _, _, info = self.env.step(action)
            self.actions.append(action)
            self.rewards.append(reward)
            self.observations.append(seen["observation"])
            self.success = info["is_success"]


# The door: everything is told in its own frame, x along it from the hinge and y out of its back.

_BAR = -0.12  # y of its handle's bar
_BEYOND = 0.2  # the angle at which to aim beyond closed


def _at_door(angle: float, x: float, y: float, z: float) -> np.ndarray:
    """The place [3] of a point of the door's frame while the door stands at an angle."""
    hinge = sawyer_door.HINGE
    east, north = x * cos(angle) - y * sin(angle), x * sin(angle) + y * cos(angle)
    return np.array((hinge[0] + east, hinge[1] + north, z))


def close_door(hand: Hand) -> None:
    """Go down before the bar, and push it along its arc."""
    draw = hand.generator.uniform
    along, height, lead = draw(0.37, 0.41), draw(0.085, 0.115), draw(0.7, 1.0)

    def angle() -> float:
        return sawyer_door.angle_of(hand.seen[OBJECT])

    start = _at_door(angle(), along, _BAR - draw(0.06, 0.08), 0.16)
    hand.go(start, CLOSE, 0.05)
    hand.go(np.array((*start[:2], height)), CLOSE, 0.04)
    hand.follow(lambda: _at_door(min(angle() + lead, _BEYOND), along, _BAR, height), CLOSE)


def open_door(hand: Hand) -> None:
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


def _take(hand: Hand) -> None:
    """Go over the peg, down around it, and close the fingers."""
    draw = hand.generator.uniform
    aside, height, above = draw(-0.01, 0.01), draw(0.015, 0.025), draw(0.06, 0.09)

    def over(up: float) -> np.ndarray:
        return hand.seen[OBJECT] + sawyer_peg.GRASP + (aside, 0.0, height + up)

    hand.go(over(above), OPEN, 0.04)
    hand.go(over(0.0), OPEN, 0.012)
    hand.grasp()


def _carry(hand: Hand, to: np.ndarray, tolerance: float) -> None:
    """Bring the held peg's head to a point [3]."""

    def target() -> np.ndarray:
        return to + (hand.env.target - hand.seen[OBJECT])

    def near() -> bool:
        return bool(np.linalg.norm(to - hand.seen[OBJECT]) < tolerance)

    hand.follow(target, CLOSE, near)


def insert_peg(hand: Hand) -> None:
    """Take the peg, bring it before the hole, and push it in."""
    draw = hand.generator.uniform
    _take(hand)
    before = np.array((-0.15, *(_HOLE[1:] + draw(-0.005, 0.005, 2))))
    _carry(hand, before, 0.02)
    _carry(hand, _HOLE, 0.0)


def remove_peg(hand: Hand) -> None:
    """Take the peg if it is not held, pull it out, and lay it where it is to be."""
    draw = hand.generator.uniform
    if hand.seen[OPENING] > _HELD:
        _take(hand)
    _carry(hand, np.array((-0.13, *_HOLE[1:])), 0.03)
    x, y, z = hand.goal[OBJECT]
    _carry(hand, np.array((x, y, z + draw(0.06, 0.1))), 0.03)
    _carry(hand, np.array((x, y, z)), 0.0)


def _attempt(
    script: Script, direction: int, env: SawyerEnv, generator: np.random.Generator, goal: np.ndarray
) -> Trajectory | None:
    """Go on from where the scene is to the first success; None if the script fails, or is there."""
    hand = Hand(generator, env, goal)
    try:
        script(hand)
    except Lost:
        return None
    if not (hand.success and hand.actions):
        return None
    seen, done = np.stack(hand.observations), np.stack(hand.actions)
    # Without rewards, a trajectory's last step is worth 1 and the others nothing.
    rewards = None if env.reward_type == "sparse" else np.array(hand.rewards, np.float32)
    return Trajectory(seen, done, np.array(goal), direction, rewards)


@dataclass
class Expert:
    """The scripts of a task, and how often they were tried and succeeded.

    Args:
        env: the task's environment; it is reset and stepped.
        forward: from an initial start to a goal of the task.
        backward: to an initial state.
        backward_starts: where the backward demonstrations that belong to a forward one start: a
            kind of start of the environment, or None for where the forward one ended.
        seed: of everything that is random.
    """

    env: SawyerEnv
    forward: Script
    backward: Script
    backward_starts: tuple[str | None, ...]
    seed: int

    def __post_init__(self) -> None:
        self.generator = np.random.default_rng(self.seed)
        self.env.reset(seed=self.seed)
        self.tries, self.successes = [0, 0], [0, 0]  # forward, backward

    def _try(self, direction: int) -> Trajectory | None:
        goals = self.env.initial_goals if direction == BACKWARD else self.env.goals
        goal = goals[self.generator.integers(len(goals))]
        script = self.backward if direction == BACKWARD else self.forward
        trajectory = _attempt(script, direction, self.env, self.generator, goal)
        self.tries[direction] += 1
        self.successes[direction] += trajectory is not None
        return trajectory

    def demonstrate(self, number: int) -> list[Trajectory]:
        """``number`` demonstrations forward, then the backward ones that belong to them.

        What fails is drawn again.
        """
        forward: list[Trajectory] = []
        backward: list[Trajectory] = []
        while len(forward) < number:
            self.env.reset(options={"start": "initial"})
            there = self._try(FORWARD)
            if there is None:
                continue
            forward.append(there)
            for start in self.backward_starts:
                # At rest, so that the first observation says all that a replay needs.
                end = {"state": there.observations[-1]} if start is None else {"start": start}
                back = None
                while back is None:
                    self.env.reset(options=end)
                    back = self._try(BACKWARD)
                backward.append(back)
        return forward + backward

    @property
    def rates(self) -> tuple[float, float]:
        """The shares of tries, forward and backward, that succeeded."""
        forward, backward = (s / max(t, 1) for s, t in zip(self.successes, self.tries, strict=True))
        return forward, backward


def door_expert(seed: int = 0, reward: str = "sparse") -> Expert:
    """Closes and opens the door."""
    env = sawyer_door.SawyerDoorEnv(reward_type=reward)
    return Expert(env, close_door, open_door, (None,), seed)


def peg_expert(seed: int = 0, reward: str = "sparse") -> Expert:
    """Inserts and removes the peg."""
    env, starts = sawyer_peg.SawyerPegEnv(reward_type=reward), (None, "goal")
    return Expert(env, insert_peg, remove_peg, starts, seed)


def door_demonstrations(
    number: int = 10, seed: int = 0, reward: str = "sparse"
) -> list[Trajectory]:
    """``number`` trajectories that close the door, and as many that open it again.

    All forward ones come first; backward one ``i`` starts where forward one ``i`` ended. The same
    seed gives the same arrays: observations [T + 1, 7] and actions [T, 4], float32.

    Raises:
        UnresetError: if mujoco or metaworld is not installed.
    """
    return door_expert(seed, reward).demonstrate(number)


def peg_demonstrations(number: int = 10, seed: int = 0, reward: str = "sparse") -> list[Trajectory]:
    """``number`` trajectories that insert the peg, and twice as many that lay it on the table.

    All forward ones come first. Backward one ``2 i`` starts where forward one ``i`` ended, the peg
    in the hand; ``2 i + 1`` as a reset at the goal does, the hand at home. Each leads to one of the
    fifteen initial states. The same seed gives the same arrays: observations [T + 1, 7] and
    actions [T, 4], float32.

    Raises:
        UnresetError: if mujoco or metaworld is not installed.
    """
    return peg_expert(seed, reward).demonstrate(number)
