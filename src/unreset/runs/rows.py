"""The CSV logs of a run: appended to, read as far as they are whole, and mended before practice."""

from __future__ import annotations

import bisect
import contextlib
import csv
import io
import itertools
import os
import shutil
import stat
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from unreset.runs.files import discard, free_name, replacing

LOGS = ("metrics.csv", "eval.csv", "phases.csv", "visits.csv")
TEXT = frozenset({"role", "goal", "ended"})  # all other columns are numbers
_MOST_DIGITS = 18
_LARGEST = 1 << 30  # bytes, more than any run writes

Row = dict[str, str]


class Log(NamedTuple):
    """The rows of a log that are whole, and what else there is."""

    columns: list[str]  # none where the file is missing, empty or has no header
    rows: list[Row]
    torn: bool = False  # the last line is cut short, as by a crash
    damaged: int = 0  # other lines that are none of a log


def append_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Append rows to a CSV file; a column that it has not had before comes last."""
    if not rows:
        return
    columns = _header(path) or list(rows[0])
    if unknown := [name for name in rows[0] if name not in columns]:
        columns += unknown
        _rewrite(path, columns, read_rows(path))
    fresh = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="", extrasaction="ignore")
        if fresh:
            writer.writeheader()
        writer.writerows({k: _short(v) for k, v in row.items()} for row in rows)


def _header(path: Path) -> list[str]:
    if not path.exists():
        return []
    with path.open("rb") as file:
        return _cells(file.readline()) or []


def _short(value: Any) -> Any:
    return f"{value:.6g}" if isinstance(value, float) else value


def read_rows(path: Path) -> list[Row]:
    """The whole lines of any CSV file by its columns; none where it does not exist."""
    return _read(path, lambda _: True, cut=False).rows


def read_log(path: Path, seeds: Iterable[int] | None = None) -> Log:
    """A log of a run, which may be damaged, or be written to by another process.

    A row is whole where its numbers are numbers, its seed is one of ``seeds`` if they are known,
    and its step comes after those of the same seed before it. Of rows out of order as few as
    possible count as damaged.
    """
    known = None if seeds is None else {str(seed) for seed in seeds}
    found = _read(path, lambda row: _counts(row, known))
    if found.columns and not {"seed", "env_steps"} <= set(found.columns):
        return Log([], [], found.torn, found.damaged + len(found.rows) + 1)
    rows = _in_order(found.rows)
    return found._replace(rows=rows, damaged=found.damaged + len(found.rows) - len(rows))


def _read(path: Path, whole: Callable[[Row], bool], cut: bool = True) -> Log:
    """The rows that are ``whole``; a last line without its end is ``cut`` short, or counts."""
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode) or about.st_size > _LARGEST:  # a pipe may never end
            return Log([], [], damaged=1)
        content = path.read_bytes()
        lines = (content if cut else content.removesuffix(b"\n") + b"\n").split(b"\n")
    except FileNotFoundError:
        return Log([], [])
    except OSError:  # a folder, or somebody else's
        return Log([], [], damaged=1)
    torn = bool(lines.pop())
    if not lines:
        return Log([], [], torn)
    columns = _cells(lines[0])
    if not columns or len(set(columns)) < len(columns) or not all(columns):
        return Log([], [], torn, len(lines))
    rows = []
    for line in lines[1:]:
        cells = _cells(line)
        if cells is None or len(cells) != len(columns):
            continue
        row = dict(zip(columns, cells, strict=True))
        if whole(row):
            rows.append(row)
    return Log(columns, rows, torn, len(lines) - 1 - len(rows))


def _cells(line: bytes) -> list[str] | None:
    """The cells of one line; None where it is no text."""
    try:
        text = line.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        return None
    if not text.isprintable():
        return None
    if '"' not in text:
        return text.split(",")
    try:
        return next(csv.reader(io.StringIO(text), strict=True), None)
    except csv.Error:
        return None


def _counts(row: Row, seeds: set[str] | None) -> bool:
    """Whether the cells of a log's row are what its columns say."""
    try:
        for name, cell in row.items():
            if cell and name not in TEXT and cell not in ("True", "False"):
                if "_" in cell:  # float reads that, and nobody writes it
                    return False
                float(cell)
    except ValueError:
        return False
    seed, step = row.get("seed", "0"), row.get("env_steps", "0")
    fits = step.isdecimal() and step.isascii() and len(step) <= _MOST_DIGITS
    digits = seed.removeprefix("-")
    fits &= digits.isdecimal() and digits.isascii() and len(digits) <= _MOST_DIGITS
    return fits and (seeds is None or seed in seeds)


def _in_order(rows: list[Row]) -> list[Row]:
    """The rows without the fewest that must go for each seed's steps to rise."""
    of_seed: dict[str, list[int]] = {}
    for number, row in enumerate(rows):
        of_seed.setdefault(row["seed"], []).append(number)
    kept: set[int] = set()
    for numbers in of_seed.values():
        steps = [int(rows[number]["env_steps"]) for number in numbers]
        kept.update(numbers[place] for place in _rising(steps))
    return rows if len(kept) == len(rows) else [rows[number] for number in sorted(kept)]


def _rising(steps: list[int]) -> list[int]:
    """Places of a longest strictly rising part."""
    least: list[int] = []  # the last step of the rising parts of each length, as low as may be
    ends: list[int] = []
    before: list[int] = []
    for place, step in enumerate(steps):
        length = bisect.bisect_left(least, step)
        before.append(ends[length - 1] if length else -1)
        if length == len(least):
            least.append(step)
            ends.append(place)
        else:
            least[length], ends[length] = step, place
    found, place = [], ends[-1] if ends else -1
    while place >= 0:
        found.append(place)
        place = before[place]
    return found[::-1]


def doubts(folder: Path, seeds: Sequence[int]) -> list[str]:
    """What a person should know of a run's logs."""
    notes = []
    logs = {name: read_log(folder / name, seeds) for name in LOGS}
    for name, log in logs.items():
        if log.damaged:
            aside = free_name(folder / f"{name}.damaged").name
            what = (
                f"{log.damaged} damaged line(s)" if log.columns else "everything, as it is damaged"
            )
            notes.append(f"{name}: left out {what}; resuming keeps the file as {aside}")
        elif log.torn:
            notes.append(f"{name}: left out its last line, which is cut short")
    return notes + _lost(logs, len(seeds))


def _lost(logs: Mapping[str, Log], seeds: int) -> list[str]:
    """Which of the two logs that are written together lacks rows, as after a part of it is gone."""
    notes = []
    steps = {
        name: {(row["seed"], row["env_steps"]) for row in logs[name].rows}
        for name in ("metrics.csv", "eval.csv")
    }
    for name, other in itertools.permutations(steps, 2):
        log, lost = logs[name], len(steps[other] - steps[name])
        if log.damaged and not log.columns:  # all of it, as is told already
            continue
        if lost > log.damaged + log.torn + seeds:  # more than a crash can cost
            notes.append(f"{name}: {lost} rows are not there that {other} has")
    return notes


def drop_rows_after(folder: Path, step: int, seeds: Iterable[int] | None = None) -> None:
    """Drop what the logs say of steps beyond ``step``, and what is damaged, which is set aside."""
    seeds = None if seeds is None else list(seeds)
    for name in LOGS:
        path = folder / name
        log = read_log(path, seeds)
        if log.damaged:
            _set_aside(path, free_name(folder / f"{name}.damaged"))
        if not log.columns:
            discard(path)
            continue
        _rewrite(path, log.columns, [row for row in log.rows if int(row["env_steps"]) <= step])


def _rewrite(path: Path, columns: Sequence[str], rows: Iterable[Row]) -> None:
    with replacing(path) as partial, partial.open("x", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)


def _set_aside(path: Path, aside: Path) -> None:
    """Have what is at a path at another one, too."""
    if path.is_dir():
        path.rename(aside)
        return
    with contextlib.suppress(OSError):
        os.link(path, aside, follow_symlinks=False)
        return
    shutil.copyfile(path, aside)  # a file system without links
