"""An ensemble of critics beside a policy: common to learners that value actions."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from unreset.core.ranges import Count, Finite, Fraction
from unreset.core.types import Array, Batch, Metrics
from unreset.learners.acting import Acting
from unreset.learners.cloning import Cloning
from unreset.networks.encoders import encode
from unreset.networks.mlp import Critics
from unreset.networks.views import Inputs

UNSURE = -5.0  # log-odds of an event that its critics begin with: nothing is sure at first


class StateValue(NamedTuple):
    """The value V(s), a network that sees no action, and its optimiser."""

    params: Any
    optimizer: Any


class EventCritic(NamedTuple):
    """Critics of the discounted probability of an event: see :mod:`unreset.learners.events`."""

    params: Any
    target: Any
    optimizer: Any


class State(NamedTuple):
    """The state of a policy with critics."""

    actor: Any
    average: Any  # of what acts, over updates: the policy to deploy
    critics: Any
    target: Any
    log_temperature: Array  # []; where entropy does not count it stays as it is
    actor_optimizer: Any
    critics_optimizer: Any
    temperature_optimizer: Any
    updates: Array  # [] int32
    encoder: Any  # of pictures, shared by policy and critics; () where there are none
    encoder_optimizer: Any
    events: dict[str, EventCritic]  # critics of what is foreseen
    value: StateValue | None = None


@dataclass(frozen=True)
class ActorCritic(Acting):
    """Hyper-parameters of a policy with critics. It is a learner without an update."""

    critics_hidden: tuple[Count, ...] = ()
    """Widths of the critics' hidden layers; none: as the policy's (MEDAL++: four of 256)."""
    own_trunks: bool = False
    """Whether every critic has a bottleneck of its own (MEDAL++: yes)."""
    layer_norm: bool = True
    """LayerNorm in the critics' hidden layers (RLPD)."""
    critics: Count = 2
    """Critics in the ensemble (SAC: 2; REDQ, RLPD: 10)."""
    tau: Fraction = 0.005
    """Share of the critics that moves into their targets at every update (MEDAL)."""
    reward_scale: Finite = 10.0
    """Factor on the environment's reward (MEDAL code: 10)."""

    def critic(self, state: State) -> Any:
        """The critics' parameters, with the encoder if there is one."""
        return _with(state.critics, state.encoder)

    def target(self, state: State) -> Any:
        """Their targets', laid out alike."""
        return _with(state.target, state.encoder)

    def value(self, critic: Any, inputs: Inputs, action: Array) -> Array:
        """Q [critics, ...] of inputs and actions [..., action]; see :meth:`Acting.policy`."""
        inputs = encode(self.vision, critic.get("encoder"), inputs)
        network: Any = self.critic_network
        values: Array = network.apply({"params": critic["params"]}, inputs, action)
        return values

    @property
    def critic_network(self) -> Critics:
        """The critics' network."""
        return Critics(
            self.critics_hidden or self.hidden,
            self.critics,
            self.bottleneck,
            self.layer_norm,
            self.own_trunks,
        )

    def foresight(self, state: State, event: str) -> Any:
        """The parameters of an event's critics, with the encoder if there is one."""
        return _with(state.events[event].params, state.encoder)

    def foresee(self, foresight: Any, inputs: Inputs, action: Array) -> Array:
        """The probability [critics, ...] of an event after an action by each of its critics."""
        return jax.nn.sigmoid(self.log_odds(foresight, inputs, action))

    def log_odds(self, foresight: Any, inputs: Inputs, action: Array) -> Array:
        """The same before the sigmoid."""
        return self.value(foresight, inputs, action) + UNSURE

    def fresh_state(
        self, key: Array, inputs: Inputs, action_size: int, temperature: float
    ) -> tuple[State, Inputs]:
        """A fresh state for inputs such as these and actions [action_size]; its inputs encoded."""
        actor_key, critic_key = jax.random.split(key)
        fields, inputs = self.fresh(actor_key, inputs, action_size)
        critics = self.critic_network.init(critic_key, inputs, jnp.zeros(action_size))
        log_temperature = jnp.log(jnp.float32(temperature or 1.0))
        state = State(
            critics=critics,
            target=jax.tree.map(jnp.copy, critics),
            critics_optimizer=self.optimizer.init(critics),
            log_temperature=log_temperature,
            temperature_optimizer=self.optimizer.init(log_temperature),
            events={},
            **fields,
        )
        return state, inputs

    def fit_critics(
        self, state: State, batch: Batch, target: Array
    ) -> tuple[State, Inputs, Metrics]:
        """One gradient step on every critic and the encoder, then one Polyak step of the targets.

        ``target`` [B] is what the critics shall say of the batch. Also what the encoder made of its
        inputs before the step, to teach the policy with.
        """

        def loss(params: tuple[Any, Any]) -> tuple[Array, tuple[Inputs, Array]]:
            critics, encoder = params
            inputs = encode(self.vision, encoder, batch.inputs)
            values = self.value(critics, inputs, batch.action)
            return 0.5 * jnp.mean((values - target) ** 2, axis=-1).sum(), (inputs, values.mean())

        (value, (inputs, mean)), gradient = jax.value_and_grad(loss, has_aux=True)(
            (state.critics, state.encoder)
        )
        critics, optimizer = self.stepped(state.critics, gradient[0], state.critics_optimizer)
        state = state._replace(
            critics=critics,
            target=optax.incremental_update(critics, state.target, self.tau),
            critics_optimizer=optimizer,
        )
        return self.shaped(state, gradient[1]), inputs, {"critic_loss": value, "q": mean}

    def successor(self) -> Any:
        """Itself."""
        return self

    def cloner(self) -> Cloning:
        """Cloning of the same policy."""
        return Cloning(**self.acting())

    def shared(self) -> dict[str, Any]:
        """These hyper-parameters by name, for another learner with the same networks."""
        return {each.name: getattr(self, each.name) for each in dataclasses.fields(ActorCritic)}


def _with(params: Any, encoder: Any) -> Any:
    return {**params, "encoder": encoder} if encoder else params
