"""The rows of the tables: one for each seed, for each cell, and for each pair of variants."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from unreset.bench.results import CellResult, SeedResult, interval
from unreset.evaluation.statistics import interquartile_mean, probability_of_improvement

ALL = "all"  # in place of a task: every task together
#: What is aggregated, by the name that it has then.
_SCORES = {
    "final": "final",
    "area": "area",
    "wide": "wide_success",
    "final_at_end": "final_at_end",
    "wide_at_end": "wide_success_at_end",
}
Row = dict[str, Any]
"""Numbers and words by column; None for what is not known or was not reached."""


def seed_rows(cells: Sequence[CellResult], threshold: float) -> list[Row]:
    """One row for each seed of each cell."""
    return [
        _known(
            {
                "method": cell.cell.method,
                "task": cell.cell.task,
                "cell": cell.cell.label,
                "seed": seed.seed,
                "steps": int(seed.steps[-1]),
                "final": seed.final,
                "area": seed.area,
                "steps_to_threshold": seed.passage(threshold)[0],
                "seconds_to_threshold": seed.passage(threshold)[1],
                "wide_success": seed.wide_success,
                "hard_resets": seed.hard_resets,
                "wall_seconds": float(seed.seconds[-1]),
                **_measured(seed),
            }
        )
        for cell in cells
        for seed in cell.seeds
    ]


def _measured(seed: SeedResult) -> Row:
    """Success at the end of episodes, which runs of earlier versions may not know."""
    found = {name: getattr(seed, name) for name in ("final_at_end", "wide_success_at_end")}
    return {name: value for name, value in found.items() if math.isfinite(value)}


def cell_rows(cells: Sequence[CellResult], threshold: float) -> list[Row]:
    """One row for each cell; and for each variant that was measured on all of several tasks."""
    rows = [_cell_row(cell, threshold) for cell in cells]
    tasks = {cell.cell.task for cell in cells}
    for label, mine in by_label(cells).items():
        if len(tasks) > 1 and len(mine) == len(tasks):
            common = {"cell": label, "method": mine[0].cell.method, "task": ALL}
            counts = {"seeds": sum(len(cell.seeds) for cell in mine)}
            rows.append(_known(common | counts | _aggregate(mine)))
    return rows


def by_label(cells: Sequence[CellResult]) -> dict[str, list[CellResult]]:
    """The cells of each variant, one for each task."""
    labels: dict[str, list[CellResult]] = {}
    for cell in cells:
        labels.setdefault(cell.cell.label, []).append(cell)
    return labels


def _cell_row(cell: CellResult, threshold: float) -> Row:
    each = np.array([seed.passage(threshold) for seed in cell.seeds])
    steps, seconds = cell.passage(threshold)
    resets = [seed.hard_resets for seed in cell.seeds if seed.hard_resets is not None]
    return _known(
        {
            "cell": cell.cell.label,
            "method": cell.cell.method,
            "task": cell.cell.task,
            "seeds": len(cell.seeds),
            "steps": int(cell.steps[-1]) if len(cell.steps) else None,
            **_aggregate([cell]),
            "steps_to_threshold": steps,
            "seconds_to_threshold": seconds,
            "steps_to_threshold_median": float(np.median(each[:, 0])),
            "seconds_to_threshold_median": float(np.median(each[:, 1])),
            "hard_resets": float(np.mean(resets)) if resets else None,
        }
    )


def _aggregate(cells: Sequence[CellResult]) -> Row:
    """Interquartile means with their intervals, seeds of several tasks together."""
    row: Row = {}
    for name, column in _SCORES.items():
        scores = [cell.scores(column) for cell in cells]
        pooled = np.concatenate(scores)
        if name.endswith("_at_end") and not np.isfinite(pooled).all():
            continue
        low, high = interval(scores)
        row |= {f"{name}_iqm": float(interquartile_mean(pooled))}
        row |= {f"{name}_low": float(low), f"{name}_high": float(high)}
        row |= {f"{name}_mean": float(np.mean(pooled))}
    return row


def improvement(cells: Sequence[CellResult]) -> dict[str, Row]:
    """For each variant and each other: how likely one of its runs has more area on a task.

    Over the tasks on which both were measured, up to the last step that both have; None where
    there is no such task.
    """
    tasks = {
        label: {cell.cell.task: cell for cell in mine} for label, mine in by_label(cells).items()
    }
    return {
        one: {other: _improvement(tasks[one], tasks[other]) for other in tasks} for one in tasks
    }


def _improvement(x: Mapping[str, CellResult], y: Mapping[str, CellResult]) -> float | None:
    areas = []
    for task in [task for task in x if task in y]:
        common = np.intersect1d(x[task].steps, y[task].steps)
        if len(common):
            areas.append([each[task].until(common[-1]).scores("area") for each in (x, y)])
    return probability_of_improvement(*zip(*areas, strict=True)) if areas else None


def _known(row: Row) -> Row:
    """The row with None for every number that is not finite."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in row.items()
    }
