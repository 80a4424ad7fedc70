"""How long a run takes to its first step: without kept programs, the first and the second time.

    python benchmarks/start.py METHOD TASK

Each start is a process of its own. Its first step ends when the first stretch of practice has
ended, less what the second stretch took, which compiles nothing.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROBE = """
import sys, time
import resource
from unreset import cli
from unreset.drivers.fused import Fused
import jax
ends, advance = [], Fused.advance
def timed(self, *given):
    start = time.time()
    found = jax.block_until_ready(advance(self, *given))
    used = resource.getrusage(resource.RUSAGE_SELF)
    ends.append((time.time() - start, time.time() - float(sys.argv[1]), used.ru_utime))
    return found
Fused.advance = timed
cli.main(sys.argv[2:])
(_, first, cpu), (second, _, _) = ends[:2]
print(f"PROBE {first - second:.1f} {cpu:.1f} {second:.2f}")
"""


def start(words: list[str], environment: dict[str, str]) -> str:
    """Seconds to the first step, CPU seconds by then, and seconds of the second stretch."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, str(time.time()), *words],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    found = [line for line in done.stdout.splitlines() if line.startswith("PROBE")]
    sys.stderr.write(done.stderr[-2000:])
    return found[0][6:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("method", nargs="?", default="fbrl")
    parser.add_argument("task", nargs="?", default="tabletop")
    options = parser.parse_args()
    os.environ.pop("JAX_COMPILATION_CACHE_DIR", None)
    with tempfile.TemporaryDirectory() as place:
        words = ["train", options.method, options.task, "--steps", "2000", "--no-report"]
        for number, (name, switch) in enumerate(
            [("without", "off"), ("first", "on"), ("second", "on"), ("third", "on")]
        ):
            given = {"XDG_CACHE_HOME": place, "UNRESET_COMPILE_CACHE": switch}
            out = ["--out", str(Path(place) / f"run-{number}")]
            print(f"{name:8} {start([*words, *out], given)}", flush=True)
        kept = list((Path(place) / "unreset" / "jax").iterdir())
        print(f"{len(kept)} programs, {sum(path.stat().st_size for path in kept) / 2**20:.1f} MiB")


if __name__ == "__main__":
    main()
