"""What is known of which states are stuck: a small table of reset segments (PAINT).

Labels are no column of the replay: an answer that comes late changes one number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from unreset.core import replay as replays
from unreset.core.replay import Replay
from unreset.core.types import Array
from unreset.interventions.stuck_classifier import Classifier

ASKING = "asking"  # the name of asking for help in every method
UNKNOWN = -1  # where nobody has said yet from where on a segment is stuck
FREE = np.iinfo(np.int32).max  # it never is


class Asked(NamedTuple):
    """What has been asked and answered, and what was learned from it."""

    classifier: Classifier
    begins: Array  # [stretches] int32: id of each one's first row, ascending; the last is going on
    stuck: Array  # [stretches] int32: id of its first stuck row; FREE, or UNKNOWN
    now: Array  # [] int32: the same of the stretch that is going on, as a simulated helper sees it
    visit: Array  # [] float32: steps after a reset when somebody looks in
    visited: Array  # [] bool, whether the last request was such a visit
    minutes: Array  # [] float32, of a person's time
    requests: Array  # [] int32
    labels: Array  # [] int32, states that somebody was asked about
    since: Array  # [] int32, steps since the agent first seemed to be stuck; 0: it does not
    examples: Any = ()  # [n, observation], stuck states that are known from the start


def asked_of(states: Mapping[str, Any]) -> Asked | None:
    """What was asked and answered, among the states of a run's parts; None where nobody asks."""
    found = states.get(ASKING)
    return found if isinstance(found, Asked) else None


def label_of(asked: Asked, ids: Array) -> Array:
    """What is known of practice rows ``ids`` [N]: 1 stuck, 0 free, -1 nothing."""
    stretch = jnp.searchsorted(asked.begins, ids, side="right") - 1
    first = asked.stuck[stretch]
    return jnp.where((first == UNKNOWN) | (stretch < 0), -1, ids >= first)


def next_labels(asked: Asked, replay: Replay, positions: Array) -> Array:
    """The same of the states that rows at ``positions`` [N] lead to; demonstrated ones are free."""
    label = label_of(asked, replays.row_id(replay, positions) + 1)
    return jnp.where(positions < replay.pinned, 0, label)


def known_rows(asked: Asked, replay: Replay, number: int, key: Array) -> tuple[Array, Array, Array]:
    """Positions [number] of free and of stuck states, drawn alike; and how many are stuck.

    States are drawn from all that are labelled and still there; demonstrated ones are free.
    """
    oldest = jnp.maximum(replay.written - replay.capacity + 1, 0)
    known = asked.stuck != UNKNOWN
    last = jnp.append(asked.begins[1:], 0)  # of the stretch that is going on nobody has spoken
    begin = jnp.clip(asked.begins, oldest, jnp.maximum(last, oldest))
    end = jnp.maximum(last, begin)
    middle = jnp.clip(asked.stuck, begin, end)
    free_key, stuck_key = jax.random.split(key)

    def draw(low: Array, high: Array, more: int, key: Array) -> tuple[Array, Array]:
        upto = jnp.cumsum(jnp.where(known, high - low, 0))
        count = upto[-1] + more
        pick = jax.random.randint(key, (number,), 0, jnp.maximum(count, 1))
        stretch = jnp.minimum(jnp.searchsorted(upto, pick, side="right"), len(upto) - 1)
        row = high[stretch] - (upto[stretch] - pick)
        return jnp.where(pick < upto[-1], replays.position(replay, row), pick - upto[-1]), count

    free, _ = draw(begin, middle, replay.pinned, free_key)
    stuck, count = draw(middle, end, 0, stuck_key)
    return free, stuck, count


def next_segment(asked: Asked, replay: Replay) -> Asked:
    """After a reset: a new segment begins with the replay's open row."""
    begins = jnp.append(asked.begins[1:], replay.written)
    stuck = jnp.append(asked.stuck[1:], jnp.int32(UNKNOWN))
    return asked._replace(begins=begins, stuck=stuck, now=jnp.int32(FREE))
