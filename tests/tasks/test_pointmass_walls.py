"""The point mass with walls: drag and contact by hand, and what its demonstrations show."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unreset.demos import store
from unreset.errors import UnresetError
from unreset.tasks.pointmass import pointmass_walls as walls
from unreset.tasks.pointmass.pointmass_walls import State

move = jax.jit(walls.step)


def at(position, velocity=(0.0, 0.0)):
    return State(jnp.array(position), jnp.array(velocity))


def test_drag_takes_a_quarter_of_the_velocity_and_the_action_gives_a_quarter():
    # v' = .75 (.4, -.8) + .25 (1, 0) = (.55, -.6); x' = (-1.5, 0) + .2 v'
    out = move(at((-1.5, 0.0), (0.4, -0.8)), jnp.array([1.0, 0.0]))
    np.testing.assert_allclose(out.velocity, [0.55, -0.6], atol=1e-6)
    np.testing.assert_allclose(out.position, [-1.39, -0.12], atol=1e-6)
    assert float(move(at((0.0, 0.0)), jnp.array([5.0, 0.0])).velocity[0]) == 0.25  # clipped


def test_the_top_speed_is_two_tenths_a_step():
    state = at((-1.9, 1.0))
    for _ in range(12):
        before, state = state, move(state, jnp.array([1.0, 0.0]))
    np.testing.assert_allclose(state.velocity[0], 1 - 0.75**12, atol=1e-5)
    np.testing.assert_allclose(state.position[0] - before.position[0], 0.194, atol=1e-3)


def test_a_wall_stops_the_motion_towards_it_and_no_other():
    # towards the left face, at -.8, of the wall from below; v' = (.85, .55)
    out = move(at((-0.9, 0.0), (0.8, 0.4)), jnp.array([1.0, 1.0]))
    np.testing.assert_allclose(out.position, [-0.8, 0.11], atol=1e-6)
    np.testing.assert_allclose(out.velocity, [0.0, 0.55], atol=1e-6)
    out = move(out, jnp.array([1.0, 0.0]))  # and along it
    np.testing.assert_allclose(out.position[0], -0.8, atol=1e-6)
    assert float(out.velocity[0]) == 0
    away = move(out, jnp.array([-1.0, 0.0]))
    np.testing.assert_allclose(away.position[0], -0.85, atol=1e-6)
    over = move(at((-0.9, 0.61), (1.0, 0.0)), jnp.array([1.0, 0.0]))  # its top is at .6
    np.testing.assert_allclose(over.position[0], -0.7, atol=1e-6)
    # landing on the top of it
    on = move(at((-0.6, 0.65), (0.0, -1.0)), jnp.array([0.0, -1.0]))
    np.testing.assert_allclose([*on.position, *on.velocity], [-0.6, 0.6, 0.0, 0.0], atol=1e-6)


def test_what_is_put_into_a_wall_stays():
    out = move(at((-0.5, 0.0), (0.9, -0.3)), jnp.array([1.0, 1.0]))
    np.testing.assert_array_equal([*out.position, *out.velocity], [-0.5, 0.0, 0.0, 0.0])


def test_nothing_leaves_the_arena_or_enters_a_wall():
    def life(key):
        begin, acts = jax.random.split(key)

        def body(state, key):
            state = walls.step(state, jax.random.uniform(key, (2,), minval=-3.0, maxval=3.0))
            return state, walls.observe(state)

        first = walls.reset(begin, "wide")
        return jax.lax.scan(body, first, jax.random.split(acts, 60))[1]

    seen = jax.jit(jax.vmap(life))(jax.random.split(jax.random.key(0), 200)).reshape(-1, 4)
    assert not jax.vmap(walls.in_wall)(seen[:, :2]).any()
    assert float(jnp.abs(seen[:, :2]).max()) == walls.ARENA
    assert float(jnp.abs(seen[:, 2:]).max()) <= 1


def test_starts_are_outside_the_walls_and_uniform_states_everywhere():
    keys = jax.random.split(jax.random.key(1), 2000)
    wide = jax.vmap(partial(walls.reset, start="wide"))(keys)
    anywhere = jax.vmap(walls.uniform)(keys)
    assert not jax.vmap(walls.in_wall)(wide.position).any()
    share = jax.vmap(walls.in_wall)(anywhere.position).mean()
    np.testing.assert_allclose(share, 2 * 0.4 * 2.6 / 16, atol=0.02)
    for state in (wide, anywhere):
        assert float(state.position.min()) < -1.95 and float(state.position.max()) > 1.95
    assert float(jnp.abs(wide.velocity).max()) == 0
    np.testing.assert_allclose(anywhere.velocity.std(axis=0), 3**-0.5, atol=0.02)
    narrow = jax.vmap(walls.reset)(keys).position
    assert float(jnp.abs(narrow - jnp.array(walls.START)).max()) <= walls.NARROW


def test_both_rewards():
    goal = jnp.array(walls.GOAL)
    near, far = jnp.array([1.25, -0.2, 0.3, 0.0]), jnp.array([1.1, 0.2, 0.0, 0.0])
    assert bool(walls.success(near, goal)) and not bool(walls.success(far, goal))
    sparse, dense = walls.pointmass_walls(), walls.pointmass_walls("dense")
    assert sparse.sparse and not dense.sparse
    assert (float(sparse.reward(near, goal)), float(sparse.reward(far, goal))) == (1, 0)
    np.testing.assert_allclose(dense.reward(far, goal), -0.5, atol=1e-6)
    # Round the end of the second wall, (.6, -.6), by legs of 1 and sqrt(.64 + .16).
    between = jnp.array([-0.4, -0.6, 0.0, 0.0])
    np.testing.assert_allclose(dense.reward(between, goal), -1.0 - 0.8**0.5, atol=1e-5)
    # From before the first one by its end, (-.6, .6), then 1.2 sqrt 2 between the ends.
    before = jnp.array([-0.9, 0.2, 0.0, 0.0])
    legs = 0.5 + 1.2 * 2**0.5 + 0.8**0.5
    np.testing.assert_allclose(dense.reward(before, goal), -legs, atol=1e-5)
    # In a wall nothing is won: from either side the way is by its end.
    inside = jnp.array([-0.6, 0.1])
    np.testing.assert_allclose(walls.way(inside, goal), 0.5 + legs - 0.5, atol=1e-5)
    np.testing.assert_allclose(walls.way(jnp.array([-1.6, 0.6]), inside), 1.5, atol=1e-5)
    there = walls.way(jnp.array(walls.START), goal)
    np.testing.assert_allclose(there, walls.way(goal, jnp.array(walls.START)), atol=1e-6)
    with pytest.raises(UnresetError, match="reward of pointmass_walls"):
        walls.pointmass_walls("shaped")


def test_demonstrations_reach_both_ends_in_about_thirty_steps():
    shown = walls.demonstrations(number=3)
    store.check(shown, walls.pointmass_walls())
    assert [one.direction for one in shown] == [0, 0, 0, 1, 1, 1]
    for one in shown:
        assert 30 <= len(one.actions) <= 39
        reached = jax.vmap(walls.success, in_axes=(0, None))(one.observations, one.goal)
        np.testing.assert_array_equal(np.flatnonzero(reached), [len(one.actions)])
        replayed = walls.from_observation(jnp.asarray(one.observations[0]))
        for action in one.actions:
            replayed = move(replayed, action)
        np.testing.assert_allclose(walls.observe(replayed), one.observations[-1], atol=1e-5)
    np.testing.assert_array_equal(shown[0].observations[-1], shown[3].observations[0])
    np.testing.assert_array_equal(walls.demonstrations(number=3)[4].actions, shown[4].actions)


def test_a_drive_that_gets_stuck_at_a_wall_begins_anew():
    shown = walls.demonstrations(seed=100)  # among them one whose first drive never arrives
    assert max(len(one.actions) for one in shown) <= 39
