"""Rows that teach a discriminator: which demonstrated ones are an expert's, and contrasts."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from unreset.core import replay as replays
from unreset.core.keys import stream
from unreset.core.protocols import Draws, Scope
from unreset.core.replay import Replay, Rows
from unreset.core.types import Array
from unreset.networks.views import Frames, Shown

FAR = 8  # steps between the pictures of a pair that do not show the same


class Taken(NamedTuple):
    """Rows as parts see them."""

    observation: Array
    goal: Array
    action: Array
    frames: Frames
    shown: Shown | None = None


def taken(replay: Replay, at: Array) -> Taken:
    """Rows at some positions."""
    rows = replay.rows
    columns = (rows.observation, rows.goal, rows.action, rows.frames)
    return Taken(*jax.tree.map(lambda x: x[at], columns))


def lists(config: Any, returns: bool, pinned: Rows, pinned_last: np.ndarray) -> list[np.ndarray]:
    """Two lists of demonstration rows: an expert's by a discriminator's fields, and well before.

    ``returns`` says whether it judges returns to initial states beside, or instead of, the task.
    """
    source = np.asarray(pinned.source)
    left = pinned_last - np.arange(len(pinned_last))
    known = np.isin(source, [0, int(returns)])
    # By default the states acted from; else the last ones, the very last included.
    last, acted = config.last_states, np.asarray(pinned.role) >= 0
    if config.arrivals:
        acted = np.append(False, acted[:-1])
    shown = known & (left < last if last else acted)
    if config.first_states:
        since = np.arange(len(pinned_last)) - np.searchsorted(pinned_last, pinned_last)
        shown = (source == 0) & (since < config.first_states)
        shown |= (source == 1) & (left < last)
    return [np.flatnonzero(shown), np.flatnonzero(known & (left >= 3 * last) & (last > 0))]


def drawn(config: Any, scope: Scope, draws: Draws, key: Array) -> tuple[Array, Taken]:
    """Positions [N] of expert's rows; and rows [2, N, ...] of one update, expert's and own."""
    half, replay = config.batch_size // 2, draws.replay
    expert = replays.sample_pinned(replay, (draws.first_list,), half, stream(key, "expert"))
    own = replays.sample(replay, scope.method.rewarded(scope.name), half, stream(key, "own"))
    rows = taken(replay, jnp.stack([expert, own]))
    if config.contrast:
        rows = contrasted(config, scope, draws, rows, stream(key, "contrasts"))
    if config.pairs:
        rows = paired(config, scope, replay, rows, stream(key, "pairs"))
    return expert, rows


def contrasted(config: Any, scope: Scope, draws: Draws, rows: Taken, key: Array) -> Taken:
    """Rows [2, N, ...] of which demonstrations give the asked share of the second half.

    They are states well before the last ones and, by turns, last ones with another goal.
    """
    method, task, first = scope.method, scope.task, draws.first_list
    sources = method.sources_of(method.rewarded(scope.name))
    known = jnp.concatenate([(task.goals, task.initial_goals)[source] for source in sources])
    number = round(config.contrast * rows.goal.shape[1])
    keys = jax.random.split(key, 3)
    wrong = (jnp.arange(number) % 2 == 0) & config.see_goal & (len(known) > 1)
    early, last = (
        replays.sample_pinned(draws.replay, (first + which,), number, keys[which])
        for which in (1, 0)
    )
    given = taken(draws.replay, jnp.where(wrong, last, early))
    own = ((given.goal[:, None] - known) ** 2).sum(-1).argmin(-1)
    other = known[
        (own + jax.random.randint(keys[2], (number,), 1, max(2, len(known)))) % len(known)
    ]
    given = given._replace(goal=jnp.where(wrong[:, None], other, given.goal))
    return jax.tree.map(lambda column, value: column.at[1, :number].set(value), rows, given)


def paired(config: Any, scope: Scope, replay: Replay, rows: Taken, key: Array) -> Taken:
    """Rows [2, N, ...] whose last ones, in both halves, are pairs (``Discriminator.pairs``)."""
    method = scope.method
    number, everyone = rows.goal.shape[1], tuple(range(len(method.roles)))
    kept = number - round(config.pairs * number)
    keys = jax.random.split(key, 4)
    near = jax.random.randint(keys[2], (number,), 0, 2)
    waiting = jax.random.exponential(keys[3], (number,)) / -jnp.log(method.learner.discount)
    apart = jnp.stack([near, FAR + waiting.astype(near.dtype)])
    at = replays.sample(replay, everyone, 2 * number, keys[0]).reshape(2, number)
    if replay.pinned:  # by turns of practice and of demonstrations, where those go on for so long
        pinned = replays.sample_pinned(replay, everyone, 2 * number, keys[1]).reshape(2, number)
        long = replay.pinned_last[pinned] - pinned >= jnp.array([[0], [FAR]])
        at = jnp.where(long & (jnp.arange(number) % 2 == 0), pinned, at)
    later = replays.later(replay, at, apart)
    pair = jnp.broadcast_to(jnp.arange(number) >= kept, (2, number))
    # Near the end of a reset segment there is nothing that far away: those stay plain rows.
    gap = jnp.where(at < replay.pinned, later - at, replays.gap(replay, at, later))
    pair &= gap >= jnp.array([[0], [FAR]])
    frames = jax.tree.map(
        lambda own, other: jnp.where(pair[..., None, None, None], other, own),
        rows.frames,
        replays.pictures(replay, at),
    )
    # An observation counts where proprioception is seen.
    observation = jnp.where(pair[..., None], replay.rows.observation[at], rows.observation)
    shown = Shown(pair, replays.pictures(replay, later), replay.rows.observation[later])
    return rows._replace(observation=observation, frames=frames, shown=shown)
