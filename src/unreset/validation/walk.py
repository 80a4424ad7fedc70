"""What trying an environment shows: random actions, and steps repeated from one place."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import numpy as np

from unreset.core.types import Task
from unreset.drivers.world import World
from unreset.errors import UnresetError
from unreset.tasks.environments.adapted_env import BroughtEnv
from unreset.tasks.environments.told_success import Unclear, told_success

HOLD = 8  # steps for which a random action is held at most, so that it leads somewhere
GOAL_EVERY = 25  # steps between changes of the goal
STARTS = 10  # resets to look at


class Finding(NamedTuple):
    """What one check found."""

    what: str
    verdict: Literal["ok", "warning", "problem"]
    text: str
    advice: str = ""


class Trial(World):
    """One environment of a task, stepped as in practice, and what else it says of each step."""

    raw: Any  # the environment's own observation
    info: Mapping[str, Any]  # of the last step

    def follow(self, actions: np.ndarray) -> np.ndarray:
        """The observations [steps, observation] after some actions."""
        return np.stack([self.step(action)[0] for action in actions])

    def judge(self, observation: np.ndarray, goal: np.ndarray) -> bool | None:
        """Whether the present state is a success; None where nobody can tell."""
        try:
            if self.task.score is not None:
                return bool(self.task.score(self.environment, observation, goal)[1])
            return bool(self.task.success(observation, goal))  # type: ignore[arg-type]
        except Unclear:  # nor could practice go on
            raise
        except UnresetError:
            return None

    @property
    def owned(self) -> bool | None:
        """What the last info says about success; None if nothing that can be read."""
        try:
            return told_success(self.info)
        except Unclear:  # who judges by it has the last word
            return None

    @property
    def told(self) -> bool:
        """Whether the environment makes use of the goal that it is shown."""
        own = self.environment.unwrapped
        return self.environment.has_wrapper_attr("set_goal") and getattr(own, "knows_goals", True)

    @property
    def has_own_goal(self) -> bool:
        """Whether the environment shows or keeps a goal of its own."""
        own = self.environment.unwrapped
        inner, raw = (own.inner.unwrapped, own.raw) if isinstance(own, BroughtEnv) else (own, None)
        shown = isinstance(raw, Mapping) and "desired_goal" in raw
        return shown or getattr(inner, "goal", None) is not None

    @property
    def contained(self) -> bool:
        """Whether the last observation lies in the space that its environment declares."""
        own = self.environment.unwrapped
        if isinstance(own, BroughtEnv):
            return bool(own.inner.observation_space.contains(own.raw))
        return bool(self.environment.observation_space.contains(self.raw))

    def _checked(self, observation: Any) -> np.ndarray:
        self.raw = observation
        return super()._checked(observation)

    @property
    def suspected(self) -> str | None:
        """Why practice would warn of a reset that nobody asked for."""
        return self._unasked.suspected

    def _look(self, observation: np.ndarray, info: Mapping[str, Any], action: np.ndarray) -> None:
        self.info = info
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is suspected is told as a finding
            super()._look(observation, info, action)


class Walk(NamedTuple):
    """Random actions, T of them; every array has T rows."""

    before: np.ndarray  # [T, observation]
    after: np.ndarray  # [T, observation]
    goals: np.ndarray  # [T, goal], that the environment was told
    ends: np.ndarray  # [T, 2] bool, terminated and truncated
    contained: np.ndarray  # [T] bool, the observation lies in the declared space
    owned: np.ndarray  # [T], what the info says about success, NaN if nothing
    judged: np.ndarray  # [T], what the task says about success, NaN if nothing
    seconds: float  # of all steps


def walk(trial: Trial, steps: int, tell: Callable[[str], None]) -> Walk:
    """Act at random, with a new goal now and then, of which half are achieved at once.

    After an end the environment is reset, as in practice. ``tell`` is called with how far it is.

    Raises:
        Failure: where practice would stop, with the words that it has for it.
    """
    task, generator = trial.task, np.random.default_rng(0)
    observation = trial.reset(0)
    rows: list[tuple[Any, ...]] = []
    seconds, left, action = 0.0, 0, np.zeros(task.action_size, np.float32)
    goal = np.array(task.goals[0])
    for number in range(steps):
        tell(f"random step {number:,} of {steps:,}")
        if number % GOAL_EVERY == 0:
            goal = _next_goal(task, observation, number // GOAL_EVERY)
            trial.show(goal)
        if left == 0:
            left = int(generator.integers(1, HOLD + 1))
            action = generator.uniform(-1.0, 1.0, task.action_size).astype(np.float32)
        left -= 1
        begun = time.perf_counter()
        after, ends = trial.step(action)
        seconds += time.perf_counter() - begun
        owned, judged = trial.owned, trial.judge(after, goal)
        said = [np.nan if value is None else float(value) for value in (owned, judged)]
        rows.append((observation, after, goal, ends, trial.contained, *said))
        observation = after
        if ends.any():
            observation = trial.reset(number)
            trial.show(goal)
    columns: Any = [np.stack(column) for column in zip(*rows, strict=True)]
    return Walk(*columns, seconds)  # type: ignore[call-arg]


def _next_goal(task: Task, observation: np.ndarray, number: int) -> np.ndarray:
    if number % 2 and task.pure:
        return np.asarray(task.achieved(observation), np.float32)  # type: ignore[arg-type]
    return np.asarray(task.goals[number // 2 % len(task.goals)], np.float32)


def own_resets(seen: Walk, starts: np.ndarray) -> tuple[np.ndarray, bool]:
    """Steps at which the environment seems to have reset itself, and whether it is sure to have.

    It jumped, by ten times what is usual and a tenth of all that was seen, to where ``starts``
    [resets, observation] lie, from where two numbers or more did not (a single one may be the speed
    of what hit a wall). It is sure where most of the numbers that ever change jumped.
    """
    everything = np.concatenate([seen.before, seen.after, starts])
    spread = np.ptp(everything, axis=0)
    scale = np.maximum(spread, 1e-6)
    slack = 0.2 * np.ptp(starts, axis=0) + 1e-3 * scale
    low, high = starts.min(axis=0) - slack, starts.max(axis=0) + slack

    def apart(observations: np.ndarray) -> Any:  # [T], how many numbers
        return ((observations < low) | (observations > high)).sum(axis=1)

    moved = np.abs(seen.after - seen.before) / scale
    most = moved.max(axis=1)
    jumped = most > max(0.1, 10.0 * float(np.median(most)))
    back = jumped & (apart(seen.after) == 0) & (apart(seen.before) >= min(2, (spread > 0).sum()))
    steps = np.flatnonzero(back & ~seen.ends.any(axis=1))
    many = (moved > np.maximum(0.1, 10.0 * np.median(moved, axis=0))).sum(axis=1)
    return steps, bool((2 * many[steps] > (spread > 0).sum()).any())


class Effects(NamedTuple):
    """What each action does, [action] bool."""

    none: np.ndarray  # its extremes do the same
    saturated: np.ndarray  # half of it does what all of it does


def effects(trial: Trial, places: int = 3, steps: int = 5) -> Effects:
    """Hold each action at -1, 1/2 and 1 from the same places, and compare what is seen."""
    size = trial.task.action_size
    generator = np.random.default_rng(1)
    differs = np.zeros(size, bool)
    differs_from_half = np.zeros(size, bool)
    for place in range(places):
        way = generator.uniform(-1.0, 1.0, (3 * place, size)).astype(np.float32)

        def held(number: int, value: float, place: int = place, way: Any = way) -> np.ndarray:
            trial.reset(place)
            actions = np.zeros((steps, size), np.float32)
            actions[:, number] = value
            return trial.follow(np.concatenate([way, actions]))

        noise = np.abs(held(0, 0.0) - held(0, 0.0)).max() + 1e-6
        for number in range(size):
            full = held(number, 1.0)
            differs[number] |= np.abs(full - held(number, -1.0)).max() > noise
            differs_from_half[number] |= np.abs(full - held(number, 0.5)).max() > noise
    return Effects(~differs, differs & ~differs_from_half)


def listed(numbers: Any) -> str:
    """Some numbers in words, the first few."""
    shown = [str(number) for number in list(numbers)[:4]]
    return ", ".join(shown) + (", ..." if len(numbers) > len(shown) else "")
