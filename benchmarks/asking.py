"""What help costs and brings: add runs to a CSV file, and print the table of them.

    python benchmarks/asking.py OUT.csv RUN ...

Runs are folders of ``unreset train`` on a task whose stuck states are known; a row of the table is
a run with all of its seeds.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from unreset.evaluation.statistics import first_passage
from unreset.runs.folder import read_configuration
from unreset.runs.rows import append_rows, read_rows

COLUMNS = ("success", "wide_success", "hard_resets", "help_requests", "labels", "stuck")
WINDOW = 5  # evaluations that are averaged


def collected(folder: Path) -> list[dict[str, object]]:
    """The rows of a run: what was evaluated, and what it had cost by then."""
    task = read_configuration(folder).task
    cost = {(row["seed"], row["env_steps"]): row for row in read_rows(folder / "metrics.csv")}
    found = []
    for row in read_rows(folder / "eval.csv"):
        every = cost[row["seed"], row["env_steps"]] | row
        known = {name: every.get(name, "") for name in ("seed", "env_steps", *COLUMNS)}
        found.append({"task": task, "run": folder.name, **known})
    return found


def line(rows: list[dict[str, str]]) -> str:
    """A run's line of the table."""
    steps = sorted({int(row["env_steps"]) for row in rows})

    def means(column: str) -> np.ndarray:
        values = np.array([float(row[column] or 0) for row in rows])
        at = np.array([int(row["env_steps"]) for row in rows])
        return np.array([values[at == step].mean() for step in steps])

    success, resets, labels = (means(name) for name in ("success", "hard_resets", "labels"))
    passed = first_passage(success, 0.95, WINDOW)
    reached = "not reached | "
    if passed is not None:
        reached = f"{steps[passed]:,} | {resets[passed]:.0f}"
    last = [means(name)[-WINDOW:].mean() for name in ("success", "wide_success", "stuck")]
    return (
        f"| {rows[0]['task']} | {rows[0]['run']} | {last[0]:.2f} | {last[1]:.2f} | {last[2]:.2f} | "
        f"{resets[-1]:.0f} | {labels[-1]:.0f} | {reached} |"
    )


def main(out: Path, folders: list[Path]) -> None:
    print("| task | run | success | wide | stuck | resets | labels | steps to .95 | resets then |")
    print("|---|---|---|---|---|---|---|---|---|")
    for folder in folders:
        rows = collected(folder)
        append_rows(out, rows)
        print(line(rows))


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
