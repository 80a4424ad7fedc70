"""A replay from the segments that are whole, where others are damaged.

What is lost is as if it had never been made. The rows before a gap move up to the rows after it, as
rows before and after a reset lie beside each other; the last one before it is the frame with which
its segment ends, in which nobody acted. So nothing that is drawn, followed, or looked back at is
a row that is not there. The roles' lists are made anew from the rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from unreset.core.replay import LOST, Replay, columns, from_columns
from unreset.interventions.stuck_labels import FREE, UNKNOWN, Asked

Part = dict[str, np.ndarray]  # of a segment: arrays by name


def joined(replay: Replay, parts: list[Part], asked: Asked | None) -> tuple[Replay, Asked | None]:
    """A replay, and what was asked of people, with an axis of seeds, from whole segments alone.

    ``replay`` is a fresh one whose ``written``, ``heads`` and ``tails`` are the saved ones.
    """
    filled = {name: np.array(column) for name, column in columns(replay.rows).items()}
    written, heads = np.asarray(replay.written), np.asarray(replay.heads)
    owned, tails = np.array(replay.owned), np.array(replay.tails)
    cuts = np.full(replay.cuts.shape, -1, np.int32)
    pinned, capacity = replay.pinned, replay.capacity
    if asked is not None:
        asked = _converted(asked, np.array)
    for seed, last in enumerate(written):
        old, rows = _survivors(seed, parts, list(filled), int(last), capacity)
        new = int(last) - len(old) + 1 + np.arange(len(old))
        at = pinned + new % capacity
        for name, column in filled.items():
            if len(rows[name]):
                column[seed, at] = rows[name]
        if not len(rows["role"]):
            new, at = new[:0], at[:0]
        elif old[0] > 0 and len(old) < capacity:  # what came before it is not known
            filled["role"][seed, pinned + (new[0] - 1) % capacity] = LOST
        role = filled["role"][seed, at]
        ends = new[(role < 0) & (new < last)][-cuts.shape[1] :]
        cuts[seed, cuts.shape[1] - len(ends) :] = ends
        for number, head in enumerate(heads[seed]):
            mine = new[role == number]
            slots = np.arange(head - len(mine), head) % capacity
            owned[seed, number] = 0
            owned[seed, number, slots] = mine
            tails[seed, number] = head - len(mine)
        if asked is not None:
            _renumber(asked, seed, old, int(last) - len(old) + 1)
    made = from_columns({name: jnp.asarray(column) for name, column in filled.items()})
    mended = replay._replace(
        rows=made, owned=jnp.asarray(owned), tails=jnp.asarray(tails), cuts=jnp.asarray(cuts)
    )
    if asked is not None:
        asked = _converted(asked, jnp.asarray)
    return mended, asked


def _survivors(
    seed: int, parts: list[Part], names: list[str], last: int, capacity: int
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Ids of the rows that are there, ascending, the open one last; and their columns.

    Where nothing is there the one id is the open row's, and the columns are empty.
    """
    if not parts:
        return np.array([last]), {name: np.empty(0) for name in names}
    ids = np.concatenate([part[f"{seed}/ids"] for part in parts])
    # Of a row that was open when a segment was written, the next one has the rest.
    ids, latest = np.unique(ids[::-1], return_index=True)
    rows = {
        name: np.concatenate([part[f"{seed}/{name}"] for part in parts])[::-1][latest]
        for name in names
    }
    there = (ids > last - capacity) & (ids <= last)
    ids, rows = ids[there], {name: column[there] for name, column in rows.items()}
    if not len(ids):
        return np.array([last]), {name: column[:0] for name, column in rows.items()}
    before_gap = np.append(np.diff(ids) > 1, ids[-1] < last)
    ends = np.flatnonzero(before_gap)
    rows["end"][ends[ends > 0] - 1] |= rows["role"][ends[ends > 0] - 1] >= 0
    rows["role"][ends] = LOST
    if ids[-1] < last:  # the open row: what it will hold is written with the next step
        ids = np.append(ids, last)
        rows = {name: np.concatenate([column, column[-1:]]) for name, column in rows.items()}
        rows["role"][-1] = -1
    return ids, rows


_IDS = ("begins", "stuck", "now")


def _converted(asked: Asked, convert: Callable[[Any], Any]) -> Asked:
    changed: dict[str, Any] = {name: convert(getattr(asked, name)) for name in _IDS}
    return asked._replace(**changed)


def _renumber(asked: Asked, seed: int, old: np.ndarray, first: int) -> None:
    """Give rows that are named their new ids; of one that is lost, that of the next one there."""
    for name in _IDS:
        ids: Any = getattr(asked, name)
        known = (ids[seed] != UNKNOWN) & (ids[seed] != FREE)
        moved = first + np.searchsorted(old, ids[seed])
        ids[seed] = np.where(known, moved, ids[seed])
