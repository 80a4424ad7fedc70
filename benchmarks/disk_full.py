"""Fill the disk before every single write of a run; see what it says, what is left, how it goes on.

    sudo python benchmarks/disk_full.py --output benchmarks/results/disk_full.csv

A small file system in memory is filled to the last page before write number N of a run (training,
its logs, checkpoints and report), for every N, so that this write and those after it fail as they
do in earnest. Then there is room again, and the run goes on. Rows are appended, and what the file
has is not done again: it may be stopped, or begun for a part (``--first``, ``--last``).
Exits 1 where a run said anything but one line, lost a checkpoint, or did not end as an undisturbed
one. Without root, ``--place`` takes a folder on some small file system that is otherwise empty.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import safetensors.numpy

import toy
from unreset import api
from unreset.errors import Failure, UnresetError
from unreset.runs import checkpoint
from unreset.runs.rows import LOGS, append_rows, read_rows

MEGABYTES, PAGE = 24, 4096
CLOCKS = {"wall_seconds", "steps_per_second", "peak_memory_mb"}
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_EVENTS = {"os.mkdir", "os.rename", "os.link"}


class Disk:
    """A small file system that is full from a chosen write on."""

    def __init__(self, place: Path) -> None:
        self.place, self.writes, self.full_at = place, 0, -1
        self._filling = False
        sys.addaudithook(self._heard)
        self._serialize = safetensors.numpy.serialize_file
        safetensors.numpy.serialize_file = self._serialized  # written without Python's knowing

    def _heard(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self._filling or (event != "open" and event not in _EVENTS):
            return
        writes = event in _EVENTS or (isinstance(arguments[2], int) and arguments[2] & WRITES)
        if writes and str(arguments[0]).startswith(str(self.place)):
            self._write()

    def _serialized(self, arrays: Any, path: Any, *more: Any, **named: Any) -> Any:
        if str(path).startswith(str(self.place)):
            self._write()
        return self._serialize(arrays, path, *more, **named)

    def _write(self) -> None:
        self.writes += 1
        if self.writes == self.full_at:
            self._filling = True
            self._fill(PAGE * (self.full_at % 2))  # now and then a file is half written

    def _fill(self, leave: int) -> None:
        with (self.place / "filler").open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(PAGE * 64)):
                pass
        with (self.place / "filler").open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(PAGE)):
                pass
        with (self.place / "filler").open("r+b") as file:
            file.truncate(os.path.getsize(file.name) - leave)

    def close(self) -> None:
        """Hear of nothing any more."""
        self.make_room()
        safetensors.numpy.serialize_file = self._serialize
        self._filling = True

    def begin(self, full_at: int) -> None:
        """Count writes from 1; be full from one on, or never (0)."""
        self.writes, self.full_at = 0, full_at or -1

    @contextlib.contextmanager
    def full(self) -> Iterator[None]:
        """Be full for a while."""
        self._filling = True
        self._fill(0)
        try:
            yield
        finally:
            self.make_room()

    def make_room(self) -> None:
        """Be empty again."""
        (self.place / "filler").unlink(missing_ok=True)
        self._filling = False
        self.begin(0)


@contextlib.contextmanager
def mounted(place: Path | None) -> Iterator[Path]:
    """A small file system; OSError or CalledProcessError where none can be made."""
    if place is not None:
        yield place
        return
    with tempfile.TemporaryDirectory() as scratch:
        command = ["mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m", "tmpfs", scratch]
        subprocess.run(command, check=True, capture_output=True)
        try:
            yield Path(scratch)
        finally:
            subprocess.run(["umount", scratch], check=True, capture_output=True)


def train(folder: Path) -> api.Run:
    """Three checkpoints, of which the first is pruned, and a report."""
    told = {"eval_every": 20, "checkpoint_every": 20, "wide_starts": 2, "seeds": 1, "seed": 0}
    return api.train("medal", "toy", steps=60, out=folder, report=True, **told)


def contents(folder: Path) -> dict[str, object]:
    """What must be equal: every log without its clocks, and the newest checkpoint's state."""
    found: dict[str, object] = {
        name: [
            {k: v for k, v in row.items() if k not in CLOCKS} for row in read_rows(folder / name)
        ]
        for name in LOGS
    }
    newest = checkpoint.steps(folder / "checkpoints")[-1]
    state = folder / "checkpoints" / f"{newest:09d}" / "state.safetensors"
    return found | {"step": newest, "state": state.read_bytes()}


def attempt(disk: Disk, number: int, expected: dict[str, object]) -> dict[str, object]:
    """A run for which the disk is full from write ``number`` on; and what came of it."""
    folder, began = disk.place / "run", time.monotonic()
    disk.begin(number)
    said, kind, saved = "", "", 0
    try:
        run = train(folder)
        said = " ".join(note for note in run.notes if "No space" in note)
        kind = "note" if said else "nothing"
    except Failure as failure:
        kind, said = "exit 1", str(failure)
    except UnresetError as mistake:
        kind, said = "exit 2", str(mistake)
    except Exception as error:  # what a user would see as a traceback
        kind, said = "traceback", repr(error)
    reached = disk.writes
    disk.make_room()
    verdict = "one line" if "\n" not in said else "several lines"
    try:
        if (folder / "config.json").is_file():
            run = api.load(folder)
            saved = run.env_steps
            run.resume().report()
        else:
            if folder.exists():
                verdict = f"left {sorted(os.listdir(folder))}"
            train(folder)
        verdict = verdict if contents(folder) == expected else "another result"
        left = [str(path) for path in folder.rglob("*") if "partial" in path.name]
        verdict = f"left {left}" if left else verdict
    except Exception as error:
        verdict = f"cannot go on: {error!r}"
    shutil.rmtree(folder, ignore_errors=True)
    return {
        "write": number,
        "writes": reached,
        "kind": kind,
        "said": said.replace(str(disk.place), ""),
        "saved_step": saved,
        "verdict": verdict,
        "seconds": round(time.monotonic() - began, 1),
    }


def fine(row: dict[str, Any]) -> bool:
    """Whether an attempt went as promised."""
    return row["kind"] in ("exit 1", "note", "nothing") and row["verdict"] == "one line"


def undisturbed(disk: Disk) -> tuple[int, dict[str, object]]:
    """How many writes a run makes, and what it comes to."""
    disk.begin(0)
    train(disk.place / "run")
    writes, expected = disk.writes, contents(disk.place / "run")
    shutil.rmtree(disk.place / "run")
    return writes, expected


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--last", type=int, default=None)
    parser.add_argument("--seconds", type=float, default=1e9, help="begin no attempt after them")
    parser.add_argument("--place", type=Path, default=None)
    parser.add_argument("--output", type=Path, default=Path("disk_full.csv"))
    options = parser.parse_args()
    toy.install()
    done = {int(row["write"]): row for row in read_rows(options.output)}
    began = time.monotonic()
    with mounted(options.place) as place:
        disk = Disk(place)
        writes, expected = undisturbed(disk)
        for number in range(options.first, min(options.last or writes, writes) + 1):
            if number in done or time.monotonic() - began > options.seconds:
                continue
            row = attempt(disk, number, expected)
            append_rows(options.output, [row])
            print(*row.values(), flush=True)
    rows = read_rows(options.output)
    wrong = [row["write"] for row in rows if not fine(row)]
    print(f"{len(rows)} of {writes} writes, wrong: {', '.join(wrong) or 'none'}")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
