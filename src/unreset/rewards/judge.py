"""The network of a discriminator, its loss, and what its answers are worth as rewards."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from unreset.core.types import Array, Metrics
from unreset.networks.encoders import Dense, Encoder, encode
from unreset.networks.views import Inputs, Seen, Vision

RewardForm = Literal["-log(1-D)", "log D", "log D - log(1-D)", "D > 1/2"]
_torch_default = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")


class Judge(nn.Module):
    """The discriminator's network: inputs to features, and features to log D / (1 - D)."""

    hidden: tuple[int, ...]
    trunk: int
    spectral_norm: bool
    own_encoder: bool
    vision: Vision

    def setup(self) -> None:
        sizes = (*self.hidden, 1)
        self.layers = [
            Dense(size, self.spectral_norm, _torch_default, name=f"Dense_{number}")
            for number, size in enumerate(sizes)
        ]
        self.encoder = Encoder(self.vision, self.spectral_norm)
        self.squeeze = Dense(self.trunk, self.spectral_norm)
        self.norm = nn.LayerNorm()

    def features(self, inputs: Inputs) -> Array:
        """Features [..., F], the numbers among them; inputs without pictures are features."""
        if not isinstance(inputs, Seen):
            return inputs
        encoded = inputs.image  # already, where the encoder is shared
        if self.own_encoder:
            encoded = self.encoder(encoded)
        squeezed = jnp.tanh(self.norm(self.squeeze(encoded)))
        return jnp.concatenate([squeezed, inputs.vector], axis=-1)

    def head(self, features: Array) -> Array:
        """Features [..., F] to logits [...]."""
        for layer in self.layers[:-1]:
            features = nn.relu(layer(features))
        return jnp.squeeze(self.layers[-1](features), -1)

    def __call__(self, inputs: Inputs) -> Array:
        return self.head(self.features(inputs))


class State(NamedTuple):
    """The state of a discriminator."""

    params: Any
    optimizer: Any
    encoder: Any = ()  # the policy's, where that is shared
    worth: Any = ()  # of expert rows, where they are weighed


def logits(judge: Judge, state: State, inputs: Inputs) -> Array:
    """Inputs [..., input] to log D / (1 - D) [...]."""
    value: Any = judge.apply(state.params, encode(judge.vision, state.encoder, inputs))
    return jnp.asarray(value)


def reward(form: RewardForm, logit: Array) -> Array:
    """The reward at a logit, with D kept 1e-10 away from 0 and 1 as in MEDAL's released code.

    "D > 1/2" is 1 or 0: a success that is seen, and ends the bootstrap as one does that is told
    (SERL, Luo et al. 2024, arXiv 2401.16013).
    """
    if form == "D > 1/2":
        return (logit > 0).astype(jnp.float32)
    expert = jnp.log(jax.nn.sigmoid(logit) + 1e-10)
    own = jnp.log(jax.nn.sigmoid(-logit) + 1e-10)
    return {"-log(1-D)": -own, "log D": expert, "log D - log(1-D)": expert - own}[form]


def mixed(rows: Any, key: Array) -> Any:
    """Convex mixtures of pairs of rows, all columns [N, ...] alike (mixup)."""
    share_key, order_key = jax.random.split(key)
    number = len(jax.tree.leaves(rows)[0])
    share = jax.random.uniform(share_key, (number,))  # Beta(1, 1)
    partner = jax.random.permutation(order_key, number)

    def mix(column: Array) -> Array:
        own = share.reshape(-1, *[1] * (column.ndim - 1))
        return own * column + (1 - own) * column[partner]

    return jax.tree.map(mix, rows)


@dataclass(frozen=True)
class Teacher:
    """How a judge is taught: binary cross-entropy on expert against own rows, by Adam."""

    judge: Judge
    learning_rate: float
    mixup: bool
    trains_encoder: bool

    def fresh(self, key: Array, inputs: Inputs, encoder: Any = ()) -> State:
        """A fresh state for inputs such as these; ``encoder`` is the policy's, if it is shared."""
        params = self.judge.init(key, encode(self.judge.vision, encoder, inputs))
        return State(params, optax.adam(self.learning_rate).init(params), encoder)

    def update(
        self,
        state: State,
        halves: tuple[Inputs, Inputs],
        key: Array,
        weights: Array | None = None,
    ) -> tuple[State, Metrics, Any]:
        """One step on expert [N, input] and own [N, input] rows.

        Expert rows count as ``weights`` [N] say; in mixtures they are mixed like labels. The
        metrics are taken before the step, on rows it has not been trained on in this form. Last
        comes the loss's gradient by a shared encoder, which itself stays as it is.
        """
        inputs = jax.tree.map(lambda *rows: jnp.concatenate(rows), *halves)
        half = len(jax.tree.leaves(halves[0])[0])
        labels = jnp.concatenate([jnp.ones(half), jnp.zeros(half)])
        counts = jnp.ones(2 * half)
        if weights is not None:
            counts = jnp.concatenate([weights, jnp.ones(half)])
        loss = partial(self._loss, inputs, labels, counts, key)
        by = (0, 1) if self.trains_encoder else (0,)
        (value, accuracy), gradients = jax.value_and_grad(loss, by, has_aux=True)(
            state.params, state.encoder
        )
        updates, optimizer = optax.adam(self.learning_rate).update(gradients[0], state.optimizer)
        params = optax.apply_updates(state.params, updates)
        state = state._replace(params=params, optimizer=optimizer)
        return state, {"loss": value, "accuracy": accuracy}, gradients[-1]

    def _loss(
        self, inputs: Inputs, labels: Array, counts: Array, key: Array, params: Any, encoder: Any
    ) -> tuple[Array, Array]:
        judge = self.judge
        seen = encode(judge.vision, encoder, inputs)
        features: Any = judge.apply(params, seen, method=Judge.features)
        plain: Any = judge.apply(params, features, method=Judge.head)
        right = (plain > 0) == (labels > 0.5)
        wanted, weight = labels, counts
        if self.mixup:
            features, wanted, weight = mixed((features, labels, counts), key)
        values: Any = judge.apply(params, features, method=Judge.head)
        losses = weight * optax.sigmoid_binary_cross_entropy(values, wanted)
        return losses.mean(), right.mean()
