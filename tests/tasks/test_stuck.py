"""Tasks with states that nobody leaves without help, against PAINT's numbers."""

from collections import deque
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unreset import registry
from unreset.demos import store
from unreset.interventions.help import Help
from unreset.tasks.sticky_maze import sticky_maze as maze
from unreset.tasks.sticky_maze.sticky_maze import State
from unreset.tasks.tabletop import tabletop, tabletop_edge

START, GOAL = jnp.asarray(maze.centre(maze.START_CELL)), jnp.asarray(maze.centre(maze.GOAL_CELL))
CELL = 2 / maze.CELLS
walk = jax.jit(maze.step)


def test_the_maze_has_as_many_free_cells_and_as_short_a_way_as_the_released_one():
    assert (~maze.WALLS).sum() == 96
    assert maze.WALLS.sum() == 73
    np.testing.assert_allclose([START[0], GOAL[0]], [-0.769, 0.769], atol=1e-3)
    steps, ahead = {maze.START_CELL: 0}, deque([maze.START_CELL])
    while ahead:
        x, y = ahead.popleft()
        for place in ((x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)):
            if not maze.WALLS[place] and place not in steps:
                steps[place] = steps[x, y] + 1
                ahead.append(place)
    assert steps[maze.GOAL_CELL] == 20
    assert len(steps) == 96
    np.testing.assert_array_equal(maze._distances(maze.START_CELL)[maze.GOAL_CELL], 20)


@pytest.mark.parametrize(
    ("task", "worth"),
    [
        ("sticky_maze", 0),
        ("cheetah_velocity", 0),
        ("tabletop_edge", -10),
        ("sawyer_peg_small", -10),
    ],
)
def test_being_stuck_is_worth_what_paint_has_it_be_in_each_task(task, worth):
    assert Help().worth(registry.task(task), 0.99) == pytest.approx(worth)
    assert Help(stuck_reward=-0.02).worth(registry.task(task), 0.99) == pytest.approx(-2)


def test_a_step_is_a_tenth_of_the_action_and_no_more():
    moved = walk(State(START), jnp.array([0.5, -0.2])).position
    np.testing.assert_allclose(moved - START, [0.05, -0.02], atol=1e-6)
    moved = walk(State(START), jnp.array([0.0, 3.0])).position
    np.testing.assert_allclose(moved - START, [0.0, 0.1], atol=1e-6)


def test_a_wall_holds_whoever_is_in_it_but_lets_them_slide():
    wall = State(jnp.asarray(maze.centre((0, 3))))  # of the border
    out = walk(wall, jnp.array([1.0, 0.0])).position
    assert maze.in_wall(out)
    np.testing.assert_allclose(out[0], wall.position[0] + 0.07, atol=1e-5)  # up to the free cell
    for _ in range(20):
        out = walk(State(out), jnp.array([1.0, 1.0])).position
    assert maze.in_wall(out)
    along = walk(wall, jnp.array([0.0, 1.0])).position
    np.testing.assert_allclose(along - wall.position, [0.0, 0.1], atol=1e-5)


def test_a_step_ends_in_the_wall_that_it_crosses():
    # 0.02 before a wall of one cell: the fast step would land beyond it.
    begin = State(jnp.asarray(maze.centre((7, 4)) + np.array([CELL / 2 - 0.02, 0.0])))
    assert maze.WALLS[8, 4]
    assert not maze.in_wall(begin.position)
    assert maze.in_wall(walk(begin, jnp.array([1.0, 0.0])).position)


def test_chance_is_glued_to_a_wall_about_as_soon_as_in_the_released_maze():
    def one(key):
        def body(now):
            state, key, number = now
            key, draw = jax.random.split(key)
            action = jax.random.uniform(draw, (2,), minval=-1.0, maxval=1.0)
            return maze.step(state, action), key, number + 1

        begin = (State(START), key, 0)
        return jax.lax.while_loop(lambda now: ~maze.in_wall(now[0].position), body, begin)[2]

    steps = np.asarray(jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(0), 1000)))
    assert 5.0 < steps.mean() < 6.5  # 5.7, 4 and 18 there
    assert np.median(steps) in (3, 4)
    assert 14 <= np.percentile(steps, 95) <= 20


def test_success_in_the_maze_is_near_the_goal_and_not_in_a_wall():
    for offset, reached in (([0.09, 0.0], False), ([-0.09, 0.0], True), ([-0.11, 0.0], False)):
        assert bool(maze.success(GOAL + jnp.array(offset), GOAL)) is reached
    assert float(maze.reward(GOAL, GOAL)) == 1


def test_wide_starts_of_the_maze_are_free_and_everywhere():
    starts = jax.vmap(partial(maze.reset, start="wide"))(jax.random.split(jax.random.key(1), 2000))
    assert not jax.vmap(maze.in_wall)(starts.position).any()
    cells = np.floor((np.asarray(starts.position) + 1) / CELL).astype(int)
    assert len({tuple(cell) for cell in cells}) == 96


def test_demonstrations_of_the_maze_walk_both_ways_and_touch_nothing():
    shown = maze.demonstrations(number=3)
    store.check(shown, maze.sticky_maze())
    assert [one.direction for one in shown] == [0, 0, 0, 1, 1, 1]
    for one in shown:
        assert not jax.vmap(maze.in_wall)(jnp.asarray(one.observations)).any()
        reached = jax.vmap(maze.success, in_axes=(0, None))(one.observations, one.goal)
        np.testing.assert_array_equal(np.flatnonzero(reached), [len(one.actions)])
        replayed = State(jnp.asarray(one.observations[0]))
        for action in one.actions:
            replayed = walk(replayed, action)
        np.testing.assert_allclose(replayed.position, one.observations[-1], atol=1e-5)
    again = maze.demonstrations(number=3)
    np.testing.assert_array_equal(again[4].actions, shown[4].actions)


# --- The tabletop's edge ------------------------------------------------------------------------


def at(gripper, mug, held):
    return tabletop.State(jnp.array(gripper), jnp.array(mug), jnp.array(held))


move = jax.jit(tabletop_edge.step)


def test_a_mug_let_go_beyond_the_edge_has_fallen_and_is_never_taken_again():
    held = at([2.75, 0.0], [2.75, 0.0], True)
    out = move(held, jnp.array([1.0, 0.0, 1.0]))
    np.testing.assert_allclose(out.mug, [2.95, 0.0], atol=1e-6)
    assert not tabletop_edge.fallen(out)  # in the hand it may come back
    assert not tabletop_edge.fallen(move(out, jnp.array([-1.0, 0.0, 1.0])))
    fallen = move(out, jnp.array([-1.0, 0.0, -1.0]))
    assert tabletop_edge.fallen(fallen)
    assert bool(tabletop_edge.stuck(tabletop.observe(fallen)))
    for action in ([1.0, 0.0, -1.0], [0.0, 0.0, 1.0], [-1.0, 0.0, 1.0]):
        fallen = move(fallen, jnp.array(action))
        assert not fallen.held
    np.testing.assert_allclose(fallen.mug, [2.95, 0.0], atol=1e-6)
    assert tabletop_edge.fallen(fallen)


def test_the_gripper_reaches_beyond_the_edge_and_on_the_table_all_is_as_ever():
    state = at([3.75, 0.0], [0.0, 0.0], False)
    np.testing.assert_allclose(move(state, jnp.array([1.0, 1.0, -1.0])).gripper, [3.8, 0.2])
    generator = np.random.default_rng(0)
    one = other = tabletop.reset(jax.random.key(0), "wide")
    for _ in range(8):
        action = generator.uniform(-0.3, 0.3, 3).astype(np.float32)
        one, other = move(one, action), tabletop.step(other, action)
    for mine, theirs in zip(one, other, strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize(("mug", "stuck"), [(2.79, False), (2.81, True), (-2.81, True)])
def test_the_edge_is_where_the_tabletop_ends(mug, stuck):
    for place in ([mug, 0.0], [0.0, mug]):
        seen = tabletop.observe(at([0.0, 0.0], place, False))
        assert bool(tabletop_edge.tabletop_edge().stuck(seen)) is stuck
