"""``bench.json``: what a bench folder holds, so that its tables can be made from it alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from unreset import __version__
from unreset.bench import machine
from unreset.bench.plan import Job
from unreset.bench.suites import Cell, Suite
from unreset.errors import UnresetError
from unreset.runs.folder import write_json


@dataclass(frozen=True)
class Entry:
    """A cell and the runs that were asked for."""

    cell: Cell
    steps: int
    seeds: tuple[int, ...]


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


def read(out: Path) -> Manifest:
    """The manifest of a bench folder; raises UnresetError where it is none."""
    path = out / "bench.json"
    if not path.is_file():
        raise UnresetError(f"{out} is not a bench folder: it has no bench.json")
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        entries = stored.pop("entries")
        commands = tuple(stored.pop("commands"))
        return Manifest(**stored, commands=commands, entries=tuple(map(_entry, entries)))
    except (ValueError, KeyError, TypeError) as error:
        raise UnresetError(f"{path} cannot be read: {error}") from error


def _entry(stored: dict[str, Any]) -> Entry:
    cell = stored["cell"] | {"flags": tuple(stored["cell"]["flags"])}
    return Entry(Cell(**cell), stored["steps"], tuple(stored["seeds"]))


def write(
    out: Path, suite: Suite, jobs: Sequence[Job], threshold: float, command: str, at_once: int = 1
) -> None:
    """Write or extend the manifest of a bench folder: cells that were there before stay."""
    entries: dict[str, Entry] = {}
    commands: list[str] = []
    if (out / "bench.json").is_file():
        before = read(out)
        entries = {entry.cell.name: entry for entry in before.entries}
        commands = [line for line in before.commands if line != command]
    asked: dict[str, list[Job]] = {}
    for job in jobs:
        asked.setdefault(job.cell.name, []).append(job)
    for name, mine in asked.items():
        seeds = [seed for job in mine for seed in range(job.seed, job.seed + job.seeds)]
        entries[name] = Entry(mine[0].cell, mine[0].steps, tuple(seeds))
    manifest = Manifest(
        suite=suite.name,
        summary=suite.summary,
        threshold=threshold,
        entries=tuple(entries.values()),
        commands=(*commands, command),
        version=__version__,
        machine=machine.description(),
        jobs=at_once,
    )
    write_json(out / "bench.json", asdict(manifest))
