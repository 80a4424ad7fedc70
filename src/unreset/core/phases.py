"""Phases: who acts, for which goal, what ends it, and who follows."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from unreset.core import foresight
from unreset.core.context import Context
from unreset.core.fitting import reach
from unreset.core.method import Method, draw_goal
from unreset.core.parts_names import CURRICULUM
from unreset.core.protocols import Discriminates, Now, Scope
from unreset.core.replay import GOAL_SOURCES
from unreset.core.signals import confidence, curriculum
from unreset.core.types import Array, Task, Transition
from unreset.networks.views import Frames

_PHASE_KEYS = np.uint32(2**31 + 1)  # a number that no step has


class Phase(NamedTuple):
    """Who is acting, for which goal, since when; and how each role's phases went lately."""

    role: Array  # [] int32
    goal: Array  # [goal]
    source: Array  # [] int32, an index into GOAL_SOURCES
    steps: Array  # [] int32, in this phase
    since_reset: Array  # [] int32
    segment: Array  # [] int32, the phase's number
    asked: Array  # [goal], what the task asks for meanwhile (continuing evaluation, a life)
    since_asked: Array  # [] int32
    next_goal: Array  # [goal] of the task, for the next role that keeps one
    success_rate: Array  # [roles], running
    failures: Array  # [roles] int32, failed phases in a row
    alarm: Array  # [] int32, nothing any more: it goes with the next change of results


class View(NamedTuple):
    """What acting and switching need of a run."""

    key: Array
    actor: Any  # what acts (``Learner.actor``), stacked [learners]
    critics: Any  # what values actions (``Learner.target``), stacked [learners]
    events: dict[str, Any]  # what foresees each event (``Learner.foresight``), stacked [learners]
    signals: dict[str, Any]
    phase: Phase


def step_keys(key: Array, step: Array) -> Array:
    """The random keys of one step: act, learn, switch, reset."""
    return jax.random.split(jax.random.fold_in(key, step), 4)


def first_phase(method: Method, task: Task, key: Array) -> Phase:
    """The phase with which a run begins, in the first role."""
    zero, count = jnp.int32(0), len(method.roles)
    source = jnp.int32(GOAL_SOURCES.index(method.roles[0].goals))
    goal = draw_goal(task, source, key)
    if method.roles[0].goal is not None:
        goal = jnp.asarray(_places(task, method.roles[0].goals)[method.roles[0].goal])
    # The same goal, unless the first role's is not drawn from the task's.
    asked = draw_goal(task, jnp.int32(0), key) if method.one_goal else goal
    rates, failures = jnp.full(count, 0.5, jnp.float32), jnp.zeros(count, jnp.int32)
    return Phase(zero, goal, source, zero, zero, zero, asked, zero, asked, rates, failures, zero)


def act(
    method: Method,
    task: Task,
    view: View,
    observation: Array,
    step: Array,
    frames: Frames | None = None,
) -> Array:
    """The acting role's stochastic action [action] in (-1, 1); ``frames`` as cameras see them."""
    which = method.learner_of(view.phase.role)
    actor = jax.tree.map(lambda x: x[which], view.actor)
    seen = method.inputs(task, observation, view.phase.goal, view.phase.role, frames)
    key = step_keys(view.key, step)[0]
    action = method.learner.act(actor, seen, key)
    now = Now(observation, frames, step, key)
    for name, one in method.interventions.items():
        action = one.propose(Scope(Context(method, task), name, view.signals), view, now, action)
    if method.practice.seed_actions == "uniform":
        anything = jax.random.uniform(key, action.shape, minval=-1.0, maxval=1.0)
        action = jnp.where(step < method.practice.seed_steps, anything, action)
    return action


def switch(
    method: Method, task: Task, view: View, transition: Transition, step: Array
) -> tuple[Phase, Array, Array]:
    """The phase of the next step, whether this one's ended, and whether to reset the task."""
    phase, due = view.phase, method.practice.reset_every
    end, mastered, reset = _ends(method, task, view, transition, step)
    reset = reset | transition.terminated | transition.truncated
    if due:
        reset = reset | (phase.since_reset + 1 >= due)
    if method.practice.seed_reset:
        reset = reset | (step + 1 == method.practice.seed_steps)
    for name, one in method.interventions.items():
        scope = Scope(Context(method, task), name, view.signals)
        reset = reset | one.asks(scope, view, transition, step)
    switch_key = step_keys(view.key, step)[2]
    asked, since_asked = ask(method, task, phase, reset, jax.random.fold_in(switch_key, 1))
    # A role that pursues what the task asks for begins anew when the task asks for something else.
    free = jnp.array([role.goal is None for role in method.roles])[phase.role]
    anew = ~end & free & (phase.source == 0) & (asked != phase.asked).any()
    phase = phase._replace(asked=asked, since_asked=since_asked)
    phase = _remember(method, phase, end & ~mastered, reset, transition.success)
    end = end | reset | anew
    return next_phase(method, task, view.signals, phase, end, anew, reset, switch_key), end, reset


def ask(method: Method, task: Task, phase: Phase, reset: Array, key: Array) -> tuple[Array, Array]:
    """The goal that the task asks for, drawn anew at every reset and after its period, if any."""
    every = method.practice.goal_change_every
    if not every or method.one_goal:
        return phase.asked, phase.since_asked
    change = reset | (phase.since_asked + 1 >= every)
    drawn = draw_goal(task, jnp.int32(0), key)
    return (
        jnp.where(change, drawn, phase.asked),
        jnp.where(change, 0, phase.since_asked + 1),
    )


def asked_for(phase: Phase) -> Array:
    """Whether the goal that is pursued is the one that the task asks for []."""
    return (phase.source == 0) & (phase.goal == phase.asked).all()


def _ends(
    method: Method, task: Task, view: View, transition: Transition, step: Array
) -> tuple[Array, Array, Array]:
    """Whether the phase ends here, whether as one that is mastered, and whether for a reset."""
    phase, roles, role = view.phase, method.roles, view.phase.role
    length = jnp.array([r.length for r in roles])[role]
    on_success = jnp.array([r.end_on_success for r in roles])[role]
    end = (phase.steps + 1 >= length) | (on_success & transition.success)
    for name, judge in method.rewards.items():
        limits = [r.end_when_expert if r.reward == name else 1.0 for r in roles]
        if isinstance(judge, Discriminates) and min(limits) < 1:
            logit = method.logits(task, name, view.signals[name], transition, phase.goal)
            end |= jax.nn.sigmoid(logit) > jnp.array(limits)[role]
    learning = step >= method.practice.seed_steps
    if any(r.return_within for r in roles):
        end |= learning & _no_way_back(method, task, view, transition, step)
    mastered = jnp.asarray(False)
    if foresight.SUCCESS in view.events:
        left, success = _sure(method, task, view, transition, length, step)
        left &= learning & ~end & on_success
        end, mastered = end | left, left & (success > confidence.MASTERED)
    patience = jnp.array([r.reset_after_failures for r in roles])[role]
    asks = (patience > 0) & ~transition.success & ~mastered
    asks &= phase.failures[role] + 1 >= patience
    asks |= jnp.array([r.reset_at_end for r in roles])[role]
    return end, mastered, end & asks


def _no_way_back(
    method: Method, task: Task, view: View, transition: Transition, step: Array
) -> Array:
    """Whether no critic of the next role values the next action at a return in time.

    Leave No Trace (Eysenbach et al. 2018, Algorithm 1) aborts where ``Q_reset(s, a) < q_min``. It
    looks at the action that would be taken next; the goals are the initial states.
    """
    following = (view.phase.role + 1) % len(method.roles)
    seen, frames = transition.next_observation, transition.next_frames
    action = act(method, task, view, seen, step + 1, frames)
    which = method.learner_of(following)
    critics = jax.tree.map(lambda x: x[which], view.critics)

    def value(goal: Array) -> Array:
        inputs = method.inputs(task, seen, goal, following, frames)
        return method.learner.value(critics, inputs, action).max()

    limits = [role.return_within for role in method.roles]
    least = jnp.array([method.worth(limit) if limit else -jnp.inf for limit in limits])
    return jax.vmap(value)(jnp.asarray(task.initial_goals)).max() < least[view.phase.role]


def _sure(
    method: Method, task: Task, view: View, transition: Transition, length: Array, step: Array
) -> tuple[Array, Array]:
    """Whether the phase is left because its success is sure, and how sure it is (RISC)."""
    phase = view.phase
    success = foresight.of_step(method, task, view, foresight.SUCCESS, transition).min()
    phase_key = jax.random.fold_in(jax.random.fold_in(view.key, _PHASE_KEYS), phase.segment)
    key = jax.random.fold_in(step_keys(view.key, step)[2], 2)
    config, steps = method.practice.confidence, phase.steps + 1
    return confidence.leave(config, success, steps, length, phase_key, key), success


def _remember(method: Method, phase: Phase, end: Array, reset: Array, success: Array) -> Phase:
    """The record of each role's phases, after this one if it ended."""
    acted = end & (jnp.arange(len(method.roles)) == phase.role)
    memory = method.order.memory if method.order is not None else 0.9
    rate = memory * phase.success_rate + (1 - memory) * success
    failures = jnp.where(acted, jnp.where(success, 0, phase.failures + 1), phase.failures)
    return phase._replace(
        success_rate=jnp.where(acted, rate, phase.success_rate),
        failures=jnp.where(reset, 0, failures),
    )


def next_phase(
    method: Method,
    task: Task,
    signals: dict[str, Any],
    phase: Phase,
    end: Array,
    anew: Array,
    reset: Array,
    key: Array,
) -> Phase:
    """The phase of the next step; after a hard reset the first role begins, with a fresh goal."""
    role = jnp.where(anew, phase.role, _next_role(method, phase, jax.random.fold_in(key, 3)))
    role = jnp.where(reset, 0, role)
    source = jnp.array([GOAL_SOURCES.index(r.goals) for r in method.roles])[role]
    keep = jnp.array([r.keep_goal for r in method.roles])[role] & ~reset & ~anew
    wanted = draw_goal(task, jnp.int32(0), key)
    if method.practice.goal_change_every or method.one_goal:
        wanted = phase.asked
    else:
        wanted = jnp.where(keep, phase.next_goal, wanted)
    goal = jnp.where(source == 0, wanted, draw_goal(task, source, key))
    for number, other in enumerate(method.roles):
        if other.goal is not None:
            only = jnp.asarray(_places(task, other.goals)[other.goal])
            goal = jnp.where(role == number, only, goal)
    if method.curriculum is not None:
        candidates: curriculum.Candidates = signals[CURRICULUM]
        which = ((jnp.asarray(task.goals) - wanted) ** 2).sum(-1).argmin()
        chosen = curriculum.choose(candidates, which, reach(method))
        shown = task.achieved(candidates.observations[chosen])
        goal = jnp.where(source == GOAL_SOURCES.index("demonstrations"), shown, goal)
    same = phase._replace(steps=phase.steps + 1, since_reset=phase.since_reset + 1)
    fresh = same._replace(
        role=role,
        goal=goal,
        source=source,
        steps=jnp.int32(0),
        segment=phase.segment + 1,
        next_goal=wanted,
    )
    chosen_phase: Phase = jax.tree.map(lambda a, b: jnp.where(end, a, b), fresh, same)
    since_reset, alarm = (jnp.where(reset, 0, x) for x in (chosen_phase.since_reset, phase.alarm))
    return chosen_phase._replace(since_reset=since_reset, alarm=alarm)


def _next_role(method: Method, phase: Phase, key: Array) -> Array:
    """Who follows the acting role: the next in turn, or one drawn by the method's order."""
    count, order = len(method.roles), method.order
    if order is None:
        return (phase.role + 1) % count
    leads = 1.0 - np.eye(count)
    if order.edges:
        leads = np.zeros((count, count))
        leads[tuple(np.array(order.edges).T)] = 1.0
    rate = phase.success_rate
    spread = rate * (1 - rate) if order.choice == "learnable" else 0.0
    weights = jnp.asarray(leads)[phase.role] * (order.floor + spread)
    return jax.random.categorical(key, jnp.log(weights)).astype(phase.role.dtype)


def _places(task: Task, source: str) -> np.ndarray:
    """The goals [n, goal] of a source."""
    return task.goals if source == "task" else task.initial_goals
