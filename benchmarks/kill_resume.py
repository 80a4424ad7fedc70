"""Kill a run at random moments until it is done; compare its files with an undisturbed run's.

    python benchmarks/kill_resume.py --kills 10 --output benchmarks/results/kill_resume.csv

Prints, and writes, the moment of every kill; exits 1 where a file differs.
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
from pathlib import Path

LOGS = ("eval.csv", "metrics.csv", "phases.csv", "visits.csv")
CLOCKS = ("wall_seconds", "steps_per_second")


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "unreset.cli", *words]


def contents(folder: Path) -> dict[str, str]:
    """What must be equal: every log without its clocks, and the newest checkpoint's state."""
    result = {}
    for name in LOGS:
        with (folder / name).open(newline="") as file:
            rows = [{k: v for k, v in r.items() if k not in CLOCKS} for r in csv.DictReader(file)]
        result[name] = str(rows)
    newest = max(folder.glob("checkpoints/[0-9]*"))
    state = (newest / "state.safetensors").read_bytes()
    result["state"] = newest.name + hashlib.sha256(state).hexdigest()
    return result


def last_step(folder: Path) -> int:
    return max((int(p.name) for p in folder.glob("checkpoints/[0-9]*")), default=0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--method", default="medal")
    parser.add_argument("--task", default="tabletop")
    parser.add_argument("--output", type=Path, default=Path("kill_resume.csv"))
    options = parser.parse_args()
    chance = random.Random(0)
    with tempfile.TemporaryDirectory() as scratch:
        cache = {"JAX_COMPILATION_CACHE_DIR": f"{scratch}/cache"}
        environment = os.environ | cache | {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
        flags = ["--steps", str(options.steps), "--eval-every", "250", "--checkpoint-every", "250"]
        flags += ["--hidden", "32", "32", "--batch-size", "32", "--no-report"]
        flags += ["--wide-starts", "4"] if options.task == "tabletop" else ["--horizon", "20"]
        plain, disturbed = Path(scratch, "plain"), Path(scratch, "disturbed")
        train = ["train", options.method, options.task, *flags]
        quiet = {"stdout": subprocess.DEVNULL, "env": environment}
        subprocess.run(command(*train, "--out", str(plain)), check=True, **quiet)
        began = time.monotonic()
        process = subprocess.Popen(command(*train, "--out", str(disturbed)), **quiet)
        rows = []
        while len(rows) < options.kills:
            done = last_step(disturbed)
            share = (len(rows) + chance.random()) / options.kills
            aim = max(done, int(share * options.steps))  # spread over the run, at a random moment
            while last_step(disturbed) < aim and process.poll() is None:
                time.sleep(0.02)
            time.sleep(chance.uniform(0.0, 1.0))
            if process.poll() is not None:
                break
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            rows.append(
                {
                    "kill": len(rows) + 1,
                    "seconds": round(time.monotonic() - began, 2),
                    "last_checkpoint": last_step(disturbed),
                }
            )
            print(rows[-1], flush=True)
            resume = command("resume", str(disturbed), "--no-report")
            process = subprocess.Popen(resume, **quiet)
        process.wait()
        expected, found = contents(plain), contents(disturbed)
        differing = [name for name in expected if expected[name] != found[name]]
    options.output.parent.mkdir(parents=True, exist_ok=True)
    with options.output.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["kill", "seconds", "last_checkpoint"])
        writer.writeheader()
        writer.writerows(rows)
    verdict = "differs: " + ", ".join(differing) if differing else "same bytes"
    print(f"{len(rows)} kills, {verdict}")
    return 1 if differing or len(rows) < options.kills else 0


if __name__ == "__main__":
    sys.exit(main())
