"""Weights of prior data: how much each row counts as a discriminator's positive.

In a state that no prior data shows, all of it looks better than the agent's own. QWALE (Chen,
Sharma, Levine & Finn 2022, arXiv 2210.08863) therefore weighs prior rows by ``exp(q - b)``: q is
the value that the prior's critics gave a row, and b the one where the agent is now, both on the
scale on which the least valued row has 0 and the most valued 1. So rows count that are further on.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from unreset.core import replay as replays
from unreset.core.protocols import Beginning, Scope
from unreset.core.replay import Replay, Rows
from unreset.core.types import Array


class Worth(NamedTuple):
    """What prior rows are worth, and by what the agent's own state is measured."""

    rows: Array  # [pinned], in [0, 1]
    least: Array  # [], the value that is worth 0
    span: Array  # [], by how much the value that is worth 1 is above it; 0: all are worth the same
    critics: Any = ()  # frozen; () where worth is progress


def of_values(values: Array, known: Array, critics: Any = ()) -> Worth:
    """From values [pinned] of prior rows, among those ``known`` [pinned] to have been acted in."""
    least = jnp.where(known, values, jnp.inf).min()
    span = jnp.where(known, values, -jnp.inf).max() - least
    return Worth(jnp.clip(scaled(values, least, span), 0.0, 1.0), least, span, critics)


def of_progress(pinned_last: np.ndarray) -> Worth:
    """From the share of its trajectory that is done at each row, of which ``pinned_last`` [pinned]
    is the last one."""
    row = np.arange(len(pinned_last))
    first = np.searchsorted(pinned_last, pinned_last)
    done = (row - first) / np.maximum(pinned_last - first, 1)
    return Worth(jnp.asarray(done, jnp.float32), jnp.float32(0), jnp.float32(1))


def scaled(value: Array, least: Array, span: Array) -> Array:
    """A value on the scale of the prior's; 0 where that has no span."""
    return jnp.where(span > 0, (value - least) / jnp.where(span > 0, span, 1.0), 0.0)


def weights(worth: Array, baseline: Array | float) -> Array:
    """``exp(q - b)`` of worths [N] and a baseline []."""
    return jnp.exp(worth - baseline)


def of_start(scope: Scope, start: Beginning, arrivals: bool) -> Worth:
    """Worths of demonstration rows: to the learner of a run before, or else by progress.

    With ``arrivals`` a row has the worth of the step that led there.
    """
    if not start.prior:
        return of_progress(start.pinned_last)
    learner, pinned = start.learner, start.pinned
    # The learner's critics of now are kept: it will change them.
    critics = jax.tree.map(jnp.copy, scope.method.learner.critic(learner))

    def value(row: Rows) -> Array:
        return _value(scope, critics, row)

    values = jax.lax.map(value, jax.tree.map(jnp.asarray, pinned), batch_size=1000)
    found = of_values(values, jnp.asarray(pinned.role) >= 0, critics)
    if arrivals:
        found = found._replace(rows=jnp.append(found.rows[:1], found.rows[:-1]))
    return found


def of_rows(scope: Scope, replay: Replay, at: Array, baseline: float | None) -> Array:
    """The weights [N] of expert's rows at positions [N]; no baseline: the agent's latest step."""
    found = scope.state.worth
    level: Array | float = 0.5 if baseline is None else baseline
    if baseline is None and found.critics:
        latest = replays.position(replay, jnp.maximum(replay.written - 1, 0))
        row = jax.tree.map(lambda x: x[latest], replay.rows)
        value = _value(scope, found.critics, row)
        level = scaled(value, found.least, found.span)
    return weights(found.rows[at], level)


def _value(scope: Scope, critics: Any, row: Rows) -> Array:
    """Mean value [] of the action of a row, for its goal."""
    method = scope.method
    inputs = method.inputs(scope.task, row.observation, row.goal, 0, row.frames)
    values: Array = method.learner.value(critics, inputs, row.action).mean(axis=0)
    return values
