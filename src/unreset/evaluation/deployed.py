"""Deployed-policy evaluation: the first role's deterministic policy from the task's starts.

Tasks in JAX are rolled out there, all episodes and seeds at once; others in a Gymnasium environment
of their own, episode after episode. Both give the same figures.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from unreset.core.keys import stream
from unreset.core.method import Method
from unreset.core.types import Array, Task
from unreset.drivers.fused import look
from unreset.drivers.world import World
from unreset.networks.views import Frames

EPISODES = 10  # from the initial states of an environment, which may be random (EARL)
JAX_EPISODES = 50  # from the initial states of a JAX task whose starts or steps are random
_COMPARED = 32  # resets that tell whether a task in JAX is random


class Evaluation(NamedTuple):
    """Per rollout, each [rollouts]."""

    success: Array  # at any step within the horizon
    success_at_end: Array
    object_success: Array  # the task's looser predicate, at any step; NaN where there is none
    object_success_at_end: Array
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
    return method.learner.act(actor, inputs, None)


def _evaluation(
    method: Method, task: Task, after: Array, goal: Array, reward: Array, success: Array
) -> Evaluation:
    """The figures of one rollout from what it saw after its steps, [horizon, ...]."""
    loose = loose_at_end = jnp.float32(jnp.nan)
    if task.wide_success is not None:
        found = jax.vmap(task.wide_success, in_axes=(0, None))(after, goal)
        loose, loose_at_end = found.any(), found[-1]
    discounts = method.learner.discount ** jnp.arange(task.horizon)
    returns = reward.sum(), (discounts * reward).sum()
    return Evaluation(success.any(), success[-1], loose, loose_at_end, *returns)


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


def varies(task: Task) -> bool:
    """Whether two episodes of a JAX task for one goal can differ, from its initial states.

    Its state holds all that decides how it goes on, the keys of what is random in its steps
    included. So where resets with different keys give one state, bit for bit, one episode says all.
    """
    assert task.reset is not None
    reset = task.reset
    keys = jax.random.split(jax.random.key(0), _COMPARED)
    for leaf in jax.tree.leaves(jax.jit(jax.vmap(lambda key: reset(key, "initial")))(keys)):
        keyed = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        values = np.asarray(jax.random.key_data(leaf) if keyed else leaf)
        if (values != values[:1]).any():
            return True
    return False


def goals_in_turn(task: Task, number: int) -> np.ndarray:
    """Goals [number, goal] of so many episodes.

    They come in turn; of more goals than episodes, some from beginning to end.
    """
    goals = np.asarray(task.goals, np.float32)
    which = np.arange(number) * max(1, len(goals) / number) % len(goals)
    return goals[which.astype(int)]


def evaluate(method: Method, task: Task, actor: Any) -> Evaluation:
    """One rollout for each goal from a task's only start, where nothing is random."""
    assert task.reset is not None
    state = task.reset(jax.random.key(0), "initial")
    goals = jnp.asarray(task.goals)
    return jax.vmap(lambda goal: rollout(method, task, actor, state, goal)[0])(goals)


def evaluate_from(
    method: Method, task: Task, actor: Any, start: str, key: Array, goals: Array
) -> Evaluation:
    """A rollout for each of some goals [rollouts, goal], each from a random start of a kind."""
    assert task.reset is not None
    reset = task.reset

    def one(key: Array, goal: Array) -> Evaluation:
        return rollout(method, task, actor, reset(key, start), goal)[0]

    return jax.vmap(one)(jax.random.split(key, len(goals)), goals)


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
        """``episodes`` rollouts from resets seeded ``seed``, ``seed`` + 1, …, the goals in turn."""
        world = self.world(start)
        found = [
            self.rollout(world, actor, goal, seed + i)[0]
            for i, goal in enumerate(goals_in_turn(self._task, episodes))
        ]
        return jax.tree.map(lambda *x: np.stack(x), *found)


Evaluator = Callable[[Any, str, int | None, int], Evaluation]


def evaluator(method: Method, task: Task, environment: Any = None) -> Evaluator:
    """(actors, start, episodes, seed) -> an evaluation of stacked actors, [seeds, rollouts].

    From ``start`` "initial" of a JAX task in which nothing is random it is one rollout for each
    goal, whatever ``episodes`` says; else ``episodes`` of them, by default 10 in an environment and
    50, or one for each goal, on a JAX task. Episodes depend on ``seed`` alone. ``environment``
    evaluates in a given environment instead of a task's own.
    """
    return (_in_environment if task.step is None else _in_jax)(method, task, environment)


def _in_environment(method: Method, task: Task, environment: Any) -> Evaluator:
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


def _in_jax(method: Method, task: Task, _: Any) -> Evaluator:
    random = cache(partial(varies, task))  # found out once, and only where it matters

    @partial(jax.jit, static_argnums=(1, 2))
    def rolled(actors: Any, start: str, number: int | None, seed: int) -> Evaluation:
        key = stream(jax.random.key(seed), f"evaluation from {start} starts")

        def one(actor: Any) -> Evaluation:
            if number is None:
                return evaluate(method, task, actor)
            goals = goals_in_turn(task, number)
            if start == "wide":
                goals = np.asarray(task.goals)[np.arange(number) % len(task.goals)]
            return evaluate_from(method, task, actor, start, key, jnp.asarray(goals))

        return jax.vmap(one)(actors)

    def every(actors: Any, start: str, episodes: int | None, seed: int) -> Evaluation:
        number = episodes or (EPISODES if start == "wide" else max(JAX_EPISODES, len(task.goals)))
        alone = start == "initial" and not random()
        return rolled(actors, start, None if alone else number, seed)

    return every


def figures(evaluate: Evaluator, wide_starts: int, actors: Any) -> dict[str, np.ndarray]:
    """Mean figures [seeds] of stacked policies: the initial states, and seeded wide starts.

    ``episodes`` says how many from the initial states there were, of each seed.
    """
    fixed = evaluate(actors, "initial", None, 0)
    found = {
        "success": fixed.success,
        "success_at_end": fixed.success_at_end,
        "return": fixed.episode_return,
        "discounted_return": fixed.discounted_return,
        "object_success": fixed.object_success,
        "object_success_at_end": fixed.object_success_at_end,
    }
    if wide_starts:
        wide = evaluate(actors, "wide", wide_starts, 0)
        found |= {
            "wide_success": wide.success,
            "wide_success_at_end": wide.success_at_end,
            "wide_object_success": wide.object_success,
            "wide_object_success_at_end": wide.object_success_at_end,
        }
    means = {name: np.asarray(value, np.float32).mean(axis=1) for name, value in found.items()}
    known = {name: value for name, value in means.items() if not np.isnan(value).any()}
    rollouts = np.asarray(fixed.success)
    return known | {"episodes": np.full(len(rollouts), rollouts.shape[1], np.float32)}
