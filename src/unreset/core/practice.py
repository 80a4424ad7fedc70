"""One step of autonomous practice: act, record, learn, switch. There is no other training loop.

A :class:`Method` says who the roles are and what teaches them; a :class:`Run` is everything that a
run knows. ``act`` and ``advance`` are pure; a driver calls them around a step of the task.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from unreset.core import replay as replays
from unreset.core import sac
from unreset.core.networks import octaves, sample_tanh_normal
from unreset.core.replay import GOAL_SOURCES, Replay
from unreset.core.signals import matching
from unreset.core.signals.matching import Matching
from unreset.core.types import Array, Batch, Boundary, Measurement, Metrics, Task, Transition, add

State = TypeVar("State")


@dataclass(frozen=True)
class Role:
    """One of the policies that take turns, for example forward and backward."""

    name: str
    goals: Literal["task", "initial"] = "task"
    """Where its goals come from: the task's goals, or the initial states."""
    keep_goal: bool = False
    """Go on with the previous role's goal instead of drawing one (MEDAL's forward role)."""
    reward: Literal["environment", "matching"] = "environment"
    length: int = 200
    """Steps after which its phase ends."""
    end_on_success: bool = True
    """Whether reaching the goal ends its phase early."""
    reset_at_end: bool = False
    """Ask for a hard reset whenever a phase ends (oracle)."""
    imitate: tuple[int, ...] = ()
    """Directions of demonstrations (0 forward, 1 backward) that its policy clones."""
    demonstrations: tuple[int, ...] = ()
    """Directions of demonstrations among its rows."""


@dataclass(frozen=True)
class Practice:
    """Hyper-parameters of the loop, the same for every method."""

    updates_per_step: int = 4
    """Learner updates for each environment step, in all (REDQ: up to 20; MEDAL code: 1)."""
    batch_size: int = 128
    """Rows of one update (MEDAL code: 256)."""
    demonstration_share: float | None = 0.5
    """Share of a batch that is demonstrations (RLPD: 0.5); None for their share of all rows."""
    teach: Literal["everyone", "acting"] = "everyone"
    """Everyone in turn from everybody's rows (ours), or the acting role from its own (MEDAL)."""
    share_learner: bool = True
    """One goal-conditioned learner for all roles whose reward is the environment's (RISC)."""
    hindsight: float = 0.5
    """Share of a batch whose goal becomes a state reached later (HER, Andrychowicz et al. 2017)."""
    other_goals: float = 0.1
    """Share of a batch whose goal is drawn anew from the role's own goals."""
    boundary: Boundary = "terminal_on_success"
    """What ends the bootstrap: nothing, success, or success and every end of a phase."""
    phase_length: int = 200
    """Steps after which a phase ends (the benchmark's evaluation horizon)."""
    seed_steps: int = 0
    """Steps before the first update (MEDAL code: 10,000)."""
    reset_every: int = 0
    """Steps between hard resets, 0 for never (EARL: 200,000; pipeline paper: 10,000)."""
    replay_capacity: int = 1_000_000
    """Most rows of practice kept (MEDAL code: 10 million)."""


@dataclass(frozen=True)
class Method:
    """What distinguishes one way of practising from another."""

    name: str
    roles: tuple[Role, ...]
    learner: sac.SAC
    practice: Practice
    matching: Matching | None = None

    @property
    def shared(self) -> bool:
        """Roles share a learner only if asked to and if the environment's reward teaches all."""
        return self.practice.share_learner and all(r.reward == "environment" for r in self.roles)

    @property
    def learners(self) -> tuple[tuple[int, ...], ...]:
        """The roles of each learner."""
        everyone = tuple(range(len(self.roles)))
        return (everyone,) if self.shared else tuple((role,) for role in everyone)


class Phase(NamedTuple):
    """Who is acting, for which goal, since when."""

    role: Array  # [] int32
    goal: Array  # [goal]
    source: Array  # [] int32, an index into GOAL_SOURCES
    steps: Array  # [] int32, in this phase
    since_reset: Array  # [] int32
    segment: Array  # [] int32, the phase's number


class Ledger(NamedTuple):
    """What the run cost and how its phases went."""

    hard_resets: Array  # [] int32, the first included
    phases: Array  # [roles] int32, ended phases
    successes: Array  # [roles] int32, of them ended in success


class Run(NamedTuple):
    """Everything a run knows."""

    key: Array
    learners: sac.Learner  # stacked [learners]
    discriminator: matching.Discriminator | None
    replay: Replay
    phase: Phase
    ledger: Ledger
    totals: dict[str, Measurement]  # running sums of the metrics since they were last taken


def _keys(run: Run | View, step: Array) -> Array:
    """The random keys of one step: act, learn, switch, reset."""
    return jax.random.split(jax.random.fold_in(run.key, step), 4)


def reset_key(run: Run, step: Array) -> Array:
    """The key with which the driver resets the task after ``step``."""
    return _keys(run, step)[3]


def _draw_goal(task: Task, source: Array, key: Array) -> Array:
    """Goals [..., goal]: for each source, one of the task's goals (0) or initial states (1)."""
    goals, initial = jnp.asarray(task.goals), jnp.asarray(task.initial_goals)
    task_key, initial_key = jax.random.split(key)
    wanted = goals[jax.random.randint(task_key, source.shape, 0, len(goals))]
    start = initial[jax.random.randint(initial_key, source.shape, 0, len(initial))]
    return jnp.where((source == 0)[..., None], wanted, start)


def _sources(method: Method, roles: tuple[int, ...]) -> list[int]:
    return [GOAL_SOURCES.index(method.roles[role].goals) for role in roles]


def inputs(method: Method, observation: Array, goal: Array) -> Array:
    """What policies and critics see [..., input] of observations and goals."""
    return octaves(jnp.concatenate([observation, goal], axis=-1), method.learner.octaves)


def init(
    method: Method,
    task: Task,
    key: Array,
    pinned: replays.Rows,
    pinned_last: np.ndarray,
    capacity: int,
) -> Run:
    """A run before its first step, in the first role, with the demonstration rows in its replay."""
    run_key, learner_key, discriminator_key, goal_key = jax.random.split(key, 4)
    blank = inputs(method, jnp.zeros(task.observation_size), jnp.zeros(task.goal_size))
    learners = jax.vmap(lambda k: sac.init(method.learner, k, blank.size, task.action_size))(
        jax.random.split(learner_key, len(method.learners))
    )
    discriminator = None
    if method.matching is not None:
        size = task.observation_size + (task.goal_size if method.matching.see_goal else 0)
        discriminator = matching.init(method.matching, discriminator_key, size)
    direction = np.asarray(pinned.role)
    pinned_roles = [
        np.flatnonzero(np.isin(direction, role.demonstrations) & (direction >= 0))
        for role in method.roles
    ]
    source = jnp.int32(GOAL_SOURCES.index(method.roles[0].goals))
    zero = jnp.int32(0)
    phase = Phase(zero, _draw_goal(task, source, goal_key), source, zero, zero, zero)
    none = jnp.zeros(len(method.roles), jnp.int32)
    run = Run(
        key=run_key,
        learners=learners,
        discriminator=discriminator,
        replay=replays.init(pinned, pinned_last, pinned_roles, capacity),
        phase=phase,
        ledger=Ledger(jnp.int32(1), none, none),
        totals={},
    )
    measured = jax.eval_shape(lambda r: learn(method, task, r, zero, r.key)[1], run)
    return run._replace(totals=jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), measured))


class View(NamedTuple):
    """What acting needs of a run: small, and never donated, so that one can act while learning."""

    key: Array
    actor: Any  # stacked [learners]
    phase: Phase


def view(run: Run) -> View:
    """The run's view."""
    return View(run.key, run.learners.actor, run.phase)


def act(method: Method, view: View, observation: Array, step: Array) -> Array:
    """The acting role's stochastic action [action] in (-1, 1)."""
    which = view.phase.role if not method.shared else 0
    actor = jax.tree.map(lambda x: x[which], view.actor)
    seen = inputs(method, observation, view.phase.goal)
    mean, log_std = sac.policy(method.learner, actor, seen)
    return sample_tanh_normal(mean, log_std, _keys(view, step)[0])[0]


def observed(
    task: Task,
    phase: Phase,
    observation: Array,
    action: Array,
    after: Array,
    terminated: Array | bool = False,
    truncated: Array | bool = False,
) -> Transition:
    """A transition with the reward and success that the task gives for the current goal."""
    reward, success = task.reward(after, phase.goal), task.success(after, phase.goal)
    ends = jnp.asarray(terminated), jnp.asarray(truncated)
    return Transition(observation, action, after, reward, success, *ends)


def advance(
    method: Method, task: Task, run: Run, transition: Transition, step: Array
) -> tuple[Run, Array]:
    """Record a transition, learn, and decide who acts next; also whether to reset the task.

    ``step`` counts from 0 and must be the same for all seeds of a ``vmap`` (not batched).
    """
    _, learn_key, switch_key, _ = _keys(run, step)
    phase, roles = run.phase, method.roles
    end, ask_reset = _ends(method, phase, transition)
    due = method.practice.reset_every
    reset = ask_reset | (phase.since_reset + 1 >= due if due else False)
    reset = reset | transition.terminated | transition.truncated
    end = end | reset
    replay = replays.record(
        run.replay, transition, phase.goal, phase.role, phase.source, end, phase.segment, reset
    )
    run = run._replace(replay=replay)
    run, metrics = learn(method, task, run, step, learn_key)
    acted = jax.nn.one_hot(phase.role, len(roles), dtype=jnp.int32)
    ledger = Ledger(
        run.ledger.hard_resets + reset,
        run.ledger.phases + end * acted,
        run.ledger.successes + (end & transition.success) * acted,
    )
    next_phase = _next_phase(method, task, phase, end, reset, switch_key)
    run = run._replace(phase=next_phase, ledger=ledger, totals=add(run.totals, metrics))
    return run, reset


def _ends(method: Method, phase: Phase, transition: Transition) -> tuple[Array, Array]:
    """Whether the phase ends with this transition, and whether its end asks for a hard reset."""
    lengths = jnp.array([role.length for role in method.roles])
    on_success = jnp.array([role.end_on_success for role in method.roles])
    at_end = jnp.array([role.reset_at_end for role in method.roles])
    timeout = phase.steps + 1 >= lengths[phase.role]
    end = timeout | (on_success[phase.role] & transition.success)
    return end, end & at_end[phase.role]


def _next_phase(
    method: Method, task: Task, phase: Phase, end: Array, reset: Array, key: Array
) -> Phase:
    """The phase of the next step; after a hard reset the first role begins with a goal of its own."""
    role = jnp.where(reset, 0, (phase.role + 1) % len(method.roles))
    source = jnp.array(_sources(method, tuple(range(len(method.roles)))))[role]
    keep = jnp.array([r.keep_goal for r in method.roles])[role] & ~reset
    goal = jnp.where(keep, phase.goal, _draw_goal(task, source, key))
    fresh = Phase(
        role, goal, source, jnp.int32(0), phase.since_reset + 1, phase.segment + 1
    )
    same = phase._replace(steps=phase.steps + 1, since_reset=phase.since_reset + 1)
    chosen = jax.tree.map(lambda a, b: jnp.where(end, a, b), fresh, same)
    return chosen._replace(since_reset=jnp.where(reset, 0, chosen.since_reset))


def learn(
    method: Method, task: Task, run: Run, step: Array, key: Array
) -> tuple[Run, dict[str, Measurement]]:
    """The updates of one step, on batches drawn and rewarded with the current signals."""
    signal_key, batch_key, update_key = jax.random.split(key, 3)
    metrics: dict[str, Measurement] = {}
    if method.matching is not None and run.discriminator is not None:
        discriminator, signal_metrics = _fit_discriminator(
            method, run, method.matching, run.discriminator, step, signal_key
        )
        run = run._replace(discriminator=discriminator)
        metrics |= signal_metrics
    practice, groups = method.practice, method.learners
    if practice.teach == "acting" and len(groups) > 1:
        branches = [
            _draw_batches(method, task, run, roles, practice.updates_per_step, key)
            for roles, key in zip(groups, jax.random.split(batch_key, len(groups)), strict=True)
        ]
        batches = jax.tree.map(lambda *x: jnp.stack(x)[run.phase.role], *branches)
        learner = jax.tree.map(lambda x: x[run.phase.role], run.learners)
        learner, learner_metrics = _update(method, learner, batches, step, update_key)
        learners = jax.tree.map(
            lambda x, y: x.at[run.phase.role].set(y), run.learners, learner
        )
        return run._replace(learners=learners), metrics | learner_metrics
    each = practice.updates_per_step // len(groups)
    taught = []
    keys = zip(
        jax.random.split(batch_key, len(groups)),
        jax.random.split(update_key, len(groups)),
        strict=True,
    )
    for number, (roles, (draw_key, key)) in enumerate(zip(groups, keys, strict=True)):
        batches = _draw_batches(method, task, run, roles, each, draw_key)
        learner = jax.tree.map(lambda x, n=number: x[n], run.learners)
        learner, learner_metrics = _update(method, learner, batches, step, key)
        taught.append(learner)
        suffix = "" if len(groups) == 1 else f"_{method.roles[roles[0]].name}"
        metrics |= {name + suffix: value for name, value in learner_metrics.items()}
    learners = jax.tree.map(lambda *x: jnp.stack(x), *taught)
    return run._replace(learners=learners), metrics


def _update(
    method: Method, learner: sac.Learner, batches: Batch, step: Array, key: Array
) -> tuple[sac.Learner, dict[str, Measurement]]:
    """The learner's updates, once the seed steps are over."""
    return _when(
        step >= method.practice.seed_steps,
        lambda state: sac.update(method.learner, state, batches, step, key),
        learner,
    )


def _when(
    due: Array, update: Callable[[State], tuple[State, Metrics]], state: State
) -> tuple[State, dict[str, Measurement]]:
    """``update(state)`` if due, else the same state; its metrics weigh 0 if not.

    ``due`` must not depend on the seed: a batched condition would compute both branches.
    """

    def skip(state: State) -> tuple[State, Metrics]:
        shapes = jax.eval_shape(update, state)[1]
        return state, jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)

    state, metrics = jax.lax.cond(due, update, skip, state)
    weight = jnp.asarray(due, jnp.float32)
    return state, {name: Measurement(value, weight) for name, value in metrics.items()}


def _seen(config: Matching, observation: Array, goal: Array) -> Array:
    return jnp.concatenate([observation, goal], axis=-1) if config.see_goal else observation


def _fit_discriminator(
    method: Method,
    run: Run,
    config: Matching,
    discriminator: matching.Discriminator,
    step: Array,
    key: Array,
) -> tuple[matching.Discriminator, dict[str, Measurement]]:
    """Every ``interval`` steps: demonstrations of the task against the matching role's own rows."""
    own_roles = tuple(i for i, role in enumerate(method.roles) if role.reward == "matching")
    expert_key, own_key, update_key = jax.random.split(key, 3)
    half = config.batch_size // 2
    rows = run.replay.rows
    # The first role's demonstrations are the task's; both draws stay outside the conditional.
    expert = replays.sample_pinned(run.replay, (0,), half, expert_key)
    own = replays.sample(run.replay, own_roles, half, own_key)
    expert_seen = _seen(config, rows.observation[expert], rows.goal[expert])
    own_seen = _seen(config, rows.observation[own], rows.goal[own])

    def fit(state: matching.Discriminator) -> tuple[matching.Discriminator, Metrics]:
        return matching.update(config, state, expert_seen, own_seen, update_key)

    due = (step % config.interval == 0) & (step >= method.practice.seed_steps)
    return _when(due, fit, discriminator)


def _draw_batches(
    method: Method, task: Task, run: Run, roles: tuple[int, ...], updates: int, key: Array
) -> Batch:
    """Batches [updates, B, ...] for the learner of ``roles``: draw rows, goals, then rewards."""
    practice, replay = method.practice, run.replay
    number = updates * practice.batch_size
    row_key, goal_key = jax.random.split(key)
    everyone = tuple(range(len(method.roles)))
    own = everyone if practice.teach == "everyone" else roles
    positions = _draw_rows(practice, replay, own, roles, number, row_key)
    rows = replay.rows
    observation, action = rows.observation[positions], rows.action[positions]
    next_observation = rows.observation[replays.following(replay, positions)]
    goal, expected = _draw_goals(method, task, replay, roles, positions, goal_key)
    reward = jax.vmap(task.reward)(next_observation, goal) * method.learner.reward_scale
    ends = jax.vmap(task.success)(next_observation, goal)
    if method.roles[roles[0]].reward == "matching":
        config, discriminator = method.matching, run.discriminator
        assert config is not None and discriminator is not None
        seen = _seen(config, next_observation, goal)
        logit = matching.logits(config, discriminator, seen)
        reward = config.scale * matching.reward(config.form, logit)
        ends = jnp.zeros_like(ends)
    terminal = rows.terminated[positions]
    if practice.boundary != "bootstrap":
        terminal |= ends
    if practice.boundary == "terminal":
        terminal |= rows.end[positions]
    imitated = {direction for role in roles for direction in method.roles[role].imitate}
    direction = rows.role[positions]
    imitate = (positions < replay.pinned) & expected
    imitate &= jnp.isin(direction, jnp.array(sorted(imitated) or [-2]))
    batch = Batch(
        inputs=inputs(method, observation, goal),
        action=action,
        next_inputs=inputs(method, next_observation, goal),
        reward=reward,
        discount=1.0 - terminal,
        imitate=imitate.astype(jnp.float32),
    )
    return jax.tree.map(
        lambda x: x.reshape(updates, practice.batch_size, *x.shape[1:]), batch
    )


def _draw_rows(
    practice: Practice,
    replay: Replay,
    own: tuple[int, ...],
    roles: tuple[int, ...],
    number: int,
    key: Array,
) -> Array:
    """Positions of rows: the asked share of demonstrations, the rest from practice."""
    choice_key, pinned_key, own_key = jax.random.split(key, 3)
    practised = replays.sample(replay, own, number, own_key)
    if replay.pinned == 0 or practice.demonstration_share == 0:
        return practised
    pinned = replays.sample_pinned(replay, roles, number, pinned_key)
    available = replay.pinned_count[jnp.array(roles)].sum()
    if practice.demonstration_share is None:
        rows = (replay.heads - replay.tails)[jnp.array(own)].sum()
        share = available / (available + rows)
        take = jax.random.uniform(choice_key, (number,)) < share
    else:
        # Every batch, a run of B rows, holds the same number of demonstrations.
        within = jnp.arange(number) % practice.batch_size
        take = within < round(practice.demonstration_share * practice.batch_size)
    return jnp.where(take & (available > 0), pinned, practised)


def _draw_goals(
    method: Method,
    task: Task,
    replay: Replay,
    roles: tuple[int, ...],
    positions: Array,
    key: Array,
) -> tuple[Array, Array]:
    """Goals [N, goal] for rows, and where [N] an expert's action is right for its goal."""
    practice, rows = method.practice, replay.rows
    kind_key, later_key, source_key, goal_key = jax.random.split(key, 4)
    number = len(positions)
    sources = _sources(method, roles)
    learned = method.roles[roles[0]].reward == "matching"
    fits = jnp.isin(rows.source[positions], jnp.array(sources))
    kind = jax.random.uniform(kind_key, (number,))
    hindsight = 0.0 if learned else practice.hindsight
    redraw = ~fits | (kind > 1.0 - practice.other_goals)
    source = jnp.array(sources)[jax.random.randint(source_key, (number,), 0, len(sources))]
    drawn = _draw_goal(task, source, goal_key)
    goal = jnp.where(redraw[:, None], drawn, rows.goal[positions])
    expected = ~redraw | learned
    if hindsight > 0:
        # Geometric offsets follow the discounted occupancy of the future.
        uniform = jax.random.uniform(later_key, (number,), minval=1e-7)
        offset = 1 + jnp.log(uniform) / jnp.log(method.learner.discount)
        reached = rows.observation[replays.later(replay, positions, offset.astype(jnp.int32))]
        relabel = kind < hindsight
        goal = jnp.where(relabel[:, None], jax.vmap(task.achieved)(reached), goal)
        expected &= ~relabel
    return goal, expected
