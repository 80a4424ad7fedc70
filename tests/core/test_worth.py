"""What prior rows are worth, and what that does to a discriminator, by hand-worked numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import judges as matching
import toy
from unreset.core.context import Context
from unreset.core.protocols import Scope
from unreset.methods.qwale import QWALE
from unreset.rewards import Discriminator
from unreset.rewards import prior_weights as worth

KEY = jax.random.key(0)


def test_values_are_worth_their_place_between_the_least_and_the_most_of_rows_acted_in():
    values, acted = jnp.array([2.0, 6.0, 3.0, 100.0]), jnp.array([True, True, True, False])
    found = worth.of_values(values, acted)
    np.testing.assert_allclose(found.rows, [0.0, 1.0, 0.25, 1.0])
    assert (float(found.least), float(found.span)) == (2.0, 4.0)
    # The agent's own value may lie outside.
    np.testing.assert_allclose(worth.scaled(jnp.float32(0.0), found.least, found.span), -0.5)


def test_where_all_values_are_the_same_all_rows_count_once():
    found = worth.of_values(jnp.full(3, 7.0), jnp.full(3, True))
    baseline = worth.scaled(jnp.float32(9.0), found.least, found.span)
    np.testing.assert_array_equal(worth.weights(found.rows, baseline), np.ones(3))


def test_progress_is_the_share_of_the_trajectory_that_is_done():
    last = np.array([2, 2, 2, 7, 7, 7, 7, 7])
    wanted = [0.0, 0.5, 1.0, 0.0, 0.25, 0.5, 0.75, 1.0]
    np.testing.assert_allclose(worth.of_progress(last).rows, wanted)


@pytest.mark.parametrize(
    ("row", "baseline", "weight"), [(1.0, 0.0, np.e), (0.0, 1.0, 1 / np.e), (0.4, 0.4, 1.0)]
)
def test_a_row_counts_the_exponential_of_what_it_is_worth_more_than_the_agents(
    row, baseline, weight
):
    np.testing.assert_allclose(worth.weights(jnp.array(row), baseline), weight, rtol=1e-6)


def test_weights_multiply_the_losses_of_experts_rows():
    config = Discriminator(hidden=(4,), mixup=False)
    state = matching.init(config, KEY, 2)
    expert, own = jnp.array([[1.0, 0.0], [0.0, 2.0]]), jnp.array([[3.0, 1.0], [1.0, 1.0]])
    weights = jnp.array([2.0, 0.5])
    loss = matching.update(config, state, expert, own, KEY, weights=weights)[1]["loss"]
    there = np.asarray(matching.logits(config, state, expert))
    here = np.asarray(matching.logits(config, state, own))
    each = [*(np.asarray(weights) * np.log1p(np.exp(-there))), *np.log1p(np.exp(here))]
    np.testing.assert_allclose(loss, np.mean(each), rtol=1e-5)


def test_weights_of_one_change_nothing_with_mixup_either():
    config = Discriminator(hidden=(4,))
    state = matching.init(config, KEY, 2)
    expert, own = jax.random.normal(KEY, (2, 6, 2))
    plain = matching.update(config, state, expert, own, KEY)[0]
    weighed = matching.update(config, state, expert, own, KEY, weights=jnp.ones(6))[0]
    assert toy.leaf_bytes(plain) == toy.leaf_bytes(weighed)


def life(settings, learner=None):
    task = toy.point()
    driver = toy.fused(settings.method(task), task, learner=learner)
    return settings.method(task), task, driver


def test_without_a_run_before_rows_count_by_their_progress_against_one_half():
    method, task, driver = life(toy.tiny(QWALE()))
    run = jax.tree.map(lambda x: x[0], driver.carry.run)
    found = run.signals["prior"].worth
    assert not found.critics
    at = jnp.arange(3)
    scope = Scope(Context(method, task), "prior", run.signals)
    counts = worth.of_rows(scope, run.replay, at, method.rewards["prior"].baseline)
    np.testing.assert_allclose(counts, np.exp(np.asarray(found.rows[:3]) - 0.5), rtol=1e-6)


@pytest.mark.slow
def test_the_baseline_is_the_worth_of_the_latest_step_to_the_critics_of_the_run_before():
    first = life(toy.tiny(QWALE()))[2]
    learner = jax.tree.map(lambda x: x[0, 0], first.run.learners)
    method, task, driver = life(toy.tiny(QWALE()), learner)
    driver.advance(0, 40)
    run = jax.tree.map(lambda x: x[0], driver.carry.run)
    found = run.signals["prior"].worth
    assert found.rows.min() == 0.0
    np.testing.assert_allclose(found.rows.max(), 1.0, rtol=1e-6)
    for mine, before in zip(
        jax.tree.leaves(found.critics), jax.tree.leaves(learner.critics), strict=True
    ):
        np.testing.assert_array_equal(mine, before)  # frozen, though the learner has learned
    latest = run.replay.pinned + int(run.replay.written) - 1
    row = jax.tree.map(lambda x: x[latest], run.replay.rows)
    inputs = method.inputs(task, row.observation, row.goal, 0)
    value = method.learner.value(learner.critics, inputs, row.action).mean()
    baseline = (value - found.least) / found.span
    scope = Scope(Context(method, task), "prior", run.signals)
    counts = worth.of_rows(scope, run.replay, jnp.arange(3), method.rewards["prior"].baseline)
    np.testing.assert_allclose(counts, np.exp(found.rows[:3] - baseline), rtol=1e-5)
    again = worth.of_rows(scope, run.replay, jnp.arange(3), 0.25)
    np.testing.assert_allclose(again, np.exp(found.rows[:3] - 0.25), rtol=1e-6)
