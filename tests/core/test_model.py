"""The model: its loss and elites by hand, what it learns, and that predictions stay in range."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import toy
from unreset.core import ranges
from unreset.core.types import Transition
from unreset.errors import UnresetError
from unreset.models import dynamics, gaussians
from unreset.models.dynamics import Dynamics, Rows

TOY = toy.point()
KEY = jax.random.key(0)
SMALL = Dynamics(
    members=3, elites=2, hidden=(16,), octaves=0, batch_size=32, held_out=0.25, learning_rate=5e-3
)


def rows(key, shape, held_out=0.25):
    """Steps of the toy task from anywhere."""
    keys = jax.random.split(key, 3)
    seen = jax.random.uniform(keys[0], (*shape, 1), minval=-1.5, maxval=1.5)
    action = jax.random.uniform(keys[1], (*shape, 1), minval=-1.0, maxval=1.0)
    after = jnp.clip(seen + toy.SPEED * action, -toy.WALL, toy.WALL)
    goal = jnp.full((*shape, 1), toy.GOAL)
    unseen = jax.random.uniform(keys[2], shape) < held_out
    return Rows(seen, action, after, goal, after[..., 0], unseen)


def fitted(config, updates=400, rewards=False):
    state = dynamics.fresh_model(config, TOY, KEY, rewards)

    def one(number, state):
        taken = rows(jax.random.fold_in(KEY, number), (config.members, config.batch_size))
        return dynamics.update(config, TOY, state, taken)[0]

    return jax.jit(lambda state: jax.lax.fori_loop(0, updates, one, state))(state)


def test_the_loss_is_the_likelihood_weighted_by_a_power_of_the_variance():
    mean, log_variance = jnp.array([1.0, 0.0]), jnp.log(jnp.array([4.0, 0.25]))
    target = jnp.array([3.0, 0.5])
    # (2^2 / 4 + log 4 + 0.5^2 / 0.25 + log 0.25) / 2 = 1: the logarithms cancel.
    plain = dynamics._loss(Dynamics(beta=0.0), mean, log_variance, target)
    assert float(plain) == pytest.approx(1.0)
    # Weighted by 2 and 0.5: (2 (1 + log 4) + 0.5 (1 + log 0.25)) / 2.
    half = dynamics._loss(Dynamics(beta=0.5), mean, log_variance, target)
    assert float(half) == pytest.approx((2.5 + 1.5 * np.log(4)) / 2, rel=1e-5)
    # With beta = 1 the gradient of the mean is that of half the squared error, 2 (mean - target)
    # over two outputs, whatever the variance.
    whole = jax.grad(lambda m: dynamics._loss(Dynamics(beta=1.0), m, log_variance, target))(mean)
    np.testing.assert_allclose(whole, [-2.0, -0.5], rtol=1e-5)


def test_the_moments_are_those_of_all_rows_so_far():
    moments = gaussians.fresh(1)
    moments = gaussians.moved(moments, jnp.array([[100.0], [102.0]]), jnp.int32(0))
    moments = gaussians.moved(moments, jnp.array([[104.0], [106.0]]), jnp.int32(1))
    # 100, 102, 104, 106: mean 103, variance 5.
    assert float(moments.mean[0]) == pytest.approx(103.0)
    assert float(moments.deviation[0]) == pytest.approx(5**0.5, rel=1e-5)
    assert (float(moments.low[0]), float(moments.high[0])) == (100.0, 106.0)


def test_the_elites_are_the_members_with_the_least_error_on_held_out_rows():
    state = dynamics.fresh_model(SMALL, TOY, KEY)._replace(held_out=jnp.array([0.3, 0.1, 0.2]))
    chosen = dynamics.elites(SMALL, state)
    jax.tree.map(
        lambda x, y: np.testing.assert_array_equal(x, y[jnp.array([1, 2])]), chosen, state.params
    )


def test_held_out_rows_teach_nothing():
    state = dynamics.fresh_model(SMALL, TOY, KEY)
    some = rows(KEY, (3, 8))._replace(held_out=jnp.zeros((3, 8), bool).at[:, 0].set(True))
    wild = some._replace(next_observation=some.next_observation.at[:, 0].add(0.1))
    first, second = (
        dynamics.update(SMALL, TOY, state._replace(updates=jnp.int32(10**6)), each)[0]
        for each in (some, wild)
    )
    # Only through the moments, which move by a thousandth.
    before, after = (x.params["params"]["MLP_0"]["Dense_0"]["kernel"] for x in (first, second))
    np.testing.assert_allclose(before, after, atol=2e-4)
    assert not np.allclose(first.held_out, second.held_out)


@pytest.mark.slow
def test_it_learns_the_task_and_says_how_sure_it_is():
    state = fitted(SMALL)
    fresh = rows(jax.random.key(5), (200,))
    found = dynamics.predict(
        SMALL,
        TOY,
        state,
        dynamics.elites(SMALL, state),
        *fresh[:2],
        fresh.goal,
        KEY,
        sampled=False,
    )
    error = np.abs(found.observation - fresh.next_observation)
    still = np.abs(fresh.observation - fresh.next_observation)
    assert error.mean() < 0.2 * still.mean()
    mean, deviation = dynamics.expected(SMALL, TOY, state, *fresh[:2], fresh.goal)
    assert mean.shape == deviation.shape == (2, 200, 1)
    apart = np.abs(fresh.next_observation - fresh.observation - mean) / deviation
    assert 0.75 < (apart < 1.64).mean() <= 1.0
    assert (np.asarray(found.reward) == 0).all()


def test_it_predicts_rewards_where_it_is_asked_to():
    state = fitted(SMALL, rewards=True)
    fresh = rows(jax.random.key(5), (200,))
    chosen = dynamics.elites(SMALL, state)
    found = dynamics.predict(SMALL, TOY, state, chosen, *fresh[:2], fresh.goal, KEY, sampled=False)
    error = np.abs(found.reward - fresh.reward)
    assert error.mean() < 0.5 * np.abs(fresh.reward - fresh.reward.mean()).mean()


@pytest.mark.parametrize("number", [1, 2, 5])
def test_predictions_of_any_number_of_rows_stay_in_the_range_that_was_seen(number):
    state = dynamics.fresh_model(SMALL, TOY, KEY)
    state = dynamics.update(SMALL, TOY, state, rows(KEY, (3, 8)))[0]
    seen = 5 * jax.random.normal(KEY, (number, 1))
    found = dynamics.predict(
        SMALL, TOY, state, dynamics.elites(SMALL, state), seen, seen / 5, seen, KEY
    )
    assert found.observation.shape == (number, 1)
    assert found.disagreement.shape == (number,)
    # Nor are they led further out where they begin outside of it.
    low, high = np.minimum(state.inputs.low[0], seen), np.maximum(state.inputs.high[0], seen)
    assert (low <= found.observation).all() and (found.observation <= high).all()


def test_a_number_that_nothing_changes_stays_where_it_is_also_outside_of_what_was_seen():
    state = dynamics.fresh_model(SMALL, TOY, KEY)
    state = dynamics.update(SMALL, TOY, state, rows(KEY, (3, 8)))[0]
    still = jnp.zeros(1)
    outputs = state.outputs._replace(mean=still, square=still, origin=still, low=still, high=still)
    state = state._replace(outputs=outputs)
    seen = jnp.array([[9.0], [-9.0]])
    chosen = dynamics.elites(SMALL, state)
    found = dynamics.predict(SMALL, TOY, state, chosen, seen, seen / 9, seen, KEY)
    np.testing.assert_allclose(found.observation, seen, atol=0.01)


def test_a_step_is_judged_before_it_is_learned():
    state = fitted(SMALL)
    blank = jnp.float32(0), jnp.asarray(False), jnp.asarray(False), jnp.asarray(False)

    def judged(after):
        step = Transition(jnp.array([0.0]), jnp.array([0.4]), jnp.array([after]), *blank)
        return float(dynamics.error(SMALL, TOY, state, step, jnp.array([1.0])))

    deviation = float(state.outputs.deviation[0])
    assert judged(0.1) < 0.5
    assert judged(0.1 + 2 * deviation) == pytest.approx(2.0, abs=0.5)


@pytest.mark.parametrize("change", [{"elites": 0}, {"elites": 6}, {"held_out": 0.0}])
def test_what_is_no_ensemble_is_refused(change):
    with pytest.raises(UnresetError, match=next(iter(change))):
        ranges.checked(dataclasses.replace(Dynamics(), **change))
