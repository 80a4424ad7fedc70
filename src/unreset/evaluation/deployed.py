"""Deployed-policy evaluation: the first role's deterministic policy from the task's starts.

Tasks in JAX are rolled out there, all goals and seeds at once; others in a Gymnasium environment of
their own, episode after episode. Both give the same figures.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from unreset.core import sac
from unreset.core.method import Method
from unreset.core.types import Array, Task
from unreset.core.vision import Frames
from unreset.drivers.fused import look
from unreset.drivers.world import World

EPISODES = 10  # from the initial states, where one evaluation cannot tell all (EARL)


class Evaluation(NamedTuple):
    """Per rollout, each [rollouts]."""

    success: Array  # at any step within the horizon
    success_at_end: Array
    object_success: Array  # the task's looser predicate, at any step; NaN where there is none
    episode_return: Array
    discounted_return: Array


def deterministic_action(
    method: Method,
    task: Task,
    actor: Any,
    observation: Array,
    goal: Array,
    frames: Frames | None = None,
) -> Array:
    """``tanh(mean)`` of an actor's parameters in the first role, [action]."""
    inputs = method.inputs(task, observation, goal, 0, frames)
    return jnp.tanh(sac.policy(method.learner, actor, inputs)[0])


def _evaluation(
    method: Method, task: Task, after: Array, goal: Array, reward: Array, success: Array
) -> Evaluation:
    """The figures of one rollout from what it saw after its steps, [horizon, ...]."""
    loose = jnp.float32(jnp.nan)
    if task.wide_success is not None:
        loose = jax.vmap(task.wide_success, in_axes=(0, None))(after, goal).any()
    discounts = method.learner.discount ** jnp.arange(task.horizon)
    return Evaluation(success.any(), success[-1], loose, reward.sum(), (discounts * reward).sum())


def rollout(
    method: Method, task: Task, actor: Any, state: Any, goal: Array
) -> tuple[Evaluation, Array]:
    """One episode of ``task.horizon`` steps on a JAX task; also its observations [horizon, :]."""
    assert task.step is not None and task.observe is not None
    step, observe = task.step, task.observe

    def body(state: Any, _: None) -> tuple[Any, tuple[Array, Array]]:
        seen = observe(state)
        frames = look(method, task, state)
        state = step(state, deterministic_action(method, task, actor, seen, goal, frames))
        return state, (observe(state), seen)

    _, (after, before) = jax.lax.scan(body, state, None, length=task.horizon)
    reward = jax.vmap(task.reward, in_axes=(0, None))(after, goal)
    success = jax.vmap(task.success, in_axes=(0, None))(after, goal)
    return _evaluation(method, task, after, goal, reward, success), before


def evaluate(method: Method, task: Task, actor: Any) -> Evaluation:
    """One rollout for each goal from the fixed start (everything is deterministic there)."""
    assert task.reset is not None
    state = task.reset(jax.random.key(0), "initial")
    goals = jnp.asarray(task.goals)
    return jax.vmap(lambda goal: rollout(method, task, actor, state, goal)[0])(goals)


def evaluate_wide(method: Method, task: Task, actor: Any, key: Array, number: int) -> Evaluation:
    """``number`` rollouts from wide random starts, the goals in turn."""
    assert task.reset is not None
    reset = task.reset
    goals = jnp.asarray(task.goals)[jnp.arange(number) % len(task.goals)]

    def one(key: Array, goal: Array) -> Evaluation:
        return rollout(method, task, actor, reset(key, "wide"), goal)[0]

    return jax.vmap(one)(jax.random.split(key, number), goals)


class Simulated:
    """Evaluates one policy at a time in a Gymnasium environment of its own, made when needed."""

    def __init__(self, method: Method, task: Task, environment: Any = None) -> None:
        self._method, self._task, self._environment = method, task, environment
        self._worlds: dict[str, World] = {}
        self._act = jax.jit(partial(deterministic_action, method, task))
        self._judge = jax.jit(partial(_evaluation, method, task))
        self._score = jax.jit(
            jax.vmap(lambda o, g: (task.reward(o, g), task.success(o, g)), in_axes=(0, None))
        )

    def world(self, start: str) -> World:
        """The environment whose resets begin at ``start``."""
        if start not in self._worlds:
            vision = self._method.watched
            self._worlds[start] = World(self._task, self._environment, start, vision=vision)
        return self._worlds[start]

    def rollout(
        self,
        world: World,
        actor: Any,
        goal: np.ndarray,
        seed: int,
        watch: Callable[[], None] | None = None,
    ) -> tuple[Evaluation, np.ndarray, np.ndarray]:
        """One episode, also its successes [horizon] and its observations [horizon, observation].

        ``watch`` is called before every step. What terminates stays as it is and earns no more.
        """
        task, seen = self._task, world.reset(seed)
        world.show(goal)
        before, after, scores, lived = [], [], [], np.zeros(task.horizon, np.float32)
        over = False
        for number in range(task.horizon):
            if watch is not None:
                watch()
            before.append(seen)
            if not over:
                lived[number] = 1.0
                action = self._act(actor, seen, goal, world.frames)
                seen, ends = world.step(np.asarray(action))
                over = bool(ends.any())
                given = world.scores(seen, goal, goal)
            after.append(seen)
            scores.append(given)
        frames = np.stack(after)
        if task.pure:
            reward, success = self._score(frames, goal)
        else:
            reward, success = np.stack(scores)[:, 0], np.stack(scores)[:, 1] > 0
        evaluation = self._judge(frames, goal, reward * lived, success)
        return evaluation, np.asarray(success), np.stack(before)

    def evaluate(self, actor: Any, start: str, episodes: int, seed: int) -> Evaluation:
        """``episodes`` rollouts from resets seeded ``seed``, ``seed`` + 1, …

        The goals come in turn; of more goals than episodes, some from beginning to end.
        """
        world, goals = self.world(start), np.asarray(self._task.goals, np.float32)
        which = np.arange(episodes) * max(1, len(goals) / episodes) % len(goals)
        found = [
            self.rollout(world, actor, goals[int(number)], seed + i)[0]
            for i, number in enumerate(which)
        ]
        return jax.tree.map(lambda *x: np.stack(x), *found)


Evaluator = Callable[[Any, str, int | None, int], Evaluation]


def evaluator(method: Method, task: Task, environment: Any = None) -> Evaluator:
    """(actors, start, episodes, seed) -> an evaluation of stacked actors, [seeds, rollouts].

    ``start`` "initial" is one rollout for each goal on a JAX task, else ``episodes`` of them (10 by
    default). ``environment`` evaluates in a given environment instead of a task's own.
    """
    if task.step is None:
        simulated = Simulated(method, task, environment)

        def each(actors: Any, start: str, episodes: int | None, seed: int) -> Evaluation:
            number = len(jax.tree.leaves(actors)[0])
            found = [
                simulated.evaluate(
                    jax.tree.map(lambda x, n=n: x[n], actors), start, episodes or EPISODES, seed
                )
                for n in range(number)
            ]
            return jax.tree.map(lambda *x: np.stack(x), *found)

        return each

    @partial(jax.jit, static_argnums=(1, 2))
    def every(actors: Any, start: str, episodes: int | None, seed: int) -> Evaluation:
        def one(actor: Any) -> Evaluation:
            if start == "initial":
                return evaluate(method, task, actor)
            return evaluate_wide(method, task, actor, jax.random.key(seed), episodes or EPISODES)

        return jax.vmap(one)(actors)

    return every


def figures(evaluate: Evaluator, wide_starts: int, actors: Any) -> dict[str, np.ndarray]:
    """Mean figures [seeds] of stacked policies: the initial state, and seeded wide starts."""
    fixed = evaluate(actors, "initial", None, 0)
    found = {
        "success": fixed.success,
        "success_at_end": fixed.success_at_end,
        "return": fixed.episode_return,
        "discounted_return": fixed.discounted_return,
        "object_success": fixed.object_success,
    }
    if wide_starts:
        wide = evaluate(actors, "wide", wide_starts, 0)
        found |= {"wide_success": wide.success, "wide_object_success": wide.object_success}
    means = {name: np.asarray(value, np.float32).mean(axis=1) for name, value in found.items()}
    return {name: value for name, value in means.items() if not np.isnan(value).any()}
