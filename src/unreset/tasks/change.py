"""Something is different about a task, whichever it is: what a life then has to cope with.

Single-life RL (Chen, Sharma, Levine & Finn 2022, arXiv 2210.08863) moves what stands about, lets a
wind blow and puts up hurdles, each in a task of its own. Here is what can be done to any task.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import update_wrapper
from typing import Any, NamedTuple

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from gymnasium.wrappers import OrderEnforcing, PassiveEnvChecker

from unreset.core import ranges
from unreset.core.ranges import Finite, Rate, Whole
from unreset.core.types import Array, Task
from unreset.errors import UnresetError

_NOISE_KEYS = np.uint32(2**31 + 3)  # apart from what a task makes of its reset's key
_MISSED = 0.1  # share of a shift by which a start may miss its place
_MADE_WITH = (OrderEnforcing, PassiveEnvChecker)  # by gymnasium.make; they have no state
_STATE = "change"  # its name among what an environment's state is saved as


@dataclass(frozen=True)
class Change:
    """What is different about a task; by default, nothing.

    An action a is felt as ``clip(strength a + wind + noise, -1, 1)``; runs record a itself.
    """

    start: tuple[Finite, ...] = ()
    """Added to what resets show, a number for each of the observation's; none: as it was."""
    wind: tuple[Finite, ...] = ()
    """Added to every action, a number for each of the action's, in its units; none: calm."""
    noise: Rate = 0.0
    """Standard deviation of what is added to each number of an action, anew at every step."""
    actuator: Whole | None = None
    """The number of the action, from 0, whose actuator has failed; None: all are well."""
    strength: Finite = 0.0
    """What that actuator makes of its number: 0 nothing, 0.5 half of it, -1 the opposite."""
    obstacle: tuple[Finite, ...] = ()
    """Least x, least y, largest x and largest y of a box on the two numbers of ``Task.position``: a
    step that would lead into it or through it does not happen. Tasks in JAX only; none: free."""

    def felt(self, action: Any, drawn: Any) -> Any:
        """What the task feels of an action [action]; ``drawn`` [action] is standard normal."""
        gain = np.ones(action.shape[-1], np.float32)
        if self.actuator is not None:
            gain[self.actuator] = self.strength
        wind = np.array(self.wind or 0.0, np.float32)
        return (gain * action + wind + self.noise * drawn).clip(-1.0, 1.0)


class Changed(NamedTuple):
    """The state of a changed task in JAX."""

    state: Any  # the task's own
    key: Array  # of the noise to come


def changed(task: Task, change: Change) -> Task:
    """The task with a change. Its goals and its demonstrations stay what they are.

    Raises:
        UnresetError: where that change cannot be made to it; one line says why.
    """
    if change == Change():
        return task
    _check(task, change)
    make, shift = task.environment, np.array(change.start, np.float32)
    if task.step is not None:
        task = _in_jax(task, change)
    if change.obstacle:
        make = None  # which nothing stands in
    if make is not None:
        task = replace(task, environment=_environment(make, change, task))
    if task.beginnings is not None and change.start:
        task = replace(task, beginnings=task.beginnings + shift)
    return task


def _check(task: Task, change: Change) -> None:
    """Refuse numbers that do not fit the task."""
    sizes = {"start": task.observation_size, "wind": task.action_size, "obstacle": 4}
    for name, size in sizes.items():
        value = getattr(change, name)
        if not isinstance(value, tuple | list):
            raise UnresetError(
                f"change.{name} must be {size} numbers in a tuple, or none, not {value!r:.60}"
            )
        if value and len(value) != size:
            raise UnresetError(
                f"change.{name} has {len(value)} number(s), and task {task.name!r} needs {size}"
            )
    change = ranges.checked(change, "change")
    if change.actuator is not None and change.actuator >= task.action_size:
        raise UnresetError(
            f"change.actuator is {change.actuator}, and those of task {task.name!r} are 0 to "
            f"{task.action_size - 1}"
        )
    if not change.obstacle:
        return
    least, largest = np.reshape(change.obstacle, (2, 2))
    if (least >= largest).any():
        raise UnresetError(
            f"change.obstacle={change.obstacle} is no box: give least x, least y, largest x, "
            "largest y"
        )
    if task.step is None:
        raise UnresetError(
            f"task {task.name!r} is simulated outside of JAX, where no step can be undone: it can "
            "have no change.obstacle"
        )


def _in_jax(task: Task, change: Change) -> Task:
    """A JAX task with the change."""
    assert task.reset is not None and task.step is not None and task.observe is not None
    reset, step, observe = task.reset, task.step, task.observe
    moved = _mover(task, np.array(change.start, np.float32)) if change.start else None
    place = jnp.array(task.position)

    def begin(key: Array, start: str = "initial") -> Changed:
        state = reset(key, start)
        state = state if moved is None else moved(state)
        # Without noise nothing is drawn, and resets that are alike must look it.
        noise_key = jax.random.fold_in(key, _NOISE_KEYS) if change.noise else jax.random.key(0)
        return Changed(state, noise_key)

    def go_on(now: Changed, action: Array) -> Changed:
        key, noise_key = jax.random.split(now.key)
        drawn = jax.random.normal(noise_key, action.shape, action.dtype)
        state = step(now.state, change.felt(action, drawn))
        if change.obstacle:
            way = observe(now.state)[place], observe(state)[place]
            state = _unless(enters(*way, change.obstacle), state, now.state)
        return Changed(state, key)

    return replace(task, reset=begin, step=go_on, observe=lambda now: observe(now.state))


def _unless(undone: Array, state: Any, before: Any) -> Any:
    """The state, or the one before; what is drawn at random goes on all the same."""

    def one(now: Array, then: Array) -> Array:
        random = jnp.issubdtype(now.dtype, jax.dtypes.prng_key)
        return now if random else jnp.where(undone, then, now)

    return jax.tree.map(one, state, before)


def enters(before: Array, after: Array, box: tuple[float, ...]) -> Array:
    """Whether the straight way between two positions [2] leads into a box from outside."""
    low, high = jnp.array(box).reshape(2, 2)
    way, within = after - before, (low <= before) & (before <= high)
    still, step = way == 0, jnp.where(way == 0, 1.0, way)
    # The shares of the way at which each axis' slab is entered and left.
    first, second = (low - before) / step, (high - before) / step
    enter = jnp.where(still, jnp.where(within, -jnp.inf, jnp.inf), jnp.minimum(first, second))
    leave = jnp.where(still, jnp.where(within, jnp.inf, -jnp.inf), jnp.maximum(first, second))
    crossed = (enter.max() <= leave.min()) & (enter.max() <= 1) & (leave.min() >= 0)
    return crossed & ~within.all()


def _mover(task: Task, shift: np.ndarray) -> Callable[[Any], Any]:
    """What moves a state so that observations of it are shifted by ``shift`` [observation].

    Raises:
        UnresetError: where no numbers of the state are shown as they are, up to a factor.
    """
    assert task.reset is not None and task.observe is not None
    observe, sample = task.observe, task.reset(jax.random.key(0))
    leaves, structure = jax.tree.flatten(sample)
    real = [n for n, leaf in enumerate(leaves) if jnp.issubdtype(leaf.dtype, jnp.floating)]

    def seen(numbers: list[Array]) -> Array:
        given = dict(zip(real, numbers, strict=True))
        whole = [given.get(n, leaf) for n, leaf in enumerate(leaves)]
        return observe(jax.tree.unflatten(structure, whole))

    slopes = jax.jacobian(seen)([leaves[n] for n in real])
    flat = np.concatenate([np.reshape(slope, (len(shift), -1)) for slope in slopes], axis=1)
    parts = np.split(np.linalg.pinv(flat) @ shift, np.cumsum([leaves[n].size for n in real])[:-1])
    more = {n: part.reshape(leaves[n].shape) for n, part in zip(real, parts, strict=True)}

    def moved(state: Any) -> Any:
        found = jax.tree.leaves(state)
        added = [x + more[n].astype(x.dtype) if n in more else x for n, x in enumerate(found)]
        return jax.tree.unflatten(structure, added)

    off = np.abs(np.asarray(observe(moved(sample)) - observe(sample)) - shift)
    if (off > 1e-4 * (1 + np.abs(shift))).any():
        raise UnresetError(
            f"change.start cannot be made to task {task.name!r}: observation[{int(off.argmax())}] "
            "does not show a number of its state that could be shifted"
        )
    return moved


def _environment(make: Callable[..., Any], change: Change, task: Task) -> Callable[..., Any]:
    """What makes a task's environment, with the same arguments, and changes it."""

    def environment(*arguments: Any, **named: Any) -> ChangedEnv:
        return ChangedEnv(make(*arguments, **named), change, task.state)

    return update_wrapper(environment, make)


class ChangedEnv(gymnasium.Wrapper[Any, Any, Any, Any]):
    """An environment with a change; its state can be saved if the environment's own can be.

    Noise is that of the reset's seed and the number of steps since, so that these say all.

    Args:
        environment: what is changed.
        change: how; of an ``obstacle`` it knows nothing.
        state: the part [observation] of its observations to which ``change.start`` is added. It
            takes resets with ``options={"state": ...}`` to begin there.
    """

    def __init__(
        self,
        environment: gymnasium.Env[Any, Any],
        change: Change,
        state: Callable[[Any], np.ndarray] = lambda observation: observation["observation"],
    ) -> None:
        super().__init__(environment)
        self._change, self._state, self._seed, self._steps = change, state, 0, 0
        self._own: Any = environment
        while isinstance(self._own, _MADE_WITH):
            self._own = self._own.env
        if hasattr(self._own, "get_state") and hasattr(self._own, "set_state"):
            self.get_state, self.set_state = self._save, self._restore

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Reset, and then go where the change lets it start.

        Raises:
            UnresetError: where the environment cannot begin there.
        """
        if seed is not None:
            self._seed, self._steps = seed, 0
        observation, info = self.env.reset(seed=seed, options=options)
        if not self._change.start:
            return observation, info
        shift = np.array(self._change.start, np.float32)
        wanted = np.asarray(self._state(observation), np.float32) + shift
        there: dict[str, Any] = {"state": wanted}
        if isinstance(observation, Mapping) and "desired_goal" in observation:
            there["goal"] = observation["desired_goal"]
        observation, info = self.env.reset(options=there)
        off = np.abs(np.asarray(self._state(observation)) - wanted) - _MISSED * np.abs(shift)
        off[shift == 0] = 0.0
        if (off > 0).any():
            raise UnresetError(
                "change.start cannot be made to this environment: its resets do not begin in the "
                f"state that they are asked for (observation[{int(off.argmax())}])"
            )
        return observation, info

    def step(self, action: np.ndarray) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Act, as far as the change lets it be felt."""
        action = np.asarray(action, np.float32)
        generator = np.random.default_rng((self._seed, self._steps))
        self._steps += 1
        drawn = generator.standard_normal(action.shape, np.float32)
        return self.env.step(self._change.felt(action, drawn))

    def _save(self) -> dict[str, np.ndarray]:
        counted = np.array([self._seed, self._steps], np.int64)
        return {_STATE: counted, **self._own.get_state()}

    def _restore(self, state: Mapping[str, np.ndarray]) -> Any:
        self._seed, self._steps = (int(number) for number in state[_STATE])
        return self._own.set_state({name: state[name] for name in state if name != _STATE})
