"""Runs a suite: what there is to do, the processes, and the tables after each of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from unreset.bench import manifest, suites
from unreset.bench.grid import COMMAND, Grid, State
from unreset.bench.output import tables
from unreset.bench.plan import make_jobs
from unreset.bench.suites import Cell, Suite
from unreset.errors import Failure, UnresetError
from unreset.runs import machine
from unreset.runs.interrupts import deferred
from unreset.runs.lock import locked
from unreset.seeds import checked

Observer = Callable[[Sequence[State]], None]


def run(
    suite: str | Suite | Sequence[Cell],
    out: str | Path | None = None,
    *,
    methods: Sequence[str] = (),
    tasks: Sequence[str] = (),
    seeds: int = 5,
    first_seed: int = 0,
    preset: str = "default",
    steps: int | None = None,
    eval_every: int | None = None,
    jobs: int | None = None,
    memory_gb: float | None = None,
    threshold: float | None = None,
    command: Sequence[str] = COMMAND,
    called: str = "unreset.bench.run, from Python",
    observer: Observer | None = None,
) -> list[State]:
    """Train every cell of a suite and make its tables; calling it again goes on.

    Args:
        suite: a name from ``unreset bench``, a suite or cells of one's own.
        out: the folder of the bench; by default ``bench/`` and the suite's name.
        methods: these alone; others than the suite's are added, also ``module:Class``.
        tasks: these alone; others than the suite's are added.
        seeds: how many seeds of each cell.
        first_seed: the first of them.
        preset: of every method.
        steps: environment steps of each seed; by default the suite's.
        eval_every: steps between evaluations; by default ``unreset train``'s choice.
        jobs: the most processes at once; by default as many as this process has cores.
        memory_gb: GiB for all of them; by default what is free now.
        threshold: success that counts as learned; by default what the folder had, or .95.
        command: what comes before ``train``; by default this Python's ``unreset``.
        called: the command that the tables name.
        observer: called again and again with the jobs' states.

    Returns:
        The state of every job; those whose ``status`` is ``"failed"`` say why in ``message``.

    Raises:
        UnresetError: where something does not exist, a run in the folder was made otherwise, or
            another bench is under way in it.
        KeyboardInterrupt: after Ctrl-C, when the runs have saved.
    """
    first_seed, seeds = checked(first_seed, seeds, "first_seed")
    suite = _suite(suite, methods, tasks)
    suites.check(suite.cells)
    at_once = len(machine.cores()) if jobs is None else jobs
    for name, value in (
        ("jobs", at_once),
        ("steps", 1 if steps is None else steps),
        ("eval_every", 1 if eval_every is None else eval_every),
    ):
        if value < 1:
            raise UnresetError(f"{name} must be at least 1, not {value}")
    if memory_gb is not None and not memory_gb > 0:
        raise UnresetError(f"memory_gb must be above 0, not {memory_gb}")
    manifest.check_threshold(threshold)
    memory = machine.available_memory() if memory_gb is None else 1024 * memory_gb
    steps = suite.steps if steps is None else steps
    out = Path("bench") / suite.name if out is None else Path(out)
    todo = make_jobs(suite.cells, out, seeds, first_seed, preset, steps, eval_every)
    try:
        out.mkdir(parents=True, exist_ok=True)
        with locked(out, ", or by runs that it started") as descriptor, deferred() as asked:
            grid = Grid(
                todo, at_once=at_once, memory=memory, command=command, inherited=[descriptor]
            )
            manifest.write(out, suite, todo, called, threshold, at_once if grid.waiting else None)
            grid.run(asked, observer or _silent, lambda: _tables_so_far(out))
            tables(out)
            if asked.is_set():
                raise KeyboardInterrupt(f"the runs are saved; the same command goes on with {out}")
    except OSError as error:
        raise Failure(f"cannot write to {out}: {error.strerror or error}") from error
    return grid.states


def _suite(
    suite: str | Suite | Sequence[Cell], methods: Sequence[str], tasks: Sequence[str]
) -> Suite:
    if isinstance(suite, str):
        suite = suites.find(suite)
    elif not isinstance(suite, Suite):
        suite = Suite("cells", "cells of one's own", tuple(suite))
    return suites.narrowed(suite, methods, tasks)


def _tables_so_far(out: Path) -> None:
    """Make the tables between two jobs; a run that is writing must not end the bench."""
    try:
        tables(out)
    except (OSError, UnresetError, ValueError):
        return  # they are made again after the next, and a mistake that stays ends the last


def _silent(_: Sequence[State]) -> None:
    """Show nothing."""
