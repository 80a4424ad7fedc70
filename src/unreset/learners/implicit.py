"""Implicit Q-learning: policy and critics from a data set, without an action outside of it.

Kostrikov, Nair & Levine 2021 (arXiv 2110.06169). Equation numbers are the paper's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from unreset.core.keys import stream
from unreset.core.ranges import Inside, Rate
from unreset.core.types import Array, Batch, Metrics
from unreset.learners.actor_critic import ActorCritic, State, StateValue
from unreset.learners.sac import SAC
from unreset.networks.encoders import encode
from unreset.networks.mlp import Critics
from unreset.networks.tanh_normal import tanh_normal_log_density
from unreset.networks.views import Inputs, Seen

MOST = 100.0  # that a row can count in the policy's loss (the paper's code)


def expectile_loss(difference: Array, expectile: float) -> Array:
    """``|tau - 1(u < 0)| u^2`` of differences u (eq. 5); tau = 1/2 is half the squared error."""
    return jnp.abs(expectile - (difference < 0)) * difference**2


def weights(advantage: Array, scale: float) -> Array:
    """``exp(beta (Q - V))`` of advantages Q - V (eq. 7), at most 100."""
    return jnp.minimum(jnp.exp(scale * advantage), MOST)


def _nothing(inputs: Inputs) -> Array:
    """Actions [..., 0] beside encoded inputs."""
    return (inputs.vector if isinstance(inputs, Seen) else inputs)[..., :0]


@dataclass(frozen=True)
class ImplicitQLearning(ActorCritic):
    """Hyper-parameters of implicit Q-learning."""

    expectile: Inside = 0.7
    """Expectile of the values of a data set's actions that V is (IQL: 0.7 to 0.9; 1/2: mean)."""
    advantage_scale: Rate = 3.0
    """beta of the policy, which imitates by exp(beta (Q - V)) (IQL: 3 to 10)."""

    def init(
        self, key: Array, inputs: Inputs, action_size: int, events: tuple[str, ...] = ()
    ) -> State:
        """A fresh state for inputs such as these and actions [action_size]."""
        temperature = self.successor().initial_temperature
        state, inputs = self.fresh_state(key, inputs, action_size, temperature)
        own_key = stream(key, "state value")
        params = self._value_network.init(own_key, inputs, _nothing(inputs))
        return state._replace(value=StateValue(params, self.optimizer.init(params)))

    @property
    def _value_network(self) -> Critics:
        hidden = self.critics_hidden or self.hidden
        return Critics(hidden, 1, self.bottleneck, self.layer_norm)

    def state_value(self, params: Any, inputs: Inputs) -> Array:
        """V [...] of its network's parameters, for encoded inputs."""
        values: Any = self._value_network.apply(params, inputs, _nothing(inputs))
        return values[0]

    def value_step(self, state: State, inputs: Inputs, action: Array) -> tuple[State, Array, Array]:
        """One gradient step of V towards the expectile of the target critics' smallest Q (eq. 5).

        ``inputs`` are encoded. Also the advantages Q - V [B] after it, and the loss.
        """
        assert state.value is not None
        value = self.value(state.target, inputs, action).min(axis=0)

        def loss(params: Any) -> Array:
            difference = value - self.state_value(params, inputs)
            return expectile_loss(difference, self.expectile).mean()

        lost, gradient = jax.value_and_grad(loss)(state.value.params)
        fitted = StateValue(*self.stepped(state.value.params, gradient, state.value.optimizer))
        advantage = value - self.state_value(fitted.params, inputs)
        return state._replace(value=fitted), advantage, lost

    def policy_step(
        self, state: State, inputs: Inputs, action: Array, advantage: Array
    ) -> tuple[State, Metrics]:
        """One gradient step of the policy on ``-weight log pi(a | s)`` (eq. 7), and its average."""
        count = weights(advantage, self.advantage_scale)

        def loss(actor: Any) -> Array:
            mean, log_std = self.policy(actor, inputs)
            return -(count * tanh_normal_log_density(mean, log_std, action)).mean()

        lost, gradient = jax.value_and_grad(loss)(state.actor)
        state = self.averaged(self.with_actor(state, gradient))
        return state, {"policy_loss": lost, "advantage_weight": count.mean()}

    def update(
        self, state: State, batches: Batch, step: Array, key: Array
    ) -> tuple[State, Metrics]:
        """Teach from stacked batches [U, B, ...]: from each V, then policy, then critics.

        The critics' target is ``scale r + gamma V(s')`` (eq. 6); their loss trains an encoder.
        """

        def once(state: State, batch: Batch) -> tuple[State, Metrics]:
            inputs = encode(self.vision, state.encoder, batch.inputs)
            state, advantage, lost = self.value_step(state, inputs, batch.action)
            state, metrics = self.policy_step(state, inputs, batch.action, advantage)
            assert state.value is not None
            after = encode(self.vision, state.encoder, batch.next_inputs)
            ahead = self.state_value(state.value.params, after)
            target = batch.reward + self.discount * batch.discount * ahead
            state, _, fitted = self.fit_critics(state, batch, target)
            return state, {"value_loss": lost, **metrics, **fitted}

        state, metrics = jax.lax.scan(once, state, batches)
        updates = state.updates + batches.reward.shape[0]
        return state._replace(updates=updates), jax.tree.map(lambda x: x[-1], metrics)

    def successor(self) -> SAC:
        """Soft actor-critic with the same networks."""
        subset = min(self.critics, SAC.target_subset)
        return SAC(**self.shared(), target_entropy=-1.0, target_subset=subset)
