"""A scripted expert that grasps, lifts and puts down the cube, as varied as a person would."""

from __future__ import annotations

import numpy as np

from unreset.core.types import BACKWARD, FORWARD, Trajectory
from unreset.tasks.cube.cube_grasp import HELD, PLACES, STEP, CubeGraspEnv
from unreset.tasks.cube.cube_grasp_model import HALF
from unreset.tasks.simulation.hand import Hand
from unreset.tasks.simulation.scripted import Scripted

SPEEDS = (0.2, 0.4)  # of the fastest
ABOVE = (0.06, 0.1)  # height over the cube at which the hand begins to descend
CARRY = (0.03, 0.08)  # height over the table at which a cube is carried to its place
BIAS = 0.006  # how far from the cube's middle the hand aims, per axis
WOBBLE, WOBBLE_DECAY = 0.05, 0.8  # drift of the hand: kick per step, and what stays of the last
OPENED, CLOSED = 0.08, 0.07  # opening at which the hand counts as either
_OPEN, _CLOSE = 1.0, -1.0
_LONGEST = 150


class _Hand(Hand):
    """A person's hand on the robot's."""

    def __init__(self, env: CubeGraspEnv, generator: np.random.Generator, goal: np.ndarray) -> None:
        super().__init__(env, generator, goal, SPEEDS)
        self.bias = generator.uniform(-BIAS, BIAS, 3)
        self.wobble = np.zeros(3)

    @property
    def hand(self) -> np.ndarray:
        return self.seen[0:3]

    @property
    def opening(self) -> float:
        return float(self.seen[3])

    @property
    def cube(self) -> np.ndarray:
        return self.seen[4:7]

    @property
    def busy(self) -> bool:
        return not self.success and len(self.actions) < _LONGEST

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
        self.act(np.array([*motion, firm], np.float32))

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
    environment: CubeGraspEnv, goal: np.ndarray, generator: np.random.Generator
) -> Trajectory | None:
    """Drive an environment from where it is to a goal [3], up to the first success.

    A goal in the air makes a forward trajectory (grasp and lift), one on the table a backward one
    (carry, lower, let go, retreat). None if it is not reached within 150 steps.
    """
    hand = _Hand(environment, generator, goal)
    direction = BACKWARD if goal[2] <= HALF + 1e-3 else FORWARD
    over = np.array([0.0, 0.0, generator.uniform(*CARRY)])
    while hand.busy:
        if not hand.holds:
            hand.fetch()
        if direction == FORWARD:
            hand.carry(goal, 0.0)
        else:
            hand.carry(goal + over, 0.02)
            hand.carry(goal, 0.01)
            if hand.holds:
                hand.release()
    return hand.trajectory(direction)


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
    tries = 0
    while len(forward) < number:
        tries += 2
        there = attempt(environment, observation["desired_goal"], generator)
        place = PLACES[generator.integers(len(PLACES))]
        back = there and attempt(environment, place, generator)
        if there and back:
            forward.append(there)
            backward.append(back)
        observation, _ = environment.reset()
    environment.close()
    return Scripted(forward + backward, tries)
