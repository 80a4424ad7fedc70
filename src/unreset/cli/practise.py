"""The commands that practise: ``unreset train``, ``life``, ``prior`` and ``resume``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from unreset import api, registry, single_life
from unreset.cli import outcome
from unreset.cli.names import PRIORS, Named
from unreset.cli.options import ResumeOptions
from unreset.cli.parsing import flag, without
from unreset.cli.training_options import parse_training
from unreset.methods.settings import Settings
from unreset.report.display import Display
from unreset.runs import compilation, starting
from unreset.runs.folder import read_configuration


def train(given: Named) -> int:
    """Run ``unreset train``; returns the exit code."""
    method, task, flags = given
    settings = registry.settings(method, flag(flags, "preset", "default"))
    if ":" not in task:  # one's own may take long to make
        registry.task(task, flag(flags, "reward", "") or None)
    settings, options = parse_training(settings, flags)
    return _practised(api.train, method, task, settings, options)


def life(given: Named) -> int:
    """Run ``unreset life``; returns the exit code."""
    method, task, flags = given
    settings = registry.settings(method, flag(flags, "preset", "default"))
    if prior := flag(flags, "prior", ""):
        settings = single_life.following(settings, prior, "--trust" in flags)
    elif flag(flags, "prior-learner", "sac") == "iql":
        settings = replace(settings, learner=registry.settings("iql").learner)
    settings, options = parse_training(settings, flags, "life")
    return _practised(single_life.life, method, task, settings, options)


def prior(given: Named) -> int:
    """Run ``unreset prior``; returns the exit code."""
    kind, task, flags = given
    stem, method, preset = PRIORS[kind]
    stem = f"{stem}-{task.rpartition(':')[2]}-{flag(flags, 'seed', '0')}"
    folder = Path(flag(flags, "out", f"runs/{stem}"))
    if not (folder / "config.json").is_file():
        preset = flag(flags, "preset", preset)
        flags = without(without(flags, "prior-learner"), "preset")
        return train(Named(method, task, ["--preset", preset, *flags, "--out", str(folder)]))
    rest = without(without(without(flags, "prior-learner"), "preset"), "out")
    parse_training(registry.settings(method, preset), rest)  # a mistake is one here, too
    print(f"{folder} is there already: it is continued if it is not done")
    return resume(ResumeOptions(folder, report=False, trust="--trust" in flags))


def _practised(
    practise: Callable[..., api.Run],
    method: str,
    task: str,
    settings: Settings,
    given: dict[str, Any],
) -> int:
    """Practise, show how it goes, and say what came of it."""
    if not given.pop("compile_cache"):
        compilation.switch_off()
    with Display(f"{method} on {task}") as display:
        run = practise(
            settings,
            task,
            steps=settings.steps,
            observer=display.show,
            on_start=display.begin,
            **given,
        )
    outcome.tell(run)
    print(outcome.summary(run))
    return 0


def resume(options: ResumeOptions) -> int:
    """Run ``unreset resume``; returns the exit code."""
    if not options.compile_cache:
        compilation.switch_off()
    read_configuration(options.run, options.trust)
    starting.check_steps(options.run, options.steps, options.restart)
    with starting.held(options.run):  # from before it is loaded: refused at once, or not at all
        run = api.load(
            options.run,
            trust=options.trust,
            without_replay=options.without_replay,
            restart=options.restart,
        )
        outcome.tell(run)
        told = list(run.notes)
        with Display(f"resuming {options.run} at step {run.env_steps:,}") as display:
            run.resume(options.steps, display.show)
    outcome.tell(run, told)
    if options.report:
        run.report()
    print(outcome.summary(run))
    return 0
