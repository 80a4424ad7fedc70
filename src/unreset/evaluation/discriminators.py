"""How good the discriminators of a run are: judged on states that none was trained on.

A goal classifier, whose positives in training are last states of demonstrations, is asked for the
task's own success; any other for whether a state was demonstrated. The states are those where the
deployed policy and actions at random lead from the task's starts, and fresh demonstrations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from unreset.core.context import Context
from unreset.core.method import Method
from unreset.core.protocols import Discriminates, Scope
from unreset.core.types import FORWARD, Array, Task, Trajectory
from unreset.demos import store
from unreset.drivers.fused import draw
from unreset.drivers.world import World
from unreset.errors import UnresetError
from unreset.evaluation import deployed, judging
from unreset.evaluation.blocks import in_blocks
from unreset.evaluation.judging import Point

POLICY, RANDOM, DEMONSTRATIONS = "the policy", "random actions", "fresh demonstrations"


class Rows(NamedTuple):
    """States of one origin."""

    origin: str
    observation: np.ndarray  # [N, observation]
    goal: np.ndarray  # [N, goal], meanwhile pursued
    success: np.ndarray  # [N] bool, whether the state reaches it
    frames: Mapping[str, np.ndarray]  # by camera [N, height, width, 3]; else drawn when needed


class Judgement(NamedTuple):
    """How one discriminator judges N states."""

    positives: str  # what it is asked for: "success" or "demonstrated"
    scores: np.ndarray  # [N], its D in [0, 1]
    positive: np.ndarray  # [N] bool
    origins: dict[str, tuple[int, int]]  # where states come from: how many, and positives of them

    @property
    def average_precision(self) -> float:
        """Area under precision over recall; a D that says nothing has the share of positives."""
        return judging.average_precision(self.scores, self.positive)

    @property
    def best(self) -> Point | None:
        """The threshold on D with the highest F1; None where no state is positive."""
        return judging.best(self.scores, self.positive)

    def at(self, threshold: float = 0.5) -> Point:
        """Counts, precision and recall of one threshold on D."""
        return judging.at(self.scores, self.positive, threshold)

    def sweep(self, thresholds: Sequence[float] = judging.THRESHOLDS) -> list[Point]:
        """The same of several thresholds."""
        return judging.sweep(self.scores, self.positive, thresholds)

    def text(self) -> str:
        """A table over thresholds, the best one, and the figures that need none."""
        number, positive = len(self.positive), int(self.positive.sum())
        parts = [f"{n:,} by {name} ({p:,})" for name, (n, p) in self.origins.items()]
        lines = [
            f"{number:,} states, {positive:,} of them {self.positives}: {', '.join(parts)}",
            " threshold  precision   recall       F1    taken    right",
            *(_row(point) for point in self.sweep()),
        ]
        if (best := self.best) is not None:
            lines += [_row(best) + "  best F1"]
        chance = positive / number if number else float("nan")
        return "\n".join(
            [
                *lines,
                f"average precision {self.average_precision:.3f} (by chance {chance:.3f}), "
                f"accuracy at .5 {self.at().accuracy:.3f}",
            ]
        )


def _row(point: Point) -> str:
    return (
        f"{point.threshold:10.4g} {point.precision:10.3f} {point.recall:8.3f} {point.f1:8.3f} "
        f"{point.taken:8,} {point.true_positives:8,}"
    )


def discriminators(method: Method) -> dict[str, Discriminates]:
    """A method's discriminators by name; raises UnresetError where none can be judged."""
    found = {name: r for name, r in method.rewards.items() if isinstance(r, Discriminates)}
    if not found:
        rewards = ", ".join(dict.fromkeys(role.reward for role in method.roles))
        raise UnresetError(
            f"{method.name} has no discriminator that could be judged: what it is rewarded by is "
            f"{rewards}"
        )
    for name, judge in found.items():
        if judge.sees_action:
            raise UnresetError(
                f"{name} of {method.name} sees actions, and what is judged here are states alone"
            )
    return found


def judge(
    method: Method,
    task: Task,
    actor: Any,
    states: dict[str, Any],
    shown: Sequence[Trajectory],
    episodes: int,
    seed: int = 0,
) -> dict[str, Judgement]:
    """How each discriminator judges fresh states, by its name.

    Args:
        method: whose discriminators.
        task: what is practised; with pictures of its goals where the method sees goals so.
        actor: the deployed policy's parameters, of one seed.
        states: those of the method's parts, of one seed.
        shown: demonstrations it was not trained on, with pictures where they cannot be drawn.
        episodes: how many by the policy and at random, from each kind of start.
        seed: of the starts and of what is random.

    Raises:
        UnresetError: where the method has no discriminator.
    """
    judges = discriminators(method)
    demonstrated = _demonstrated(task, shown)
    own = list((_simulated if task.step is None else _in_jax)(method, task, actor, episodes, seed))
    found = {}
    for name, one in judges.items():
        classifies = one.classifies
        parts = [*own, *([demonstrated[1]] if classifies else [demonstrated[0]])]
        scores = [_scores(method, task, name, states[name], rows) for rows in parts]
        labels = [
            rows.success if classifies else np.full(len(rows.goal), rows is demonstrated[0])
            for rows in parts
        ]
        origins: dict[str, tuple[int, int]] = {}
        for rows, label in zip(parts, labels, strict=True):
            number, positive = origins.get(rows.origin, (0, 0))
            origins[rows.origin] = number + len(label), positive + int(label.sum())
        found[name] = Judgement(
            "success" if classifies else "demonstrated",
            np.concatenate(scores),
            np.concatenate(labels),
            origins,
        )
    return found


def _demonstrated(task: Task, shown: Sequence[Trajectory]) -> tuple[Rows, Rows]:
    """States from which forward demonstrations act, and those to which they lead."""
    pinned, _ = store.pinned_rows(shown, task)
    columns: Any = pinned
    acted = np.flatnonzero(np.asarray(columns.role) == FORWARD)

    def rows(at: np.ndarray) -> Rows:
        frames = {name: column[at] for name, column in columns.frames.items()}
        success = columns.success[acted]
        return Rows(DEMONSTRATIONS, columns.observation[at], columns.goal[at], success, frames)

    return rows(acted), rows(acted + 1)


def _in_jax(method: Method, task: Task, actor: Any, episodes: int, seed: int) -> Iterator[Rows]:
    """Where a JAX task is led."""
    assert task.reset is not None and task.step is not None and task.observe is not None
    reset, step, observe, every = task.reset, task.step, task.observe, jnp.asarray(task.goals)

    @partial(jax.jit, static_argnums=1)
    def led(keys: Array, start: str, goals: Array) -> Array:
        def one(key: Array, goal: Array) -> Array:
            return deployed.rollout(method, task, actor, reset(key, start), goal)[1]

        return jax.vmap(one)(keys, goals)

    @partial(jax.jit, static_argnums=1)
    def strayed(keys: Array, start: str) -> Array:
        def body(state: Any, key: Array) -> tuple[Any, Array]:
            action = jax.random.uniform(key, (task.action_size,), minval=-1.0)
            return step(state, action), observe(state)

        def one(key: Array) -> Array:
            reset_key, action_key = jax.random.split(key)
            keys = jax.random.split(action_key, task.horizon)
            seen: Array = jax.lax.scan(body, reset(reset_key, start), keys)[1]
            return seen

        return jax.vmap(one)(keys)

    for number, start in enumerate(_starts(task)):
        key = jax.random.fold_in(jax.random.key(seed), number)
        keys = jax.random.split(key, episodes)
        goals = every[jnp.arange(episodes) % len(every)]
        # From the fixed start the policy does the same for one goal again.
        apart = min(episodes, len(every)) if start == "initial" else episodes
        yield _rows(task, POLICY, led(keys[:apart], start, goals[:apart]), goals[:apart])
        yield _rows(task, RANDOM, strayed(keys, start), goals)


def _rows(task: Task, origin: str, observations: Array, goals: Array) -> Rows:
    """Rows of observations [episodes, steps, observation] with their episodes' goals."""
    judged = jax.vmap(jax.vmap(task.success, in_axes=(0, None)))(observations, goals)
    seen = np.asarray(observations)
    flat = seen.reshape(-1, seen.shape[-1])
    goal = np.repeat(np.asarray(goals), seen.shape[1], axis=0)
    return Rows(origin, flat, goal, np.asarray(judged).reshape(-1), {})


def _simulated(method: Method, task: Task, actor: Any, episodes: int, seed: int) -> Iterator[Rows]:
    """Where a task's Gymnasium environment is led."""
    generator = np.random.default_rng(seed)
    policy = jax.jit(partial(deployed.deterministic_action, method, task))

    def act(*seen: Any) -> np.ndarray:
        return np.asarray(policy(actor, *seen))

    def stray(*_: Any) -> np.ndarray:
        return generator.uniform(-1, 1, task.action_size).astype(np.float32)

    for start in _starts(task):
        world = World(task, None, start, vision=method.watched)
        try:
            for number in range(episodes):
                goal = np.asarray(task.goals[number % len(task.goals)], np.float32)
                for origin, chosen in ((POLICY, act), (RANDOM, stray)):
                    yield _episode(task, world, origin, chosen, goal, seed + number)
        finally:
            world.environment.close()


def _episode(
    task: Task,
    world: World,
    origin: str,
    act: Callable[..., np.ndarray],
    goal: Any,
    seed: int,
) -> Rows:
    """The states to which one episode leads, up to where it terminates."""
    seen: Any = world.reset(seed)
    after, won, looked = [], [], []
    world.show(goal)
    for _ in range(task.horizon):
        seen, ends = world.step(act(seen, goal, world.frames))
        scores = world.scores(seen, goal, goal)
        after.append(seen)
        looked.append(world.frames)
        won.append(bool(task.success(seen, goal) if scores is None else scores[1] > 0))
        if ends.any():
            break
    goals = np.broadcast_to(goal, (len(after), len(goal)))
    frames = jax.tree.map(lambda *pictures: np.stack(pictures), *looked)
    return Rows(origin, np.stack(after), goals, np.array(won), frames)


def _starts(task: Task) -> tuple[str, ...]:
    return tuple(start for start in ("initial", "wide") if start in task.starts)


def _scores(method: Method, task: Task, name: str, state: Any, rows: Rows) -> np.ndarray:
    """D [N] of rows, in double precision so that certain ones still differ."""
    logits = in_blocks(
        partial(_logits, method, task, name, state), rows.observation, rows.goal, rows.frames
    )
    return np.exp(-np.logaddexp(0.0, -logits.astype(np.float64)))


@partial(jax.jit, static_argnums=(0, 1, 2))
def _logits(
    method: Method,
    task: Task,
    name: str,
    state: Any,
    observation: Array,
    goal: Array,
    frames: Mapping[str, Array],
) -> Array:
    """Logits [N] of a discriminator."""
    if not frames:
        frames = jax.vmap(partial(draw, method, task))(observation)
    scope = Scope(Context(method, task), name, {name: state})
    return discriminators(method)[name].scores(scope, observation, goal, frames)
