"""Scripted demonstrations of the kitchen: the hand pushes shut what stands open.

The script reads the simulator (where the fingertips and the objects are); a demonstration holds
only what the task observes. Back to the initial state there are demonstrations only where pushing
is enough: for the sliding door and the light. Pulling a hinged door open takes a grip, which the
fingers do not have.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import numpy as np

from unreset.core.types import BACKWARD, FORWARD, Trajectory
from unreset.tasks.kitchen import kitchen
from unreset.tasks.kitchen.kitchen_starts import ALL_PAIRS, check_tasks, opened
from unreset.tasks.simulation.hand import Hand
from unreset.tasks.simulation.scripted import Scripted

CLOSE_ENOUGH = 0.02  # metres from the tip to a waypoint
_SPEEDS = (0.7, 1.0)  # of the fastest
_JITTER = 0.008  # metres, of waypoints
_LONGEST = 280  # steps
_ATTEMPTS = 2  # at one element
_TRIES = 10  # at one demonstration
_FINGERS = ("panda0_leftfinger", "panda0_rightfinger")
_FINGER_LENGTH = 0.0875  # metres from a finger's body to its tip
_FREE = 0.35  # metres: before this y the hand meets nothing

Done = Callable[[np.ndarray], bool]  # of the 14 object positions


class _Finished(Exception):
    """The task's own predicate holds, or there is no more time."""


class _Hand(Hand):
    """Leads the fingertips through waypoints."""

    env: kitchen.KitchenEnv

    def tip(self) -> np.ndarray:
        """Where the closed fingers end [3]."""
        data = self.env.data
        knuckles = sum(data.body(name).xpos for name in _FINGERS) / 2
        return np.asarray(knuckles + _FINGER_LENGTH * data.body("panda0_link7").xmat[2::3])

    def objects(self) -> np.ndarray:
        return np.asarray(self.env.data.qpos[kitchen.OBJECTS])

    def move(self, displacement: np.ndarray) -> None:
        """One step of the hand's target by metres [3], at most as fast as this hand goes."""
        action = np.zeros(9, np.float32)
        way = displacement / kitchen.HAND_STEP
        action[:3] = self.speed * way / max(1.0, float(np.abs(way).max()))
        self.act(action)
        if self.success or len(self.actions) == _LONGEST:
            raise _Finished

    def reach(self, *waypoint: float, steps: int = 60, done: Done | None = None) -> None:
        """Lead the tip to a waypoint x, y, z, or as near as it gets, or until ``done``."""
        target = np.array(waypoint) + self.generator.normal(0.0, _JITTER, 3)
        for _ in range(steps):
            way = target - self.tip()
            if float(np.linalg.norm(way)) < CLOSE_ENOUGH or (done and done(self.objects())):
                break
            self.move(0.6 * way)

    def withdraw(self) -> None:
        """Straight back out of reach of everything."""
        x, y, z = self.tip()
        if y > _FREE:
            self.reach(x, _FREE - 0.05, z)


def _close_hinge(hand: _Hand, done: Done) -> None:
    hand.reach(0.0, 0.3, 2.53)
    for x, y in ((-0.15, 0.38), (-0.3, 0.42), (-0.4, 0.5), (-0.46, 0.6), (-0.46, 0.68)):
        hand.reach(x, y, 2.53, steps=40, done=done)


def _close_slide(hand: _Hand, done: Done) -> None:
    hand.reach(0.3, 0.35, 2.5)
    hand.reach(0.36, 0.6, 2.53)
    hand.reach(-0.16, 0.6, 2.53, done=done)


def _open_slide(hand: _Hand, done: Done) -> None:
    hand.reach(-0.25, 0.4, 2.55)
    hand.reach(-0.2, 0.6, 2.55)
    hand.reach(0.3, 0.6, 2.5, done=done)


def _switch_off(hand: _Hand, done: Done) -> None:
    hand.reach(-0.5, 0.4, 2.28)
    hand.reach(-0.5, 0.6, 2.28)
    for x in (-0.45, -0.4, -0.35, -0.3):
        hand.reach(x, 0.62, 2.28, steps=25, done=done)


def _switch_on(hand: _Hand, done: Done) -> None:
    hand.reach(-0.3, 0.45, 2.28)
    hand.reach(-0.31, 0.61, 2.28)
    hand.reach(-0.55, 0.6, 2.28, done=done)


def _close_microwave(hand: _Hand, done: Done) -> None:
    hand.reach(-0.55, 0.2, 1.87)
    for x, y in ((-0.58, 0.2), (-0.58, 0.35), (-0.57, 0.5), (-0.55, 0.56)):
        hand.reach(x, y, 1.86, done=done)


Way = tuple[Callable[[_Hand, Done], None], Done]

#: How each element is done, and when it is; in an order in which no open door is in the way.
_CLOSE: dict[str, Way] = {
    "hinge": (_close_hinge, lambda objects: bool(objects[12] < 0.02)),
    "slide": (_close_slide, lambda objects: bool(objects[10] < 0.005)),
    "light": (_switch_off, lambda objects: bool(objects[8] > -0.02)),
    "microwave": (_close_microwave, lambda objects: bool(objects[13] > 0.02)),
}
_OPEN: dict[str, Way] = {
    "slide": (_open_slide, lambda objects: bool(objects[10] > 0.36)),
    "light": (_switch_on, lambda objects: bool(objects[8] < -0.67)),
}


def _perform(
    env: kitchen.KitchenEnv,
    generator: np.random.Generator,
    goal: np.ndarray,
    ways: list[Way],
    direction: int,
) -> Trajectory | None:
    """From where the kitchen stands to the first success, or None if there is none."""
    hand = _Hand(env, generator, goal, _SPEEDS)
    with contextlib.suppress(_Finished):
        for lead, done in ways:
            for _ in range(_ATTEMPTS):
                lead(hand, done)
                finished = done(hand.objects())
                hand.withdraw()
                if finished:
                    break
    return hand.trajectory(direction)


def kitchen_demonstrations(
    tasks: str = ALL_PAIRS, per_start: int = 2, seed: int = 0, reward: str = "sparse"
) -> list[Trajectory]:
    """``per_start`` demonstrations from each start, and back where that can be scripted.

    Forward ones come first: from each start that ``tasks`` names (see
    :class:`unreset.tasks.kitchen.kitchen.KitchenEnv`) to the goal with everything closed.
    Backward ones lead from there to the start. The same seed gives the same arrays:
    observations [T + 1, 23] and actions [T, 9], float32. Those with the dense
    ``reward`` hold their rewards.

    Raises:
        ValueError: if ``tasks`` names no start.
        UnresetError: if mujoco or gymnasium-robotics is not installed.
    """
    generator = np.random.default_rng(seed)
    forward, backward = Scripted([], 0), Scripted([], 0)
    for start in check_tasks(tasks):
        env = kitchen.KitchenEnv(reward_type=reward, tasks=start)
        elements = start.split("+")
        close = [way for name, way in _CLOSE.items() if name in elements]
        back = [way for name, way in _OPEN.items() if name in elements]
        _several(forward, env, generator, "initial", close, per_start)
        if len(back) == len(elements):
            _several(backward, env, generator, "goal", back, per_start)
    return Scripted(forward + backward, forward.tries + backward.tries)


def _several(
    made: Scripted,
    env: kitchen.KitchenEnv,
    generator: np.random.Generator,
    start: str,
    ways: list[Way],
    wanted: int,
) -> None:
    """Add as many as wanted, or as succeed: one in ten or more misses its mark."""
    enough = len(made) + wanted
    forward = start == "initial"
    initial = np.array([*kitchen.SETTLED_ROBOT, *opened(env.tasks[0])], np.float32)
    goal = kitchen.GOALS[0] if forward else initial
    for _ in range(_TRIES * wanted):
        if len(made) == enough:
            break
        made.tries += 1
        env.reset(seed=int(generator.integers(2**31)), options={"start": start})
        one = _perform(env, generator, goal, ways, FORWARD if forward else BACKWARD)
        if one is not None:
            made.append(one)
