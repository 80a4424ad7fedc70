"""Learning of one step: updates of parts, then of learners on batches rewarded as of now."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp

from unreset.core.batches import draw_batches
from unreset.core.context import Context
from unreset.core.fitting import fit_states
from unreset.core.keys import stream
from unreset.core.protocols import Learner
from unreset.core.types import Array, Batch, Measurement, Metrics, joined, when

Keys = tuple[Array, Array]
"""Keys by which batches are drawn, and learners updated."""


def learn(
    context: Context, run: Any, step: Array, key: Array
) -> tuple[Any, dict[str, Measurement]]:
    """The run after the updates of one step, and what they measured."""
    part_key, batch_key, update_key = jax.random.split(key, 3)
    run, metrics = fit_states(context, run, step, part_key)
    learner = context.method.learner
    learners, found = _taught(context, learner, run, step, (batch_key, update_key))
    return run._replace(learners=learners), joined(metrics, found)


def _taught(
    context: Context, learner: Learner, run: Any, step: Array, keys: Keys
) -> tuple[Any, dict[str, Measurement]]:
    """The learners' states [learners] after one step's updates by a learner."""
    method, groups = context.method, context.method.learners
    updates, (draw_key, update_key) = method.updates_each, keys
    draw_keys = jax.random.split(draw_key, len(groups))
    if method.practice.teach == "acting" and len(groups) > 1:
        acting = run.phase.role
        branches = [
            draw_batches(context, run, roles, updates, (key, step))
            for roles, key in zip(groups, draw_keys, strict=True)
        ]
        batches = jax.tree.map(lambda *x: jnp.stack(x)[acting], *branches)
        state = jax.tree.map(lambda x: x[acting], run.learners)
        state, metrics = _updated(method.practice, learner, state, batches, (step, update_key))
        return jax.tree.map(lambda x, y: x.at[acting].set(y), run.learners, state), metrics
    taught, metrics = [], {}
    update_keys = jax.random.split(update_key, len(groups))
    for number, roles in enumerate(groups):
        batches = draw_batches(context, run, roles, updates, (draw_keys[number], step))
        state = jax.tree.map(lambda x, n=number: x[n], run.learners)
        now = step, update_keys[number]
        state, found = _updated(method.practice, learner, state, batches, now)
        taught.append(state)
        suffix = "" if len(groups) == 1 else f"_{method.roles[roles[0]].name}"
        metrics = joined(metrics, {name + suffix: value for name, value in found.items()})
    return jax.tree.map(lambda *x: jnp.stack(x), *taught), metrics


def _updated(
    practice: Any, learner: Learner, state: Any, batches: Batch, now: tuple[Array, Array]
) -> tuple[Any, dict[str, Measurement]]:
    """A learner's state after its updates, once the seed steps are over; ``now``: step and key."""
    step, key = now

    def update(state: Any) -> tuple[Any, Metrics]:
        return learner.update(state, batches, step, key)

    return when(step >= practice.seed_steps, update, state)


def clone(context: Context, run: Any) -> Any:
    """The run after its first updates: behaviour cloning, and nothing else, of every learner."""
    method, key = context.method, stream(run.key, "cloning")
    practice = replace(
        method.practice,
        updates_per_step=len(method.learners),
        teach="everyone",
        demonstration_share=1.0,
        hindsight=0.0,
        other_goals=0.0,
        goals_per_row=1,
        seed_steps=0,
    )
    shown = Context(replace(method, practice=practice, sources={}), context.task)
    cloner = method.learner.cloner()
    assert cloner is not None

    def once(number: Array, learners: Any) -> Any:
        draw_key, update_key = jax.random.split(jax.random.fold_in(key, number))
        now = run._replace(learners=learners)
        return _taught(shown, cloner, now, jnp.int32(0), (draw_key, update_key))[0]

    learners = jax.lax.fori_loop(0, method.practice.cloning_updates, once, run.learners)
    return run._replace(learners=cloner.deploy(learners))
