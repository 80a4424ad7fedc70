"""The command line: ``unreset train | check | demos | resume | eval | report | …``."""

from __future__ import annotations

import itertools
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from unreset import (
    __version__,
    api,
    bench_cli,
    check_cli,
    demos_cli,
    describe,
    early,
    registry,
    single_life,
    streams,
)
from unreset.errors import Failure, Notice, UnresetError, look_up
from unreset.methods.settings import Settings
from unreset.options import (
    PRIOR_HELP,
    Commands,
    EvalOptions,
    ExportOptions,
    MethodsOptions,
    ReportOptions,
    ResumeOptions,
    TasksOptions,
    dispatch,
    parse,
    parse_training,
)
from unreset.runs import interrupts, starting
from unreset.runs.display import Display
from unreset.runs.files import FULL
from unreset.runs.folder import read_configuration
from unreset.runs.report import write_page, write_report
from unreset.trust import Untrusted

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, interrupts.EXIT_CODE

#: Commands whose result is a folder: they have done what was asked also if nobody reads of it.
_PRACTISING = ("train", "life", "prior", "resume", "bench")

#: By learner, how the run is named that a life begins with, its method and that one's preset.
_PRIORS = {"sac": ("prior", "oracle", "prior"), "iql": ("prior-iql", "iql", "default")}


def _flag(arguments: Sequence[str], name: str, default: str) -> str:
    """A flag's value before the full parse, which depends on it."""
    for number, argument in enumerate(arguments):
        if argument == f"--{name}" and number + 1 < len(arguments):
            return arguments[number + 1]
        if argument.startswith(f"--{name}="):
            return argument.split("=", 1)[1]
    return default


def _without(arguments: Sequence[str], name: str) -> list[str]:
    """The arguments without a flag and its value."""
    before = ["", *arguments]
    return [
        argument
        for last, argument in zip(before, arguments, strict=False)
        if f"--{name}" not in (last, argument) and not argument.startswith(f"--{name}=")
    ]


def _named(
    command: str, arguments: list[str], defaults: Sequence[str]
) -> tuple[list[str], list[str]]:
    """What stands before the flags, or its defaults; and the flags."""
    names = list(itertools.takewhile(lambda word: not word.startswith("-"), arguments))
    if len(names) > len(defaults):
        takes = "a METHOD and a TASK" if len(defaults) == 2 else "a TASK"
        raise UnresetError(f"{command} takes {takes}, not also {names[len(defaults)]!r}")
    return [*names, *defaults[len(names) :]], arguments[len(names) :]


def _train(arguments: list[str]) -> int:
    defaults = [registry.DEFAULT_METHOD, registry.DEFAULT_TASK]
    (method, task), flags = _named("train", arguments, defaults)
    settings = registry.settings(method, _flag(flags, "preset", "default"))
    if ":" not in task:  # one's own may take long to make
        registry.task(task, _flag(flags, "reward", "") or None)
    settings, given = parse_training(settings, flags)
    return _practised(api.train, method, task, settings, given)


def _life(arguments: list[str]) -> int:
    (method, task), flags = _named("life", arguments, ["qwale", "pointmass_windy"])
    settings = registry.settings(method, _flag(flags, "preset", "default"))
    if prior := _flag(flags, "prior", ""):
        settings = single_life.following(settings, prior, "--trust" in flags)
    elif _flag(flags, "prior-learner", "sac") == "iql":
        settings = replace(settings, learner=registry.settings("iql").learner)
    settings, given = parse_training(settings, flags, "life")
    return _practised(single_life.life, method, task, settings, given)


def _prior(arguments: list[str]) -> int:
    (task,), flags = _named("prior", arguments, ["pointmass"])
    if {"-h", "--help"} & set(flags):
        print(PRIOR_HELP)
        return OK
    kind = _flag(flags, "prior-learner", "sac")
    look_up("prior learner", kind, _PRIORS)
    stem, method, preset = _PRIORS[kind]
    stem = f"{stem}-{task.rpartition(':')[2]}-{_flag(flags, 'seed', '0')}"
    folder = Path(_flag(flags, "out", f"runs/{stem}"))
    if not (folder / "config.json").is_file():
        preset = _flag(flags, "preset", preset)
        flags = _without(_without(flags, "prior-learner"), "preset")
        return _train([method, task, "--preset", preset, *flags, "--out", str(folder)])
    rest = _without(_without(_without(flags, "prior-learner"), "preset"), "out")
    parse_training(registry.settings(method, preset), rest)  # a mistake is one here, too
    print(f"{folder} is there already: it is continued if it is not done")
    return _resume([str(folder), "--no-report", *({"--trust"} & set(flags))])


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
    _tell(run)
    print(_summary(run))
    return OK


def _resume(arguments: list[str]) -> int:
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
        _tell(run)
        told = list(run.notes)
        with Display(f"resuming {options.run} at step {run.env_steps:,}") as display:
            run.resume(options.steps, display.show)
    _tell(run, told)
    if options.report:
        run.report()
    print(_summary(run))
    return OK


def _eval(arguments: list[str]) -> int:
    options = parse(EvalOptions, "eval", arguments)
    demonstrations = early.evaluation(options)
    if options.rewards:
        run = _load(options.run, options.trust)
        found = run.judge_rewards(options.seed_number, options.episodes, demonstrations)
        print("\n\n".join(f"{name}: {judgement.text()}" for name, judgement in found.items()))
        return OK
    if options.dynamics:
        run = _load(options.run, options.trust)
        told = run.judge_model(options.seed_number, options.episodes, demonstrations)
        print("\n\n".join(f"{name}\n{quality.text()}" for name, quality in told.items()))
        return OK
    figures = _load(options.run, options.trust).evaluate(options.starts, options.episodes)
    for name, value in figures.items():
        print(f"{name:22} {value:.4g}")
    return OK


def _report(arguments: list[str]) -> int:
    options = parse(ReportOptions, "report", arguments)
    if not options.runs:
        raise UnresetError("report needs at least one run folder (see unreset report --help)")
    early.writable(options.output or Path("report.html"))
    known = [_known(folder, options.trust) for folder in options.runs]
    if len(options.runs) > 1 or options.output is not None:
        print(write_report(options.runs, options.output or Path("report.html")))
    elif not all(known):
        print(write_page(options.runs[0]))
    else:
        try:
            run = _load(options.runs[0], options.trust)
        except Failure as failure:  # its logs are still worth a page
            print(f"note: drawn from the logs alone, since {failure}", file=sys.stderr)
            print(write_page(options.runs[0]))
            return OK
        print(run.report())
    return OK


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


def _export(arguments: list[str]) -> int:
    options = parse(ExportOptions, "export", arguments)
    early.seed_number(options.seed_number, read_configuration(options.run, options.trust))
    early.writable(options.file)
    policy = _load(options.run, options.trust).export(options.seed_number)
    try:
        print(policy.save(options.file))
    except OSError as error:
        kind = Failure if error.errno in FULL else UnresetError
        raise kind(f"cannot write {options.file}: {error.strerror or error}") from error
    return OK


def _methods(arguments: list[str]) -> int:
    options = parse(MethodsOptions, "methods", arguments)
    if options.method is None:
        for name, presets in registry.METHODS.items():
            about = (type(presets["default"]).__doc__ or "").splitlines()[0]
            print(f"{name:14} {about} Presets: {', '.join(presets)}.")
        return OK
    presets = registry.presets(options.method)
    print("\n\n".join([*describe.texts(presets), f"Presets: {', '.join(presets)}\n"]))
    for field in describe.fields(presets):
        others = "".join(f", {preset}: {value!r}" for preset, value in field.others.items())
        print(f"{field.name} = {field.value!r}{others}")
        if field.about:
            print(f"    {field.about}")
    return OK


def _tasks(arguments: list[str]) -> int:
    options = parse(TasksOptions, "tasks", arguments)
    if options.task is None:
        for name in registry.TASKS:
            print(f"{name:12} {registry.task(name).summary}")
        return OK
    task = registry.task(options.task)
    relabelling = "are" if task.pure else "are not"
    rows = {
        "summary": task.summary,
        "observation": f"{task.observation_size} numbers",
        "goals": f"{len(task.goals)} of {task.goal_size} numbers",
        "initial states": f"{len(task.initial_goals)}, as goals",
        "action": f"{task.action_size} numbers in [-1, 1]",
        "evaluation": f"{task.horizon} steps (--horizon)",
        "training": f"benchmark's reset every {task.train_reset_every:,} steps (--reset-every)",
        "continuing": f"reset every {task.continuing_reset_every:,} steps, new goal every "
        f"{task.goal_change_every or 2 * task.horizon:,} (--goal-change-every)",
        "success": "has to last to the end of an episode" if task.lasting else "once is enough",
        "starts": f"{', '.join(task.starts)} (--start)",
        "reward": f"reward and success {relabelling} functions of observation and goal alone",
        "demonstrations": "none" if task.demonstrations is None else "scripted",
        "simulation": "JAX" if task.step is not None else "Gymnasium environment, live driver",
    }
    for name, text in rows.items():
        print(f"{name:15} {text}")
    return OK


COMMANDS: Commands = {
    "train": (_train, "practise a task without resets"),
    "check": (check_cli.main, "try an environment before training, with advice"),
    "demos": (demos_cli.main, "make, inspect, convert, replay and record demonstrations"),
    "prior": (_prior, "make the data with which a life begins, by practice with resets"),
    "life": (_life, "do a task once, in one life without resets"),
    "resume": (_resume, "continue a run from its newest checkpoint"),
    "eval": (_eval, "evaluate a run's policy"),
    "bench": (bench_cli.main, "train a suite of methods and tasks, with tables and plots"),
    "report": (_report, "write a run's report, or compare runs on one page"),
    "export": (_export, "write a policy that acts with NumPy alone"),
    "methods": (_methods, "list the methods, or show one method's settings"),
    "tasks": (_tasks, "list the tasks, or show one task's protocol"),
}


def _load(folder: Path, trust: bool = False) -> api.Run:
    run = api.load(folder, trust=trust)
    _tell(run)
    return run


def _tell(run: api.Run, told: Sequence[str] = ()) -> None:
    for note in run.notes:
        if note not in told:
            print(f"note: {note}", file=sys.stderr)


def _summary(run: api.Run) -> str:
    figures = run.summary
    resets = max(figures["hard_resets"])
    return "\n".join(
        [
            f"{figures['method']} on {figures['task']}: {figures['env_steps']:,} steps of "
            f"{len(figures['seeds'])} seed(s) in {figures['wall_seconds']:.0f} s",
            *(_of_lives(figures) if "life_steps" in figures else _of_policies(figures)),
            f"  effort   {resets} hard reset(s)"
            + (f", one in {min(figures['steps_per_reset']):,} steps" if resets else "")
            + f"; {figures['demonstrations']} demonstrations"
            + (
                f"; {max(figures['help_requests'])} call(s) for help, "
                f"{max(figures['labels'])} label(s)"
                if "labels" in figures
                else ""
            ),
            f"  folder   {run.folder}",
        ]
    )


def _of_policies(figures: dict[str, Any]) -> list[str]:
    def shares(name: str) -> str:
        both = figures[name], figures[f"{name}_at_end"]
        reached, kept = ("-" if value is None else f"{value:.2f}" for value in both)
        return f"{reached} at any step, {kept} at the end"

    episodes, rate = figures["evaluation_episodes"], figures["continuing_reward"]
    wide = figures["robustness"] is not None
    return [
        f"  success  {shares('final_success')} of episodes from the initial states"
        + (f" ({episodes:,} for each seed)" if episodes else ""),
        *([f"  wide     {shares('robustness')}, from wide starts"] if wide else []),
        *([] if rate is None else [f"  life     {rate:.4f} reward per step"]),
    ]


def _of_lives(figures: dict[str, Any]) -> list[str]:
    low, high = figures["life_mean_interval"]
    within = "" if low is None else f" (95 %: {low:,.0f} to {high:,.0f})"
    steps, goals = figures["life_steps"], figures["life_goals"]
    solved = sum(step is not None for step in steps)
    lines = [
        f"  lives    {solved} of {len(steps)} reached their goal",
        f"  steps    mean {figures['life_mean']:,.0f}{within}, median "
        f"{figures['life_median']:,.0f}",
    ]
    if figures["task_goals"] > 1:
        reached = [goal for goal, step in zip(goals, steps, strict=True) if step is not None]
        each = [f"{n}: {reached.count(n)} of {goals.count(n)}" for n in sorted(set(goals))]
        lines.append(f"  goals    reached, by their number: {', '.join(each)}")
    return lines


def _one_line(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    line: str | None = None,
    *,
    usual: Callable[..., str] = warnings.formatwarning,
) -> str:
    """How a warning is printed: one of this library's as its errors are."""
    if issubclass(category, Notice):
        return f"unreset: warning: {message}\n"
    return usual(message, category, filename, lineno, line)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == ["--version"]:
        print(__version__)
        return OK
    warnings.formatwarning = _one_line
    alone = interrupts.Alone() if arguments is None else None
    with streams.forgiving() as output:
        code = _run(words)
    if alone is not None:
        alone.interrupted = code == INTERRUPTED
    if output.unwritten is None:
        return code
    with streams.forgiving():
        print(f"unreset: cannot write to the standard output: {output.unwritten}", file=sys.stderr)
    return code or (OK if words[0] in _PRACTISING else FAILED)


def _run(words: list[str]) -> int:
    """Run one command; returns the exit code, after a line about what went wrong."""
    try:
        about = f"unreset {__version__}: reinforcement learning that practises without resets"
        return dispatch("unreset", about, COMMANDS, "unreset train medal tabletop --seeds 2", words)
    except Failure as failure:
        print(f"unreset: {failure}", file=sys.stderr)
        return FAILED
    except UnresetError as mistake:
        print(f"unreset: {mistake}", file=sys.stderr)
        return USAGE
    except KeyboardInterrupt as interrupt:
        print(": ".join(["unreset", "interrupted", *map(str, interrupt.args)]), file=sys.stderr)
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
