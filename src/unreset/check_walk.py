"""What trying an environment shows: random actions, and steps repeated from one place."""

from __future__ import annotations

import time
from typing import Any, Literal, NamedTuple

import numpy as np

from unreset.core.types import Task
from unreset.errors import UnresetError
from unreset.tasks.brought_env import BroughtEnv, own_success

HOLD = 8  # steps for which a random action is held at most, so that it leads somewhere
GOAL_EVERY = 25  # steps between changes of the goal
STARTS = 10  # resets to look at


class Finding(NamedTuple):
    """What one check found."""

    what: str
    verdict: Literal["ok", "warning", "problem"]
    text: str
    advice: str = ""


class Trial:
    """One environment of a task, stepped without any of the drivers' checks."""

    def __init__(self, task: Task) -> None:
        if task.environment is None:
            raise UnresetError(f"task {task.name!r} has no Gymnasium environment to try")
        self.task = task
        self.environment: Any = task.environment()
        self.raw: Any = None  # the environment's own observation

    def reset(self, seed: int) -> np.ndarray:
        """Reset; the task's observation."""
        self.raw, info = self.environment.reset(seed=seed)
        self.info = dict(info)
        return self._vector()

    def step(self, action: np.ndarray) -> tuple[np.ndarray, bool, bool]:
        """Act; the task's observation, terminated, truncated."""
        self.raw, _, terminated, truncated, info = self.environment.step(action)
        self.info = dict(info)
        return self._vector(), bool(terminated), bool(truncated)

    def follow(self, actions: np.ndarray) -> np.ndarray:
        """The observations [steps, observation] after some actions."""
        return np.stack([self.step(action)[0] for action in actions])

    def show(self, goal: np.ndarray) -> bool:
        """Tell the environment its goal; whether it makes use of that."""
        if not self.environment.has_wrapper_attr("set_goal"):
            return False
        self.environment.get_wrapper_attr("set_goal")(goal)
        return bool(getattr(self.environment.unwrapped, "knows_goals", True))

    def judge(self, observation: np.ndarray, goal: np.ndarray) -> bool | None:
        """Whether the present state is a success; None where nobody can tell."""
        try:
            if self.task.score is not None:
                return bool(self.task.score(self.environment, observation, goal)[1])
            return bool(self.task.success(observation, goal))  # type: ignore[arg-type]
        except UnresetError:
            return None

    @property
    def contained(self) -> bool:
        """Whether the last observation lies in the space that its environment declares."""
        own = self.environment.unwrapped
        if isinstance(own, BroughtEnv):
            return bool(own.inner.observation_space.contains(own.raw))
        return bool(self.environment.observation_space.contains(self.raw))

    @property
    def clock(self) -> float:
        """Simulated seconds, of a MuJoCo environment."""
        data = getattr(self.environment.unwrapped, "data", None)
        return float(getattr(data, "time", 0.0))

    def _vector(self) -> np.ndarray:
        return np.array(self.task.state(self.raw), np.float32)


class Walk(NamedTuple):
    """Random actions, T of them; every array has T rows."""

    before: np.ndarray  # [T, observation]
    after: np.ndarray  # [T, observation]
    goals: np.ndarray  # [T, goal], that the environment was told
    terminated: np.ndarray  # [T] bool
    truncated: np.ndarray  # [T] bool
    contained: np.ndarray  # [T] bool, the observation lies in the declared space
    owned: np.ndarray  # [T], what the info says about success, NaN if nothing
    judged: np.ndarray  # [T], what the task says about success, NaN if nothing
    turned_back: np.ndarray  # [T] bool, the clock or the info tells of a reset
    told: bool  # whether the environment makes use of its goal
    seconds: float  # in the environment's step


def walk(trial: Trial, steps: int) -> Walk:
    """Act at random, with a new goal now and then, of which half are achieved at once.

    After an end the environment is reset, as in practice. Stops early where an observation is not
    finite or has another size than the first.
    """
    task, generator = trial.task, np.random.default_rng(0)
    observation = trial.reset(0)
    rows: list[tuple[Any, ...]] = []
    seconds, left, action = 0.0, 0, np.zeros(task.action_size, np.float32)
    goal, told = np.array(task.goals[0]), False
    for number in range(steps):
        if number % GOAL_EVERY == 0:
            goal = _next_goal(task, observation, number // GOAL_EVERY)
            told = trial.show(goal)
        if left == 0:
            left = int(generator.integers(1, HOLD + 1))
            action = generator.uniform(-1.0, 1.0, task.action_size).astype(np.float32)
        left -= 1
        clock, begun = trial.clock, time.perf_counter()
        after, terminated, truncated = trial.step(action)
        seconds += time.perf_counter() - begun
        owned, judged = own_success(trial.info), trial.judge(after, goal)
        hint = trial.clock < clock or any("final_obs" in str(key) for key in trial.info)
        inside = trial.contained
        said = [np.nan if value is None else float(value) for value in (owned, judged)]
        rows.append((observation, after, goal, terminated, truncated, inside, *said, hint))
        if after.shape != observation.shape or not np.isfinite(after).all():
            break
        observation = after
        if terminated or truncated:
            observation = trial.reset(number)
            trial.show(goal)
    columns: Any = [np.stack(column) for column in zip(*rows, strict=True)]
    return Walk(*columns, told, seconds)  # type: ignore[call-arg]


def _next_goal(task: Task, observation: np.ndarray, number: int) -> np.ndarray:
    if number % 2 and task.pure:
        return np.asarray(task.achieved(observation), np.float32)  # type: ignore[arg-type]
    return np.asarray(task.goals[number // 2 % len(task.goals)], np.float32)


def own_resets(seen: Walk, starts: np.ndarray) -> np.ndarray:
    """Steps at which the environment seems to have reset itself without saying so.

    Either its clock ran back; or it jumped, by ten times what is usual and a tenth of all that was
    seen, to where ``starts`` [resets, observation] lie, from where two numbers or more did not (a
    single one may be the speed of what hit a wall).
    """
    everything = np.concatenate([seen.before, seen.after, starts])
    spread = np.ptp(everything, axis=0)
    scale = np.maximum(spread, 1e-6)
    slack = 0.2 * np.ptp(starts, axis=0) + 1e-3 * scale
    low, high = starts.min(axis=0) - slack, starts.max(axis=0) + slack

    def apart(observations: np.ndarray) -> Any:  # [T], how many numbers
        return ((observations < low) | (observations > high)).sum(axis=1)

    moved = (np.abs(seen.after - seen.before) / scale).max(axis=1)
    jumped = moved > max(0.1, 10.0 * float(np.median(moved)))
    back = jumped & (apart(seen.after) == 0) & (apart(seen.before) >= min(2, (spread > 0).sum()))
    ended = seen.terminated | seen.truncated
    return np.flatnonzero((back | seen.turned_back) & ~ended)


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
