"""``unreset bench``: trains a suite over seeds and makes its tables and plots."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from unreset import bench
from unreset.bench.grid_display import GridDisplay
from unreset.bench.suites import find, suites
from unreset.cli.options import BenchOptions
from unreset.runs import compilation


def main(given: tuple[BenchOptions, list[str]]) -> int:
    """Run the command; returns 0, or 1 if a run failed."""
    options, arguments = given
    if not options.compile_cache:
        compilation.switch_off()
    if options.suite is None:
        for suite in suites().values():
            print(f"{suite.name:14} {suite.summary}: {len(suite.cells)} cells")
        return 0
    out = options.out or Path("bench") / find(options.suite).name
    if options.tables_only:
        for path in bench.tables(out, options.threshold):
            print(path)
        return 0
    with GridDisplay() as display:
        states = bench.run(
            options.suite,
            out,
            methods=options.methods,
            tasks=options.tasks,
            seeds=options.seeds,
            first_seed=options.first_seed,
            preset=options.preset,
            steps=options.steps,
            eval_every=options.eval_every,
            jobs=options.jobs,
            memory_gb=options.memory_gb,
            threshold=options.threshold,
            called=shlex.join(["unreset", "bench", *arguments]),
            observer=display.show,
        )
    print(out / "tables.md")
    failed = [state for state in states if state.status == "failed"]
    for state in failed:
        print(
            f"unreset: {state.job.name} failed: {state.message} ({state.job.log})", file=sys.stderr
        )
    return int(bool(failed))
