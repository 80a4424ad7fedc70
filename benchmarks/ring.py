"""Does a step of practice copy the replay? Time and memory with a small ring and one of 1 GiB.

    python benchmarks/ring.py --output benchmarks/results/ring.csv

For one seed and for two under ``vmap``: milliseconds of a whole step (acting, recording, sampling,
learning), the compiled loop's scratch memory, and the ring-sized copies inside the loop's program.
"""

from __future__ import annotations

import argparse
import re
import statistics
import time
from pathlib import Path

import jax
import jax.numpy as jnp

from unreset import registry
from unreset.demos import store
from unreset.drivers.fused import Fused
from unreset.runs.rows import append_rows

STEPS = 200  # of one turn


def driver(method: str, seeds: int, capacity: int) -> Fused:
    task = registry.task("tabletop")
    rows, last = store.pinned_rows(task.demonstrations(), task)
    return Fused(registry.settings(method).method(task), task, range(seeds), rows, last, capacity)


def ring_bytes(driven: Fused) -> int:
    return sum(leaf.nbytes for leaf in jax.tree.leaves(driven.carry.run.replay))


def measure(method: str, seeds: int, capacity: int, turns: int) -> dict[str, object]:
    """One row of the table."""
    driven = driver(method, seeds, capacity)
    lowered = driven._chunk.lower(driven.carry, jnp.int32(0), jnp.int32(1))
    program = lowered.compile()
    lengths = {capacity, capacity + driven.carry.run.replay.pinned}
    copies = [
        line
        for line in program.as_text().splitlines()
        if re.search(r" copy\(", line) and any(re.search(rf"\b{n}\b", line) for n in lengths)
    ]
    scratch = program.memory_analysis().temp_size_in_bytes
    driven.advance(0, 10)
    times = []
    for turn in range(turns):
        began = time.perf_counter()
        driven.advance(10 + turn * STEPS, 10 + (turn + 1) * STEPS)
        times.append(1e3 * (time.perf_counter() - began) / STEPS)
    return {
        "method": method,
        "seeds": seeds,
        "ring_mib": round(ring_bytes(driven) / 2**20, 1),
        "scratch_mib": round(scratch / 2**20, 1),
        "ring_sized_copies": len(copies),
        "milliseconds_per_step": round(statistics.median(times), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--method", default="medal")
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--output", type=Path, default=Path("ring.csv"))
    options = parser.parse_args()
    row = ring_bytes(driver(options.method, 1, 20_000)) - ring_bytes(
        driver(options.method, 1, 10_000)
    )
    rows = []
    for seeds in (1, 2):
        for mib in (options.mib / 256, options.mib):
            capacity = int(mib * 2**20 / (row / 10_000) / seeds)
            rows.append(measure(options.method, seeds, capacity, options.turns))
            print(rows[-1], flush=True)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.unlink(missing_ok=True)
    append_rows(options.output, rows)


if __name__ == "__main__":
    main()
