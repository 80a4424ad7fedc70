"""States of parts: made before the first step, and changed by steps and by updates."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from unreset.core.context import Context
from unreset.core.keys import stream
from unreset.core.protocols import Beginning, Draws, Fresh, Scope
from unreset.core.replay import Rows
from unreset.core.types import Array, Measurement, joined


def init_states(
    context: Context, pinned: Rows, pinned_last: np.ndarray, learners: tuple[Any, bool], key: Array
) -> dict[str, Any]:
    """The fresh states of a method's parts, by name.

    ``learners`` are the learners' states, stacked [learners], of which parts may share an encoder;
    and whether they are those of a run before.
    """
    method, (stacked, prior) = context.method, learners
    states: dict[str, Any] = {}
    for name, part in method.parts.items():
        learner = None
        if served := method.rewarded(name):
            whose = method.learner_of(served[0])
            learner = jax.tree.map(lambda x, n=whose: x[n], stacked)
        start = Beginning(pinned, pinned_last, learner, prior)
        states[name] = part.init(Scope(context, name), start, stream(key, name))
    return states


def fit_states(
    context: Context, run: Any, step: Array, key: Array
) -> tuple[Any, dict[str, Measurement]]:
    """A run after the updates of parts that are due at this step, from the rows recorded so far."""
    method = context.method
    metrics: dict[str, Measurement] = {}
    states, learning = dict(run.signals), step >= method.practice.seed_steps
    learners, first_list = run.learners, len(method.roles)
    for name, part in method.parts.items():
        draws = Draws(run.replay, learners, first_list)
        first_list += part.own_lists
        if not part.interval:
            continue
        scope, due = Scope(context, name, run.signals), step % part.interval == 0
        if part.waits:
            due &= learning
        states[name], learners, found = part.fit(scope, draws, due, stream(key, name))
        metrics = joined(metrics, {_metric(name, what): value for what, value in found.items()})
    return run._replace(learners=learners, signals=states), metrics


def _metric(name: str, what: str) -> str:
    """What a part's metric is called; of rules, the word before the slash says only their kind."""
    return f"{name.rsplit('/', maxsplit=1)[-1]}_{what}"


def observed(context: Context, states: dict[str, Any], fresh: Fresh) -> dict[str, Any]:
    """The states of parts after a step."""
    return states | {
        name: part.observe(Scope(context, name, states), fresh)
        for name, part in context.method.parts.items()
    }


def freshly_judged(
    context: Context, states: dict[str, Any], fresh: Fresh
) -> dict[str, Measurement]:
    """Metrics of a step just made, on which nothing was trained."""
    found: dict[str, Measurement] = {}
    for name, part in context.method.parts.items():
        measured = part.measured(Scope(context, name, states), fresh)
        found = joined(found, {_metric(name, what): value for what, value in measured.items()})
    stuck = context.task.stuck
    if stuck is not None:
        there = stuck(fresh.transition.next_observation).astype(jnp.float32)
        found = joined(found, {"stuck": Measurement(there, jnp.float32(1))})
    return found
