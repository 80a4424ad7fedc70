"""A maze whose walls hold fast whoever touches them: PAINT's smallest domain, in JAX.

Sizes, motion and success follow the released code of PAINT (Xie, Tajwar, Sharma & Finn 2022, arXiv
2210.10765); the walls are ours, with as many free cells, the same start and goal and as short a way
between them.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from unreset.core.types import BACKWARD, FORWARD, Array, Task, Trajectory
from unreset.tasks.benchmarks import PAINT

CELLS = 13  # on each side; the maze is the square from -1 to 1
STEP, PARTS = 0.1, 10  # largest motion of a step on each axis, which is made in so many parts
START_CELL, GOAL_CELL = (1, 1), (11, 11)
NEAR = 0.07  # distance from the middle of a cell at which a demonstration turns to the next
PROTOCOL = PAINT["sticky_maze"]

_MAP = """
#############
#   #       #
#   #       #
#   #     # #
#   #   #   #
# ###   #   #
#   # # #   #
#   # # ##  #
#   # # #   #
# # #   #   #
#       #   #
#       #   #
#############
"""
#: [CELLS, CELLS] bool, by x to the right and y upwards.
WALLS = np.array([[place == "#" for place in row] for row in _MAP.split("\n")[-2:0:-1]]).T


def centre(cell: tuple[int, int]) -> np.ndarray:
    """The middle [2] of a cell."""
    return ((np.array(cell, np.float32) + 0.5) / CELLS * 2 - 1).astype(np.float32)


class State(NamedTuple):
    """Where the point is."""

    position: Array  # [2]


def in_wall(position: Array) -> Array:
    """Whether a position [2] is in a wall, out of which no way leads."""
    cell = jnp.floor((position + 1) / 2 * CELLS).astype(jnp.int32)
    cell = jnp.clip(cell, 0, CELLS - 1)
    return jnp.asarray(WALLS)[cell[0], cell[1]]


def reset(key: Array, start: str = "initial") -> State:
    """The middle of the start's cell; "wide": anywhere in the middle parts of free cells."""
    if start == "initial":
        return State(jnp.asarray(centre(START_CELL)))
    which, where = jax.random.split(key)
    free = np.argwhere(~WALLS)
    cell = jnp.asarray(free)[jax.random.randint(which, (), 0, len(free))]
    within = jax.random.uniform(where, (2,), minval=0.25, maxval=0.75)
    return State((cell + within) / CELLS * 2 - 1)


def step(state: State, action: Array) -> State:
    """Move by a tenth of the action [2] in ten parts; in a wall none leads out of it."""
    part = jnp.clip(action, -1.0, 1.0) * STEP / PARTS

    def move(_: int, position: Array) -> Array:
        moved = jnp.clip(position + part, -1.0, 1.0)
        held = in_wall(position) & ~in_wall(moved)
        return jnp.where(held, position, moved)

    return State(jax.lax.fori_loop(0, PARTS, move, state.position))


def success(observation: Array, goal: Array) -> Array:
    """Whether the point is within 0.1 of the goal [2], and not in a wall."""
    near = jnp.linalg.norm(observation - goal) < PROTOCOL.success_radius
    return near & ~in_wall(observation)


def reward(observation: Array, goal: Array) -> Array:
    """1 on success, else 0."""
    return success(observation, goal).astype(jnp.float32)


_step, _stuck, _success = jax.jit(step), jax.jit(in_wall), jax.jit(success)


def demonstrations(number: int = 10, seed: int = 0) -> list[Trajectory]:
    """Walks from start to goal along the lanes, and as many back, with a wavering hand."""
    generator, shown = np.random.default_rng(seed), []
    for _ in range(number):
        shown.append(_walk(generator, START_CELL, GOAL_CELL, FORWARD))
    for _ in range(number):
        shown.append(_walk(generator, GOAL_CELL, START_CELL, BACKWARD))
    return shown


def _distances(end: tuple[int, int]) -> np.ndarray:
    """Cells [CELLS, CELLS] on the shortest way from each to the end; infinity in walls."""
    far = np.full((CELLS, CELLS), np.inf)
    far[end] = 0
    for _ in range(CELLS * CELLS):
        near = np.min([np.roll(far, by, axis) for axis in (0, 1) for by in (-1, 1)], axis=0)
        far = np.where(WALLS, np.inf, np.minimum(far, near + 1))
    return far


def _walk(
    generator: np.random.Generator, begin: tuple[int, int], end: tuple[int, int], direction: int
) -> Trajectory:
    """One walk from cell to cell by one of the shortest ways; anew where it touches a wall."""
    far, goal = _distances(end), centre(end)
    while True:
        state, cell = State(jnp.asarray(centre(begin))), np.array(begin)
        seen, actions = [np.asarray(state.position)], []
        speed = generator.uniform(0.8, 1.0)
        while not _success(seen[-1], goal) and not _stuck(seen[-1]):
            if np.linalg.norm(centre(tuple(cell)) - seen[-1]) < NEAR:
                ways = [np.array(way) for way in ((1, 0), (-1, 0), (0, 1), (0, -1))]
                ways = [way for way in ways if far[tuple(cell + way)] < far[tuple(cell)]]
                cell = cell + ways[generator.integers(len(ways))]
            aim = (centre(tuple(cell)) - seen[-1]) / STEP + generator.normal(0.0, 0.1, 2)
            actions.append(np.clip(aim, -speed, speed).astype(np.float32))
            state = _step(state, actions[-1])
            seen.append(np.asarray(state.position))
        if not _stuck(seen[-1]):
            return Trajectory(np.stack(seen), np.stack(actions), goal, direction)


def sticky_maze() -> Task:
    """The task."""
    return Task(
        name="sticky_maze",
        summary="walk through a maze without touching its walls, which hold fast (PAINT; JAX)",
        observation_size=2,
        action_size=2,
        goals=centre(GOAL_CELL)[None],
        initial_goals=centre(START_CELL)[None],
        **PROTOCOL.periods(),
        achieved=lambda observation: observation,
        reward=reward,
        success=success,
        stuck=in_wall,
        starts=("initial", "wide"),
        demonstrations=lambda seed=0: demonstrations(seed=seed),
        reset=reset,
        step=step,
        observe=lambda state: state.position,
        proprioception=(0, 1),
        position_name="position",
    )
