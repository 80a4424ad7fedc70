"""The fused driver: practice and a JAX task in one compiled loop, for all seeds at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from unreset.core import practice
from unreset.core.context import Context
from unreset.core.keys import stream
from unreset.core.method import Method
from unreset.core.practice import Run
from unreset.core.replay import Rows
from unreset.core.teaching import clone
from unreset.core.types import Array, Task
from unreset.errors import UnresetError
from unreset.networks.views import Frames


class Carry(NamedTuple):
    """A run and the state of its task; every leaf has a leading axis of seeds."""

    run: Run
    state: Any


class Remembered(NamedTuple):
    """A task's state, and what was observed in it and before."""

    state: Any
    seen: Array  # [stack, observation], newest first


def remembering(task: Task, stack: int) -> Task:
    """A JAX task whose states are :class:`Remembered`, for pictures in a row."""
    reset, step, observe = task.reset, task.step, task.observe
    assert reset is not None and step is not None and observe is not None

    def begin(key: Array, start: str = "initial") -> Remembered:
        state = reset(key, start)
        return Remembered(state, jnp.stack([observe(state)] * stack))

    def go_on(now: Remembered, action: Array) -> Remembered:
        state = step(now.state, action)
        return Remembered(state, jnp.concatenate([observe(state)[None], now.seen[:-1]]))

    return replace(task, reset=begin, step=go_on, observe=lambda now: now.seen[0])


def look(method: Method, task: Task, state: Any) -> Frames:
    """What the task's cameras see in a state, if the method looks through them."""
    assert task.observe is not None
    if not isinstance(state, Remembered):
        return draw(method, task, task.observe(state))
    seen = [draw(method, task, one) for one in state.seen]
    return jax.tree.map(lambda *pictures: jnp.concatenate(pictures, axis=-1), *seen)


def draw(method: Method, task: Task, observation: Array) -> Frames:
    """What the task's cameras see of an observation, if the method looks through them."""
    if not method.vision.pixels:
        return {}
    assert task.look is not None
    seen = task.look(observation, method.vision.image_size)
    return {name: seen[name] for name in method.watched.looking(task)}


def step(method: Method, task: Task, start: str, carry: Carry, number: Array) -> Carry:
    """One step of one seed (no leading axis): act, step the task, advance, reset if asked."""
    assert task.step is not None and task.observe is not None and task.reset is not None
    run, state = carry
    if method.practice.offline:
        return Carry(practice.study(method, task, run, number), state)
    observation = task.observe(state)
    frames = look(method, task, state)
    action = practice.act(method, task, practice.view(method, run), observation, number, frames)
    state = task.step(state, action)
    after = task.observe(state)
    next_frames = look(method, task, state)
    transition = practice.observed(
        task, run.phase, observation, action, after, frames=frames, next_frames=next_frames
    )
    key = practice.reset_key(run, number)
    run, reset = practice.advance(method, task, run, transition, number)
    return Carry(run, jax.tree.map(partial(jnp.where, reset), task.reset(key, start), state))


class Fused:
    """Drives the seeds of one method on a JAX task; ``carry`` is all that a checkpoint needs."""

    def __init__(
        self,
        method: Method,
        task: Task,
        seeds: Sequence[int],
        pinned: Rows,
        pinned_last: np.ndarray,
        capacity: int,
        start: str = "initial",
        learner: Any = None,
    ) -> None:
        if any(one.of_the_host for one in method.interventions.values()):
            raise UnresetError(
                "a person cannot be asked in a compiled loop: practise with driver='live', or say "
                "--asking.supervisor simulated"
            )
        if task.step is None or task.reset is None:
            raise UnresetError(
                f"task {task.name!r} is not simulated in JAX; practise it with driver='live'"
            )
        reset = task.reset
        self._method, self._task = method, task

        def begin(key: Array, frames: Frames, learner: Any) -> Carry:
            shown = pinned._replace(frames=frames)
            run = practice.init(method, task, key, shown, pinned_last, capacity, learner)
            state = reset(stream(key, "first reset"), start)
            # A weakly typed state would become a strong one in the first chunk, and that be
            # compiled a second time for it.
            strong = partial(jax.tree.map, lambda x: jax.lax.convert_element_type(x, x.dtype))
            return Carry(run, strong(state))

        keys = jnp.stack([jax.random.key(seed) for seed in seeds])
        # Pictures are handed over, not compiled in.
        self.carry = jax.jit(jax.vmap(begin, in_axes=(0, None, None)))(
            keys, dict(pinned.frames), learner
        )
        self.done = 0
        every = jax.vmap(partial(step, method, task, start), in_axes=(0, None))

        def chunk(carry: Carry, start: Array, stop: Array) -> Carry:
            return jax.lax.fori_loop(start, stop, lambda number, c: every(c, number), carry)

        # Donated, so that the replay is updated in place. The bounds are traced: one compilation
        # serves every length, and a result does not depend on how its steps were cut.
        self._chunk = jax.jit(chunk, donate_argnums=0)

    def clone(self) -> None:
        """The updates of behaviour cloning that come before the first step."""
        every = jax.vmap(partial(clone, Context(self._method, self._task)))
        learners = jax.jit(lambda run: every(run).learners)(self.carry.run)
        self.carry = self.carry._replace(run=self.carry.run._replace(learners=learners))

    def advance(self, start: int, stop: int) -> None:
        """Practise steps ``start`` to ``stop`` - 1 and wait for them."""
        self.done = stop
        self.carry = self._chunk(self.carry, jnp.int32(start), jnp.int32(stop))
        self.carry.run.ledger.hard_resets.block_until_ready()

    @property
    def run(self) -> Run:
        """The run without its replay; every leaf has a leading axis of seeds."""
        return self.carry.run._replace(replay=None)

    def forget_totals(self) -> None:
        """Begin the running sums of the metrics anew."""
        run = self.carry.run
        zeros = jax.tree.map(jnp.zeros_like, run.totals)
        self.carry = self.carry._replace(run=run._replace(totals=zeros))
