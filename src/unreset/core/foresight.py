"""What a learner foresees: the discounted probability of an event under its present policy.

The event is success (RISC: Patil et al. 2024, arXiv 2405.01684, section 4), or getting stuck: the
safety critic of Srinivasan et al. 2020 (arXiv 2010.14603).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import optax

from unreset.core.sac import SAC, EventCritic, Learner, action_values, policy, stepped
from unreset.core.types import Array, Batch, Metrics, Task, Transition
from unreset.networks.encoders import encode
from unreset.networks.tanh_normal import sample_tanh_normal
from unreset.networks.views import Inputs

if TYPE_CHECKING:
    from unreset.core.method import Method
    from unreset.core.phases import View

UNSURE = -5.0  # log-odds of an event that its critics begin with: nothing is sure at first


def _logits(config: SAC, critics: Any, inputs: Inputs, action: Array) -> Array:
    return action_values(config, critics, inputs, action) + UNSURE


def probabilities(config: SAC, critics: Any, inputs: Inputs, action: Array) -> Array:
    """What each of an event's critics says [critics, ...], for encoded inputs."""
    return jax.nn.sigmoid(_logits(config, critics, inputs, action))


def of_step(method: Method, task: Task, view: View, critics: Any, transition: Transition) -> Array:
    """What each of the acting role's critics [critics] says of the action just taken.

    ``critics`` are an event's, stacked [learners].
    """
    phase = view.phase
    which = method.learner_of(phase.role)
    own, encoder = jax.tree.map(lambda x: x[which], (critics, view.actor.get("encoder")))
    inputs = method.inputs(task, transition.observation, phase.goal, phase.role, transition.frames)
    inputs = encode(method.vision, encoder, inputs)
    return probabilities(method.learner, own, inputs, transition.action)


def update(config: SAC, learner: Learner, batch: Batch, key: Array) -> tuple[Learner, Metrics]:
    """One step of the critics of success and of getting stuck, where there are any.

    Of success the least of them counts; of getting stuck their mean, so that no doubt is handed on
    from state to state until everything alarms.
    """
    metrics: Metrics = {}
    if learner.success is not None:
        state, loss = _step(config, learner, learner.success, batch, batch.success, jnp.min, key)
        learner = learner._replace(success=state)
        metrics["success_critic_loss"] = loss
    if learner.safety is not None:
        assert batch.stuck is not None
        state, loss = _step(config, learner, learner.safety, batch, batch.stuck, jnp.mean, key)
        learner = learner._replace(safety=state)
        metrics["safety_critic_loss"] = loss
    return learner, metrics


def _step(
    config: SAC,
    learner: Learner,
    state: EventCritic,
    batch: Batch,
    event: Array,
    together: Any,
    key: Array,
) -> tuple[EventCritic, Array]:
    """One step of an event's critics, and its loss: the target is ``e + (1 - e) gamma C'(s', a')``.

    e is 1 where the row leads to the event, 0 where not, and below 0 where nobody knows, from
    which nothing is learned; a' is the policy's, and C' what the targets say ``together``. Critics
    that put out probabilities are fitted by cross-entropy.
    """
    following = encode(config.vision, learner.encoder, batch.next_inputs)
    mean, log_std = policy(config, learner.actor, following)
    action, _ = sample_tanh_normal(mean, log_std, key)
    ahead = together(probabilities(config, state.target, following, action), axis=0)
    inputs = encode(config.vision, learner.encoder, batch.inputs)
    target = event + (1 - event) * config.discount * ahead
    known = event >= 0

    def loss(params: Any) -> Array:
        logits = _logits(config, params, inputs, batch.action)
        losses = optax.sigmoid_binary_cross_entropy(logits, target)
        return (jnp.where(known, losses, 0).sum(axis=-1) / jnp.maximum(known.sum(), 1)).sum()

    value, gradient = jax.value_and_grad(loss)(state.params)
    params, optimizer = stepped(config, state.params, gradient, state.optimizer)
    moved = optax.incremental_update(params, state.target, config.tau)
    return EventCritic(params, moved, optimizer), value
