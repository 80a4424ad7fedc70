"""Steps per second of the default run, of two checkouts by turns on one machine.

    git worktree add /tmp/before COMMIT
    python benchmarks/paired.py /tmp/before . --output benchmarks/results/paired.csv

Each turn is a process of its own: ``fbrl`` on the tabletop with its default settings, one seed, the
fused driver. Compiling and the first 50 steps do not count.
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
import time
from pathlib import Path

from unreset import registry
from unreset.demos import store
from unreset.drivers.fused import Fused

CHUNK, CHUNKS = 300, 5


def turn() -> None:
    """Print the steps per second of every chunk."""
    task = registry.task("tabletop")
    method = registry.method(registry.settings("fbrl"), task)
    driver = Fused(method, task, [0], *store.pinned_rows(task.demonstrations(), task), 40_002)
    driver.advance(0, 50)
    for number in range(CHUNKS):
        began, first = time.perf_counter(), 50 + number * CHUNK
        driver.advance(first, first + CHUNK)
        print(round(CHUNK / (time.perf_counter() - began), 1), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkouts", type=Path, nargs="*")
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--turn", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.turn:
        turn()
        return
    rows = []
    for number in range(options.turns):
        for place in options.checkouts:
            paths = {"PYTHONPATH": str(place.resolve() / "src")}
            words = [sys.executable, __file__, "--turn"]
            done = subprocess.run(
                words, env=os.environ | paths, capture_output=True, text=True, check=True
            )
            git = ["git", "-C", str(place), "rev-parse", "--short", "HEAD"]
            commit = subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
            rows += [
                {"turn": number, "commit": commit, "chunk": chunk, "steps_per_second": speed}
                for chunk, speed in enumerate(done.stdout.split())
            ]
            print(commit, done.stdout.split(), flush=True)
    if options.output:
        with options.output.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
