"""The offline study of imagination: policies that practise in a model alone, seed by seed.

    python benchmarks/imagination_run.py --out benchmarks/results/imagination

The same command again goes on where it stopped; ``--tables-only`` makes tables and plots alone.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import imagination_page
from imagination import (
    STARTS,
    Judged,
    Study,
    fitted,
    judged,
    model_world,
    planned,
    practised,
    real_world,
    starts,
)
from unreset import __version__
from unreset.bench.output import write_csv
from unreset.core.types import Array, Task
from unreset.errors import UnresetError
from unreset.evaluation import models
from unreset.evaluation.models import LEVELS
from unreset.models.dynamics import Model
from unreset.models.planning import Planner, Planning
from unreset.reading import read_json
from unreset.runs import machine
from unreset.runs.files import write_json
from unreset.runs.lock import locked
from unreset.runs.rows import read_rows
from unreset.seeds import checked
from unreset.tasks.pointmass import pointmass_walls as walls

Row = dict[str, Any]
PARTS = ("models", "policies", "planners")
_UNSEEN = 1_000_000  # added to a seed, for demonstrations that judge models


def run(
    out: Path,
    seeds: int = 5,
    first_seed: int = 0,
    study: Study | None = None,
    called: str = "run, from Python",
    say: Callable[[str], None] = print,
) -> list[Path]:
    """Do the study for seeds that the folder does not have yet; returns its tables and plots.

    Args:
        out: the folder.
        seeds: how many.
        first_seed: the first of them.
        study: its sizes; by default those of the tables in ``benchmarks/``.
        called: the command that the page names.
        say: told what comes next.

    Raises:
        UnresetError: where the folder holds a study of other sizes.
    """
    first_seed, seeds = checked(first_seed, seeds, "first_seed")
    checked(first_seed + seeds - 1 + 2 * _UNSEEN, name="the last seed of its fresh demonstrations")
    out.mkdir(parents=True, exist_ok=True)
    with locked(out):
        return _run(out, range(first_seed, first_seed + seeds), study or Study(), called, say)


def _run(
    out: Path, seeds: Sequence[int], study: Study, called: str, say: Callable[[str], None]
) -> list[Path]:
    about = {"version": __version__, "machine": machine.description(), "called": called}
    settings: Any = json.loads(json.dumps(asdict(study)))
    path = out / "study.json"
    if path.is_file() and read_json(path).get("study") != settings:
        raise UnresetError(f"{out} holds a study with other settings: choose another --out")
    write_json(path, {**about, "study": settings})
    task = walls.pointmass_walls("dense")
    program = _Program(study, task)
    rows: dict[str, list[Row]] = {name: list(read_rows(out / f"{name}.csv")) for name in PARTS}
    done = {int(row["seed"]) for row in rows["planners"]}
    for seed in seeds:
        if seed in done:
            say(f"seed {seed} is there already")
            continue
        begun = time.monotonic()
        for name in PARTS:
            say(f"seed {seed}: {name}, {time.monotonic() - begun:.0f} s")
            rows[name] = [row for row in rows[name] if int(row["seed"]) != seed]
            rows[name] += [{"seed": seed, **row} for row in getattr(program, name)(seed)]
        for name in PARTS:
            write_csv(out / f"{name}.csv", rows[name])
    return imagination_page.write(out)


class _Program:
    """The study's parts, each compiled once for all seeds."""

    def __init__(self, study: Study, task: Task) -> None:
        self._study, self._task = study, task
        self._fit = jax.jit(jax.vmap(partial(fitted, study, task), (0, None)))
        self._models: Any = None
        cells = itertools.product(range(len(study.sizes)), study.lengths, range(len(STARTS)))
        self._cells = np.array(list(cells))
        self._practise = jax.jit(self._practised)
        known = replace(study.planning, planner="cem")
        self._planners: dict[tuple[str, str], Any] = {
            ("cem", "real"): jax.jit(partial(self._real, known))
        }
        planners: tuple[Planner, ...] = ("cem", *study.others)
        for planner in planners:
            config = replace(study.planning, planner=planner)
            each = jax.vmap(partial(self._planned, config), (0, None))
            self._planners[planner, "model"] = jax.jit(each)

    def models(self, seed: int) -> list[Row]:
        """Fit the models of a seed; a row for each."""
        key = jax.random.key(seed)
        self._models = self._fit(jnp.array(self._study.sizes), key)
        shown = walls.demonstrations(seed=_UNSEEN + seed)
        return [self._model_row(number, shown) for number in range(len(self._study.sizes))]

    def _model_row(self, number: int, shown: Any) -> Row:
        model = jax.tree.map(lambda x: x[number], self._models)
        found = models.quality(self._study.dynamics, self._task, model, shown)
        row: Row = {"size": self._study.sizes[number]}
        for name, values in (("error", found.error), ("unchanged", found.unchanged)):
            row |= {
                f"{name}_{horizon}": float(value)
                for horizon, value in zip(found.horizons, values, strict=True)
            }
        within = zip(LEVELS, found.within, strict=True)
        return row | {f"within_{100 * level:.0f}": float(share) for level, share in within}

    def _practised(self, models: Model, begin: Array, key: Array) -> Judged:
        """Practise and judge every cell at once, [cells, episodes]."""
        cells = jnp.array(self._cells)
        practise_key, judge_key = jax.random.split(key)

        def one(cell: Array) -> Judged:
            model = jax.tree.map(lambda x: x[cell[0]], models)
            learner = practised(
                self._study, self._task, cell[1], model, begin[cell[2]], practise_key
            )
            return judged(self._study, self._task, learner, judge_key)

        return jax.vmap(one)(cells)

    def policies(self, seed: int) -> list[Row]:
        """Practise in the models of a seed; a row for each policy."""
        begin = jnp.stack([starts(self._task, kind, seed) for kind in STARTS])
        found = self._practise(self._models, begin, jax.random.key(seed + _UNSEEN))
        return [
            {
                "size": self._study.sizes[size],
                "length": int(length),
                "start": STARTS[start],
                **_means(jax.tree.map(lambda x, n=number: x[n], found)),
            }
            for number, (size, length, start) in enumerate(self._cells)
        ]

    def _planned(self, config: Planning, model: Model, key: Array) -> Judged:
        world = model_world(self._study, self._task, model)
        return planned(self._study, self._task, config, world, key)

    def _real(self, config: Planning, key: Array) -> Judged:
        return planned(self._study, self._task, config, real_world(self._task), key)

    def planners(self, seed: int) -> list[Row]:
        """Plan in the models of a seed: CEM in each and in the task, the others in the first."""
        key, rows = jax.random.key(seed + 2 * _UNSEEN), []
        for (planner, world), act in self._planners.items():
            if world == "real":
                rows.append({"planner": planner, "size": 0, **_means(act(key))})
                continue
            number = len(self._study.sizes) if planner == "cem" else 1
            models = jax.tree.map(lambda x, n=number: x[:n], self._models)
            found = act(models, key)
            for place, size in enumerate(self._study.sizes[:number]):
                one = jax.tree.map(lambda x, n=place: x[n], found)
                rows.append({"planner": planner, "size": size, **_means(one)})
        return rows


def _means(found: Judged) -> Row:
    """Means over episodes; the steps are those of the successful ones, none without any."""
    success = np.asarray(found.success)
    steps = float(np.asarray(found.steps)[success].mean()) if success.any() else ""
    return {
        "success": float(success.mean()),
        "steps": steps,
        "return": float(np.asarray(found.episode_return).mean()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5, help="how many")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("bench/imagination"), help="the folder")
    parser.add_argument("--tables-only", action="store_true", help="practise nothing")
    options = parser.parse_args()
    if options.tables_only:
        paths = imagination_page.write(options.out)
    else:
        called = shlex.join(["python", *sys.argv])
        paths = run(options.out, options.seeds, options.first_seed, called=called)
    print(*paths, sep="\n")


if __name__ == "__main__":
    main()
