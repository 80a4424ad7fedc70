"""How good a model of the world is: its error by horizon, and whether it knows how sure it may be.

The model is rolled out along actions that were taken in the real task, without looking at where
they led (open loop); and its one-step distribution is compared with what happened.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from statistics import NormalDist
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from unreset.core.method import Method
from unreset.core.types import FORWARD, Array, Task, Trajectory
from unreset.errors import UnresetError
from unreset.evaluation import deployed
from unreset.evaluation.blocks import in_blocks
from unreset.models import dynamics
from unreset.models.dynamics import MODEL, Dynamics, Model

HORIZONS = (1, 2, 5, 10, 20, 50)
LEVELS = (0.5, 0.9, 0.95)
EVERY = 5  # steps of a trajectory between two beginnings of the model's rollouts


class Quality(NamedTuple):
    """What a model is worth on some trajectories."""

    steps: int  # one-step predictions that were judged
    horizons: tuple[int, ...]  # those for which a trajectory is long enough
    error: np.ndarray  # [horizons], root mean square over numbers, each in its deviations
    unchanged: np.ndarray  # [horizons], the same of 'nothing changes'
    within: np.ndarray  # [levels], share of true changes within the interval of each level

    def text(self) -> str:
        """A table over horizons, and one line about the intervals."""
        rows = [
            f"{horizon:8} {error:10.4f} {unchanged:17.4f}"
            for horizon, error, unchanged in zip(
                self.horizons, self.error, self.unchanged, strict=True
            )
        ]
        said = ", ".join(
            f"{share:.3f} within the {level:.0%} interval"
            for level, share in zip(LEVELS, self.within, strict=True)
        )
        return "\n".join(
            [
                " horizon      error   nothing changes",
                *rows,
                f"of {self.steps:,} steps' changes {said}",
            ]
        )


def dynamics_of(method: Method) -> Dynamics:
    """What a method's model is.

    Raises:
        UnresetError: where it has none.
    """
    found = method.models.get(MODEL)
    if not isinstance(found, Dynamics):
        raise UnresetError(
            f"{method.name} has no model that could be judged; mbarl has one, and every method "
            "with --imagination.share above 0"
        )
    return found


def judge(
    method: Method,
    task: Task,
    actor: Any,
    model: Model,
    shown: Sequence[Trajectory],
    number: int,
    seed: int,
) -> dict[str, Quality]:
    """A model's quality where the deployed policy leads, and along demonstrations ``shown``.

    ``number`` episodes are led from each kind of start, and goals in turn.
    """
    led = {
        f"the policy, {start} starts": episodes(method, task, actor, start, number, seed)
        for start in ("initial", "wide")
        if start in task.starts
    }
    led |= {"fresh demonstrations": list(shown)} if shown else {}
    config = dynamics_of(method)
    return {name: quality(config, task, model, found) for name, found in led.items()}


class _Windows(NamedTuple):
    """Stretches of trajectories: what the model is told, and what happened."""

    begin: np.ndarray  # [N, observation]
    action: np.ndarray  # [N, horizon, action], zeros after the end
    after: np.ndarray  # [N, horizon, observation]
    goal: np.ndarray  # [N, goal]
    there: np.ndarray  # [N, horizon] bool, False after the end


def quality(
    config: Dynamics,
    task: Task,
    model: Model,
    trajectories: Sequence[Trajectory],
    horizons: Sequence[int] = HORIZONS,
    every: int = EVERY,
) -> Quality:
    """Error by horizon and calibration of a model on trajectories of the real task.

    Errors are root mean squares in units of each number's deviation among the rows that taught the
    model, of the mean over its elites. The interval of a change is that of the normal distribution
    with the mean and the variance of the elites' mixture (Lakshminarayanan et al. 2017, arXiv
    1612.01474, section 2.4).

    Args:
        config: what the model is.
        task: what it is of.
        model: its state, of one seed.
        trajectories: on which it was not taught, none empty.
        horizons: steps ahead; those longer than every trajectory are left out.
        every: steps of a trajectory between the beginnings of two rollouts.

    Raises:
        UnresetError: where there is no step to judge.
    """
    longest = max((len(one.actions) for one in trajectories), default=0)
    if not longest:
        raise UnresetError("a model can be judged on trajectories alone, and there is no step")
    horizons = tuple(horizon for horizon in horizons if horizon <= longest)
    windows = _windows(trajectories, max(horizons), every)
    ahead = in_blocks(
        jax.jit(partial(_ahead, config, task, model)),
        windows.begin,
        windows.action,
        windows.goal,
    )
    deviation = np.asarray(model.inputs.deviation)[: task.observation_size]
    still = np.broadcast_to(windows.begin[:, None], windows.after.shape)
    error, unchanged = (
        np.array([_error(guess, windows, deviation, horizon) for horizon in horizons])
        for guess in (ahead, still)
    )
    steps = _windows(trajectories, 1, 1)
    surprise = in_blocks(
        jax.jit(partial(_surprise, config, task, model)),
        steps.begin,
        steps.action[:, 0],
        steps.after[:, 0],
        steps.goal,
    )
    bounds = [NormalDist().inv_cdf((1 + level) / 2) for level in LEVELS]
    within = np.array([np.mean(np.abs(surprise) <= bound) for bound in bounds])
    return Quality(len(surprise), horizons, error, unchanged, within)


def _windows(trajectories: Sequence[Trajectory], horizon: int, every: int) -> _Windows:
    found = []
    for one in trajectories:
        for begin in range(0, len(one.actions), every):
            action = one.actions[begin : begin + horizon]
            room = ((0, horizon - len(action)), (0, 0))
            after = one.observations[begin + 1 : begin + 1 + len(action)]
            window = _Windows(
                one.observations[begin],
                np.pad(action, room),
                np.pad(after, room),
                one.goal,
                np.arange(horizon) < len(action),
            )
            found.append(window)
    return _Windows(*(np.stack(column) for column in zip(*found, strict=True)))


def _error(guess: np.ndarray, windows: _Windows, deviation: np.ndarray, horizon: int) -> float:
    there = windows.there[:, horizon - 1]
    apart = (guess - windows.after)[there, horizon - 1] / deviation
    return float(np.sqrt(np.mean(apart**2)))


def _mixture(
    config: Dynamics, task: Task, model: Model, observation: Array, action: Array, goal: Array
) -> tuple[Array, Array]:
    """Mean and deviation [N, observation] of the change that the elites together expect."""
    means, deviations = dynamics.expected(config, task, model, observation, action, goal)
    means, deviations = (x[..., : task.observation_size] for x in (means, deviations))
    variance = (deviations**2).mean(axis=0) + means.var(axis=0)
    return means.mean(axis=0), jnp.sqrt(variance)


def _ahead(
    config: Dynamics, task: Task, model: Model, begin: Array, actions: Array, goal: Array
) -> Array:
    """Where the mean leads from [N, observation], [N, horizon, observation]."""

    def step(seen: Array, action: Array) -> tuple[Array, Array]:
        change = _mixture(config, task, model, seen, action, goal)[0]
        seen = dynamics.reached(model, seen, change)
        return seen, seen

    return jax.lax.scan(step, begin, actions.swapaxes(0, 1))[1].swapaxes(0, 1)


def _surprise(
    config: Dynamics,
    task: Task,
    model: Model,
    observation: Array,
    action: Array,
    after: Array,
    goal: Array,
) -> Array:
    """By how many of their deviations changes differ from what was expected [N, observation]."""
    mean, deviation = _mixture(config, task, model, observation, action, goal)
    return (after - observation - mean) / deviation


def episodes(
    method: Method, task: Task, actor: Any, start: str, number: int, seed: int
) -> list[Trajectory]:
    """Where a deployed policy leads from a kind of start, the goals in turn."""
    goals = np.asarray(task.goals, np.float32)[np.arange(number) % len(task.goals)]
    if task.step is None:
        simulated = deployed.Simulated(method, task)
        world = simulated.world(start)
        try:
            led = [
                simulated.rollout(world, actor, goal, seed + at)[2] for at, goal in enumerate(goals)
            ]
        finally:
            world.environment.close()
    else:
        led = list(np.asarray(_led(method, task, start, actor, goals, seed)))
    act = jax.jit(jax.vmap(partial(deployed.deterministic_action, method, task), (None, 0, None)))
    found = []
    for seen, goal in zip(led, goals, strict=True):
        # What has terminated stays as it is, whatever is done.
        moved = np.flatnonzero((seen[1:] != seen[:-1]).any(axis=1)).max(initial=-1) + 1
        actions = np.asarray(act(actor, seen, goal))[:moved]
        found.append(Trajectory(seen[: moved + 1], actions, goal, FORWARD))
    return found


@partial(jax.jit, static_argnums=(0, 1, 2))
def _led(method: Method, task: Task, start: str, actor: Any, goals: Array, seed: int) -> Array:
    """Observations [episodes, horizon, observation] before the steps of a JAX task's episodes."""
    assert task.reset is not None
    reset = task.reset

    def one(key: Array, goal: Array) -> Array:
        return deployed.rollout(method, task, actor, reset(key, start), goal)[1]

    return jax.vmap(one)(jax.random.split(jax.random.key(seed), len(goals)), goals)
