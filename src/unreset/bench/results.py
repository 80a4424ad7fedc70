"""What the runs of a bench folder measured, as arrays over seeds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from pathlib import Path

import numpy as np

from unreset.bench.manifest import Entry
from unreset.bench.suites import Cell
from unreset.errors import UnresetError
from unreset.evaluation import statistics
from unreset.evaluation.statistics import Interval
from unreset.report.record import Record, read_record


@dataclass(frozen=True)
class SeedResult:
    """The evaluations of one seed, in the order of their steps; each array [evaluations]."""

    seed: int
    steps: np.ndarray
    success: np.ndarray  # at any step of an episode
    at_end: np.ndarray  # at the end of one; NaN where it was not measured, as the following two
    wide: np.ndarray
    wide_at_end: np.ndarray
    seconds: np.ndarray  # of the run, which may be of several seeds at once
    hard_resets: int | None

    @property
    def final(self) -> float:
        """Success in the last evaluations."""
        return float(statistics.final_score(self.success))

    @property
    def final_at_end(self) -> float:
        """Success at the end of episodes in the last evaluations."""
        return float(statistics.final_score(self.at_end))

    @property
    def area(self) -> float:
        """Success over the whole of practice."""
        return float(statistics.normalised_area(self.steps, self.success))

    @property
    def wide_success(self) -> float:
        """Success from wide starts in the last evaluations."""
        return float(statistics.final_score(self.wide))

    @property
    def wide_success_at_end(self) -> float:
        """The same at the end of episodes."""
        return float(statistics.final_score(self.wide_at_end))

    def passage(self, threshold: float) -> tuple[float, float]:
        """Steps and seconds until a threshold was reached; infinite where it was not."""
        end = statistics.first_passage(self.success, threshold)
        return (np.inf, np.inf) if end is None else (self.steps[end], self.seconds[end])

    def until(self, step: float) -> SeedResult:
        """The evaluations up to a step."""
        kept = self.steps <= step
        names = ("steps", "success", "at_end", "wide", "wide_at_end", "seconds")
        return replace(self, **{name: getattr(self, name)[kept] for name in names})


@dataclass(frozen=True)
class CellResult:
    """The seeds of a cell that have been evaluated at least once; there may be none."""

    entry: Entry
    seeds: tuple[SeedResult, ...]

    @property
    def cell(self) -> Cell:
        """Which cell."""
        return self.entry.cell

    @property
    def complete(self) -> bool:
        """Whether every seed is there to its last step."""
        ended = [seed.steps[-1] >= self.entry.steps for seed in self.seeds]
        return len(ended) == len(self.entry.seeds) and all(ended)

    @cached_property
    def steps(self) -> np.ndarray:
        """The steps at which every seed was evaluated [points]."""
        return reduce(np.intersect1d, [seed.steps for seed in self.seeds])

    @cached_property
    def success(self) -> np.ndarray:
        """Success at those steps [seeds, points]."""
        return self._common(lambda seed: seed.success)

    @cached_property
    def at_end(self) -> np.ndarray:
        """Success at the end of episodes at those steps [seeds, points]; NaN where unmeasured."""
        return self._common(lambda seed: seed.at_end)

    @cached_property
    def seconds(self) -> np.ndarray:
        """Seconds of practice at those steps, mean over seeds [points]."""
        return np.mean(self._common(lambda seed: seed.seconds), axis=0)

    def _common(self, column: Callable[[SeedResult], np.ndarray]) -> np.ndarray:
        return np.stack([column(s)[np.isin(s.steps, self.steps)] for s in self.seeds])

    def scores(self, name: str) -> np.ndarray:
        """``final``, ``final_at_end``, ``area``, ``wide_success`` or its ``_at_end`` [seeds]."""
        return np.array([getattr(seed, name) for seed in self.seeds])

    def until(self, step: float) -> CellResult:
        """The same up to a step."""
        return replace(self, seeds=tuple(seed.until(step) for seed in self.seeds))

    def passage(self, threshold: float) -> tuple[float, float]:
        """Steps and seconds until the mean over seeds reached a threshold; else infinite."""
        end = statistics.first_passage(np.mean(self.success, axis=0), threshold)
        return (np.inf, np.inf) if end is None else (self.steps[end], self.seconds[end])


def interval(scores: list[np.ndarray], resamples: int = statistics.RESAMPLES) -> Interval:
    """The interval of the interquartile mean, the same for the same scores."""
    generator = np.random.default_rng(0)
    return statistics.bootstrap_interval(scores, generator, resamples=resamples)


def read_cell(out: Path, entry: Entry) -> CellResult:
    """The results of a cell, as far as they are there."""
    folder, found = out / entry.cell.name, list[SeedResult]()
    for place in [folder, *sorted(folder.glob("seed-*"))]:
        try:
            record = read_record(place)
        except UnresetError:  # no run yet
            continue
        known = {one.seed for one in found}
        fresh = [seed for seed in record.seeds if seed in entry.seeds and seed not in known]
        found += [_seed(record, seed) for seed in fresh]
    measured = [seed for seed in found if len(seed.steps)]
    return CellResult(entry, tuple(sorted(measured, key=lambda seed: seed.seed)))


def _seed(record: Record, seed: int) -> SeedResult:
    table, none = record.evaluation, np.empty(0, int)
    seeds, success = table.get("seed", none), table.get("success", none)
    rows = np.flatnonzero((seeds == seed) & np.isfinite(success)) if len(success) else none

    def column(name: str) -> np.ndarray:
        return table[name][rows] if name in table else np.full(len(rows), np.nan)

    steps, seconds = column("env_steps"), column("wall_seconds")
    whole = np.isfinite(steps) & np.isfinite(seconds)  # the last line of a run may be cut short
    return SeedResult(
        seed,
        steps[whole],
        success=column("success")[whole],
        at_end=column("success_at_end")[whole],
        wide=column("wide_success")[whole],
        wide_at_end=column("wide_success_at_end")[whole],
        seconds=seconds[whole],
        hard_resets=_resets(record).get(seed),
    )


def _resets(record: Record) -> dict[int, int]:
    """Hard resets by seed, as far as the summary says."""
    columns = [record.summary.get(name) for name in ("seeds", "hard_resets")]
    seeds, resets = (column if isinstance(column, list) else [] for column in columns)
    pairs = zip(seeds, resets, strict=False)
    return {a: b for a, b in pairs if isinstance(a, int) and isinstance(b, int)}
