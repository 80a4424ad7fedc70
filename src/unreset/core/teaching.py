"""What a step teaches: batches drawn and rewarded with the current signals, and their updates."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import jax
import jax.numpy as jnp

from unreset.core import replay as replays
from unreset.core import sac
from unreset.core.method import Method, Practice, draw_goal
from unreset.core.replay import Replay
from unreset.core.signals import matching
from unreset.core.signals.matching import Matching
from unreset.core.types import Array, Batch, Measurement, Metrics, Task

if TYPE_CHECKING:
    from unreset.core.practice import Run

State = TypeVar("State")


def learn(
    method: Method, task: Task, run: Run, step: Array, key: Array
) -> tuple[Run, dict[str, Measurement]]:
    """The updates of one step, on batches drawn and rewarded with the current signals."""
    signal_key, batch_key, update_key = jax.random.split(key, 3)
    metrics: dict[str, Measurement] = {}
    if method.matching is not None and run.discriminator is not None:
        discriminator, signal_metrics = _fit_discriminator(
            method, task, run, method.matching, run.discriminator, step, signal_key
        )
        run = run._replace(discriminator=discriminator)
        metrics |= signal_metrics
    practice, groups = method.practice, method.learners
    if practice.teach == "acting" and len(groups) > 1:
        branches = [
            _draw_batches(method, task, run, roles, practice.updates_per_step, key)
            for roles, key in zip(groups, jax.random.split(batch_key, len(groups)), strict=True)
        ]
        batches = jax.tree.map(lambda *x: jnp.stack(x)[run.phase.role], *branches)
        learner = jax.tree.map(lambda x: x[run.phase.role], run.learners)
        learner, learner_metrics = _update(method, learner, batches, step, update_key)
        learners = jax.tree.map(lambda x, y: x.at[run.phase.role].set(y), run.learners, learner)
        return run._replace(learners=learners), metrics | learner_metrics
    each = practice.updates_per_step // len(groups)
    taught = []
    draw_keys = jax.random.split(batch_key, len(groups))
    update_keys = jax.random.split(update_key, len(groups))
    for number, roles in enumerate(groups):
        batches = _draw_batches(method, task, run, roles, each, draw_keys[number])
        learner = jax.tree.map(lambda x, n=number: x[n], run.learners)
        learner, learner_metrics = _update(method, learner, batches, step, update_keys[number])
        taught.append(learner)
        suffix = "" if len(groups) == 1 else f"_{method.roles[roles[0]].name}"
        metrics |= {name + suffix: value for name, value in learner_metrics.items()}
    learners = jax.tree.map(lambda *x: jnp.stack(x), *taught)
    return run._replace(learners=learners), metrics


def _update(
    method: Method, learner: sac.Learner, batches: Batch, step: Array, key: Array
) -> tuple[sac.Learner, dict[str, Measurement]]:
    """The learner's updates, once the seed steps are over."""
    return _when(
        step >= method.practice.seed_steps,
        lambda state: sac.update(method.learner, state, batches, step, key),
        learner,
    )


def _when(
    due: Array, update: Callable[[State], tuple[State, Metrics]], state: State
) -> tuple[State, dict[str, Measurement]]:
    """``update(state)`` if due, else the same state; its metrics weigh 0 if not.

    ``due`` must not depend on the seed: a batched condition would compute both branches.
    """

    def skip(state: State) -> tuple[State, Metrics]:
        shapes = jax.eval_shape(update, state)[1]
        return state, jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)

    state, metrics = jax.lax.cond(due, update, skip, state)
    weight = jnp.asarray(due, jnp.float32)
    return state, {name: Measurement(value, weight) for name, value in metrics.items()}


def _fit_discriminator(
    method: Method,
    task: Task,
    run: Run,
    config: Matching,
    discriminator: matching.Discriminator,
    step: Array,
    key: Array,
) -> tuple[matching.Discriminator, dict[str, Measurement]]:
    """Every ``interval`` steps: demonstrations of the task against the matching role's own rows."""
    own_roles = tuple(i for i, role in enumerate(method.roles) if role.reward == "matching")
    expert_key, own_key, update_key = jax.random.split(key, 3)
    half = config.batch_size // 2
    rows = run.replay.rows
    # The last list of demonstration rows is the task's; both draws stay outside the conditional.
    expert = replays.sample_pinned(run.replay, (len(method.roles),), half, expert_key)
    own = replays.sample(run.replay, own_roles, half, own_key)
    expert_seen = method.judged(task, rows.observation[expert], rows.goal[expert])
    own_seen = method.judged(task, rows.observation[own], rows.goal[own])

    def fit(state: matching.Discriminator) -> tuple[matching.Discriminator, Metrics]:
        return matching.update(config, state, expert_seen, own_seen, update_key)

    due = (step % config.interval == 0) & (step >= method.practice.seed_steps)
    return _when(due, fit, discriminator)


def _draw_batches(
    method: Method, task: Task, run: Run, roles: tuple[int, ...], updates: int, key: Array
) -> Batch:
    """Batches [updates, B, ...] for the learner of ``roles``.

    Roles with one reward are taught by every row alike; else each role gets its part of a batch.
    """
    parts = [(role,) for role in roles] if method.told_roles else [roles]
    size = method.practice.batch_size // len(parts)
    keys = jax.random.split(key, len(parts))
    drawn = [
        _draw_part(method, task, run, part, (updates, size), part_key)
        for part, part_key in zip(parts, keys, strict=True)
    ]
    return jax.tree.map(lambda *x: jnp.concatenate(x, axis=1), *drawn)


def _draw_part(
    method: Method,
    task: Task,
    run: Run,
    roles: tuple[int, ...],
    shape: tuple[int, int],
    key: Array,
) -> Batch:
    """Rows [*shape, ...] that teach ``roles``, of one reward: draw rows, goals, then rewards."""
    practice, replay = method.practice, run.replay
    row_key, goal_key = jax.random.split(key)
    everyone = tuple(range(len(method.roles)))
    own = everyone if practice.teach == "everyone" else roles
    positions = _draw_rows(practice, replay, own, roles, shape, row_key)
    rows = replay.rows
    observation, action = rows.observation[positions], rows.action[positions]
    next_observation = rows.observation[replays.following(replay, positions)]
    goal, expected = _draw_goals(method, task, replay, roles, positions, goal_key)
    if task.pure:
        reward = jax.vmap(task.reward)(next_observation, goal)
        ends = jax.vmap(task.success)(next_observation, goal)
    else:
        reward, ends = rows.reward[positions], rows.success[positions]
    reward = reward * method.learner.reward_scale
    if method.roles[roles[0]].reward == "matching":
        config, discriminator = method.matching, run.discriminator
        assert config is not None and discriminator is not None
        seen = method.judged(task, next_observation, goal)
        logit = matching.logits(config, discriminator, seen)
        reward = config.scale * matching.reward(config.form, logit)
        ends = jnp.zeros_like(ends)
    terminal = rows.terminated[positions]
    if practice.boundary != "bootstrap":
        terminal |= ends
    if practice.boundary == "terminal":
        terminal |= rows.end[positions]
    imitated = {direction for role in roles for direction in method.roles[role].imitate}
    direction = rows.role[positions]
    imitate = (positions < replay.pinned) & expected
    imitate &= jnp.isin(direction, jnp.array(sorted(imitated) or [-2]))
    batch = Batch(
        inputs=method.inputs(task, observation, goal, roles[0]),
        action=action,
        next_inputs=method.inputs(task, next_observation, goal, roles[0]),
        reward=reward,
        discount=1.0 - terminal,
        imitate=imitate.astype(jnp.float32),
    )
    return jax.tree.map(lambda x: x.reshape(*shape, *x.shape[1:]), batch)


def _draw_rows(
    practice: Practice,
    replay: Replay,
    own: tuple[int, ...],
    roles: tuple[int, ...],
    shape: tuple[int, int],
    key: Array,
) -> Array:
    """Positions [updates * B] of rows: the asked share of demonstrations, else of practice."""
    number, size = shape[0] * shape[1], shape[1]
    choice_key, pinned_key, own_key = jax.random.split(key, 3)
    practised = replays.sample(replay, own, number, own_key)
    if replay.pinned == 0 or practice.demonstration_share == 0:
        return practised
    pinned = replays.sample_pinned(replay, roles, number, pinned_key)
    available = replay.pinned_count[jnp.array(roles)].sum()
    if practice.demonstration_share is None:
        rows = (replay.heads - replay.tails)[jnp.array(own)].sum()
        share = available / (available + rows)
        take = jax.random.uniform(choice_key, (number,)) < share
    else:
        # Every batch, a run of B rows, holds the same number of demonstrations.
        within = jnp.arange(number) % size
        take = within < round(practice.demonstration_share * size)
    return jnp.where(take & (available > 0), pinned, practised)


def _draw_goals(
    method: Method,
    task: Task,
    replay: Replay,
    roles: tuple[int, ...],
    positions: Array,
    key: Array,
) -> tuple[Array, Array]:
    """Goals [N, goal] for rows, and where [N] an expert's action is right for its goal."""
    practice, rows = method.practice, replay.rows
    kind_key, later_key, source_key, goal_key = jax.random.split(key, 4)
    number = len(positions)
    sources = method.sources(roles)
    learned = method.roles[roles[0]].reward == "matching"
    fits = jnp.isin(rows.source[positions], jnp.array(sources))
    kind = jax.random.uniform(kind_key, (number,))
    hindsight = 0.0 if learned else practice.hindsight
    redraw = ~fits | (kind > 1.0 - practice.other_goals)
    source = jnp.array(sources)[jax.random.randint(source_key, (number,), 0, len(sources))]
    drawn = draw_goal(task, source, goal_key)
    goal = jnp.where(redraw[:, None], drawn, rows.goal[positions])
    expected = ~redraw | learned
    if hindsight > 0:
        # Geometric offsets follow the discounted occupancy of the future.
        uniform = jax.random.uniform(later_key, (number,), minval=1e-7)
        offset = 1 + jnp.log(uniform) / jnp.log(method.learner.discount)
        reached = rows.observation[replays.later(replay, positions, offset.astype(jnp.int32))]
        relabel = kind < hindsight
        goal = jnp.where(relabel[:, None], jax.vmap(task.achieved)(reached), goal)
        expected &= ~relabel
    return goal, expected
