"""Phases: who acts, for which goal, what ends it, and who follows."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp

from unreset.core.context import Context
from unreset.core.keys import stream
from unreset.core.method import Method, draw_goal
from unreset.core.protocols import Now, Scope
from unreset.core.rules import Moment, Turn, Verdict
from unreset.core.types import Array, Task, Transition
from unreset.core.view import Phase, View
from unreset.networks.views import Frames

Both = TypeVar("Both")
MEMORY = 0.9  # share of a role's running success rate that one more phase leaves as it is


class Switched(NamedTuple):
    """What a step has led to."""

    phase: Phase  # of the next step
    end: Array  # [] bool, whether a phase ended
    reset: Array  # [] bool, whether to reset the task
    states: dict[str, Any]  # of the rules that were asked, by name


def step_keys(key: Array, step: Array) -> Array:
    """The random keys of one step: act, learn, switch, reset."""
    return jax.random.split(jax.random.fold_in(key, step), 4)


def first_phase(method: Method, task: Task, states: dict[str, Any], key: Array) -> Phase:
    """The phase with which a run begins, in the first role; ``states`` are those of parts."""
    zero, count = jnp.int32(0), len(method.roles)
    drawn = draw_goal(task, zero, stream(key, "goal of the task"))
    goal, leads_to = _chosen(Context(method, task), states, zero, Turn(drawn, drawn, key))
    # The same goal, unless the first role's is not drawn from the task's.
    asked = drawn if method.one_goal else goal
    rates, failures = jnp.full(count, 0.5, jnp.float32), jnp.zeros(count, jnp.int32)
    source = _sources(method)[0]
    return Phase(zero, goal, source, zero, zero, zero, asked, zero, leads_to, rates, failures)


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
    if method.practice.seed_actions == "uniform":
        anything = jax.random.uniform(stream(key, "chance"), action.shape, minval=-1.0, maxval=1.0)
        action = jnp.where(step < method.practice.seed_steps, anything, action)
    # Last, so that nothing acts past what limits actions: chance neither.
    now = Now(observation, frames, step, key)
    for name, one in method.interventions.items():
        action = one.propose(Scope(Context(method, task), name, view.signals), view, now, action)
    return action


def switch(method: Method, task: Task, view: View, transition: Transition, step: Array) -> Switched:
    """The phase of the next step, by the rules of the acting role and the method's order."""
    phase, context = view.phase, Context(method, task)
    switch_key = step_keys(view.key, step)[2]
    moment = Moment(view, transition, step, stream(switch_key, "rules"))
    states, (end, reset, sure) = judged(context, moment)
    for name, one in method.interventions.items():
        reset = reset | one.asks(Scope(context, name, view.signals), view, transition, step)
    asked, since_asked = ask(method, task, phase, reset, stream(switch_key, "asked"))
    # A role that pursues what the task asks for begins anew when the task asks for something else.
    follows = jnp.array([role.goals.follows for role in method.roles])[phase.role]
    anew = ~end & follows & (phase.source == 0) & (asked != phase.asked).any()
    phase = phase._replace(asked=asked, since_asked=since_asked)
    phase = _remember(method, phase, end & ~sure, reset, transition.success)
    end = end | reset | anew
    turned = next_phase(context, {**view.signals, **states}, phase, (end, anew, reset), switch_key)
    return Switched(turned, end, reset, states)


def judged(context: Context, moment: Moment) -> tuple[dict[str, Any], Verdict]:
    """The states of all rules after a step, and the verdict of the acting role's."""
    no, step = jnp.asarray(False), moment.transition
    verdict, states = Verdict(no, step.terminated | step.truncated, no), {}
    method: Method = context.method
    for name, rule in method.switch_rules.items():
        having = [rule in method.rules_of(role) for role in range(len(method.roles))]
        before = moment.view.signals.get(name, ()), verdict
        own = moment._replace(key=stream(moment.key, name))
        after = rule.judge(Scope(context, name, moment.view.signals), own, verdict)
        states[name], verdict = _where(having, moment.phase.role, after, before)
    return states, verdict


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


def _remember(method: Method, phase: Phase, end: Array, reset: Array, success: Array) -> Phase:
    """The record of each role's phases, after this one if it ended."""
    acted = end & (jnp.arange(len(method.roles)) == phase.role)
    memory = method.order.memory if method.order is not None else MEMORY
    rate = memory * phase.success_rate + (1 - memory) * success
    failures = jnp.where(acted, jnp.where(success, 0, phase.failures + 1), phase.failures)
    return phase._replace(
        success_rate=jnp.where(acted, rate, phase.success_rate),
        failures=jnp.where(reset, 0, failures),
    )


def next_phase(
    context: Context,
    states: dict[str, Any],
    phase: Phase,
    turns: tuple[Array, Array, Array],
    key: Array,
) -> Phase:
    """The phase of the next step; after a hard reset the first role begins, with a fresh goal.

    ``turns`` [] bool say whether the phase ended, whether its role begins anew because the task
    asks for another goal, and whether the task is reset. ``states`` are those of parts.
    """
    method: Method = context.method
    end, anew, reset = turns
    role = jnp.where(anew, phase.role, _next_role(method, phase, stream(key, "order")))
    role = jnp.where(reset, 0, role)
    if method.practice.goal_change_every or method.one_goal:
        turn = Turn(phase.asked, phase.asked, key)
    else:
        drawn = draw_goal(context.task, jnp.int32(0), stream(key, "goal of the task"))
        turn = Turn(drawn, jnp.where(reset | anew, drawn, phase.next_goal), key)
    goal, leads_to = _chosen(context, states, role, turn)
    same = phase._replace(steps=phase.steps + 1, since_reset=phase.since_reset + 1)
    fresh = same._replace(
        role=role,
        goal=goal,
        source=_sources(method)[role],
        steps=jnp.int32(0),
        segment=phase.segment + 1,
        next_goal=leads_to,
    )
    chosen: Phase = jax.tree.map(lambda a, b: jnp.where(end, a, b), fresh, same)
    return chosen._replace(since_reset=jnp.where(reset, 0, chosen.since_reset))


def _chosen(
    context: Context, states: dict[str, Any], role: Array, turn: Turn
) -> tuple[Array, Array]:
    """The goal of a phase of a role [], and the task's that it leads to, by the role's rule."""
    method: Method = context.method
    chosen = turn.drawn, turn.drawn
    for name, rule in method.goal_rules.items():
        having = [other.goals == rule for other in method.roles]
        own = turn._replace(key=stream(turn.key, name))
        chosen = _where(having, role, rule.choose(Scope(context, name, states), own), chosen)
    return chosen


def _where(having: list[bool], role: Array, new: Both, old: Both) -> Both:
    """What is new if a role [] has what is said for each of them, else what is old."""
    if all(having):
        return new
    mine = jnp.array(having)[role]
    found: Both = jax.tree.map(lambda a, b: jnp.where(mine, a, b), new, old)
    return found


def _sources(method: Method) -> Array:
    """Where the goals of each role come from [roles] int32."""
    return jnp.array([method.goal_sources.index(role.goals.source) for role in method.roles])


def _next_role(method: Method, phase: Phase, key: Array) -> Array:
    """Who follows the acting role: the next in turn, or who the method's order says."""
    if method.order is None:
        return (phase.role + 1) % len(method.roles)
    return method.order.follow(method, phase, key)
