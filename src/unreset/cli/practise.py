"""The commands that practise: ``unreset train``, ``life``, ``prior`` and ``resume``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from unreset import api, registry, single_life
from unreset.cli import outcome
from unreset.cli.parsing import RunFolder, Trust, flag, named, parse, without
from unreset.cli.training_options import PRIOR_HELP, parse_training
from unreset.errors import UnresetError, look_up
from unreset.methods.settings import Settings
from unreset.report.display import Display
from unreset.runs import starting
from unreset.runs.folder import read_configuration

#: By learner, how the run is named that a life begins with, its method and that one's preset.
_PRIORS = {"sac": ("prior", "oracle", "prior"), "iql": ("prior-iql", "iql", "default")}


@dataclass(frozen=True)
class ResumeOptions:
    """Continue a run from its newest whole checkpoint.

    Example: unreset resume runs/fbrl-tabletop-0 --steps 60000
    """

    run: RunFolder
    """The run folder."""
    steps: int | None = None
    """A new budget of environment steps; None for the run's own."""
    report: bool = True
    """Write videos and report.html at the end."""
    without_replay: bool = False
    """Where no checkpoint is whole: go on from one whose replay alone is damaged, with those
    transitions that are whole."""
    restart: bool = False
    """Begin at step 0, and keep what is there in before-restart in the folder."""
    trust: Trust = False


def train(arguments: list[str]) -> int:
    """Run ``unreset train``; returns the exit code."""
    defaults = [registry.DEFAULT_METHOD, registry.DEFAULT_TASK]
    (method, task), flags = named("train", arguments, defaults)
    settings = registry.settings(method, flag(flags, "preset", "default"))
    if ":" not in task:  # one's own may take long to make
        registry.task(task, flag(flags, "reward", "") or None)
    settings, given = parse_training(settings, flags)
    return _practised(api.train, method, task, settings, given)


def life(arguments: list[str]) -> int:
    """Run ``unreset life``; returns the exit code."""
    (method, task), flags = named("life", arguments, ["qwale", "pointmass_windy"])
    settings = registry.settings(method, flag(flags, "preset", "default"))
    if prior := flag(flags, "prior", ""):
        settings = single_life.following(settings, prior, "--trust" in flags)
    elif flag(flags, "prior-learner", "sac") == "iql":
        settings = replace(settings, learner=registry.settings("iql").learner)
    settings, given = parse_training(settings, flags, "life")
    return _practised(single_life.life, method, task, settings, given)


def prior(arguments: list[str]) -> int:
    """Run ``unreset prior``; returns the exit code."""
    (task,), flags = named("prior", arguments, ["pointmass"])
    if {"-h", "--help"} & set(flags):
        print(PRIOR_HELP)
        return 0
    kind = flag(flags, "prior-learner", "sac")
    look_up("prior learner", kind, _PRIORS)
    stem, method, preset = _PRIORS[kind]
    stem = f"{stem}-{task.rpartition(':')[2]}-{flag(flags, 'seed', '0')}"
    folder = Path(flag(flags, "out", f"runs/{stem}"))
    if not (folder / "config.json").is_file():
        preset = flag(flags, "preset", preset)
        flags = without(without(flags, "prior-learner"), "preset")
        return train([method, task, "--preset", preset, *flags, "--out", str(folder)])
    rest = without(without(without(flags, "prior-learner"), "preset"), "out")
    parse_training(registry.settings(method, preset), rest)  # a mistake is one here, too
    print(f"{folder} is there already: it is continued if it is not done")
    return resume([str(folder), "--no-report", *({"--trust"} & set(flags))])


def _practised(
    practise: Callable[..., api.Run],
    method: str,
    task: str,
    settings: Settings,
    given: dict[str, Any],
) -> int:
    """Practise, show how it goes, and say what came of it."""
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


def resume(arguments: list[str]) -> int:
    """Run ``unreset resume``; returns the exit code."""
    options = parse(ResumeOptions, "resume", arguments)
    if options.without_replay and options.restart:
        raise UnresetError("--without-replay goes on and --restart begins again: give one of them")
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
