"""Who acts next, for which goal, what ends a bootstrap, what a batch holds, and the accounts."""

import dataclasses
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import judges as matching
import toy
from unreset import registry
from unreset.core import fitting, phases, practice
from unreset.core import replay as replays
from unreset.core.context import Context
from unreset.core.types import Transition
from unreset.core.view import Phase, View
from unreset.demos import store
from unreset.errors import UnresetError
from unreset.switching import After, LikeExpert
from unreset.tasks.tabletop.tabletop import GOALS, INITIAL
from unreset.tasks.tabletop.tabletop_task import tabletop

LENGTH = 7
TOY, TABLETOP = toy.point(), tabletop()
TASK, INITIAL_SOURCE = 0, 1
KEPT = np.array([0.1, 0.2, 0.3, 0.4, -1, -1], np.float32)  # no goal that could be drawn


@cache  # a method is compiled once for each object
def method(name, task=None, preset="default", **changes):
    settings = toy.tiny(registry.METHODS[name][preset], phase_length=LENGTH, **changes)
    return registry.method(settings, task or TABLETOP)


def switched(
    method,
    role=0,
    steps=0,
    success=False,
    since_reset=3,
    number=100,
    key=0,
    task=TABLETOP,
    state=None,
    failures=0,
    rates=None,
    **ends,
):
    """The next phase, whether this one ended, and whether to reset; ``state`` goes to the View."""
    source = jnp.int32(method.sources_of((role,))[0])
    count = map(jnp.int32, (steps, since_reset, 5))
    goal, roles = jnp.asarray(KEPT[: task.goal_size]), len(method.roles)
    phase = Phase(
        jnp.int32(role),
        goal,
        source,
        *count,
        goal,
        jnp.int32(0),
        goal,
        jnp.full(roles, 0.5) if rates is None else jnp.array(rates),
        jnp.full(roles, failures, jnp.int32),
    )
    flags = {"terminated": False, "truncated": False} | ends
    seen, action = jnp.zeros(task.observation_size), jnp.zeros(task.action_size)
    transition = Transition(
        seen,
        action,
        seen,
        jnp.float32(0),
        jnp.asarray(success),
        jnp.asarray(flags["terminated"]),
        jnp.asarray(flags["truncated"]),
    )
    signals = undecided(method, task)
    parts = {"key": jax.random.key(key), "phase": phase, "signals": signals, "events": {}}
    parts |= state or {}
    view = View(**{name: parts.get(name) for name in View._fields})
    after, end, reset, _ = _switch(method, task, view, transition, number)
    return after, bool(end), bool(reset)


@cache
def undecided(method, task):
    """States of the method's signals whose networks put out 0: a discriminator says one half."""
    rows, last = store.pinned_rows(toy.noise_demonstrations(task), task)
    key = jax.random.key(0)
    learners = [practice.fresh_learner(method, task, key, {}) for _ in method.learners]
    learners = jax.tree.map(lambda *x: jnp.stack(x), *learners)
    fresh = fitting.init_states(Context(method, task), rows, last, (learners, False), key)
    return jax.tree.map(jnp.zeros_like, fresh)


@partial(jax.jit, static_argnums=(0, 1))
def _switch(method, task, view, transition, number):
    return phases.switch(method, task, view, transition, number)


def is_one_of(goal, goals):
    return any((np.asarray(goal) == one).all() for one in goals)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["fbrl", "medal", "naive", "oracle"])
def test_within_a_phase_only_time_passes(name):
    after, end, reset = switched(method(name), steps=2)
    assert not end and not reset
    assert (int(after.role), int(after.steps), int(after.since_reset)) == (0, 3, 4)
    assert int(after.segment) == 5
    np.testing.assert_array_equal(after.goal, KEPT)


@pytest.mark.parametrize("name", ["fbrl", "medal", "naive", "oracle"])
@pytest.mark.parametrize(("steps", "success"), [(LENGTH - 1, False), (2, True)])
def test_a_forward_phase_ends_on_time_out_and_on_success(name, steps, success):
    after, end, reset = switched(method(name), steps=steps, success=success)
    assert end
    assert (int(after.steps), int(after.segment)) == (0, 6)
    assert reset == (name == "oracle")
    assert int(after.since_reset) == (0 if name == "oracle" else 4)
    assert int(after.role) == (1 if name in ("fbrl", "medal") else 0)


def test_a_phase_does_not_end_a_step_too_soon():
    assert not switched(method("fbrl"), steps=LENGTH - 2)[1]


def test_fbrl_goes_back_to_an_initial_state_and_then_draws_a_task_goal():
    after, *_ = switched(method("fbrl"), role=0, success=True)
    assert int(after.source) == INITIAL_SOURCE
    np.testing.assert_array_equal(after.goal, INITIAL[0])
    after, end, _ = switched(method("fbrl"), role=1, success=True)
    assert end and int(after.role) == 0 and int(after.source) == TASK
    assert is_one_of(after.goal, GOALS)


def test_medals_backward_role_draws_the_goal_that_forward_keeps():
    goals = [switched(method("medal"), success=True, key=key)[0].goal for key in range(12)]
    assert all(is_one_of(goal, GOALS) for goal in goals)
    assert len({np.asarray(goal).tobytes() for goal in goals}) == 4
    after, end, _ = switched(method("medal"), role=1, steps=LENGTH - 1)
    assert end and int(after.role) == 0 and int(after.source) == TASK
    np.testing.assert_array_equal(after.goal, KEPT)


def test_medals_backward_phase_never_ends_on_success():
    after, end, _ = switched(method("medal"), role=1, steps=2, success=True)
    assert not end and int(after.role) == 1
    assert switched(method("medal"), role=1, steps=LENGTH - 1, success=True)[1]


def test_a_phase_may_end_where_the_discriminator_says_expert():
    chosen, limit = method("medal"), 0.6
    forward, backward = chosen.roles
    ending = dataclasses.replace(
        backward, switch=(After(LENGTH), LikeExpert("discriminator", limit))
    )
    until = dataclasses.replace(chosen, roles=(forward, ending))
    never = dataclasses.replace(backward, switch=(After(LENGTH),))
    always = dataclasses.replace(chosen, roles=(forward, never))
    signal = chosen.rewards["discriminator"]
    fresh = matching.init(signal, jax.random.key(0), TABLETOP.offsets.shape[0])
    for probability, ends in [(limit - 0.01, False), (limit + 0.01, True)]:
        params = jax.tree.map(jnp.zeros_like, fresh.params)
        params["params"]["Dense_1"]["bias"] += np.log(probability / (1 - probability))
        state = {"signals": {"discriminator": fresh._replace(params=params)}}
        assert switched(until, role=1, steps=2, state=state)[1] == ends
        assert not switched(until, role=0, steps=2, state=state)[1]
        assert not switched(always, role=1, steps=2, state=state)[1]


def test_naive_goes_on_for_another_goal_of_the_task():
    after, *_ = switched(method("naive"), success=True)
    assert int(after.role) == 0 and is_one_of(after.goal, GOALS)


@pytest.mark.parametrize("role", [0, 1])
@pytest.mark.parametrize("name", ["fbrl", "medal"])
def test_a_due_reset_begins_with_the_first_role_and_a_fresh_goal_of_the_task(name, role):
    chosen = method(name, reset_every=50)
    for since, due in [(48, False), (49, True)]:
        after, end, reset = switched(chosen, role=role, steps=2, since_reset=since)
        assert reset == end == due
    assert (int(after.role), int(after.steps), int(after.since_reset)) == (0, 0, 0)
    assert int(after.source) == TASK
    assert is_one_of(after.goal, GOALS)  # also medal's forward role, which else keeps its goal


@pytest.mark.parametrize("ends", ["terminated", "truncated"])
def test_the_end_of_the_tasks_own_episode_asks_for_a_reset(ends):
    after, end, reset = switched(method("medal"), role=1, steps=2, **{ends: True})
    assert end and reset and int(after.role) == 0


# Batches. The rows are made by hand: each says which it is by its reward and its place.

PLACES = {"plain": -0.5, "success": 0.9, "time-out": 0.3}  # where the step leads


@cache
def filled(chosen, task, role=0):
    """A run whose acting role has one step of each kind towards +1."""
    rows, last = store.pinned_rows(toy.demonstrations(), task)

    def one(replay, number, kind):
        step = Transition(
            jnp.array([float(number)]),
            jnp.zeros(1),
            jnp.array([PLACES[kind]]),
            jnp.float32(-99),
            jnp.asarray(kind == "success"),
            jnp.asarray(False),
            jnp.asarray(False),
        )
        # Every step ends in a stored frame, so that the places above are the next observations.
        return replays.record(
            replay,
            step,
            jnp.array([toy.GOAL]),
            jnp.int32(role),
            jnp.int32(TASK),
            jnp.asarray(kind != "plain"),
            jnp.int32(number),
            jnp.asarray(True),
        )

    def make(key):
        run = practice.init(chosen, task, key, rows, last, 50)
        replay = run.replay
        for number, kind in enumerate(PLACES):
            replay = one(replay, number, kind)
        return run._replace(replay=replay)

    return jax.jit(make)(jax.random.key(0))


def batches(chosen, task, run, roles, updates=30):
    """Batches, flattened, and the rows that they were made of."""
    following, seen = replays.following, []

    def spy(replay, positions):
        seen.append(positions)
        return following(replay, positions)

    @jax.jit
    def draw(run):
        drawn = toy.drawn(chosen, task, run, roles, updates, jax.random.key(1))
        return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), drawn), seen[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(replays, "following", spy)
        return jax.tree.map(np.asarray, draw(run))


def plain(name, boundary, **changes):
    return method(name, TOY, boundary=boundary, hindsight=0.0, other_goals=0.0, **changes)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("boundary", "ends"),
    [
        ("bootstrap", set()),
        ("terminal_on_success", {"success", "demonstration's end"}),
        ("terminal", {"success", "demonstration's end", "time-out"}),
    ],
)
def test_what_ends_the_bootstrap(boundary, ends):
    task = TOY
    chosen = plain("naive", boundary)
    run = filled(chosen, task)
    batch, rows = batches(chosen, task, run, (0,))
    pinned = run.replay.pinned
    final = np.flatnonzero(np.asarray(run.replay.rows.end)[:pinned])[0]
    places = {"demonstration's end": final, "demonstration": final - 1}
    places |= {kind: pinned + 2 * number for number, kind in enumerate(PLACES)}
    for kind, place in places.items():
        assert (rows == place).any(), kind
        assert set(batch.discount[rows == place]) == {0.0 if kind in ends else 1.0}, kind


@pytest.mark.slow
@pytest.mark.parametrize(("boundary", "ends"), [("terminal_on_success", False), ("terminal", True)])
def test_a_learned_reward_does_not_end_on_success(boundary, ends):
    task = TOY
    chosen = plain("medal", boundary, demonstration_share=0.0, teach="acting")
    batch, rows = batches(chosen, task, filled(chosen, task, role=1), (1,))
    discount = batch.discount[rows == rows.min() + 2]  # the success, at which a phase ended here
    assert set(discount) == {0.0 if ends else 1.0}


@pytest.mark.slow
@pytest.mark.parametrize(("preset", "discount"), [("default", 1.0), ("paper", 0.0)])
def test_prior_data_that_ends_at_the_goal_ends_the_bootstrap_in_the_paper_alone(preset, discount):
    """Where every further step is rewarded, the goal would be a place to avoid."""
    chosen = toy.tiny(registry.settings("qwale", preset)).method(TOY)
    run = filled(chosen, TOY)
    batch, rows = batches(chosen, TOY, run, (0,))
    last = np.isin(rows, np.flatnonzero(run.replay.rows.end[: run.replay.pinned]))
    assert last.any()
    assert set(batch.discount[last]) == {discount}


@pytest.mark.slow
@pytest.mark.parametrize(("ends", "discount"), [(True, 0.0), (False, 1.0)])
def test_in_a_published_life_the_end_of_a_phase_ends_the_bootstrap_and_success_does_not(
    ends, discount
):
    """Also where the task's reward is added, as where it is dense: success ends the life."""
    dense = dataclasses.replace(TOY, sparse=False)
    chosen = toy.tiny(registry.settings("qwale", "paper")).method(dense)
    assert "environment" in chosen.reward_of(0).uses
    run = filled(chosen, dense)
    rows = run.replay.rows
    practised = rows.end.at[run.replay.pinned :].set(ends)
    run = run._replace(replay=run.replay._replace(rows=rows._replace(end=practised)))
    batch, at = batches(chosen, dense, run, (0,))
    success = (at >= run.replay.pinned) & (batch.success > 0)
    assert success.any()
    assert set(batch.discount[success]) == {discount}


def test_a_true_end_always_ends_the_bootstrap():
    task = TOY
    chosen = plain("naive", "bootstrap")
    run = filled(chosen, task)
    pinned = run.replay.pinned
    marked = run.replay.rows.terminated.at[pinned].set(True)
    run = run._replace(replay=run.replay._replace(rows=run.replay.rows._replace(terminated=marked)))
    batch, rows = batches(chosen, task, run, (0,))
    assert set(batch.discount[rows == pinned]) == {0.0}
    assert set(batch.discount[rows != pinned]) == {1.0}


def test_rewards_are_recomputed_for_relabelled_goals():
    task = TOY
    chosen = method("fbrl", task, hindsight=0.5, other_goals=0.2, boundary="terminal_on_success")
    bare = dataclasses.replace(chosen.learner, octaves=0, relative=False)
    chosen = dataclasses.replace(chosen, learner=bare)
    run = filled(chosen, task)
    batch, rows = batches(chosen, task, run, (0, 1))
    goal, after = batch.inputs[:, 1], batch.next_inputs[:, 0]
    np.testing.assert_array_equal(batch.next_inputs[:, 1], goal)
    close = np.abs(after - goal) <= toy.RADIUS
    np.testing.assert_allclose(batch.reward, chosen.learner.reward_scale * close)
    np.testing.assert_array_equal(batch.discount, 1.0 - close)
    own = np.asarray(run.replay.rows.goal)[rows, 0]
    assert 0.3 < (goal != own).mean() < 0.75
    assert close[goal != own].any() and not close[goal != own].all()


def test_hindsight_goals_are_states_reached_later_in_the_demonstration():
    task = TOY
    chosen = method("naive", task, hindsight=1.0, other_goals=0.0, demonstration_share=1.0)
    bare = dataclasses.replace(chosen.learner, octaves=0, relative=False)
    chosen = dataclasses.replace(chosen, learner=bare)
    run = filled(chosen, task)
    batch, rows = batches(chosen, task, run, (0,))
    walk = toy.walk(toy.START, toy.GOAL, 0).observations[:, 0]
    for row, goal in zip(rows, batch.inputs[:, 1], strict=True):
        assert np.isclose(walk[row + 1 :], goal).any()
    assert not batch.imitate.any()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "roles", "directions"),
    [
        ("naive", (0,), {0}),
        ("fbrl", (0, 1), {0, 1}),
        ("medal", (0,), None),  # as its roles say
        ("medal", (1,), None),
    ],
)
def test_only_the_right_demonstrations_are_cloned(name, roles, directions):
    chosen = method(name, TOY, hindsight=0.0, other_goals=0.0)
    run = filled(chosen, TOY)
    batch, rows = batches(chosen, TOY, run, roles)
    imitated = {way for role in roles for way in chosen.roles[role].imitate}
    assert directions in (None, imitated)
    role = np.asarray(run.replay.rows.role)[rows]
    right = (rows < run.replay.pinned) & np.isin(role, list(imitated))
    np.testing.assert_array_equal(batch.imitate, right.astype(np.float32))
    assert right.any() and not right.all()


def test_published_medal_clones_nothing():
    task = TOY
    chosen = method("medal", task, preset="paper")
    assert chosen.learner.cloning_start == chosen.learner.cloning_end == 0
    batch, _ = batches(chosen, task, filled(chosen, task), (1,))
    assert not batch.imitate.any()


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 1.0])
def test_every_batch_holds_the_asked_share_of_demonstrations(share):
    task = TOY
    chosen = method("naive", task, demonstration_share=share)
    run = filled(chosen, task)
    _, rows = batches(chosen, task, run, (0,))
    shares = (rows.reshape(-1, 8) < run.replay.pinned).mean(axis=1)
    np.testing.assert_array_equal(shares, share)


def test_without_a_share_demonstrations_count_as_the_rows_they_are():
    task = TOY
    chosen = method("naive", task, demonstration_share=None)
    run = filled(chosen, task)
    _, rows = batches(chosen, task, run, (0,), updates=200)
    steps = len(toy.walk(toy.START, toy.GOAL, 0).actions)
    wanted = steps / (steps + len(PLACES))
    assert (rows < run.replay.pinned).mean() == pytest.approx(wanted, abs=0.05)


def test_before_the_first_own_row_batches_come_from_what_there_is():
    task = TOY
    chosen = plain("medal", "terminal", demonstration_share=0.0, teach="acting")
    _, rows = batches(chosen, task, filled(chosen, task, role=0), (1,))
    assert (rows >= toy.demonstrations()[0].observations.size * 2).all()


def test_learned_rewards_come_from_the_present_discriminator():
    task = TOY
    chosen = method("medal", task, hindsight=0.0, other_goals=0.0)
    bare = dataclasses.replace(chosen.learner, octaves=0, relative=False)
    chosen = dataclasses.replace(chosen, learner=bare)
    run = filled(chosen, task, role=1)
    kept = run.replay.rows.reward
    rewards = []
    for factor in (1.0, -3.0):
        state = run.signals["discriminator"]
        params = jax.tree.map(lambda x, f=factor: f * x, state.params)
        discriminator = state._replace(params=params)
        present = run._replace(signals={"discriminator": discriminator})
        batch, _ = batches(chosen, task, present, (1,))
        signal = chosen.rewards["discriminator"]
        logit = matching.logits(signal, discriminator, batch.next_inputs[:, :2])
        wanted = signal.scale * matching.reward(signal.form, logit)
        np.testing.assert_allclose(batch.reward, wanted, rtol=1e-5)
        rewards.append(batch.reward)
    assert (rewards[0] != rewards[1]).any()
    np.testing.assert_array_equal(run.replay.rows.reward, kept)


def practised(run):
    """The rows of practice that were closed, oldest first, and their next observations."""
    written, pinned = int(run.replay.written[0]), run.replay.pinned
    rows = jax.tree.map(lambda x: np.asarray(x[0, pinned:][:written]), run.replay.rows)
    return rows, np.asarray(run.replay.rows.observation)[0, pinned:][1 : written + 1, 0]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["medal", "oracle"])
def test_resets_come_on_the_exact_step_and_the_ledger_counts_what_the_rows_say(name):
    every = 20 if name == "medal" else 0
    chosen = method(name, TOY, reset_every=every, seed_steps=10_000)
    driver = toy.fused(chosen, TOY, seeds=(3,))
    counts = []
    for number in range(45):
        driver.advance(number, number + 1)
        counts.append(int(driver.carry.run.ledger.hard_resets[0]))
    rows, _ = practised(driver.carry.run)
    if name == "medal":
        assert counts == [1] * 19 + [2] * 20 + [3] * 6
        np.testing.assert_array_equal(np.flatnonzero(rows.role < 0), [20, 41])
    for first in [0, *(np.flatnonzero(rows.role < 0) + 1)]:
        if first < len(rows.role):
            assert rows.observation[first, 0] == toy.START
            assert rows.role[first] == 0 and rows.goal[first, 0] == toy.GOAL
    driver.advance(45, 200)
    run = driver.carry.run
    rows, after = practised(run)
    assert int(run.ledger.hard_resets[0]) == 1 + (rows.role < 0).sum() == 1 + len(rows.role) - 200
    for role in range(len(chosen.roles)):
        own = np.flatnonzero((rows.role == role) & rows.end)
        assert int(run.ledger.phases[0, role]) == len(own)
        reached = np.abs(after[own] - rows.goal[own, 0]) <= toy.RADIUS
        assert int(run.ledger.successes[0, role]) == reached.sum()
    assert int(run.phase.segment[0]) == int(run.ledger.phases.sum()) > 5


def test_acting_depends_on_role_goal_and_step_only_through_the_view():
    task = TOY
    chosen = method("medal", task)
    run = filled(chosen, task)
    act = jax.jit(partial(practice.act, chosen, task))
    view, seen = practice.view(chosen, run), jnp.array([0.3])
    first = act(view, seen, jnp.int32(0))
    assert (first == act(view, seen, jnp.int32(0))).all()
    assert (first != act(view, seen, jnp.int32(1))).all()
    other = view._replace(phase=view.phase._replace(role=jnp.int32(1)))
    assert (first != act(other, seen, jnp.int32(0))).all()
    assert (jnp.abs(first) < 1).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 7}, "batch_size=7 must be a multiple of 2"),
        ({"share_learner": False, "updates_per_step": 3}, "updates_per_step=3 must be a multiple"),
    ],
)
def test_a_batch_and_the_updates_can_be_shared(changes, message):
    with pytest.raises(UnresetError, match=message):
        method("medal", **changes)
