"""Batches: rows of a method's sources, rewarded as of now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from unreset.core.context import Context
from unreset.core.keys import stream
from unreset.core.protocols import Drawn, Scope, Steps, Wanted
from unreset.core.replayed import Replayed
from unreset.core.types import Array, Batch

REPLAY = "replay"


def paid(
    context: Context, states: Mapping[str, Any], role: int, steps: Steps
) -> tuple[Array, Array]:
    """What a role earns [N] by steps, as its learner sees it, and where [N] the bootstrap ends.

    ``states`` are those of the run's parts. Phases that end there are not counted.
    """
    method = context.method
    scope = Scope(context, method.roles[role].reward, states)
    reward, ends = method.reward_of(role).reward(scope, steps)
    return reward, ends & (method.practice.boundary != "bootstrap")


def draw_batches(
    context: Context, run: Any, roles: tuple[int, ...], updates: int, now: tuple[Array, Array]
) -> Batch:
    """Batches [updates, B, ...] for the learner of ``roles``; ``now`` are a key and the step.

    Roles with one reward are taught by every row alike; else each role gets its part of a batch.
    Each source gives its share of a part, and the replay the rest.
    """
    method, (key, step) = context.method, now
    parts = [(role,) for role in roles] if method.told_roles else [roles]
    size = method.practice.batch_size // len(parts)
    keys = jax.random.split(key, len(parts))
    shares = {name: round(source.share * size) for name, source in method.sources.items()}
    drawn: list[Batch] = []
    if (rest := size - sum(shares.values())) > 0:
        scope = Scope(context, REPLAY, run.signals)
        for part, own_key in zip(parts, keys, strict=True):
            wanted = Wanted(part, (updates, rest), step, own_key)
            drawn.append(_batch(scope, run, wanted, Replayed().draw(scope, run, wanted)))
    for name, rows in shares.items():
        scope = Scope(context, name, run.signals)
        for part, own_key in zip(parts, keys, strict=True):
            if rows:
                source_key = stream(own_key, name)
                wanted = Wanted(part, (updates, rows), step, source_key)
                found = method.sources[name].draw(scope, run, wanted)
                drawn.append(_batch(scope, run, wanted, found))
    return jax.tree.map(lambda *x: jnp.concatenate(x, axis=1), *drawn)


def _batch(scope: Scope, run: Any, wanted: Wanted, drawn: Drawn) -> Batch:
    """Batches [updates, rows, ...] of drawn rows, with their rewards."""
    method, task, steps, role = scope.method, scope.task, drawn.steps, wanted.roles[0]
    reward, ends = paid(scope.context, run.signals, role, steps)
    discount, stuck = 1.0 - (drawn.terminal | ends), None
    for name, one in method.interventions.items():
        own = scope._replace(name=name)
        reward, discount, stuck = one.relabel(own, run.replay, drawn, (reward, discount, stuck))
    keys = (None, None) if drawn.view_keys is None else drawn.view_keys
    batch = Batch(
        inputs=method.inputs(
            task, steps.observation, steps.goal, role, steps.frames, keys[0], steps.shown
        ),
        action=steps.action,
        next_inputs=method.inputs(
            task, steps.next_observation, steps.goal, role, steps.next_frames, keys[1], steps.shown
        ),
        reward=reward,
        discount=discount,
        imitate=drawn.imitate.astype(jnp.float32),
        success=steps.success.astype(jnp.float32),
        stuck=stuck,
    )
    return jax.tree.map(lambda x: x.reshape(*wanted.shape, *x.shape[1:]), batch)
