"""How far from where demonstrations begin policies of the tabletop still succeed.

    python benchmarks/pixel_robustness.py OUT.csv LABEL=RUN ...

Gripper and mug start where they do in demonstrations, each coordinate off by at most ``r``; or
anywhere ("wide"). Every policy meets the same 200 starts of each kind, the four goals in turn.
"""

from __future__ import annotations

import csv
import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import unreset
from unreset.evaluation.deployed import evaluate_from
from unreset.tasks.tabletop.tabletop import HOME, MUG_START, WIDE_RANGE, State

EPISODES, SEED = 200, 90_000
RADII = (0.1, 0.25, 0.5, 1.0)


def near(radius: float) -> Callable[..., State]:
    """A reset to within ``radius`` of the demonstrations' start, in table units."""

    def reset(key: jax.Array, start: str = "initial") -> State:
        off = jax.random.uniform(key, (4,), minval=-radius, maxval=radius)
        at = jnp.clip(jnp.array((*HOME, *MUG_START)) + off, -2.8, 2.8)
        return State(at[:2], at[2:], jnp.array(False))

    return reset


def judged(folder: Path) -> list[dict[str, Any]]:
    """A row for each kind of start, means over all seeds of a run."""
    training = unreset.load(folder)._training
    starts = {f"within {radius:g}": near(radius) for radius in RADII}
    starts[f"wide, within {WIDE_RANGE:g}"] = training.task.reset
    rows = []
    for name, reset in starts.items():
        task = dataclasses.replace(training.task, reset=reset)

        def all_starts(actor: Any, task: Any = task) -> Any:
            key = jax.random.key(SEED)
            goals = jnp.asarray(task.goals)[jnp.arange(EPISODES) % len(task.goals)]
            return evaluate_from(training.method, task, actor, "wide", key, goals)

        found = jax.jit(jax.vmap(all_starts))(training.actors)
        rows.append(
            {
                "start": name,
                "episodes": int(np.asarray(found.success).size),
                "success": round(float(np.mean(found.success)), 4),
                "mug_success": round(float(np.mean(found.object_success)), 4),
            }
        )
    return rows


def main(out: str, runs: list[str]) -> None:
    with open(out, "w", newline="") as file:
        columns = ["run", "folder", "start", "episodes", "success", "mug_success"]
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        for run in runs:
            label, folder = run.split("=", 1)
            for row in judged(Path(folder)):
                writer.writerow({"run": label, "folder": Path(folder).name, **row})
                print(label, row, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
