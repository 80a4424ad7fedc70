"""Make the learning table and curves from run folders kept under benchmarks/results/.

    python benchmarks/tables.py

Reads every results/*/eval.csv with its summary.json and writes results/learning.md and
results/learning.png; and those of results/simulated, of tasks outside JAX, for
results/simulated.md.
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


def simulated() -> list[str]:
    """One row for each run on a task that is not in JAX."""
    lines = [
        "| task | method | seed | steps | steps to .95 | success: last 5 evaluations | return "
        "| phases in success | reward per step | hard resets |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for run in sorted(path.parent for path in RESULTS.glob("simulated/*/eval.csv")):
        rows, summary = read_rows(run / "eval.csv"), json.loads((run / "summary.json").read_text())
        last = [float(row["success"]) for row in rows[-WINDOW:]]
        phases = [
            f"{role} {counts['successful']} of {counts['ended']}"
            for role, counts in summary["phases"].items()
        ]
        life, first = summary["continuing_reward"], summary["steps_to_095"]
        lines.append(
            f"| {summary['task'].split(':')[-1]} | {summary['method']} | {summary['seeds'][0]} | "
            f"{summary['env_steps']:,} | {'-' if first is None else f'{first:,}'} | "
            f"{np.mean(last):.2f} ({' '.join(f'{value:.2f}' for value in last)}) | "
            f"{np.mean([float(row['return']) for row in rows[-WINDOW:]]):.1f} | "
            f"{', '.join(phases)} | {'-' if life is None else f'{life:.4f}'} | "
            f"{summary['hard_resets'][0]} |"
        )
    return lines


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
    others = simulated()
    (RESULTS / "simulated.md").write_text("\n".join(others) + "\n")
    print("\n".join([*lines, "", *others]))


if __name__ == "__main__":
    main()
