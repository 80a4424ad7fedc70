"""Everything that is read from files, with a whole artefact of each kind to be damaged."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import math
import os
import pickle
import random
import shutil
import typing
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

import toy
import unreset
from unreset import bench, registry
from unreset.bench import manifest
from unreset.bench import output as tables
from unreset.bench.plan import Job, practised
from unreset.bench.suites import Cell, Suite
from unreset.demos import earl_pickle, formats, store
from unreset.deploy.policy import Policy
from unreset.report import page, report
from unreset.report.drawing import LIGHT
from unreset.report.record import read_record
from unreset.runs import checkpoint, priors, restoring, stored
from unreset.runs import folder as folders
from unreset.runs.config import RunConfig
from unreset.runs.files import write_json
from unreset.runs.rows import LOGS
from unreset.runs.training import Training
from unreset.tasks.tabletop.tabletop_expert import tabletop_demonstrations

EVAL = "seed,env_steps,success,wide_success,wall_seconds\n" + "".join(
    f"0,{20 * n},{n / 4},{n / 8},{n}.5\n" for n in range(1, 5)
)
METRICS = "seed,env_steps,wall_seconds,steps_per_second,hard_resets,critic_loss,q\n" + "".join(
    f"0,{20 * n},{n}.5,{40 + n},{n},{1 / n},{n * 0.5}\n" for n in range(1, 5)
)
PHASES = "seed,env_steps,role,phase,goal,success,x,y,steps,ended,value,return\n" + "".join(
    f"0,{7 * n},{'forward' if n % 2 else 'backward'},{n},task,{n % 2},0.5,-.5,7,timeout,0.5,0.4\n"
    for n in range(1, 9)
)
VISITS = "seed,env_steps,role,x,y\n" + "".join(f"0,{20 * n},forward,0.{n},0.1\n" for n in range(4))


class Loader(NamedTuple):
    """A kind of artefact: how a whole one is made, and read."""

    make: Callable[[Path], object]  # (path that does not exist)
    load: Callable[[Path, random.Random], object]  # raises AssertionError on what is not valid
    name: str = "artefact"  # of the file or folder
    resign: Callable[[random.Random, Path], object] | None = None  # repairs checksums


def sound(value: bool, what: str) -> None:
    """Assert; an assertion of a library's own is not taken for one of these."""
    if not value:
        raise InvalidError(what)


class InvalidError(Exception):
    """Something was loaded that is not valid."""


# Demonstrations


def _shown() -> list[store.Trajectory]:
    return list(tabletop_demonstrations(per_goal=1, seed=0))[:5:2]


def _check_demonstrations(found: typing.Sequence[store.Trajectory]) -> None:
    task = registry.task("tabletop")
    sound(len(found) > 0, "nothing")
    for one in found:
        shapes = one.observations.shape[1:], one.actions.shape[1:], one.goal.shape
        sound(shapes == ((6,), (3,), (6,)), f"shapes {shapes}")
        sound(len(one.observations) == len(one.actions) + 1 > 1, "lengths")
        for value in (one.observations, one.actions, one.goal, one.rewards):
            if value is not None:
                sound(value.dtype == np.float32 and bool(np.isfinite(value).all()), "numbers")
        sound(bool((np.abs(one.actions) <= 1).all()), "actions")
        sound(one.direction in (0, 1), "direction")
    store.pinned_rows(found, task)


def _read(path: Path, _: random.Random) -> None:
    _check_demonstrations(formats.read(path, registry.task("tabletop"), None))


def _read_one_way(path: Path, _: random.Random) -> None:
    _check_demonstrations(formats.read(path, registry.task("tabletop"), 0))


def _written(path: Path) -> None:
    formats.write(_shown(), registry.task("tabletop"), path)


def _flat() -> dict[str, np.ndarray]:
    columns: dict[str, list[np.ndarray]] = {}
    for one in _shown():
        steps = len(one.actions)
        goals = np.tile(one.goal, (steps, 1))
        ends = np.arange(steps) == steps - 1
        for name, value in {
            "observations": np.hstack([one.observations[:-1], goals]),
            "next_observations": np.hstack([one.observations[1:], goals]),
            "actions": one.actions,
            "rewards": ends.astype(np.float32)[:, None],
            "terminals": ends[:, None],
        }.items():
            columns.setdefault(name, []).append(value)
    return {name: np.concatenate(parts) for name, parts in columns.items()}


def _episodes(folder: Path) -> None:
    folder.mkdir()
    for number, one in enumerate(_shown()[:2]):
        frames = np.hstack([one.observations, np.tile(one.goal, (len(one.observations), 1))])
        actions = np.vstack([np.zeros((1, 3)), one.actions])
        reward = (np.arange(len(frames)) == len(frames) - 1).astype(np.float32)
        np.savez(folder / f"{number}.npz", observation=frames, action=actions, reward=reward)


def _earl(folder: Path) -> None:
    for way in ("forward", "reverse"):
        (folder / way).mkdir(parents=True)
        with (folder / way / earl_pickle.FILE_NAME).open("wb") as file:
            pickle.dump(_flat(), file, protocol=3)


def _minari(folder: Path) -> None:
    with mock.patch.dict(os.environ, MINARI_DATASETS_PATH=str(folder.parent / "minari")):
        place = formats.write(_shown(), registry.task("tabletop"), "fuzz-v0", "minari")
    shutil.move(place, folder)


# Policies and runs


@functools.cache
def _made() -> tuple[Training, Any]:
    """A run that has not begun, and its carry; made once, for time."""
    config = RunConfig(
        **{"method": "fbrl", "task": "toy", "preset": "default", "driver": "fused"},
        **{"seed": 0, "seeds": 1, "steps": 80, "eval_every": 20, "wide_starts": 0},
        start="initial",
        checkpoint_every=20,
        settings=toy.tiny(registry.METHODS["fbrl"]["default"]),
    )
    training = Training(Path(), config, toy.demonstrations())
    return training, training.driver.carry


def _training(folder: Path) -> Training:
    """The same in a folder, from its beginning."""
    training, fresh = _made()
    training.folder, training.step, training.notes = folder, 0, []
    training._saved = checkpoint.NOTHING
    training.driver.carry = jax.tree.map(jnp.copy, fresh)
    return training


def _run(folder: Path) -> None:
    """A run as it would be after some steps, with what a page needs."""
    training = _training(folder)
    folder.mkdir()
    store.save(folder / "demonstrations.safetensors", toy.demonstrations())
    for name, text in zip(LOGS, (METRICS, EVAL, PHASES, VISITS), strict=True):
        (folder / name).write_text(text)
    write_json(folder / "config.json", training.configuration.dictionary())
    learner = jax.tree.map(lambda x: x[0, 0], training.driver.run.learners)
    priors.save(folder / priors.FILE, priors.named(learner))
    training._origin = restoring.origin(folder)
    for step in (20, 40):
        training.step = step
        training.save()
    (folder / "videos").mkdir()
    pictures = [Image.new("RGB", (24, 24), (80 * n, 0, 0)) for n in range(3)]
    pictures[0].save(folder / "videos" / "a.gif", save_all=True, append_images=pictures[1:])
    (folder / "videos" / "videos.json").write_text('[{"file": "a.gif", "caption": "one"}]')


def _part(name: str) -> Callable[[Path], None]:
    """A run with its configuration and one other part alone."""

    def make(folder: Path) -> None:
        whole = folder.parents[1] / ".whole"
        if not whole.exists():
            _run(whole)
        kept = {"config.json", *name.split()}
        shutil.copytree(
            whole,
            folder,
            ignore=lambda place, names: (
                [n for n in names if n not in kept] if Path(place) == whole else []
            ),
        )

    return make


def _load_configuration(folder: Path, _: random.Random) -> None:
    found = folders.read_configuration(folder)
    hints = typing.get_type_hints(RunConfig)
    for name, kind in hints.items():
        value = getattr(found, name)
        if name not in ("settings", "change"):
            stored.build(kind, value, name)
    stored.check(found.settings)
    sound(found.seeds >= 1 and found.steps >= 1 and found.eval_every >= 1, "ranges")
    sound(practised(folder) >= 0, "steps practised")


def _restore(folder: Path, _: random.Random) -> None:
    training, fresh = _training(folder), _made()[1]
    training.restore()
    before = jax.tree_util.tree_flatten_with_path(fresh)[0]
    now = jax.tree_util.tree_flatten_with_path(training.driver.carry)[0]
    for (path, old), (_, new) in zip(before, now, strict=True):
        name = jax.tree_util.keystr(path)
        sound(old.shape == new.shape and old.dtype == new.dtype, f"{name} {new.dtype}{new.shape}")
    for leaf in jax.tree.leaves(training.actors):
        sound(bool(np.isfinite(np.asarray(leaf)).all()), "a policy that is not finite")
    sound(training.step in (0, 20, 40), "step")
    sound(math.isfinite(training._seconds) and training._seconds >= 0, "seconds")


def _resign(chance: random.Random, folder: Path) -> None:
    """Checksums as whoever damages a checkpoint on purpose would write them."""
    for path in folder.glob("checkpoints/0*/manifest.json"):
        with contextlib.suppress(Exception):
            told = json.loads(path.read_text())
            digest = hashlib.sha256((path.parent / "state.safetensors").read_bytes()).hexdigest()
            told["state_sha256"] = digest
            for part in told["segments"]:
                content = (folder / "checkpoints" / part["file"]).read_bytes()
                part["sha256"] = hashlib.sha256(content).hexdigest()
            path.write_text(json.dumps(told))


def _load_demonstrations(folder: Path, _: random.Random) -> None:
    found = store.load(folder / "demonstrations.safetensors", toy.point())
    store.pinned_rows(found, toy.point())
    for one in found:
        sound(bool(np.isfinite(one.observations).all()), "numbers")


def _whole(folder: Path, _: random.Random) -> None:
    """All of a run, as a user reads it; takes seconds."""
    run = unreset.load(folder)
    action = run.export()(np.zeros(1, np.float32), np.ones(1, np.float32))
    sound(action.shape == (1,) and bool(np.isfinite(action).all()), f"the action {action}")


def _load_prior(folder: Path, _: random.Random) -> None:
    found = priors.load(folder / priors.FILE)
    for name, value in found.items():
        sound(bool(np.isfinite(value).all()), f"{name} is not finite")


def _record(folder: Path, chance: random.Random) -> None:
    """The page of a run, its figures without their pixels; not all are drawn, for time."""
    record = read_record(folder)
    for table in (record.metrics, record.evaluation, record.phases, record.visits):
        sound(len({len(column) for column in table.values()}) <= 1, "columns of several lengths")
    share = chance.choice([0, 0, 0, 0, 1])

    def drawn(draw: Any, alt: str, size: Any) -> str:
        if chance.random() < share:
            draw(theme=LIGHT)
        return page.escape(alt)

    with mock.patch.object(page, "picture", drawn):
        title, body = report._one(record)
        report._several([record, record])
    sound("<script" not in body.lower(), "a script")
    page.document(title, body).encode()


def _policy(path: Path) -> None:
    whole = path.parents[1] / ".whole"
    if not whole.exists():
        _run(whole)
    training = _training(whole)
    training.restore()
    from unreset.api import Run  # noqa: PLC0415

    Run(training).export().save(path)


def _sighted(path: Path) -> None:
    task, medalpp = toy.point(), registry.METHODS["medalpp"]["default"]
    learner = replace(medalpp.learner, vision=replace(medalpp.learner.vision, pixels=True))
    settings = toy.tiny(replace(medalpp, learner=learner))
    config = RunConfig(
        **{"method": "medalpp", "task": "toy", "preset": "default", "driver": "fused"},
        **{"seed": 0, "seeds": 1, "steps": 80, "eval_every": 20, "wide_starts": 0},
        start="initial",
        checkpoint_every=20,
        settings=settings,
    )
    from unreset.api import Run  # noqa: PLC0415

    Run(Training(path.parent, config, toy.demonstrations(), task=task)).export().save(path)


def _act(path: Path, _: random.Random) -> None:
    policy = Policy.load(path)
    told = policy.metadata
    if "sight" in told:
        sight = told["sight"]
        shape = (sight["image_size"],) * 2 + (3 * sight["stack"],)
        seen: Any = {name: np.zeros(shape, np.uint8) for name in sight["cameras"]}
        seen["proprioception"] = np.zeros(sight["proprioception"], np.float32)
        goal = policy._weights["goals"][0]  # it knows pictures of these alone
    else:
        seen = np.zeros(told["observation_size"], np.float32)
        goal = np.zeros(told["goal_size"], np.float32)
    action = policy(seen, goal)
    sound(action.shape == (policy.action_size,), f"an action of shape {action.shape}")
    sound(bool((np.abs(action) <= 1).all()), f"the action {action}")


# Benches


def _bench(folder: Path) -> None:
    cells = [Cell("one", "fbrl", "toy"), Cell("two", "naive", "toy", ("--reset-every", "200"))]
    for seed in range(2):
        for cell in cells:
            run = folder / cell.name / f"seed-{seed}"
            run.mkdir(parents=True)
            write_json(run / "config.json", {"method": cell.method, "task": "toy"})
            write_json(run / "summary.json", {"seeds": [seed], "hard_resets": [3]})
            (run / "eval.csv").write_text(EVAL.replace("\n0,", f"\n{seed},"))
    jobs = [Job(cell, folder / cell.name, 0, 2, 80) for cell in cells]
    manifest.write(folder, Suite("mine", "by hand", tuple(cells)), jobs, "unreset bench mine")


def _tables(folder: Path, _: random.Random) -> None:
    found = manifest.read(folder)
    stored.build(manifest.Manifest, json.loads(json.dumps(stored.plain(found, ""))), "")
    with mock.patch.object(tables, "_plots", return_value=[]):
        bench.tables(folder)
    for path in folder.parent.rglob("*"):
        sound(path.is_relative_to(folder) or path.parent == folder.parent, f"wrote {path}")


WHOLE = "run"  # the one that is slow
LOADERS: dict[str, Loader] = {
    "npz": Loader(_written, _read, "demonstrations.npz"),
    "npz-flat": Loader(lambda path: np.savez(path, **_flat()), _read_one_way, "flat.npz"),
    "npz-episodes": Loader(_episodes, _read_one_way, "episodes"),
    "safetensors": Loader(_written, _read, "demonstrations.safetensors"),
    "pickle": Loader(_earl, _read, "earl"),
    "minari": Loader(_minari, _read, "dataset"),
    "policy": Loader(_policy, _act, "policy.safetensors"),
    "policy-sight": Loader(_sighted, _act, "sighted.safetensors"),
    "configuration": Loader(_part("summary.json"), _load_configuration, "run"),
    "checkpoint": Loader(_part("checkpoints metrics.csv"), _restore, "run", _resign),
    "run-demonstrations": Loader(_part("demonstrations.safetensors"), _load_demonstrations, "run"),
    "prior": Loader(_part(priors.FILE), _load_prior, "run"),
    "page": Loader(_part("summary.json videos " + " ".join(LOGS)), _record, "run"),
    WHOLE: Loader(_run, _whole, "run", _resign),
    "bench": Loader(_bench, _tables, "bench"),
}


def artefacts(scratch: Path, names: typing.Iterable[str]) -> Iterator[tuple[str, Path]]:
    """A whole artefact of each kind, made where it is not there yet."""
    for name in names:
        path = scratch / name / LOADERS[name].name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            LOADERS[name].make(path)
        yield name, path
