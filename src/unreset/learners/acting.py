"""A policy's network, how it acts, and how its parameters take a step: common to all learners."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import optax

from unreset.core.context import Context
from unreset.core.keys import stream
from unreset.core.ranges import Count, Fraction, Rate, Share, Whole
from unreset.core.types import Array
from unreset.errors import UnresetError
from unreset.networks.encoders import Encoder, encode
from unreset.networks.mlp import Actor
from unreset.networks.tanh_normal import sample_tanh_normal
from unreset.networks.views import Inputs, Seen, Vision


@dataclass(frozen=True)
class Acting:
    """Hyper-parameters of a policy. It is a learner without an update.

    Its state is a NamedTuple with the fields ``actor``, ``average``, ``actor_optimizer``,
    ``updates``, ``encoder`` and ``encoder_optimizer``, those of pictures () where there are none.
    """

    vision: Vision = field(default_factory=Vision)
    """What is seen, where it learns from pictures."""
    hidden: tuple[Count, ...] = (128, 128)
    """Widths of the hidden layers of policy and critics (MEDAL: 256 256)."""
    trunk: Whole = 0
    """Width of a dense-LayerNorm-tanh bottleneck before them; 0 for none (MEDAL code: 50). For
    pictures it is ``features``."""
    relative: bool = True
    """Networks see how far apart things are, not where, if ``Task.offsets`` says how (ours)."""
    octaves: Whole = 3
    """Sines and cosines of each input, from 8 units down by octaves; 0 for none (ours)."""
    policy_layer_norm: bool = False
    """LayerNorm in the policy's hidden layers (ours)."""
    learning_rate: Rate = 3e-4
    """Adam's step size for all that is learned (MEDAL)."""
    discount: Share = 0.99
    """Discount per step (MEDAL)."""
    average_tau: Fraction = 0.0005
    """Share of the policy that moves into its deployed average at every update; 1: all (ours)."""

    foresees: ClassVar[tuple[str, ...]] = ()

    def needs(self, context: Context) -> str | None:
        """Why it cannot be used; None: it can."""
        return None

    def actor(self, state: Any) -> Any:
        """The parameters that act now, with the encoder if there is one."""
        return {**state.actor, "encoder": state.encoder} if state.encoder else state.actor

    def deployed(self, state: Any) -> Any:
        """Their average over updates, the policy to deploy."""
        return state.average

    def deploy(self, state: Any) -> Any:
        """A state that deploys what acts now."""
        return state._replace(average=self.actor(state))

    def updates(self, state: Any) -> Array:
        """How many batches have taught it [] int32."""
        found: Array = state.updates
        return found

    def act(self, actor: Any, inputs: Inputs, key: Array | None) -> Array:
        """Actions [..., action] in (-1, 1) of a policy; with no key the tanh of its mean."""
        mean, log_std = self.policy(actor, inputs)
        return jnp.tanh(mean) if key is None else sample_tanh_normal(mean, log_std, key)[0]

    def policy(self, actor: Any, inputs: Inputs) -> tuple[Array, Array]:
        """Mean and log standard deviation [..., action] before the tanh.

        ``actor`` are parameters from :meth:`actor`, or a network's alone for encoded inputs.
        """
        inputs = encode(self.vision, actor.get("encoder"), inputs)
        params = actor["params"]
        output = params["MLP_0"][f"Dense_{len(self.hidden)}"]["bias"].shape[-1]
        network: Any = self.actor_network(output // 2)
        mean, log_std = network.apply({"params": params}, inputs)
        return mean, log_std

    def actor_network(self, action_size: int) -> Actor:
        """The policy's network."""
        return Actor(self.hidden, action_size, self.bottleneck, self.policy_layer_norm)

    @property
    def bottleneck(self) -> int:
        """Width of the layer before the hidden ones; 0 for none."""
        return self.vision.features if self.vision.pixels else self.trunk

    def fresh(self, key: Array, inputs: Inputs, action_size: int) -> tuple[dict[str, Any], Inputs]:
        """The fields of a fresh state that every learner has, and its inputs encoded."""
        encoder: Any = ()
        if isinstance(inputs, Seen):
            encoder = Encoder(self.vision).init(stream(key, "encoder"), inputs.image)
            inputs = encode(self.vision, encoder, inputs)
        actor = self.actor_network(action_size).init(key, inputs)
        acts = {**actor, "encoder": encoder} if encoder else actor
        fields = {
            "actor": actor,
            "average": jax.tree.map(jnp.copy, acts),
            "actor_optimizer": self.optimizer.init(actor),
            "updates": jnp.int32(0),
            "encoder": encoder,
            "encoder_optimizer": self.optimizer.init(encoder) if encoder else (),
        }
        return fields, inputs

    @property
    def optimizer(self) -> optax.GradientTransformation:
        """What turns gradients into steps."""
        return optax.adam(self.learning_rate)

    def stepped(self, params: Any, gradient: Any, optimizer: Any) -> tuple[Any, Any]:
        """Parameters and their optimiser's state after a gradient step."""
        updates, optimizer = self.optimizer.update(gradient, optimizer)
        return optax.apply_updates(params, updates), optimizer

    def with_actor(self, state: Any, gradient: Any) -> Any:
        """A state after a gradient step of its policy's network."""
        actor, optimizer = self.stepped(state.actor, gradient, state.actor_optimizer)
        return state._replace(actor=actor, actor_optimizer=optimizer)

    def averaged(self, state: Any) -> Any:
        """A state whose deployed policy has followed the one that acts."""
        average = optax.incremental_update(self.actor(state), state.average, self.average_tau)
        return state._replace(average=average)

    def encoder(self, state: Any) -> Any:
        """The parameters of the encoder of pictures; () for none."""
        return state.encoder

    def shaped(self, state: Any, gradient: Any) -> Any:
        """A state after a gradient step of its encoder, if it has one."""
        if not state.encoder:
            return state
        encoder, optimizer = self.stepped(state.encoder, gradient, state.encoder_optimizer)
        return state._replace(encoder=encoder, encoder_optimizer=optimizer)

    def critic(self, state: Any) -> Any:
        """No critics."""
        return None

    def target(self, state: Any) -> Any:
        """No critics."""
        return None

    def value(self, critic: Any, inputs: Inputs, action: Array) -> Array:
        """No critics: it raises UnresetError."""
        raise UnresetError(f"{type(self).__name__} has no critics that could value an action")

    def foresight(self, state: Any, event: str) -> Any:
        """No critics of events."""
        return None

    def foresee(self, foresight: Any, inputs: Inputs, action: Array) -> Array:
        """No critics of events: it raises UnresetError."""
        raise UnresetError(f"{type(self).__name__} has no critics that could foresee an event")

    def acting(self) -> dict[str, Any]:
        """These hyper-parameters by name, for another learner with the same policy."""
        return {each.name: getattr(self, each.name) for each in dataclasses.fields(Acting)}
