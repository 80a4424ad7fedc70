"""What practice from pixels costs: whole steps beside their arithmetic, in turns.

    python benchmarks/pixel_speed.py OUT.csv PRESET [SEEDS ...]

For each number of seeds, practised at once: steps of the fused driver (rendering, recording,
drawing of batches, discriminators and all), and the learner's updates alone, on batches that are
there already. ``gflop`` is what XLA counts for the latter's matrix products and the rest.
"""

from __future__ import annotations

import csv
import dataclasses
import statistics
import sys
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from speed import measure
from unreset import registry
from unreset.core.batches import draw_batches
from unreset.demos import store
from unreset.drivers.fused import Fused
from unreset.runs.configured import with_sight

TURNS, STEPS, CAPACITY = 5, 200, 20_000


def driver(preset: str, seeds: int) -> Any:
    """Practice whose updates begin at once."""
    settings = registry.settings("medalpp", preset)
    practice = dataclasses.replace(
        settings.practice, seed_steps=0, cloning_updates=0, replay_capacity=CAPACITY
    )
    settings = dataclasses.replace(settings, practice=practice)
    task = registry.task("tabletop")
    method = registry.method(settings, task)
    shown, task = with_sight(task.demonstrations(seed=0), task, method)
    rows, last = store.pinned_rows(shown, task)
    return method, task, Fused(method, task, list(range(seeds)), rows, last, CAPACITY)


def bare(method: Any, task: Any, run: Any, steps: int) -> tuple[Callable[[], None], float]:
    """The updates of ``steps`` steps of all seeds, and the operations of one of them."""
    taught = 1 if method.practice.teach == "acting" else len(method.learners)
    updates = method.practice.updates_per_step // taught
    key = jax.random.key(0)

    def drawn(one: Any) -> Any:
        return draw_batches(method, task, one, method.learners[0], updates, key)

    batches = jax.jit(jax.vmap(drawn))(run)
    learners = jax.tree.map(lambda x: x[:, 0], run.learners)

    def once(number: jax.Array, learners: Any) -> Any:
        for turn in range(taught):
            each = jax.random.fold_in(key, taught * number + turn)
            learners = jax.vmap(
                lambda one, batch, k=each: method.learner.update(one, batch, number, k)[0]
            )(learners, batches)
        return learners

    one = jax.jit(once).lower(jnp.int32(0), learners).compile().cost_analysis()
    many = jax.jit(lambda learners: jax.lax.fori_loop(0, steps, once, learners))
    return lambda: jax.block_until_ready(many(learners)), float((one or {}).get("flops", 0.0))


def measured(preset: str, seeds: int) -> dict[str, Any]:
    """A row: whole steps and their updates alone, medians of turns."""
    method, task, fused = driver(preset, seeds)
    alone, operations = bare(method, task, fused.carry.run, STEPS)
    contenders = {"whole": lambda: fused.advance(fused.done, fused.done + STEPS), "alone": alone}
    seconds = measure(contenders, TURNS, STEPS)
    step, update = (statistics.median(seconds[name]) for name in contenders)
    ratios = [a / w for a, w in zip(seconds["alone"], seconds["whole"], strict=True)]
    return {
        "device": jax.devices()[0].device_kind,
        "preset": preset,
        "seeds": seeds,
        "steps_per_second": round(1 / step, 1),
        "all_seeds_steps_per_second": round(seeds / step, 1),
        "ms_step": round(1e3 * step, 3),
        "ms_updates_alone": round(1e3 * update, 3),
        "relative": round(statistics.median(ratios), 3),
        "gflop_updates": round(operations / 1e9, 2),
    }


def main(path: str, preset: str, seeds: list[int]) -> None:
    for number in seeds:
        row = measured(preset, number)
        print(row, flush=True)
        with open(path, "a", newline="") as file:
            writer = csv.DictWriter(file, list(row), lineterminator="\n")
            if not file.tell():
                writer.writeheader()
            writer.writerow(row)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], [int(number) for number in sys.argv[3:] or ["1"]])
