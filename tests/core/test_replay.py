"""The ring: what is kept, what can be drawn, and that nothing copies it."""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import toy
from unreset.core import replay as replays
from unreset.core.replay import Rows
from unreset.core.types import Transition
from unreset.demos import store
from unreset.methods import fbrl, medal
from unreset.tasks.tabletop.tabletop_task import tabletop

DRAWS = 300  # enough that a uniform draw misses none of nine rows


def empty(capacity, roles=2, trajectories=()):
    rows, last = store.pinned_rows(trajectories, toy.point())
    direction = np.asarray(rows.role)
    lists = [np.flatnonzero(direction == role) for role in range(roles)]
    return replays.init(rows, last, lists, roles, capacity)


@jax.jit
def record(replay, before, after, role, reset):
    one = Transition(
        before[None],
        jnp.zeros(1),
        after[None],
        before / 10,
        *[jnp.asarray(False)] * 3,
    )
    goal, source = jnp.ones(1), jnp.int32(0)
    return replays.record(replay, one, goal, role, source, reset, jnp.int32(7), reset)


def write(replay, *steps):
    """Steps (before, after, role, reset)."""
    for before, after, role, reset in steps:
        replay = record(
            replay, jnp.float32(before), jnp.float32(after), jnp.int32(role), jnp.asarray(reset)
        )
    return replay


@functools.partial(jax.jit, static_argnums=1)
def draw(replay, roles, key):
    rows = replays.sample(replay, roles, DRAWS, key)
    return rows, replays.following(replay, rows)


def drawn(replay, roles):
    """The pairs (observation, next observation) that can be drawn."""
    here, after = draw(replay, roles, jax.random.key(0))
    seen = np.asarray(replay.rows.observation)[:, 0]
    return set(zip(seen[here].tolist(), seen[after].tolist(), strict=True))


def test_a_step_closes_its_row_and_opens_the_next():
    replay = write(empty(5), (1, 2, 0, False), (2, 3, 1, False))
    np.testing.assert_array_equal(replay.rows.observation[:, 0], [1, 2, 3, 0, 0])
    np.testing.assert_array_equal(replay.rows.role, [0, 1, -1, -1, -1])
    np.testing.assert_allclose(replay.rows.reward, [0.1, 0.2, 0, 0, 0], rtol=1e-6)
    np.testing.assert_array_equal(replay.rows.segment, [7, 7, 0, 0, 0])
    assert int(replay.written) == 2
    np.testing.assert_array_equal(replay.heads, [1, 1])
    assert drawn(replay, (0,)) == {(1, 2)}
    assert drawn(replay, (1,)) == {(2, 3)}
    assert drawn(replay, (0, 1)) == {(1, 2), (2, 3)}


def test_the_last_frame_before_a_reset_stays_and_nothing_crosses_it():
    replay = write(empty(6), (1, 2, 0, True), (8, 9, 0, False))
    np.testing.assert_array_equal(replay.rows.observation[:, 0], [1, 2, 8, 9, 0, 0])
    np.testing.assert_array_equal(replay.rows.role, [0, -1, 0, -1, -1, -1])
    np.testing.assert_array_equal(replay.rows.end[:3], [True, False, False])
    assert int(replay.written) == 3
    assert drawn(replay, (0,)) == {(1, 2), (8, 9)}


def test_wrapping_forgets_the_oldest_rows_one_by_one():
    steps = [(n, n + 1, n % 2, False) for n in range(1, 8)]
    replay = write(empty(5), *steps)
    # Seven steps in five places: the open row takes one, so that the last four can be drawn.
    assert drawn(replay, (0, 1)) == {(4, 5), (5, 6), (6, 7), (7, 8)}
    assert drawn(replay, (0,)) == {(4, 5), (6, 7)}
    np.testing.assert_array_equal(replay.heads, [3, 4])
    np.testing.assert_array_equal(replay.tails, [1, 2])


def test_a_reset_forgets_two_rows_even_of_one_role():
    replay = write(empty(5), *[(n, n + 1, 0, False) for n in range(1, 6)])
    assert drawn(replay, (0,)) == {(2, 3), (3, 4), (4, 5), (5, 6)}
    replay = write(replay, (6, 7, 0, True))
    assert drawn(replay, (0,)) == {(4, 5), (5, 6), (6, 7)}


def test_without_rows_of_its_own_a_role_draws_everybodys():
    replay = write(empty(5), (1, 2, 1, False), (2, 3, 1, False))
    assert drawn(replay, (0,)) == {(1, 2), (2, 3)}


def test_later_never_crosses_a_reset(monkeypatch):
    steps = [(0, 1, 0, False), (1, 2, 0, True), (5, 6, 0, False), (6, 7, 1, False), (7, 8, 0, True)]
    steps += [(20, 21, 0, False), (21, 22, 1, False)]

    def reached(replay, start, offset):
        seen = np.asarray(replay.rows.observation)[:, 0]
        at = jnp.array([int(np.flatnonzero(seen == start)[0])])
        return seen[int(replays.later(replay, at, jnp.array([offset]))[0])]

    replay = write(empty(20), *steps)
    ends = {0: 2, 1: 2, 5: 8, 6: 8, 7: 8, 20: 22, 21: 22}
    assert {start: reached(replay, start, 1000) for start in ends} == ends
    assert [reached(replay, 5, offset) for offset in (1, 2, 3)] == [6, 7, 8]
    outside = replays.cut(replay)  # a reset from outside: the open row stays as a last frame
    assert reached(write(outside, (30, 31, 0, False)), 20, 1000) == 22
    lapped = write(replay, *((40 + n, 41 + n, 0, False) for n in range(12)))
    assert (
        reached(lapped, 21, 1000)
        == lapped.rows.observation[replays.position(lapped, lapped.written)]
    )
    monkeypatch.setattr(replays, "REMEMBERED", 1)
    forgetful = write(empty(20), *steps)  # it knows of the second reset alone
    assert [reached(forgetful, start, 1000) for start in (0, 5, 20)] == [1, 6, 22]


def test_later_stops_at_the_newest_row_and_at_a_demonstrations_end():
    replay = write(empty(5, 2, toy.demonstrations()), *[(n, n + 1, 0, False) for n in range(1, 8)])
    pinned = replay.pinned
    length = len(toy.walk(-1, 1, 0).observations)
    assert pinned == 2 * length

    def later(position, offset):
        return int(replays.later(replay, jnp.array([position]), jnp.array([offset]))[0])

    assert later(0, 3) == 3
    assert later(0, 1000) == length - 1
    assert later(length, 1000) == pinned - 1
    newest = pinned + 7 % 5
    seen = np.asarray(replay.rows.observation)[:, 0]
    assert seen[newest] == 8
    oldest = pinned + 3  # row 3, of the step from 4 to 5
    assert seen[later(oldest, 0)] == 4
    assert seen[later(oldest, 2)] == 6
    assert later(oldest, 4) == newest
    assert later(oldest, 1000) == newest
    assert later(newest, 3) == newest


def test_demonstrations_are_never_overwritten():
    replay = empty(5, 2, toy.demonstrations())
    before = jax.tree.map(lambda c: np.asarray(c[: replay.pinned]).copy(), replay.rows)
    replay = write(replay, *[(n, n + 1, n % 2, n % 3 == 0) for n in range(1, 30)])
    for name, new in replays.columns(replay.rows).items():
        np.testing.assert_array_equal(replays.columns(before)[name], new[: replay.pinned])


def test_pinned_rows_are_drawn_for_the_roles_that_they_teach():
    replay = empty(5, 2, toy.demonstrations())
    for roles, directions in [((0,), {0}), ((1,), {1}), ((0, 1), {0, 1})]:
        rows = replays.sample_pinned(replay, roles, DRAWS, jax.random.key(1))
        role = np.asarray(replay.rows.role)[rows]
        assert set(role.tolist()) == directions
        assert len(set(rows.tolist())) == np.isin(replay.rows.role, list(directions)).sum()


class Model:
    """The ring in plain Python: everything ever written, and what of it is still there."""

    def __init__(self, capacity):
        self.capacity, self.rows, self.written, self.clock = capacity, {}, 0, 0.0

    def step(self, role, reset):
        before, self.clock = self.clock, self.clock + 1
        self.rows[self.written] = (before, self.clock, role)
        self.written += 1 + reset
        after = self.clock
        self.clock += reset  # another frame after a reset
        return before, after, role, reset

    def end(self, row_id):
        """The last frame of a row's reset segment: the next id that no step has."""
        return next(i for i in range(row_id, self.written + 1) if i not in self.rows)

    def valid(self, roles):
        alive = {i: r for i, r in self.rows.items() if i > self.written - self.capacity}
        mine = [r for r in alive.values() if r[2] in roles] or alive.values()
        return {(before, after) for before, after, _ in mine}


STEPS = st.lists(st.tuples(st.integers(0, 1), st.booleans()), min_size=1, max_size=25)


@pytest.mark.slow
@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(capacity=st.integers(5, 9), steps=STEPS)
def test_what_can_be_drawn_is_exactly_what_is_there(capacity, steps):
    model, replay = Model(capacity), empty(capacity, 2, toy.demonstrations()[:1])
    for number, (role, reset) in enumerate(steps):
        replay = write(replay, model.step(role, reset))
        if number % 3 == 0 or number == len(steps) - 1:
            for roles in [(0,), (1,), (0, 1)]:
                assert drawn(replay, roles) == model.valid(roles)
        counts = np.asarray(replay.heads - replay.tails)
        alive = [r for i, r in model.rows.items() if i > model.written - capacity]
        np.testing.assert_array_equal(counts, [sum(r[2] == k for r in alive) for k in (0, 1)])
    assert int(replay.written) == model.written
    for row_id, (before, _, _) in model.rows.items():
        if row_id > model.written - capacity:
            here = replays.position(replay, jnp.array([row_id]))
            assert float(replay.rows.observation[here[0], 0]) == before
            for offset in (0, 1, 3, 100):
                reached = replays.later(replay, here, jnp.array([offset]))
                wanted = min(row_id + offset, model.end(row_id))
                assert int(reached[0]) == int(replays.position(replay, jnp.int32(wanted)))


def test_recording_seeds_together_equals_recording_them_alone():
    generator = np.random.default_rng(0)
    seeds, capacity = 3, 7
    alone = [empty(capacity, 2, toy.demonstrations()) for _ in range(seeds)]
    together = jax.tree.map(lambda *x: jnp.stack(x), *alone)
    every = jax.jit(jax.vmap(record))
    for number in range(20):
        role = generator.integers(0, 2, seeds)
        reset = generator.random(seeds) < 0.3
        before = generator.random(seeds).astype(np.float32)
        step = (before, before + number, jnp.asarray(role, jnp.int32), jnp.asarray(reset))
        together = every(together, *step)
        alone = [record(one, *[x[i] for x in step]) for i, one in enumerate(alone)]
    stacked = jax.tree.map(lambda *x: jnp.stack(x), *alone)
    assert toy.leaf_bytes(together) == toy.leaf_bytes(stacked)


def test_fresh_rows_belong_to_nobody():
    replay = empty(4, 2, toy.demonstrations())
    assert (np.asarray(replay.rows.role)[replay.pinned :] == -1).all()
    assert isinstance(replay.rows, Rows) and replay.capacity == 4


@pytest.mark.slow
@pytest.mark.parametrize(("presets", "seeds"), [(fbrl.PRESETS, 1), (medal.PRESETS, 2)])
def test_no_step_copies_the_replay(presets, seeds):
    capacity = 4321
    task = tabletop()
    method = toy.tiny(presets["default"]).method(task)
    trajectories = toy.noise_demonstrations(task)
    driver = toy.fused(method, task, range(seeds), trajectories, capacity)
    text = driver._chunk.lower(driver.carry, jnp.int32(0), jnp.int32(5)).compile().as_text()
    total = capacity + driver.carry.run.replay.pinned
    sizes = {capacity, total, 2 * capacity, seeds * total, seeds * capacity, 2 * seeds * capacity}
    large = re.compile(rf"\[[^\]]*\b({'|'.join(map(str, sorted(sizes)))})\b[^\]]*\]")
    assert large.search(text), "the replay must be in the program for this test to mean anything"
    copies = [line.strip() for line in text.splitlines() if " copy(" in line]
    assert [line for line in copies if large.search(line.split(" copy")[0])] == []
