"""Scripted experts whose demonstrations spread as a person's would."""

from __future__ import annotations

import jax
import numpy as np

from unreset.demos.store import BACKWARD, FORWARD, Trajectory
from unreset.tasks import tabletop

SPEEDS = (0.4, 0.6)  # of the fastest; the benchmark's teleoperated demonstrations are as slow
_LONGEST = 400


def _leg(generator: np.random.Generator, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Waypoints [2, 2] from start to end, by way of a point beside the straight line."""
    side = generator.normal(0.0, 0.35, 2)
    middle = start + generator.uniform(0.35, 0.65) * (end - start) + side
    return np.stack([np.clip(middle, -2.4, 2.4), end])


def _drive(
    generator: np.random.Generator, state: tabletop.State, goal: np.ndarray, direction: int
) -> Trajectory:
    """Fetch the mug, carry it to the goal, come back: until the first success."""
    step, observe = jax.jit(tabletop.step), jax.jit(tabletop.observe)
    gripper, mug = np.asarray(state.gripper), np.asarray(state.mug)
    speed = generator.uniform(*SPEEDS)
    grasp_at = generator.uniform(0.05, 0.3)
    legs = [
        (_leg(generator, gripper, mug), -1.0, grasp_at),
        (_leg(generator, mug, goal[2:4]), 1.0, generator.uniform(0.03, 0.1)),
        (_leg(generator, goal[2:4], goal[0:2]), -1.0, 0.0),
    ]
    observations, actions = [np.asarray(observe(state))], []
    wobble = np.zeros(2)
    for waypoints, grip, close in legs:
        for number, waypoint in enumerate(waypoints):
            tolerance = close if number == len(waypoints) - 1 else 0.3
            while len(actions) < _LONGEST:
                here = observations[-1][2:4] if grip > 0 else observations[-1][0:2]
                apart = waypoint - here
                distance = float(np.linalg.norm(apart))
                done = number == len(waypoints) - 1 and grip < 0 and close == 0.0
                reached = np.linalg.norm(observations[-1][0:4] - goal[0:4]) <= 0.2
                if (done and reached) or (not done and distance <= tolerance):
                    break
                wobble = 0.8 * wobble + generator.normal(0.0, 0.1, 2)
                fade = min(1.0, distance)
                aim = apart / max(distance, 1e-6) * min(speed, distance / tabletop.STEP)
                move = np.clip(aim + fade * wobble, -SPEEDS[1], SPEEDS[1])
                action = np.array([*move, grip], np.float32)
                state = step(state, action)
                actions.append(action)
                observations.append(np.asarray(observe(state)))
    return Trajectory(
        np.stack(observations).astype(np.float32), np.stack(actions), goal, direction
    )


def tabletop_demonstrations(per_goal: int = 3, seed: int = 0) -> list[Trajectory]:
    """``per_goal`` trajectories to each coaster, and as many back, each from where one ended."""
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
