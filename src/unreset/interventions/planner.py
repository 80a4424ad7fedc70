"""Acting by planning: what the acting role would earn in the model's world (MPC).

The first action of the best sequence is taken, and the next step plans anew. Rewards are the role's
own, those of its signal as of now; what comes after the horizon is what its critics say. The policy
learns from where planning leads, and clones the actions that the critics prefer to its own
(``self_cloning``): so the planner is distilled into it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp

from unreset.core.batches import paid
from unreset.core.keys import stream
from unreset.core.protocols import Intervention, Now, Scope, Steps
from unreset.core.types import Array
from unreset.models import planning
from unreset.models.dynamics import MODEL, Dynamics, elites, predict
from unreset.models.planning import Planning


@dataclass(frozen=True)
class Planner(Intervention):
    """The action of a plan in the method's model instead of the policy's, after the seed steps."""

    planning: Planning
    """How plans are searched."""

    def needs(self, method: Any, name: str) -> str | None:
        if not isinstance(method.models.get(MODEL), Dynamics):
            how = self.planning.planner
            return f"{method.name} plans with {how}: it needs a model (Dynamics, named {MODEL!r})"
        return None

    @property
    def asks_critics(self) -> bool:
        return True

    def propose(self, scope: Scope, view: Any, now: Now, action: Array) -> Array:
        plan = self.planned(scope, view, now)
        return jnp.where(now.step < scope.method.practice.seed_steps, action, plan)

    def planned(self, scope: Scope, view: Any, now: Now) -> Array:
        """The action [action] of the acting role's plan."""
        # Roles of one reward plan alike; of the others only the acting one's branch is taken.
        roles = scope.method.roles
        apart = len({role.reward for role in roles}) > 1
        branches = [
            lambda role=role: self._planned(scope, view, role, now)
            for role in (range(len(roles)) if apart else (0,))
        ]
        action: Array = jax.lax.switch(view.phase.role if apart else 0, branches)
        return action

    def _planned(self, scope: Scope, view: Any, role: int, now: Now) -> Array:
        """The action [action] of a role whose reward is known beforehand."""
        method, task, context = scope.method, scope.task, scope.context
        config, state = method.models[MODEL], scope.states[MODEL]
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
            return ahead.observation, *paid(context, scope.states, role, steps)

        def policy(observation: Array, key: Array) -> Array:
            return method.learner.act(actor, inputs(observation), key)

        def value(observation: Array) -> Array:
            seen = inputs(observation)
            action = method.learner.act(actor, seen, None)
            return method.learner.value(critics, seen, action).min(axis=0)

        search = replace(self.planning, discount=method.learner.discount)
        size = task.action_size
        return planning.plan(
            search, world, value, policy, now.observation, size, stream(now.key, "plan")
        )
