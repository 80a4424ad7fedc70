"""How well scores tell positives from the rest: precision and recall over thresholds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

THRESHOLDS = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)


class Point(NamedTuple):
    """What comes of taking every row that scores at least ``threshold`` for a positive."""

    threshold: float
    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int

    @property
    def taken(self) -> int:
        """Rows taken for positives."""
        return self.true_positives + self.false_positives

    @property
    def precision(self) -> float:
        """Share of the rows taken that are positives; NaN where none is taken."""
        return _share(self.true_positives, self.taken)

    @property
    def recall(self) -> float:
        """Share of the positives that are taken; NaN where there are none."""
        return _share(self.true_positives, self.true_positives + self.false_negatives)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; NaN where nothing is positive or taken."""
        wrong = self.false_positives + self.false_negatives
        return _share(2 * self.true_positives, 2 * self.true_positives + wrong)

    @property
    def accuracy(self) -> float:
        """Share of the rows that are told right."""
        return _share(self.true_positives + self.true_negatives, sum(self[1:]))


def _share(part: int, whole: int) -> float:
    return part / whole if whole else math.nan


def at(scores: np.ndarray, positive: np.ndarray, threshold: float) -> Point:
    """The counts of scores [N] and labels [N] at one threshold."""
    taken, positive = np.asarray(scores) >= threshold, np.asarray(positive, bool)
    counts = (taken & positive, taken & ~positive, ~taken & positive, ~taken & ~positive)
    return Point(threshold, *(int(count.sum()) for count in counts))


def sweep(
    scores: np.ndarray, positive: np.ndarray, thresholds: Sequence[float] = THRESHOLDS
) -> list[Point]:
    """The counts of scores [N] and labels [N] at each threshold."""
    return [at(scores, positive, threshold) for threshold in thresholds]


def best(scores: np.ndarray, positive: np.ndarray) -> Point | None:
    """The threshold with the highest F1, the highest such; None where nothing is positive.

    It lies half way between two scores that occur, so that it is not the score of any row; taking
    all rows, it is the lowest score.
    """
    values, hits, taken = _descending(scores, positive)
    if not len(hits) or not hits[-1]:
        return None
    place = int(np.argmax(2 * hits / (taken + hits[-1])))
    threshold = float(values[place])
    if place + 1 < len(values):
        lower = float(values[place + 1])
        middle = lower + (threshold - lower) / 2
        threshold = middle if middle > lower else threshold  # neighbours have no number between
    return at(scores, positive, threshold)


def average_precision(scores: np.ndarray, positive: np.ndarray) -> float:
    """``sum_k (recall_k - recall_(k-1)) precision_k`` over the scores that occur, from above.

    Rows of one score are taken together. 1 where everything is positive, the share of positives on
    average for scores that say nothing, NaN where nothing is positive.
    """
    _, hits, taken = _descending(scores, positive)
    if not len(hits) or not hits[-1]:
        return math.nan
    gained = np.diff(hits, prepend=0) / hits[-1]
    return float((gained * hits / taken).sum())


def _descending(
    scores: np.ndarray, positive: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores that occur [K], from above; how many positives and rows [K] score at least that."""
    values, which = np.unique(np.asarray(scores, np.float64), return_inverse=True)
    rows = np.bincount(which, minlength=len(values))[::-1]
    hits = np.bincount(which, np.asarray(positive, np.float64), len(values))[::-1]
    return values[::-1], np.cumsum(hits), np.cumsum(rows)
