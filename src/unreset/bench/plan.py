"""What a grid comes to: its jobs, whether their folders fit, and what there is left to do."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unreset import registry
from unreset.bench.suites import Cell
from unreset.cli.training_options import parse_training
from unreset.errors import UnresetError
from unreset.methods.settings import Settings
from unreset.report.facts import flatten
from unreset.runs import stored
from unreset.runs.config import RunConfig
from unreset.runs.folder import read_configuration, read_summary

_FIXED = ("evaluation", "reward", "start", "horizon")  # what train takes as given, None included


@dataclass(frozen=True)
class Job:
    """A run for a process of its own: one seed, or all at once where the task is in JAX."""

    cell: Cell
    folder: Path
    seed: int
    seeds: int
    steps: int
    preset: str = "default"
    eval_every: int | None = None

    @property
    def name(self) -> str:
        """What it is called on the terminal."""
        alone = self.folder.name != self.cell.name
        return f"{self.cell.name} seed {self.seed}" if alone else self.cell.name

    @property
    def log(self) -> Path:
        """Where its output goes, next to its folder."""
        return self.folder.with_name(f"{self.folder.name}.log")


def make_jobs(
    cells: Sequence[Cell],
    out: Path,
    seeds: int,
    first_seed: int = 0,
    preset: str = "default",
    steps: int | None = None,
    eval_every: int | None = None,
) -> list[Job]:
    """One job for each cell in JAX, one for each seed of any other; None steps are the preset's."""
    jobs = []
    in_jax = {task: registry.task(task).step is not None for task in {c.task for c in cells}}
    for cell in cells:
        settings, options = parsed(cell, preset)
        budget = settings.steps if steps is None else steps
        folder, common = out / cell.name, (budget, preset, eval_every)
        if in_jax[cell.task] and options["driver"] != "live":
            jobs.append(Job(cell, folder, first_seed, seeds, *common))
        else:
            each = range(first_seed, first_seed + seeds)
            jobs += [Job(cell, folder / f"seed-{seed}", seed, 1, *common) for seed in each]
    return jobs


def words(job: Job) -> list[str] | None:
    """The command that begins or continues a job; None where there is nothing left to do.

    Raises:
        UnresetError: where its folder holds a run of another configuration, or something else.
    """
    if not (job.folder / "config.json").is_file():
        files = [file.name for file in job.folder.rglob("*") if file.is_file()]
        if any(not name.startswith(".") and name != "demonstrations.safetensors" for name in files):
            raise UnresetError(f"{job.folder} holds files but no run: choose another --out")
        flags = ["--preset", job.preset, "--seed", job.seed, "--seeds", job.seeds]
        flags += ["--steps", job.steps, *job.cell.flags, "--no-report", "--out", job.folder]
        flags += [] if job.eval_every is None else ["--eval-every", job.eval_every]
        return ["train", job.cell.method, job.cell.task, *map(str, flags)]
    found = read_configuration(job.folder)
    _compare(job, found)
    if found.steps > job.steps:
        raise _difference(job, "steps", str(found.steps), str(job.steps))
    if practised(job.folder) >= job.steps:
        return None
    more = [] if found.steps == job.steps else ["--steps", str(job.steps)]
    if any(":" in name for name in (found.method, found.task)):
        more.append("--trust")  # it is what was asked for, as just compared
    return ["resume", str(job.folder), "--no-report", *more]


def prepare(job: Job) -> None:
    """Make room for a run that begins: what a crash left before there was a configuration goes."""
    if not (job.folder / "config.json").is_file():
        shutil.rmtree(job.folder, ignore_errors=True)
    job.folder.parent.mkdir(parents=True, exist_ok=True)


def parsed(cell: Cell, preset: str) -> tuple[Settings, dict[str, Any]]:
    """A cell's settings and options, as ``unreset train`` reads them.

    Raises:
        UnresetError: where there is no such method, preset or flag.
    """
    return parse_training(registry.settings(cell.method, preset), cell.flags)


def practised(folder: Path) -> int:
    """Environment steps of each seed that are saved."""
    return int(read_summary(folder).get("env_steps", 0))


def _compare(job: Job, found: RunConfig) -> None:
    """Raise UnresetError where a run's configuration is not what the job asks for."""
    settings, options = parsed(job.cell, job.preset)
    asked = {name: value for name, value in options.items() if name in _FIXED or value is not None}
    del asked["report"], asked["compile_cache"]
    task = registry.task(job.cell.task, asked["reward"])
    asked["start"], asked["horizon"] = settings.protocol(
        task, asked["start"], asked["horizon"], asked["evaluation"]
    )
    asked |= {"method": registry.method_name(settings), "task": job.cell.task}
    asked |= {"preset": job.preset, "seed": job.seed, "seeds": job.seeds}
    asked |= {} if job.eval_every is None else {"eval_every": job.eval_every}
    asked["demonstrations"] = "built-in" if options["demonstrations"] is None else "given"
    there = {name: getattr(found, name) for name in asked}
    wanted = flatten(asked) | flatten(stored.plain(settings, ""))
    present = flatten(there) | flatten(stored.plain(found.settings, ""))
    for name, value in wanted.items():
        if name != "steps" and present.get(name) != value:
            raise _difference(job, name, present.get(name, "none"), value)


def _difference(job: Job, name: str, there: str, asked: str) -> UnresetError:
    return UnresetError(
        f"{job.folder} was trained with {name} {there}, not {asked}: choose another --out, or "
        "remove it"
    )
