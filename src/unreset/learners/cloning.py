"""Behaviour cloning (Pomerleau 1989): a policy that does what experts did, without critics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp

from unreset.core.types import Array, Batch, Metrics
from unreset.learners.acting import Acting
from unreset.networks.encoders import encode
from unreset.networks.tanh_normal import tanh_normal_log_density
from unreset.networks.views import Inputs

Form = Literal["distance", "likelihood"]


class State(NamedTuple):
    """The state of a policy that clones."""

    actor: Any
    average: Any  # over updates: the policy to deploy
    actor_optimizer: Any
    updates: Array  # [] int32
    encoder: Any
    encoder_optimizer: Any


def distances(mean: Array, log_std: Array, action: Array, form: Form) -> tuple[Array, Array]:
    """A policy's squared distance [B] from actions [B, action], and how far it is by ``form``."""
    error = jnp.mean((jnp.tanh(mean) - action) ** 2, axis=-1)
    if form == "likelihood":
        return error, -tanh_normal_log_density(mean, log_std, action)
    return error, error


def marked(apart: Array, imitate: Array) -> Array:
    """The mean [] of distances [B] over the rows that are marked; 0 where none is."""
    return jnp.sum(imitate * apart) / jnp.maximum(imitate.sum(), 1.0)


@dataclass(frozen=True)
class Cloning(Acting):
    """Hyper-parameters of behaviour cloning: ``minimise mean over expert rows |tanh(mean) - a|^2``.

    It teaches the policy, and the encoder, of any state with the fields of :class:`Acting`.
    """

    cloning_form: Form = "distance"
    """What cloning lowers: the mean's squared distance, or minus the log density."""

    @property
    def reward_scale(self) -> float:
        """Factor on the environment's reward: none."""
        return 1.0

    def init(
        self, key: Array, inputs: Inputs, action_size: int, events: tuple[str, ...] = ()
    ) -> State:
        """A fresh state for inputs such as these and actions [action_size]."""
        fields, _ = self.fresh(jax.random.split(key)[0], inputs, action_size)
        return State(**fields)

    def update(self, state: Any, batches: Batch, step: Array, key: Array) -> tuple[Any, Metrics]:
        """Teach a policy from stacked batches [U, B, ...], from the marked rows of each."""
        # In groups of one, of which compilers make the same program as of soft actor-critic's.
        groups = jax.tree.map(lambda x: x[:, None], batches)
        state, metrics = jax.lax.scan(self._once, state, groups)
        updates = state.updates + batches.reward.shape[0]
        return state._replace(updates=updates), jax.tree.map(lambda x: x[-1], metrics)

    def _once(self, state: Any, group: Batch) -> tuple[Any, Metrics]:
        """One gradient step of the policy and of its encoder, on the one batch of a group."""
        batch: Batch = jax.tree.map(lambda x: x[0], group)

        def loss(params: tuple[Any, Any]) -> Array:
            actor, encoder = params
            mean, log_std = self.policy(actor, encode(self.vision, encoder, batch.inputs))
            _, apart = distances(mean, log_std, batch.action, self.cloning_form)
            return marked(apart, batch.imitate)

        lost, gradient = jax.value_and_grad(loss)((state.actor, state.encoder))
        state = self.shaped(self.with_actor(state, gradient[0]), gradient[1])
        return self.averaged(state), {"policy_loss": lost, "cloning_loss": lost}

    def cloner(self) -> Cloning:
        """Itself."""
        return self

    def successor(self) -> None:
        """None: there are no critics to begin with."""
        return None
