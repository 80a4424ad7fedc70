"""One step of autonomous practice: act, record, learn, switch. There is no other training loop.

A :class:`Run` is everything that a run knows. ``act`` and ``advance`` are pure; a driver calls them
around a step of the task.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from unreset.core import replay as replays
from unreset.core import sac
from unreset.core.method import Method, draw_goal
from unreset.core.networks import sample_tanh_normal
from unreset.core.replay import GOAL_SOURCES, Replay
from unreset.core.signals import matching
from unreset.core.teaching import learn
from unreset.core.types import Array, Measurement, Task, Transition, add
from unreset.errors import UnresetError

CONTINUING = "continuing_reward"  # the metric of continuing evaluation: reward of one step


class Phase(NamedTuple):
    """Who is acting, for which goal, since when."""

    role: Array  # [] int32
    goal: Array  # [goal]
    source: Array  # [] int32, an index into GOAL_SOURCES
    steps: Array  # [] int32, in this phase
    since_reset: Array  # [] int32
    segment: Array  # [] int32, the phase's number
    asked: Array  # [goal], what the task asks for meanwhile (continuing evaluation)
    since_asked: Array  # [] int32


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


def reset_key(run: Run | View, step: Array) -> Array:
    """The key with which the driver resets the task after ``step``."""
    return _keys(run, step)[3]


def init(
    method: Method,
    task: Task,
    key: Array,
    pinned: replays.Rows,
    pinned_last: np.ndarray,
    capacity: int,
) -> Run:
    """A run before its first step, in the first role, with the demonstration rows in its replay."""
    back = [role.name for role in method.roles if role.goals == "initial"]
    if back and not len(task.initial_goals):
        raise UnresetError(
            f"role {back[0]!r} of {method.name} returns to initial states, and task {task.name!r} "
            "has none: give initial_goals (or initial_success), or use medal or naive"
        )
    run_key, learner_key, discriminator_key, goal_key = jax.random.split(key, 4)
    nothing = jnp.zeros(task.observation_size), jnp.zeros(task.goal_size)
    blank = method.inputs(task, *nothing, 0)
    learners = jax.vmap(lambda k: sac.init(method.learner, k, blank.size, task.action_size))(
        jax.random.split(learner_key, len(method.learners))
    )
    discriminator = None
    if method.matching is not None:
        seen = method.judged(task, *nothing)
        discriminator = matching.init(method.matching, discriminator_key, seen.size)
    direction = np.asarray(pinned.role)
    if method.matching is not None and not (direction == 0).any():
        raise UnresetError(f"{method.name} needs forward demonstrations, and there are none")
    # One list for each role, and one more of those that show the task, for the discriminator.
    wanted = [*(role.demonstrations for role in method.roles), (0,)]
    pinned_lists = [np.flatnonzero(np.isin(direction, directions)) for directions in wanted]
    source = jnp.int32(GOAL_SOURCES.index(method.roles[0].goals))
    zero = jnp.int32(0)
    goal = draw_goal(task, source, goal_key)
    phase = Phase(zero, goal, source, zero, zero, zero, goal, zero)
    none = jnp.zeros(len(method.roles), jnp.int32)
    run = Run(
        key=run_key,
        learners=learners,
        discriminator=discriminator,
        replay=replays.init(pinned, pinned_last, pinned_lists, len(method.roles), capacity),
        phase=phase,
        ledger=Ledger(jnp.int32(1), none, none),
        totals={},
    )
    measured = jax.eval_shape(lambda r: learn(method, task, r, zero, r.key)[1], run)
    if method.practice.goal_change_every:
        measured |= {CONTINUING: Measurement(jnp.float32(0), jnp.float32(0))}
    return run._replace(totals=jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), measured))


class View(NamedTuple):
    """What acting needs of a run."""

    key: Array
    actor: Any  # stacked [learners]
    discriminator: matching.Discriminator | None
    phase: Phase


def view(run: Run) -> View:
    """The run's view."""
    return View(run.key, run.learners.actor, run.discriminator, run.phase)


def act(method: Method, task: Task, view: View, observation: Array, step: Array) -> Array:
    """The acting role's stochastic action [action] in (-1, 1)."""
    which = view.phase.role if not method.shared else 0
    actor = jax.tree.map(lambda x: x[which], view.actor)
    seen = method.inputs(task, observation, view.phase.goal, view.phase.role)
    mean, log_std = sac.policy(method.learner, actor, seen)
    return sample_tanh_normal(mean, log_std, _keys(view, step)[0])[0]


def observed(
    task: Task,
    phase: Phase,
    observation: Array,
    action: Array,
    after: Array,
    ends: Array | tuple[bool, bool] = (False, False),
    scores: Array | None = None,
) -> Transition:
    """A transition with the reward and success that the task gives for the current goal.

    ``ends`` says whether the task terminated and was truncated. ``scores`` [3], for a task that is
    not pure, are reward and success for the current goal, and reward for the goal asked for.
    """
    terminated, truncated = jnp.asarray(ends)
    if scores is None:
        reward, success = task.reward(after, phase.goal), task.success(after, phase.goal)
        asked = task.reward(after, phase.asked)
    else:
        reward, success, asked = scores[0], scores[1] > 0, scores[2]
    return Transition(observation, action, after, reward, success, terminated, truncated, asked)


def advance(
    method: Method, task: Task, run: Run, transition: Transition, step: Array
) -> tuple[Run, Array]:
    """Record a transition, learn, and decide who acts next; also whether to reset the task.

    ``step`` counts from 0 and must be the same for all seeds of a ``vmap`` (not batched).
    """
    phase, learn_key = run.phase, _keys(run, step)[1]
    next_phase, end, reset = switch(method, task, view(run), transition, step)
    replay = replays.record(
        run.replay, transition, phase.goal, phase.role, phase.source, end, phase.segment, reset
    )
    run = run._replace(replay=replay)
    run, metrics = learn(method, task, run, step, learn_key)
    if method.practice.goal_change_every:
        metrics |= {CONTINUING: Measurement(jnp.asarray(transition.asked_reward), jnp.float32(1))}
    acted = jax.nn.one_hot(phase.role, len(method.roles), dtype=jnp.int32)
    ledger = Ledger(
        run.ledger.hard_resets + reset,
        run.ledger.phases + end * acted,
        run.ledger.successes + (end & transition.success) * acted,
    )
    run = run._replace(phase=next_phase, ledger=ledger, totals=add(run.totals, metrics))
    return run, reset


def switch(
    method: Method, task: Task, view: View, transition: Transition, step: Array
) -> tuple[Phase, Array, Array]:
    """The phase of the next step, whether this one's ended, and whether to reset the task."""
    phase, due = view.phase, method.practice.reset_every
    end, reset = _ends(method, task, view, transition)
    reset = reset | transition.terminated | transition.truncated
    if due:
        reset = reset | (phase.since_reset + 1 >= due)
    switch_key = _keys(view, step)[2]
    asked, since_asked = _asked(method, task, phase, reset, jax.random.fold_in(switch_key, 1))
    # A role that pursues what the task asks for begins anew when the task asks for something else.
    anew = ~end & (phase.source == 0) & (asked != phase.asked).any()
    phase = phase._replace(asked=asked, since_asked=since_asked)
    end = end | reset | anew
    return _next_phase(method, task, phase, end, anew, reset, switch_key), end, reset


def interrupted(method: Method, task: Task, run: Run) -> Run:
    """The run after a reset from outside: the phase has ended, the first role begins."""
    phase, ledger = run.phase, run.ledger
    key = jax.random.fold_in(run.key, jnp.uint32(2**32 - 1) - ledger.hard_resets.astype(jnp.uint32))
    yes, switch_key, asked_key = jnp.asarray(True), *jax.random.split(key)
    asked, since_asked = _asked(method, task, phase, yes, asked_key)
    phase = phase._replace(asked=asked, since_asked=since_asked)
    begun = phase.since_reset > 0
    replay = jax.tree.map(partial(jnp.where, begun), replays.cut(run.replay), run.replay)
    return run._replace(
        replay=replay,
        phase=_next_phase(method, task, phase, yes, ~yes, yes, switch_key),
        ledger=ledger._replace(
            hard_resets=ledger.hard_resets + 1,
            phases=ledger.phases.at[phase.role].add(phase.steps > 0),
        ),
    )


def _asked(
    method: Method, task: Task, phase: Phase, reset: Array, key: Array
) -> tuple[Array, Array]:
    """The goal that the task asks for, drawn anew at every reset and after its period."""
    every = method.practice.goal_change_every
    if not every:
        return phase.asked, phase.since_asked
    change = reset | (phase.since_asked + 1 >= every)
    drawn = draw_goal(task, jnp.int32(0), key)
    return (
        jnp.where(change, drawn, phase.asked),
        jnp.where(change, 0, phase.since_asked + 1),
    )


def _ends(method: Method, task: Task, view: View, transition: Transition) -> tuple[Array, Array]:
    """Whether the phase ends with this transition, and whether its end asks for a hard reset."""
    phase, config = view.phase, method.matching
    lengths = jnp.array([role.length for role in method.roles])
    on_success = jnp.array([role.end_on_success for role in method.roles])
    at_end = jnp.array([role.reset_at_end for role in method.roles])
    timeout = phase.steps + 1 >= lengths[phase.role]
    end = timeout | (on_success[phase.role] & transition.success)
    limits = [role.end_when_expert for role in method.roles]
    if config is not None and view.discriminator is not None and min(limits) < 1:
        seen = method.judged(task, transition.next_observation, phase.goal)
        logit = matching.logits(config, view.discriminator, seen)
        end = end | (jax.nn.sigmoid(logit) > jnp.array(limits)[phase.role])
    return end, end & at_end[phase.role]


def _next_phase(
    method: Method, task: Task, phase: Phase, end: Array, anew: Array, reset: Array, key: Array
) -> Phase:
    """The phase of the next step; after a hard reset the first role begins, with a fresh goal."""
    role = jnp.where(anew, phase.role, (phase.role + 1) % len(method.roles))
    role = jnp.where(reset, 0, role)
    source = jnp.array([GOAL_SOURCES.index(r.goals) for r in method.roles])[role]
    keep = jnp.array([r.keep_goal for r in method.roles])[role] & ~reset & ~anew
    drawn = draw_goal(task, source, key)
    if method.practice.goal_change_every:
        drawn = jnp.where(source == 0, phase.asked, drawn)
    goal = jnp.where(keep, phase.goal, drawn)
    same = phase._replace(steps=phase.steps + 1, since_reset=phase.since_reset + 1)
    fresh = same._replace(
        role=role, goal=goal, source=source, steps=jnp.int32(0), segment=phase.segment + 1
    )
    chosen: Phase = jax.tree.map(lambda a, b: jnp.where(end, a, b), fresh, same)
    return chosen._replace(since_reset=jnp.where(reset, 0, chosen.since_reset))
