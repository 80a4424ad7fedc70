"""Random network distillation: the error it learns away, and the reward made of it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unreset.rewards import RND, rnd

KEY = jax.random.key(0)


def linear(config, target, predictor):
    """A pair without hidden layers: each output is a weight times the only input."""
    fresh = rnd.fresh(config, KEY, 1)

    def dense(weights):
        kernel = jnp.array([weights], jnp.float32)
        return {"params": {"Dense_0": {"kernel": kernel, "bias": jnp.zeros(len(weights))}}}

    return fresh._replace(target=dense(target), params=dense(predictor))


def test_the_error_is_the_mean_square_over_features_and_the_reward_counts_deviations():
    config = RND(hidden=(), features=2, limit=3.0)
    state = linear(config, [1.0, 3.0], [0.0, 1.0])._replace(variance=jnp.float32(4.0))
    inputs = jnp.array([[1.0], [2.0]])
    # At 1: ((0 - 1)^2 + (1 - 3)^2) / 2 = 2.5; at 2 four times that; in deviations of 2, at most 3.
    np.testing.assert_allclose(rnd.error(config, state, inputs), [2.5, 10.0])
    np.testing.assert_allclose(rnd.novelty(config, state, inputs), [1.25, 3.0], rtol=1e-6)


def test_the_first_update_sets_the_moments_and_the_others_move_them():
    config = RND(hidden=(), features=1, learning_rate=0.0, spread_rate=0.25)
    state = linear(config, [1.0], [0.0])
    state, metrics = rnd.update(config, state, jnp.array([[0.0], [0.0], [0.0], [4.0]]))
    # Mean 1, variance 3; whitened -1 / sqrt 3 thrice and sqrt 3; errors 1/3 thrice and 3.
    assert float(state.centre[0]) == pytest.approx(1.0)
    assert float(state.spread[0]) == pytest.approx(3.0)
    assert float(metrics["loss"]) == pytest.approx(1.0, rel=1e-5)
    assert float(state.variance) == pytest.approx(4 / 3, rel=1e-5)
    state, _ = rnd.update(config, state, jnp.full((2, 1), 3.0))
    assert float(state.centre[0]) == pytest.approx(2.0)  # the mean of both
    for _ in range(3):
        before = float(state.centre[0])
        state, _ = rnd.update(config, state, jnp.zeros((2, 1)))
    assert float(state.centre[0]) == pytest.approx(0.75 * before)
    assert int(state.updates) == 5


@pytest.mark.slow
def test_novelty_does_not_depend_on_the_unit_of_length():
    config = RND(hidden=(16,), features=4, learning_rate=1e-3)
    seen = jax.random.normal(KEY, (64, 2))
    rewards = []
    for unit in (1.0, 0.01):
        state = rnd.fresh(config, KEY, 2)
        for _ in range(20):
            state, _ = rnd.update(config, state, unit * seen)
        rewards.append(rnd.novelty(config, state, unit * jnp.array([[0.0, 0.0], [3.0, 3.0]])))
    np.testing.assert_allclose(*rewards, rtol=0.02)
    assert float(rewards[0][1]) > 2 * float(rewards[0][0])


def test_visited_states_lose_their_novelty_and_others_keep_it():
    config = RND(hidden=(32,), features=8, learning_rate=1e-2)
    visited, elsewhere = jnp.array([[-1.0, -1.0]]), jnp.array([[2.0, 2.0]])

    def one(state, key):
        own = visited + 0.1 * jax.random.normal(key, (64, 2))
        return rnd.update(config, state, own)[0], None

    first = rnd.fresh(config, KEY, 2)
    last, _ = jax.jit(lambda s: jax.lax.scan(one, s, jax.random.split(KEY, 300)))(first)
    for before, after in zip(
        jax.tree.leaves(first.target), jax.tree.leaves(last.target), strict=True
    ):
        np.testing.assert_array_equal(before, after)
    fell = rnd.error(config, last, visited) / rnd.error(config, first, visited)
    assert float(fell[0]) < 0.02
    assert float(rnd.error(config, last, elsewhere)[0]) > 20 * float(
        rnd.error(config, last, visited)[0]
    )
