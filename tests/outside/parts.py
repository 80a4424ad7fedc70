"""Parts and a method of somebody who uses unreset: one of each kind, made from public names alone.

``unreset train parts:Outside toy:point`` practises it on the tests' toy task.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from unreset import Method, Practice, Role, Settings, Task, ranges
from unreset.data import Drawn, Replayed, Scope, Source, Wanted
from unreset.goals import InitialStates, TaskGoals
from unreset.interventions import Fresh, Intervention, Measurement, Now, Recorded, View
from unreset.learners import (
    ActorCritic,
    Batch,
    Inputs,
    Metrics,
    State,
    encode,
    sample_tanh_normal,
    tanh_normal_log_density,
)
from unreset.rewards import Beginning, Draws, Fitted, Reward, Steps, Sum, when
from unreset.switching import Moment, SwitchRule, Verdict

Array = jax.Array


@dataclass(frozen=True)
class Surprise(Reward):
    """A reward for two states in a row that a linear model of the world does not foresee."""

    scale: float = 0.5
    """Factor on the squared error, of which more than 1 is not counted."""
    learning_rate: float = 0.1
    """Share of the gradient that a step takes."""
    batch_size: int = 8
    """Steps of one update."""
    interval: int = 2
    """Environment steps between updates."""

    def init(self, scope: Scope, start: Beginning, key: Array) -> Array:
        """The model: a matrix [observation + action + 1, observation]."""
        size = scope.task.observation_size
        return jnp.zeros((size + scope.task.action_size + 1, size))

    def error(self, model: Array, steps: Steps) -> Array:
        """Its squared error [N]."""
        one = jnp.ones((len(steps.action), 1))
        known = jnp.concatenate([steps.observation, steps.action, one], axis=-1)
        change = steps.next_observation - steps.observation
        return ((known @ model - change) ** 2).mean(axis=-1)

    def reward(self, scope: Scope, steps: Steps) -> tuple[Array, Array]:
        error = jnp.minimum(self.error(scope.state, steps), 1.0)
        return self.scale * error, jnp.zeros(error.shape, bool)

    def fit(self, scope: Scope, draws: Draws, due: Array, key: Array) -> Fitted:
        steps = draws.steps(scope.method.rewarded(scope.name), self.batch_size, key)

        def step(model: Array) -> tuple[Array, Metrics]:
            lost, gradient = jax.value_and_grad(lambda m: self.error(m, steps).mean())(model)
            return model - self.learning_rate * gradient, {"loss": lost}

        model, metrics = when(due, step, scope.state)
        return Fitted(model, draws.learners, metrics)


class Held(NamedTuple):
    """What a rail remembers."""

    times: Array  # [] int32, how often it has taken over
    last: Array  # [action], the action that it saw last


@dataclass(frozen=True)
class Rail(Intervention):
    """Beyond a limit, the action that leads back, and never more than so much change at once."""

    limit: float = 1.2
    """Largest number of an observation that is left alone."""
    change: float = 1.5
    """Most that an action may differ from the one before."""

    def init(self, scope: Scope, start: Beginning, key: Array) -> Held:
        return Held(jnp.int32(0), jnp.zeros(scope.task.action_size))

    def beyond(self, observation: Array) -> Array:
        return jnp.abs(observation) > self.limit

    def propose(self, scope: Scope, view: View, now: Now, action: Array) -> Array:
        last = scope.state.last
        smooth = last + jnp.clip(action - last, -self.change, self.change)
        return jnp.where(self.beyond(now.observation), -jnp.sign(now.observation), smooth)

    def recorded(self, scope: Scope, view: View, after: Recorded) -> Held:
        took = self.beyond(after.transition.observation).any()
        return Held(scope.state.times + took, after.transition.action * ~after.reset)

    def measured(self, scope: Scope, fresh: Fresh) -> dict[str, Measurement]:
        took = self.beyond(fresh.transition.observation).any()
        return {"share": Measurement(took.astype(jnp.float32), jnp.float32(1))}


class Approach(NamedTuple):
    """What a patience rule remembers of the phase."""

    nearest: Array  # [], the smallest distance to the goal so far
    waited: Array  # [] int32, steps since then


@dataclass(frozen=True)
class Patience(SwitchRule):
    """The end of a phase that has not come nearer to its goal for some steps."""

    steps: ranges.Count = 4
    """How many."""

    def init(self, scope: Scope, start: Beginning, key: Array) -> Approach:
        return Approach(jnp.float32(jnp.inf), jnp.int32(0))

    def judge(self, scope: Scope, moment: Moment, verdict: Verdict) -> tuple[Approach, Verdict]:
        reached = scope.task.achieved(moment.transition.next_observation)
        distance = jnp.abs(reached - moment.phase.goal).max()
        known, first = scope.state, moment.phase.steps == 0
        nearer = first | (distance < known.nearest)
        nearest = jnp.where(nearer, distance, known.nearest)
        waited = jnp.where(nearer, 0, known.waited + 1)
        end = verdict.end | (waited >= self.steps)
        return Approach(nearest, waited), verdict._replace(end=end)


@dataclass(frozen=True)
class Mirrored(Source):
    """Rows of the replay in a mirror: in a symmetric world they are as true."""

    share: float = 0.25
    """Share of a batch."""

    def draw(self, scope: Scope, run: Any, wanted: Wanted) -> Drawn:
        drawn = Replayed().draw(scope, run, wanted)
        turned = ("observation", "action", "next_observation", "goal")
        steps = drawn.steps
        steps = steps._replace(**{name: -getattr(steps, name) for name in turned})
        return drawn._replace(steps=steps, positions=None)


@dataclass(frozen=True)
class AWAC(ActorCritic):
    """Advantage-weighted actor-critic (Nair et al. 2020, arXiv 2006.09359)."""

    advantage_scale: float = 1.0
    """1 / lambda: how much more rows count whose action is better than the policy's."""
    most: float = 20.0
    """Largest weight of a row."""

    def init(
        self, key: Array, inputs: Inputs, action_size: int, events: tuple[str, ...] = ()
    ) -> State:
        return self.fresh_state(key, inputs, action_size, 0.0)[0]

    def update(
        self, state: State, batches: Batch, step: Array, key: Array
    ) -> tuple[State, Metrics]:
        """Teach from stacked batches [U, B, ...]: from each the critics, then the policy."""
        keys = jax.random.split(key, len(batches.reward))
        state, metrics = jax.lax.scan(self._once, state, (batches, keys))
        updates = state.updates + len(batches.reward)
        return state._replace(updates=updates), jax.tree.map(lambda x: x[-1], metrics)

    def _once(self, state: State, item: tuple[Batch, Array]) -> tuple[State, Metrics]:
        batch, key = item
        next_key, own_key = jax.random.split(key)
        after = encode(self.vision, state.encoder, batch.next_inputs)
        ahead = self.value(state.target, after, self._drawn(state, after, next_key)).min(axis=0)
        target = batch.reward + self.discount * batch.discount * ahead
        state, inputs, fitted = self.fit_critics(state, batch, target)
        usual = self.value(state.critics, inputs, self._drawn(state, inputs, own_key)).min(axis=0)
        better = self.value(state.critics, inputs, batch.action).min(axis=0) - usual
        weight = jnp.minimum(jnp.exp(self.advantage_scale * better), self.most)

        def loss(actor: Any) -> Array:
            density = tanh_normal_log_density(*self.policy(actor, inputs), batch.action)
            return -(weight * density).mean()

        lost, gradient = jax.value_and_grad(loss)(state.actor)
        state = self.averaged(self.with_actor(state, gradient))
        return state, {"policy_loss": lost, "weight": weight.mean(), **fitted}

    def _drawn(self, state: State, inputs: Inputs, key: Array) -> Array:
        """Actions [B, action] of the policy, for encoded inputs."""
        return sample_tanh_normal(*self.policy(state.actor, inputs), key)[0]


@dataclass(frozen=True)
class Outside(Settings):
    """Forward and backward, by parts that unreset does not know."""

    practice: Practice = field(
        default_factory=lambda: Practice(
            updates_per_step=2, batch_size=16, phase_length=8, replay_capacity=200, seed_steps=5
        )
    )
    """The loop."""
    learner: AWAC = AWAC(hidden=(8,), octaves=1, average_tau=0.05)
    """The learner."""
    steps: int = 120
    """Environment steps of each seed."""
    surprise: Surprise = Surprise()
    """The reward of the forward role beside the environment's."""
    rail: Rail = Rail()
    """What keeps it away from the walls."""
    patience: Patience = Patience()
    """When a forward phase is given up."""
    mirrored: Mirrored = Mirrored()
    """Where a share of every batch comes from."""

    def method(self, task: Task) -> Method:
        ends = self.ends(task)
        tries = (*ends, self.patience)
        forward = Role("forward", TaskGoals(), tries, reward="curious", demonstrations=(0,))
        backward = Role("backward", InitialStates(), ends, demonstrations=(1,))
        return Method(
            "outside",
            (forward, backward),
            self.learner,
            self.practice,
            rewards={"surprise": self.surprise, "curious": Sum(("environment", "surprise"))},
            sources={"mirrored": self.mirrored},
            interventions={"rail": self.rail},
        )


PRESETS = {"default": Outside(), "bold": replace(Outside(), rail=Rail(limit=1.4))}
