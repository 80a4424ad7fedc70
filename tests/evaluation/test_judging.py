"""Precision, recall and thresholds against numbers worked out by hand."""

import math

import numpy as np
import pytest

from unreset.evaluation import judging

SCORES = np.array([0.9, 0.8, 0.8, 0.4, 0.1])
POSITIVE = np.array([True, True, False, True, False])


def test_counts_and_shares_at_a_threshold():
    point = judging.at(SCORES, POSITIVE, 0.8)  # what scores just that is taken
    assert point == (0.8, 2, 1, 1, 1)
    assert (point.taken, point.precision, point.recall) == (3, 2 / 3, 2 / 3)
    assert point.f1 == pytest.approx(2 / 3) and point.accuracy == 3 / 5
    points = judging.sweep(SCORES, POSITIVE, (0.5, 0.95))
    assert [p.taken for p in points] == [3, 0]
    assert math.isnan(points[1].precision) and points[1].recall == points[1].f1 == 0
    assert points[1].accuracy == 2 / 5


def test_average_precision_takes_ties_together():
    # .9: recall 1/3 at precision 1; .8 twice: recall 2/3 at 2/3; .4: recall 1 at 3/4; .1 adds none
    assert judging.average_precision(SCORES, POSITIVE) == pytest.approx((1 + 2 / 3 + 3 / 4) / 3)
    for order in ([1, 0, 2, 3, 4], [2, 1, 4, 0, 3]):  # whatever the order of the rows
        value = judging.average_precision(SCORES[order], POSITIVE[order])
        assert value == pytest.approx(29 / 36)
    # Scores that say nothing: the share of positives.
    assert judging.average_precision(np.zeros(5), POSITIVE) == pytest.approx(3 / 5)
    assert judging.average_precision(-SCORES, POSITIVE) == pytest.approx(
        # -.1: none; -.4: recall 1/3 at 1/2; -.8 twice: 2/3 at 2/4; -.9: 1 at 3/5
        (1 / 2 + 1 / 2 + 3 / 5) / 3
    )


def test_the_best_threshold_lies_between_scores():
    # F1 at .9: 2/4, at .8: 4/6, at .4: 6/7, at .1: 6/8.
    best = judging.best(SCORES, POSITIVE)
    assert best is not None and best.threshold == pytest.approx(0.25)
    assert best[1:] == (3, 1, 0, 1) and best.f1 == pytest.approx(6 / 7)


def test_of_equally_good_thresholds_the_highest_is_best():
    # F1 at .9: 2/(1 + 2), at .1: 4/(4 + 2), the same.
    best = judging.best(np.array([0.9, 0.5, 0.4, 0.1]), np.array([True, False, False, True]))
    assert best is not None and best.threshold == pytest.approx(0.7) and best.f1 == 2 / 3


def test_neighbouring_numbers_are_told_apart():
    low = 0.5
    high = np.nextafter(low, 1)
    best = judging.best(np.array([low, high]), np.array([False, True]))
    assert best is not None and best[1:] == (1, 0, 0, 1)


def test_nothing_positive():
    none = np.zeros(5, bool)
    assert judging.best(SCORES, none) is None
    assert math.isnan(judging.average_precision(SCORES, none))
    point = judging.at(SCORES, none, 0.5)
    assert math.isnan(point.recall) and point.precision == 0 and point.accuracy == 2 / 5
    assert math.isnan(judging.at(SCORES, none, 0.95).f1)
    assert judging.best(np.empty(0), np.empty(0, bool)) is None
    assert math.isnan(judging.average_precision(np.empty(0), np.empty(0, bool)))


def test_everything_positive():
    every = np.ones(5, bool)
    best = judging.best(SCORES, every)
    assert best is not None and best == (0.1, 5, 0, 0, 0) and best.f1 == 1
    assert judging.average_precision(SCORES, every) == pytest.approx(1)
    assert judging.at(SCORES, every, 0.5).recall == 3 / 5
