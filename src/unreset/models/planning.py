"""Planning: choose actions by trying sequences of them in a model, with a value at the end.

Four planners share one search. Sources: PETS, the cross-entropy method in a learned model (Chua et
al. 2018, arXiv 1805.12114); MPPI (Williams et al. 2017, "Information theoretic MPC for model-based
reinforcement learning", ICRA); iCEM, for noise that is correlated in time (Pinneri et al. 2020,
arXiv 2008.06389). A value at the end and the policy among the candidates: TD-MPC (Hansen et al.
2022, arXiv 2203.04955).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax

from unreset.core.keys import stream
from unreset.core.ranges import Count, Positive, Remainder, Share
from unreset.core.types import Array
from unreset.errors import UnresetError

Planner = Literal["none", "cem", "mppi", "shooting", "gradient"]
#: (observation [N, o], action [N, a], key) -> next observation [N, o], reward [N], done [N].
World = Callable[[Array, Array, Array], tuple[Array, Array, Array]]
#: observation [N, o] -> what is still to come [N].
Value = Callable[[Array], Array]
#: (observation [N, o], key) -> action [N, a], in [-1, 1].
Policy = Callable[[Array, Array], Array]


@dataclass(frozen=True)
class Planning:
    """Hyper-parameters of planning."""

    planner: Planner = "cem"
    """The cross-entropy method, path-integral weights, the best of uniform samples, or ascent;
    "none": the policy acts."""
    horizon: Count = 15
    """Steps that a plan looks ahead (PETS: 15 to 30, TD-MPC2: 3)."""
    samples: Count = 256
    """Sequences tried in each iteration (PETS: 350 to 500, TD-MPC2: 512)."""
    iterations: Count = 5
    """Rounds of trying and refitting (PETS: 5, TD-MPC2: 6), or steps of ascent."""
    elites: Count = 32
    """Best sequences by which CEM refits (PETS: 10 %), and from which ascent begins."""
    keep: Remainder = 0.1
    """Share of the last mean and deviation in CEM's next ones (PETS: 0.1)."""
    temperature: Positive = 0.1
    """MPPI's lambda, in units of the return: lower is greedier (ours)."""
    deviation: Positive = 0.7
    """Standard deviation of the first samples, and of all of MPPI's (ours)."""
    least_deviation: Positive = 0.05
    """What CEM's deviation never falls below (TD-MPC: 0.05)."""
    smoothing: Remainder = 0.5
    """Correlation of the noise of one step with the next one's (ours; iCEM colours it)."""
    policy_share: Remainder = 0.05
    """Share of the samples that the policy proposes, if there is one (TD-MPC2: 24 of 512)."""
    particles: Count = 1
    """Worlds in which each sequence is tried; its return is their mean (PETS: 20)."""
    step_size: Positive = 0.1
    """Adam's step size in ascent (ours)."""
    discount: Share = 0.99
    """Discount per step; roles that act by planning take their learner's."""

    def __post_init__(self) -> None:
        """Refuse more elites than samples."""
        if 1 <= self.samples < self.elites:
            raise UnresetError(
                f"elites={self.elites} must be at most samples, which is {self.samples}"
            )


class Search(NamedTuple):
    """What is known of good sequences."""

    mean: Array  # [horizon, action]: the plan so far
    deviation: Array  # [horizon, action]


def plan(
    config: Planning,
    world: World,
    value: Value | None,
    policy: Policy | None,
    observation: Array,
    action_size: int,
    key: Array,
) -> Array:
    """The action [action_size] to take now; see :func:`search`."""
    return search(config, world, value, policy, observation, action_size, key)[0]


def search(
    config: Planning,
    world: World,
    value: Value | None,
    policy: Policy | None,
    observation: Array,
    action_size: int,
    key: Array,
    begin: Array | None = None,
) -> Array:
    """A good sequence of actions [horizon, action_size], each in [-1, 1].

    Args:
        config: how to search.
        world: where sequences are tried; it may be random.
        value: what is still to come after the horizon; None for nothing.
        policy: proposes some of the sequences, by acting in the world; None for none.
        observation: [o], from which they begin; ``vmap`` for several.
        action_size: numbers of an action.
        key: for everything random.
        begin: [horizon, action_size], a plan to begin with, such as :func:`shifted`; None for rest.
    """
    mean = jnp.zeros((config.horizon, action_size)) if begin is None else begin
    found = Search(mean, jnp.full_like(mean, config.deviation))
    proposed = _proposed(config, world, policy, observation, key)
    if config.planner == "gradient":
        return _ascended(config, world, value, observation, found, proposed, key)

    def improve(found: Search, key: Array) -> tuple[Search, None]:
        draw_key, world_key = jax.random.split(key)
        candidates = _candidates(config, found, proposed, draw_key)
        value_of = returns(config, world, value, observation, candidates, world_key)
        return refit(config, found, candidates, value_of), None

    keys = jax.random.split(stream(key, "iterations"), config.iterations)
    return jax.lax.scan(improve, found, keys)[0].mean


def shifted(plan: Array) -> Array:
    """What is left of a plan [horizon, action] after its first step; the last one is repeated."""
    return jnp.concatenate([plan[1:], plan[-1:]])


def returns(
    config: Planning,
    world: World,
    value: Value | None,
    observation: Array,
    sequences: Array,
    key: Array,
) -> Array:
    """Discounted returns [N] of sequences [N, horizon, action] from an observation [o].

    ``sum_t discount^t r_t + discount^horizon V``, a mean over the particles. What is done earns no
    more, neither rewards nor the value at the end.
    """
    number, horizon = sequences.shape[0], sequences.shape[1]
    # All of a sequence's particles lie apart, so that each is in another member's world.
    each = jnp.tile(sequences, (config.particles, 1, 1))
    begin = jnp.broadcast_to(observation, (len(each), *observation.shape))

    def step(now: Any, item: tuple[Array, Array]) -> tuple[Any, None]:
        seen, weight, total = now
        action, key = item
        seen, reward, done = world(seen, action, key)
        total += weight * reward
        return (seen, weight * config.discount * (1.0 - done), total), None

    first = begin, jnp.ones(len(each)), jnp.zeros(len(each))
    items = each.swapaxes(0, 1), jax.random.split(key, horizon)
    (seen, weight, total), _ = jax.lax.scan(step, first, items)
    if value is not None:
        total += weight * value(seen)
    return total.reshape(config.particles, number).mean(axis=0)


def refit(config: Planning, found: Search, candidates: Array, value_of: Array) -> Search:
    """What is known after candidates [N, horizon, action] have returned ``value_of`` [N].

    CEM: mean and deviation of the elites, of which ``1 - keep`` counts (PETS, section 5). MPPI: the
    mean by weights ``exp((R - max R) / lambda)``, normalised (Williams et al. 2017), with
    the deviation that it began with. Shooting: the best candidate.
    """
    if config.planner == "mppi":
        weights = jax.nn.softmax(value_of / config.temperature)
        return found._replace(mean=jnp.tensordot(weights, candidates, 1))
    if config.planner == "shooting":
        return found._replace(mean=candidates[jnp.argmax(value_of)])
    best = candidates[jax.lax.top_k(value_of, config.elites)[1]]
    mean, deviation = (
        config.keep * old + (1 - config.keep) * new
        for old, new in zip(found, (best.mean(axis=0), best.std(axis=0)), strict=True)
    )
    return Search(mean, jnp.maximum(deviation, config.least_deviation))


def _proposed(
    config: Planning, world: World, policy: Policy | None, observation: Array, key: Array
) -> Array | None:
    """What a policy does in the world, [n, horizon, action]; None without one."""
    number = round(config.policy_share * config.samples)
    if policy is None or not number:
        return None

    def step(seen: Array, key: Array) -> tuple[Array, Array]:
        act_key, world_key = jax.random.split(key)
        action = policy(seen, act_key)
        return world(seen, action, world_key)[0], action

    begin = jnp.broadcast_to(observation, (number, *observation.shape))
    actions = jax.lax.scan(step, begin, jax.random.split(stream(key, "policy"), config.horizon))[1]
    return actions.swapaxes(0, 1)


def _candidates(config: Planning, found: Search, proposed: Array | None, key: Array) -> Array:
    """Sequences [samples, horizon, action]: the plan so far, the policy's, and new ones."""
    known = found.mean[None]
    if proposed is not None:
        known = jnp.concatenate([known, proposed])[: config.samples]
    shape = (config.samples - len(known), *found.mean.shape)
    if config.planner in ("shooting", "gradient"):
        new = jax.random.uniform(key, shape, minval=-1.0)
    else:
        new = found.mean + found.deviation * _noise(config, shape, key)
    return jnp.concatenate([known, jnp.clip(new, -1.0, 1.0)])


def _noise(config: Planning, shape: tuple[int, ...], key: Array) -> Array:
    """Noise [N, horizon, action] of variance 1, correlated from one step to the next."""
    keep = config.smoothing
    white = jax.random.normal(key, shape).swapaxes(0, 1)

    def step(before: Array, fresh: Array) -> tuple[Array, Array]:
        now = keep * before + jnp.sqrt(1 - keep**2) * fresh
        return now, now

    rest = jax.lax.scan(step, white[0], white[1:])[1]
    return jnp.concatenate([white[:1], rest]).swapaxes(0, 1)


def _ascended(
    config: Planning,
    world: World,
    value: Value | None,
    observation: Array,
    found: Search,
    proposed: Array | None,
    key: Array,
) -> Array:
    """The best of sequences that climb their own returns, beginning with the best of samples."""
    draw_key, world_key = jax.random.split(stream(key, "ascent"))
    candidates = _candidates(config, found, proposed, draw_key)

    def of(sequences: Array) -> Array:  # with the same luck throughout
        return returns(config, world, value, observation, sequences, world_key)

    best = candidates[jax.lax.top_k(of(candidates), config.elites)[1]]
    optimizer = optax.adam(config.step_size)

    def climb(now: tuple[Array, Any], _: None) -> tuple[tuple[Array, Any], None]:
        sequences, state = now
        gradient = jax.grad(lambda x: -of(x).sum())(sequences)
        updates, state = optimizer.update(gradient, state)
        return (jnp.clip(sequences + updates, -1.0, 1.0), state), None

    (best, _), _ = jax.lax.scan(climb, (best, optimizer.init(best)), None, config.iterations)
    return best[jnp.argmax(of(best))]
