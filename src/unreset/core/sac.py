"""Soft actor-critic: the one off-policy learner. REDQ, RLPD and cloning are its fields.

Sources: SAC (Haarnoja et al. 2018, arXiv 1812.05905), REDQ (Chen et al. 2021, arXiv 2101.05982),
RLPD (Ball et al. 2023, arXiv 2302.02948).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax

from unreset.core.types import Array, Batch, Metrics
from unreset.errors import UnresetError
from unreset.networks.encoders import Encoder, encode
from unreset.networks.mlp import Actor, Critics
from unreset.networks.tanh_normal import sample_tanh_normal, tanh_normal_log_density
from unreset.networks.views import Inputs, Seen, Vision


@dataclass(frozen=True)
class SAC:
    """Hyper-parameters of the learner."""

    vision: Vision = field(default_factory=Vision)
    """What is seen, where it learns from pictures."""
    hidden: tuple[int, ...] = (128, 128)
    """Widths of the hidden layers of policy and critics (MEDAL: 256 256)."""
    critics_hidden: tuple[int, ...] = ()
    """Widths of the critics' hidden layers; none: as the policy's (MEDAL++: four of 256)."""
    trunk: int = 0
    """Width of a dense-LayerNorm-tanh bottleneck before them; 0 for none (MEDAL code: 50). For
    pictures it is ``features``."""
    own_trunks: bool = False
    """Whether every critic has a bottleneck of its own (MEDAL++: yes)."""
    relative: bool = True
    """Networks see how far apart things are, not where, if ``Task.offsets`` says how (ours)."""
    octaves: int = 3
    """Sines and cosines of each input, from 8 units down by octaves; 0 for none (ours)."""
    layer_norm: bool = True
    """LayerNorm in the critics' hidden layers (RLPD)."""
    policy_layer_norm: bool = False
    """LayerNorm in the policy's hidden layers (ours)."""
    critics: int = 2
    """Critics in the ensemble (SAC: 2; REDQ, RLPD: 10)."""
    target_subset: int = 2
    """Randomly chosen critics whose minimum is the target (REDQ, Algorithm 1)."""
    learning_rate: float = 3e-4
    """Adam's step size for policy, critics and temperature (MEDAL)."""
    discount: float = 0.99
    """Discount per step (MEDAL)."""
    tau: float = 0.005
    """Share of the critics that moves into their targets at every update (MEDAL)."""
    average_tau: float = 0.0005
    """Share of the policy that moves into its deployed average at every update; 1: all (ours)."""
    reward_scale: float = 10.0
    """Factor on the environment's reward (MEDAL code: 10)."""
    initial_temperature: float = 0.1
    """Entropy coefficient at the start (MEDAL code: 1.0; ours: 0.1)."""
    learn_temperature: bool = True
    """Whether the entropy coefficient is learned, or stays what it is (MEDAL++: 0)."""
    target_entropy: float = 0.0
    """Entropy aimed at, per action dimension, in nats (MEDAL code: -1/2; ours: 0)."""
    entropy_backup: bool = True
    """Whether the target value includes the entropy bonus (SAC; RLPD often leaves it out)."""
    policy_every: int = 1
    """Critic updates for each update of policy and temperature (RLPD: the update ratio)."""
    cloning_start: float = 1.0
    """Weight of behaviour cloning on demonstration rows at step 0 (MEDAL++: 1)."""
    cloning_end: float = 0.1
    """Its weight from ``cloning_steps`` on (MEDAL++: 0.1)."""
    cloning_steps: int = 5_000
    """Environment steps over which the weight falls linearly (MEDAL++: 10k to 50k; ours)."""
    cloning_after: int = 0
    """Environment steps before it begins to fall (MEDAL++: 10k)."""
    cloning_form: Literal["distance", "likelihood"] = "distance"
    """What cloning lowers: the mean's squared distance, or minus the log density, while the weight
    is a share, its complement the reinforcement's (MEDAL++)."""
    self_cloning: float = 1.0
    """Weight of cloning rows whose action the critics prefer to the policy's (CRR, eq. 3)."""
    cloning_only: bool = False
    """Plain behaviour cloning: no critics, no reinforcement term in the policy's loss."""
    policy_shapes_encoder: bool = False
    """Whether the policy's loss trains the encoder beside the critics' (MEDAL++: no)."""
    expectile: float = 0.0
    """Above 0 it is implicit Q-learning instead, V the values' expectile of this (IQL: 0.7 to 0.9,
    1/2 their mean); what then counts are the discount, tau and ``advantage_scale``."""
    advantage_scale: float = 3.0
    """beta of implicit Q-learning's policy, which imitates by exp(beta (Q - V)) (IQL: 3 to 10)."""

    def __post_init__(self) -> None:
        """Refuse an expectile that is none."""
        if not 0 <= self.expectile < 1:
            raise UnresetError(f"expectile={self.expectile} must be 0, for none, or below 1")


class Learner(NamedTuple):
    """The state of one SAC agent."""

    actor: Any
    average: Any  # of :func:`acting`'s parameters, over updates: the policy to deploy
    critics: Any
    target: Any
    log_temperature: Array  # []
    actor_optimizer: Any
    critics_optimizer: Any
    temperature_optimizer: Any
    updates: Array  # [] int32
    success: EventCritic | None = None
    encoder: Any = ()  # of pictures, shared by policy and critics; () where there are none
    encoder_optimizer: Any = ()
    value: StateValue | None = None  # of implicit Q-learning
    safety: EventCritic | None = None


class StateValue(NamedTuple):
    """The value V(s) of implicit Q-learning: a critic that sees no action."""

    params: Any
    optimizer: Any


class EventCritic(NamedTuple):
    """Critics of the discounted probability of an event: see :mod:`unreset.core.foresight`."""

    params: Any
    target: Any
    optimizer: Any


def _trunk(config: SAC) -> int:
    return config.vision.features if config.vision.pixels else config.trunk


def actor_network(config: SAC, action_size: int) -> Actor:
    """The policy's network."""
    return Actor(config.hidden, action_size, _trunk(config), config.policy_layer_norm)


def acting(learner: Learner) -> Any:
    """The parameters by which a learner acts: its actor's, with its encoder's if it has one."""
    return {**learner.actor, "encoder": learner.encoder} if learner.encoder else learner.actor


def policy(config: SAC, actor: Any, inputs: Inputs) -> tuple[Array, Array]:
    """Mean and log standard deviation [..., action] before the tanh.

    ``actor`` are parameters from :func:`acting`, or an actor's alone for encoded inputs.
    """
    inputs = encode(config.vision, actor.get("encoder"), inputs)
    actor = {"params": actor["params"]}
    output = actor["params"]["MLP_0"][f"Dense_{len(config.hidden)}"]["bias"].shape[-1]
    network: Any = actor_network(config, output // 2)
    mean, log_std = network.apply(actor, inputs)
    return mean, log_std


def critic_network(config: SAC) -> Critics:
    """The critics' network."""
    return Critics(
        config.critics_hidden or config.hidden,
        config.critics,
        _trunk(config),
        config.layer_norm,
        config.own_trunks,
    )


def action_values(config: SAC, critics: Any, inputs: Inputs, action: Array) -> Array:
    """Q [critics, ...] of the critics' parameters, for encoded inputs."""
    values: Any = critic_network(config).apply(critics, inputs, action)
    return values


def _value_network(config: SAC) -> Critics:
    return Critics(config.critics_hidden or config.hidden, 1, _trunk(config), config.layer_norm)


def _nothing(inputs: Inputs) -> Array:
    """Actions [..., 0] beside encoded inputs."""
    return (inputs.vector if isinstance(inputs, Seen) else inputs)[..., :0]


def state_values(config: SAC, params: Any, inputs: Inputs) -> Array:
    """V [...] of a state value's parameters, for encoded inputs."""
    values: Any = _value_network(config).apply(params, inputs, _nothing(inputs))
    return values[0]


def stepped(config: SAC, params: Any, gradient: Any, optimizer: Any) -> tuple[Any, Any]:
    """Parameters and their optimiser's state after a gradient step."""
    updates, optimizer = _optimizer(config).update(gradient, optimizer)
    return optax.apply_updates(params, updates), optimizer


def _optimizer(config: SAC) -> optax.GradientTransformation:
    return optax.adam(config.learning_rate)


def init(
    config: SAC,
    key: Array,
    inputs: Inputs | int,
    action_size: int,
    judges_success: bool = False,
    judges_safety: bool = False,
) -> Learner:
    """A fresh learner for inputs such as these, or so many numbers, and actions [action_size].

    It may have critics of success, and of whether it will be stuck.
    """
    actor_key, critic_key = jax.random.split(key)
    if isinstance(inputs, int):
        inputs = jnp.zeros(inputs)
    encoder: Any = ()
    if isinstance(inputs, Seen):
        encoder = Encoder(config.vision).init(jax.random.fold_in(actor_key, 1), inputs.image)
        inputs = encode(config.vision, encoder, inputs)
    action = jnp.zeros(action_size)
    actor = actor_network(config, action_size).init(actor_key, inputs)
    critics = critic_network(config).init(critic_key, inputs, action)
    log_temperature = jnp.log(jnp.float32(config.initial_temperature or 1.0))
    optimizer = _optimizer(config)

    def event_critic(number: int) -> EventCritic:
        own_key = jax.random.fold_in(critic_key, number)
        params = critic_network(config).init(own_key, inputs, action)
        return EventCritic(params, jax.tree.map(jnp.copy, params), optimizer.init(params))

    value = None
    if config.expectile:
        own_key = jax.random.fold_in(critic_key, 2)
        params = _value_network(config).init(own_key, inputs, _nothing(inputs))
        value = StateValue(params, optimizer.init(params))
    learner = Learner(
        actor,
        actor,
        critics,
        jax.tree.map(jnp.copy, critics),
        log_temperature,
        optimizer.init(actor),
        optimizer.init(critics),
        optimizer.init(log_temperature),
        jnp.int32(0),
        event_critic(1) if judges_success else None,
        encoder,
        optimizer.init(encoder) if encoder else (),
        value,
        event_critic(3) if judges_safety else None,
    )
    return learner._replace(average=jax.tree.map(jnp.copy, acting(learner)))


def temperature(config: SAC, learner: Learner) -> Array:
    """The entropy coefficient []."""
    if config.learn_temperature:
        return jnp.exp(learner.log_temperature)
    return jnp.float32(config.initial_temperature)


def cloning_weight(config: SAC, step: Array) -> Array:
    """Linear schedule of the behaviour-cloning weight over environment steps (MEDAL++, 3.8)."""
    share = jnp.clip((step - config.cloning_after) / max(config.cloning_steps, 1), 0.0, 1.0)
    return config.cloning_start + share * (config.cloning_end - config.cloning_start)


def target_value(config: SAC, learner: Learner, batch: Batch, key: Array) -> Array:
    """Bellman target [B]: ``scale r + discount (min_subset Q' - alpha log pi)`` (REDQ, eq. 1)."""
    action_key, subset_key = jax.random.split(key)
    inputs = encode(config.vision, learner.encoder, batch.next_inputs)
    mean, log_std = policy(config, learner.actor, inputs)
    action, log_density = sample_tanh_normal(mean, log_std, action_key)
    values = action_values(config, learner.target, inputs, action)
    if config.target_subset < config.critics:
        chosen = jax.random.permutation(subset_key, config.critics)[: config.target_subset]
        values = values[chosen]
    value = values.min(axis=0)
    if config.entropy_backup:
        value = value - temperature(config, learner) * log_density
    return batch.reward + config.discount * batch.discount * value


def critic_step(
    config: SAC, learner: Learner, batch: Batch, key: Array
) -> tuple[Learner, Inputs, Metrics]:
    """One step of :func:`fit_critics` towards the Bellman target."""
    return fit_critics(config, learner, batch, target_value(config, learner, batch, key))


def fit_critics(
    config: SAC, learner: Learner, batch: Batch, target: Array
) -> tuple[Learner, Inputs, Metrics]:
    """One gradient step on every critic and the encoder, then one Polyak step of the targets.

    ``target`` [B] is what the critics shall say of the batch. Also what the encoder made of its
    inputs before the step, to teach the policy with.
    """

    def loss(params: tuple[Any, Any]) -> tuple[Array, tuple[Inputs, Array]]:
        critics, encoder = params
        inputs = encode(config.vision, encoder, batch.inputs)
        values = action_values(config, critics, inputs, batch.action)
        return 0.5 * jnp.mean((values - target) ** 2, axis=-1).sum(), (inputs, values.mean())

    (value, (inputs, mean)), gradient = jax.value_and_grad(loss, has_aux=True)(
        (learner.critics, learner.encoder)
    )
    critics, optimizer = stepped(config, learner.critics, gradient[0], learner.critics_optimizer)
    learner = learner._replace(
        critics=critics,
        target=optax.incremental_update(critics, learner.target, config.tau),
        critics_optimizer=optimizer,
    )
    return shaped(config, learner, gradient[1]), inputs, {"critic_loss": value, "q": mean}


def shaped(config: SAC, learner: Learner, gradient: Any) -> Learner:
    """The learner after a gradient step of its encoder, if it has one."""
    if not learner.encoder:
        return learner
    encoder, optimizer = stepped(config, learner.encoder, gradient, learner.encoder_optimizer)
    return learner._replace(encoder=encoder, encoder_optimizer=optimizer)


def policy_step(
    config: SAC,
    learner: Learner,
    batch: Batch,
    step: Array,
    key: Array,
    encoded: Inputs | None = None,
) -> tuple[Learner, Metrics]:
    """One gradient step on policy and temperature.

    Loss: ``E[alpha log pi - mean Q] + w E_expert[|tanh(mean) - a|^2]`` with w by
    :func:`cloning_weight`, or ``(1 - w) E[alpha log pi - mean Q] - w E_expert[log pi(a)]``
    (``cloning_form``); the expert's term counts only the rows marked ``imitate``. ``encoded`` are
    the batch's inputs where they have been encoded and the encoder shall not be trained.
    """
    alpha, weight = temperature(config, learner), cloning_weight(config, step)
    shapes = bool(learner.encoder) and (config.policy_shapes_encoder or config.cloning_only)
    if encoded is None:
        encoded = encode(config.vision, learner.encoder, batch.inputs)

    def value_of(action: Array) -> Array:
        values = action_values(config, learner.critics, encoded, action)
        return values.min(axis=0) if config.critics == 2 else values.mean(axis=0)

    def loss(params: tuple[Any, Any]) -> tuple[Array, tuple[Array, Array]]:
        actor, encoder = params
        inputs = encode(config.vision, encoder, batch.inputs) if shapes else encoded
        mean, log_std = policy(config, actor, inputs)
        action, log_density = sample_tanh_normal(mean, log_std, key)
        error = jnp.mean((jnp.tanh(mean) - batch.action) ** 2, axis=-1)
        apart = error
        if config.cloning_form == "likelihood":
            apart = -tanh_normal_log_density(mean, log_std, batch.action)
        cloning = jnp.sum(batch.imitate * apart) / jnp.maximum(batch.imitate.sum(), 1.0)
        if config.cloning_only:
            return cloning, (log_density.mean(), cloning)
        value = value_of(action)
        total = jnp.mean(alpha * log_density - value)
        if config.cloning_form == "likelihood":  # of a role with nothing to clone, all
            total *= 1 - weight * (batch.imitate.sum() > 0)
        total += weight * cloning
        if config.self_cloning:
            better = jax.lax.stop_gradient(value_of(batch.action) > value)
            total += config.self_cloning * jnp.mean(better * error)
        return total, (log_density.mean(), cloning)

    (value, (log_density, cloning)), gradient = jax.value_and_grad(loss, has_aux=True)(
        (learner.actor, learner.encoder)
    )
    actor, actor_optimizer = stepped(config, learner.actor, gradient[0], learner.actor_optimizer)
    learner = learner._replace(actor=actor, actor_optimizer=actor_optimizer)
    if shapes:
        learner = shaped(config, learner, gradient[1])
    average = optax.incremental_update(acting(learner), learner.average, config.average_tau)
    learner = learner._replace(average=average)
    metrics = {"policy_loss": value, "cloning_loss": cloning}
    if config.cloning_only:
        return learner, metrics
    if not config.learn_temperature:
        return learner, metrics | {"entropy": -log_density, "temperature": alpha}
    aim = config.target_entropy * batch.action.shape[-1]
    # d/d(log alpha) of alpha * (entropy - aim), with entropy = -E[log pi] (SAC, eq. 18).
    temperature_gradient = alpha * (-log_density - aim)
    log_temperature, temperature_optimizer = stepped(
        config, learner.log_temperature, temperature_gradient, learner.temperature_optimizer
    )
    learner = learner._replace(
        log_temperature=log_temperature, temperature_optimizer=temperature_optimizer
    )
    return learner, metrics | {"entropy": -log_density, "temperature": alpha}


def update(
    config: SAC, learner: Learner, batches: Batch, step: Array, key: Array
) -> tuple[Learner, Metrics]:
    """Teach a learner from stacked batches [U, B, ...]: U critic steps, U / policy_every others."""
    count = batches.reward.shape[0]
    if count % config.policy_every:
        raise UnresetError(
            f"{count} updates are not a multiple of policy_every={config.policy_every}"
        )
    groups = jax.tree.map(
        lambda x: x.reshape(count // config.policy_every, config.policy_every, *x.shape[1:]),
        batches,
    )

    def one_group(learner: Learner, item: tuple[Batch, Array]) -> tuple[Learner, Metrics]:
        group, key = item
        keys = jax.random.split(key, config.policy_every + 1)
        critic_metrics: Metrics = {}
        encoded: Inputs | None = None
        for i in range(config.policy_every):
            batch = jax.tree.map(lambda x, i=i: x[i], group)
            if not config.cloning_only:
                learner, encoded, critic_metrics = critic_step(config, learner, batch, keys[i])
        learner, policy_metrics = policy_step(config, learner, batch, step, keys[-1], encoded)
        return learner, critic_metrics | policy_metrics

    keys = jax.random.split(key, count // config.policy_every)
    learner, metrics = jax.lax.scan(one_group, learner, (groups, keys))
    metrics = jax.tree.map(lambda x: x[-1], metrics)
    return learner._replace(updates=learner.updates + count), metrics
