"""Batches: which rows, for which goals, with which rewards; everything as of now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp

from unreset.core import asking
from unreset.core import replay as replays
from unreset.core.context import Context
from unreset.core.fitting import CURRICULUM, MODEL
from unreset.core.imagination import imagine
from unreset.core.method import Method, draw_goal
from unreset.core.protocols import Scope, Steps
from unreset.core.replay import GOAL_SOURCES, Replay
from unreset.core.types import Array, Batch, Task
from unreset.networks.views import Frames, Shown

if TYPE_CHECKING:
    from unreset.core.practice import Run


SHOWN = GOAL_SOURCES.index("demonstrations")
NOW = 0.2  # share of the pictures chosen in hindsight that are the next one


def paid(
    context: Context, states: Mapping[str, Any], role: int, steps: Steps
) -> tuple[Array, Array]:
    """What a role earns [N] by steps, as its learner sees it, and where [N] the bootstrap ends.

    ``states`` are those of the run's parts. Phases that end there are not counted.
    """
    method = context.method
    scope = Scope(context, method.roles[role].reward, states)
    reward, ends = method.reward_of(role).reward(scope, steps)
    return reward, ends & (method.practice.boundary != "bootstrap")


def draw_batches(
    method: Method,
    task: Task,
    run: Run,
    roles: tuple[int, ...],
    updates: int,
    key: Array,
    step: Array | int = 0,
) -> Batch:
    """Batches [updates, B, ...] for the learner of ``roles`` at an environment step.

    Roles with one reward are taught by every row alike; else each role gets its part of a batch.
    A method with a model imagines the last rows of each part.
    """
    parts = [(role,) for role in roles] if method.told_roles else [roles]
    size = method.practice.batch_size // len(parts)
    keys = jax.random.split(key, len(parts))
    imagined = round(method.imagination.share * size) if method.model is not None else 0
    drawn: list[Batch] = []
    if imagined < size:
        drawn += [
            _draw_part(method, task, run, part, (updates, size - imagined), part_key)
            for part, part_key in zip(parts, keys, strict=True)
        ]
    if imagined:
        drawn += [
            _imagine_part(
                method, task, run, part, (updates, imagined), step, jax.random.fold_in(part_key, 2)
            )
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
    see_keys = jax.random.split(jax.random.fold_in(key, 1))
    everyone = tuple(range(len(method.roles)))
    own = everyone if practice.teach == "everyone" else roles
    drawn = (shape[0], shape[1] // practice.goals_per_row)
    positions = _draw_rows(method, replay, own, roles, drawn, row_key)
    positions = jnp.repeat(positions, practice.goals_per_row)
    rows = replay.rows
    observation, action = rows.observation[positions], rows.action[positions]
    next_positions = replays.following(replay, positions)
    next_observation = rows.observation[next_positions]
    stack = method.vision.stack
    frames = replays.pictures(replay, positions, stack)
    next_frames = replays.pictures(replay, next_positions, stack)
    context = Context(method, task)
    aims = _draw_goals(method, task, run, roles, positions, goal_key)
    goal, shown = aims.goal, None
    if practice.hindsight and method.vision.pixels and method.relabels(context, roles[0]):
        reached = replays.pictures(replay, aims.reached)
        shown = Shown(aims.hindsight, reached, rows.observation[aims.reached])
    if task.pure:
        success = jax.vmap(task.success)(next_observation, goal)
    else:
        success = rows.success[positions]
    steps = Steps(
        observation=observation,
        action=action,
        next_observation=next_observation,
        goal=goal,
        reward=rows.reward[positions],
        success=success,
        frames=frames,
        next_frames=next_frames,
        shown=shown,
        arrived=aims.reached == next_positions,
    )
    reward, ends = paid(context, run.signals, roles[0], steps)
    terminal = rows.terminated[positions] | ends
    if practice.boundary == "terminal":
        terminal |= rows.end[positions]
    discount, stuck = 1.0 - terminal, None
    if method.asking.asks:
        asked = run.signals[asking.ASKING]
        stuck = asking.next_labels(asked, replay, positions) * 1.0
        after = next_observation, next_frames
        reward, discount = asking.absorbed(method, task, asked, stuck, after, reward, discount)
    imitated = {direction for role in roles for direction in method.roles[role].imitate}
    direction = rows.role[positions]
    imitate = (positions < replay.pinned) & aims.expected
    imitate &= jnp.isin(direction, jnp.array(sorted(imitated) or [-2]))
    batch = Batch(
        inputs=method.inputs(task, observation, goal, roles[0], frames, see_keys[0], shown),
        action=action,
        next_inputs=method.inputs(
            task, next_observation, goal, roles[0], next_frames, see_keys[1], shown
        ),
        reward=reward,
        discount=discount,
        imitate=imitate.astype(jnp.float32),
        success=success.astype(jnp.float32),
        stuck=stuck,
    )
    return jax.tree.map(lambda x: x.reshape(*shape, *x.shape[1:]), batch)


def _imagine_part(
    method: Method,
    task: Task,
    run: Run,
    roles: tuple[int, ...],
    shape: tuple[int, int],
    step: Array | int,
    key: Array,
) -> Batch:
    """Rows [*shape, ...] that teach ``roles``, of one reward, from the model's world."""
    config, role, total = method.imagination, roles[0], shape[0] * shape[1]
    assert method.model is not None
    number = -(-total // config.turns)
    start_key, act_key, order_key = jax.random.split(key, 3)
    which = method.learner_of(role)
    actor = jax.tree.map(lambda x: x[which], method.learner.actor(run.learners))

    def policy(observation: Array, goal: Array, key: Array) -> Array:
        seen = method.inputs(task, observation, goal, role)
        return method.learner.act(actor, seen, key)

    ends = method.practice.boundary != "bootstrap" and method.reward_of(role).told
    starts = _draw_starts(method, task, run, roles, (config.turns, number), start_key)
    length = config.length_at(jnp.asarray(step))
    found = imagine(
        config, method.model, task, run.signals[MODEL], policy, starts, length, ends, act_key
    )
    order = jax.random.permutation(order_key, config.turns * number)[:total]
    rows = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:])[order], found)
    steps = Steps(
        rows.observation, rows.action, rows.next_observation, rows.goal, rows.reward, rows.success
    )
    reward, terminal = paid(Context(method, task), run.signals, role, steps)
    discount, stuck = 1.0 - terminal, None
    if method.asking.asks:  # nobody has judged what is imagined
        stuck = jnp.full(total, -1.0)
        asked = run.signals[asking.ASKING]
        after: tuple[Array, Frames] = rows.next_observation, {}
        reward, discount = asking.absorbed(method, task, asked, stuck, after, reward, discount)
    batch = Batch(
        inputs=method.inputs(task, rows.observation, rows.goal, role),
        action=rows.action,
        next_inputs=method.inputs(task, rows.next_observation, rows.goal, role),
        reward=reward,
        discount=discount,
        imitate=jnp.zeros(total),
        success=rows.success.astype(jnp.float32),
        stuck=stuck,
    )
    return jax.tree.map(lambda x: x.reshape(*shape, *x.shape[1:]), batch)


def _draw_starts(
    method: Method,
    task: Task,
    run: Run,
    roles: tuple[int, ...],
    shape: tuple[int, int],
    key: Array,
) -> tuple[Array, Array]:
    """Observations and goals [*shape, ...] from which imagined rollouts begin."""
    config, replay, number = method.imagination, run.replay, shape[0] * shape[1]
    keys = jax.random.split(key, 6)
    own = tuple(range(len(method.roles))) if method.practice.teach == "everyone" else roles
    at = replays.sample(replay, own, number, keys[0])
    kind = jax.random.uniform(keys[1], (number,))
    if replay.pinned:
        lists = roles if config.demonstrations is None else (replays.EVERY,)
        shown = replays.sample_pinned(replay, lists, number, keys[2])
        share: Array | float | None = config.demonstrations
        if share is None:
            known = replay.pinned_count[jnp.array(roles)].sum()
            practised = (replay.heads - replay.tails)[jnp.array(own)].sum()
            share = known / jnp.maximum(known + practised, 1)
        at = jnp.where(kind < share, shown, at)
    observation = replay.rows.observation[at]
    goal = _draw_goals(method, task, run, roles, at, keys[3]).goal
    if config.initial:
        fresh = _beginnings(task, number, keys[4])
        sources = jnp.array(method.sources(roles)[:1] * number)
        first = kind > 1 - config.initial
        observation = jnp.where(first[:, None], fresh, observation)
        goal = jnp.where(first[:, None], draw_goal(task, sources, keys[5]), goal)
    return observation.reshape(*shape, -1), goal.reshape(*shape, -1)


def _beginnings(task: Task, number: int, key: Array) -> Array:
    """Observations [number, observation] after resets."""
    if task.reset is not None and task.observe is not None:
        return jax.vmap(task.observe)(jax.vmap(task.reset)(jax.random.split(key, number)))
    known = jnp.asarray(task.beginnings)
    return known[jax.random.randint(key, (number,), 0, len(known))]


def _draw_rows(
    method: Method,
    replay: Replay,
    own: tuple[int, ...],
    roles: tuple[int, ...],
    shape: tuple[int, int],
    key: Array,
) -> Array:
    """Positions [updates * B] of rows: the asked share of demonstrations, else of practice."""
    practice, number, size = method.practice, shape[0] * shape[1], shape[1]
    choice_key, pinned_key, own_key = jax.random.split(key, 3)
    practised = replays.sample(replay, own, number, own_key)
    if replay.pinned == 0 or practice.demonstration_share == 0:
        return practised
    pinned = replays.sample_pinned(replay, roles, number, pinned_key)
    if practice.offline:
        return pinned
    # Counted once, also where several roles are taught by them.
    shown = sorted({way for role in roles for way in method.roles[role].demonstrations})
    available = jnp.isin(replay.rows.role[: replay.pinned], jnp.array(shown or [-2])).sum()
    if practice.demonstration_share is None:
        rows = (replay.heads - replay.tails)[jnp.array(own)].sum()
        share = available / (available + rows)
        take = jax.random.uniform(choice_key, (number,)) < share
    else:
        # Every batch, a run of B rows, holds the same number of demonstrations.
        within = jnp.arange(number) % size
        take = within < round(practice.demonstration_share * size)
    return jnp.where(take & (available > 0), pinned, practised)


class Aims(NamedTuple):
    """Goals for rows."""

    goal: Array  # [N, goal]
    expected: Array  # [N] bool, where an expert's action is right for its goal
    hindsight: Array  # [N] bool, where the goal is what was reached later
    reached: Array  # [N]: then, the position of that row


def _draw_goals(
    method: Method,
    task: Task,
    run: Run,
    roles: tuple[int, ...],
    positions: Array,
    key: Array,
) -> Aims:
    """Goals for rows that teach ``roles``, of one reward."""
    practice, replay, rows = method.practice, run.replay, run.replay.rows
    kind_key, later_key, source_key, goal_key = jax.random.split(key, 4)
    number = len(positions)
    sources = method.sources(roles)
    learned = not method.reward_of(roles[0]).told
    fits = jnp.isin(rows.source[positions], jnp.array(sources))
    kind = jax.random.uniform(kind_key, (number,))
    relabels = method.relabels(Context(method, task), roles[0])
    hindsight = practice.hindsight if relabels else 0.0
    redraw = ~fits | (kind > 1.0 - practice.other_goals)
    if practice.goals_per_row > 1:
        redraw |= jnp.arange(number) % practice.goals_per_row > 0
        kind = jnp.where(redraw, 1.0, kind)
    if not task.pure and not learned:  # the stored reward is that of the row's own goal
        redraw = jnp.zeros_like(redraw)
    source = jnp.array(sources)[jax.random.randint(source_key, (number,), 0, len(sources))]
    drawn = draw_goal(task, source, goal_key)
    if SHOWN in sources:
        shown = run.signals[CURRICULUM].observations
        which = jax.random.randint(jax.random.fold_in(goal_key, 1), (number,), 0, len(shown))
        drawn = jnp.where((source == SHOWN)[:, None], jax.vmap(task.achieved)(shown[which]), drawn)
    goal = jnp.where(redraw[:, None], drawn, rows.goal[positions])
    expected = ~redraw | (learned & ~fits)  # a matched expert's own goal does not matter
    aims = Aims(goal, expected, jnp.zeros_like(redraw), positions)
    if hindsight > 0:
        # Geometric offsets follow the discounted occupancy of the future.
        uniform = jax.random.uniform(later_key, (number,), minval=1e-7)
        offset = 1 + jnp.log(uniform) / jnp.log(method.learner.discount)
        if learned:  # only the picture itself counts as reached: it must not be too rare
            now = jax.random.uniform(jax.random.fold_in(later_key, 1), (number,)) < NOW
            offset = jnp.where(now, 1.0, offset)
        reached = replays.later(replay, positions, offset.astype(jnp.int32))
        relabel = kind < hindsight
        if not learned:
            seen = jax.vmap(task.achieved)(rows.observation[reached])
            goal = jnp.where(relabel[:, None], seen, goal)
        aims = Aims(goal, expected & ~relabel, relabel, reached)
    return aims
