"""The commands of ``unreset demos``, at work."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from unreset import registry
from unreset.cli.demos_options import (
    Direction,
    ExportOptions,
    ImportOptions,
    InfoOptions,
    RecordOptions,
    ReplayOptions,
    ScriptOptions,
)
from unreset.core.types import Task
from unreset.demos import formats, keyboard, quality, recording, replaying, scripts
from unreset.demos.store import BACKWARD, DIRECTIONS, FORWARD, Trajectory
from unreset.demos.success import final_successes
from unreset.demos.words import Format
from unreset.deploy.policy import Policy
from unreset.errors import UnresetError
from unreset.report import demonstrations_picture
from unreset.runs.folder import read_configuration
from unreset.tasks.simulation.scripted import Scripted


def script_demonstrations(options: ScriptOptions) -> int:
    """Run ``unreset demos script``; returns the exit code."""
    _check_place(options.out, options.format, options.id, needed=False)
    task = registry.task(options.task)
    if options.number is not None and options.number < 1:
        raise UnresetError(f"number must be at least 1, not {options.number}")
    if options.number is None:
        trajectories = scripts.batch(task, options.seed)
    else:
        trajectories = [
            one
            for way in (FORWARD, BACKWARD)
            for one in itertools.islice(scripts.scripted(task, way, options.seed), options.number)
        ]
    suffix = "npz" if options.format == "npz" else "safetensors"
    out = options.out
    if out is None and options.format != "minari":
        out = Path(f"{task.name}-demonstrations.{suffix}")
    return _write(trajectories, task, out, options.format, options.id)


def info_demonstrations(options: InfoOptions) -> int:
    """Run ``unreset demos info``; returns the exit code."""
    task = registry.task(options.task)
    trajectories = formats.read(options.source, task, _way(options.direction))
    found = quality.assess(task, trajectories)
    table = Table(title=f"{options.source}, for {task.name}", title_justify="left")
    table.add_column("")
    for direction in found:
        table.add_column(DIRECTIONS[direction], justify="right")
    rows: list[tuple[str, Callable[[quality.Quality], str]]] = [
        ("demonstrations", lambda q: str(q.number)),
        ("steps", lambda q: str(q.steps)),
        ("length min / mean / max", lambda q: f"{q.shortest} / {q.mean_length:.1f} / {q.longest}"),
        ("ending in success", lambda q: "-" if math.isnan(q.success) else f"{q.success:.0%}"),
        ("going on after it", lambda q: str(q.passed)),
        ("goals reached", lambda q: f"{q.goals_reached} of {q.goals}"),
        ("different starts", lambda q: str(q.starts)),
        ("spread of starts", lambda q: f"{q.start_spread:.2f}"),
        ("actions above 0.99", lambda q: " ".join(f"{share:.0%}" for share in q.saturation)),
        ("pauses", lambda q: f"{q.pauses:.0%}"),
        ("duplicates", lambda q: str(q.duplicates)),
    ]
    for name, figure in rows:
        table.add_row(name, *(figure(one) for one in found.values()))
    Console().print(table)
    for line in quality.advice(task, found):
        print(f"advice: {line}")
    if options.picture is not None:
        print(demonstrations_picture.draw(task, trajectories, options.picture))
    return 0


def import_demonstrations(options: ImportOptions) -> int:
    """Run ``unreset demos import``; returns the exit code."""
    task = registry.task(options.task)
    out = options.out
    if out.is_dir() or not out.suffix:
        out /= f"{task.name}-demonstrations.safetensors"
    _check_place(out, None, None)
    trajectories = formats.read(options.source, task, _way(options.direction), options.actions)
    return _write(trajectories, task, out, None, None)


def export_demonstrations(options: ExportOptions) -> int:
    """Run ``unreset demos export``; returns the exit code."""
    _check_place(options.out, options.format, options.id)
    task = registry.task(options.task)
    trajectories = formats.read(options.source, task, _way(options.direction))
    return _write(trajectories, task, options.out, options.format, options.id)


def replay_demonstrations(options: ReplayOptions) -> int:
    """Run ``unreset demos replay``; returns the exit code."""
    task = registry.task(options.task)
    trajectories = formats.read(options.source, task, _way(options.direction))
    table = Table(title=f"{options.source}, replayed in {task.name}", title_justify="left")
    names = ("direction", "steps", "start error", "mean error", "max error", "success at")
    for name in ("", *names):
        table.add_column(name, justify="right")
    found = []
    for number, one in enumerate(replaying.replay(task, trajectories)):
        found.append(one)
        errors = (f"{error:.2g}" for error in (one.start_error, one.mean_error, one.max_error))
        at = "-" if one.success_at is None else str(one.success_at)
        way = DIRECTIONS[trajectories[number].direction]
        table.add_row(str(number), way, str(one.steps), *errors, at)
    Console().print(table)
    mean = np.average([one.mean_error for one in found], weights=[one.steps for one in found])
    print(f"position error: mean {mean:.3g}, max {max(one.max_error for one in found):.3g}")
    print(f"success {sum(one.success for one in found)}/{len(found)}")
    return 0


def record_demonstrations(options: RecordOptions) -> int:
    """Run ``unreset demos record``; returns the exit code."""
    task = registry.task(options.task)
    way = None if options.direction == "both" else DIRECTIONS.index(options.direction)
    recording.held_by(options.out, task, options.episodes)  # refuses before anything takes long
    if options.policy != "script":
        recording.check(task, way, options.start, options.horizon, options.seed)
    judge = recording.only_successes if options.yes else ask
    with contextlib.ExitStack() as closing:
        recorder = _recorder(options, task, way, closing)
        done = recording.session(task, recorder, options.out, options.episodes, judge)
    print(f"kept {done.kept} of {done.recorded} episodes; {options.out} holds {done.total}")
    return 0


def _recorder(
    options: RecordOptions, task: Task, way: int | None, closing: contextlib.ExitStack
) -> recording.Recorder:
    """What records; how to close it is left in ``closing``."""
    if options.policy == "script":
        return recording.from_script(task, way, options.seed)
    act, arguments = _actor(options, task), dict[str, Any]()
    if options.window:
        window = keyboard.Window(task.name)
        closing.callback(window.close)
        arguments["watch"] = lambda environment: window.show(environment.render())
        arguments["render_mode"] = "rgb_array"
    start, horizon, seed = options.start, options.horizon, options.seed
    recorder = recording.Acting(task, act, way, start, horizon, seed, **arguments)
    closing.callback(recorder.close)
    return recorder


def _actor(options: RecordOptions, task: Task) -> recording.Act:
    """What acts: the keyboard, or a run's or a file's policy."""
    if options.policy == "keyboard":
        print(keyboard.HELP)
        show = lambda line: print(f"\r{line}\x1b[K", end="", flush=True)  # noqa: E731
        return keyboard.Keyboard(task, keyboard.terminal_key, options.speed, show)
    path = Path(options.policy)
    if path.is_dir():
        from unreset import api

        config = read_configuration(path, options.trust)
        _check_task(path, registry.task(config.task, config.reward).name, task)
        policy = api.load(path, trust=options.trust).export()
    elif path.is_file():
        policy = Policy.load(path)
    else:
        raise UnresetError(
            f"there is no policy {options.policy!r}: give keyboard, script, a run folder, or a "
            f"file of unreset export"
        )
    _check_task(path, policy.metadata["task"], task)
    return policy


def _check_task(path: Path, name: str, task: Task) -> None:
    """Refuse the policy of another task."""
    if name != task.name:
        raise UnresetError(f"{path} is a policy for {name}, not {task.name}")


def ask(number: int, attempt: recording.Attempt) -> str:
    """Have a person judge an episode."""
    result = "success" if attempt.success else "no success"
    steps = len(attempt.trajectory.actions)
    question = (
        f"\nepisode {number + 1}: {result} after {steps} steps. Keep, discard, redo [y/n/r]? "
    )
    while True:
        try:
            answer = input(question).strip().lower()[:1]
        except EOFError:
            raise UnresetError("nobody answers whether to keep the episode; use --yes") from None
        if answer in (recording.KEEP, recording.DISCARD, recording.REDO):
            return answer


def _write(
    trajectories: list[Trajectory],
    task: Task,
    out: Path | None,
    format: Format | None,
    identifier: str | None,
) -> int:
    """Write to a file or a Minari dataset, and say what was written."""
    _check_place(out, format, identifier)
    place = formats.write(trajectories, task, identifier or str(out), format)
    counts = [sum(one.direction == way for one in trajectories) for way in (FORWARD, BACKWARD)]
    reached = final_successes(task, trajectories)
    share = "unknown" if reached is None else f"{reached.mean():.0%}"
    print(f"{place}: {counts[0]} forward, {counts[1]} backward; ending in success: {share}")
    if isinstance(trajectories, Scripted):
        print(f"the script succeeded in {len(trajectories)} of {trajectories.tries} tries")
    return 0


def _check_place(
    out: Path | None, format: Format | None, identifier: str | None, *, needed: bool = True
) -> None:
    """Refuse options that do not say where to write, or say what cannot be written."""
    if (format == "minari") != (identifier is not None):
        raise UnresetError("a Minari dataset needs both --format minari and --id")
    if identifier is not None and out is not None:
        raise UnresetError(
            "a Minari dataset goes where Minari keeps its own (MINARI_DATASETS_PATH); "
            "give --id without --out"
        )
    if identifier is None and out is None and needed:
        raise UnresetError("say where to: --out FILE, or --format minari --id NAME-v0")
    if out is not None:
        formats.check_place(out, format)


def _way(direction: Direction | None) -> int | None:
    return None if direction is None else DIRECTIONS.index(direction)
