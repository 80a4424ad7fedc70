"""The fused driver: practice and a JAX task in one compiled loop, for all seeds at once."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from unreset.core import practice
from unreset.core.practice import Method, Run
from unreset.core.types import Array, Metrics, Task, Transition


class Carry(NamedTuple):
    """A run and the state of its task; every leaf has a leading axis of seeds."""

    run: Run
    state: Any


def step(method: Method, task: Task, carry: Carry, number: Array) -> tuple[Carry, Metrics]:
    """One step of one seed: act, step the task, advance, reset if asked."""
    assert task.step is not None and task.observe is not None and task.reset is not None
    run, state = carry
    observation = task.observe(state)
    action = practice.act(method, run, observation, number)
    state = task.step(state, action)
    after = task.observe(state)
    transition = Transition(
        observation,
        action,
        after,
        task.reward(after, run.phase.goal),
        task.success(after, run.phase.goal),
        jnp.array(False),
    )
    key = practice.reset_key(run, number)
    run, outcome = practice.advance(method, task, run, transition, number)
    state = jax.tree.map(partial(jnp.where, outcome.reset), task.reset(key), state)
    return Carry(run, state), outcome.metrics


def advance(method: Method, task: Task) -> Any:
    """A compiled function (carry, start, stop) -> (carry, mean metrics [seeds]).

    It practises steps ``start`` to ``stop`` in place (the carry is donated) and compiles once for
    every length. Metrics that a step does not have are NaN there and left out of the mean.
    """
    one = jax.vmap(partial(step, method, task), in_axes=(0, None))

    def chunk(carry: Carry, start: Array, stop: Array) -> tuple[Carry, Metrics]:
        shapes = jax.eval_shape(one, carry, start)[1]
        zeros = jax.tree.map(lambda s: jnp.zeros(s.shape, jnp.float32), shapes)

        def body(number: Array, state: tuple[Carry, Metrics, Metrics]) -> Any:
            carry, total, seen = state
            carry, metrics = one(carry, number)
            total = jax.tree.map(lambda t, m: t + jnp.nan_to_num(m), total, metrics)
            seen = jax.tree.map(lambda s, m: s + ~jnp.isnan(m), seen, metrics)
            return carry, total, seen

        carry, total, seen = jax.lax.fori_loop(start, stop, body, (carry, zeros, zeros))
        return carry, jax.tree.map(lambda t, s: t / s, total, seen)

    return jax.jit(chunk, donate_argnums=0)
