"""``bench.json``: what a bench folder holds, so that its tables can be made from it alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from unreset import __version__
from unreset.bench.plan import Job
from unreset.bench.suites import Cell, Suite
from unreset.errors import UnresetError
from unreset.reading import line, read_json, reading
from unreset.runs import machine, stored
from unreset.runs.files import check_format, write_json

FORMAT = 1  # of bench.json
THRESHOLD = 0.95  # success that counts as learned, unless one says otherwise


@dataclass(frozen=True)
class Entry:
    """A cell and the runs that were asked for."""

    cell: Cell
    steps: int
    seeds: tuple[int, ...]
    preset: str = "default"
    eval_every: int | None = None

    @property
    def command(self) -> list[str]:
        """The words that train its first seeds, as far as they follow one another."""
        many = sum(seed - at == self.seeds[0] for at, seed in enumerate(self.seeds))
        words = ["unreset", "train", self.cell.method, self.cell.task, "--preset", self.preset]
        words += ["--seed", str(self.seeds[0]), "--seeds", str(many), "--steps", str(self.steps)]
        words += [] if self.eval_every is None else ["--eval-every", str(self.eval_every)]
        return [*words, *self.cell.flags]


@dataclass(frozen=True)
class Manifest:
    """The cells of a bench folder, and how they were made."""

    suite: str
    summary: str
    threshold: float
    entries: tuple[Entry, ...]
    commands: tuple[str, ...]
    """All that were given for this folder, oldest first."""
    version: str
    machine: str
    jobs: int = 1
    """The most runs at once, in the latest of those commands."""
    format: int = FORMAT


def read(out: Path) -> Manifest:
    """The manifest of a bench folder; raises UnresetError where it is none."""
    path = out / "bench.json"
    if not path.is_file():
        raise UnresetError(f"{out} is not a bench folder: it has no bench.json")
    found = read_json(path)
    writer = f"unreset {found.get('version', 'of its time')}"
    check_format(path, found.get("format", FORMAT), FORMAT, writer)
    try:
        with reading(path, f"{path} cannot be read"):
            made: Manifest = stored.build(Manifest, found)
            check_threshold(made.threshold)
            if any(not entry.seeds for entry in made.entries):
                raise ValueError("one of its entries has no seeds")
    except UnresetError as error:
        raise UnresetError(line(f"{path} cannot be read: {error}")) from error
    return made


def check_threshold(threshold: float | None) -> None:
    """Raise UnresetError unless a threshold is None or a share of success."""
    if threshold is not None and not 0 < threshold <= 1:
        raise UnresetError(f"threshold must lie in (0, 1], not {threshold}")


def write(
    out: Path,
    suite: Suite,
    jobs: Sequence[Job],
    command: str,
    threshold: float | None = None,
    at_once: int | None = 1,
) -> None:
    """Write or extend the manifest of a bench folder: what was there before stays.

    ``at_once`` is None where nothing is left to run: then it stays on record who ran it.
    """
    before = read(out) if (out / "bench.json").is_file() else None
    entries = {entry.cell.name: entry for entry in before.entries} if before else {}
    asked: dict[str, list[Job]] = {}
    for job in jobs:
        asked.setdefault(job.cell.name, []).append(job)
    for name, mine in asked.items():
        seeds = {seed for job in mine for seed in range(job.seed, job.seed + job.seeds)}
        if name in entries:
            seeds |= set(entries[name].seeds)
        job = mine[0]
        entries[name] = Entry(job.cell, job.steps, tuple(sorted(seeds)), job.preset, job.eval_every)
    fresh = Manifest(
        suite=suite.name,
        summary=suite.summary,
        threshold=threshold or (before.threshold if before else THRESHOLD),
        entries=tuple(entries.values()),
        commands=(*[line for line in before.commands if line != command], command)
        if before
        else (command,),
        version=__version__,
        machine=machine.description(),
        jobs=at_once or 1,
    )
    if before and at_once is None:
        fresh = replace(fresh, version=before.version, machine=before.machine, jobs=before.jobs)
    write_json(out / "bench.json", asdict(fresh))
