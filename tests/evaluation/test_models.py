"""Judging models: errors by horizon and calibration, against numbers worked out by hand."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unreset.core.types import Trajectory
from unreset.errors import UnresetError
from unreset.evaluation.models import quality
from unreset.models import dynamics
from unreset.models.dynamics import Dynamics
from unreset.tasks.pointmass.pointmass import pointmass

CONFIG = Dynamics(members=3, elites=2, hidden=(8,), octaves=0)
TASK = pointmass()
SPREAD = np.array([2.0, 4.0, 1.0, 1.0], np.float32)  # of the observation's numbers


@pytest.fixture
def still():
    """A model whose every member expects each number to grow by .5, .9 deviations unsure."""
    fresh = dynamics.fresh_model(CONFIG, TASK, jax.random.key(0))
    flat = jax.tree_util.tree_map_with_path(_silent, fresh.params)
    spread = jnp.concatenate([SPREAD, jnp.ones(2)])
    far = jnp.full(6, 1e6)
    inputs = dynamics.Moments(jnp.zeros(6), spread**2, -far, far, jnp.zeros(6))
    one = jnp.ones(4)
    outputs = dynamics.Moments(0.5 * one, 0.25 + one, -far[:4], far[:4], 0 * one)
    return fresh._replace(params=flat, inputs=inputs, outputs=outputs)


def _silent(path, leaf):
    """Parameters of a network that says 0 for the mean, and for the log variance 2 log .9."""
    names = [part.key for part in path]
    if names[-1] in ("low", "high"):
        return leaf
    if names[-2:] == ["Dense_1", "bias"]:
        wanted = 2 * np.log(0.9)
        high, low = 0.5, -10.0
        inner = np.log(np.expm1(wanted - low)) + low  # undo the lower bound, then the upper one
        raw = high - np.log(np.expm1(high - inner))
        return jnp.broadcast_to(jnp.array([0.0] * 4 + [raw] * 4), leaf.shape)
    return jnp.zeros_like(leaf)


def grown(by, steps):
    """A trajectory whose numbers grow by ``by`` each step."""
    seen = np.outer(np.arange(steps + 1), by).astype(np.float32)
    return Trajectory(seen, np.zeros((steps, 2), np.float32), np.zeros(2, np.float32), 0)


def test_errors_by_horizon_in_deviations(still):
    # Each step is (1, .5, .5, .5): the model is wrong by .5 of 2 in one number of four.
    found = quality(CONFIG, TASK, still, [grown([1.0, 0.5, 0.5, 0.5], 12)])
    assert found.horizons == (1, 2, 5, 10)  # no trajectory is longer
    assert found.steps == 12
    np.testing.assert_allclose(found.error, 0.125 * np.array([1, 2, 5, 10]), rtol=1e-4)
    step = np.sqrt(np.mean((np.array([1.0, 0.5, 0.5, 0.5]) / SPREAD) ** 2))
    np.testing.assert_allclose(found.unchanged, step * np.array([1, 2, 5, 10]), rtol=1e-4)


def test_shares_within_intervals(still):
    # Changes are z deviations of .9 off: half of them by .6 (within 50 %), the rest by 1.8.
    shown = [
        grown(0.5 + 0.9 * np.array([0.6, 0.6, 1.8, 1.8]), 5),
        grown(0.5 - 0.9 * np.array([0.6, 0.6, 1.8, 1.8]), 5),
    ]
    found = quality(CONFIG, TASK, still, shown)
    np.testing.assert_allclose(found.within, [0.5, 0.5, 1.0])  # 1.645 and 1.96 deviations


def test_elites_that_disagree_are_less_sure(still):
    # One elite expects 2 more than the other: the mixture's mean is 1 more, its variance 1 more.
    moved = jax.tree_util.tree_map_with_path(
        lambda path, leaf: (
            leaf.at[0, :4].add(2.0) if [p.key for p in path][-2:] == ["Dense_1", "bias"] else leaf
        ),
        still.params,
    )
    torn = still._replace(params=moved)
    change = 0.5 + 1 + 2.0 * np.sqrt(0.81 + 1)  # two deviations of the mixture
    found = quality(CONFIG, TASK, torn, [grown([change] * 4, 3)])
    np.testing.assert_array_equal(found.within, 0.0)
    near = quality(CONFIG, TASK, torn, [grown([change - 0.1] * 4, 3)])
    np.testing.assert_array_equal(near.within, [0.0, 0.0, 1.0])
    # Members that are no elites say nothing.
    worst = torn._replace(held_out=jnp.array([1.0, 0.0, 0.0]))
    said = quality(CONFIG, TASK, worst, [grown([0.5] * 4, 3)])
    np.testing.assert_allclose(said.error, 0.0, atol=1e-5)


def test_without_a_step_there_is_nothing_to_judge(still):
    with pytest.raises(UnresetError, match="no step"):
        quality(CONFIG, TASK, still, [])


def test_the_table_names_what_it_shows(still):
    text = quality(CONFIG, replace(TASK), still, [grown([1.0, 0.5, 0.5, 0.5], 3)]).text()
    assert "nothing changes" in text and "95% interval" in text
    assert text.splitlines()[1].split() == ["1", "0.1250", "0.5000"] or "0.125" in text
