"""A :class:`Task` from any Gymnasium environment."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from numbers import Real
from typing import Any, Literal

import numpy as np

from unreset.core.types import Task, Trajectory
from unreset.errors import UnresetError
from unreset.seeds import whole
from unreset.tasks.environments import interface
from unreset.tasks.environments.adapted_env import (
    BroughtEnv,
    Environment,
    action_bounds,
    comes_back,
    is_mujoco,
    without_time_limit,
)
from unreset.tasks.environments.adapted_goals import (
    distance,
    places,
    radius,
    reader,
    refuse_other_distance,
    rows,
    takes_goals,
    unknown,
)
from unreset.tasks.environments.judges import (
    DO,
    RETURN,
    Function,
    Judges,
    goalless_judges,
    judges,
    within,
)
from unreset.tasks.environments.vectors import Sights, builder, distinct, look


def from_environment(
    make: str | Callable[..., Environment],
    *,
    name: str | None = None,
    summary: str | None = None,
    state: str | Sequence[str] | Function | None = None,
    achieved: Sequence[int] | Function | None = None,
    goals: Any = None,
    initial_goals: Any = None,
    success: float | Literal["environment"] | Function | None = None,
    initial_success: Function | None = None,
    reward: Literal["sparse", "environment"] | Function = "sparse",
    horizon: int | None = None,
    train_reset_every: int = 200_000,
    continuing_reset_every: int = 50_000,
    goal_change_every: int | None = None,
    time_limit: bool = False,
    demonstrations: Callable[[], Sequence[Trajectory]] | Sequence[Trajectory] | None = None,
    proprioception: Sequence[int] = (),
    offsets: Any = None,
    stuck: Callable[[Any], Any] | None = None,
    position: tuple[int, int] | None = None,
    position_name: str = "position",
    samples: int = 100,
    watch_resets: bool = True,
    **options: Any,
) -> Task:
    """A task that practises in an environment.

    Environments with goals, in the layout of gymnasium-robotics, need nothing else. Others need
    ``success``, and either ``achieved`` and ``goals``, or, where there is one thing to do and
    nothing to choose, ``initial_success`` for methods whose backward role returns to the start.

    Args:
        make: a Gymnasium id, or what returns an environment, called with ``render_mode`` if it
            takes that.
        name: the task's; by default the id or the callable's.
        summary: one line about it.
        state: what of the environment's observation is the task's: a key, several, or a function
            of it that returns a vector; by default all vectors.
        achieved: which numbers of the observation a goal speaks of, or a JAX function
            (observation -> goal); by default ``achieved_goal``, which is appended to it.
        goals: what may be asked for, [goals, goal]; by default those that ``samples`` resets chose.
        initial_goals: where practice begins, as goals [initials, goal]; by default what ``samples``
            resets achieve.
        success: the distance to the goal within which it is reached; or (observation, goal) ->
            bool, or observation -> bool without goals; in JAX if rewards shall be recomputed for
            other goals, else in NumPy; or "environment", what its info says (``is_success``,
            ``success`` or ``succeed``). By default the environment's ``distance_threshold``.
        initial_success: observation -> bool, whether the task is undone; without goals only.
        reward: "sparse" is 1 on success, else 0; or (observation, goal) -> float (observation ->
            float without goals); or "environment", its own.
        horizon: steps of an evaluation episode; by default the environment's time limit.
        train_reset_every: the benchmark's period of hard resets in steps, if there is one.
        continuing_reset_every: the period of hard resets in continuing evaluation, in steps.
        goal_change_every: steps for which it asks for one goal; by default two horizons.
        time_limit: keep the environment's time limit: it is reset whenever it runs out.
        demonstrations: trajectories, or what makes them.
        proprioception: which numbers of the observation the robot's own sensors tell, where it is
            learned from pixels: the uint8 pictures [H, W, 3] among the observation's entries.
        offsets: a matrix [offsets, observation + goal] that networks see instead; by default the
            observation, and goal minus achieved in units of its spread.
        stuck: observation -> bool, in JAX, whether nobody leaves this state without help; what a
            simulated supervisor answers (PAINT).
        position: the two numbers of the observation on the report's map.
        position_name: what they are.
        samples: how many resets to look at, with seeds from 0.
        watch_resets: whether practice stops where the environment seems to have reset itself; say
            False where you know that it never does, although its numbers may jump to a start.
        options: of ``gymnasium.make``, or of the callable.

    Raises:
        UnresetError: if the environment cannot be practised in, or something does not fit it.
    """
    title = make if isinstance(make, str) else getattr(make, "__name__", "environment")
    title = (name or str(title)).replace("/", "-").replace(":", "-")
    try:
        build = builder(make, options)
        inner = build()
    except UnresetError as error:
        raise UnresetError(f"{title}: {error}{_meant(options)}") from error
    try:
        bounds = action_bounds(inner.action_space)
        actions = len(bounds[0])
        steps = _horizon(inner, horizon)
        limited: Callable[[Environment], Environment]
        limited = (lambda whole: whole) if time_limit else without_time_limit
        inner = limited(inner)
        sights = look(inner, state, achieved is None, samples)
        size = sights.observations.shape[1]
        own_goals = sights.goals is not None
        if sights.goals is not None:
            achieved = range(size - sights.goals.shape[1], size)
            goals = sights.goals if goals is None else goals
            if success is None:
                success = radius(inner.unwrapped)
                width = sights.goals.shape[1]
                refuse_other_distance(inner.unwrapped, sights.observations[0, -width:], success)
        if success is None:
            raise UnresetError("nothing says what success is; give success=")
        if goals is None:
            if achieved is not None or not (callable(success) or success == "environment"):
                raise UnresetError("success depends on a goal; give achieved= and goals=")
            begin = [] if initial_success is None else [[RETURN]]
            wanted, initial = np.array([[DO]], np.float32), rows("initial_goals", begin, 1)
            reach = unknown
            judged = goalless_judges(success, initial_success, reward, sights.observations[0])
        else:
            if initial_success is not None:
                raise UnresetError("initial_success is for tasks without goals; drop it")
            wanted = rows("goals", goals)
            reach = reader(achieved, sights.observations[0], wanted.shape[1])
            told = takes_goals(inner.unwrapped, wanted[0])
            judged = _judged(success, reward, reach, told, sights, wanted)
            if initial_goals is None:
                initial_goals = _begins(achieved, reach, told, judged, sights)
            initial = rows("initial_goals", initial_goals, wanted.shape[1])
        layout = (sights.vector, size, wanted[0], own_goals)

        def environment(render_mode: str | None = None, remember: bool = True) -> BroughtEnv:
            whole = limited(build(render_mode))
            return BroughtEnv(whole, *layout, remember=remember, cameras=sights.cameras)

        trial = BroughtEnv(inner, *layout, remember=True)
        if success == "environment" and judged.score is not None:  # does its info say anything?
            trial.reset(seed=0)
            seen = trial.step(np.zeros(actions, np.float32))[0]
            judged.score(trial, seen["observation"], wanted[0])
        remember = is_mujoco(inner.unwrapped) and comes_back(trial, environment)
        return Task(
            name=title,
            summary=summary or f"{title} (Gymnasium)",
            observation_size=size,
            action_size=actions,
            goals=wanted,
            initial_goals=initial,
            horizon=steps,
            train_reset_every=train_reset_every,
            continuing_reset_every=continuing_reset_every,
            goal_change_every=goal_change_every,
            achieved=reach,
            reward=judged.reward,
            success=judged.success,
            score=judged.score,
            sparse=reward == "sparse",
            environment=partial(environment, remember=remember),
            demonstrations=_made(demonstrations),
            beginnings=sights.observations,
            action_bounds=bounds,
            watch_resets=watch_resets,
            raw_state=sights.vector,
            cameras=sights.cameras,
            proprioception=places("proprioception", proprioception, size),
            stuck=stuck,
            offsets=_offsets(offsets, achieved, sights.observations, wanted),
            position=_position(position, achieved, size),
            position_name=position_name,
        )
    except UnresetError as error:
        raise UnresetError(f"{title}: {error}") from error
    finally:
        interface.close(inner)


def _meant(options: Mapping[str, Any]) -> str:
    """What an option may have been meant to be, of those that are this module's."""
    own = inspect.signature(from_environment).parameters
    near = [(name, difflib.get_close_matches(name, own, 1, 0.8)) for name in options]
    return "".join(f" (did you mean {found[0]}= by {name}=?)" for name, found in near if found)


def _horizon(inner: Environment, horizon: int | None) -> int:
    """Steps of an evaluation episode: as given, or until the time limit."""
    if horizon is None and inner.has_wrapper_attr("_max_episode_steps"):
        horizon = inner.get_wrapper_attr("_max_episode_steps")
    if horizon is None:
        raise UnresetError("it has no time limit to take for evaluation episodes; give horizon=")
    if (steps := whole("horizon", horizon)) < 1:
        raise UnresetError(f"horizon must be at least 1, not {steps}")
    return steps


def _judged(
    success: Any, reward: Any, reach: Function, told: bool, sights: Sights, goals: np.ndarray
) -> Judges:
    if isinstance(success, Real):
        if reach is unknown:
            raise UnresetError("success is a distance; give achieved=, what it is measured from")
        success = within(distance(success), reach)
    if "environment" in (success, reward) and not told and len(goals) > 1:
        raise UnresetError(
            '"environment" can judge several goals only where it has a method set_goal(goal)'
        )
    return judges(success, reward, reach is not unknown, sights.observations[0], goals[0])


def _begins(
    achieved: Any, reach: Function, told: bool, judged: Judges, sights: Sights
) -> np.ndarray:
    """The goals that resets achieve; none where nobody could judge a way back to them."""
    if achieved is None or (judged.by_environment and not told):
        return np.zeros(0, np.float32)
    return distinct(np.stack([np.asarray(reach(o), np.float32) for o in sights.observations]))


def _made(demonstrations: Any) -> Callable[[], Sequence[Trajectory]] | None:
    if demonstrations is None or callable(demonstrations):
        return demonstrations
    return lambda: list(demonstrations)


def _offsets(
    given: Any, achieved: Any, observations: np.ndarray, goals: np.ndarray
) -> np.ndarray | None:
    """The observation and the way to the goal, scaled to about 1, if that is not known better."""
    if given is not None:
        return np.asarray(given, np.float32)
    if achieved is None or callable(achieved):
        return None
    size, width = observations.shape[1], goals.shape[1]
    ways = goals[:, None] - observations[None, :, np.asarray(achieved)]
    scale = 1.0 / max(float(np.sqrt((ways**2).mean())), 1e-3)
    matrix = np.zeros((size + width, size + width), np.float32)
    matrix[:size, :size] = np.eye(size)
    for row, number in enumerate(achieved):
        matrix[size + row, [number, size + row]] = -scale, scale
    return matrix


def _position(given: Any, achieved: Any, size: int) -> tuple[int, int]:
    """As given, or the first two numbers that goals speak of, or else of the observation."""
    if given is not None:
        x, y = places("position", given, size, 2)
        return x, y
    numbers = [*range(size)] if achieved is None or callable(achieved) else [*achieved]
    return int(numbers[0]), int(numbers[min(1, len(numbers) - 1)])
