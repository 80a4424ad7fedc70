"""States of parts: made before the first step, and changed by steps and by updates."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from unreset.core import replay as replays
from unreset.core.context import Context
from unreset.core.method import Method
from unreset.core.parts_names import CURRICULUM
from unreset.core.protocols import Beginning, Draws, Fresh, Scope
from unreset.core.replay import Rows
from unreset.core.signals import curriculum
from unreset.core.types import Array, Measurement, Metrics, Task, when

_SLOTS = {"asking": 1, "model": 2}  # of keys, after those of the rewards


def init_states(
    context: Context, pinned: Rows, pinned_last: np.ndarray, learners: tuple[Any, bool], key: Array
) -> dict[str, Any]:
    """The fresh states of a method's parts, by name.

    ``learners`` are the learners' states, stacked [learners], of which parts may share an encoder;
    and whether they are those of a run before.
    """
    method, (stacked, prior) = context.method, learners
    states: dict[str, Any] = {}
    taught = 0
    for name, part in method.parts.items():
        number = taught
        if name in method.rewards:
            taught += part.interval > 0
        else:
            number += _SLOTS.get(name, 0)
        own_key = jax.random.fold_in(key, number) if number else key
        learner = None
        if served := method.rewarded(name):
            whose = method.learner_of(served[0])
            learner = jax.tree.map(lambda x, n=whose: x[n], stacked)
        start = Beginning(pinned, pinned_last, learner, prior)
        states[name] = part.init(Scope(context, name), start, own_key)
    if method.curriculum is not None:
        states[CURRICULUM] = _init_curriculum(method, context.task, pinned, pinned_last)
    return states


def _init_curriculum(
    method: Method, task: Task, pinned: Rows, pinned_last: np.ndarray
) -> curriculum.Candidates:
    config = method.curriculum
    assert config is not None
    # Forward demonstrations lead away from the initial states, backward ones towards them.
    row = np.arange(len(pinned_last))
    begin = np.searchsorted(pinned_last, pinned_last)
    distances = np.where(np.asarray(pinned.source) == 0, row - begin, pinned_last - row)
    return curriculum.init(
        config,
        jnp.asarray(pinned.observation),
        jnp.asarray(distances, jnp.float32),
        len(task.goals),
        config.replay_states,
    )


def fit_states(
    context: Context, run: Any, step: Array, key: Array
) -> tuple[Any, dict[str, Measurement]]:
    """A run after the updates of parts that are due at this step, from the rows recorded so far."""
    method = context.method
    metrics: dict[str, Measurement] = {}
    states, learning = dict(run.signals), step >= method.practice.seed_steps
    rewards = [name for name, reward in method.rewards.items() if reward.interval]
    own_keys = dict(zip(rewards, jax.random.split(key, (max(1, len(rewards)), 3)), strict=False))
    learners, first_list = run.learners, len(method.roles)
    for name, part in method.parts.items():
        draws = Draws(run.replay, learners, first_list)
        first_list += part.own_lists
        if not part.interval:
            continue
        scope, due = Scope(context, name, run.signals), step % part.interval == 0
        if part.waits:
            due &= learning
        states[name], learners, found = part.fit(scope, draws, due, own_keys.get(name, key))
        metrics |= {f"{name}_{what}": value for what, value in found.items()}
    run = run._replace(learners=learners)
    if method.curriculum is not None:
        states[CURRICULUM], found = _refresh(method, context.task, run, step, key)
        metrics |= found
    return run._replace(signals=states), metrics


def observed(context: Context, states: dict[str, Any], fresh: Fresh) -> dict[str, Any]:
    """The states of parts after a step."""
    return states | {
        name: part.observe(Scope(context, name, states), fresh)
        for name, part in context.method.parts.items()
    }


def _refresh(
    method: Method, task: Task, run: Any, step: Array, key: Array
) -> tuple[curriculum.Candidates, dict[str, Measurement]]:
    """The curriculum's candidates and their values V(s, g) = min_j Q'_j(s, pi(s, g), g)."""
    config = method.curriculum
    assert config is not None
    everyone = tuple(range(len(method.roles)))
    recent = replays.sample(run.replay, everyone, config.replay_states, jax.random.fold_in(key, 1))
    observations = run.replay.rows.observation[recent]
    learner = method.learner
    state = jax.tree.map(lambda x: x[0], run.learners)
    actor, target = learner.actor(state), learner.target(state)

    def value(seen: Array) -> Array:
        def of_goal(goal: Array) -> Array:
            inputs = method.inputs(task, seen, jnp.broadcast_to(goal, (len(seen), len(goal))), 0)
            return learner.value(target, inputs, learner.act(actor, inputs, None)).min(axis=0)

        return jax.vmap(of_goal)(jnp.asarray(task.goals))

    def update(state: curriculum.Candidates) -> tuple[curriculum.Candidates, Metrics]:
        fresh = curriculum.refresh(state, observations, task.achieved, value)
        reachable = fresh.values >= reach(method)
        return fresh, {"curriculum_reachable": reachable.mean()}

    return when(step % config.interval == 0, update, run.signals[CURRICULUM])


def reach(method: Method) -> float:
    """The value from which on the curriculum takes a goal for reachable."""
    assert method.curriculum is not None
    return method.worth(method.curriculum.within * method.roles[0].length)


def freshly_judged(
    context: Context, states: dict[str, Any], fresh: Fresh
) -> dict[str, Measurement]:
    """Metrics of a step just made, on which nothing was trained."""
    found: dict[str, Measurement] = {}
    for name, part in context.method.parts.items():
        measured = part.measured(Scope(context, name, states), fresh)
        found |= {f"{name}_{what}": value for what, value in measured.items()}
    stuck = context.task.stuck
    if stuck is not None:
        there = stuck(fresh.transition.next_observation).astype(jnp.float32)
        found["stuck"] = Measurement(there, jnp.float32(1))
    return found
