"""Statistics over seeds: against rliable, and against numbers worked out by hand."""

import numpy as np
import pytest
from rliable import metrics

from unreset.evaluation.statistics import (
    WINDOW,
    bootstrap_interval,
    final_score,
    first_passage,
    interquartile_mean,
    normalised_area,
    probability_of_improvement,
    trailing_mean,
)
from unreset.runs.summary import steps_to


def generator():
    return np.random.default_rng(0)


@pytest.mark.parametrize("seeds", range(1, 14))
def test_the_interquartile_mean_is_rliables(seeds):
    scores = generator().normal(size=(seeds, 3))
    assert interquartile_mean(scores) == pytest.approx(metrics.aggregate_iqm(scores))
    for task in range(3):
        expected = metrics.aggregate_iqm(scores[:, task : task + 1])
        assert interquartile_mean(scores, axis=0)[task] == pytest.approx(expected)


def test_the_interquartile_mean_of_five_leaves_out_two():
    assert interquartile_mean(np.array([9.0, 0.5, -7.0, 0.3, 0.1])) == pytest.approx(0.3)


@pytest.mark.parametrize(("ours", "theirs"), [(5, 5), (3, 7), (1, 4)])
def test_the_probability_of_improvement_is_rliables(ours, theirs):
    draw = generator()
    x, y = draw.integers(4, size=(ours, 3)), draw.integers(4, size=(theirs, 3))  # ties abound
    mine = probability_of_improvement(list(x.T), list(y.T))
    assert mine == pytest.approx(metrics.probability_of_improvement(x, y))
    assert probability_of_improvement(list(y.T), list(x.T)) == pytest.approx(1 - mine)


def test_the_probability_of_improvement_averages_over_tasks():
    first = [np.array([1.0, 2.0]), np.array([0.0])]
    second = [np.array([1.0, 0.0]), np.array([1.0, 2.0, 3.0])]
    assert probability_of_improvement(first, second) == (3.5 / 4 + 0) / 2


def test_an_interval_of_two_seeds():
    # Of two draws from 0 and 1 the mean is 0, .5 or 1 with chances of .25, .5 and .25.
    scores = [np.array([0.0, 1.0])]
    assert bootstrap_interval(scores, generator(), confidence=0.95) == (0, 1)
    assert bootstrap_interval(scores, generator(), confidence=0.4) == (0.5, 0.5)


def test_seeds_are_drawn_within_each_task():
    scores = [np.zeros(3), np.ones(3)]
    assert bootstrap_interval(scores, generator(), np.mean) == (0.5, 0.5)


def test_one_seed_has_no_interval_and_a_curve_has_one_at_each_point():
    curve = np.array([[0.0, 0.2, 0.4]])
    assert np.isnan(bootstrap_interval([curve], generator())).all()
    low, high = bootstrap_interval([np.concatenate([curve, curve + 0.1])], generator())
    np.testing.assert_allclose(low, curve[0])
    np.testing.assert_allclose(high, curve[0] + 0.1)


def test_an_interval_is_determined_by_its_generator():
    scores = [generator().normal(size=9)]
    assert bootstrap_interval(scores, generator()) == bootstrap_interval(scores, generator())
    other = bootstrap_interval(scores, np.random.default_rng(1))
    assert other != bootstrap_interval(scores, generator())


def test_an_interval_covers_the_truth_as_often_as_it_says():
    draw = generator()
    bounds = [
        bootstrap_interval([draw.normal(size=40)], draw, np.mean, confidence=0.9, resamples=400)
        for _ in range(300)
    ]
    assert 0.85 < np.mean([low < 0 < high for low, high in bounds]) < 0.94


def test_passage_final_and_area_by_hand():
    success = np.array([0.0, 1.0, 1.0, 0.5, 1.0])
    assert first_passage(success, 0.8, window=3) == 3
    assert first_passage(success, 1.0, window=2) == 2
    assert first_passage(success, 0.9, window=3) is None
    assert first_passage(success, 0.0, window=6) is None
    assert final_score(success, window=2) == 0.75
    # 0 for 10 steps, 1 for 10, 1 for 10, .5 for 30, 1 for 40.
    steps = np.array([10, 20, 30, 60, 100])
    assert normalised_area(steps, success) == pytest.approx((10 + 10 + 15 + 40) / 100)


def test_a_run_passes_where_the_mean_over_its_seeds_does():
    curves = {0: [0, 1, 1, 1, 1, 1], 1: [1, 1, 1, 0, 1, 1]}
    rows = [
        {"seed": str(seed), "env_steps": str(10 * number + 10), "success": str(value)}
        for seed, values in curves.items()
        for number, value in enumerate(values)
    ]
    assert steps_to(rows, 0.8) == 50
    assert steps_to(rows, 0.9) == 60
    assert steps_to(rows, 0.95) is None


def test_when_a_run_passed_is_unknown_where_earlier_versions_did_not_measure_it():
    rows = [
        {"seed": "0", "env_steps": str(10 * number), "success": "1", "success_at_end": kept}
        for number, kept in enumerate(["", "", "1", "1", "1", "1", "1", "1"], 1)
    ]
    assert steps_to(rows, 0.95) == 10 * WINDOW
    assert steps_to(rows, 0.95, "success_at_end") is None
    assert steps_to(rows[2:], 0.95, "success_at_end") == 20 + 10 * WINDOW


def test_a_trailing_mean_begins_with_what_there_is():
    curves = np.array([[1.0, 0.0, 0.0, 1.0], [0.0, 0.0, 3.0, 3.0]])
    expected = [[1.0, 0.5, 1 / 3, 1 / 3], [0.0, 0.0, 1.0, 2.0]]
    np.testing.assert_allclose(trailing_mean(curves, 3), expected, atol=1e-12)
    np.testing.assert_allclose(trailing_mean(curves[0, :2], 3), [1.0, 0.5])
