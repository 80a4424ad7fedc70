"""Soft actor-critic, of which REDQ, RLPD and DrQ are settings; it clones demonstrations beside.

Sources: SAC (Haarnoja et al. 2018, arXiv 1812.05905), REDQ (Chen et al. 2021, arXiv 2101.05982),
RLPD (Ball et al. 2023, arXiv 2302.02948), DrQ-v2 (Yarats et al. 2021, arXiv 2107.09645).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from unreset.core.context import Context
from unreset.core.keys import stream
from unreset.core.ranges import Count, Finite, Rate, Whole
from unreset.core.types import Array, Batch, Metrics
from unreset.errors import UnresetError
from unreset.learners import events as foresights
from unreset.learners.actor_critic import ActorCritic, State
from unreset.learners.cloning import Cloning, Form, distances, marked
from unreset.networks.encoders import encode
from unreset.networks.tanh_normal import sample_tanh_normal
from unreset.networks.views import Inputs


@dataclass(frozen=True)
class SAC(ActorCritic):
    """Hyper-parameters of soft actor-critic."""

    target_subset: Count = 2
    """Randomly chosen critics whose minimum is the target (REDQ, Algorithm 1)."""
    initial_temperature: Rate = 0.1
    """Entropy coefficient at the start (MEDAL code: 1.0; ours: 0.1)."""
    learn_temperature: bool = True
    """Whether the entropy coefficient is learned, or stays what it is (MEDAL++: 0)."""
    target_entropy: Finite = 0.0
    """Entropy aimed at, per action dimension, in nats (MEDAL code: -1/2; ours: 0)."""
    entropy_backup: bool = True
    """Whether the target value includes the entropy bonus (SAC; RLPD often leaves it out)."""
    policy_every: Count = 1
    """Critic updates for each update of policy and temperature (RLPD: the update ratio)."""
    cloning_start: Rate = 1.0
    """Weight of behaviour cloning on demonstration rows at step 0 (MEDAL++: 1)."""
    cloning_end: Rate = 0.1
    """Its weight from ``cloning_steps`` on (MEDAL++: 0.1)."""
    cloning_steps: Whole = 5_000
    """Environment steps over which the weight falls linearly (MEDAL++: 10k to 50k; ours)."""
    cloning_after: Whole = 0
    """Environment steps before it begins to fall (MEDAL++: 10k)."""
    cloning_form: Form = "distance"
    """What cloning lowers: the mean's squared distance, or minus the log density, while the weight
    is a share, its complement the reinforcement's (MEDAL++)."""
    self_cloning: Rate = 1.0
    """Weight of cloning rows whose action the critics prefer to the policy's (CRR, eq. 3)."""
    policy_shapes_encoder: bool = False
    """Whether the policy's loss trains the encoder beside the critics' (MEDAL++: no)."""

    foresees: ClassVar[tuple[str, ...]] = tuple(foresights.EVENTS)

    def __post_init__(self) -> None:
        """Refuse fields that do not go together."""
        if 1 <= self.critics < self.target_subset:
            raise UnresetError(
                f"target_subset={self.target_subset} must be at most critics, which is "
                f"{self.critics}"
            )
        if self.learn_temperature and not self.initial_temperature:
            raise UnresetError(
                "initial_temperature must be above 0 where it is learned: say "
                "--no-learn-temperature (learn_temperature=False)"
            )
        if self.cloning_form == "likelihood" and max(self.cloning_start, self.cloning_end) > 1:
            raise UnresetError(
                f"cloning_start={self.cloning_start} and cloning_end={self.cloning_end} are shares "
                "with cloning_form='likelihood': at most 1"
            )

    def needs(self, context: Context) -> str | None:
        """Updates of a step in whole groups of ``policy_every``."""
        count = context.method.updates_each
        if count % self.policy_every:
            return f"{count} updates are not a multiple of policy_every={self.policy_every}"
        return None

    def init(
        self, key: Array, inputs: Inputs, action_size: int, events: tuple[str, ...] = ()
    ) -> State:
        """A fresh state for inputs such as these and actions [action_size]."""
        state, inputs = self.fresh_state(key, inputs, action_size, self.initial_temperature)
        critics = {
            event: foresights.init(self, event, key, inputs, action_size) for event in events
        }
        return state._replace(events=critics)

    def temperature(self, state: State) -> Array:
        """The entropy coefficient []."""
        if self.learn_temperature:
            return jnp.exp(state.log_temperature)
        return jnp.float32(self.initial_temperature)

    def cloning_weight(self, step: Array) -> Array:
        """Linear schedule of the behaviour-cloning weight over environment steps (MEDAL++, 3.8)."""
        share = jnp.clip((step - self.cloning_after) / max(self.cloning_steps, 1), 0.0, 1.0)
        return self.cloning_start + share * (self.cloning_end - self.cloning_start)

    def target_value(self, state: State, batch: Batch, key: Array) -> Array:
        """Bellman target [B]: ``scale r + discount (min_subset Q' - alpha log pi)`` (REDQ, eq. 1).

        The batch's rewards are scaled already.
        """
        action_key, subset_key = jax.random.split(key)
        inputs = encode(self.vision, state.encoder, batch.next_inputs)
        mean, log_std = self.policy(state.actor, inputs)
        action, log_density = sample_tanh_normal(mean, log_std, action_key)
        values = self.value(state.target, inputs, action)
        if self.target_subset < self.critics:
            chosen = jax.random.permutation(subset_key, self.critics)[: self.target_subset]
            values = values[chosen]
        value = values.min(axis=0)
        if self.entropy_backup:
            value = value - self.temperature(state) * log_density
        return batch.reward + self.discount * batch.discount * value

    def critic_step(self, state: State, batch: Batch, key: Array) -> tuple[State, Inputs, Metrics]:
        """One step of :meth:`ActorCritic.fit_critics` towards the Bellman target."""
        return self.fit_critics(state, batch, self.target_value(state, batch, key))

    def policy_step(
        self, state: State, batch: Batch, step: Array, key: Array, encoded: Inputs | None = None
    ) -> tuple[State, Metrics]:
        """One gradient step on policy and temperature.

        Loss: ``E[alpha log pi - mean Q] + w E_expert[|tanh(mean) - a|^2]`` with w by
        :meth:`cloning_weight`, or ``(1 - w) E[alpha log pi - mean Q] - w E_expert[log pi(a)]``
        (``cloning_form``); the expert's term counts only the rows marked ``imitate``. ``encoded``
        are the batch's inputs where they have been encoded and the encoder shall not be trained.
        """
        alpha, weight = self.temperature(state), self.cloning_weight(step)
        shapes = bool(state.encoder) and self.policy_shapes_encoder
        if encoded is None:
            encoded = encode(self.vision, state.encoder, batch.inputs)

        def value_of(action: Array) -> Array:
            values = self.value(state.critics, encoded, action)
            return values.min(axis=0) if self.critics == 2 else values.mean(axis=0)

        def loss(params: tuple[Any, Any]) -> tuple[Array, tuple[Array, Array]]:
            actor, encoder = params
            inputs = encode(self.vision, encoder, batch.inputs) if shapes else encoded
            mean, log_std = self.policy(actor, inputs)
            action, log_density = sample_tanh_normal(mean, log_std, key)
            error, apart = distances(mean, log_std, batch.action, self.cloning_form)
            cloning = marked(apart, batch.imitate)
            value = value_of(action)
            total = jnp.mean(alpha * log_density - value)
            if self.cloning_form == "likelihood":  # of a role with nothing to clone, all
                total *= 1 - weight * (batch.imitate.sum() > 0)
            total += weight * cloning
            if self.self_cloning:
                better = jax.lax.stop_gradient(value_of(batch.action) > value)
                total += self.self_cloning * jnp.mean(better * error)
            return total, (log_density.mean(), cloning)

        (value, (log_density, cloning)), gradient = jax.value_and_grad(loss, has_aux=True)(
            (state.actor, state.encoder)
        )
        state = self.with_actor(state, gradient[0])
        if shapes:
            state = self.shaped(state, gradient[1])
        state = self.averaged(state)
        metrics = {"policy_loss": value, "cloning_loss": cloning}
        metrics |= {"entropy": -log_density, "temperature": alpha}
        if self.learn_temperature:
            aim = self.target_entropy * batch.action.shape[-1]
            state = self._with_temperature(state, alpha, -log_density - aim)
        return state, metrics

    def _with_temperature(self, state: State, alpha: Array, surplus: Array) -> State:
        """A state after a gradient step of its temperature, by how far entropy is above its aim."""
        # d/d(log alpha) of alpha * (entropy - aim), with entropy = -E[log pi] (SAC, eq. 18).
        log_temperature, optimizer = self.stepped(
            state.log_temperature, alpha * surplus, state.temperature_optimizer
        )
        return state._replace(log_temperature=log_temperature, temperature_optimizer=optimizer)

    def update(
        self, state: State, batches: Batch, step: Array, key: Array
    ) -> tuple[State, Metrics]:
        """Teach from stacked batches [U, B, ...]: U critic steps, U / policy_every others.

        Critics of events learn from the last batch alone.
        """
        count = batches.reward.shape[0]
        shape = count // self.policy_every, self.policy_every
        groups = jax.tree.map(lambda x: x.reshape(*shape, *x.shape[1:]), batches)

        def one_group(state: State, item: tuple[Batch, Array]) -> tuple[State, Metrics]:
            group, key = item
            keys = jax.random.split(key, self.policy_every + 1)
            for i in range(self.policy_every):
                batch = jax.tree.map(lambda x, i=i: x[i], group)
                state, encoded, critic_metrics = self.critic_step(state, batch, keys[i])
            state, policy_metrics = self.policy_step(state, batch, step, keys[-1], encoded)
            return state, critic_metrics | policy_metrics

        keys = jax.random.split(key, count // self.policy_every)
        state, metrics = jax.lax.scan(one_group, state, (groups, keys))
        metrics = jax.tree.map(lambda x: x[-1], metrics)
        state = state._replace(updates=state.updates + count)
        last = jax.tree.map(lambda x: x[-1], batches)
        state, foreseen = foresights.update(self, state, last, stream(key, "events"))
        return state, metrics | foreseen

    def cloner(self) -> Cloning:
        """Cloning of the same policy, by the same measure."""
        return Cloning(**self.acting(), cloning_form=self.cloning_form)
