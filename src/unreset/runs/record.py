"""What a run folder holds, read for drawing: tables, and what can be computed from them."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from unreset.errors import UnresetError
from unreset.runs.folder import LOGS, read_rows

Table = dict[str, np.ndarray]  # every column [rows]: float64, or str for ``role``

BOOKKEEPING = frozenset({"seed", "env_steps", "wall_seconds", "steps_per_second"})
NEUTRAL = 6  # the colour of what belongs to no role
_MOST_POINTS = 300  # of one drawn line
_WINDOWS = 24  # over the length of a run


@dataclass(frozen=True)
class Record:
    """The files of one run, as far as they are there. Missing tables are empty."""

    folder: Path
    config: Mapping[str, Any]
    summary: Mapping[str, Any]
    metrics: Table
    evaluation: Table
    phases: Table
    visits: Table
    missing: tuple[str, ...]  # files that are absent, empty or unreadable

    @property
    def roles(self) -> list[str]:
        """Names of the roles in the order in which they first appear."""
        names = [*self.phases.get("role", ()), *self.visits.get("role", ())]
        return list(dict.fromkeys(str(name) for name in names if name))

    @property
    def seeds(self) -> list[int]:
        """Seeds of the run, from its summary, its tables or its configuration."""
        listed = self.summary.get("seeds")
        if isinstance(listed, list) and listed:
            return [seed for seed in listed if isinstance(seed, int)]
        for table in (self.evaluation, self.metrics, self.phases):
            found = finite(table.get("seed", np.empty(0)))
            if len(found):
                return [int(seed) for seed in np.unique(found)]
        seed = self.config.get("seed")
        return [seed if isinstance(seed, int) else 0]


def finite(values: np.ndarray) -> np.ndarray:
    """The values that are numbers."""
    return np.compress(np.isfinite(values), values)


def _number(cell: str | None) -> float:
    """The number in a cell; NaN for what is none, as in the last line of a run cut short."""
    try:
        return float(cell or "nan")
    except ValueError:
        return {"True": 1.0, "False": 0.0}.get(cell or "", math.nan)


def _read_table(path: Path) -> Table:
    rows = read_rows(path)
    return {
        name: np.array([row[name] or "" for row in rows], dtype=str)
        if name == "role"
        else np.array([_number(row[name]) for row in rows], dtype=np.float64)
        for name in (rows[0] if rows else ())
        if name
    }


def _read_json(path: Path) -> Mapping[str, Any] | None:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def read_record(folder: Path) -> Record:
    """Read a run folder; files other than ``config.json`` may be missing or partial.

    Raises:
        UnresetError: if the folder is no run, that is, has no readable ``config.json``.
    """
    folder = Path(folder)
    config = _read_json(folder / "config.json")
    if config is None:
        raise UnresetError(f"{folder} is no run folder: expected a readable config.json in it")
    summary = _read_json(folder / "summary.json")
    missing = [] if summary is not None else ["summary.json"]
    tables: dict[str, Table] = {}
    for name in LOGS:
        try:
            table = _read_table(folder / name)
        except (OSError, csv.Error):
            table = {}
        if not len(table.get("env_steps", ())):
            table = {}
            missing.append(name)
        tables[name] = table
    return Record(
        folder,
        config,
        summary or {},
        metrics=tables["metrics.csv"],
        evaluation=tables["eval.csv"],
        phases=tables["phases.csv"],
        visits=tables["visits.csv"],
        missing=tuple(missing),
    )


def over_seeds(table: Table, column: str) -> tuple[np.ndarray, np.ndarray]:
    """A column by seed on common steps: ``(steps [points], values [seeds, points])``.

    Seeds are interpolated where they were not measured, and NaN before their first and after their
    last value. Both arrays are empty where the table has no number in the column.
    """
    nothing = np.empty(0), np.empty((0, 0))
    if column not in table or "env_steps" not in table:
        return nothing
    steps, values = table["env_steps"], table[column]
    seeds = table.get("seed", np.zeros(len(steps)))
    valid = np.isfinite(values) & np.isfinite(steps) & np.isfinite(seeds)
    if not valid.any():
        return nothing
    grid = np.unique(steps[valid])
    if len(grid) > _MOST_POINTS:
        grid = np.linspace(grid[0], grid[-1], _MOST_POINTS)
    lines = []
    for seed in np.unique(seeds[valid]):
        mine = valid & (seeds == seed)
        order = np.argsort(steps[mine], kind="stable")
        lines.append(
            np.interp(grid, steps[mine][order], values[mine][order], left=np.nan, right=np.nan)
        )
    return grid, np.stack(lines)


def windowed_success(record: Record, role: str) -> tuple[np.ndarray, np.ndarray]:
    """Share of a role's phases that ended in success: ``(steps [windows], share [windows])``.

    Windows have equal length; those in which no phase of the role ended are left out.
    """
    table = record.phases
    if not {"role", "env_steps", "success"} <= table.keys():
        return np.empty(0), np.empty(0)
    edges = np.linspace(0.0, np.nanmax(table["env_steps"]), _WINDOWS + 1)
    mine = (table["role"] == role) & np.isfinite(table["success"] + table["env_steps"])
    ended, _ = np.histogram(table["env_steps"][mine], edges)
    won, _ = np.histogram(table["env_steps"][mine], edges, weights=table["success"][mine])
    some = ended > 0
    return ((edges[1:] + edges[:-1]) / 2)[some], won[some] / ended[some]


def metric_panels(record: Record) -> dict[str, list[tuple[str, int]]]:
    """Training metrics that vary, by name: the columns of a panel, each with its colour's index.

    Columns that differ only in a role's suffix share a panel, in the roles' colours.
    """
    roles = {name: number for number, name in enumerate(record.roles)}
    panels: dict[str, list[tuple[str, int]]] = {}
    for column, values in record.metrics.items():
        if column in BOOKKEEPING or column == "role":
            continue
        varying = finite(values)
        if len(varying) < 2 or np.ptp(varying) == 0:
            continue
        base, _, suffix = column.rpartition("_")
        name, colour = (base, roles[suffix]) if base and suffix in roles else (column, NEUTRAL)
        panels.setdefault(name, []).append((column, colour))
    return panels
