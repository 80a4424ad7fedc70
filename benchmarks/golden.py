"""Golden runs: digests of everything that a run holds, for every preset of every method.

    python benchmarks/golden.py record before.json
    python benchmarks/golden.py record after.json
    python benchmarks/golden.py compare before.json after.json

``record`` runs the toy task of the tests for 60 steps, with small networks. It uses the ``unreset``
that Python finds (PYTHONPATH), and the ``tests/toy.py`` beside it. It writes after every run, and
goes on where it was stopped. With JAX_COMPILATION_CACHE_DIR set it compiles only once. The runs:

- ``fused``: every preset;
- ``live``: one preset of every method, and how well its policy does;
- ``pixels``: two methods that look through cameras, with both drivers;
- ``resumed``: saved at step 30 and loaded into a new driver. It must end as the ``fused`` run.

What is not possible is kept with the reason, and listed at the end.

``compare`` looks for each leaf where it was, and then for its value anywhere in the run: a leaf may
move and be renamed. A leaf without a counterpart is ``gone`` or ``new``. Gone is only what was
constant in the run, or what is still there a second time; else the run differs. With
``--allow-structure`` it makes no difference what is gone or new. It exits 1 where a run differs.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import importlib
import itertools
import json
import os
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

# As in tests/conftest.py: compile fast rather than well.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true "
    "--xla_cpu_use_fusion_emitters=false",
)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")

# ---- Adapter: all that is known of the library. A refactoring edits only what is from here on ...

import jax
import numpy as np

import unreset

sys.path.insert(0, str(Path(unreset.__file__).parents[2] / "tests"))

from unreset.drivers.live import Live
from unreset.runs import checkpoint

toy: Any = importlib.import_module("toy")  # it names much of the library, in any version
registry, store, with_sight, Fused = toy.registry, toy.store, toy.with_sight, toy.Fused
PRESETS = {name: list(known) for name, known in registry.METHODS.items()}  # default ones first
SEEDS, SEEING, RESUMED = (4, 9), ("fbrl", "medal"), ("fbrl", "medal")


class Filmed(toy.PointEnv):  # type: ignore[misc]
    """The toy behind Gymnasium, with pictures; it can be saved."""

    def __init__(self, render_mode: str | None = None) -> None:
        super().__init__()

    def _seen(self) -> Any:
        return super()._seen() | jax.tree.map(np.asarray, toy.look(self.at, 16))

    def get_state(self) -> dict[str, Any]:
        return {"at": self.at, "number": self.number}

    def set_state(self, state: Any) -> None:
        self.at, self.number = np.array(state["at"]), int(state["number"])


def small(method: str, preset: str) -> Any:
    """A preset's settings with small networks and batches; ``pixels``: the default one, seeing."""
    chosen = registry.METHODS[method]["default" if preset == "pixels" else preset]
    made = toy.tiny(chosen, batch_size=2 * toy.tiny(chosen).practice.batch_size)  # at least 16
    if preset == "pixels":
        vision = dataclasses.replace(made.learner.vision, pixels=True)
        made = dataclasses.replace(made, learner=dataclasses.replace(made.learner, vision=vision))
    return widened(made)


def widened(settings: Any) -> Any:
    """Settings with two hidden layers of 16 wherever there are any."""
    held = {field.name: getattr(settings, field.name) for field in dataclasses.fields(settings)}
    wide = {name: (16, 16) for name in ("hidden", "critics_hidden") if held.get(name)}
    inner = {k: widened(v) for k, v in held.items() if dataclasses.is_dataclass(v)}
    return dataclasses.replace(settings, **(wide | inner))


def build(method: str, preset: str, live: bool) -> tuple[Any, Callable[[], dict[str, Any]]]:
    """A driver that has not practised; and what says how well its policies do."""
    task = dataclasses.replace(toy.point(), environment=Filmed)
    made = registry.method(small(method, preset), task)
    given, task = with_sight(toy.demonstrations(), task, made)
    seeds = SEEDS[:1] if live else SEEDS
    kind: Any = Live if live else Fused
    driver = kind(made, task, seeds, *store.pinned_rows(given, task), 600)
    if made.practice.cloning_updates:
        driver.clone()

    def judged() -> dict[str, Any]:
        actors = jax.tree.map(lambda leaf: leaf[:, 0], driver.run.learners.average)
        return dict(toy.deployed.figures(toy.deployed.evaluator(made, task), 2, actors))

    return driver, judged


def advance(driver: Any, start: int, stop: int) -> dict[str, Any]:
    """Practise; the row of metrics [seeds] of these steps: means, and 0 where there are none."""
    driver.advance(start, stop)
    totals = {name: np.array(pair) for name, pair in driver.run.totals.items()}
    driver.forget_totals()
    means = {name: value / np.where(weight, weight, 1) for name, (value, weight) in totals.items()}
    return means


def tree(driver: Any) -> Any:
    """All that a checkpoint of a driver would hold."""
    return driver.carry


def take_up(folder: Path, step: int, driver: Any, fresh: Any) -> None:
    """Save the state of one driver and load it into another."""
    checkpoint.save(folder, step, driver.carry, checkpoint.NOTHING, "golden")
    fresh.carry, _ = checkpoint.load(folder, step, fresh.carry, "golden")


# ---- ... to here.

STEPS = (0, 30, 60)
Leaf = list[str]  # dtype, shape, digest; and "constant" or "changing"


def leaves(held: Any) -> dict[str, Leaf]:
    """Type, shape and digest of every leaf by its path; random keys by their data."""
    found = {}
    for path, leaf in jax.tree_util.tree_flatten_with_path(held)[0]:
        kind = str(leaf.dtype)
        if jax.numpy.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            leaf = jax.random.key_data(leaf)  # noqa: PLW2901
        shape = str(list(np.shape(leaf)))
        digest = hashlib.sha256(f"{kind}{shape}".encode() + np.asarray(leaf).tobytes()).hexdigest()
        found[jax.tree_util.keystr(path)] = [kind, shape, digest[:32]]
    return found


def run(method: str, preset: str, kind: str) -> dict[str, Leaf]:
    """The leaves at the end of one run, and its metrics at every stop."""
    driver, judged = build(method, preset, kind == "live")
    before, metrics = leaves(tree(driver)), {}
    for start, stop in itertools.pairwise(STEPS):
        if kind == "resumed" and start:
            stopped, (driver, _) = driver, build(method, preset, False)
            with tempfile.TemporaryDirectory() as folder:
                take_up(Path(folder), start, stopped, driver)
        metrics[f"at {stop}"] = advance(driver, start, stop)
    if kind == "live":
        metrics["deployed"] = judged()
    found = leaves(tree(driver))
    for path, leaf in found.items():
        leaf.append("constant" if before.get(path) == leaf else "changing")
    for when, row in metrics.items():
        for name, values in row.items():
            value = str(np.ravel(values).tolist())  # every bit of it
            found[f"metrics {when}: {name}"] = ["metric", "", value, "changing"]
    return found


def names() -> Iterator[str]:
    """Every run, a method's together."""
    for method, known in PRESETS.items():
        yield from (f"{method}/{preset}/fused" for preset in known)
        yield f"{method}/{known[0]}/live"
        if method in SEEING:
            yield from (f"{method}/pixels/{driver}" for driver in ("fused", "live"))
        if method in RESUMED:
            yield f"{method}/{known[0]}/resumed"


def about() -> dict[str, str]:
    """What was run, and with what."""
    files = sorted(Path(unreset.__file__).parent.rglob("*.py"))
    source = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    return {"source": source[:16], "flags": os.environ["XLA_FLAGS"], "jax": jax.__version__}


def record(out: Path, only: str) -> int:
    """Run all that is not in the file yet."""
    kept: dict[str, Any] = {"about": about(), "runs": {}}
    if out.exists():
        kept = json.loads(out.read_text())
        if kept["about"] != about():
            print(f"{out} is of another source: remove it, or name another file")
            return 2
    runs, began = kept["runs"], time.monotonic()
    for name in (name for name in names() if name not in runs and re.search(only, name)):
        started = time.monotonic()
        try:
            made: dict[str, Any] = {"leaves": run(*name.split("/"))}
            if runs.get(name.replace("/resumed", "/fused"), made) != made:
                made = {"impossible": "it does not end as the undisturbed run does"}
        except Exception as error:  # any: the others shall be run
            made = {"impossible": f"{type(error).__name__}: {error}"}
        runs[name] = made
        jax.clear_caches()  # type: ignore[no-untyped-call]  # a process may hold only so many
        beside = out.with_name(out.name + ".partial")
        beside.write_text(json.dumps(kept, indent=0))
        beside.replace(out)
        said = made.get("impossible") or f"{len(made['leaves'])} leaves and metrics"
        print(f"{name}  {time.monotonic() - started:.1f} s  {said}", flush=True)
    impossible = [name for name, one in runs.items() if "impossible" in one]
    print(f"{len(runs)} runs in {time.monotonic() - began:.0f} s; not possible: {impossible}")
    return 0


def match(one: dict[str, Leaf], other: dict[str, Leaf]) -> list[list[str]]:
    """By path, and what is left by value: the leaves that differ, are gone, are new, have moved."""
    before, after = ({p: tuple(leaf[:3]) for p, leaf in side.items()} for side in (one, other))
    kept = {*after.values()}
    for path in before.keys() & after.keys():
        if before[path] == after[path]:
            del before[path], after[path]
    elsewhere = Counter(before.values()) & Counter(after.values())
    lost, new = unmatched(before, elsewhere), unmatched(after, elsewhere)
    needed = {p for p in lost if one[p][3] == "changing" and before[p] not in kept}
    differs = [path for path in lost if path in other or path in needed]
    sides = ((lost, differs), (new, differs), (before, lost))
    return [differs, *([p for p in paths if p not in others] for paths, others in sides)]


def unmatched(values: Mapping[str, Any], matched: Counter[Any]) -> list[str]:
    """The paths that are left when as many of each value are taken away as were matched."""
    left, rest = +matched, []
    for path, value in values.items():
        left[value] -= 1
        if left[value] < 0:
            rest.append(path)
    return rest


def verdict(one: dict[str, Any], other: dict[str, Any], allow: bool) -> tuple[str, list[str]]:
    """One run on both sides: in a word, and what there is to say about it."""
    if not one or not other:
        return "missing", [f"only in the {'first' if one else 'second'} file"]
    if "impossible" in one or "impossible" in other:
        why = [str(each.get("impossible", "possible")) for each in (one, other)]
        return ("not possible" if why[0] == why[1] else "differs"), sorted(set(why))
    differs, gone, new, moved = match(one["leaves"], other["leaves"])
    said = differs[:5] + [f"and {len(differs) - 5} more"] * (len(differs) > 5)
    said += [f"gone: {path}" for path in gone] + [f"new: {path}" for path in new]
    if differs or (not allow and (gone or new)):
        return "differs", said
    return ("same values, other places" if moved or gone or new else "same"), said


def compare(first: Path, second: Path, allow: bool) -> int:
    """Say of each run whether it is the same; 1 where one is not."""
    one, other = (json.loads(path.read_text()) for path in (first, second))
    print(f"first: {one['about']}\nsecond: {other['about']}")
    counts: Counter[str] = Counter()
    for name in dict.fromkeys([*one["runs"], *other["runs"]]):
        word, said = verdict(one["runs"].get(name, {}), other["runs"].get(name, {}), allow)
        counts[word] += 1
        print("\n    ".join([f"{name}: {word}", *said]))
    print("; ".join(f"{count} {word}" for word, count in counts.items()))
    return int(counts["differs"] + counts["missing"] > 0)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("command", choices=("record", "compare"))
    parser.add_argument("files", type=Path, nargs="+", help="one to record, two to compare")
    parser.add_argument("--only", default="", metavar="REGEX", help="names of runs to record")
    parser.add_argument("--allow-structure", action="store_true")
    options = parser.parse_args()
    if len(options.files) != 1 + (options.command == "compare"):
        parser.error("record needs one file, compare two")
    if options.command == "record":
        return record(options.files[0], options.only)
    return compare(options.files[0], options.files[1], options.allow_structure)


if __name__ == "__main__":
    sys.exit(main())
