"""The commands for a run that is there: ``unreset eval``, ``report`` and ``export``."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from unreset import api, registry
from unreset.cli import outcome
from unreset.cli.options import EvalOptions, ExportOptions, ReportOptions
from unreset.demos.store import Trajectory
from unreset.errors import Failure, UnresetError
from unreset.report.report import write_page, write_report
from unreset.runs import compilation
from unreset.runs.config import RunConfig
from unreset.runs.files import FULL
from unreset.runs.folder import read_configuration
from unreset.trust import Untrusted


def evaluate(options: EvalOptions) -> int:
    """Run ``unreset eval``; returns the exit code."""
    if not options.compile_cache:
        compilation.switch_off()
    demonstrations = _checked(options)
    if options.rewards:
        run = outcome.load(options.run, options.trust)
        found = run.judge_rewards(options.seed_number, options.episodes, demonstrations)
        print("\n\n".join(f"{name}: {judgement.text()}" for name, judgement in found.items()))
        return 0
    if options.dynamics:
        run = outcome.load(options.run, options.trust)
        told = run.judge_model(options.seed_number, options.episodes, demonstrations)
        print("\n\n".join(f"{name}\n{quality.text()}" for name, quality in told.items()))
        return 0
    figures = outcome.load(options.run, options.trust).evaluate(options.starts, options.episodes)
    for name, value in figures.items():
        print(f"{name:22} {value:.4g}")
    return 0


def _checked(options: EvalOptions) -> Sequence[Trajectory] | None:
    """The demonstrations that are given, if any; refuses options before anything is loaded.

    Raises:
        UnresetError: where the options do not fit each other or the run.
    """
    config = read_configuration(options.run, options.trust)
    _check_seed_number(options.seed_number, config)
    task = registry.task(config.task, config.reward)
    if options.starts not in ("fixed", *task.starts):
        raise UnresetError(f"task {task.name!r} has no {options.starts} starts")
    if options.demonstrations is None:
        return None
    return api.demonstrations_of(task, options.demonstrations)


def report(options: ReportOptions) -> int:
    """Run ``unreset report``; returns the exit code."""
    alone = len(options.runs) == 1 and options.output is None
    if alone and options.runs[0].is_dir():
        _check_writable(options.runs[0] / "report.html", "; say where else: --output FILE")
    output = options.output or Path("report.html")
    if not alone:
        _check_writable(output)
    known = [_known(folder, options.trust) for folder in options.runs]
    if not alone:
        print(write_report(options.runs, output))
    elif not all(known):
        print(write_page(options.runs[0]))
    else:
        try:
            run = outcome.load(options.runs[0], options.trust)
        except Failure as failure:  # its logs are still worth a page
            print(f"note: drawn from the logs alone, since {failure}", file=sys.stderr)
            print(write_page(options.runs[0]))
            return 0
        print(run.report())
    return 0


def _known(folder: Path, trust: bool) -> bool:
    """Whether a run's code may be imported; if not, a note says what the page goes without."""
    try:
        read_configuration(folder, trust)
    except Untrusted as refusal:
        print(f"note: drawn from the logs alone, since {refusal}", file=sys.stderr)
        return False
    except UnresetError:  # the page shows what there is
        pass
    return True


def export(options: ExportOptions) -> int:
    """Run ``unreset export``; returns the exit code."""
    _check_seed_number(options.seed_number, read_configuration(options.run, options.trust))
    _check_writable(options.file)
    policy = outcome.load(options.run, options.trust).export(options.seed_number)
    try:
        print(policy.save(options.file))
    except OSError as error:
        kind = Failure if error.errno in FULL else UnresetError
        raise kind(f"cannot write {options.file}: {error.strerror or error}") from error
    return 0


def _check_seed_number(number: int, config: RunConfig) -> None:
    """Refuse the number of a seed that a run does not have."""
    if not 0 <= number < config.seeds:
        raise UnresetError(
            f"seed number {number} does not exist; this run has {config.seeds}, counted from 0"
        )


def _check_writable(path: Path, advice: str = "") -> None:
    """Refuse a file that cannot be written."""
    folder = path.parent
    reason = (
        "it is a folder"
        if path.is_dir()
        else f"there is no folder {folder}"
        if not folder.is_dir()
        else ""
        if os.access(path if path.exists() else folder, os.W_OK)
        else "permission denied"
    )
    if reason:
        raise UnresetError(f"cannot write {path}: {reason}{advice}")
