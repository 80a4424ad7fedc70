"""Scripted demonstrations succeed, look like a person's, and unfit ones are refused."""

import jax
import numpy as np
import pytest

from unreset.demos import store
from unreset.errors import UnresetError
from unreset.tasks.tabletop import tabletop, tabletop_task
from unreset.tasks.tabletop.tabletop_expert import tabletop_demonstrations


@pytest.fixture(scope="module")
def demonstrations():
    return tabletop_demonstrations(seed=0)


@pytest.fixture(scope="module")
def task():
    return tabletop_task.tabletop()


@jax.jit
def replay(start, actions, goal):
    """Open loop: the observation after each action, and whether it is a success."""

    def one(state, action):
        state = tabletop.step(state, action)
        seen = tabletop.observe(state)
        return state, (seen, tabletop.success(seen, goal))

    return jax.lax.scan(one, start, actions)[1]


def test_there_are_three_each_way_for_each_coaster(demonstrations):
    assert len(demonstrations) == 24
    assert [one.direction for one in demonstrations] == [store.FORWARD] * 12 + [store.BACKWARD] * 12
    for index, one in enumerate(demonstrations[:12]):
        np.testing.assert_array_equal(one.goal, tabletop.GOALS[index // 3])
        np.testing.assert_array_equal(one.observations[0], tabletop.INITIAL[0])
    for one in demonstrations[12:]:
        np.testing.assert_array_equal(one.goal, tabletop.INITIAL[0])


def test_each_succeeds_once_at_its_end_when_replayed(demonstrations):
    padding = 160  # one compilation for all
    for one in demonstrations:
        steps = len(one.actions)
        actions = np.zeros((padding, 3), np.float32)
        actions[:steps] = one.actions
        start = tabletop.from_observation(one.observations[0])
        seen, success = replay(start, actions, one.goal)
        np.testing.assert_allclose(seen[:steps], one.observations[1:], atol=1e-5)
        success = np.asarray(success[:steps])
        assert success[-1]
        assert success.sum() == 1


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_lengths_are_a_persons(seed):
    lengths = [len(one.actions) for one in tabletop_demonstrations(seed=seed)]
    assert min(lengths) >= 60
    assert max(lengths) <= 150
    assert 85 <= np.mean(lengths) <= 120
    assert np.std(lengths) > 5


def test_actions_are_in_range_and_arrays_are_float32(demonstrations):
    for one in demonstrations:
        assert np.abs(one.actions).max() <= 1
        assert set(np.unique(one.actions[:, 2])) == {-1.0, 1.0}
        assert one.actions.dtype == one.observations.dtype == np.float32


def test_each_backward_one_starts_where_its_forward_one_ended(demonstrations):
    for there, back in zip(demonstrations[:12], demonstrations[12:], strict=True):
        np.testing.assert_array_equal(back.observations[0], there.observations[-1])


def test_a_seed_decides_them(demonstrations):
    for one, again in zip(demonstrations, tabletop_demonstrations(seed=0), strict=True):
        np.testing.assert_array_equal(one.observations, again.observations)
        np.testing.assert_array_equal(one.actions, again.actions)
    other = tabletop_demonstrations(seed=1)[0]
    assert not np.array_equal(demonstrations[0].actions[:5], other.actions[:5])


def test_no_two_are_alike(demonstrations):
    first_moves = {one.actions[:3].tobytes() for one in demonstrations}
    assert len(first_moves) == 24


def test_the_number_per_goal_can_be_chosen():
    assert len(tabletop_demonstrations(per_goal=1, seed=3)) == 8


def test_they_fit_the_task(demonstrations, task):
    store.check(demonstrations, task)


def _with(array, place, value):
    changed = array.copy()
    changed[place] = value
    return changed


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda one: {"observations": one.observations[:, :5]}, r"observations have shape"),
        (lambda one: {"actions": one.actions[:, :2]}, r"actions have shape .*\(steps, 3\)"),
        (lambda one: {"goal": one.goal[:4]}, r"goal have shape \(4,\).*\(6\)"),
        (
            lambda one: {"observations": _with(one.observations, (3, 1), np.nan)},
            "observations contain NaN",
        ),
        (lambda one: {"actions": _with(one.actions, (0, 0), np.inf)}, "actions contain NaN or inf"),
        (lambda one: {"actions": _with(one.actions, (0, 0), 1.01)}, r"outside \[-1, 1\]"),
        (lambda one: {"observations": one.observations[:-1]}, "one observation more than actions"),
        (lambda one: {"actions": one.actions[:0]}, "at least one action"),
        (lambda one: {"direction": 2}, "direction is 2"),
    ],
)
def test_unfit_ones_are_refused_by_number(demonstrations, task, spoil, message):
    bad = list(demonstrations)
    bad[7] = bad[7]._replace(**spoil(bad[7]))
    with pytest.raises(UnresetError, match="demonstration 7: .*" + message):
        store.check(bad, task)
