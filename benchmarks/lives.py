"""Single lives: add runs to a CSV file of one row per life, and print the table of them.

    python benchmarks/lives.py OUT.csv PRIOR BUDGET WHAT=RUN ...

``PRIOR`` says in a word what went before, ``WHAT`` is how the life differs from its method's
default, ``BUDGET`` the steps after which a life counts as one without success, and with which it
then counts; of one that was stopped before them nothing is printed but how far it came. Runs of
one task, method and ``WHAT`` are one line of the table.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from unreset.runs.folder import read_configuration
from unreset.runs.lives import figures
from unreset.runs.rows import append_rows


def collected(folder: Path, prior: str, budget: int, what: str) -> list[dict[str, object]]:
    """A row for each seed of a run."""
    config = read_configuration(folder)
    summary = json.loads((folder / "summary.json").read_text())
    shared = {"run": folder.name, "task": config.task, "prior": prior, "method": config.method}
    return [
        {
            **shared,
            "what": what,
            "seed": seed,
            "budget": budget,
            "env_steps": summary["env_steps"],
            "life_steps": "" if steps is None or steps > budget else steps,
            "wall_seconds": summary["wall_seconds"],
        }
        for seed, steps in zip(summary["seeds"], summary["life_steps"], strict=True)
    ]


def line(rows: list[dict[str, object]]) -> str:
    """The line of the table for lives of one kind."""
    steps = [int(str(row["life_steps"])) if row["life_steps"] else None for row in rows]
    budget = int(str(rows[0]["budget"]))
    lived = min((int(str(r["env_steps"])) for r in rows if not r["life_steps"]), default=budget)
    solved = [step for step in steps if step is not None]
    begin = f"| {rows[0]['task']} | {rows[0]['prior']} | `{rows[0]['method']}` {rows[0]['what']} | "
    if len(solved) < len(steps) and lived < budget:
        return f"{begin}{len(solved)} of {len(steps)} at {lived:,}, where it was stopped | | |"
    found = figures(steps, budget)
    low, high = found["life_mean_interval"]
    mean = f"{found['life_mean']:,.0f}"
    if low is not None:  # of one life there is no interval
        mean += f" ({low:,.0f} to {high:,.0f})"
    return f"{begin}{len(solved)} of {len(steps)} | {mean} | {found['life_median']:,.0f} |"


def main(out: Path, prior: str, budget: int, runs: list[str]) -> None:
    print("| task | prior | life | reached the goal | mean (95 %) | median |")
    print("|---|---|---|---|---|---|")
    groups: dict[tuple[object, ...], list[dict[str, object]]] = {}
    for run in runs:
        what, folder = run.split("=", 1)
        rows = collected(Path(folder), prior, budget, what)
        append_rows(out, rows)
        groups.setdefault((rows[0]["task"], rows[0]["method"], what), []).extend(rows)
    for rows in groups.values():
        print(line(rows))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4:])
