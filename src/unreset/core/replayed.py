"""Rows of the replay: practice and demonstrations, with goals of their own or others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from unreset.core import replay as replays
from unreset.core.context import Context
from unreset.core.environment import ENVIRONMENT
from unreset.core.keys import stream
from unreset.core.method import Method, draw_goal
from unreset.core.protocols import Drawn, Scope, Source, Steps, Wanted
from unreset.core.replay import Replay
from unreset.core.types import Array
from unreset.networks.views import Shown

NOW = 0.2  # share of the pictures chosen in hindsight that are the next one


@dataclass(frozen=True)
class Replayed(Source):
    """The replay as a source, by the shares and goals that ``Practice`` names."""

    def draw(self, scope: Scope, run: Any, wanted: Wanted) -> Drawn:
        """Draw rows, then their goals."""
        method, task, replay, roles = scope.method, scope.task, run.replay, wanted.roles
        practice, rows = method.practice, replay.rows
        row_key, goal_key = jax.random.split(wanted.key)
        view_keys = jax.random.split(stream(wanted.key, "views"))
        at = _draw_rows(method, replay, wanted, row_key)
        at = jnp.repeat(at, practice.goals_per_row)
        observation, action = rows.observation[at], rows.action[at]
        following = replays.following(replay, at)
        next_observation = rows.observation[following]
        frames = replays.pictures(replay, at, method.vision.stack)
        next_frames = replays.pictures(replay, following, method.vision.stack)
        aims = draw_goals(scope.context, run, roles, at, goal_key)
        shown = None
        if practice.hindsight and method.vision.pixels and method.relabels(scope.context, roles[0]):
            reached = replays.pictures(replay, aims.reached)
            shown = Shown(aims.hindsight, reached, rows.observation[aims.reached])
        if task.pure:
            success = jax.vmap(task.success)(next_observation, aims.goal)
        else:
            success = rows.success[at]
        steps = Steps(
            observation=observation,
            action=action,
            next_observation=next_observation,
            goal=aims.goal,
            reward=rows.reward[at],
            success=success,
            frames=frames,
            next_frames=next_frames,
            shown=shown,
            arrived=aims.reached == following,
        )
        terminal = rows.terminated[at]
        if practice.boundary == "terminal":
            terminal |= rows.end[at]
        imitated = {direction for role in roles for direction in method.roles[role].imitate}
        imitate = (at < replay.pinned) & aims.expected
        imitate &= jnp.isin(rows.role[at], jnp.array(sorted(imitated) or [-2]))
        return Drawn(steps, terminal, imitate, view_keys, at)


def _draw_rows(method: Method, replay: Replay, wanted: Wanted, key: Array) -> Array:
    """Positions [updates * B] of rows: the asked share of demonstrations, else of practice."""
    practice, roles = method.practice, wanted.roles
    size = wanted.shape[1] // practice.goals_per_row
    number = wanted.shape[0] * size
    own = tuple(range(len(method.roles))) if practice.teach == "everyone" else roles
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


def draw_goals(
    context: Context, run: Any, roles: tuple[int, ...], positions: Array, key: Array
) -> Aims:
    """Goals for rows that teach ``roles``, of one reward."""
    method, task = context.method, context.task
    practice, replay, rows = method.practice, run.replay, run.replay.rows
    kind_key, later_key, source_key, goal_key = jax.random.split(key, 4)
    number = len(positions)
    sources = method.sources_of(roles)
    learned = not method.reward_of(roles[0]).told
    fits = jnp.isin(rows.source[positions], jnp.array(sources))
    kind = jax.random.uniform(kind_key, (number,))
    relabels = method.relabels(context, roles[0])
    hindsight = practice.hindsight if relabels else 0.0
    redraw = ~fits | (kind > 1.0 - practice.other_goals)
    if practice.goals_per_row > 1:
        redraw |= jnp.arange(number) % practice.goals_per_row > 0
        kind = jnp.where(redraw, 1.0, kind)
    if not task.pure and roles[0] in method.rewarded(ENVIRONMENT):
        # The task's reward is the one that was recorded, for the row's own goal.
        redraw = jnp.zeros_like(redraw)
    source = jnp.array(sources)[jax.random.randint(source_key, (number,), 0, len(sources))]
    drawn = draw_goal(task, source, goal_key)
    for name, rule in method.goal_rules.items():
        own = method.goal_sources.index(rule.source)
        if own > 1 and own in sources:  # neither the task's nor initial states
            scope = Scope(context, name, run.signals)
            found = rule.draw(scope, number, stream(key, name))
            drawn = jnp.where((source == own)[:, None], found, drawn)
    goal = jnp.where(redraw[:, None], drawn, rows.goal[positions])
    expected = ~redraw | (learned & ~fits)  # a matched expert's own goal does not matter
    aims = Aims(goal, expected, jnp.zeros_like(redraw), positions)
    if hindsight > 0:
        # Geometric offsets follow the discounted occupancy of the future.
        uniform = jax.random.uniform(later_key, (number,), minval=1e-7)
        offset = 1 + jnp.log(uniform) / jnp.log(method.learner.discount)
        if learned:  # only the picture itself counts as reached: it must not be too rare
            now = jax.random.uniform(stream(key, "next picture"), (number,)) < NOW
            offset = jnp.where(now, 1.0, offset)
        reached = replays.later(replay, positions, offset.astype(jnp.int32))
        relabel = kind < hindsight
        if not learned:
            seen = jax.vmap(task.achieved)(rows.observation[reached])
            goal = jnp.where(relabel[:, None], seen, goal)
        aims = Aims(goal, expected & ~relabel, relabel, reached)
    return aims
