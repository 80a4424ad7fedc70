"""One replay for all roles: rows in time order in a ring, after the pinned demonstrations.

A row holds what was seen and done at one step; the next observation is the row after it, so every
frame is stored once. The newest row is *open*: it holds the latest observation and waits for its
action. Before a hard reset the last frame stays behind as a row without an action (role -1).

Rows ``[0, pinned)`` are the demonstrations and are never overwritten; row ``id`` of practice lies
at ``pinned + id % capacity``. Each role has a ring of the ids of its own rows, oldest first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from unreset.core.types import Array, Transition


class Rows(NamedTuple):
    """The columns, each [pinned + capacity, ...]."""

    observation: Array
    goal: Array
    action: Array
    reward: Array
    success: Array
    terminated: Array
    role: Array  # int8: who acted (of a demonstration: its direction); below 0 where nobody did
    source: Array  # int8: where the goal came from, an index into the method's ``goal_sources``
    end: Array  # bool: the phase ended with this step
    segment: Array  # int32: the phase's number (of a demonstration: the trajectory's)
    frames: Mapping[str, Array] = {}  # uint8 [..., height, width, 3] by camera


def columns(rows: Rows) -> dict[str, Array]:
    """Every column by name, those of cameras as ``frames/camera``."""
    named = rows._asdict()
    frames = named.pop("frames")
    return named | {f"frames/{camera}": column for camera, column in frames.items()}


def from_columns(named: Mapping[str, Array]) -> Rows:
    """The rows whose :func:`columns` these are."""
    frames = {
        name.removeprefix("frames/"): column
        for name, column in named.items()
        if name.startswith("frames/")
    }
    plain = {name: column for name, column in named.items() if not name.startswith("frames/")}
    return Rows(**plain, frames=frames)


def blank_frames(rows: Rows, stack: int = 1) -> dict[str, Array]:
    """Black pictures [height, width, 3 stack] such as those of rows, by camera."""
    return {
        name: jnp.zeros((*seen.shape[1:-1], stack * seen.shape[-1]), seen.dtype)
        for name, seen in rows.frames.items()
    }


REMEMBERED = 4096  # ends of reset segments that are remembered, the latest ones
LOST = -3  # who acted in the last row before some that were damaged on disk, and left out
EVERY = -1  # the list of all demonstration rows with an action, the last one


class Replay(NamedTuple):
    """The rows, and for each role where its own rows are."""

    rows: Rows
    written: Array  # [] int32: ids written so far; the open row's id
    owned: Array  # [roles, capacity] int32: ids of each role's rows
    heads: Array  # [roles] int32: rows ever written by each role
    tails: Array  # [roles] int32: rows of each role overwritten since
    cuts: Array  # [REMEMBERED] int32: ids of rows without an action, ascending; -1 before those
    pinned_last: Array  # [pinned] int32: the last row of each demonstration row's trajectory
    pinned_index: Array  # [lists, most] int32: demonstration rows that teach each role, and others
    pinned_count: Array  # [lists] int32

    @property
    def pinned(self) -> int:
        return self.pinned_last.shape[-1]

    @property
    def capacity(self) -> int:
        return self.owned.shape[-1]


def position(replay: Replay, row_id: Array) -> Array:
    """Where the practice row ``row_id`` lies in the columns."""
    return replay.pinned + row_id % replay.capacity


def row_id(replay: Replay, positions: Array) -> Array:
    """The ids of the practice rows at some positions in the columns."""
    return replay.written - (replay.written - (positions - replay.pinned)) % replay.capacity


def init(
    pinned: Rows,
    pinned_last: np.ndarray,
    pinned_lists: list[np.ndarray],
    roles: int,
    capacity: int,
) -> Replay:
    """A replay that holds the demonstration rows and nothing else.

    ``pinned_lists[r]`` has the demonstration rows (those with an action) that teach role r; more
    lists may follow those of the roles. The last one is made here (``EVERY``).
    """
    pinned_lists = [*pinned_lists, np.flatnonzero(np.asarray(pinned.role) >= 0)]
    most = max([1, *(len(rows) for rows in pinned_lists)])
    index = np.zeros((len(pinned_lists), most), np.int32)
    for number, places in enumerate(pinned_lists):
        index[number, : len(places)] = places

    def extend(column: np.ndarray) -> Array:
        shown = jnp.asarray(column)
        return jnp.concatenate([shown, jnp.zeros((capacity, *shown.shape[1:]), shown.dtype)])

    rows = jax.tree.map(extend, pinned)
    # A fresh row belongs to nobody, or the first lap would expire rows that were never written.
    rows = rows._replace(role=rows.role.at[len(pinned_last) :].set(-1))
    counts = jnp.zeros(roles, jnp.int32)
    return Replay(
        rows=rows,
        written=jnp.int32(0),
        owned=jnp.zeros((roles, capacity), jnp.int32),
        heads=counts,
        tails=counts,
        cuts=jnp.full(REMEMBERED, -1, jnp.int32),
        pinned_last=jnp.asarray(pinned_last, jnp.int32),
        pinned_index=jnp.asarray(index),
        pinned_count=jnp.asarray([len(places) for places in pinned_lists], jnp.int32),
    )


def record(
    replay: Replay,
    transition: Transition,
    goal: Array,
    role: Array,
    source: Array,
    end: Array,
    segment: Array,
    reset: Array,
) -> Replay:
    """Close the open row with a transition and open the next one (the one after, on a reset)."""
    here = position(replay, replay.written)
    following = position(replay, replay.written + 1)
    closed = Rows(
        observation=transition.observation,
        goal=goal,
        action=transition.action,
        reward=transition.reward,
        success=transition.success,
        terminated=transition.terminated,
        role=role,
        source=source,
        end=end,
        segment=segment,
        frames={name: picture[..., :3] for name, picture in transition.frames.items()},
    )
    blank = jax.tree.map(jnp.zeros_like, closed)
    opened = blank._replace(
        observation=transition.next_observation,
        role=jnp.full_like(role, -1),
        frames={name: picture[..., :3] for name, picture in transition.next_frames.items()},
    )
    values = jax.tree.map(
        lambda column, *pair: jnp.stack(pair).astype(column.dtype), replay.rows, closed, opened
    )
    slot = role * replay.capacity + replay.heads[role] % replay.capacity
    owned = _write(replay.owned.reshape(-1), jnp.stack([slot] * 2), jnp.stack([replay.written] * 2))
    recorded = replay._replace(
        rows=_write(replay.rows, jnp.stack([here, following]), values),
        written=replay.written + 1 + reset,
        cuts=_cut(replay.cuts, replay.written + 1, reset),
        owned=owned.reshape(replay.owned.shape),
        heads=replay.heads.at[role].add(1),
    )
    return _expire(_expire(recorded))  # a reset reuses two rows


def cut(replay: Replay) -> Replay:
    """Keep the open row as a last frame: what is recorded next does not follow from it."""
    last = position(replay, jnp.maximum(replay.written - 1, 0))
    ended = replay.rows.end.at[last].set(replay.rows.role[last] >= 0)
    rows = replay.rows._replace(end=ended)
    cuts = _cut(replay.cuts, replay.written, jnp.asarray(True))
    return _expire(replay._replace(rows=rows, written=replay.written + 1, cuts=cuts))


def _cut(cuts: Array, last_frame: Array, here: Array) -> Array:
    """The ends of reset segments, with one more where there is one ``here``."""
    return jnp.where(here, jnp.append(cuts[1:], last_frame), cuts)


def _expire(replay: Replay) -> Replay:
    """Drop each role's oldest row from its list if it has been overwritten."""
    slots = replay.tails % replay.capacity
    oldest = jnp.take_along_axis(replay.owned, slots[:, None], axis=1)[:, 0]
    gone = (oldest <= replay.written - replay.capacity) & (replay.tails < replay.heads)
    return replay._replace(tails=replay.tails + gone)


@jax.custom_batching.custom_vmap
def _write(columns: Any, positions: Array, values: Any) -> Any:
    """Columns [N, ...] with values [n, ...] at positions [n], in place.

    A plain indexed update would be fused with the reads around it, or become a scatter under
    ``vmap``; either way XLA would copy the whole replay at every step. A loop of writes does not,
    if it has at least two turns (n > 1): a loop of one is unrolled.
    """

    def one(number: Array, columns: Any) -> Any:
        at = positions[number]
        return jax.tree.map(lambda c, v: c.at[at].set(v[number]), columns, values)

    return jax.lax.fori_loop(0, len(positions), one, columns)


@_write.def_vmap
def _write_seeds(size: int, batched: Any, columns: Any, positions: Array, values: Any) -> Any:
    """Seeds lie one after the other, so that theirs is the same loop over more positions."""
    spread = [
        jax.tree.map(
            lambda x, b: x if b else jnp.broadcast_to(x, (size, *x.shape)), tree, is_batched
        )
        for tree, is_batched in zip((columns, positions, values), batched, strict=True)
    ]
    columns, positions, values = spread
    length = jax.tree.leaves(columns)[0].shape[1]
    flat = positions + length * jnp.arange(size)[:, None]
    joined = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), (columns, flat, values))
    written = _write(*joined)
    return jax.tree.map(lambda w, c: w.reshape(c.shape), written, columns), batched[0]


def sample(replay: Replay, roles: tuple[int, ...], number: int, key: Array) -> Array:
    """Positions [number] drawn uniformly, with replacement, from the practice rows of ``roles``.

    Where those roles have no rows yet, everybody's are taken.
    """
    counts = replay.heads - replay.tails
    wanted = jnp.zeros_like(counts).at[jnp.array(roles)].set(1)
    counts = jnp.where(jnp.sum(counts * wanted) > 0, counts * wanted, counts)
    upto = jnp.cumsum(counts)
    draw = jax.random.randint(key, (number,), 0, jnp.maximum(upto[-1], 1))
    role = jnp.minimum(jnp.searchsorted(upto, draw, side="right"), len(counts) - 1)
    place = draw - upto[role] + counts[role] + replay.tails[role]
    return position(replay, replay.owned[role, place % replay.capacity])


def sample_pinned(replay: Replay, roles: tuple[int, ...], number: int, key: Array) -> Array:
    """Positions [number] drawn uniformly from the demonstration rows in the lists of ``roles``."""
    counts = replay.pinned_count[jnp.array(roles)]
    upto = jnp.cumsum(counts)
    draw = jax.random.randint(key, (number,), 0, jnp.maximum(upto[-1], 1))
    which = jnp.minimum(jnp.searchsorted(upto, draw, side="right"), len(roles) - 1)
    return replay.pinned_index[jnp.array(roles)[which], draw - upto[which] + counts[which]]


def pictures(replay: Replay, positions: Array, stack: int = 1) -> dict[str, Array]:
    """Pictures [N, height, width, 3 stack] at positions, by camera, newest first."""
    columns = replay.rows.frames.items()
    if stack == 1:
        return {name: column[positions] for name, column in columns}
    at = in_a_row(replay.rows.role, positions, stack, replay.pinned, replay.capacity)
    return {name: jnp.concatenate([c[place] for place in at], axis=-1) for name, c in columns}


def in_a_row(
    role: Any, positions: Any, number: int, pinned: int = 0, capacity: int = 0
) -> list[Array]:
    """Positions of rows and of those before them, newest first; ``role`` is their column.

    Nothing goes back beyond a reset, a demonstration's beginning or what has been overwritten: all
    of them come after a row in which nobody acted. ``capacity`` is the ring's, if there is one.
    """
    places = [positions]
    for _ in range(number - 1):
        now, before = places[-1], places[-1] - 1
        first = now == pinned
        if capacity:
            before = jnp.where(first, pinned + capacity - 1, before)
            first = (now == 0) & (pinned > 0)
        places.append(jnp.where(first | (role[before] < 0), now, before))
    return places


def gap(replay: Replay, positions: Array, others: Array) -> Array:
    """How many rows of practice lie from each position to another one that is not earlier."""
    return row_id(replay, others) - row_id(replay, positions)


def following(replay: Replay, positions: Array) -> Array:
    """The position of the row after each; the ring closes on itself."""
    end = replay.pinned + replay.capacity
    return jnp.where(positions + 1 == end, replay.pinned, positions + 1)


def later(replay: Replay, positions: Array, offsets: Array) -> Array:
    """Positions ``offsets`` rows later, in the same reset segment or trajectory at most.

    Of rows from before the segments that are remembered only the next one is known to be theirs.
    """
    ids = row_id(replay, positions)
    place = jnp.searchsorted(replay.cuts, ids)
    ends = jnp.append(replay.cuts, replay.written)[place]
    room = jnp.where((place == 0) & (replay.cuts[0] >= 0), 1, ends - ids)
    ring = (
        replay.pinned + (positions - replay.pinned + jnp.minimum(offsets, room)) % replay.capacity
    )
    if replay.pinned == 0:
        return ring
    last = replay.pinned_last[jnp.minimum(positions, replay.pinned - 1)]
    return jnp.where(positions < replay.pinned, jnp.minimum(positions + offsets, last), ring)
