"""What discriminators are taught with: which rows are an expert's, which one's own, and when."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from unreset.core import replay as replays
from unreset.core import sac
from unreset.core.method import Method
from unreset.core.replay import Replay, Rows
from unreset.core.signals import matching, worth
from unreset.core.signals.matching import Matching
from unreset.core.types import Array, Measurement, Metrics, Task, when
from unreset.networks.encoders import encode
from unreset.networks.views import Frames, Shown

if TYPE_CHECKING:
    from unreset.core.practice import Run


def judged_rows(method: Method, pinned: Rows, pinned_last: np.ndarray) -> list[np.ndarray]:
    """For each discriminator two lists of demonstration rows: expert's, and well before those."""
    source = np.asarray(pinned.source)
    left = pinned_last - np.arange(len(pinned_last))
    found = []
    for name, signal in method.signals.items():
        if isinstance(signal, Matching):
            # Of a classifier that also judges returns, the backward demonstrations' too.
            ways = [method.roles[role].goals == "initial" for role in method.rewarded(name)]
            known = np.isin(source, [0, *ways])
            # By default the states acted from; else the last ones, the very last included.
            last, acted = signal.last_states, np.asarray(pinned.role) >= 0
            if signal.arrivals:
                acted = np.append(False, acted[:-1])
            shown = known & (left < last if last else acted)
            if signal.first_states:
                since = np.arange(len(pinned_last)) - np.searchsorted(pinned_last, pinned_last)
                shown = (source == 0) & (since < signal.first_states)
                shown |= (source == 1) & (left < last)
            found.append(np.flatnonzero(shown))
            found.append(np.flatnonzero(known & (left >= 3 * last) & (last > 0)))
    return found


def worth_of(
    method: Method,
    task: Task,
    signal: Matching,
    pinned: Rows,
    pinned_last: np.ndarray,
    learner: sac.Learner | None,
) -> worth.Worth:
    """What demonstration rows are worth: to a learner of a run before, or else by progress."""
    if learner is None:
        return worth.of_progress(pinned_last)
    found = _valued(method, task, pinned, learner)
    if signal.arrivals:  # which are worth what the step was that led there
        found = found._replace(rows=jnp.append(found.rows[:1], found.rows[:-1]))
    return found


def fit(
    method: Method, task: Task, run: Run, name: str, lists: int, due: Array, keys: Array
) -> tuple[Run, matching.Discriminator, dict[str, Measurement]]:
    """A discriminator's update if due; with the run, whose encoder may be taught by it.

    ``lists`` is the number of the first of its two lists of :func:`judged_rows` in the replay.
    """
    signal, state = method.signals[name], run.signals[name]
    assert isinstance(signal, Matching)
    (expert_key, own_key, update_key), half = keys, signal.batch_size // 2
    # Draws stay outside the conditional, through which no replay may pass.
    expert = replays.sample_pinned(run.replay, (lists,), half, expert_key)
    own = replays.sample(run.replay, method.rewarded(name), half, own_key)
    rows = taken(run.replay, jnp.stack([expert, own]))
    if signal.contrast:
        rows = _contrasted(method, task, run.replay, name, lists, rows, own_key)
    if signal.pairs:
        rows = _paired(method, run.replay, signal, rows, update_key)
    counts = None
    if signal.weighted:
        counts = _weights(method, task, run.replay, signal, state.worth, expert)
    update = partial(_fit_matching, method, task, signal, rows, update_key, counts)
    return _with_encoder(method, run, name, due, update, state)


def _valued(method: Method, task: Task, pinned: Rows, learner: sac.Learner) -> worth.Worth:
    """What demonstration rows are worth to a learner's critics, which it will keep."""
    critics, encoder = jax.tree.map(jnp.copy, (learner.critics, learner.encoder))

    def value(row: Rows) -> Array:
        return _value(method, task, critics, encoder, row)

    values = jax.lax.map(value, jax.tree.map(jnp.asarray, pinned), batch_size=1000)
    return worth.of_values(values, jnp.asarray(pinned.role) >= 0, critics, encoder)


def _value(method: Method, task: Task, critics: Any, encoder: Any, row: Rows) -> Array:
    """Mean value [] of the action of a row, for its goal."""
    inputs = method.inputs(task, row.observation, row.goal, 0, row.frames)
    inputs = encode(method.vision, encoder, inputs)
    return sac.action_values(method.learner, critics, inputs, row.action).mean(axis=0)


def _weights(
    method: Method, task: Task, replay: Replay, signal: Matching, found: worth.Worth, expert: Array
) -> Array:
    """How much expert rows at positions [N] count."""
    baseline: Array | float = 0.5 if signal.baseline is None else signal.baseline
    if signal.baseline is None and found.critics:
        latest = replays.position(replay, jnp.maximum(replay.written - 1, 0))
        row = jax.tree.map(lambda x: x[latest], replay.rows)
        value = _value(method, task, found.critics, found.encoder, row)
        baseline = worth.scaled(value, found.least, found.span)
    return worth.weights(found.rows[expert], baseline)


Pair = tuple[matching.Discriminator, sac.Learner | None]


def _with_encoder(
    method: Method,
    run: Run,
    name: str,
    due: Array,
    update: Callable[[Pair], tuple[Pair, Metrics]],
    state: matching.Discriminator,
) -> tuple[Run, matching.Discriminator, dict[str, Measurement]]:
    """A discriminator's update if due, with the policy's encoder of now if it shares that."""
    signal, which = method.signals[name], method.encoder_of(name)
    assert isinstance(signal, Matching)
    learner = jax.tree.map(lambda x: x[which], run.learners)
    if signal.shared_encoder != "no":
        state = state._replace(encoder=learner.encoder)
    taught = learner if signal.shared_encoder == "trained" else None
    (state, taught), found = when(due, update, (state, taught))
    if taught is None:
        return run, state, found
    learners = jax.tree.map(lambda x, y: x.at[which].set(y), run.learners, taught)
    return run._replace(learners=learners), state, found


class Taken(NamedTuple):
    """Rows as signals see them."""

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


def _contrasted(
    method: Method, task: Task, replay: Replay, name: str, lists: int, rows: Taken, key: Array
) -> Taken:
    """Rows [2, N, ...] of which demonstrations give the asked share of the second half.

    They are states well before the last ones and, by turns, last ones with another goal. ``lists``
    is the number of the first of the discriminator's two lists.
    """
    signal = method.signals[name]
    assert isinstance(signal, Matching)
    known = jnp.concatenate(
        [
            (task.goals, task.initial_goals)[source]
            for source in method.sources(method.rewarded(name))
        ]
    )
    number = round(signal.contrast * rows.goal.shape[1])
    keys = jax.random.split(jax.random.fold_in(key, 1), 3)
    wrong = (jnp.arange(number) % 2 == 0) & signal.see_goal & (len(known) > 1)
    early, last = (
        replays.sample_pinned(replay, (lists + which,), number, keys[which]) for which in (1, 0)
    )
    given = taken(replay, jnp.where(wrong, last, early))
    own = ((given.goal[:, None] - known) ** 2).sum(-1).argmin(-1)
    other = known[
        (own + jax.random.randint(keys[2], (number,), 1, max(2, len(known)))) % len(known)
    ]
    given = given._replace(goal=jnp.where(wrong[:, None], other, given.goal))
    return jax.tree.map(lambda column, value: column.at[1, :number].set(value), rows, given)


def _paired(method: Method, replay: Replay, signal: Matching, rows: Taken, key: Array) -> Taken:
    """Rows [2, N, ...] whose last ones, in both halves, are pairs (``Matching.pairs``)."""
    number, everyone = rows.goal.shape[1], tuple(range(len(method.roles)))
    kept = number - round(signal.pairs * number)
    keys = jax.random.split(jax.random.fold_in(key, 2), 4)
    near = jax.random.randint(keys[2], (number,), 0, 2)
    waiting = jax.random.exponential(keys[3], (number,)) / -jnp.log(method.learner.discount)
    apart = jnp.stack([near, matching.FAR + waiting.astype(near.dtype)])
    at = replays.sample(replay, everyone, 2 * number, keys[0]).reshape(2, number)
    if replay.pinned:  # by turns of practice and of demonstrations, where those go on for so long
        pinned = replays.sample_pinned(replay, everyone, 2 * number, keys[1]).reshape(2, number)
        long = replay.pinned_last[pinned] - pinned >= jnp.array([[0], [matching.FAR]])
        at = jnp.where(long & (jnp.arange(number) % 2 == 0), pinned, at)
    later = replays.later(replay, at, apart)
    pair = jnp.broadcast_to(jnp.arange(number) >= kept, (2, number))
    frames = jax.tree.map(
        lambda own, other: jnp.where(pair[..., None, None, None], other, own),
        rows.frames,
        replays.pictures(replay, at),
    )
    # An observation counts where proprioception is seen.
    observation = jnp.where(pair[..., None], replay.rows.observation[at], rows.observation)
    shown = Shown(pair, replays.pictures(replay, later), replay.rows.observation[later])
    return rows._replace(observation=observation, frames=frames, shown=shown)


def _fit_matching(
    method: Method,
    task: Task,
    signal: Matching,
    rows: Taken,
    key: Array,
    counts: Array | None,
    pair: Pair,
) -> tuple[Pair, Metrics]:
    """A discriminator's update on rows [2, N, ...], expert's and own; and of a shared encoder."""
    state, learner = pair
    observation, goal, action, frames, shown = rows
    see_key = jax.random.fold_in(key, 1)
    seen = method.judged(task, signal, observation, goal, frames, see_key, shown, action)
    expert, own = (jax.tree.map(lambda x, n=n: x[n], seen) for n in range(2))
    sight = signal.sight(method.vision)
    state, metrics, gradient = matching.update(signal, state, expert, own, key, sight, counts)
    if learner is not None:
        learner = sac.shaped(method.learner, learner, gradient)
    return (state, learner), metrics
