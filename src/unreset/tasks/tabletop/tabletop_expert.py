"""Scripted experts whose demonstrations spread as a person's would."""

from __future__ import annotations

import jax
import numpy as np

from unreset.core.types import BACKWARD, FORWARD, Trajectory
from unreset.tasks.tabletop import tabletop

SPEEDS = (0.4, 0.6)  # of the fastest; the benchmark's teleoperated demonstrations are as slow
GRASP_AT = (0.05, 0.3)  # distance from the mug at which the hand grips
PLACE_AT = (0.03, 0.1)  # distance from the goal at which it lets go
PASS_AT = 0.3  # distance at which a waypoint on the way counts as reached
WOBBLE, WOBBLE_DECAY = 0.1, 0.8  # drift of the hand: kick per step, and what stays of the last
GRIP, RELEASE = 1.0, -1.0
_LONGEST = 400

_step = jax.jit(tabletop.step)
_observe = jax.jit(tabletop.observe)
_success = jax.jit(tabletop.success)


class _Hand:
    """A person's hand on the gripper, and all that it has seen and done on the way to a goal."""

    def __init__(
        self, generator: np.random.Generator, state: tabletop.State, goal: np.ndarray
    ) -> None:
        self.generator = generator
        self.state = state
        self.goal = goal
        self.speed = generator.uniform(*SPEEDS)
        self.wobble = np.zeros(2)
        self.observations = [np.asarray(_observe(state))]
        self.actions: list[np.ndarray] = []

    def follow(self, leg: np.ndarray, grip: float, tolerance: float) -> None:
        """Visit the waypoints [2, 2] of a leg, the last one closely, or stop at the first success.

        What is guided is the mug while gripping, else the gripper.
        """
        guided = slice(2, 4) if grip > 0 else slice(0, 2)
        for waypoint, close in zip(leg, (PASS_AT, tolerance), strict=True):
            while not _success(self.observations[-1], self.goal):
                way = waypoint - self.observations[-1][guided]
                if np.linalg.norm(way) <= close:
                    break
                self.move(way, grip)

    def move(self, way: np.ndarray, grip: float) -> None:
        """One step along the way [2] that is left; slower and steadier on arrival."""
        if len(self.actions) == _LONGEST:
            raise RuntimeError(f"the scripted expert is lost after {_LONGEST} steps")
        distance = float(np.linalg.norm(way))
        kick = self.generator.normal(0.0, WOBBLE, 2)
        self.wobble = WOBBLE_DECAY * self.wobble + kick
        aim = way / max(distance, 1e-6) * min(self.speed, distance / tabletop.STEP)
        motion = np.clip(aim + min(1.0, distance) * self.wobble, -SPEEDS[1], SPEEDS[1])
        action = np.array([*motion, grip], np.float32)
        self.state = _step(self.state, action)
        self.actions.append(action)
        self.observations.append(np.asarray(_observe(self.state)))


def _leg(generator: np.random.Generator, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Waypoints [2, 2] from start to end, by way of a point beside the straight line."""
    side = generator.normal(0.0, 0.35, 2)
    middle = start + generator.uniform(0.35, 0.65) * (end - start) + side
    return np.stack([np.clip(middle, -2.4, 2.4), end])


def _drive(
    generator: np.random.Generator, state: tabletop.State, goal: np.ndarray, direction: int
) -> Trajectory:
    """Fetch the mug, carry it to the goal, come back: until the first success."""
    hand = _Hand(generator, state, goal)
    home, coaster = goal[0:2], goal[2:4]
    grasp_at = generator.uniform(*GRASP_AT)
    fetch = _leg(generator, np.asarray(state.gripper), np.asarray(state.mug))
    carry = _leg(generator, np.asarray(state.mug), coaster)
    place_at = generator.uniform(*PLACE_AT)
    retreat = _leg(generator, coaster, home)

    hand.follow(fetch, RELEASE, grasp_at)
    hand.follow(carry, GRIP, place_at)
    hand.follow(retreat, RELEASE, 0.0)
    return Trajectory(np.stack(hand.observations), np.stack(hand.actions), goal, direction)


def tabletop_demonstrations(per_goal: int = 3, seed: int = 0) -> list[Trajectory]:
    """``per_goal`` trajectories to each coaster, and as many back, each from where one ended.

    All forward ones come first; backward one ``i`` starts where forward one ``i`` ended. The
    same seed gives the same arrays: observations [T + 1, 6] and actions [T, 3], float32.
    """
    generator = np.random.default_rng(seed)
    forward, backward = [], []
    for goal in tabletop.GOALS:
        for _ in range(per_goal):
            start = tabletop.reset(jax.random.key(0))
            there = _drive(generator, start, goal, FORWARD)
            ended = tabletop.from_observation(there.observations[-1])
            forward.append(there)
            backward.append(_drive(generator, ended, tabletop.INITIAL[0], BACKWARD))
    return forward + backward
