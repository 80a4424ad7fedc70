"""``unreset bench``: trains a suite over seeds and makes its tables and plots."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

import tyro

from unreset import bench
from unreset.bench import imagination_page, imagination_run
from unreset.bench.grid_display import GridDisplay
from unreset.bench.suites import find, suites
from unreset.cli.parsing import parse
from unreset.errors import UnresetError

STUDY = "imagination"
_ABOUT = "policies that practise in a model alone: its data, rollouts' lengths and starts (offline)"
_OF_STUDY = {"suite", "seeds", "first_seed", "out", "tables_only"}  # the options that it has


@dataclass(frozen=True)
class BenchOptions:
    """Train a suite of methods and tasks over seeds, and make its tables and plots.

    Without a SUITE, list them. The same command again goes on where it stopped.

    Examples:
      unreset bench tabletop --seeds 5
      unreset bench tabletop --methods fbrl my_method:Mine
      unreset bench boundary --out here --tables-only
      unreset bench imagination
    """

    suite: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="[SUITE]")] = None
    """Which suite; None for a list."""
    methods: tuple[str, ...] = ()
    """These methods alone; also others than the suite's, and MODULE:CLASS."""
    tasks: tuple[str, ...] = ()
    """These tasks alone; also others than the suite's."""
    seeds: int = 5
    """How many seeds of each cell."""
    first_seed: int = 0
    """The first of the seeds."""
    preset: str = "default"
    """The preset of every method."""
    steps: int | None = None
    """Environment steps of each seed; None for the suite's."""
    eval_every: int | None = None
    """Steps between evaluations; None for the choice of unreset train."""
    out: Path | None = None
    """The folder of the bench; None for bench/SUITE."""
    jobs: int | None = None
    """The most runs at once; None for as many as there are cores."""
    memory_gb: float | None = None
    """GiB of memory for all runs; None for what is free now."""
    threshold: float | None = None
    """Success that counts as learned; None for what it was in this folder, or 0.95."""
    tables_only: bool = False
    """Make tables and plots from the runs that are there, and train nothing."""


def main(arguments: list[str]) -> int:
    """Run the command; returns 0, or 1 if a run failed."""
    options = parse(BenchOptions, "bench", arguments)
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
