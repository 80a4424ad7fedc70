"""Damage what unreset reads, thousands of times, and count how each loader takes it.

    python benchmarks/fuzz.py --number 20000 --output benchmarks/results/fuzz.csv

Every input is a whole artefact (a file of demonstrations, a run folder, a bench) with one or two
changes, decided by the seed and the input's number. It is read in a process of its own, whose
memory is limited: well is a refusal of one line that names the file, or something valid. Exits 1
where anything else happened. With --first it goes on, and adds to the same output. Whole runs take
seconds each and come on demand:

    python benchmarks/fuzz.py --loaders run --number 200 --seconds 20
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "fuzz")]
WELL = ("refused", "loaded")
HANGING = 60.0  # seconds after which a worker is killed
MEMORY = 2 << 30  # bytes of address space beyond what a worker has at its beginning


class Hang(BaseException):
    """A loader that takes far too long."""


def outcome(loader: Any, path: Path, chance: random.Random) -> tuple[str, str]:
    """How a loader takes an artefact, and what it said."""
    from loaders import InvalidError  # noqa: PLC0415

    from unreset.errors import UnresetError  # noqa: PLC0415

    try:
        loader.load(path, chance)
    except UnresetError as refusal:
        return refused(str(refusal), path)
    except InvalidError as invalid:
        return "invalid", str(invalid)
    except Hang:
        return "hangs", ""
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        trace = error.__traceback__
        while trace and trace.tb_next:
            trace = trace.tb_next
        place = trace and f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
        return f"uncaught {type(error).__name__}", f"{str(error)[:150]!r} {place}"
    return "loaded", ""


def refused(said: str, path: Path) -> tuple[str, str]:
    """Whether a refusal is as it should be."""
    if not said.isprintable():
        return "several lines", said
    if len(said) > 1000:
        return "too long", said[:200]
    names = [path.name, *(file.name for file in path.rglob("*"))]
    return ("refused" if any(name in said for name in names) else "no name"), said


def work(options: argparse.Namespace) -> None:
    """Read the inputs of one worker; a line of JSON before and after each."""
    from loaders import LOADERS, WHOLE, artefacts  # noqa: PLC0415
    from mutations import mutate  # noqa: PLC0415

    import conftest  # noqa: F401, PLC0415 - compiles as the tests do
    import toy  # noqa: PLC0415

    toy.install()
    warnings.simplefilter("ignore")
    names = options.loaders or [name for name in LOADERS if name != WHOLE]
    whole = dict(artefacts(options.scratch, names))
    for name, path in whole.items():  # whole ones load, or nothing below means anything
        LOADERS[name].load(path, random.Random(0))
    print(json.dumps("ready"), flush=True)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, resource.RLIM_INFINITY))

    def stop(*_: object) -> None:
        raise Hang

    signal.signal(signal.SIGALRM, stop)
    for number in range(options.first, options.first + options.number):
        name = names[number % len(names)]
        chance = random.Random(f"{options.seed} {number}")
        place = options.scratch / f"input-{os.getpid()}"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        path = place / whole[name].name
        (shutil.copytree if whole[name].is_dir() else shutil.copy)(whole[name], path)
        changed = mutate(chance, path)
        if LOADERS[name].resign and chance.random() < 0.7:
            LOADERS[name].resign(chance, path)
        print(json.dumps([number, name, changed]), flush=True)
        if options.keep:
            shutil.copytree(place, options.keep / str(number), dirs_exist_ok=True)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        began = time.process_time()
        signal.alarm(20)
        found, said = outcome(LOADERS[name], path, chance)
        signal.alarm(0)
        took = time.process_time() - began
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        if found in WELL and took > options.seconds:
            found = "slow"
        print(json.dumps([found, said, round(took, 3), grown]), flush=True)
        if options.keep and found in WELL:
            shutil.rmtree(options.keep / str(number))
    shutil.rmtree(place, ignore_errors=True)


def supervise(options: argparse.Namespace, scratch: Path) -> list[dict[str, Any]]:
    """All inputs, in a worker that is started again where it dies."""
    rows: list[dict[str, Any]] = []
    first, end = options.first, options.first + options.number
    while first < end:
        words = [sys.executable, __file__, "--worker", "--scratch", str(scratch)]
        words += ["--first", str(first), "--number", str(end - first), "--seed", options.seed]
        words += ["--seconds", str(options.seconds)]
        words += ["--loaders", *options.loaders] if options.loaders else []
        words += ["--keep", str(options.keep)] if options.keep else []
        worker = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert worker.stdout is not None
        assert worker.stdout.readline() == '"ready"\n', "the worker does not begin"
        while line := worker.stdout.readline():
            number, name, changed = json.loads(line)
            signal.signal(signal.SIGALRM, lambda *_, worker=worker: worker.kill())
            signal.alarm(int(HANGING))
            told = worker.stdout.readline()
            signal.alarm(0)
            found, said, took, grown = json.loads(told or '["died", "", 0, 0]')
            row = {"number": number, "loader": name, "changed": changed, "outcome": found}
            rows.append(row | {"said": said, "seconds": took, "kilobytes": grown})
            if found not in WELL or options.verbose:
                print(*row.values(), said, f"{took:.2f} s", flush=True)
            first = number + 1
        worker.wait()
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--number", type=int, default=20_000)
    parser.add_argument("--first", type=int, default=0, help="the first input's number")
    parser.add_argument("--seed", default="0")
    parser.add_argument("--loaders", nargs="*", help="these alone")
    parser.add_argument("--output", type=Path, help="counts by loader and outcome, added up there")
    parser.add_argument("--keep", type=Path, help="where inputs that went wrong are kept")
    parser.add_argument("--seconds", type=float, default=2.0, help="of the processor, at most")
    parser.add_argument("--scratch", type=Path)
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(options)
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        rows = supervise(options, options.scratch or Path(scratch))
    counts = Counter((row["loader"], row["outcome"]) for row in rows)
    for (name, found), count in sorted(counts.items()):
        print(f"{name:20} {found:30} {count}")
    slowest, largest = (max(row[key] for row in rows) for key in ("seconds", "kilobytes"))
    print(f"slowest {slowest:.2f} s; most memory for one input {largest / 1024:.0f} MiB")
    if options.output:
        if options.output.is_file() and options.first:
            with options.output.open(newline="") as file:
                for row in csv.DictReader(file):
                    counts[row["loader"], row["outcome"]] += int(row["inputs"])
        with options.output.open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["loader", "outcome", "inputs"])
            writer.writerows([*key, count] for key, count in sorted(counts.items()))
    return int(any(row["outcome"] not in WELL for row in rows))


if __name__ == "__main__":
    sys.exit(main())
