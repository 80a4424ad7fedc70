"""Tries a task's environment before anything is trained in it, and says what it found."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from unreset.core.types import Task
from unreset.demos.store import Trajectory
from unreset.errors import Failure, UnresetError
from unreset.tasks.environments import interface
from unreset.validation.success_and_goals import TELLING, demonstrations, goals, success
from unreset.validation.walk import STARTS, Finding, Trial, Walk, effects, listed, own_resets, walk

__all__ = ["Finding", "check"]

LARGE = 30.0  # numbers beyond this slow learning down
SLOW = 200  # steps per second below which practice waits for the environment


Tell = Callable[[str], None]


def check(
    task: Task,
    trajectories: Sequence[Trajectory] | None = None,
    steps: int = 1000,
    tell: Tell = lambda stage: None,
) -> list[Finding]:
    """Try a task: ``steps`` random steps, and some more from the same places.

    ``trajectories`` are judged instead of the task's own demonstrations. A check that fails with
    an error is a problem that is found, too. ``tell`` is called with what is being tried.
    """
    try:
        trial = Trial(task)
    except (Exception, SystemExit) as error:  # any: it is the user's
        return [Finding("environment", "problem", _said(error))]
    try:
        return _all(trial, trajectories, steps, tell)
    finally:
        interface.close(trial.environment)


def _all(
    trial: Trial, trajectories: Sequence[Trajectory] | None, steps: int, tell: Tell
) -> list[Finding]:
    task, found = trial.task, list[Finding]()
    try:
        found += _space(trial)
        tell("resets")
        starts = np.stack([trial.reset(seed) for seed in range(STARTS)])
        if found:
            return found
        seen = walk(trial, steps, tell)
    except Failure as failure:  # said as practice says it, which would stop here
        return [*found, Finding("environment", "problem", str(failure))]
    except (Exception, SystemExit) as error:  # any: it is the user's
        return [*found, Finding("environment", "problem", f"it failed: {_said(error)}")]
    found += _observations(task, seen, starts)
    checks: list[tuple[str, Callable[[], list[Finding]]]] = [
        ("actions", lambda: _actions(trial)),
        ("speed", lambda: [_speed(seen)]),
        ("resets", lambda: [_resets(trial, starts)]),
        ("steps", lambda: _steps(trial)),
        ("ends", lambda: [_ends(trial, seen)]),
        ("own resets", lambda: [_own_resets(trial, seen, starts)]),
        ("save", lambda: [_save(trial)]),
        ("goals", lambda: goals(trial)),
        ("success", lambda: success(trial, seen)),
        ("demonstrations", lambda: demonstrations(task, trajectories, starts)),
    ]
    for what, run in checks:
        tell(what)
        try:
            found += run()
        except (Exception, SystemExit) as error:  # any: it is the user's
            found.append(Finding(what, "problem", f"trying it failed: {_said(error)}"))
    return found


def _said(error: BaseException) -> str:
    return str(error) if isinstance(error, UnresetError) else repr(error)


def _space(trial: Trial) -> list[Finding]:
    """Its actions, if they are not as the task declares them."""
    size, space = trial.task.action_size, trial.environment.action_space
    low, high = getattr(space, "low", None), getattr(space, "high", None)
    unit = low is not None and (np.asarray(low) == -1).all() and (np.asarray(high) == 1).all()
    if space.shape == (size,) and unit:
        return []
    text = f"actions are {space}, not {size} numbers in [-1, 1]"
    advice = "make the task with unreset.from_environment, which stretches them"
    return [Finding("actions", "problem", text, advice)]


def _observations(task: Task, seen: Walk, starts: np.ndarray) -> list[Finding]:
    """In the declared space, of a size that networks like, and not all constant."""
    everything = np.concatenate([starts, seen.before, seen.after])
    text = f"{task.observation_size} numbers from {everything.min():.3g} to {everything.max():.3g}"
    if constant := np.flatnonzero(np.ptp(everything, axis=0) == 0).tolist():
        text += f"; {listed(constant)} never changed"
    found = []
    outside = int((~seen.contained).sum())
    if outside:
        text += f"; at {outside} of {len(seen.after)} steps not in the declared space"
        advice = "mend observation_space (range or type); practice itself does not use it"
        found.append(Finding("observations", "warning", text, advice))
    elif np.abs(everything).max() > LARGE:
        worst = int(np.abs(everything).max(axis=0).argmax())
        advice = f"networks learn best from numbers of about 1: scale number {worst} by state="
        found.append(Finding("observations", "warning", text, advice))
    else:
        found.append(Finding("observations", "ok", text))
    return found


def _actions(trial: Trial) -> list[Finding]:
    """Whether each number of an action does something, and more of it does more."""
    none, saturated = effects(trial)
    found = []
    if none.any():
        text = f"{listed(np.flatnonzero(none))} changed nothing in 3 places"
        advice = "fine for a gripper with nothing near; else leave it out, it only hinders learning"
        found.append(Finding("actions", "warning", text, advice))
    if saturated.any():
        text = f"{listed(np.flatnonzero(saturated))}: half of it does what all of it does"
        advice = "fine for a switch; else rescale it, so that [-1, 1] spans what it can do"
        found.append(Finding("actions", "warning", text, advice))
    if not found:
        text = f"{trial.task.action_size} number(s) in [-1, 1], each of which does something"
        found.append(Finding("actions", "ok", text))
    return found


def _speed(seen: Walk) -> Finding:
    rate = len(seen.after) / max(seen.seconds, 1e-9)
    text = f"{rate:,.0f} steps per second; 100,000 take {100_000 / rate / 60:.1f} minutes"
    advice = "practice will wait for the environment: fewer substeps, or no pictures, if possible"
    return (
        Finding("speed", "warning", text, advice) if rate < SLOW else Finding("speed", "ok", text)
    )


def _resets(trial: Trial, starts: np.ndarray) -> Finding:
    again = trial.reset(0)
    if not np.array_equal(again, starts[0]):
        text = "two resets with the same seed differ"
        advice = "use self.np_random after super().reset(seed=seed); runs cannot be repeated else"
        return Finding("resets", "warning", text, advice)
    number = len(np.unique(starts, axis=0))
    where = "all begin alike" if number == 1 else f"begin in {number} places"
    return Finding("resets", "ok", f"one seed gives one start; {len(starts)} seeds {where}")


def _steps(trial: Trial) -> list[Finding]:
    """Whether the same actions lead to the same, here and in a second instance."""
    shape = (20, trial.task.action_size)
    actions = np.random.default_rng(2).uniform(-1.0, 1.0, shape).astype(np.float32)

    def paths(which: Trial) -> np.ndarray:
        which.reset(0)
        return which.follow(actions)

    first, again = paths(trial), paths(trial)
    found = []
    if np.array_equal(first, again):
        found.append(Finding("steps", "ok", "same start and actions, same observations"))
    else:
        text = f"not repeatable: the same actions differ by up to {np.abs(first - again).max():.2g}"
        advice = "fine for a robot, or noise; a simulator's should come from reset's seed"
        found.append(Finding("steps", "warning", text, advice))
    try:
        other = Trial(trial.task)
    except (Exception, SystemExit) as error:  # any: it is the user's
        text = f"a second one cannot be made beside the first: {_said(error)}"
        advice = "evaluation needs one of its own"
        return [*found, Finding("instances", "problem", text, advice)]
    trial.reset(0)
    half = len(actions) // 2
    begun = trial.follow(actions[:half])
    elsewhere = paths(other)
    interface.close(other.environment)
    mixed = np.concatenate([begun, trial.follow(actions[half:])])
    if np.array_equal(first, again) and not np.array_equal(mixed, first):
        text = "stepping a second instance disturbs the first"
        advice = "evaluation steps one of its own: keep state in the object, not in the module"
        found.append(Finding("instances", "problem", text, advice))
    elif np.array_equal(first, again) and not np.array_equal(elsewhere, first):
        text = "a second instance with the same seed goes elsewhere"
        found.append(Finding("instances", "warning", text, "runs cannot be repeated exactly"))
    else:
        found.append(Finding("instances", "ok", "two live side by side"))
    return found


def _ends(trial: Trial, seen: Walk) -> Finding:
    """Practice goes on without end; what ends must be reset, at a cost that is counted."""
    steps = len(seen.after)
    ended = seen.ends.any(axis=1)
    if not ended.any():
        return Finding("ends", "ok", f"{steps:,} random steps without an end")
    which = "terminated" if seen.ends[:, 0].any() else "truncated"
    text = f"{which} {ended.sum()} times in {steps:,} random steps, first after "
    text += f"{np.flatnonzero(ended)[0] + 1}"
    advice = "each is a counted reset; an environment for practice should go on by itself"
    own = seen.ends[:, 0] & (seen.owned == 1)  # its info says that it is done
    if (other := own & (seen.judged == 0)).any() and not trial.told:
        text += (
            f"; {other.sum()} of them on its own goal, while ours, which it is not told (see "
            "goals), was not reached"
        )
        advice = f"each costs a counted reset: {TELLING}; or let it go on when it is done"
    elif own.any():
        text += f"; {own.sum()} of them at its own success"
        advice = "each success costs a counted reset: let it go on when it is done"
    elif seen.ends[:, 0].any() and not trial.told and trial.has_own_goal:
        text += "; perhaps on its own goal, since it is not told ours (see goals)"
        advice = f"each is a counted reset: {TELLING}; or let it go on by itself"
    return Finding("ends", "warning", text, advice)


def _own_resets(trial: Trial, seen: Walk, starts: np.ndarray) -> Finding:
    steps, sure = own_resets(seen, starts)
    if not trial.task.watch_resets:
        return Finding("own resets", "ok", "watch_resets=False says that it never does")
    if not len(steps) and trial.suspected is None:
        return Finding("own resets", "ok", "it never jumped back to a start by itself")
    where = f"at random step {listed(steps[:3])}" if len(steps) else trial.suspected
    advice = "remove that (wrappers such as Autoreset); every reset must be asked for and counted"
    if sure:
        return Finding("own resets", "problem", f"it seems to reset itself, {where}", advice)
    text = f"some of its numbers jumped to a start, {where}: does it reset itself?"
    advice = "if not (an angle that wraps, a switch), watch_resets=False says so; else remove that"
    return Finding("own resets", "warning", text, advice)


def _save(trial: Trial) -> Finding:
    if not trial.exact:
        text = "no get_state and set_state: a resumed run begins with a counted reset"
        return Finding("save", "warning", text, "give it both to resume exactly, or leave it")
    shape = (20, trial.task.action_size)
    actions = np.random.default_rng(3).uniform(-1.0, 1.0, shape).astype(np.float32)
    trial.reset(0)
    here, saved = trial.follow(actions[:5])[-1], trial.save()
    path = trial.follow(actions)
    later = {name: value.shape for name, value in trial.save().items()}
    if {name: value.shape for name, value in saved.items()} != later:
        text = "the shapes of get_state's arrays change"
        return Finding("save", "problem", text, "checkpoints need fixed shapes: pad them")
    trial.reset(1)
    if trial.restore(here, saved, trial.frames) and np.array_equal(trial.follow(actions), path):
        return Finding("save", "ok", "it goes on exactly from a saved state")
    text = "it does not go on from a saved state as it did before"
    return Finding("save", "problem", text, "save everything that the next step depends on")
