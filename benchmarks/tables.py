"""Make the tables and plots that are not a suite's, from run folders under benchmarks/results/.

    python benchmarks/tables.py

results/runs/*: results/runs.md, and results/published.png, which draws the runs of the preset
"paper" over the published curves. results/simulated/*: results/simulated.md. The suites' own are
made by ``unreset bench SUITE --tables-only --out benchmarks/results/SUITE``.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from unreset.bench import published
from unreset.evaluation.statistics import WINDOW
from unreset.runs.rows import read_rows
from unreset.runs.summary import steps_to

RESULTS = Path(__file__).parent / "results"
PAPER_WINDOW = 10  # evaluations averaged in the published figures
COLOURS = {"vaprl": "C0", "fbrl": "C1", "medal": "C2", "r3l": "C4"}


def per_step(rows: list[dict[str, str]], column: str) -> dict[int, list[float]]:
    """The seeds' values of a column at every evaluated step."""
    values: dict[int, list[float]] = {}
    for row in rows:
        values.setdefault(int(row["env_steps"]), []).append(float(row[column]))
    return values


def simulated() -> list[str]:
    """One row for each run on a task that is not in JAX."""
    lines = [
        "| task | method | seed | steps | steps to .95 | success at any step: last 5 evaluations "
        "| at the end of an episode | return | phases in success | reward per step | hard resets |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for run in sorted(path.parent for path in RESULTS.glob("simulated/*/eval.csv")):
        rows, summary = read_rows(run / "eval.csv"), json.loads((run / "summary.json").read_text())
        last, kept = (
            [float(row[name]) for row in rows[-WINDOW:]] for name in ("success", "success_at_end")
        )
        phases = [
            f"{role} {counts['successful']} of {counts['ended']}"
            for role, counts in summary["phases"].items()
        ]
        life, first = summary["continuing_reward"], summary["steps_to_095"]
        lines.append(
            f"| {summary['task'].split(':')[-1]} | {summary['method']} | {summary['seeds'][0]} | "
            f"{summary['env_steps']:,} | {'-' if first is None else f'{first:,}'} | "
            f"{np.mean(last):.2f} ({' '.join(f'{value:.2f}' for value in last)}) | "
            f"{np.mean(kept):.2f} ({' '.join(f'{value:.2f}' for value in kept)}) | "
            f"{np.mean([float(row['return']) for row in rows[-WINDOW:]]):.1f} | "
            f"{', '.join(phases)} | {'-' if life is None else f'{life:.4f}'} | "
            f"{summary['hard_resets'][0]} |"
        )
    return lines


def runs() -> list[str]:
    """One row for each run on the tabletop outside the suites."""
    lines = [
        "| run | method | preset | seeds | steps | steps to .5 | steps to .95 | success at any "
        "step: last 5 evaluations, by seed | at the end of an episode | wide starts, any step (mug "
        "alone) | hard resets, by seed |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for run in sorted(path.parent for path in RESULTS.glob("runs/*/eval.csv")):
        rows, summary = read_rows(run / "eval.csv"), json.loads((run / "summary.json").read_text())
        success = per_step(rows, "success")
        steps = sorted(success)
        by_seed = np.mean([success[step] for step in steps[-WINDOW:]], axis=0)
        at_end = per_step(rows, "success_at_end")
        kept = np.mean([at_end[step] for step in steps[-WINDOW:]], axis=0)
        wide = "-"
        if rows[0].get("wide_success"):
            strict = np.mean(per_step(rows, "wide_success")[steps[-1]])
            loose = np.mean(per_step(rows, "wide_object_success")[steps[-1]])
            wide = f"{strict:.2f} ({loose:.2f})"
        first = [steps_to(rows, threshold) for threshold in (0.5, 0.95)]
        reached = ["-" if step is None else f"{step:,}" for step in first]
        lines.append(
            f"| {run.name} | {summary['method']} | {summary['preset']} | "
            f"{', '.join(map(str, summary['seeds']))} | {steps[-1]:,} | {' | '.join(reached)} | "
            f"{by_seed.mean():.2f} ({' '.join(f'{value:.2f}' for value in by_seed)}) | "
            f"{kept.mean():.2f} ({' '.join(f'{value:.2f}' for value in kept)}) | "
            f"{wide} | {' '.join(map(str, summary['hard_resets']))} |"
        )
    return lines


def draw_published() -> None:
    """The runs of the preset "paper" (bold, one seed) over the published means."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for run in sorted(path.parent for path in RESULTS.glob("runs/*-paper/eval.csv")):
        success = per_step(read_rows(run / "eval.csv"), "success")
        steps, values = np.array(sorted(success)), [success[step][0] for step in sorted(success)]
        kernel = np.ones(PAPER_WINDOW) / PAPER_WINDOW
        name = run.name.removesuffix("-paper")
        axes.plot(
            steps[PAPER_WINDOW - 1 :] / 1e6,
            np.convolve(values, kernel, "valid"),
            color=COLOURS.get(name, "C3"),
            label=f"{name}, ours, one seed",
        )
    for curve in published.curves("tabletop"):
        if curve.method in COLOURS:
            axes.plot(
                curve.steps / 1e6,
                curve.success,
                "--",
                color=COLOURS[curve.method],
                linewidth=1,
                label=f"{curve.method}, published, {curve.seeds} seeds",
            )
    axes.set(
        xlabel="million environment steps",
        ylabel=f"success, mean of {PAPER_WINDOW} evaluations",
        xlim=(0, 1.5),
        ylim=(0, 1.02),
    )
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    figure.savefig(RESULTS / "published.png", dpi=120)


def main() -> None:
    for name, lines in (("runs", runs()), ("simulated", simulated())):
        (RESULTS / f"{name}.md").write_text("\n".join(lines) + "\n")
        print("\n".join([*lines, ""]))
    draw_published()


if __name__ == "__main__":
    main()
