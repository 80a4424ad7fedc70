"""A scripted expert that grasps, lifts and puts down the cube, as varied as a person would."""

from __future__ import annotations

from typing import Any

import numpy as np

from unreset.demos.store import BACKWARD, FORWARD, Trajectory
from unreset.tasks.cube_grasp import HELD, PLACES, STEP, CubeGraspEnv
from unreset.tasks.cube_grasp_model import HALF

SPEEDS = (0.2, 0.4)  # of the fastest
ABOVE = (0.06, 0.1)  # height over the cube at which the hand begins to descend
CARRY = (0.03, 0.08)  # height over the table at which a cube is carried to its place
BIAS = 0.006  # how far from the cube's middle the hand aims, per axis
WOBBLE, WOBBLE_DECAY = 0.05, 0.8  # drift of the hand: kick per step, and what stays of the last
OPENED, CLOSED = 0.08, 0.07  # opening at which the hand counts as either
_OPEN, _CLOSE = 1.0, -1.0
_LONGEST = 150


class _Hand:
    """A person's hand on the robot's, and all that it has seen and done on the way to a goal."""

    def __init__(
        self,
        environment: CubeGraspEnv,
        observation: dict[str, Any],
        generator: np.random.Generator,
    ) -> None:
        self.environment, self.generator = environment, generator
        self.goal = observation["desired_goal"]
        self.observations = [observation["observation"]]
        self.actions: list[np.ndarray] = []
        self.succeeded = False
        self.speed = generator.uniform(*SPEEDS)
        self.bias = generator.uniform(-BIAS, BIAS, 3)
        self.wobble = np.zeros(3)

    @property
    def hand(self) -> np.ndarray:
        return self.observations[-1][0:3]

    @property
    def opening(self) -> float:
        return float(self.observations[-1][3])

    @property
    def cube(self) -> np.ndarray:
        return self.observations[-1][4:7]

    @property
    def busy(self) -> bool:
        return not self.succeeded and len(self.actions) < _LONGEST

    @property
    def holds(self) -> bool:
        return bool(np.linalg.norm(self.cube - self.hand) <= HELD and self.opening < CLOSED)

    def move(self, way: np.ndarray, grip: float) -> None:
        """One step along the way [3] that is left, in metres; slower and steadier on arrival."""
        distance = float(np.linalg.norm(way))
        self.wobble = WOBBLE_DECAY * self.wobble + self.generator.normal(0.0, WOBBLE, 3)
        aim = way / max(distance, 1e-6) * min(self.speed, distance / STEP)
        motion = np.clip(aim + min(1.0, distance / 0.1) * self.wobble, -1.0, 1.0)
        firm = grip * self.generator.uniform(0.6, 1.0)
        action = np.array([*motion, firm], np.float32)
        seen, _, _, _, info = self.environment.step(action)
        self.actions.append(action)
        self.observations.append(seen["observation"])
        self.succeeded = info["is_success"]

    def fetch(self) -> None:
        """Go over the cube, down to it, and close the hand."""
        above = np.array([0.0, 0.0, self.generator.uniform(*ABOVE)])
        for offset, close in ((above, 0.015), (np.zeros(3), 0.008)):
            while self.busy:
                way = self.cube + offset + self.bias - self.hand
                if np.linalg.norm(way) <= close:
                    break
                self.move(way, _OPEN)
        before = np.inf
        while self.busy and abs(self.opening - before) > 1e-3:
            before = self.opening
            self.move(np.zeros(3), _CLOSE)

    def carry(self, goal: np.ndarray, close: float) -> None:
        """Bring the held cube there, or until it is lost."""
        while self.busy and self.holds:
            way = goal - self.cube
            if np.linalg.norm(way) <= close:
                break
            self.move(way, _CLOSE)

    def release(self) -> None:
        """Open the hand and go up."""
        while self.busy and self.opening < OPENED:
            self.move(np.zeros(3), _OPEN)
        over = np.array([*self.bias[:2], 0.12])
        way = np.ones(3)
        while self.busy and np.linalg.norm(way) > 0.01:
            way = self.cube + over - self.hand
            self.move(way, _OPEN)


def attempt(
    environment: CubeGraspEnv, observation: dict[str, Any], generator: np.random.Generator
) -> Trajectory | None:
    """Drive an environment from its last observation to its goal, up to the first success.

    A goal in the air makes a forward trajectory (grasp and lift), one on the table a backward one
    (carry, lower, let go, retreat). None if it is not reached within 150 steps.
    """
    hand = _Hand(environment, observation, generator)
    direction = BACKWARD if hand.goal[2] <= HALF + 1e-3 else FORWARD
    over = np.array([0.0, 0.0, generator.uniform(*CARRY)])
    while hand.busy:
        if not hand.holds:
            hand.fetch()
        if direction == FORWARD:
            hand.carry(hand.goal, 0.0)
        else:
            hand.carry(hand.goal + over, 0.02)
            hand.carry(hand.goal, 0.01)
            if hand.holds:
                hand.release()
    if not hand.succeeded:
        return None
    return Trajectory(np.stack(hand.observations), np.stack(hand.actions), hand.goal, direction)


def cube_grasp_demonstrations(number: int = 10, seed: int = 0) -> list[Trajectory]:
    """``number`` trajectories that lift the cube, and as many that put it down again.

    All forward ones come first, from the initial starts; backward one ``i`` starts where forward
    one ``i`` ended, to a place drawn at random. The same seed gives the same arrays: observations
    [T + 1, 14] and actions [T, 4], float32. What fails is tried again from another start.
    """
    generator = np.random.default_rng(seed)
    environment = CubeGraspEnv()
    forward: list[Trajectory] = []
    backward: list[Trajectory] = []
    observation, _ = environment.reset(seed=seed)
    while len(forward) < number:
        there = attempt(environment, observation, generator)
        place = PLACES[generator.integers(len(PLACES))]
        back = there and attempt(environment, environment.set_goal(place), generator)
        if there and back:
            forward.append(there)
            backward.append(back)
        observation, _ = environment.reset()
    environment.close()
    return forward + backward
