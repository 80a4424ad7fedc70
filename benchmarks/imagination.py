"""The offline study of MBARL's poster: what a model's data, rollouts' lengths and starts are worth.

Models learn from uniformly sampled transitions of the point mass with walls; policies practise in
them alone, from a narrow start or from demonstrated states; the deployed policy is judged in the
real task. Nothing is shared between seeds, and a seed's smaller data sets begin its larger ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from unreset.core.method import Method, Practice, Role
from unreset.core.types import FORWARD, Array, Batch, Task
from unreset.evaluation import deployed
from unreset.goals import TaskGoals
from unreset.learners.actor_critic import State
from unreset.learners.sac import SAC
from unreset.models import dynamics, planning
from unreset.models.dynamics import Dynamics, Model
from unreset.models.planning import Planner, Planning, World
from unreset.models.rollouts import End, Imagined, Modelled, imagine
from unreset.switching import After, OnSuccess
from unreset.tasks.pointmass import pointmass_walls as walls

STARTS = ("narrow", "demonstrations")
_NARROW = 512  # narrow starts to draw from


@dataclass(frozen=True)
class Study:
    """How large it is; what is compared is the same."""

    sizes: tuple[int, ...] = (1_000, 20_000, 50_000)
    """Transitions that teach a model (poster)."""
    lengths: tuple[int, ...] = (20, 35, 50)
    """Steps of an imagined rollout (poster)."""
    model_updates: int = 4_000
    """Updates of each model."""
    updates: int = 3_000
    """Updates of each policy."""
    round_updates: int = 25
    """Updates between two rounds of rollouts."""
    turns: int = 105
    """Imagined steps in a row of a round: about 5, 3 or 2 whole rollouts."""
    worlds: int = 20
    """Of these at a time; all lengths imagine as many steps."""
    rounds_kept: int = 20
    """Rounds that are drawn from."""
    batch_size: int = 128
    """Rows of one update."""
    episodes: int = 20
    """Episodes in the real task, from the narrow start, of each policy."""
    planned_episodes: int = 3
    """Episodes of a planner in each model."""
    planned_steps: int = 60
    """Steps of each of those."""
    dynamics: Dynamics = field(
        default_factory=lambda: Dynamics(
            members=4, elites=3, hidden=(64, 64), octaves=5, learning_rate=2e-3
        )
    )
    """The models."""
    learner: SAC = field(
        default_factory=lambda: SAC(
            hidden=(64, 64),
            discount=0.97,
            learning_rate=1e-3,
            tau=0.01,
            average_tau=0.01,
            reward_scale=0.2,
            target_entropy=-1.0,
            cloning_start=0.0,
            cloning_end=0.0,
            self_cloning=0.0,
        )
    )
    """The policies' learner; demonstrations are never imitated."""
    planning: Planning = field(
        default_factory=lambda: Planning(horizon=15, samples=128, elites=16, iterations=3)
    )
    """The planners, without value and policy."""
    others: tuple[Planner, ...] = ("mppi", "shooting", "gradient")
    """Planners besides CEM, in the first model of each seed."""

    def method(self) -> Method:
        """Who practises: one role, and that in imagination alone."""
        role = Role("forward", TaskGoals(), (After(200), OnSuccess()))
        return Method("imagination", (role,), self.learner, Practice())


class Judged(NamedTuple):
    """What episodes in the real task came to, each up to its first success; all [episodes]."""

    success: Array
    steps: Array  # until then; the horizon where there is none
    episode_return: Array  # of the dense reward


def transitions(task: Task, number: int, key: Array) -> dynamics.Rows:
    """Transitions [number, ...] from uniform states by uniform actions; a tenth is held out."""

    def one(key: Array) -> tuple[Array, Array, Array]:
        state_key, action_key = jax.random.split(key)
        state = walls.uniform(state_key)
        action = jax.random.uniform(action_key, (task.action_size,), minval=-1.0)
        return walls.observe(state), action, walls.observe(walls.step(state, action))

    observation, action, following = jax.vmap(one)(jax.random.split(key, number))
    goal = jnp.broadcast_to(jnp.asarray(task.goals[0]), (number, task.goal_size))
    held_out = jnp.arange(number) % 10 == 0
    return dynamics.Rows(observation, action, following, goal, jnp.zeros(number), held_out)


def fitted(study: Study, task: Task, size: Array, key: Array) -> Model:
    """A model that has learned from the first ``size`` [] of a seed's transitions."""
    data_key, model_key, row_key = jax.random.split(key, 3)
    rows = transitions(task, max(study.sizes), data_key)
    shape = study.dynamics.members, study.dynamics.batch_size

    def body(model: Model, key: Array) -> tuple[Model, None]:
        at = jax.random.randint(key, shape, 0, size)
        drawn = jax.tree.map(lambda column: column[at], rows)
        return dynamics.update(study.dynamics, task, model, drawn)[0], None

    first = dynamics.fresh_model(study.dynamics, task, model_key)
    return jax.lax.scan(body, first, jax.random.split(row_key, study.model_updates))[0]


def starts(task: Task, kind: str, seed: int, number: int = _NARROW) -> np.ndarray:
    """Observations [number, observation] from which rollouts begin."""
    generator = np.random.default_rng(seed)
    if kind == "narrow":
        keys = jax.random.split(jax.random.key(seed), number)
        return np.asarray(jax.vmap(lambda key: walls.observe(walls.reset(key)))(keys))
    shown = [one for one in walls.demonstrations(seed=seed) if one.direction == FORWARD]
    states = np.concatenate([one.observations[:-1] for one in shown])
    return states[generator.integers(len(states), size=number)]


def _imagined(
    study: Study, task: Task, model: Model, actor: Any, begin: Array, length: Array, key: Array
) -> Imagined:
    """Imagined steps [turns, worlds, ...] of a policy from some of the starts [n, observation]."""
    method, (start_key, key) = study.method(), jax.random.split(key)

    def policy(observation: Array, goal: Array, key: Array) -> Array:
        inputs = method.inputs(task, observation, goal, 0)
        return study.learner.act(actor, inputs, key)

    at = jax.random.randint(start_key, (study.turns, study.worlds), 0, len(begin))
    goals = jnp.broadcast_to(jnp.asarray(task.goals[0]), (*at.shape, task.goal_size))
    end = End(length, success=True, disagreement=0.0)
    return imagine(Modelled(study.dynamics, task, model), policy, (begin[at], goals), end, key)


def practised(
    study: Study, task: Task, length: Array, model: Model, begin: Array, key: Array
) -> State:
    """A learner that has practised in a model alone, by rollouts of ``length`` [] steps.

    ``begin`` [n, observation] are the starts. All lengths imagine as many steps in all.
    """
    method, kept = study.method(), study.rounds_kept
    init_key, fill_key, key = jax.random.split(key, 3)
    blank = method.inputs(task, begin[0], jnp.asarray(task.goals[0]), 0)
    learner = study.learner.init(init_key, blank, task.action_size)
    dream = partial(_imagined, study, task, model)
    first = dream(study.learner.actor(learner), begin, length, fill_key)
    ring = jax.tree.map(lambda x: jnp.broadcast_to(x, (kept, *x.shape)), first)

    def turn(now: tuple[State, Imagined], item: tuple[Array, Array]) -> Any:
        learner, ring = now
        number, key = item
        world_key, row_key, update_key = jax.random.split(key, 3)
        new = dream(study.learner.actor(learner), begin, length, world_key)
        ring = jax.tree.map(lambda old, x: old.at[number % kept].set(x), ring, new)
        batches = _batches(study, method, task, ring, row_key)
        learner, _ = study.learner.update(learner, batches, jnp.int32(0), update_key)
        return (learner, ring), None

    rounds = study.updates // study.round_updates
    items = jnp.arange(rounds), jax.random.split(key, rounds)
    return jax.lax.scan(turn, (learner, ring), items)[0][0]


def _batches(study: Study, method: Method, task: Task, ring: Imagined, key: Array) -> Batch:
    """Batches [round_updates, B, ...] of the imagined steps; the reward is the task's own."""
    rows = jax.tree.map(lambda x: x.reshape(-1, *x.shape[3:]), ring)
    shape = study.round_updates, study.batch_size
    rows = jax.tree.map(lambda x: x[jax.random.randint(key, shape, 0, len(rows.age))], rows)
    reward = jax.vmap(jax.vmap(task.reward))(rows.next_observation, rows.goal)
    success = rows.success.astype(jnp.float32)
    return Batch(
        inputs=method.inputs(task, rows.observation, rows.goal, 0),
        action=rows.action,
        next_inputs=method.inputs(task, rows.next_observation, rows.goal, 0),
        reward=reward * study.learner.reward_scale,
        discount=1.0 - success,
        imitate=jnp.zeros(shape),
        success=success,
    )


def _judged(task: Task, seen: Array) -> Judged:
    """One episode, from what was observed after its steps, [steps, observation]."""
    goal = jnp.asarray(task.goals[0])
    reached = jax.vmap(task.success, (0, None))(seen, goal)
    earned = jax.vmap(task.reward, (0, None))(seen, goal)
    before = jnp.cumsum(reached) - reached  # successes before each step
    lived = before == 0
    return Judged(reached.any(), lived.sum(), (earned * lived).sum())


def judged(study: Study, task: Task, learner: State, key: Array) -> Judged:
    """A learner's deterministic policy in the real task."""
    method, goal = study.method(), jnp.asarray(task.goals[0])

    def one(key: Array) -> Judged:
        seen = deployed.rollout(method, task, learner.average, walls.reset(key), goal)[1]
        return _judged(task, seen[1:])

    return jax.vmap(one)(jax.random.split(key, study.episodes))


def real_world(task: Task) -> World:
    """The task itself, for a planner."""

    def step(observation: Array, action: Array) -> Array:
        return walls.observe(walls.step(walls.from_observation(observation), action))

    return _judging(task, lambda seen, action, _: jax.vmap(step)(seen, action))


def model_world(study: Study, task: Task, model: Model) -> World:
    """What a model says of the task, without its noise, for a planner."""
    chosen = dynamics.elites(study.dynamics, model)

    def step(seen: Array, action: Array, key: Array) -> Array:
        goal = jnp.broadcast_to(jnp.asarray(task.goals[0]), (len(seen), task.goal_size))
        return dynamics.predict(
            study.dynamics, task, model, chosen, seen, action, goal, key, sampled=False
        ).observation

    return _judging(task, step)


def _judging(task: Task, step: Callable[[Array, Array, Array], Array]) -> World:
    """A world whose reward is the task's, and which ends with success."""
    goal = jnp.asarray(task.goals[0])

    def world(seen: Array, action: Array, key: Array) -> tuple[Array, Array, Array]:
        after = step(seen, action, key)
        reward = jax.vmap(task.reward, (0, None))(after, goal)
        return after, reward, jax.vmap(task.success, (0, None))(after, goal)

    return world


def planned(study: Study, task: Task, config: Planning, world: World, key: Array) -> Judged:
    """A planner alone in the real task, by what ``world`` says of it; no value, no policy."""

    def step(now: tuple[walls.State, Array], key: Array) -> tuple[Any, Array]:
        state, begin = now
        seen = walls.observe(state)
        plan = planning.search(config, world, None, None, seen, task.action_size, key, begin)
        state = walls.step(state, plan[0])
        return (state, planning.shifted(plan)), walls.observe(state)

    def one(key: Array) -> Judged:
        start_key, key = jax.random.split(key)
        begin = walls.reset(start_key), jnp.zeros((config.horizon, task.action_size))
        seen = jax.lax.scan(step, begin, jax.random.split(key, study.planned_steps))[1]
        return _judged(task, seen)

    return jax.vmap(one)(jax.random.split(key, study.planned_episodes))
