"""The rules of the tabletop, each against numbers worked out by hand."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unreset.errors import UnresetError
from unreset.tasks.tabletop import tabletop, tabletop_task
from unreset.tasks.tabletop.tabletop import State

step = jax.jit(tabletop.step)
observe = jax.jit(tabletop.observe)


def state(gripper, mug, held=False):
    return State(jnp.array(gripper, jnp.float32), jnp.array(mug, jnp.float32), jnp.array(held))


def expect(after, gripper, mug, held):
    np.testing.assert_allclose(after.gripper, gripper, atol=1e-6)
    np.testing.assert_allclose(after.mug, mug, atol=1e-6)
    assert bool(after.held) is held


def act(before, *action):
    return step(before, np.array(action, np.float32))


def test_an_action_moves_the_gripper_by_a_fifth_of_a_unit():
    expect(act(state((0, 0), (2.5, 0)), 1.0, -0.5, -1.0), (0.2, -0.1), (2.5, 0), False)


def test_larger_actions_are_clipped():
    expect(act(state((0, 0), (2.5, 0)), 7.0, -3.0, 0.0), (0.2, -0.2), (2.5, 0), False)


def test_only_the_sparse_reward_is_one_for_success_alone():
    assert tabletop_task.tabletop().sparse and not tabletop_task.tabletop("dense").sparse


def test_gripping_far_from_the_mug_holds_nothing():
    expect(act(state((0, 0), (2.5, 0)), 0.0, 0.0, 1.0), (0, 0), (2.5, 0), False)


def test_the_mug_moves_in_the_step_in_which_it_is_grabbed():
    expect(act(state((0, 0), (0.3, 0.1)), 0.5, 1.0, 1.0), (0.1, 0.2), (0.4, 0.3), True)


@pytest.mark.parametrize(
    ("distance", "held"), [(0.39, True), (0.3999, True), (0.4, False), (0.41, False)]
)
def test_the_mug_is_grabbed_strictly_within_the_radius(distance, held):
    assert bool(act(state((0, 0), (distance, 0)), 0.0, 0.0, 1.0).held) is held
    assert bool(act(state((0, 0), (0, -distance)), 0.0, 0.0, 1.0).held) is held


def test_the_radius_is_euclidean():
    assert not act(state((0, 0), (0.3, 0.3)), 0.0, 0.0, 1.0).held  # 0.424
    assert act(state((0, 0), (0.28, 0.28)), 0.0, 0.0, 1.0).held  # 0.396


def test_grip_is_decided_at_the_old_position():
    arriving = act(state((0, 0), (0.45, 0)), 1.0, 0.0, 1.0)  # 0.25 away only after the move
    expect(arriving, (0.2, 0), (0.45, 0), False)
    leaving = act(state((0, 0), (0.39, 0)), -1.0, 0.0, 1.0)  # 0.59 away if the mug had stayed
    expect(leaving, (-0.2, 0), (0.19, 0), True)


@pytest.mark.parametrize(("grip", "held"), [(1.0, True), (1e-3, True), (0.0, False), (-1.0, False)])
def test_only_the_sign_of_the_grip_matters(grip, held):
    before = state((0, 0), (0.1, 0), held=True)
    mug = (0.3, 0) if held else (0.1, 0)
    expect(act(before, 1.0, 0.0, grip), (0.2, 0), mug, held)


def test_the_offset_at_the_grasp_is_kept():
    now = state((0, 0), (0.25, -0.15))
    for action in ((1, 0, 1), (-0.3, 0.7, 1), (0.2, -1, 1)):
        now = act(now, *action)
    np.testing.assert_allclose(now.mug - now.gripper, (0.25, -0.15), atol=1e-6)


def test_a_released_mug_stays():
    now = act(state((1, 1), (1.2, 1), held=True), 0.0, 1.0, -1.0)
    expect(now, (1, 1.2), (1.2, 1), False)


@pytest.mark.parametrize("sign", [1, -1])
def test_the_gripper_stops_at_the_edge_and_only_its_real_motion_moves_the_mug(sign):
    before = state((sign * 2.75, 0), (sign * 2.6, 0), held=True)
    expect(act(before, sign, 0.0, 1.0), (sign * 2.8, 0), (sign * 2.65, 0), True)
    before = state((0, sign * 2.8), (0.1, sign * 2.5), held=True)
    expect(act(before, 0.0, sign, 1.0), (0, sign * 2.8), (0.1, sign * 2.5), True)


def test_the_mug_stops_at_the_edge_while_the_gripper_goes_on():
    before = state((2.5, 0), (2.75, 0), held=True)
    expect(act(before, 1.0, 0.0, 1.0), (2.7, 0), (2.8, 0), True)


def test_the_last_two_numbers_say_whether_the_mug_is_held():
    np.testing.assert_array_equal(observe(state((0, 1), (2, 3)))[4:], (-1, -1))
    np.testing.assert_array_equal(observe(state((0, 1), (2, 3), held=True)), (0, 1, 2, 3, 0, 0))


def test_goals_and_initial_states_are_the_benchmarks():
    np.testing.assert_array_equal(
        tabletop.GOALS,
        [
            [0, 0, -2.5, -1, -1, -1],
            [0, 0, -2.5, 1, -1, -1],
            [0, 0, 0, 2, -1, -1],
            [0, 0, 0, -2, -1, -1],
        ],
    )
    np.testing.assert_array_equal(tabletop.INITIAL, [[0, 0, 2.5, 0, -1, -1]])
    for key in range(3):
        start = observe(tabletop.reset(jax.random.key(key)))
        np.testing.assert_array_equal(start, tabletop.INITIAL[0])


@pytest.mark.parametrize(
    ("gripper", "mug", "strict", "mug_only"),
    [
        ((0, 0), (0, 2), True, True),
        ((0.2, 0), (0, 2), True, True),  # exactly on the boundary
        ((0.201, 0), (0, 2), False, True),  # the gripper must be home
        ((0, 0), (0, 1.81), True, True),
        ((0, 0), (0, 1.79), False, False),
        ((0.12, 0), (0.15, 2), True, True),  # one norm over all four: 0.192
        ((0.15, 0), (0.15, 2), False, True),  # 0.212
        ((0, 2), (0, 2), False, True),
    ],
)
def test_success(gripper, mug, strict, mug_only):
    goal = tabletop.GOALS[2]
    for held in (False, True):  # the grip does not matter
        seen = observe(state(gripper, mug, held))
        assert bool(tabletop.success(seen, goal)) is strict
        assert float(tabletop.sparse_reward(seen, goal)) == float(strict)
        assert bool(tabletop.mug_success(seen, goal)) is mug_only


@pytest.mark.parametrize(
    ("gripper", "mug", "goal", "reward"),
    [
        # on the goal, gripper home: 2 - sqrt(7.25)/2
        ((0, 0), (-2.5, -1), 0, 0.6537088),
        # both 0.1 from the goal: -0.1 + 2/e + 0.5
        ((0.1, 2), (0.1, 2), 2, 1.1357589),
        # on the goal, gripper 0.2 away so g = 0.1: 2 - 0.1 + 0.5/e
        ((0.2, 2), (0, 2), 2, 2.0839397),
        # the initial state: -sqrt(2.5^2 + 2^2) - 1.25
        ((0, 0), (2.5, 0), 3, -4.4515621),
    ],
)
def test_dense_reward(gripper, mug, goal, reward):
    seen = observe(state(gripper, mug))
    assert float(tabletop.dense_reward(seen, tabletop.GOALS[goal])) == pytest.approx(
        reward, abs=1e-5
    )


def test_what_is_achieved_is_a_goal_that_succeeds():
    seen = observe(state((1, 2), (0.5, -1), held=True))
    goal = tabletop.achieved(seen)
    np.testing.assert_array_equal(goal, (1, 2, 0.5, -1, -1, -1))
    assert tabletop.success(seen, goal)


def test_offsets_are_differences_of_positions():
    observation = np.array([1.0, 2.0, 0.5, -1.0, 0.0, 0.0], np.float32)
    goal = np.array([0.0, 0.0, -2.5, 1.0, -1.0, -1.0], np.float32)
    offsets = tabletop_task.tabletop().seen(observation, goal, relative=True)
    np.testing.assert_allclose(offsets, [0.5, 3.0, 3.0, -2.0, 1.0, 2.0, 0.0], atol=1e-6)
    both = tabletop_task.tabletop().seen(observation, goal, relative=False)
    np.testing.assert_array_equal(both, [*observation, *goal])


def test_offsets_must_fit_observation_and_goal():
    with pytest.raises(UnresetError, match=r"offsets of task 'tabletop' have shape \(7, 11\).* 12"):
        dataclasses.replace(tabletop_task.tabletop(), offsets=tabletop.OFFSETS[:, 1:])


@given(shift=st.tuples(st.floats(-3, 3), st.floats(-3, 3)))
@settings(deadline=None)
def test_offsets_are_the_same_anywhere_on_the_table(shift):
    task = tabletop_task.tabletop()
    observation = np.array([1.0, 2.0, 0.5, -1.0, -1.0, -1.0], np.float32)
    by = np.array([*shift, *shift, 0.0, 0.0], np.float32)
    here = task.seen(observation, task.goals[0], relative=True)
    there = task.seen(observation + by, task.goals[0] + by, relative=True)
    np.testing.assert_allclose(here, there, atol=1e-5)


def test_wide_starts_keep_their_distances_and_cover_the_table():
    keys = jax.random.split(jax.random.key(0), 4000)
    starts = jax.jit(jax.vmap(lambda key: tabletop.reset(key, start="wide")))(keys)
    gripper, mug = np.asarray(starts.gripper), np.asarray(starts.mug)
    assert not starts.held.any()
    assert max(np.abs(gripper).max(), np.abs(mug).max()) <= 2.5
    assert np.linalg.norm(gripper - mug, axis=1).min() >= 1.0
    to_coasters = np.linalg.norm(mug[:, None] - np.array(tabletop.COASTERS), axis=-1)
    assert to_coasters.min() >= 1.0
    for place in (gripper, mug):
        quadrant = 2 * (place[:, 0] > 0) + (place[:, 1] > 0)
        assert np.bincount(quadrant, minlength=4).min() > 400
    assert len(np.unique(mug, axis=0)) == len(mug)


def test_the_task_describes_itself():
    task = tabletop_task.tabletop()
    assert task.goals.shape == (4, task.goal_size)
    now = task.reset(jax.random.key(0))
    now = task.step(now, jnp.zeros(task.action_size))
    seen = task.observe(now)
    assert seen.shape == (task.observation_size,)
    assert task.achieved(seen).shape == (task.goal_size,)
    assert task.render(seen, task.goals[0], 32).shape == (32, 32, 3)
    with pytest.raises(UnresetError, match=r"reward of tabletop must be one of .*'dense'"):
        tabletop_task.tabletop("shaped")


edge = float(np.float32(tabletop.ARENA))
coordinate = st.floats(-edge, edge, width=32)
point = st.tuples(coordinate, coordinate)
actions = st.lists(
    st.tuples(*[st.floats(-2, 2, width=32)] * 3).map(lambda a: np.array(a, np.float32)),
    min_size=1,
    max_size=30,
)


@settings(max_examples=60, deadline=None)
@given(point, st.tuples(*[st.floats(-0.5, 0.5, width=32)] * 2), actions)
def test_whatever_is_done(gripper, offset, actions):
    mug = np.clip(np.add(gripper, offset), -edge, edge)
    now = state(gripper, mug)
    for action in actions:
        after = step(now, action)
        moved = np.abs(np.asarray(after.gripper - now.gripper))
        assert np.abs([after.gripper, after.mug]).max() <= edge
        assert moved.max() <= tabletop.STEP + 1e-6
        if after.held:
            assert action[2] > 0
            assert np.linalg.norm(after.mug - after.gripper) < tabletop.GRASP_RADIUS + 1e-4
        else:
            np.testing.assert_array_equal(after.mug, now.mug)
        again = tabletop.from_observation(observe(after))
        for one, other in zip(after, again, strict=True):
            np.testing.assert_array_equal(one, other)
        now = after
