"""Success of policies that lift the cube, by how far from the middle of the table it starts.

    python benchmarks/robustness.py OUT.csv LABEL=RUN ...

Every policy meets the same 300 starts: 100 in distribution, 200 wide. ``OUT.csv`` has one row for
each of them; the table that is printed has means over all runs of a label.
"""

from __future__ import annotations

import csv
import sys
from itertools import pairwise
from pathlib import Path

import gymnasium
import numpy as np

import unreset
import unreset.tasks

EPISODES = {"initial": 100, "wide": 200}
EDGES = (0.08, 0.12, 0.16, 0.20, 0.28)  # metres from the middle
HORIZON = 100  # steps, as in evaluation
FIRST_SEED = 90_000  # of resets: none that a run has met


def episode(environment, policy, start, seed):
    """The cube's distance from the middle at first, and steps to success, or None."""
    seen, _ = environment.reset(seed=seed, options={"start": start})
    away = float(np.hypot(*seen["observation"][4:6]))
    for steps in range(1, HORIZON + 1):
        seen, *_, info = environment.step(policy(seen))
        if info["is_success"]:
            return away, steps
    return away, None


def table(rows):
    """Lines: in distribution, wide, and the wide ones by distance."""
    labels = list(dict.fromkeys(row["run"] for row in rows))
    bands = list(pairwise(EDGES))
    names = ["initial", "wide", *(f"{100 * a:.0f} to {100 * b:.0f} cm" for a, b in bands)]
    lines = ["| run | seeds | " + " | ".join(names) + " |", "|---" * (2 + len(names)) + "|"]
    for label in labels:
        mine = [row for row in rows if row["run"] == label]
        wide = [row for row in mine if row["start"] == "wide"]
        groups = [[row for row in mine if row["start"] == "initial"], wide]
        groups += [[row for row in wide if a <= row["distance"] < b] for a, b in bands]
        shares = [np.mean([row["steps"] is not None for row in group]) for group in groups]
        seeds = len({row["seed"] for row in mine})
        lines.append(f"| {label} | {seeds} | " + " | ".join(f"{s:.2f}" for s in shares) + " |")
    return lines


def main(out, *runs):
    environment, rows = gymnasium.make("unreset/CubeGrasp-v0"), []
    for run in runs:
        label, folder = run.split("=", 1)
        policy = unreset.load(folder).export()
        for start, number in EPISODES.items():
            for seed in range(FIRST_SEED, FIRST_SEED + number):
                away, steps = episode(environment, policy, start, seed)
                row = {"run": label, "seed": policy.metadata["seed"], "start": start}
                rows.append(row | {"distance": round(away, 4), "steps": steps})
    with Path(out).open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print("\n".join(table(rows)))


if __name__ == "__main__":
    main(*sys.argv[1:])
