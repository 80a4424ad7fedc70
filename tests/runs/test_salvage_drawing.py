"""Of a replay with gaps nothing is drawn, followed or aimed at that was never written."""

import functools
import random

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import toy
from unreset.core import replay as replays
from unreset.core.types import Transition
from unreset.runs import checkpoint, salvage

CAPACITY, STEPS, DRAWN = 48, 110, 400


def life(seed):
    """A replay after some steps, at moments; a row's observation is its id, and its action tells.

    Rows of two roles by turns; now and then a reset, after which nothing follows from before.
    """
    chance = random.Random(seed)
    pinned, last = toy.store.pinned_rows(toy.demonstrations(), toy.point())
    now = replays.init(pinned, last, [np.array([0]), np.array([1])], 2, CAPACITY)
    moments, stretch, stretches = [now], 0, {0: 0}
    for step in range(STEPS):
        number = int(now.written)
        reset = step > 0 and chance.random() < 0.06
        if reset:
            stretch += 1
        now = write(now, number, number % 3 % 2, reset, stretch)
        stretches[number] = stretch if not reset else stretch - 1
        stretches[number + 1] = stretch - 1 if reset else stretch
        stretches[number + 1 + reset] = stretch
        if chance.random() < 0.15:
            moments.append(now)
    return [*moments, now], stretches


@jax.jit
def write(replay, number, role, reset, stretch):
    def vector(value):
        return jnp.asarray(value, jnp.float32)[None]

    done = Transition(
        observation=vector(number),
        action=vector(-number),
        reward=jnp.float32(number),
        success=jnp.array(False),
        terminated=jnp.array(False),
        truncated=jnp.array(False),
        next_observation=vector(number + 1),
    )
    role = jnp.asarray(role, jnp.int8)
    source, end = jnp.int8(0), jnp.array(False)
    now = replays.record(
        replay, done, vector(0), role, source, end, jnp.asarray(stretch, jnp.int32), reset
    )
    # The first row after a reset is seen anew.
    fresh = now.rows.observation.at[replays.position(now, now.written)].set(vector(now.written))
    return now._replace(rows=now.rows._replace(observation=fresh))


@functools.partial(jax.jit, static_argnums=1)
def draw(replay, role, key):
    at = replays.sample(replay, (role,), DRAWN, key)
    offsets = jax.random.randint(key, (DRAWN,), 1, 30)
    before = replays.in_a_row(replay.rows.role, at, 3, replay.pinned, replay.capacity)
    reached = replays.later(replay, at, offsets)
    return at, replays.following(replay, at), reached, *before[1:]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("where", ["start", "middle", "end", "anywhere"])
def test_everything_drawn_was_written_and_follows(seed, where):
    chance = random.Random(seed)
    moments, stretches = life(seed)
    saved, parts = checkpoint.NOTHING, []
    for now in moments[1:]:
        one = jax.tree.map(lambda x: x[None], now)
        parts.append(checkpoint._new_rows(one, saved))
        counts, heads = [int(now.written)], [[int(head) for head in now.heads]]
        saved = checkpoint.Saved(counts, heads, [])
    oldest = int(moments[-1].written) - CAPACITY + 1  # that the ring still holds
    places = [number for number, part in enumerate(parts) if part["0/ids"].max() > oldest]
    assert len(places) >= 4
    gone = {
        "start": set(places[: len(places) // 2]),
        "middle": set(places[1:-1:2]),
        "end": {places[-1]},
        "anywhere": {place for place in places if chance.random() < 0.3},
    }[where]
    whole = [part for place, part in enumerate(parts) if place not in gone]
    there = {int(row) for part in whole for row in part["0/ids"]}
    if where == "middle":  # there are gaps between rows that the ring holds
        left = sorted(row for row in there if row >= oldest)
        assert (np.diff(left) > 1).any()
    last = moments[-1]
    fresh = jax.tree.map(
        lambda x: x[None],
        moments[0]._replace(written=last.written, heads=last.heads, tails=last.tails),
    )
    mended, _ = salvage.joined(fresh, whole, None)
    mended = jax.tree.map(lambda x: jnp.asarray(x)[0], mended)
    rows = jax.tree.map(np.asarray, mended.rows)
    drawn = 0
    for role in range(2):
        left = int((mended.heads - mended.tails)[role])
        if not int((mended.heads - mended.tails).sum()):
            continue
        found = draw(mended, role, jax.random.key(seed))
        at, after, reached, *before = map(np.asarray, found)
        seen = rows.observation[at, 0].astype(int)
        assert set(seen) <= there
        assert (rows.action[at, 0] == -seen).all() and (rows.reward[at] == seen).all()
        assert (rows.role[at] == (seen % 3 % 2)).all()
        if left:
            assert (rows.role[at] == role).all()
        following = rows.observation[after, 0].astype(int)
        assert (following == seen + 1).all() and set(following) <= there
        assert all(stretches[a] == stretches[b] for a, b in zip(seen, following, strict=True))
        aims = rows.observation[reached, 0].astype(int)
        assert set(aims) <= there and (aims > seen).all()
        for earlier, now in zip(before, [at, *before], strict=False):
            back, front = (rows.observation[x, 0].astype(int) for x in (earlier, now))
            assert ((back == front - 1) | (back == front)).all() and set(back) <= there
            assert all(stretches[a] == stretches[b] for a, b in zip(back, front, strict=True))
        drawn += len(set(seen))
    assert drawn or where != "middle"
