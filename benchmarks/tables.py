"""Make the learning table and curves from run folders kept under benchmarks/results/.

    python benchmarks/tables.py

Reads every results/*/eval.csv with its summary.json; writes results/learning.md and
results/learning.png.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from unreset.runs.folder import read_rows
from unreset.runs.summary import WINDOW, steps_to

RESULTS = Path(__file__).parent / "results"


def per_step(rows: list[dict[str, str]], column: str) -> dict[int, list[float]]:
    """The seeds' values of a column at every evaluated step."""
    values: dict[int, list[float]] = {}
    for row in rows:
        values.setdefault(int(row["env_steps"]), []).append(float(row[column]))
    return values


def main() -> None:
    runs = sorted(path.parent for path in RESULTS.glob("*/eval.csv"))
    lines = [
        "| run | method | preset | seeds | steps | steps to .95 | last 5 evaluations, by seed "
        "| wide starts (mug alone) | hard resets, by seed |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    figure = Figure(figsize=(7, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for run in runs:
        rows = read_rows(run / "eval.csv")
        summary = json.loads((run / "summary.json").read_text())
        success = per_step(rows, "success")
        steps = sorted(success)
        by_seed = np.mean([success[step] for step in steps[-WINDOW:]], axis=0)
        wide = "-"
        if rows[0].get("wide_success"):
            strict = np.mean(per_step(rows, "wide_success")[steps[-1]])
            loose = np.mean(per_step(rows, "wide_object_success")[steps[-1]])
            wide = f"{strict:.2f} ({loose:.2f})"
        first = steps_to(rows, 0.95)
        lines.append(
            f"| {run.name} | {summary['method']} | {summary['preset']} | "
            f"{', '.join(map(str, summary['seeds']))} | {steps[-1]:,} | "
            f"{'-' if first is None else f'{first:,}'} | "
            f"{by_seed.mean():.2f} ({' '.join(f'{value:.2f}' for value in by_seed)}) | "
            f"{wide} | {' '.join(map(str, summary['hard_resets']))} |"
        )
        if summary["preset"] == "default":
            mean = [np.mean(success[step]) for step in steps]
            axes.plot(np.array(steps) / 1000, mean, label=run.name)
    axes.set(xlabel="thousand environment steps", ylabel="success, mean of seeds", ylim=(0, 1.02))
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(RESULTS / "learning.png", dpi=120)
    (RESULTS / "learning.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
