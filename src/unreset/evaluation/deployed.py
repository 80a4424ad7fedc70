"""Deployed-policy evaluation: the first role's deterministic policy from the task's starts."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from unreset.core import sac
from unreset.core.method import Method
from unreset.core.types import Array, Task


class Evaluation(NamedTuple):
    """Per rollout, each [rollouts]."""

    success: Array  # at any step within the horizon
    success_at_end: Array
    object_success: Array  # the task's looser predicate, at any step
    episode_return: Array
    discounted_return: Array


def deterministic_action(
    method: Method, task: Task, actor: Any, observation: Array, goal: Array
) -> Array:
    """``tanh(mean)`` of an actor's parameters in the first role, [action]."""
    inputs = method.inputs(task, observation, goal, 0)
    return jnp.tanh(sac.policy(method.learner, actor, inputs)[0])


def rollout(
    method: Method, task: Task, actor: Any, state: Any, goal: Array
) -> tuple[Evaluation, Array]:
    """One episode of ``task.horizon`` steps on a JAX task; also its observations [horizon, :]."""
    assert task.step is not None and task.observe is not None
    step, observe = task.step, task.observe

    def body(state: Any, _: None) -> tuple[Any, tuple[Array, Array]]:
        seen = observe(state)
        state = step(state, deterministic_action(method, task, actor, seen, goal))
        return state, (observe(state), seen)

    _, (after, before) = jax.lax.scan(body, state, None, length=task.horizon)
    reward = jax.vmap(task.reward, in_axes=(0, None))(after, goal)
    success = jax.vmap(task.success, in_axes=(0, None))(after, goal)
    loose = jax.vmap(task.wide_success, in_axes=(0, None))(after, goal)
    discounts = method.learner.discount ** jnp.arange(task.horizon)
    evaluation = Evaluation(
        success.any(), success[-1], loose.any(), reward.sum(), (discounts * reward).sum()
    )
    return evaluation, before


def evaluate(method: Method, task: Task, actor: Any) -> Evaluation:
    """One rollout for each goal from the fixed start (everything is deterministic there)."""
    assert task.reset is not None
    state = task.reset(jax.random.key(0))
    goals = jnp.asarray(task.goals)
    return jax.vmap(lambda goal: rollout(method, task, actor, state, goal)[0])(goals)


def evaluate_wide(method: Method, task: Task, actor: Any, key: Array, number: int) -> Evaluation:
    """``number`` rollouts from wide random starts, the goals in turn."""
    assert task.reset is not None
    reset = task.reset
    goals = jnp.asarray(task.goals)[jnp.arange(number) % len(task.goals)]

    def one(key: Array, goal: Array) -> Evaluation:
        return rollout(method, task, actor, reset(key, wide=True), goal)[0]

    return jax.vmap(one)(jax.random.split(key, number), goals)


def figures(method: Method, task: Task, wide_starts: int, actor: Any) -> dict[str, Array]:
    """Mean figures of one seed's policy: the fixed start, and (keys of its own) wide starts."""
    fixed = evaluate(method, task, actor)
    found = {
        "success": fixed.success,
        "success_at_end": fixed.success_at_end,
        "return": fixed.episode_return,
        "discounted_return": fixed.discounted_return,
        "object_success": fixed.object_success,
    }
    if wide_starts:
        wide = evaluate_wide(method, task, actor, jax.random.key(0), wide_starts)
        found |= {"wide_success": wide.success, "wide_object_success": wide.object_success}
    return {name: jnp.mean(value.astype(jnp.float32)) for name, value in found.items()}
