"""The single-life domains against the numbers of the released code."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unreset.demos import store
from unreset.tasks.pointmass import pointmass
from unreset.tasks.pointmass.pointmass import State
from unreset.tasks.tabletop import tabletop
from unreset.tasks.tabletop.tabletop_placing import tabletop_placing

KEY = jax.random.key(0)
GOAL = jnp.array(pointmass.GOAL)


def steps(policy, windy, number=700):
    """Steps until the first success of a policy from eight starts; ``number`` where it has none."""

    def one(key):
        def move(state, noise):
            state = pointmass.step(state, policy(pointmass.observe(state), noise), windy)
            return state, pointmass.success(pointmass.observe(state), GOAL)

        reached = jax.lax.scan(move, pointmass.reset(key), jax.random.split(key, number))[1]
        return jnp.where(reached.any(), reached.argmax() + 1, number)

    return np.asarray(jax.jit(jax.vmap(one))(jax.random.split(KEY, 8)))


def proportional(observation, noise):
    return jnp.clip(GOAL - observation[:2], -1, 1)


def straight(observation, noise):
    return (GOAL - observation[:2]) / jnp.linalg.norm(GOAL - observation[:2])


@pytest.mark.parametrize(
    ("policy", "windy", "least", "most"),
    [
        (proportional, False, 98, 99),
        (proportional, True, 123, 123),
        (lambda observation, noise: jnp.array([1.0, -0.85]), True, 123, 123),
        (straight, True, 480, 503),
        (lambda observation, noise: jnp.array([1.0, 0.0]), True, 700, 700),
    ],
)
def test_known_policies_take_as_long_as_in_the_released_domain(policy, windy, least, most):
    found = steps(policy, windy)
    assert found.min() >= least
    assert found.max() <= most


def test_the_wind_blows_back_and_up_and_walls_hold():
    state = State(jnp.array([-99.95, 199.5]), jnp.zeros(2), KEY)
    after = pointmass.step(state, jnp.array([0.0, 0.0]), windy=True)
    np.testing.assert_allclose(after.position, [-100.0, 200.0])
    gusts = []
    for _ in range(50):
        before, state = state._replace(position=jnp.zeros(2)), None
        state = pointmass.step(before, jnp.array([0.5, -3.0]), windy=True)
        gusts.append(np.asarray(state.position) - [0.5, -1.0])
    gusts = np.array(gusts)
    np.testing.assert_allclose(gusts[:, 0], -0.2, atol=1e-6)
    assert 0.8 <= gusts[:, 1].min() < 0.82
    assert 0.88 < gusts[:, 1].max() <= 0.9
    still = pointmass.step(before, jnp.array([0.5, -3.0]))
    np.testing.assert_allclose(still.position, [0.5, -1.0])


def test_a_point_starts_near_the_origin_with_velocities_that_say_nothing():
    seen = np.asarray(
        jax.vmap(lambda k: pointmass.observe(pointmass.reset(k)))(jax.random.split(KEY, 500))
    )
    assert np.abs(seen[:, :2]).max() <= 0.2
    assert np.abs(seen[:, :2]).max() > 0.19
    np.testing.assert_allclose(seen[:, 2:].std(axis=0), 0.01, rtol=0.2)
    state = pointmass.step(pointmass.reset(KEY), jnp.ones(2))
    np.testing.assert_array_equal(state.velocity, pointmass.reset(KEY).velocity)


def test_flights_are_shown_to_their_first_success():
    task = pointmass.pointmass()
    shown = task.demonstrations(seed=1)
    store.check(shown, task)
    for one in shown:
        reached = np.asarray(jax.vmap(partial(task.success, goal=one.goal))(one.observations))
        assert reached[-1]
        assert not reached[:-1].any()
        assert len(one.actions) < 105


def test_placing_asks_for_the_mug_alone_and_for_more_precision():
    task = tabletop_placing()
    goal = jnp.asarray(tabletop.GOALS[0])
    for away, reached in ((0.14, True), (0.16, False)):
        seen = goal.at[:2].set(2.0).at[2].add(away)
        assert bool(task.success(seen, goal)) == reached
        assert float(task.reward(seen, goal)) == reached
    assert len(task.goals) == 4


def test_in_the_life_the_mug_stands_near_one_of_two_new_places():
    task = tabletop_placing(new_mug=True)
    mugs = np.asarray(jax.vmap(task.reset)(jax.random.split(KEY, 400)).mug)
    side = np.sign(mugs[:, 1])
    assert 0.4 < (side > 0).mean() < 0.6
    np.testing.assert_allclose(np.abs(mugs[:, 1]), 1.5, atol=0.15)
    assert mugs[:, 0].min() >= 2.55
    assert mugs[:, 0].max() <= 2.8 + 1e-6
    assert len(task.goals) == 2
    assert {tuple(one.goal) for one in task.demonstrations() if one.direction == 0} == set(
        map(tuple, task.goals)
    )
