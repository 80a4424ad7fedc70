"""Distribution matching: a discriminator between expert and own states, and its rewards.

One discriminator serves GAIL (Ho & Ermon 2016), VICE (Fu et al. 2018) and MEDAL (Sharma et al.
2022): they differ in what the positives and negatives are and in the form of the reward.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from unreset.core.types import Array, Metrics
from unreset.errors import UnresetError
from unreset.networks.encoders import Dense, Encoder, encode
from unreset.networks.views import EncoderName, Inputs, Seen, Vision

FAR = 8  # steps between the pictures of a pair that do not show the same
RewardForm = Literal["-log(1-D)", "log D", "log D - log(1-D)", "D > 1/2"]
_torch_default = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")


@dataclass(frozen=True)
class Matching:
    """Hyper-parameters of the discriminator."""

    hidden: tuple[int, ...] = (128,)
    """Widths of its hidden layers (MEDAL code: 128)."""
    learning_rate: float = 3e-4
    """Adam's step size (MEDAL code: 3e-4)."""
    interval: int = 10
    """Environment steps between its updates (MEDAL code: 10)."""
    batch_size: int = 800
    """Rows of one update, half of them expert (MEDAL code: 800)."""
    mixup: bool = True
    """Train on convex mixtures of pairs, weights ~ Beta(1, 1) (MEDAL code); of features, where it
    looks at pictures (MEDAL++)."""
    spectral_norm: bool = False
    """Whether to divide every layer by its largest singular value (MEDAL++: yes)."""
    encoder: EncoderName | None = None
    """The kind of its own encoder of pictures; None: the policy's kind."""
    shared_encoder: Literal["no", "frozen", "trained"] = "no"
    """Whether it sees through the policy's encoder instead: as it is, or trained by this loss, too
    (MEDAL++: shared with the classifier; its code: not)."""
    trunk: int = 50
    """Width of the dense-LayerNorm-tanh bottleneck after its encoder (MEDAL++: 50)."""
    cameras: tuple[str, ...] = ()
    """Cameras it looks through; none: the policy's."""
    proprioception: bool | None = None
    """Whether it sees what the robot's own sensors tell; None: as the policy does."""
    goal_view: Literal["image", "vector"] | None = None
    """How it sees the goal; None: as the policy does."""
    last_states: int = 0
    """Only so many last states of a demonstration are expert's; 0: all (VICE in MEDAL++: 10)."""
    first_states: int = 0
    """So many first states of a forward demonstration are expert's, and of backward ones the last
    states (MEDAL++ on the robot: 50, and 20 last ones); 0: as ``last_states`` says."""
    contrast: float = 0.0
    """Share of its own rows that demonstrations give instead, so that it looks for the goal: states
    well before the last ones, and last ones of another goal (ours; MEDAL++: 0)."""
    pairs: float = 0.0
    """Share of both halves of its rows that are pairs of pictures of one stretch of time instead,
    the later one as the goal: at most one step apart in the expert's half, eight or more in the
    other. So it learns what "the same" means from practice as well (ours; MEDAL++: 0)."""
    arrivals: bool = False
    """Whether expert's are the states in which demonstrations arrived, the very last one included,
    instead of those that they acted from (QWALE: arrivals; MEDAL code: not)."""
    weighted: bool = False
    """Whether expert's rows count as much as they are worth (QWALE): to the critics of the run
    before, or, without one, the further on in its demonstration a row is."""
    baseline: float | None = None
    """The worth, from 0 to 1, of a row that counts once; None: that of the agent's latest step to
    those critics (QWALE), or 1/2 without them."""
    see_goal: bool = True
    """Whether it sees the goal beside the state (MEDAL code: yes); if not, no offsets either."""
    see_action: bool = False
    """Whether it sees a state that was acted from and the action taken there, instead of a state
    that was reached (GAIL; GAIL-sa of QWALE)."""
    form: RewardForm = "-log(1-D)"
    """Reward as a function of D, the probability of being expert (MEDAL: -log(1-D))."""
    scale: float = 10.0
    """Factor on this reward (MEDAL code: 10)."""

    def __post_init__(self) -> None:
        """Refuse fields that do not go together."""
        if self.contrast and (self.first_states or not self.last_states):
            raise UnresetError(
                f"contrast={self.contrast} sets a demonstration's last states against those before "
                "them: last_states must be 1 or more, and first_states 0"
            )
        if (self.arrivals or self.weighted) and (self.last_states or self.pairs):
            raise UnresetError(
                "arrivals and weighted are of all states of demonstrations: last_states and pairs "
                "must be 0"
            )
        if self.see_action and (
            self.arrivals or self.last_states or self.first_states or self.pairs
        ):
            raise UnresetError(
                "see_action is of states that were acted from, and nobody acts in the last one: "
                "arrivals must be False, and last_states, first_states and pairs 0"
            )
        if self.see_action and self.form == "D > 1/2":
            raise UnresetError(
                "form='D > 1/2' sees a success, which is a state: see_action must be False"
            )
        if self.contrast + self.pairs > 1:
            raise UnresetError(
                f"contrast={self.contrast} and pairs={self.pairs} are shares of one half of its "
                "rows: together at most 1"
            )
        if self.shared_encoder != "no" and (self.cameras or self.encoder):
            raise UnresetError(
                f"a discriminator with shared_encoder={self.shared_encoder!r} sees as the policy "
                "does: it can have neither cameras nor an encoder of its own"
            )

    def sight(self, vision: Vision) -> Vision:
        """How it sees, given how the policy does."""
        told = self.proprioception
        sees = vision.proprioception if told is None else told
        goal_view = self.goal_view or vision.goal_view if self.see_goal else "none"
        return replace(
            vision,
            cameras=self.cameras or vision.cameras,
            goal_cameras=() if self.cameras else vision.goal_cameras,
            proprioception=sees,
            goal_proprioception=vision.goal_proprioception and sees and goal_view == "image",
            goal_view=goal_view,
            encoder=self.encoder or vision.encoder,
            stack=1,
        )

    def blindness(self, vision: Vision) -> str | None:
        """What it cannot do, given how the policy sees; None where it can do all that it shall."""
        if self.pairs and not (vision.pixels and self.sight(vision).goal_view == "image"):
            return (
                f"cannot compare pairs={self.pairs} of pictures: that takes pixels, "
                "goal_view='image' and see_goal"
            )
        if self.shared_encoder == "no":
            return None
        if vision.pixels and (self.sight(vision).goal_view == "image") != (
            vision.goal_view == "image"
        ):
            return "shares the policy's encoder: either both see goals as pictures, or neither"
        if vision.stack > 1:
            return f"sees one picture and cannot share an encoder of stack={vision.stack}"
        return None


class Discriminator(NamedTuple):
    """The state of a discriminator."""

    params: Any
    optimizer: Any
    encoder: Any = ()  # the policy's, where that is shared
    worth: Any = ()  # of expert rows, where they are weighed


class Judge(nn.Module):
    """The discriminator's network: what is seen to features, and features to log D / (1 - D)."""

    config: Matching
    vision: Vision

    def setup(self) -> None:
        config = self.config
        sizes = (*config.hidden, 1)
        self.layers = [
            Dense(size, config.spectral_norm, _torch_default, name=f"Dense_{number}")
            for number, size in enumerate(sizes)
        ]
        self.encoder = Encoder(self.vision, config.spectral_norm)
        self.squeeze = Dense(config.trunk, config.spectral_norm)
        self.norm = nn.LayerNorm()

    def features(self, inputs: Inputs) -> Array:
        """Features [..., F], the numbers among them; inputs without pictures are features."""
        if not isinstance(inputs, Seen):
            return inputs
        encoded = inputs.image  # already, where the encoder is shared
        if self.config.shared_encoder == "no":
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


def init(
    config: Matching,
    key: Array,
    inputs: Inputs | int,
    vision: Vision | None = None,
    encoder: Any = (),
) -> Discriminator:
    """A fresh discriminator for inputs such as these, or so many numbers.

    ``encoder`` has the parameters of the policy's, used if it is shared.
    """
    if isinstance(inputs, int):
        inputs = jnp.zeros(inputs)
    encoder = () if config.shared_encoder == "no" else encoder
    vision = vision or Vision()
    params = Judge(config, vision).init(key, encode(vision, encoder, inputs))
    return Discriminator(params, optax.adam(config.learning_rate).init(params), encoder)


def logits(
    config: Matching, discriminator: Discriminator, inputs: Inputs, vision: Vision | None = None
) -> Array:
    """Inputs [..., input] to log D / (1 - D), shape [...]; ``vision`` is its sight."""
    vision = vision or Vision()
    inputs = encode(vision, discriminator.encoder, inputs)
    value: Any = Judge(config, vision).apply(discriminator.params, inputs)
    return jnp.asarray(value)


def reward(form: RewardForm, logit: Array) -> Array:
    """The reward at a logit, with D kept 1e-10 away from 0 and 1 as in the released code.

    "D > 1/2" is 1 or 0: a success that is seen, and ends the bootstrap as one does that is told
    (SERL, Luo et al. 2024, arXiv 2401.16013).
    """
    if form == "D > 1/2":
        return (logit > 0).astype(jnp.float32)
    expert = jnp.log(jax.nn.sigmoid(logit) + 1e-10)
    own = jnp.log(jax.nn.sigmoid(-logit) + 1e-10)
    return {"-log(1-D)": -own, "log D": expert, "log D - log(1-D)": expert - own}[form]


def mixed(features: Array, labels: Array, key: Array) -> tuple[Array, Array]:
    """Convex mixtures of pairs of features [N, F], and of their labels [N] alike (mixup)."""
    share_key, order_key = jax.random.split(key)
    share = jax.random.uniform(share_key, labels.shape)  # Beta(1, 1)
    partner = jax.random.permutation(order_key, len(labels))
    features = share[:, None] * features + (1 - share[:, None]) * features[partner]
    return features, share * labels + (1 - share) * labels[partner]


def update(
    config: Matching,
    discriminator: Discriminator,
    expert: Inputs,
    own: Inputs,
    key: Array,
    vision: Vision | None = None,
    weights: Array | None = None,
) -> tuple[Discriminator, Metrics, Any]:
    """One step of binary cross-entropy on expert [N, input] against own [N, input] rows.

    Expert rows count as ``weights`` [N] say; in mixtures they are mixed like labels. The metrics
    are taken before the step, on rows it has not been trained on in this form. Last comes the
    loss's gradient by a shared encoder, which itself stays as it is.
    """
    inputs = jax.tree.map(lambda *rows: jnp.concatenate(rows), expert, own)
    half = len(jax.tree.leaves(expert)[0])
    labels = jnp.concatenate([jnp.ones(half), jnp.zeros(half)])
    counts = jnp.ones(2 * half) if weights is None else jnp.concatenate([weights, jnp.ones(half)])
    vision = vision or Vision()
    judge = Judge(config, vision)

    def loss(params: Any, encoder: Any) -> tuple[Array, Array]:
        features: Any = judge.apply(params, encode(vision, encoder, inputs), method=Judge.features)
        plain: Any = judge.apply(params, features, method=Judge.head)
        right = (plain > 0) == (labels > 0.5)
        wanted, weight = labels, counts
        if config.mixup:
            weight = mixed(features, counts, key)[1]
            features, wanted = mixed(features, labels, key)
        values: Any = judge.apply(params, features, method=Judge.head)
        losses = weight * optax.sigmoid_binary_cross_entropy(values, wanted)
        return losses.mean(), right.mean()

    by = (0, 1) if config.shared_encoder == "trained" else (0,)
    (value, accuracy), gradients = jax.value_and_grad(loss, by, has_aux=True)(
        discriminator.params, discriminator.encoder
    )
    optimizer = optax.adam(config.learning_rate)
    updates, state = optimizer.update(gradients[0], discriminator.optimizer)
    params = optax.apply_updates(discriminator.params, updates)
    found = discriminator._replace(params=params, optimizer=state)
    return found, {"loss": value, "accuracy": accuracy}, gradients[-1]
