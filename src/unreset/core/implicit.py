"""Implicit Q-learning: policy and critics from a data set, without an action outside of it.

Kostrikov, Nair & Levine 2021 (arXiv 2110.06169). Equation numbers are the paper's. It teaches the
same :class:`unreset.core.sac.Learner` that soft actor-critic then goes on with.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import optax

from unreset.core import sac
from unreset.core.sac import SAC, Learner
from unreset.core.types import Array, Batch, Metrics
from unreset.networks.encoders import encode
from unreset.networks.tanh_normal import tanh_normal_log_density
from unreset.networks.views import Inputs

MOST = 100.0  # that a row can count in the policy's loss (the paper's code)


def expectile_loss(difference: Array, expectile: float) -> Array:
    """``|tau - 1(u < 0)| u^2`` of differences u (eq. 5); tau = 1/2 is half the squared error."""
    return jnp.abs(expectile - (difference < 0)) * difference**2


def weights(advantage: Array, scale: float) -> Array:
    """``exp(beta (Q - V))`` of advantages Q - V (eq. 7), at most 100."""
    return jnp.minimum(jnp.exp(scale * advantage), MOST)


def value_step(
    config: SAC, learner: Learner, inputs: Inputs, action: Array
) -> tuple[Learner, Array, Array]:
    """One gradient step of V towards the expectile of the target critics' smallest Q (eq. 5).

    ``inputs`` are encoded. Also the advantages Q - V [B] after it, and the loss.
    """
    state = learner.value
    assert state is not None
    value = sac.action_values(config, learner.target, inputs, action).min(axis=0)

    def loss(params: Any) -> Array:
        difference = value - sac.state_values(config, params, inputs)
        return expectile_loss(difference, config.expectile).mean()

    lost, gradient = jax.value_and_grad(loss)(state.params)
    params, optimizer = sac.stepped(config, state.params, gradient, state.optimizer)
    learner = learner._replace(value=sac.StateValue(params, optimizer))
    return learner, value - sac.state_values(config, params, inputs), lost


def policy_step(
    config: SAC, learner: Learner, inputs: Inputs, action: Array, advantage: Array
) -> tuple[Learner, Metrics]:
    """One gradient step of the policy on ``-weight log pi(a | s)`` (eq. 7), and of its average."""
    count = weights(advantage, config.advantage_scale)

    def loss(actor: Any) -> Array:
        mean, log_std = sac.policy(config, actor, inputs)
        return -(count * tanh_normal_log_density(mean, log_std, action)).mean()

    lost, gradient = jax.value_and_grad(loss)(learner.actor)
    actor, optimizer = sac.stepped(config, learner.actor, gradient, learner.actor_optimizer)
    learner = learner._replace(actor=actor, actor_optimizer=optimizer)
    average = optax.incremental_update(sac.acting(learner), learner.average, config.average_tau)
    metrics = {"policy_loss": lost, "advantage_weight": count.mean()}
    return learner._replace(average=average), metrics


def update(config: SAC, learner: Learner, batches: Batch) -> tuple[Learner, Metrics]:
    """Teach a learner from stacked batches [U, B, ...]: from each V, then policy, then critics.

    The critics' target is ``scale r + gamma V(s')`` (eq. 6); an encoder is trained by their loss.
    """

    def once(learner: Learner, batch: Batch) -> tuple[Learner, Metrics]:
        inputs = encode(config.vision, learner.encoder, batch.inputs)
        learner, advantage, lost = value_step(config, learner, inputs, batch.action)
        learner, metrics = policy_step(config, learner, inputs, batch.action, advantage)
        assert learner.value is not None
        after = encode(config.vision, learner.encoder, batch.next_inputs)
        ahead = sac.state_values(config, learner.value.params, after)
        target = batch.reward + config.discount * batch.discount * ahead
        learner, _, fitted = sac.fit_critics(config, learner, batch, target)
        return learner, {"value_loss": lost, **metrics, **fitted}

    learner, metrics = jax.lax.scan(once, learner, batches)
    updates = learner.updates + batches.reward.shape[0]
    return learner._replace(updates=updates), jax.tree.map(lambda x: x[-1], metrics)
