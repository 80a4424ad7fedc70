"""The commands that list what there is: ``unreset methods`` and ``tasks``."""

from __future__ import annotations

from unreset import registry
from unreset.cli import describe
from unreset.cli.options import MethodsOptions, TasksOptions


def methods(options: MethodsOptions) -> int:
    """Run ``unreset methods``; returns the exit code."""
    if options.method is None:
        for name, presets in registry.METHODS.items():
            about = (type(presets["default"]).__doc__ or "").splitlines()[0]
            print(f"{name:14} {about} Presets: {', '.join(presets)}.")
        return 0
    presets = registry.presets(options.method)
    print("\n\n".join([*describe.texts(presets), f"Presets: {', '.join(presets)}\n"]))
    for field in describe.fields(presets):
        others = "".join(f", {preset}: {value!r}" for preset, value in field.others.items())
        print(f"{field.name} = {field.value!r}{others}")
        if field.about:
            print(f"    {field.about}")
    return 0


def tasks(options: TasksOptions) -> int:
    """Run ``unreset tasks``; returns the exit code."""
    if options.task is None:
        for name in registry.TASKS:
            print(f"{name:12} {registry.task(name).summary}")
        return 0
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
    return 0
