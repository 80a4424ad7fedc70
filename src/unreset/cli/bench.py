"""``unreset bench``: trains a suite over seeds and makes its tables and plots."""

from __future__ import annotations

import shlex
import sys
from dataclasses import fields
from pathlib import Path

from unreset import bench
from unreset.bench import imagination_page, imagination_run
from unreset.bench.grid_display import GridDisplay
from unreset.bench.suites import find, suites
from unreset.cli.options import BenchOptions
from unreset.errors import UnresetError
from unreset.runs import compilation

STUDY = "imagination"
_ABOUT = "policies that practise in a model alone: its data, rollouts' lengths and starts (offline)"
_OF_STUDY = {
    "suite",
    "seeds",
    "first_seed",
    "out",
    "tables_only",
    "compile_cache",
}  # the options that it has


def main(given: tuple[BenchOptions, list[str]]) -> int:
    """Run the command; returns 0, or 1 if a run failed."""
    options, arguments = given
    if not options.compile_cache:
        compilation.switch_off()
    if options.suite is None:
        for suite in suites().values():
            print(f"{suite.name:14} {suite.summary}: {len(suite.cells)} cells")
        print(f"{STUDY:14} {_ABOUT}")
        return 0
    if options.suite == STUDY:
        return _study(options, arguments)
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


def _study(options: BenchOptions, arguments: list[str]) -> int:
    """The offline study, which trains no runs."""
    for field in fields(BenchOptions):
        if field.name not in _OF_STUDY and getattr(options, field.name) != field.default:
            flag = field.name.replace("_", "-")
            raise UnresetError(f"--{flag} is of suites that train methods, not of {STUDY}")
    out = options.out or Path("bench") / STUDY
    if options.tables_only:
        paths = imagination_page.write(out)
    else:
        called = shlex.join(["unreset", "bench", *arguments])
        paths = imagination_run.run(out, options.seeds, options.first_seed, called=called)
    for path in paths:
        print(path)
    return 0
