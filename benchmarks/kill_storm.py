"""Kill runs at random moments until they are done; compare their files with undisturbed runs'.

    python benchmarks/kill_storm.py --storm 200 --output benchmarks/results/kill_storm.csv

All the while a second writer tries to resume the same folder: it must be refused in one line, or
find the folder free and go on with the run itself. The kills are spread over kinds of runs
(``--kinds``, all by default): fused and live practice, a life, PAINT with a request that nobody
answers, a bench, and pixels. A round trains one run undisturbed and the same one disturbed; its
kills are appended to the file when it is done. The same command goes on where it stopped, and
begins no round after ``--seconds``, so that it can be done in pieces. Exits 1 where a file differs,
a writer was not refused as promised, or there are fewer kills than asked for.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from unreset import bench
from unreset.bench.suites import Cell
from unreset.errors import UnresetError
from unreset.runs.checkpoint import steps
from unreset.runs.rows import LOGS, append_rows, read_rows

CLOCKS = ("wall_seconds", "steps_per_second")
EACH = 10  # kills of a round
SMALL = ("--hidden", "32", "32", "--batch-size", "32")
OFTEN = ("--eval-every", "250", "--checkpoint-every", "250")
FUSED, LIVE = (*SMALL, *OFTEN, "--wide-starts", "4"), (*SMALL, *OFTEN, "--horizon", "20")


@dataclass(frozen=True)
class Kind:
    """A kind of run; ``PRIOR`` among its words stands for the folder of the run before it."""

    words: tuple[str, ...]
    steps: int
    prior: tuple[str, ...] = ()


PIXELS = ("--image-size", "16", "--patch", "4", "--patch-widths", "8", "--features", "8")
PERSON = ("--driver", "live", "--asking.supervisor", "person", "--asking.visit-after", "100")
BENCH = "--bench"
KINDS = {
    "tabletop": Kind(("train", "fbrl", "tabletop", *FUSED), 6000),
    "medal": Kind(("train", "medal", "tabletop", *FUSED, "--seeds", "2"), 6000),
    "live": Kind(("train", "medal", "tabletop", *LIVE, "--driver", "live"), 1500),
    "life": Kind(
        ("life", "qwale", "pointmass_windy", "--prior", "PRIOR", *OFTEN, "--seeds", "2"),
        4000,
        ("prior", "pointmass", "--steps", "250", "--eval-every", "250", *SMALL),
    ),
    "paint": Kind(("train", "paint", "tabletop", *LIVE, *PERSON), 1500),
    "bench": Kind((BENCH,), 3000),
    "pixels": Kind(("train", "medalpp", "tabletop", *FUSED, *PIXELS), 1000),
}


def command(*words: str) -> list[str]:
    """The words of a command line; of the bench one of this script's own."""
    if words[0] == BENCH:
        return [sys.executable, __file__, *words]
    return [sys.executable, "-m", "unreset.cli", *words]


def contents(folder: Path) -> dict[str, str]:
    """What must be equal: every log without its clocks, and the newest checkpoint's state."""
    result = {}
    for run in [place.parent for place in sorted(folder.rglob("config.json"))]:
        for name in LOGS:
            if (run / name).exists():
                with (run / name).open(newline="") as file:
                    rows = list(csv.DictReader(file))
                kept = [{k: v for k, v in row.items() if k not in CLOCKS} for row in rows]
                result[f"{run.relative_to(folder)}/{name}"] = str(kept)
        newest = steps(run / "checkpoints")[-1]
        state = (run / "checkpoints" / f"{newest:09d}" / "state.safetensors").read_bytes()
        result[f"{run.relative_to(folder)}/state"] = f"{newest} {hashlib.sha256(state).hexdigest()}"
    return result


def saved(folder: Path) -> int:
    """The newest checkpoint of any run in a folder."""
    found = [steps(place) for place in (folder / "checkpoints", *folder.glob("*/checkpoints"))]
    return max((number for numbers in found for number in numbers), default=0)


class Storm:
    """One run that is killed again and again while others try to go on with it."""

    def __init__(self, kind: Kind, train: Sequence[str], folder: Path, environment: dict[str, str]):
        self._train, self._folder, self._environment = train, folder, environment
        self._bench = kind.words[0] == BENCH
        self._writers: list[subprocess.Popen[str]] = []
        self.wrong: list[str] = []
        self.refused = self.free = 0

    def begin(self) -> subprocess.Popen[str]:
        """Another writer: it trains where there is no run yet, and resumes where there is."""
        words = ("resume", str(self._folder), "--no-report")
        if self._bench or not (self._folder / "config.json").exists():
            words = tuple(self._train)
        writer = subprocess.Popen(
            command(*words),
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._writers.append(writer)
        return writer

    def alive(self) -> bool:
        """Whether anybody writes; those who have ended are asked how."""
        for writer in [writer for writer in self._writers if writer.poll() is not None]:
            self._writers.remove(writer)
            self._ended(writer)
        return bool(self._writers)

    def _ended(self, writer: subprocess.Popen[str]) -> None:
        said = writer.communicate()[1].strip().splitlines()
        last = said[-1] if said else ""
        held = "is being written to by process" in last
        # A bench may find that somebody goes on with one of its runs, which then counts as failed.
        held &= writer.returncode == 2 or (self._bench and writer.returncode == 1)
        if writer.returncode == 0:
            self.free += 1
        elif held or "exists already" in last:  # where another has just begun it
            self.refused += 1
        elif writer.returncode != -signal.SIGKILL:
            self.wrong.append(f"exit {writer.returncode}: {last or 'nothing said'}")

    def kill(self) -> None:
        """Kill every process whose command names the folder."""
        for place in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = place.read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
            if int(place.parent.name) != os.getpid() and str(self._folder) in " ".join(words):
                os.kill(int(place.parent.name), signal.SIGKILL)
        for writer in self._writers:
            writer.wait()


def round_of(name: str, number: int, kills: int, scratch: Path) -> list[dict[str, object]]:
    """A run with a seed of its own, killed so many times: a row for each kill."""
    kind, chance = KINDS[name], random.Random(f"{name} {number}")
    environment = os.environ | {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    environment.setdefault("JAX_COMPILATION_CACHE_DIR", str(scratch / "cache"))
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "env": environment}
    begun = time.monotonic()
    prior = scratch / "prior"
    if kind.prior:
        words = command(*kind.prior, "--out", str(prior), "--no-report", "--seed", str(number))
        subprocess.run(words, check=True, **quiet)
    words = [str(prior) if word == "PRIOR" else word for word in kind.words]
    words += ["--steps", str(kind.steps), "--seed", str(number)]
    words += [] if words[0] in (BENCH, "life") else ["--no-report"]
    plain, disturbed = scratch / "plain", scratch / "disturbed"
    subprocess.run(command(*words, "--out", str(plain)), check=True, **quiet)
    undisturbed = time.monotonic() - begun
    storm = Storm(kind, [*words, "--out", str(disturbed)], disturbed, environment)
    rows: list[dict[str, object]] = []
    began = time.monotonic()
    storm.begin()
    for kill in range(kills):
        aim = max(saved(disturbed), int((kill + chance.random()) / kills * kind.steps))
        early = chance.random() < 0.2  # while it is being loaded
        second = time.monotonic() + chance.uniform(0, 5)
        until = time.monotonic() + chance.uniform(0.5, 6) if early else float("inf")
        while storm.alive() and saved(disturbed) < aim and time.monotonic() < until:
            if time.monotonic() > second:
                second = float("inf")
                storm.begin()
            time.sleep(0.02)
        time.sleep(0 if early else chance.uniform(0.0, 1.0))
        if not storm.alive():
            break  # it is done
        storm.kill()
        place = {"kind": name, "round": number, "kill": kill + 1}
        moment = {
            "seconds": round(time.monotonic() - began, 2),
            "last_checkpoint": saved(disturbed),
        }
        rows.append(place | moment)
        storm.alive()
        storm.begin()
    finishing = time.monotonic()
    while time.monotonic() < finishing + 300:
        if not storm.alive():
            if saved(disturbed) >= saved(plain):
                break
            storm.begin()
        time.sleep(0.05)
    storm.kill()
    expected, found = contents(plain), contents(disturbed)
    differing = [file for file in expected if expected[file] != found.get(file)]
    verdict = "differs: " + ", ".join(differing) if differing else "same bytes"
    verdict = "; ".join([*storm.wrong, verdict]) if storm.wrong else verdict
    took = {"refused": storm.refused, "undisturbed": round(undisturbed, 1)}
    took |= {"disturbed": round(time.monotonic() - began, 1)}
    return [row | took | {"verdict": verdict} for row in rows]


def bench_of(options: argparse.Namespace) -> int:
    """A bench of two small runs, in a process of its own."""
    cells = [
        Cell(
            method, method, "tabletop", (*SMALL, "--checkpoint-every", "250", "--wide-starts", "4")
        )
        for method in ("fbrl", "naive")
    ]
    told = {"seeds": 1, "first_seed": options.seed, "steps": options.steps, "eval_every": 250}
    states = bench.run(cells, options.out, jobs=2, memory_gb=64, **told)
    for state in states:
        print(state.message, file=sys.stderr)
    return int(any(state.status == "failed" for state in states))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--storm", type=int, default=70, help="kills of all kinds together")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--seconds", type=float, default=1e9, help="begin no round after them")
    parser.add_argument("--output", type=Path, default=Path("kill_storm.csv"))
    parser.add_argument(BENCH, action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--steps", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bench:
        try:
            return bench_of(options)
        except UnresetError as refusal:
            print(f"unreset: {refusal}", file=sys.stderr)
            return 2
    wanted = -(-options.storm // len(options.kinds))
    began = time.monotonic()
    for name in options.kinds:
        while time.monotonic() - began < options.seconds:
            mine = [row for row in read_rows(options.output) if row["kind"] == name]
            if len(mine) >= wanted:
                break
            number = 1 + max((int(row["round"]) for row in mine), default=-1)
            with tempfile.TemporaryDirectory() as scratch:
                rows = round_of(name, number, min(EACH, wanted - len(mine)), Path(scratch))
            append_rows(options.output, rows)
            for row in rows:
                print(*row.values(), flush=True)
    rows = [row for row in read_rows(options.output) if row["kind"] in options.kinds]
    wrong = [row for row in rows if row["verdict"] != "same bytes"]
    print(f"{len(rows)} kills of {wanted * len(options.kinds)}, {len(wrong)} wrong")
    return int(bool(wrong) or len(rows) < wanted * len(options.kinds))


if __name__ == "__main__":
    sys.exit(main())
