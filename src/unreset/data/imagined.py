"""Imagined rows: what the present policy would do in a learned model's world.

Sources: MBPO (Janner et al. 2019, arXiv 1906.08253); the poster of MBARL for where rollouts begin.
Rollouts branch off from real states, are used for one round of updates and forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from unreset.core import replay as replays
from unreset.core.context import Context
from unreset.core.method import draw_goal
from unreset.core.protocols import Drawn, Scope, Source, Steps, Wanted
from unreset.core.ranges import Count, Rate, Share, Whole
from unreset.core.replayed import draw_goals
from unreset.core.types import Array, Task
from unreset.errors import UnresetError
from unreset.models.dynamics import MODEL, Dynamics
from unreset.models.rollouts import End, Modelled, Policy, imagine


@dataclass(frozen=True)
class Imagination(Source):
    """Rows from rollouts of the policy in the method's model."""

    share: Share = 0.0
    """Share of a batch that is imagined; 0: there is no model (MBPO: 0.95; mbarl: 0.5, ours)."""
    length: Count = 1
    """Steps after which a rollout ends and another one begins, at first (MBPO: 1)."""
    last_length: Count = 5
    """The same in the end (MBPO: 1 to 25 by task; the poster of MBARL: 20 to 50)."""
    growing_from: Whole = 2_000
    """Environment steps until which rollouts have the first length."""
    growing_to: Whole = 10_000
    """Environment steps from which on they have the last one; linear in between (MBPO)."""
    demonstrations: Share | None = 0.5
    """Share of rollouts that begin in demonstrated states (MBPO: 0); None for their share of all
    rows (MBARL)."""
    initial: Share = 0.0
    """Share of those that begin in initial states; the rest begin where practice has been."""
    disagreement: Rate = 0.0
    """A rollout ends once the means of two elites are further apart than this, in deviations of
    what a step changes (root mean square); 0: never."""

    def __post_init__(self) -> None:
        """Refuse shares that are more than the whole."""
        if (self.demonstrations or 0.0) + self.initial > 1:
            raise UnresetError(
                f"demonstrations={self.demonstrations} and initial={self.initial} are shares of "
                "all rollouts: together at most 1"
            )

    @property
    def turns(self) -> int:
        """Imagined steps one after the other in one round: the longest rollout's."""
        return max(self.length, self.last_length)

    def length_at(self, step: Array) -> Array:
        """Steps [] of a rollout at an environment step []."""
        span = max(self.growing_to - self.growing_from, 1)
        grown = jnp.clip((step - self.growing_from) / span, 0.0, 1.0)
        return jnp.floor(self.length + grown * (self.last_length - self.length)).astype(jnp.int32)

    def needs(self, method: Any, name: str) -> str | None:
        if not isinstance(method.models.get(MODEL), Dynamics):
            return f"{method.name} imagines: it needs a model (Dynamics, named {MODEL!r})"
        if method.practice.goals_per_row > 1:
            return f"{method.name} imagines each row for one goal: goals_per_row must be 1"
        return None

    def misfit(self, context: Context) -> str | None:
        task = context.task
        if not self.initial or task.reset is not None or task.beginnings is not None:
            return None
        return (
            f"{context.method.name} imagines from initial states, and task {task.name!r} does not "
            "say which those are: imagination.initial must be 0"
        )

    def draw(self, scope: Scope, run: Any, wanted: Wanted) -> Drawn:
        """Steps of rollouts, in a random order."""
        method, task, role = scope.method, scope.task, wanted.roles[0]
        total = wanted.shape[0] * wanted.shape[1]
        number = -(-total // self.turns)
        start_key, act_key, order_key = jax.random.split(wanted.key, 3)
        told = method.reward_of(role).told
        ends = method.practice.boundary != "bootstrap" and told
        begin = self._starts(scope, run, wanted, number, start_key)
        end = End(self.length_at(jnp.asarray(wanted.step)), ends, self.disagreement)
        world = Modelled(method.models[MODEL], task, scope.states[MODEL])
        found = imagine(world, self._policy(scope, run, role), begin, end, act_key)
        order = jax.random.permutation(order_key, self.turns * number)[:total]
        rows = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:])[order], found)
        steps = Steps(
            rows.observation,
            rows.action,
            rows.next_observation,
            rows.goal,
            rows.reward,
            rows.success,
        )
        no = jnp.zeros(total, bool)
        return Drawn(steps, terminal=no, imitate=no)

    def _policy(self, scope: Scope, run: Any, role: int) -> Policy:
        method, which = scope.method, scope.method.learner_of(role)
        actor = jax.tree.map(lambda x: x[which], method.learner.actor(run.learners))

        def policy(observation: Array, goal: Array, key: Array) -> Array:
            seen = method.inputs(scope.task, observation, goal, role)
            return method.learner.act(actor, seen, key)

        return policy

    def _starts(
        self, scope: Scope, run: Any, wanted: Wanted, each: int, key: Array
    ) -> tuple[Array, Array]:
        """Observations and goals [turns, each, ...] from which rollouts begin."""
        method, task, replay, roles = scope.method, scope.task, run.replay, wanted.roles
        number = self.turns * each
        keys = jax.random.split(key, 6)
        own = tuple(range(len(method.roles))) if method.practice.teach == "everyone" else roles
        at = replays.sample(replay, own, number, keys[0])
        kind = jax.random.uniform(keys[1], (number,))
        if replay.pinned:
            lists = roles if self.demonstrations is None else (replays.EVERY,)
            shown = replays.sample_pinned(replay, lists, number, keys[2])
            share: Array | float | None = self.demonstrations
            if share is None:
                known = replay.pinned_count[jnp.array(roles)].sum()
                practised = (replay.heads - replay.tails)[jnp.array(own)].sum()
                share = known / jnp.maximum(known + practised, 1)
            at = jnp.where(kind < share, shown, at)
        observation = replay.rows.observation[at]
        goal = draw_goals(scope.context, run, roles, at, keys[3]).goal
        if self.initial:
            fresh = _beginnings(task, number, keys[4])
            sources = jnp.array(method.sources_of(roles)[:1] * number)
            first = kind > 1 - self.initial
            observation = jnp.where(first[:, None], fresh, observation)
            goal = jnp.where(first[:, None], draw_goal(task, sources, keys[5]), goal)
        return observation.reshape(self.turns, each, -1), goal.reshape(self.turns, each, -1)


def _beginnings(task: Task, number: int, key: Array) -> Array:
    """Observations [number, observation] after resets."""
    if task.reset is not None and task.observe is not None:
        return jax.vmap(task.observe)(jax.vmap(task.reset)(jax.random.split(key, number)))
    known = jnp.asarray(task.beginnings)
    return known[jax.random.randint(key, (number,), 0, len(known))]
