"""Acting by planning: what the acting role would earn in the model's world (MPC).

The first action of the best sequence is taken, and the next step plans anew. Rewards are the role's
own, those of its signal as of now; what comes after the horizon is what its critics say. The policy
learns from where planning leads, and clones the actions that the critics prefer to its own
(``self_cloning``): so the planner is distilled into it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp

from unreset.core import planning
from unreset.core.batches import paid
from unreset.core.context import Context
from unreset.core.fitting import MODEL
from unreset.core.method import Method
from unreset.core.model import elites, predict
from unreset.core.protocols import Steps
from unreset.core.types import Array, Task

if TYPE_CHECKING:
    from unreset.core.phases import View


def planned(method: Method, task: Task, view: View, observation: Array, key: Array) -> Array:
    """The action [action] that the acting role's planner takes."""
    # Roles of one reward plan alike; of the others only the acting one's branch is taken.
    apart = len({role.reward for role in method.roles}) > 1
    roles = range(len(method.roles)) if apart else (0,)
    branches = [
        lambda role=role: _planned(method, task, view, role, observation, key) for role in roles
    ]
    action: Array = jax.lax.switch(view.phase.role if apart else 0, branches)
    return action


def _planned(
    method: Method, task: Task, view: View, role: int, observation: Array, key: Array
) -> Array:
    """The action [action] of a role whose reward is known beforehand."""
    config, state, context = method.model, view.signals[MODEL], Context(method, task)
    assert config is not None
    chosen = elites(config, state)
    acting = view.phase.role
    which = method.learner_of(acting)
    actor, critics = jax.tree.map(lambda x: x[which], (view.actor, view.critics))

    def goals(observation: Array) -> Array:
        goal = view.phase.goal
        return jnp.broadcast_to(goal, (len(observation), *goal.shape))

    def inputs(observation: Array) -> Array:
        return jnp.asarray(method.inputs(task, observation, goals(observation), acting))

    def world(observation: Array, action: Array, key: Array) -> tuple[Array, Array, Array]:
        goal = goals(observation)
        ahead = predict(config, task, state, chosen, observation, action, goal, key)
        success = jnp.zeros(len(goal), bool)
        if task.pure:
            success = jax.vmap(task.success)(ahead.observation, goal)
        steps = Steps(observation, action, ahead.observation, goal, ahead.reward, success)
        return ahead.observation, *paid(context, view.signals, role, steps)

    def policy(observation: Array, key: Array) -> Array:
        return method.learner.act(actor, inputs(observation), key)

    def value(observation: Array) -> Array:
        seen = inputs(observation)
        action = method.learner.act(actor, seen, None)
        return method.learner.value(critics, seen, action).min(axis=0)

    horizon = replace(method.planning, discount=method.learner.discount)
    return planning.plan(horizon, world, value, policy, observation, task.action_size, key)
