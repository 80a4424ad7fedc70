"""What evaluating from many starts costs beside one start for each goal, by turns in one process.

    python benchmarks/evaluation_cost.py OUT.csv

A row for each task and number of episodes from its initial states (0: one for each goal from one
start, as where nothing is random): the median milliseconds of an evaluation, by how much that is
more than from one start, and the milliseconds of the 1,000 steps of practice between two
evaluations. Default settings and one seed; wide starts are left out.
"""

from __future__ import annotations

import csv
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from unreset import registry
from unreset.core.types import Task
from unreset.demos import store
from unreset.drivers.fused import Fused
from unreset.evaluation import deployed

TASKS = {"pointmass": "oracle", "tabletop_placing_moved": "oracle", "tabletop": "fbrl"}
EPISODES = (10, 20, deployed.JAX_EPISODES, 100)
TURNS, STEPS = 7, 1000


def seconds(function: Callable[[], Any]) -> float:
    """How long a call takes."""
    begin = time.perf_counter()
    jax.block_until_ready(function())
    return time.perf_counter() - begin


def driver_of(task: Task, method: str) -> Fused:
    """A run before its first step."""
    rows, last = store.pinned_rows(task.demonstrations(), task)  # type: ignore[misc]
    made = registry.method(registry.settings(method), task)
    return Fused(made, task, [0], rows, last, 20_000)


def rows(name: str, method: str) -> list[dict[str, Any]]:
    """The rows of a task."""
    task = registry.task(name)
    driver = driver_of(task, method)
    made, actor = driver._method, jax.tree.map(lambda x: x[0, 0], driver.run.learners.average)
    calls: dict[int, Callable[[], Any]] = {
        0: partial(jax.jit(partial(deployed.evaluate, made, task)), actor)
    }
    for number in EPISODES:
        goals = jnp.asarray(deployed.goals_in_turn(task, number))
        begin = partial(deployed.evaluate_from, made, task)
        calls[number] = partial(
            jax.jit(begin, static_argnums=1), actor, "initial", jax.random.key(0), goals
        )
    practice = []
    taken: dict[int, list[float]] = {number: [] for number in calls}
    for turn in range(TURNS + 1):  # the first compiles
        for number, call in calls.items():
            taken[number].append(seconds(call))
        if turn < 3:
            begun = time.perf_counter()
            driver.advance(turn * STEPS, (turn + 1) * STEPS)
            practice.append(time.perf_counter() - begun)
    median = {number: float(np.median(times[1:])) for number, times in taken.items()}
    return [
        {
            "task": name,
            "random": deployed.varies(task),
            "episodes": number,
            "milliseconds": round(1000 * median[number], 2),
            "ratio": round(median[number] / median[0], 2),
            "milliseconds_of_1000_steps": round(1000 * min(practice[1:])),
            "turns": TURNS,
        }
        for number in calls
    ]


def main(out: str) -> None:
    found = [row for name, method in TASKS.items() for row in rows(name, method)]
    with open(out, "w", newline="") as file:
        writer = csv.DictWriter(file, list(found[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(found)
    for row in found:
        print(row)


if __name__ == "__main__":
    main(sys.argv[1])
