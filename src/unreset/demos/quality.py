"""What a set of demonstrations is like: figures, and advice where one is out of the ordinary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unreset.core.types import Task
from unreset.demos.store import BACKWARD, DIRECTIONS, FORWARD, Trajectory
from unreset.demos.success import final_successes, successes
from unreset.errors import UnresetError

SATURATED = 0.99  # an action this large counts as saturated
STILL = 0.05  # of the 90th percentile of motion: less is a pause
MANY_PAUSES, MUCH_SATURATION, FEW = 0.2, 0.5, 3  # beyond (below) these there is advice


@dataclass(frozen=True)
class Quality:
    """The figures of the demonstrations of one direction; lengths and steps in actions."""

    number: int
    steps: int
    shortest: int
    mean_length: float
    longest: int
    success: float  # share whose last observation satisfies its goal; NaN if that is not known
    passed: int  # how many satisfy their goal already before the end
    saturation: tuple[float, ...]  # [action]: share of |action| > 0.99, per number of an action
    goals_reached: int  # of the task's goals (backward: initial states), those that some end in
    goals: int
    starts: int  # distinct first observations
    start_spread: float  # of first observations, relative to that of all; 0 if all start alike
    pauses: float  # share of steps with hardly any motion
    duplicates: int  # equal to an earlier one


def assess(task: Task, trajectories: Sequence[Trajectory]) -> dict[int, Quality]:
    """The figures per direction (FORWARD, BACKWARD), of those that there are.

    A step's motion is the distance between its two observations, each number divided by its
    standard deviation over all demonstrations; a pause is a step of less than 5 % of the 90th
    percentile of motion.
    """
    if not trajectories:
        raise UnresetError("there are no demonstrations to assess")
    everything = np.concatenate([one.observations for one in trajectories])
    spread = everything.std(axis=0)
    scale = np.where(spread > 1e-6, spread, np.inf)  # what never changes has no say
    motions = [
        np.linalg.norm(np.diff(o.observations, axis=0) / scale, axis=1) for o in trajectories
    ]
    still = STILL * float(np.percentile(np.concatenate(motions), 90))
    first_seen: dict[bytes, int] = {}
    for number, one in enumerate(trajectories):
        first_seen.setdefault(_content(one), number)
    found = {}
    for direction, goals in ((FORWARD, task.goals), (BACKWARD, task.initial_goals)):
        numbers = [i for i, one in enumerate(trajectories) if one.direction == direction]
        if not numbers:
            continue
        chosen = [trajectories[i] for i in numbers]
        lengths = [len(one.actions) for one in chosen]
        starts = np.stack([one.observations[0] for one in chosen])
        motion = np.concatenate([motions[i] for i in numbers])
        reached = final_successes(task, chosen)
        found[direction] = Quality(
            number=len(chosen),
            steps=sum(lengths),
            shortest=min(lengths),
            mean_length=float(np.mean(lengths)),
            longest=max(lengths),
            success=float("nan") if reached is None else float(reached.mean()),
            passed=_passed(task, chosen),
            saturation=tuple(
                (np.abs(np.concatenate([one.actions for one in chosen])) > SATURATED)
                .mean(axis=0)
                .tolist()
            ),
            goals_reached=_reached(task, chosen, goals),
            goals=len(goals),
            starts=len(np.unique(np.round(starts, 4), axis=0)),
            start_spread=float((starts.std(axis=0) / scale).max()),
            pauses=float((motion < still).mean()),
            duplicates=sum(first_seen[_content(trajectories[i])] != i for i in numbers),
        )
    return found


def advice(task: Task, found: dict[int, Quality]) -> list[str]:
    """One line for each thing that is out of the ordinary, with what to do about it."""
    lines = []
    for direction, name in enumerate(DIRECTIONS):
        if direction not in found:
            lines.append(f"no {name} demonstrations: {_LACKING[direction]}")
            continue
        one = found[direction]
        if one.number < FEW:
            lines.append(f"only {one.number} {name}: record more, from different starts")
        if one.success < 1:
            lines.append(
                f"{one.number - round(one.success * one.number)} of {one.number} {name} do not end "
                f"in success: record them again, or check that they are {task.name}'s"
            )
        if one.passed:
            lines.append(f"{one.passed} {name} go on after their first success: cut them off there")
        if one.goals_reached < one.goals and not np.isnan(one.success):
            what = "goals" if direction == FORWARD else "initial states"
            lines.append(
                f"{name} ones end in {one.goals_reached} of {one.goals} {what}: "
                f"record some for the others"
            )
        # A number that is always at its limits is a switch, such as a gripper.
        analog = [
            i for i, share in enumerate(one.saturation) if MUCH_SATURATION < share < SATURATED
        ]
        if analog:
            lines.append(
                f"{name} action {', '.join(map(str, analog))} is at its limit most of the time: "
                f"a policy that clones it hardly explores; move more slowly"
            )
        if one.pauses > MANY_PAUSES:
            lines.append(
                f"{one.pauses:.0%} of the {name} steps are pauses, which a clone imitates: "
                f"record without hesitating, or cut them out"
            )
        if one.duplicates:
            lines.append(f"{one.duplicates} {name} are copies of others: remove them")
        if one.longest > task.horizon:
            lines.append(
                f"the longest {name} one takes {one.longest} steps, an evaluation episode "
                f"{task.horizon}: be quicker"
            )
    return lines


_LACKING = (
    "the goal is never shown; record some",
    "methods that learn to go back need some (naive and oracle do not)",
)


def _content(trajectory: Trajectory) -> bytes:
    return trajectory.observations.tobytes() + trajectory.actions.tobytes()


def _passed(task: Task, trajectories: Sequence[Trajectory]) -> int:
    """How many satisfy their goal after a step that is not the last."""
    before = [one.observations[1:-1] for one in trajectories]
    lengths = [len(rows) for rows in before]
    if not sum(lengths):
        return 0
    goals = np.repeat(np.stack([one.goal for one in trajectories]), lengths, axis=0)
    owner = np.repeat(np.arange(len(trajectories)), lengths)
    reached = successes(task, np.concatenate(before), goals)
    return 0 if reached is None else len(np.unique(owner[reached]))


def _reached(task: Task, trajectories: Sequence[Trajectory], goals: np.ndarray) -> int:
    """How many of the goals [goals, goal] some last observation satisfies."""
    ends = np.stack([one.observations[-1] for one in trajectories])
    pairs = successes(
        task, np.repeat(ends, len(goals), axis=0), np.tile(goals, (len(trajectories), 1))
    )
    if pairs is None:
        return 0
    return int(pairs.reshape(len(trajectories), len(goals)).any(axis=0).sum())
