"""What a run folder holds, read for drawing: tables, and what can be computed from them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from unreset import registry, trust
from unreset.core.types import Task
from unreset.errors import UnresetError
from unreset.reading import read_json
from unreset.runs.folder import read_summary
from unreset.runs.rows import LOGS, TEXT, Log, read_log

Table = dict[str, np.ndarray]  # every column [rows]: float64, or str for those in TEXT

BOOKKEEPING = frozenset({"seed", "env_steps", "wall_seconds", "steps_per_second"})
NEUTRAL = 6  # the colour of what belongs to no role
LEARNER_LOSSES = ("critic", "policy", "cloning", "success_critic")  # others are a signal's
# More than any run has, in a file that somebody has made: what is drawn grows with their product.
_MOST_COLUMNS, _MOST_SEEDS, _MOST_WORDS, _LONGEST = 200, 256, 16, 200
_MOST_POINTS = 300  # of one drawn line
WINDOWS = 24  # over the length of a run


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
    damaged: Mapping[str, int] = field(default_factory=dict)  # lines of logs that are left out

    @property
    def roles(self) -> list[str]:
        """Names of the roles in the order in which they first appear."""
        names = [*self.phases.get("role", ()), *self.visits.get("role", ())]
        return list(dict.fromkeys(str(name) for name in names if name))

    @cached_property
    def task(self) -> Task | None:
        """The run's task, made once, since one's own may take long.

        None where it is unknown, or where it or the method would be somebody else's code.
        """
        try:
            trust.check(self.folder, self.config)
            return registry.task(str(self.config.get("task")))
        except UnresetError:
            return None

    @property
    def seeds(self) -> list[int]:
        """Seeds of the run, from its summary, its tables or its configuration."""
        listed = self.summary.get("seeds")
        listed = listed if isinstance(listed, list) else []
        if known := list(dict.fromkeys(seed for seed in listed if isinstance(seed, int))):
            return known
        for table in (self.evaluation, self.metrics, self.phases):
            found = finite(table.get("seed", np.empty(0)))
            if len(found):
                return [int(seed) for seed in np.unique(found)]
        seed = self.config.get("seed")
        return [seed if isinstance(seed, int) else 0]


def finite(values: np.ndarray) -> np.ndarray:
    """The values that are numbers."""
    return np.compress(np.isfinite(values), values)


def _number(cell: str) -> float:
    """The number in a cell; NaN where it is empty."""
    named = {"True": 1.0, "False": 0.0, "": math.nan}
    return named[cell] if cell in named else float(cell)


def _table(log: Log) -> Table:
    """The columns of a log; none where it has more of anything than a run can have."""
    words = {name: {row[name] for row in log.rows} for name in TEXT.intersection(log.columns)}
    texts = [*log.columns, *(word for each in words.values() for word in each)]
    if (
        len(log.columns) > _MOST_COLUMNS
        or len({row.get("seed") for row in log.rows}) > _MOST_SEEDS
        or any(len(each) > _MOST_WORDS for each in words.values())
        or any(len(text) > _LONGEST for text in texts)
    ):
        return {}
    return {
        name: np.array([row[name] for row in log.rows], dtype=str)
        if name in TEXT
        else np.array([_number(row[name]) for row in log.rows], dtype=np.float64)
        for name in (log.columns if log.rows else ())
    }


def read_record(folder: Path) -> Record:
    """Read a run folder; files other than ``config.json`` may be missing or partial.

    Raises:
        UnresetError: if the folder is no run, that is, has no readable ``config.json``.
    """
    folder = Path(folder)
    path = folder / "config.json"
    config = read_json(path, f"{folder} is no run folder: its config.json cannot be read")
    for name in ("method", "task", "preset"):
        if not isinstance(config.get(name, ""), str) or len(config.get(name, "")) > _LONGEST:
            raise UnresetError(f"{path} is not a run's configuration: its {name} is no name")
    summary = read_summary(folder)
    if len(summary.get("seeds", ())) > _MOST_SEEDS:
        summary = {}
    missing = [] if summary else ["summary.json"]
    logs = {name: read_log(folder / name) for name in LOGS}
    tables = {name: _table(log) for name, log in logs.items()}
    missing += [name for name, table in tables.items() if not table]
    return Record(
        folder,
        config,
        summary,
        metrics=tables["metrics.csv"],
        evaluation=tables["eval.csv"],
        phases=tables["phases.csv"],
        visits=tables["visits.csv"],
        missing=tuple(missing),
        damaged={name: log.damaged for name, log in logs.items() if log.damaged},
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


def windowed(record: Record, role: str, column: str | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean over a role's phases: ``(steps [windows], mean [windows])``.

    ``column`` is the name of a column of ``phases.csv`` or one number for each of its rows. Windows
    have equal length; those in which no phase of the role has a number are left out.
    """
    table = record.phases
    values = table.get(column) if isinstance(column, str) else column
    if values is None or not {"role", "env_steps"} <= table.keys():
        return np.empty(0), np.empty(0)
    edges = np.linspace(0.0, np.nanmax(table["env_steps"]), WINDOWS + 1)
    mine = (table["role"] == role) & np.isfinite(values + table["env_steps"])
    ended, _ = np.histogram(table["env_steps"][mine], edges)
    total, _ = np.histogram(table["env_steps"][mine], edges, weights=values[mine])
    some = ended > 0
    return ((edges[1:] + edges[:-1]) / 2)[some], total[some] / ended[some]


def signals(record: Record) -> list[str]:
    """Names of the learned signals that ``metrics.csv`` has measurements of."""
    columns = [_split(record, column)[0] for column in record.metrics]
    found = [re.fullmatch(r"(.+?)(?:(?:_fresh)?_accuracy|_loss)", column) for column in columns]
    names = dict.fromkeys(match[1] for match in found if match)
    return [name for name in names if name not in LEARNER_LOSSES]


def _split(record: Record, column: str) -> tuple[str, str]:
    """A metric's name without its role's, and that role's (empty if it has none)."""
    for role in record.roles:
        if column.endswith(f"_{role}") and column != f"_{role}":
            return column.removesuffix(f"_{role}"), role
    return column, ""


def metric_panels(record: Record) -> dict[str, list[tuple[str, int]]]:
    """Metrics of practice that vary, by name: the columns of a panel, with their colours' indices.

    Columns that differ only in a role's suffix share a panel, in the roles' colours. Those of
    learned signals are left to :func:`signal_panels`.
    """
    roles = {name: number for number, name in enumerate(record.roles)}
    learned = tuple(f"{name}_" for name in signals(record))
    panels: dict[str, list[tuple[str, int]]] = {}
    for column, values in record.metrics.items():
        if column in BOOKKEEPING or column in TEXT or column.startswith(learned):
            continue
        varying = finite(values)
        if len(varying) < 2 or np.ptp(varying) == 0:
            continue
        name, role = _split(record, column)
        panels.setdefault(name, []).append((column, roles[role] if role else NEUTRAL))
    return panels


def signal_panels(record: Record) -> dict[str, list[tuple[str, int]]]:
    """The same for learned signals, also where nothing varies: accuracies of all share panels."""
    roles = {name: number for number, name in enumerate(record.roles)}
    panels: dict[str, list[tuple[str, int]]] = {}
    for number, name in enumerate(signals(record)):
        for column, values in record.metrics.items():
            if not column.startswith(f"{name}_") or not len(finite(values)):
                continue
            full, role = _split(record, column)
            what = full.removeprefix(f"{name}_")
            colour = roles[role] if role else NEUTRAL + number
            panels.setdefault(what if what.endswith("accuracy") else full, []).append(
                (column, colour)
            )
    return panels
