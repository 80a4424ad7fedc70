"""What a step teaches: batches drawn and rewarded with the current signals, and their updates."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from unreset.core.batches import draw_batches
from unreset.core.context import Context
from unreset.core.fitting import fit_states
from unreset.core.method import Method
from unreset.core.types import Array, Batch, Measurement, Metrics, Task, joined, when

if TYPE_CHECKING:
    from unreset.core.practice import Run

_CLONING_KEYS = np.uint32(2**31 + 2)  # a number that no step has


def learn(
    method: Method, task: Task, run: Run, step: Array, key: Array
) -> tuple[Run, dict[str, Measurement]]:
    """The updates of one step, on batches drawn and rewarded with the current signals."""
    signal_key, batch_key, update_key = jax.random.split(key, 3)
    run, metrics = fit_states(Context(method, task), run, step, signal_key)
    learners, found = _teach(method, task, run, step, batch_key, update_key)
    return run._replace(learners=learners), joined(metrics, found)


def _teach(
    method: Method, task: Task, run: Run, step: Array, batch_key: Array, update_key: Array
) -> tuple[Any, dict[str, Measurement]]:
    """The learners [learners] after one step's updates."""
    context, practice, groups = Context(method, task), method.practice, method.learners
    if practice.teach == "acting" and len(groups) > 1:
        branches = [
            draw_batches(context, run, roles, method.updates_each, (key, step))
            for roles, key in zip(groups, jax.random.split(batch_key, len(groups)), strict=True)
        ]
        batches = jax.tree.map(lambda *x: jnp.stack(x)[run.phase.role], *branches)
        learner = jax.tree.map(lambda x: x[run.phase.role], run.learners)
        learner, learner_metrics = _update(method, learner, batches, step, update_key)
        learners = jax.tree.map(lambda x, y: x.at[run.phase.role].set(y), run.learners, learner)
        return learners, learner_metrics
    taught: list[Any] = []
    metrics: dict[str, Measurement] = {}
    draw_keys = jax.random.split(batch_key, len(groups))
    update_keys = jax.random.split(update_key, len(groups))
    for number, roles in enumerate(groups):
        now = draw_keys[number], step
        batches = draw_batches(context, run, roles, method.updates_each, now)
        learner = jax.tree.map(lambda x, n=number: x[n], run.learners)
        learner, learner_metrics = _update(method, learner, batches, step, update_keys[number])
        taught.append(learner)
        suffix = "" if len(groups) == 1 else f"_{method.roles[roles[0]].name}"
        metrics |= {name + suffix: value for name, value in learner_metrics.items()}
    return jax.tree.map(lambda *x: jnp.stack(x), *taught), metrics


def _update(
    method: Method, learner: Any, batches: Batch, step: Array, key: Array
) -> tuple[Any, dict[str, Measurement]]:
    """The learner's updates, once the seed steps are over."""

    def update(learner: Any) -> tuple[Any, Metrics]:
        return method.learner.update(learner, batches, step, key)

    return when(step >= method.practice.seed_steps, update, learner)


def clone(method: Method, task: Task, run: Run) -> Run:
    """The run after its first updates: behaviour cloning, and nothing else, of every learner."""
    key = jax.random.fold_in(run.key, _CLONING_KEYS)
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
    learner = method.learner.cloner()
    assert learner is not None
    cloner = replace(method, practice=practice, learner=learner, sources={})

    def once(number: Array, learners: Any) -> Any:
        batch_key, update_key = jax.random.split(jax.random.fold_in(key, number))
        now = run._replace(learners=learners)
        return _teach(cloner, task, now, jnp.int32(0), batch_key, update_key)[0]

    learners = jax.lax.fori_loop(0, method.practice.cloning_updates, once, run.learners)
    return run._replace(learners=learner.deploy(learners))
