"""Critics of events: the discounted probability of an event under the present policy.

The event is success (RISC: Patil et al. 2024, arXiv 2405.01684, section 4), or getting stuck: the
safety critic of Srinivasan et al. 2020 (arXiv 2010.14603).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from unreset.core.keys import stream
from unreset.core.types import Array, Batch, Metrics
from unreset.learners.actor_critic import ActorCritic, EventCritic, State
from unreset.networks.encoders import encode
from unreset.networks.tanh_normal import sample_tanh_normal
from unreset.networks.views import Inputs


class Event(NamedTuple):
    """How an event is foreseen."""

    together: Callable[..., Array]  # what the targets say as one
    metric: str


#: By the batch's column that says where it comes about. Of success the least of the targets counts;
#: of getting stuck their mean, so that no doubt is handed on from state to state until everything
#: alarms.
EVENTS: Mapping[str, Event] = {
    "success": Event(jnp.min, "success_critic_loss"),
    "stuck": Event(jnp.mean, "safety_critic_loss"),
}


def init(
    learner: ActorCritic, event: str, key: Array, inputs: Inputs, action_size: int
) -> EventCritic:
    """Fresh critics of an event, for encoded inputs; ``key`` is that of the learner."""
    own_key = stream(key, f"critics of {event}")
    params = learner.critic_network.init(own_key, inputs, jnp.zeros(action_size))
    return EventCritic(params, jax.tree.map(jnp.copy, params), learner.optimizer.init(params))


def update(learner: ActorCritic, state: State, batch: Batch, key: Array) -> tuple[State, Metrics]:
    """One step of the critics of every event that is foreseen."""
    metrics: Metrics = {}
    critics = dict(state.events)
    for event in EVENTS:  # in this order, also where a run's table of them is sorted
        if event in critics:
            own_key, metric = stream(key, event), EVENTS[event].metric
            critics[event], metrics[metric] = _step(learner, state, event, batch, own_key)
    return state._replace(events=critics), metrics


def _step(
    learner: ActorCritic, state: State, event: str, batch: Batch, key: Array
) -> tuple[EventCritic, Array]:
    """One step of an event's critics, and its loss: the target is ``e + (1 - e) gamma C'(s', a')``.

    e is 1 where the row leads to the event, 0 where not, and below 0 where nobody knows, from
    which nothing is learned; a' is the policy's, and C' what the targets say ``together``. Critics
    that put out probabilities are fitted by cross-entropy.
    """
    critic, label = state.events[event], getattr(batch, event)
    following = encode(learner.vision, state.encoder, batch.next_inputs)
    mean, log_std = learner.policy(state.actor, following)
    action, _ = sample_tanh_normal(mean, log_std, key)
    ahead = EVENTS[event].together(learner.foresee(critic.target, following, action), axis=0)
    inputs = encode(learner.vision, state.encoder, batch.inputs)
    target = label + (1 - label) * learner.discount * ahead
    known = label >= 0

    def loss(params: Any) -> Array:
        logits = learner.log_odds(params, inputs, batch.action)
        losses = optax.sigmoid_binary_cross_entropy(logits, target)
        return (jnp.where(known, losses, 0).sum(axis=-1) / jnp.maximum(known.sum(), 1)).sum()

    value, gradient = jax.value_and_grad(loss)(critic.params)
    params, optimizer = learner.stepped(critic.params, gradient, critic.optimizer)
    moved = optax.incremental_update(params, critic.target, learner.tau)
    return EventCritic(params, moved, optimizer), value
