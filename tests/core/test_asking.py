"""Labels by bisection, alarms, visits, and what critics are told of stuck states, by hand."""

import dataclasses
import math
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import toy
from unreset import registry
from unreset.core import practice
from unreset.core import replay as replays
from unreset.core.context import Context
from unreset.core.phases import first_phase
from unreset.core.protocols import Beginning, Drawn, Scope, Steps
from unreset.core.types import Transition
from unreset.core.view import View
from unreset.demos import store
from unreset.errors import UnresetError
from unreset.interventions import bisection, stuck_classifier, stuck_labels
from unreset.interventions.help import Help
from unreset.interventions.stuck_classifier import StuckClassifier
from unreset.interventions.stuck_labels import ASKING, FREE, UNKNOWN
from unreset.tasks.sticky_maze.sticky_maze import sticky_maze

TOY = toy.point()
CONFIG = Help(
    rule="classifier", patience=3, visit_after=10, stretches=6, classifier=toy._classifier()
)


@cache
def paint(**changes):
    settings = toy.tiny(registry.settings("paint"))
    changed = dataclasses.replace(settings.asking, **changes)
    return registry.method(dataclasses.replace(settings, asking=changed), TOY)


# --- Labels -------------------------------------------------------------------------------------


@pytest.mark.parametrize("states", range(1, 18))
def test_bisection_finds_every_first_stuck_state_with_log2_questions(states):
    search = jax.jit(bisection.first_stuck)
    costs = []
    for first in range(1, states + 1):  # the last: all of them are free
        found, cost = search(jnp.int32(first), jnp.int32(states))
        assert int(found) == first
        costs.append(int(cost))
    assert max(costs) == math.ceil(math.log2(states))
    assert min(costs) == math.floor(math.log2(states))


@pytest.mark.parametrize(("states", "cost"), [(500, 9), (200_000, 18)])
def test_long_stretches_cost_what_the_released_code_asks(states, cost):
    found = bisection.first_stuck(jnp.int32(states // 3), jnp.int32(states))
    assert [int(x) for x in found] == [states // 3, cost]


def test_a_stretch_in_which_all_states_are_free_and_one_in_which_all_are_stuck():
    assert [int(x) for x in bisection.first_stuck(jnp.int32(FREE), jnp.int32(8))] == [8, 3]
    assert [int(x) for x in bisection.first_stuck(jnp.int32(1), jnp.int32(8))] == [1, 3]
    assert [int(x) for x in bisection.first_stuck(jnp.int32(FREE), jnp.int32(1))] == [1, 0]


def begun(config, method):
    pinned, last = store.pinned_rows(toy.demonstrations(), TOY)
    scope = Scope(Context(method, TOY), ASKING)
    return config.init(scope, Beginning(pinned, last, None, False), jax.random.key(0))


def known(begins, stuck):
    """What has been asked where stretches begin with rows ``begins``, the last one going on."""
    blank = begun(CONFIG, paint())
    pad = [UNKNOWN] * (CONFIG.stretches - len(begins))
    return blank._replace(begins=jnp.array(pad + begins), stuck=jnp.array(pad + stuck))


def test_rows_are_labelled_by_the_first_stuck_one_of_their_stretch():
    asked = known([0, 10, 20, 30], [7, FREE, UNKNOWN, UNKNOWN])
    labels = stuck_labels.label_of(asked, jnp.array([0, 6, 7, 9, 10, 19, 20, 29, 30, 99]))
    np.testing.assert_array_equal(labels, [0, 0, 1, 1, 0, 0, -1, -1, -1, -1])


@pytest.mark.slow
def test_rows_of_forgotten_stretches_are_not_labelled():
    asked = known([0, 10, 20, 30, 40, 50], [3, 12, 25, 33, FREE, UNKNOWN])
    for begin in (60, 70):
        asked = stuck_labels.next_segment(asked, toy_replay(begin))
    labels = stuck_labels.label_of(asked, jnp.array([5, 15, 25, 35, 45]))
    np.testing.assert_array_equal(labels, [-1, -1, 1, 1, 0])


def toy_replay(written, capacity=600):
    replay = toy.fused(paint(), TOY, capacity=capacity).carry.run.replay
    return jax.tree.map(lambda x: x[0], replay)._replace(written=jnp.int32(written))


def test_a_late_answer_labels_the_stretch_that_it_is_about():
    asked = known([0, 10, 20, 30], [UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN])
    asked = CONFIG.labelled(asked, jnp.int32(10), jnp.int32(14), jnp.int32(4))
    np.testing.assert_array_equal(asked.stuck[-4:], [UNKNOWN, 14, UNKNOWN, UNKNOWN])
    assert int(asked.labels) == 4
    again = CONFIG.labelled(asked, jnp.int32(5), jnp.int32(7), jnp.int32(2))
    np.testing.assert_array_equal(again.stuck, asked.stuck)  # there is no such stretch any more
    assert int(again.labels) == 6


def test_states_are_drawn_alike_from_all_that_are_labelled():
    asked = known([0, 10, 20, 30], [7, FREE, 21, UNKNOWN])
    replay = toy_replay(40)
    free, stuck, count = stuck_labels.known_rows(asked, replay, 4000, jax.random.key(3))
    shown, rows = np.asarray(free) < replay.pinned, np.asarray(free) - replay.pinned
    assert set(rows[~shown]) == {*range(7), *range(10, 21)}
    assert set(np.asarray(free)[shown]) == set(range(replay.pinned))
    assert set(np.asarray(stuck) - replay.pinned) == {7, 8, 9, *range(21, 30)}
    share = shown.mean()
    np.testing.assert_allclose(share, replay.pinned / (replay.pinned + 18), atol=0.03)
    assert int(count) == 12
    nothing = known([0, 10, 20], [FREE, FREE, UNKNOWN])
    assert not stuck_labels.known_rows(nothing, replay, 4, jax.random.key(3))[2]


def test_states_that_the_replay_has_overwritten_are_not_drawn():
    asked = known([0, 50, 90], [30, 85, UNKNOWN])
    replay = toy_replay(100, capacity=40)  # has rows 61 to 100
    free, stuck, _ = stuck_labels.known_rows(asked, replay, 500, jax.random.key(0))
    ids = replays.row_id(replay, jnp.concatenate([free[free >= replay.pinned], stuck]))
    assert set(np.asarray(ids)) == set(range(61, 90))


# --- The classifier -----------------------------------------------------------------------------


def test_nothing_seems_stuck_before_a_stuck_state_is_known_and_then_it_is_learned():
    config = StuckClassifier(hidden=(16,), octaves=2, learning_rate=1e-2)
    state = stuck_classifier.init(config, jax.random.key(0), 1)
    free = jnp.linspace(-1, 0.2, 32)[:, None]
    stuck = jnp.linspace(0.4, 1, 32)[:, None]
    update = jax.jit(partial(stuck_classifier.update, config))
    state, metrics = update(state, free, stuck, jnp.asarray(False))
    assert float(metrics["loss"]) == 0
    np.testing.assert_array_equal(stuck_classifier.probability(config, state, stuck), 0)
    first = float(update(state, free, stuck, jnp.asarray(True))[1]["loss"])
    for _ in range(300):
        state, metrics = update(state, free, stuck, jnp.asarray(True))
    assert float(metrics["loss"]) < first / 5
    assert (stuck_classifier.probability(config, state, stuck) > 0.5).all()
    assert (stuck_classifier.probability(config, state, free) < 0.5).all()


# --- The target ---------------------------------------------------------------------------------


def relabelled(method, asked, replay, at, told):
    ones, nothing = jnp.ones((len(at), 1)), jnp.zeros(len(at))
    steps = Steps(ones, ones, ones, ones, nothing, nothing > 0)
    scope = Scope(Context(method, TOY), ASKING, {ASKING: asked})
    drawn = Drawn(steps, nothing > 0, nothing > 0, None, at)
    return method.interventions[ASKING].relabel(scope, replay, drawn, told)


def test_a_stuck_next_state_is_worth_its_reward_for_ever():
    method = paint(stuck_reward=-0.1)
    replay = toy_replay(40)
    asked = known([0, 10, 20], [7, FREE, UNKNOWN])
    at = replay.pinned + jnp.array([5, 6, 12, 25])
    told = jnp.full(4, 2.0), jnp.array([1.0, 1.0, 0.0, 1.0]), None
    reward, discount, label = relabelled(method, asked, replay, at, told)
    np.testing.assert_array_equal(label, [0, 1, 0, -1])
    # Row 6 leads to row 7, the first stuck one: -.1 / (1 - .99). Of row 25 nothing is known, and
    # the classifier knows no stuck state.
    np.testing.assert_allclose(reward, [2, -10, 2, 2], rtol=1e-4)
    np.testing.assert_allclose(discount, [1, 0, 0, 1])


def test_an_unlabelled_next_state_counts_by_its_probability():
    method, replay = paint(stuck_reward=-0.02), toy_replay(40)
    asked = known([0, 10, 20], [7, FREE, UNKNOWN])
    asked = asked._replace(classifier=constant_classifier(asked.classifier, 0.25))
    given = jnp.full(1, 4.0), jnp.ones(1), None
    at = replay.pinned + jnp.array([25])
    reward, discount, _ = relabelled(method, asked, replay, at, given)
    # .25 (-.02 / .01) + .75 * 4, and .75 of what follows.
    np.testing.assert_allclose([*reward, *discount], [2.5, 0.75], rtol=1e-4)


def constant_classifier(classifier, probability):
    """One that says the same of every state."""
    fresh = stuck_classifier.init(toy._classifier(), jax.random.key(0), 1)
    params = jax.tree.map(jnp.zeros_like, fresh.params)
    bias = jnp.full(1, math.log(probability / (1 - probability)))
    params["params"]["Dense_1"]["bias"] = bias
    return classifier._replace(params=params, taught=jnp.asarray(True))


@pytest.mark.slow
def test_batches_hold_absorbed_rewards_where_that_is_wanted():
    found, task = {}, dataclasses.replace(TOY, stuck=lambda observation: observation[0] < -1.2)
    for absorb in (True, False):
        method = paint(absorb=absorb, stuck_reward=-0.1)
        driver = toy.fused(method, task)
        driver.advance(0, 200)
        run = jax.tree.map(lambda x: x[0], driver.carry.run)
        known = run.signals[ASKING].stuck
        assert ((known >= 0) & (known < FREE)).any()
        batch = toy.drawn(method, task, run, (0, 1), 200, jax.random.key(0))
        found[absorb] = float(batch.reward.min())
    assert found[False] == 0
    np.testing.assert_allclose(found[True], -10, rtol=1e-3)


# --- Alarms and visits --------------------------------------------------------------------------


def alarms(states, since_reset=0, before=0, probability=0.9, **changes):
    """Steps since the alarm after each of some states; whether a visit is due after the last."""
    method = paint(**changes)
    asked = begun(method.interventions[ASKING], method)
    classifier = constant_classifier(asked.classifier, probability)
    phase = first_phase(method, TOY, {}, jax.random.key(0))
    phase = phase._replace(since_reset=jnp.int32(since_reset))
    asked = asked._replace(since=jnp.int32(before))
    found = []
    for state in states:
        seen = jnp.full(1, state)
        step = Transition(seen, seen, seen, 0, jnp.asarray(False), False, False)
        # The classifier is a constant: it is the oracle whose answer depends on the state.
        asked = asked._replace(classifier=classifier)
        view = View(**dict.fromkeys(View._fields) | {"phase": phase})
        scope = Scope(Context(method, TOY), ASKING, {ASKING: asked})
        since, visit = method.interventions[ASKING].alarm(scope, view, step, jnp.int32(100))
        phase = phase._replace(since_reset=phase.since_reset + 1)
        asked = asked._replace(since=since)
        found.append(int(since))
    return found, bool(visit)


def test_an_alarm_counts_the_steps_until_help_is_due():
    assert alarms([0, 0, 0])[0] == [1, 2, 3]
    assert alarms([0, 0, 0], probability=0.4)[0] == [0, 0, 0]


def test_an_alarm_is_withdrawn_or_not():
    stuck = [1.4, 1.4, 0, 0, 1.4]
    assert alarms(stuck, rule="oracle")[0] == [1, 2, 0, 0, 1]
    assert alarms(stuck, rule="oracle", withdraw=False)[0] == [1, 2, 3, 4, 5]


def test_a_call_is_not_withdrawn():
    assert alarms([1.4, 0, 0], before=4, rule="oracle")[0] == [5, 6, 7]


def test_a_visit_is_due_some_steps_after_a_reset():
    assert alarms([0] * 3, since_reset=16, probability=0.1) == ([0, 0, 0], False)
    assert alarms([0] * 3, since_reset=17, probability=0.1) == ([0, 0, 5], True)
    assert alarms([0] * 3, since_reset=17, rule="oracle") == ([0, 0, 0], False)


def test_visits_become_rarer_while_all_is_well_and_nearer_where_trouble_was_not_noticed():
    asked = known([0], [UNKNOWN])._replace(visit=jnp.float32(40), visited=jnp.asarray(True))
    label = partial(CONFIG.labelled, begin=jnp.int32(0), questions=jnp.int32(3))
    assert float(label(asked, first=jnp.int32(FREE)).visit) == 80
    assert float(label(asked, first=jnp.int32(5)).visit) == 20
    called = asked._replace(visited=jnp.asarray(False))
    assert float(label(called, first=jnp.int32(5)).visit) == 40
    least = asked._replace(visit=jnp.float32(12))
    assert float(label(least, first=jnp.int32(5)).visit) == 10


def test_whoever_came_for_nothing_comes_later():
    asked = known([0], [UNKNOWN])._replace(since=jnp.int32(5))
    asked = CONFIG.dismissed(asked, jnp.int32(35))
    assert (float(asked.visit), int(asked.since)) == (70, 0)


# --- Practice -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_practice_counts_resets_requests_and_labels_and_knows_what_is_stuck():
    driver = toy.fused(paint(), TOY, (0, 1))
    driver.advance(0, 400)
    for seed in range(2):
        run = jax.tree.map(lambda x, n=seed: x[n], driver.carry.run)
        asked, replay = run.signals[ASKING], run.replay
        resets = int(run.ledger.hard_resets) - 1  # the first is before practice
        assert int(asked.requests) == resets > 3
        begins, stuck = np.asarray(asked.begins), np.asarray(asked.stuck)
        assert (begins >= 0).sum() == resets + 1
        labels = np.asarray(stuck_labels.label_of(asked, jnp.arange(int(replay.written))))
        seen = np.asarray(replay.rows.observation)[replay.pinned :, 0][: len(labels)]
        for begin, end, first in zip(begins[:-1], begins[1:], stuck[:-1], strict=True):
            if begin < 0:
                continue
            inside = seen[begin:end] > toy.STUCK
            # From the first stuck state on all were; the one before was not.
            last_free = np.flatnonzero(~inside)[-1] + begin
            assert first == (FREE if last_free == end - 1 else last_free + 1)
            assert (labels[begin:end] == (np.arange(begin, end) >= first)).all()
        steps = np.diff(begins[begins >= 0])
        assert int(asked.labels) <= np.ceil(np.log2(steps)).sum()
        assert int(asked.labels) >= np.floor(np.log2(steps)).sum()


@pytest.mark.slow
def test_a_reset_from_outside_begins_a_new_stretch_of_which_nothing_is_known():
    method = paint()
    driver = toy.fused(method, TOY)
    driver.advance(0, 30)
    run = jax.tree.map(lambda x: x[0], driver.carry.run)
    before = run.signals[ASKING]
    after = practice.interrupted(method, TOY, run).signals[ASKING]
    assert int(after.begins[-1]) == int(run.replay.written) + 1
    assert int(after.begins[-2]) == int(before.begins[-1])
    np.testing.assert_array_equal(after.stuck[-2:], UNKNOWN)


@pytest.mark.slow
def test_metrics_tell_how_often_the_agent_was_stuck():
    driver = toy.fused(paint(), TOY)
    driver.advance(0, 200)
    totals = driver.run.totals
    replay = driver.carry.run.replay
    rows = np.asarray(replay.rows.observation)[0, replay.pinned :, 0]
    written = int(replay.written[0])
    resets = int(driver.run.ledger.hard_resets[0]) - 1
    begins = np.asarray(driver.run.signals[ASKING].begins[0])
    arrived = np.delete(np.arange(written), begins[(begins >= 0) & (begins < written)])
    assert len(arrived) + (begins[-1] < written) >= 200 - 1 - resets
    stuck = (rows[arrived] > toy.STUCK).sum()
    assert abs(float(totals["stuck"].value[0]) - stuck) <= 1  # the newest row is not written yet
    assert float(totals["stuck"].weight[0]) == 200


def test_nobody_to_ask_is_refused():
    silent = dataclasses.replace(TOY, stuck=None)
    with pytest.raises(UnresetError, match="does not say which states are stuck"):
        toy.fused(paint(), silent)
    with pytest.raises(UnresetError, match="cannot be asked in a compiled loop"):
        toy.fused(paint(supervisor="person"), TOY)


def test_any_method_asks_when_it_is_told_to():
    settings = registry.settings("medal")
    settings = dataclasses.replace(settings, asking=Help(rule="classifier"))
    assert registry.method(settings, sticky_maze()).interventions == {ASKING: settings.asking}
