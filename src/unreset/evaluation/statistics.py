"""Statistics over a handful of seeds: robust means, their uncertainty, and how soon a run learned.

A mean over five seeds says little without its uncertainty, and one bad seed decides it. Following
Agarwal, Schwarzer, Castro, Courville & Bellemare 2021, "Deep reinforcement learning at the edge of
the statistical precipice" (arXiv 2108.13264): interquartile means, percentile intervals from
bootstrapping over seeds within each task, and the probability that one method beats another.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

WINDOW = 5  # evaluations whose mean decides when a threshold is reached, and what is final
RESAMPLES = 2000  # of a bootstrap interval
CONFIDENCE = 0.95


class Statistic(Protocol):
    """What summarises scores along an axis, such as ``np.mean``."""

    def __call__(self, scores: np.ndarray, /, axis: int) -> np.ndarray:
        """The summary of ``scores`` along ``axis``, which disappears."""


class Interval(NamedTuple):
    """Bounds of an interval, of one number or of each point of a curve."""

    low: np.ndarray
    high: np.ndarray


def interquartile_mean(scores: np.ndarray, axis: int | None = None) -> np.ndarray:
    """The mean without the lowest and the highest quarter (Agarwal et al. 2021, section 4.3).

    Scores of several tasks are pooled. A quarter is rounded down to whole scores, so of five the
    lowest and the highest are left out, and of up to three none.

    Args:
        scores: any shape, not empty.
        axis: the axis that disappears; None for all.
    """
    ordered = np.sort(scores, axis=axis)
    number = ordered.size if axis is None else ordered.shape[axis]
    cut = number // 4
    kept = np.take(ordered, np.arange(cut, number - cut), axis=-1 if axis is None else axis)
    return np.mean(kept, axis=axis)


def bootstrap_interval(
    scores: Sequence[np.ndarray],
    generator: np.random.Generator,
    statistic: Statistic = interquartile_mean,
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
) -> Interval:
    """The stratified percentile interval of a statistic (Agarwal et al. 2021, section 4.2).

    Seeds are drawn with replacement within each task, so that every resample has every task as
    often as the data; the statistic is that of all drawn scores together.

    Args:
        scores: for each task, scores [seeds, ...]; numbers of seeds may differ, the rest must not.
        generator: where the resamples come from.
        statistic: called with the pooled scores [resamples, seeds of all tasks, ...] and axis 1.
        confidence: how much of the distribution lies within the interval.
        resamples: how often seeds are drawn.

    Returns:
        Bounds [...]; NaN where no task has a second seed, since one seed says nothing about others.
    """
    shape = scores[0].shape[1:]
    if max(len(task) for task in scores) < 2:
        return Interval(np.full(shape, np.nan), np.full(shape, np.nan))
    drawn = [task[generator.integers(len(task), size=(resamples, len(task)))] for task in scores]
    values = statistic(np.concatenate(drawn, axis=1), axis=1)
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
    return Interval(low, high)


def probability_of_improvement(x: Sequence[np.ndarray], y: Sequence[np.ndarray]) -> float:
    """P(X > Y) + P(X = Y) / 2, averaged over tasks (Agarwal et al. 2021, section 4.3).

    How likely it is that a run of the first method scores more than one of the second on a task
    drawn at random: the Mann-Whitney statistic of each task over its number of pairs.

    Args:
        x, y: for each task, scores [seeds] of the one and of the other method, in the same order.
    """
    each = [
        np.mean(np.heaviside(np.subtract.outer(ours, theirs), 0.5))
        for ours, theirs in zip(x, y, strict=True)
    ]
    return float(np.mean(each))


def first_passage(success: np.ndarray, threshold: float, window: int = WINDOW) -> int | None:
    """Which evaluation of a curve [evaluations] ends the first window whose mean passes.

    Returns:
        Its number, counted from 0; None where none does, or where there are too few evaluations.
    """
    for end in range(window, len(success) + 1):
        if np.mean(success[end - window : end]) >= threshold:
            return end - 1
    return None


def final_score(success: np.ndarray, window: int = WINDOW) -> np.ndarray:
    """The mean [...] of the last evaluations of curves [..., evaluations]."""
    return np.mean(success[..., -window:], axis=-1)


def trailing_mean(success: np.ndarray, window: int = WINDOW) -> np.ndarray:
    """The mean of the latest evaluations, at most ``window``, at each point [..., evaluations]."""
    total = np.cumsum(success, axis=-1)
    before = np.concatenate([np.zeros_like(total[..., :window]), total[..., :-window]], axis=-1)
    number = np.minimum(np.arange(1, success.shape[-1] + 1), window)
    return (total - before[..., : success.shape[-1]]) / number


def normalised_area(steps: np.ndarray, success: np.ndarray) -> np.ndarray:
    """The area [...] under curves [..., evaluations] over steps [evaluations], divided by the last.

    Every evaluation stands for the steps since the one before, the first for those since the
    beginning: the mean success over practice, which rewards learning early and staying there.
    """
    return success @ np.diff(steps, prepend=0) / steps[-1]
