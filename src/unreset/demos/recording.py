"""Recording demonstrations: a policy, the task's script or a person acts, a person judges."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from unreset.core.types import Task
from unreset.demos import flat, formats
from unreset.demos.replaying import make
from unreset.demos.scripts import scripted
from unreset.demos.store import FORWARD, Normalized, Trajectory
from unreset.demos.success import final_successes, successes
from unreset.errors import UnresetError
from unreset.seeds import checked

Act = Callable[[np.ndarray, np.ndarray], np.ndarray | None]
"""(observation [observation], goal [goal]) -> action [action], or None to end the episode."""

KEEP, DISCARD, REDO = "y", "n", "r"


class Attempt(NamedTuple):
    """One recorded episode; a success ends it, and else it brings its rewards."""

    trajectory: Trajectory
    success: bool


Recorder = Callable[[int, bool], Attempt | None]
"""(number from 0, whether it is done again) -> the recorded episode, None if it has no step."""


class Session(NamedTuple):
    """What came of a recording."""

    recorded: int
    kept: int
    total: int  # demonstrations in the file now


def session(
    task: Task,
    recorder: Recorder,
    path: str | Path,
    episodes: int,
    judge: Callable[[int, Attempt], str],
) -> Session:
    """Record ``episodes`` episodes and add those that are kept to a file, each as it is kept.

    Args:
        task: what is recorded.
        recorder: records one episode at a time.
        path: a ``.safetensors`` or ``.npz`` file; what it holds already stays.
        episodes: how many, discarded ones included; one that is redone counts once.
        judge: (number from 0, attempt) -> "y" to keep, "n" to discard, "r" to redo.

    Raises:
        UnresetError: where the file holds something else, or cannot be written.
    """
    held = held_by(path, task, episodes)
    recorded = kept = number = 0
    again = False
    while number < episodes:
        attempt = recorder(number, again)
        recorded += 1
        verdict = DISCARD if attempt is None else judge(number, attempt)
        again = verdict == REDO
        if again:
            continue
        if verdict == KEEP and attempt is not None:
            held.append(attempt.trajectory)
            formats.write(held, task, path)
            kept += 1
        number += 1
    return Session(recorded, kept, len(held))


def held_by(path: str | Path, task: Task, episodes: int = 1) -> Normalized:
    """What a file to record to holds already.

    Raises:
        UnresetError: as :func:`session`.
    """
    path = Path(path)
    if episodes < 1:
        raise UnresetError(f"episodes must be at least 1, not {episodes}")
    if path.suffix not in (".safetensors", ".npz"):
        raise UnresetError(f"{path} must end in .safetensors or .npz")
    formats.check_place(path)
    return formats.read(path, task) if path.exists() else Normalized()


def only_successes(number: int, attempt: Attempt) -> str:
    """A judge that asks nobody."""
    return KEEP if attempt.success else DISCARD


def check(
    task: Task, direction: int | None, start: str | None, horizon: int | None, seed: int
) -> None:
    """Raise UnresetError where :class:`Acting` would, before anything is made."""
    checked(seed)
    if horizon is not None and horizon < 1:
        raise UnresetError(f"horizon must be at least 1, not {horizon}")
    if start is not None and start not in task.starts:
        raise UnresetError(f"{task.name} has no start {start!r}; it has {list(task.starts)}")
    if direction != FORWARD and not len(task.initial_goals):
        raise UnresetError(f"{task.name} does not say where its initial states are")
    if task.environment is None:
        raise UnresetError(f"{task.name} has no Gymnasium environment to act in")


class Acting:
    """Episodes in the task's environment, cut at the first success.

    Forward episodes go round the task's goals; backward ones begin at a goal, or where a
    successful forward one has just ended, and go round the initial states.

    Args:
        task: what is practised.
        act: what acts; a method ``begin()`` of it is called before each episode.
        direction: FORWARD, BACKWARD, or None for both in turn.
        start: the kind of start of forward episodes; None for the environment's own.
        horizon: steps of an episode at most; by default the task's.
        seed: of the environment.
        watch: is given the environment before each action.
        render_mode: of the environment.
    """

    def __init__(
        self,
        task: Task,
        act: Act,
        direction: int | None = FORWARD,
        start: str | None = None,
        horizon: int | None = None,
        seed: int = 0,
        watch: Callable[[Any], None] = lambda environment: None,
        render_mode: str | None = None,
    ) -> None:
        check(task, direction, start, horizon, seed)
        self._horizon = task.horizon if horizon is None else horizon
        self._task, self._act, self._direction, self._start = task, act, direction, start
        self._watch = watch
        self._environment = make(task, render_mode)
        observation, _ = self._environment.reset(seed=seed)
        self._seen = np.asarray(self._task.state(observation))  # [observation]
        self._arrived = False  # at a goal, by a forward episode
        self._began: Any = None  # (state, observation) of the present episode's start

    def __call__(self, number: int, again: bool) -> Attempt | None:
        """Record an episode; to record it again it begins as it did, where that can be."""
        direction = number % 2 if self._direction is None else self._direction
        goals = self._task.goals if direction == FORWARD else self._task.initial_goals
        turn = number // 2 if self._direction is None else number
        goal = goals[turn % len(goals)]
        self._begin(direction, goal, turn, again)
        attempt = self._episode(goal, direction)
        self._arrived = attempt is not None and attempt.success and direction == FORWARD
        return attempt

    def close(self) -> None:
        """Close the environment."""
        self._environment.close()

    def _begin(self, direction: int, goal: np.ndarray, turn: int, again: bool) -> None:
        """Put the environment at the episode's start."""
        bare = self._environment.unwrapped
        if again and self._began is not None:
            state, self._seen = self._began
            bare.set_state(state)
        elif direction == FORWARD:
            self._reset({} if self._start is None else {"start": self._start})
        elif not (self._direction is None and self._arrived):
            there = self._task.goals[turn % len(self._task.goals)]
            self._reset({"start": "goal", "goal": there})
        if hasattr(bare, "set_goal"):
            bare.set_goal(goal)
        self._began = (bare.get_state(), self._seen) if hasattr(bare, "get_state") else None

    def _reset(self, options: dict[str, Any]) -> None:
        if options.get("start", "initial") not in (*self._task.starts, "initial"):
            raise UnresetError(
                f"{self._task.name} cannot start at a goal, so a way back can only be recorded "
                f"after a forward episode that ended there"
            )
        observation, _ = self._environment.reset(options=options or None)
        self._seen = np.asarray(self._task.state(observation))

    def _episode(self, goal: np.ndarray, direction: int) -> Attempt | None:
        if hasattr(self._act, "begin"):
            self._act.begin()
        seen, actions, rewards = [self._seen], list[np.ndarray](), list[float]()
        success = ended = False
        while len(actions) < self._horizon and not success and not ended:
            self._watch(self._environment)
            action = self._act(self._seen, goal)
            if action is None:
                break
            actions.append(np.clip(np.asarray(action, np.float32), -1.0, 1.0))
            answer, reward, terminated, truncated, _ = self._environment.step(actions[-1])
            ended = terminated or truncated
            self._seen = np.asarray(self._task.state(answer))
            seen.append(self._seen)
            if self._task.score is None:
                reached = successes(self._task, self._seen[None], goal[None])
                success = reached is not None and bool(reached[0])
            else:
                reward, success = self._task.score(self._environment, self._seen, goal)
            rewards.append(float(reward))
        if not actions:
            return None
        stored = flat.sparse(np.array(rewards)) if success else np.array(rewards, np.float32)
        found = Trajectory(np.stack(seen), np.stack(actions), goal.copy(), direction, stored)
        return Attempt(found, bool(success))


def from_script(task: Task, direction: int | None = FORWARD, seed: int = 0) -> Recorder:
    """The task's own demonstrations, one after the other; to do one again is to take another."""
    coming = scripted(task, direction, seed)

    def attempt(number: int, again: bool) -> Attempt:
        found = next(coming)
        reached = final_successes(task, [found])
        return Attempt(found, reached is None or bool(reached[0]))

    return attempt
