"""A point with inertia and drag between walls: the smallest world that no model fits exactly.

It is ours: the point mass on which a model's data, the length of imagined rollouts and their
starts can be compared (``benchmarks/imagination_run.py``).
A good policy needs about thirty steps, by a
way that bends round two walls; what a wall does is a jump that a network has to smooth.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from unreset.core.types import BACKWARD, FORWARD, Array, Task, Trajectory
from unreset.tasks.benchmarks import OURS
from unreset.tasks.simulation.simulated import chosen

ARENA = 2.0  # the square from -ARENA to ARENA, which stops the point as walls do
SPEED = 0.2  # top speed, per step and axis
DRAG = 0.25  # share of the velocity that a step takes, and of the action that it gives
#: [walls, 2, 2]: lower left and upper right corner of each.
WALLS = np.array([[[-0.8, -2.0], [-0.4, 0.6]], [[0.4, -0.6], [0.8, 2.0]]], np.float32)
ENDS = ((-0.6, 0.6), (0.6, -0.6))  # of the walls, round which the way bends
START, GOAL = (-1.4, -1.2), (1.4, -0.2)
NARROW = 0.1  # largest distance of a start from START, on each axis
#: [n, 2], which demonstrations follow.
WAY = np.array([[-0.9, 0.75], [-0.3, 0.75], [0.3, -0.75], [0.9, -0.75]], np.float32)
PASS_AT = 0.2  # distance from a waypoint at which a demonstration turns to the next
PROTOCOL = OURS["pointmass_walls"]
_LONGEST = 60  # steps of a demonstration; one that takes more has hit a wall
_TRIES = 32  # a place is in a wall in one try of eight: 1e-28 remains


class State(NamedTuple):
    """Where the point is and how it moves."""

    position: Array  # [2]
    velocity: Array  # [2], in [-1, 1], of the top speed


def in_wall(position: Array) -> Array:
    """Whether a position [2] is inside a wall; faces are outside."""
    inside = (position > WALLS[:, 0]) & (position < WALLS[:, 1])
    return inside.all(axis=-1).any()


def _slide(position: Array, axis: int, to: Array) -> Array:
    """How far [] a point moves along an axis towards ``to``: as far as the nearest face."""
    across = (position[1 - axis] > WALLS[:, 0, 1 - axis]) & (
        position[1 - axis] < WALLS[:, 1, 1 - axis]
    )
    low, high, here = WALLS[:, 0, axis], WALLS[:, 1, axis], position[axis]
    most = jnp.where(across & (here <= low), low, ARENA).min()
    least = jnp.where(across & (here >= high), high, -ARENA).max()
    return jnp.clip(to, least, most)


def step(state: State, action: Array) -> State:
    """Accelerate, then move along the first axis, then along the second, each up to a wall.

    ``v' = (1 - DRAG) v + DRAG a`` and ``x' = x + SPEED v'`` for an action [2] in [-1, 1]; the
    velocity towards what stops the point is lost, the other kept. Nothing gets into a wall; what is
    put there stays, at rest.
    """
    held = in_wall(state.position)
    velocity = (1 - DRAG) * state.velocity + DRAG * jnp.clip(action, -1.0, 1.0)
    position = state.position
    for axis in range(2):
        to = position[axis] + SPEED * velocity[axis]
        reached = _slide(position, axis, to)
        velocity = velocity.at[axis].multiply(reached == to)
        position = position.at[axis].set(reached)
    return State(jnp.where(held, state.position, position), jnp.where(held, 0.0, velocity))


def _free(key: Array) -> Array:
    """A position [2], uniform outside the walls."""
    places = jax.random.uniform(key, (_TRIES, 2), minval=-ARENA, maxval=ARENA)
    return places[jnp.argmax(~jax.vmap(in_wall)(places))]


def reset(key: Array, start: str = "initial") -> State:
    """At rest near the start; "wide": at rest anywhere outside the walls."""
    if start == "wide":
        return State(_free(key), jnp.zeros(2))
    near = jax.random.uniform(key, (2,), minval=-NARROW, maxval=NARROW)
    return State(jnp.array(START) + near, jnp.zeros(2))


def uniform(key: Array) -> State:
    """Anywhere, in walls too, with any velocity: what an offline model learns from."""
    place, motion = jax.random.split(key)
    position = jax.random.uniform(place, (2,), minval=-ARENA, maxval=ARENA)
    return State(position, jax.random.uniform(motion, (2,), minval=-1.0))


def observe(state: State) -> Array:
    """Position and velocity [4]; the observation is the whole state."""
    return jnp.concatenate([state.position, state.velocity])


def from_observation(observation: Array) -> State:
    """The state that an observation [4] shows."""
    return State(observation[:2], observation[2:])


def success(observation: Array, goal: Array) -> Array:
    """Whether the point is within 0.2 of the goal [2]."""
    return jnp.linalg.norm(observation[:2] - goal) <= PROTOCOL.success_radius


def sparse_reward(observation: Array, goal: Array) -> Array:
    """1 on success, else 0."""
    return success(observation, goal).astype(jnp.float32)


def way(begin: Array, end: Array) -> Array:
    """Length [] of the way between positions [2] by the ends of the walls that are between them.

    Out of a wall the way leads by its end.
    """
    turned = begin[0] > end[0]
    first, last = jnp.where(turned, end, begin), jnp.where(turned, begin, end)
    low, high = (first[0] >= WALLS[:, 1, 0]).sum(), (last[0] > WALLS[:, 0, 0]).sum()
    near, far = jnp.array(ENDS)[jnp.minimum(low, 1)], jnp.array(ENDS)[1]
    straight = jnp.linalg.norm(begin - end)
    one = jnp.linalg.norm(first - near) + jnp.linalg.norm(near - last)
    two = jnp.linalg.norm(first - near) + jnp.linalg.norm(near - far) + jnp.linalg.norm(far - last)
    return jnp.stack([straight, one, two])[high - low]


def dense_reward(observation: Array, goal: Array) -> Array:
    """Minus the length of the way to the goal, round the ends of the walls."""
    return -way(observation[:2], goal)


REWARDS = {"sparse": sparse_reward, "dense": dense_reward}
_step, _observe, _success = jax.jit(step), jax.jit(observe), jax.jit(success)


def _drive(
    generator: np.random.Generator, begin: State, way: np.ndarray, direction: int
) -> Trajectory:
    """From a state along waypoints [n, 2] to within reach of the last; anew where it gets stuck."""
    while True:
        state, seen, left = begin, [np.asarray(_observe(begin))], list(way)
        actions: list[np.ndarray] = []
        pace = generator.uniform(0.85, 1.0)
        while len(actions) < _LONGEST:
            if len(left) > 1 and np.linalg.norm(left[0] - seen[-1][:2]) < PASS_AT:
                left.pop(0)
            wanted = np.clip((left[0] - seen[-1][:2]) / (2 * SPEED), -pace, pace)
            push = (wanted - (1 - DRAG) * seen[-1][2:]) / DRAG + generator.normal(0.0, 0.3, 2)
            actions.append(np.clip(push, -1, 1).astype(np.float32))
            state = _step(state, actions[-1])
            seen.append(np.asarray(_observe(state)))
            if _success(seen[-1], way[-1]):
                return Trajectory(np.stack(seen), np.stack(actions), way[-1], direction)


def demonstrations(number: int = 10, seed: int = 0) -> list[Trajectory]:
    """Drives from start to goal, then as many back, each from where one ended."""
    generator = np.random.default_rng(seed)
    ends = np.array([START, GOAL], np.float32)
    there, back = [], []
    for _ in range(number):
        begin = reset(jax.random.key(int(generator.integers(2**31))))
        there.append(_drive(generator, begin, np.stack([*WAY, ends[1]]), FORWARD))
        turned = from_observation(jnp.asarray(there[-1].observations[-1]))
        back.append(_drive(generator, turned, np.stack([*WAY[::-1], ends[0]]), BACKWARD))
    return there + back


def pointmass_walls(reward: str = "sparse") -> Task:
    """The task, with its "sparse" or "dense" reward.

    Raises:
        UnresetError: if there is no such reward.
    """
    return Task(
        name="pointmass_walls",
        summary="steer a heavy point round two walls to a place (JAX)",
        observation_size=4,
        action_size=2,
        goals=np.array([GOAL], np.float32),
        initial_goals=np.array([START], np.float32),
        **PROTOCOL.periods(),
        achieved=lambda observation: observation[:2],
        reward=chosen("pointmass_walls", REWARDS, reward),
        success=success,
        sparse=reward == "sparse",
        starts=("initial", "wide"),
        demonstrations=lambda seed=0: demonstrations(seed=seed),
        reset=reset,
        step=step,
        observe=observe,
        proprioception=(0, 1, 2, 3),
        position_name="position",
    )
