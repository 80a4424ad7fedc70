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
from unreset.core.context import Context
from unreset.core.fitting import freshly_judged, init_states
from unreset.core.fitting import observed as observed_by_parts
from unreset.core.keys import stream
from unreset.core.method import Method
from unreset.core.phases import (
    act,
    ask,
    first_phase,
    next_phase,
    step_keys,
    switch,
)
from unreset.core.protocols import Beginning, Fresh, Recorded, Scope
from unreset.core.refusals import misfit
from unreset.core.replay import Replay
from unreset.core.teaching import learn
from unreset.core.types import Array, Measurement, Task, Transition, add, joined
from unreset.core.view import Phase, View
from unreset.errors import UnresetError
from unreset.networks.views import Frames

__all__ = ["act", "switch"]  # of a step's parts, those that live elsewhere

CONTINUING = "continuing_reward"  # the metric of continuing evaluation: reward of one step


class Ledger(NamedTuple):
    """What the run cost and how its phases went."""

    hard_resets: Array  # [] int32, the first included
    phases: Array  # [roles] int32, ended phases
    successes: Array  # [roles] int32, of them ended in success


class Run(NamedTuple):
    """Everything a run knows."""

    key: Array
    learners: Any  # stacked [learners]
    signals: dict[str, Any]  # the states of parts, by their names
    replay: Replay
    phase: Phase
    ledger: Ledger
    totals: dict[str, Measurement]  # running sums of the metrics since they were last taken


def reset_key(run: Run | View, step: Array) -> Array:
    """The key with which the driver resets the task after ``step``."""
    return step_keys(run.key, step)[3]


def init(
    method: Method,
    task: Task,
    key: Array,
    pinned: replays.Rows,
    pinned_last: np.ndarray,
    capacity: int,
    learner: Any = None,
) -> Run:
    """A run before its first step, in the first role, with the demonstration rows in its replay.

    All its learners begin as ``learner``, that of another run, where there is one.
    """
    run_key, learner_key, signal_key, goal_key = jax.random.split(key, 4)
    reason = misfit(method, task, {int(way) for way in np.asarray(pinned.role)})
    if reason:
        raise UnresetError(reason)
    frames = replays.blank_frames(pinned, method.vision.stack)
    learners = jax.vmap(lambda k: fresh_learner(method, task, k, frames))(
        jax.random.split(learner_key, len(method.learners))
    )
    known = learner is not None
    if known:
        learners = jax.tree.map(lambda x, y: jnp.broadcast_to(y, x.shape), learners, learner)
    direction = np.asarray(pinned.role)
    # One list for each role, and those of parts.
    pinned_lists = [np.flatnonzero(np.isin(direction, r.demonstrations)) for r in method.roles]
    start = Beginning(pinned, pinned_last, None, known)
    context = Context(method, task)
    for name, part in method.parts.items():
        pinned_lists += part.lists(Scope(context, name), start)
    none = jnp.zeros(len(method.roles), jnp.int32)
    signals = init_states(context, pinned, pinned_last, (learners, known), signal_key)
    run = Run(
        key=run_key,
        learners=learners,
        signals=signals,
        replay=replays.init(pinned, pinned_last, pinned_lists, len(method.roles), capacity),
        phase=first_phase(method, task, signals, goal_key),
        ledger=Ledger(jnp.int32(not method.practice.offline), none, none),
        totals={},
    )
    blank_step = _blank(task, frames)
    measured = jax.eval_shape(partial(_taught, method, task), run, blank_step, jnp.int32(0))[1]
    return run._replace(totals=jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), measured))


def fresh_learner(method: Method, task: Task, key: Array, frames: Frames) -> Any:
    """One of a method's learners; ``frames`` are blank pictures."""
    nothing = jnp.zeros(task.observation_size), jnp.zeros(task.goal_size)
    blank = method.inputs(task, *nothing, 0, frames)
    return method.learner.init(key, blank, task.action_size, method.events)


def _blank(task: Task, frames: Frames) -> Transition:
    """A transition of zeros; ``frames`` are blank pictures."""
    seen, nothing = jnp.zeros(task.observation_size), jnp.float32(0)
    no = jnp.asarray(False)
    action = jnp.zeros(task.action_size)
    return Transition(seen, action, seen, nothing, no, no, no, nothing, frames, frames)


def view(method: Method, run: Run) -> View:
    """The run's view."""
    learner, state = method.learner, run.learners
    events = {event: learner.foresight(state, event) for event in method.events}
    return View(
        run.key, learner.actor(state), learner.target(state), events, run.signals, run.phase
    )


def observed(
    task: Task,
    phase: Phase,
    observation: Array,
    action: Array,
    after: Array,
    ends: Array | tuple[bool, bool] = (False, False),
    scores: Array | None = None,
    frames: Frames | None = None,
    next_frames: Frames | None = None,
) -> Transition:
    """A transition with the reward and success that the task gives for the current goal.

    ``ends`` says whether the task terminated and was truncated. ``scores`` [3], for a task that is
    not pure, are reward and success for the current goal, and reward for the goal asked for.
    ``frames`` and ``next_frames`` are what cameras saw before and after.
    """
    terminated, truncated = jnp.asarray(ends)
    if scores is None:
        reward, success = task.reward(after, phase.goal), task.success(after, phase.goal)
        asked = task.reward(after, phase.asked)
    else:
        reward, success, asked = scores[0], scores[1] > 0, scores[2]
    return Transition(
        observation,
        action,
        after,
        reward,
        success,
        terminated,
        truncated,
        asked,
        frames or {},
        next_frames or {},
    )


def advance(
    method: Method, task: Task, run: Run, transition: Transition, step: Array
) -> tuple[Run, Array]:
    """Record a transition, learn, and decide who acts next; also whether to reset the task.

    ``step`` counts from 0 and must be the same for all seeds of a ``vmap`` (not batched).
    """
    phase = run.phase
    following, end, reset, states = switch(method, task, view(method, run), transition, step)
    replay = replays.record(
        run.replay, transition, phase.goal, phase.role, phase.source, end, phase.segment, reset
    )
    context, signals = Context(method, task), {**run.signals, **states}
    after = Recorded(replay, transition, step, reset)
    for name, one in method.interventions.items():
        scope = Scope(context, name, run.signals)
        signals[name] = one.recorded(scope, view(method, run), after)
    fresh = Fresh(phase.role, phase.goal, transition)
    run = run._replace(replay=replay, signals=observed_by_parts(context, signals, fresh))
    run, metrics = _taught(method, task, run, transition, step)
    acted = jax.nn.one_hot(phase.role, len(method.roles), dtype=jnp.int32)
    ledger = Ledger(
        run.ledger.hard_resets + reset,
        run.ledger.phases + end * acted,
        run.ledger.successes + (end & transition.success) * acted,
    )
    return run._replace(phase=following, ledger=ledger, totals=add(run.totals, metrics)), reset


def study(method: Method, task: Task, run: Run, step: Array) -> Run:
    """Learn for one step without acting (``Practice.offline``)."""
    run, metrics = _taught(method, task, run, _blank(task, {}), step)
    return run._replace(totals=add(run.totals, metrics))


def _taught(
    method: Method, task: Task, run: Run, transition: Transition, step: Array
) -> tuple[Run, dict[str, Measurement]]:
    """The run after one step's learning, and the metrics of that step."""
    fresh = Fresh(run.phase.role, run.phase.goal, transition)
    metrics = freshly_judged(Context(method, task), run.signals, fresh)
    run, learned = learn(Context(method, task), run, step, step_keys(run.key, step)[1])
    if method.practice.goal_change_every:
        metrics |= {CONTINUING: Measurement(jnp.asarray(transition.asked_reward), jnp.float32(1))}
    return run, joined(learned, metrics)


def interrupted(method: Method, task: Task, run: Run) -> Run:
    """The run after a reset from outside: the phase has ended, the first role begins."""
    phase, ledger = run.phase, run.ledger
    key = jax.random.fold_in(stream(run.key, "resets from outside"), ledger.hard_resets)
    yes, switch_key, asked_key = jnp.asarray(True), *jax.random.split(key)
    asked, since_asked = ask(method, task, phase, yes, asked_key)
    none = jnp.zeros_like(phase.failures)
    phase = phase._replace(asked=asked, since_asked=since_asked, failures=none)
    begun = phase.since_reset > 0
    replay = jax.tree.map(partial(jnp.where, begun), replays.cut(run.replay), run.replay)
    signals, context = dict(run.signals), Context(method, task)
    for name, one in method.interventions.items():
        signals[name] = one.begun(Scope(context, name, run.signals), replay, begun)
    return run._replace(
        signals=signals,
        replay=replay,
        phase=next_phase(context, signals, phase, (yes, ~yes, yes), switch_key),
        ledger=ledger._replace(
            hard_resets=ledger.hard_resets + 1,
            phases=ledger.phases.at[phase.role].add(phase.steps > 0),
        ),
    )
