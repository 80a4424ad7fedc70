"""A learned model of the world: an ensemble of Gaussians over what one step changes.

One model serves all roles and learns from everyone's rows: forward and backward practice have
different rewards, but live in one world. Sources: PETS (Chua et al. 2018, arXiv 1805.12114), MBPO
(Janner et al. 2019, arXiv 1906.08253).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from unreset.core import replay as replays
from unreset.core.protocols import Beginning, Draws, Fitted, Fresh, Part, Scope
from unreset.core.ranges import Count, Inside, Rate, Whole
from unreset.core.replay import Replay
from unreset.core.types import Array, Measurement, Metrics, Task, Transition, when
from unreset.errors import UnresetError
from unreset.models.gaussians import Gaussian, Moments, fresh, moved
from unreset.networks.mlp import octaves

MODEL = "model"  # its name in every method
BOUND_PENALTY = 0.01  # weight of their distance in the loss (MBPO)
REMEMBERED = 0.98  # share of the held-out error so far in the next one


@dataclass(frozen=True)
class Dynamics(Part):
    """A model of the task, learned from everybody's rows, in seed steps too."""

    members: Count = 5
    """Networks in the ensemble (MBPO: 7)."""
    elites: Count = 3
    """Of them, those with the least error on held-out rows, which predict (MBPO: 5)."""
    hidden: tuple[Count, ...] = (128, 128)
    """Widths of their hidden layers (MBPO: four of 200; ours)."""
    relative: bool = True
    """They also see how far apart things are, if ``Task.offsets`` says how (ours)."""
    octaves: Whole = 3
    """Sines and cosines of each normalised input, from 8 deviations down by octaves; 0 for none
    (ours)."""
    beta: Rate = 0.5
    """Power of the predicted variance by which an error counts: 0 is the likelihood (MBPO), which
    neglects what is hard to predict, 1 the squared error (beta-NLL, Seitzer et al. 2022)."""
    learning_rate: Rate = 1e-3
    """Adam's step size (MBPO: 1e-3)."""
    weight_decay: Rate = 5e-5
    """Decoupled weight decay (MBPO: 2.5e-5 to 1e-4 by layer)."""
    interval: Count = 1
    """Environment steps between two updates (ours; MBPO: a refit after every 250)."""
    batch_size: Count = 128
    """Rows of one update of each member, drawn anew for each (MBPO: 256)."""
    held_out: Inside = 0.1
    """Share of all rows that never teach and choose the elites (MBPO: 0.2, 5,000 at most)."""

    def __post_init__(self) -> None:
        """Refuse an ensemble that has too many elites."""
        if 1 <= self.members < self.elites:
            raise UnresetError(
                f"elites={self.elites} must be at most members, which is {self.members}"
            )

    @property
    def waits(self) -> bool:  # type: ignore[override]
        return False

    def needs(self, method: Any, name: str) -> str | None:
        if method.practice.offline:
            return f"{method.name} is offline, and a model learns from practice"
        if method.vision.pixels:
            return (
                f"the model of {method.name} predicts numbers, not pictures: it cannot practise "
                "with pixels"
            )
        return None

    def init(self, scope: Scope, start: Beginning, key: Array) -> Model:
        """A fresh model, which predicts rewards where the task cannot compute them."""
        return fresh_model(self, scope.task, key, rewards=not scope.task.pure)

    def measured(self, scope: Scope, fresh: Fresh) -> dict[str, Measurement]:
        found = error(self, scope.task, scope.state, fresh.transition, fresh.goal)
        return {"fresh_error": Measurement(found, jnp.float32(1))}

    def fit(self, scope: Scope, draws: Draws, due: Array, key: Array) -> Fitted:
        """An update on everyone's rows and the demonstrations', by their shares of all."""
        rows = self._drawn(scope, draws.replay, jax.random.split(key, 3))

        def step(state: Model) -> tuple[Model, Metrics]:
            return update(self, scope.task, state, rows)

        state, found = when(due, step, scope.state)
        return Fitted(state, draws.learners, found)

    def _drawn(self, scope: Scope, replay: Replay, keys: Array) -> Rows:
        everyone = tuple(range(len(scope.method.roles)))
        shape = (self.members, self.batch_size)
        at = replays.sample(replay, everyone, shape[0] * shape[1], keys[0])
        if replay.pinned:
            shown = replays.sample_pinned(replay, (replays.EVERY,), len(at), keys[1])
            practised = (replay.heads - replay.tails).sum()
            known = replay.pinned_count[replays.EVERY]
            share = known / jnp.maximum(known + practised, 1)
            at = jnp.where(jax.random.uniform(keys[2], at.shape) < share, shown, at)
        at = at.reshape(shape)
        # Always the same rows are held out: those whose scattered position is a low number.
        scattered = at.astype(jnp.uint32) * jnp.uint32(2654435761) / jnp.float32(2**32)
        rows = replay.rows
        return Rows(
            observation=rows.observation[at],
            action=rows.action[at],
            next_observation=rows.observation[replays.following(replay, at)],
            goal=rows.goal[at],
            reward=rows.reward[at],
            held_out=scattered < self.held_out,
        )


class Model(NamedTuple):
    """The state of the model; what it predicts is (change of the observation, reward)."""

    params: Any  # stacked [members]
    optimizer: Any
    inputs: Moments  # of (observation, action, and the goal if rewards are predicted)
    outputs: Moments
    held_out: Array  # [members], running mean squared error on rows that never taught
    updates: Array  # [] int32


class Rows(NamedTuple):
    """Steps [..., n] that teach the model."""

    observation: Array
    action: Array
    next_observation: Array
    goal: Array
    reward: Array  # [...]
    held_out: Array  # [...] bool


class Prediction(NamedTuple):
    """What the model expects of steps."""

    observation: Array  # [N, observation]
    reward: Array  # [N], 0 of a model that predicts none
    disagreement: (
        Array  # [N]: how far two elites' means are apart, in deviations (root mean square)
    )


def _network(config: Dynamics, output: int) -> Gaussian:
    return Gaussian(config.hidden, output)


def _optimizer(config: Dynamics) -> optax.GradientTransformation:
    return optax.adamw(config.learning_rate, weight_decay=config.weight_decay)


def fresh_model(config: Dynamics, task: Task, key: Array, rewards: bool = False) -> Model:
    """A fresh model of a task; with ``rewards`` it also predicts those for a goal."""
    inputs = task.observation_size + len(_differences(config, task)) + task.action_size
    inputs += rewards * task.goal_size
    output = task.observation_size + rewards

    def member(key: Array) -> Any:
        return _network(config, output).init(key, octaves(jnp.zeros(inputs), config.octaves))

    params = jax.vmap(member)(jax.random.split(key, config.members))
    return Model(
        params,
        _optimizer(config).init(params),
        fresh(inputs),
        fresh(output),
        jnp.zeros(config.members),
        jnp.int32(0),
    )


def _differences(config: Dynamics, task: Task) -> np.ndarray:
    """Of the task's offsets [n, observation], those that have no part of the goal."""
    if not config.relative or task.offsets is None:
        return np.zeros((0, task.observation_size), np.float32)
    within = (task.offsets[:, task.observation_size :] == 0).all(axis=1)
    within &= (task.offsets != 0).sum(axis=1) > 1
    return task.offsets[within, : task.observation_size]


def _inputs(
    config: Dynamics, task: Task, model: Model, observation: Array, action: Array, goal: Array
) -> Array:
    apart = jnp.matmul(
        observation, _differences(config, task).T, precision=jax.lax.Precision.HIGHEST
    )
    told = predicts_rewards(task, model) * task.goal_size
    return jnp.concatenate([observation, apart, action, goal[..., :told]], axis=-1)


def predicts_rewards(task: Task, model: Model) -> bool:
    """Whether a model predicts rewards beside observations."""
    return bool(model.outputs.mean.shape[-1] > task.observation_size)


def _gaussians(config: Dynamics, params: Any, model: Model, inputs: Array) -> tuple[Array, Array]:
    """Means and log variances [m, N, output] of members' parameters for inputs [m, N, input]."""
    scaled = (inputs - model.inputs.mean) / model.inputs.deviation
    network = _network(config, model.outputs.mean.shape[-1])
    found: Any = jax.vmap(network.apply)(params, octaves(scaled, config.octaves))
    return found


def _loss(config: Dynamics, mean: Array, log_variance: Array, target: Array) -> Array:
    """``variance^beta ((mean - target)^2 / variance + log variance)`` [...], mean over outputs.

    No gradient passes through the first factor.
    """
    error = (mean - target) ** 2
    weight = jax.lax.stop_gradient(jnp.exp(config.beta * log_variance))
    return jnp.mean(weight * (error * jnp.exp(-log_variance) + log_variance), axis=-1)


def update(config: Dynamics, task: Task, model: Model, rows: Rows) -> tuple[Model, Metrics]:
    """One step of every member on its own rows [members, B, ...].

    The loss is minus the log likelihood of normalised changes, weighted by ``beta``, with a penalty
    on the distance of the bounds of the log variance. Held-out rows do not count in it; by their
    mean squared error the elites are chosen.
    """
    inputs = _inputs(config, task, model, rows.observation, rows.action, rows.goal)
    change = rows.next_observation - rows.observation
    if predicts_rewards(task, model):
        change = jnp.concatenate([change, rows.reward[..., None]], axis=-1)
    moments = [
        moved(old, values.reshape(-1, values.shape[-1]), model.updates)
        for old, values in ((model.inputs, inputs), (model.outputs, change))
    ]
    model = model._replace(inputs=moments[0], outputs=moments[1])
    target = (change - model.outputs.mean) / model.outputs.deviation
    unseen = rows.held_out.astype(jnp.float32)

    def of(each: Array, weight: Array) -> Array:
        return (each * weight).sum(-1) / jnp.maximum(weight.sum(-1), 1.0)

    def loss(params: Any) -> tuple[Array, Array]:
        mean, log_variance = _gaussians(config, params, model, inputs)
        taught = of(_loss(config, mean, log_variance, target), 1 - unseen)
        bounds = params["params"]["high"] - params["params"]["low"]
        return taught.sum() + BOUND_PENALTY * bounds.sum(), ((mean - target) ** 2).mean(axis=-1)

    (value, squares), gradient = jax.value_and_grad(loss, has_aux=True)(model.params)
    steps, optimizer = _optimizer(config).update(gradient, model.optimizer, model.params)
    kept = jnp.where(model.updates == 0, 0.0, REMEMBERED)
    kept = jnp.where(rows.held_out.any(axis=-1), kept, 1.0)
    held_out = kept * model.held_out + (1 - kept) * of(squares, unseen)
    model = model._replace(
        params=optax.apply_updates(model.params, steps),
        optimizer=optimizer,
        held_out=held_out,
        updates=model.updates + 1,
    )
    return model, {"loss": value / config.members, "held_out_error": jnp.sqrt(held_out.mean())}


def elites(config: Dynamics, model: Model) -> Any:
    """The parameters, stacked [elites], of the members with the least held-out error."""
    best = jnp.argsort(model.held_out)[: config.elites]
    return jax.tree.map(lambda x: x[best], model.params)


def expected(
    config: Dynamics, task: Task, model: Model, observation: Array, action: Array, goal: Array
) -> tuple[Array, Array]:
    """Means and deviations [elites, N, output] of what steps [N, ...] change, of every elite."""
    inputs = _inputs(config, task, model, observation, action, goal)
    shared = jnp.broadcast_to(inputs, (config.elites, *inputs.shape))
    mean, log_variance = _gaussians(config, elites(config, model), model, shared)
    scale = model.outputs.deviation
    return model.outputs.mean + scale * mean, scale * jnp.exp(log_variance / 2)


def predict(
    config: Dynamics,
    task: Task,
    model: Model,
    chosen: Any,
    observation: Array,
    action: Array,
    goal: Array,
    key: Array,
    sampled: bool = True,
) -> Prediction:
    """One step of N imagined worlds, each by one elite and its noise, or its mean alone.

    Args:
        config: what the model is.
        task: what it is of.
        model: its state.
        chosen: the parameters of :func:`elites`.
        observation: [N, observation].
        action: [N, action].
        goal: [N, goal].
        key: which elite predicts which row is drawn anew at every call.
        sampled: whether noise is added to its mean.

    No number leaves the range of those that have been observed.
    """
    number, size = observation.shape
    order_key, noise_key = jax.random.split(key)
    order = jax.random.permutation(order_key, config.elites)
    mixed = jax.tree.map(lambda x: x[order], chosen)
    inputs = _inputs(config, task, model, observation, action, goal)
    each = -(-number // config.elites)
    padded = jnp.pad(inputs, ((0, each * config.elites - number), (0, 0)), mode="edge")
    parts = padded.reshape(config.elites, each, -1)

    def whole(x: Array) -> Array:
        return x.reshape(config.elites * each, -1)[:number]

    mean, log_variance = _gaussians(config, mixed, model, parts)
    others = jax.tree.map(lambda x: jnp.roll(x, 1, axis=0), mixed)
    apart = whole(mean - _gaussians(config, others, model, parts)[0])
    mean, deviation = whole(mean), whole(jnp.exp(log_variance / 2))
    if sampled:
        mean += deviation * jax.random.normal(noise_key, mean.shape)
    change = model.outputs.mean + model.outputs.deviation * mean
    seen = reached(model, observation, change[:, :size])
    reward = jnp.zeros(number)
    if predicts_rewards(task, model):
        reward = jnp.clip(change[:, size], model.outputs.low[size], model.outputs.high[size])
    return Prediction(seen, reward, jnp.sqrt(jnp.mean(apart[:, :size] ** 2, axis=-1)))


def reached(model: Model, observation: Array, change: Array) -> Array:
    """Where a predicted change leads [N, observation]: no further out than what was ever seen."""
    size = observation.shape[-1]
    low = jnp.minimum(model.inputs.low[:size], observation)
    high = jnp.maximum(model.inputs.high[:size], observation)
    return jnp.clip(observation + change, low, high)


def error(config: Dynamics, task: Task, model: Model, step: Transition, goal: Array) -> Array:
    """Root mean square [] of what the elites together get wrong of a step, in deviations."""
    rows = jax.tree.map(lambda x: x[None], (step.observation, step.action, goal))
    change = step.next_observation - step.observation
    mean = expected(config, task, model, *rows)[0].mean(axis=0)[0, : len(change)]
    deviation = model.outputs.deviation[: len(change)]
    return jnp.sqrt(jnp.mean(((change - mean) / deviation) ** 2)) * (model.updates > 0)
