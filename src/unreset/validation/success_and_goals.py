"""The part of a check that asks about goals, success and demonstrations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from unreset.core.types import Task
from unreset.demos import store, units
from unreset.demos.store import DIRECTIONS, FORWARD, Trajectory
from unreset.demos.success import successes
from unreset.errors import UnresetError
from unreset.validation.walk import Finding, Trial, Walk, listed

AGREE = 0.995  # share of steps; distances at the very threshold may be rounded differently
OFTEN = 0.2  # share of goals that may hold at a reset
MANY = 50  # goals or initial goals to try
TELLING = (
    "to be told our goal it needs a method set_goal(goal), or to keep it in a NumPy array goal"
)


def goals(trial: Trial) -> list[Finding]:
    """How many there are, whether the environment hears of them, and which hold at a start."""
    task, found = trial.task, []
    trial.show(task.goals[0])
    text = f"{_counted(task.goals, 'goal')} of {task.goal_size} number(s)"
    text += ", told to the environment" if trial.told else ", which the environment is not told"
    shown = trial.raw.get("desired_goal") if isinstance(trial.raw, dict) else None
    if deaf := trial.has_own_goal and not trial.told and task.pure:
        text += ", although it has one of its own"
    if not np.isfinite(task.goals).all() or not np.isfinite(task.initial_goals).all():
        return [Finding("goals", "problem", "goals or initial goals are not finite")]
    if shown is not None and np.shape(shown) != (task.goal_size,):
        text = f"desired_goal has shape {np.shape(shown)}, but goals have {task.goal_size} numbers"
        return [Finding("goals", "problem", text)]
    early = _holds(trial, task.goals[:MANY])
    if early is not None and early.mean() > OFTEN:
        text += f"; at a reset {early.mean():.0%} of them already hold"
        advice = "these teach little, and an evaluation counts them as successes"
        verdict: Any = "problem" if early.all() else "warning"
        found.append(Finding("goals", verdict, text, advice))
    elif deaf:
        found.append(Finding("goals", "warning", text, f"{TELLING}; it may end on its own"))
    elif early is None:
        found.append(Finding("goals", "ok", f"{text}; success at a reset cannot be told"))
    else:
        held = f"{early.mean():.0%} of them already hold" if early.any() else "none holds"
        found.append(Finding("goals", "ok", f"{text}; at a reset {held}"))
    if not len(task.initial_goals):
        text = "none: methods whose backward role returns to a start (fbrl) cannot be used"
        advice = "give initial_goals, or achieved, or initial_success; medal and naive need none"
        return [*found, Finding("initial goals", "warning", text, advice)]
    text = _counted(task.initial_goals, "initial goal")
    back = _holds(trial, task.initial_goals[:MANY])
    if back is not None and not back.any():
        text += f"; none holds at any of {len(back)} resets"
        advice = "a way back would never succeed: they must be goals that a start achieves"
        found.append(Finding("initial goals", "warning", text, advice))
    elif back is not None:
        share = back.any(axis=1).mean()
        found.append(Finding("initial goals", "ok", f"{text}; one holds at {share:.0%} of resets"))
    else:
        found.append(Finding("initial goals", "ok", text))
    return found


def _counted(rows: np.ndarray, what: str) -> str:
    number, distinct = len(rows), len(np.unique(rows, axis=0))
    counted = f"{number} {what}{'s' if number > 1 else ''}"
    return counted if number == distinct else f"{counted} ({distinct} distinct)"


def _holds(trial: Trial, rows: np.ndarray, resets: int = 5) -> np.ndarray | None:
    """Whether each of some goals holds at each of some resets [resets, goals]; None if unknown."""
    held = []
    for seed in range(resets):
        observation = trial.reset(seed)
        judged = []
        for goal in rows:
            trial.show(goal)
            judged.append(trial.judge(observation, goal))
        if any(value is None for value in judged):
            return None
        held.append(judged)
    return np.array(held, bool)


def success(trial: Trial, seen: Walk) -> list[Finding]:
    """Who judges, whether rewards can be recomputed, and whether the environment agrees."""
    task, found = trial.task, []
    if task.pure:
        text = "reward and success are JAX: recomputed for any goal, with hindsight"
        found.append(Finding("reward", "ok", text))
        found += _pure(task, seen)
    else:
        text = "reward and success are stored as they were: no hindsight, no other goals"
        advice = "functions in JAX (jax.numpy) of observation and goal teach far more from a step"
        found.append(Finding("reward", "warning", text, advice))
    try:
        task.success(seen.after[0], seen.goals[0])
    except UnresetError:  # its own is all there is
        return found
    both = ~np.isnan(seen.owned) & ~np.isnan(seen.judged)
    if both.any() and trial.told:
        agree = (seen.owned == seen.judged)[both].mean()
        text = f"agrees with the environment's own at {agree:.1%} of {both.sum()} steps"
        text += f" ({seen.judged[both].mean():.0%} successes)"
        advice = "mend success (a threshold?), or the environment's set_goal"
        if agree < AGREE:
            found.append(Finding("success", "problem", text, advice))
        else:
            found.append(Finding("success", "ok", text))
    return found


def _pure(task: Task, seen: Walk) -> list[Finding]:
    """Rewards are finite, and what an observation achieves is a success there."""
    achieved = jax.jit(jax.vmap(task.achieved))(seen.after)
    judge = jax.jit(jax.vmap(lambda o, g: (task.reward(o, g), task.success(o, g))))
    reward = np.asarray(judge(seen.after, seen.goals)[0])
    kept = np.asarray(judge(seen.after, achieved)[1])
    if not np.isfinite(reward).all():
        return [Finding("reward", "problem", "it is not finite at some random step")]
    if not kept.all():
        text = (
            f"what an observation achieves is no success there, at {1 - kept.mean():.1%} of steps"
        )
        advice = "hindsight gives such goals to rows: achieved and success must fit together"
        return [Finding("achieved", "warning" if kept.any() else "problem", text, advice)]
    return []


def demonstrations(
    task: Task, trajectories: Sequence[Trajectory] | None, starts: np.ndarray
) -> list[Finding]:
    """Whether they fit, end with their first success, and begin where the task does."""
    if trajectories is None:
        trajectories = list(task.demonstrations()) if task.demonstrations is not None else []
    if not trajectories:
        text = "none: medal needs them to go forward, and every method learns faster with some"
        return [Finding("demonstrations", "warning", text, "give demonstrations=, or --demos")]
    try:
        store.check(trajectories, task)
        units.refuse_doubt(trajectories, task)
    except UnresetError as error:
        return [Finding("demonstrations", "problem", str(error))]
    ways = [t.direction for t in trajectories]
    text = ", ".join(f"{ways.count(i)} {name}" for i, name in enumerate(DIRECTIONS))
    lengths = [len(t.actions) for t in trajectories]
    text += f", of {min(lengths)} to {max(lengths)} steps"
    verdict: Any
    verdict, words, advice = _judged(task, trajectories)
    found = [Finding("demonstrations", verdict, text + words, advice)]
    return found + _beginnings(trajectories, starts)


def _judged(task: Task, trajectories: Sequence[Trajectory]) -> tuple[str, str, str]:
    """Verdict, words and advice about their successes."""
    # One that brings its rewards need not end in success.
    claiming = [(n, one) for n, one in enumerate(trajectories) if one.rewards is None]
    judged = [(n, _successes(task, one)) for n, one in claiming]
    if any(row is None for _, row in judged):
        return "ok", "; only the environment can judge them", ""
    last = [n for n, row in judged if row is not None and not row[-1]]
    early = [n for n, row in judged if row is not None and row[:-1].any()]
    if last:
        advice = "each must end with its first success for its own goal: cut or drop them"
        return "problem", f"; {len(last)} do not end in success ({listed(last)})", advice
    if early:
        advice = "cut each at its first success: what follows is taught as if it failed"
        return "warning", f"; {len(early)} succeed before their end ({listed(early)})", advice
    return "ok", ", each until its first success" if judged else "", ""


def _successes(task: Task, trajectory: Trajectory) -> np.ndarray | None:
    """Success at every observation [T + 1]; None where only the environment knows."""
    goals = np.tile(trajectory.goal, (len(trajectory.observations), 1))
    return successes(task, trajectory.observations, goals)


def _beginnings(trajectories: Sequence[Trajectory], starts: np.ndarray) -> list[Finding]:
    """Forward ones should begin about where resets do: else something is laid out otherwise."""
    first = [t.observations[0] for t in trajectories if t.direction == FORWARD]
    if not first:
        return []
    seen = np.concatenate([starts, *(t.observations for t in trajectories)])
    slack = 0.2 * np.ptp(seen, axis=0) + 1e-3
    apart = (first < starts.min(axis=0) - slack) | (first > starts.max(axis=0) + slack)
    if not apart.any(axis=1).all():
        return []
    places = listed(np.flatnonzero(apart.all(axis=0)) if apart.all(axis=0).any() else [])
    text = "no forward one begins near a reset" + (f"; numbers {places} differ" if places else "")
    advice = "fine if they were begun elsewhere on purpose; else mind order and units of numbers"
    return [Finding("demonstrations", "warning", text, advice)]
