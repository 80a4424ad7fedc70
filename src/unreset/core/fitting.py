"""What is learned besides policies: reward signals and the curriculum, now and then."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from unreset.core import asking
from unreset.core import model as dynamics
from unreset.core import replay as replays
from unreset.core.context import Context
from unreset.core.method import Method
from unreset.core.protocols import Beginning, Draws, Fresh, Scope
from unreset.core.replay import Rows
from unreset.core.signals import curriculum, reversibility
from unreset.core.types import Array, Measurement, Metrics, Task, Transition, when

if TYPE_CHECKING:
    from unreset.core.practice import Phase, Run

CURRICULUM = "curriculum"  # its name among the states of the run's signals
MODEL = "model"


def init_signals(
    method: Method,
    task: Task,
    pinned: Rows,
    pinned_last: np.ndarray,
    learners: Any,
    key: Array,
    prior: bool = False,
) -> dict[str, Any]:
    """The fresh states of a method's signals, which may share encoders, and of its curriculum.

    ``prior`` says whether the learners are those of a run before.
    """
    frames = replays.blank_frames(pinned)
    states: dict[str, Any] = {}
    number = 0
    for name, reward in method.rewards.items():
        own_key = key if not number else jax.random.fold_in(key, number)
        number += reward.interval > 0
        learner = None
        if served := method.rewarded(name):
            whose = method.learner_of(served[0])
            learner = jax.tree.map(lambda x, n=whose: x[n], learners)
        start = Beginning(pinned, pinned_last, learner, prior)
        states[name] = reward.init(Scope(Context(method, task), name), start, own_key)
    if method.curriculum is not None:
        states[CURRICULUM] = _init_curriculum(method, task, pinned, pinned_last)
    if method.model is not None:
        own_key = jax.random.fold_in(key, number + 2)
        states[MODEL] = dynamics.init(method.model, task, own_key, rewards=not task.pure)
    if method.asking.asks:
        seen = Context(method, task).plain(jnp.zeros(task.observation_size), frames)
        own_key = jax.random.fold_in(key, number + 1)
        size = jnp.asarray(seen).size
        states[asking.ASKING] = asking.init(method.asking, task, own_key, size)
    return states


def _init_curriculum(
    method: Method, task: Task, pinned: Rows, pinned_last: np.ndarray
) -> curriculum.Candidates:
    config = method.curriculum
    assert config is not None
    # Forward demonstrations lead away from the initial states, backward ones towards them.
    row = np.arange(len(pinned_last))
    begin = np.searchsorted(pinned_last, pinned_last)
    distances = np.where(np.asarray(pinned.source) == 0, row - begin, pinned_last - row)
    return curriculum.init(
        config,
        jnp.asarray(pinned.observation),
        jnp.asarray(distances, jnp.float32),
        len(task.goals),
        config.replay_states,
    )


def fit_signals(
    method: Method, task: Task, run: Run, step: Array, key: Array
) -> tuple[Run, dict[str, Measurement]]:
    """The updates of the signals that are due at this step, from the rows recorded so far."""
    metrics: dict[str, Measurement] = {}
    states, learning = dict(run.signals), step >= method.practice.seed_steps
    taught = {name: reward for name, reward in method.rewards.items() if reward.interval}
    keys = jax.random.split(key, (max(1, len(taught)), 3))
    draws = Draws(run.replay, run.learners, len(method.roles))
    for (name, reward), own_keys in zip(taught.items(), keys, strict=False):
        scope = Scope(Context(method, task), name, run.signals)
        due = (step % reward.interval == 0) & learning
        states[name], learners, found = reward.fit(scope, draws, due, own_keys)
        draws = Draws(run.replay, learners, draws.first_list + reward.own_lists)
        metrics |= {f"{name}_{what}": value for what, value in found.items()}
    run = run._replace(learners=draws.learners)
    if method.curriculum is not None:
        states[CURRICULUM], found = _refresh(method, task, run, step, key)
        metrics |= found
    if method.model is not None:
        states[MODEL], found = _fit_model(method, method.model, task, run, step, key)
        metrics |= found
    if method.asking.asks:
        states[asking.ASKING], found = _fit_asking(method, task, run, step, key)
        metrics |= found
    return run._replace(signals=states), metrics


def observed(
    method: Method, task: Task, states: dict[str, Any], phase: Phase, transition: Transition
) -> dict[str, Any]:
    """The states of rewards after a step."""
    fresh = Fresh(phase.role, phase.goal, transition)
    return states | {
        name: reward.observe(Scope(Context(method, task), name, states), fresh)
        for name, reward in method.rewards.items()
    }


def _fit_asking(
    method: Method, task: Task, run: Run, step: Array, key: Array
) -> tuple[asking.Asked, dict[str, Measurement]]:
    """The update of the classifier of stuck states, on states that somebody has judged."""
    config, asked = method.asking.classifier, run.signals[asking.ASKING]
    own_key = jax.random.fold_in(key, 3)
    half = config.batch_size // 2
    *kinds, count = asking.known_rows(asked, run.replay, half, own_key)
    at, rows = jnp.stack(kinds), run.replay.rows
    seen, frames = jax.tree.map(lambda x: x[at], (rows.observation, rows.frames))
    free, stuck = Context(method, task).plain(seen, frames)
    if number := len(asked.examples):
        keys = jax.random.split(jax.random.fold_in(own_key, 1))
        which = jax.random.randint(keys[0], (half,), 0, number + count)
        shown = asked.examples[which % number]
        stuck = jnp.where((which < number)[:, None], shown, stuck)
        count = count + number

    def update(state: reversibility.Classifier) -> tuple[reversibility.Classifier, Metrics]:
        return reversibility.update(config, state, free, stuck, count > 0)

    classifier, found = when(step % config.interval == 0, update, asked.classifier)
    metrics = {f"{asking.ASKING}_{what}": value for what, value in found.items()}
    return asked._replace(classifier=classifier), metrics


def _fit_model(
    method: Method, config: dynamics.Dynamics, task: Task, run: Run, step: Array, key: Array
) -> tuple[dynamics.Model, dict[str, Measurement]]:
    """The update of the model, on everyone's rows and the demonstrations', also in seed steps."""
    replay, everyone = run.replay, tuple(range(len(method.roles)))
    keys = jax.random.split(jax.random.fold_in(key, 3), 3)
    shape = (config.members, config.batch_size)
    at = replays.sample(replay, everyone, shape[0] * shape[1], keys[0])
    if replay.pinned:
        shown = replays.sample_pinned(replay, (replays.EVERY,), len(at), keys[1])
        practised = (replay.heads - replay.tails).sum()
        known = replay.pinned_count[replays.EVERY]
        share = known / jnp.maximum(known + practised, 1)
        at = jnp.where(jax.random.uniform(keys[2], at.shape) < share, shown, at)
    at = at.reshape(shape)
    # Always the same rows are held out: those whose scattered position is a low number.
    scattered = at.astype(jnp.uint32) * jnp.uint32(2654435761) / jnp.float32(2**32)
    rows = replay.rows
    taken = dynamics.Rows(
        observation=rows.observation[at],
        action=rows.action[at],
        next_observation=rows.observation[replays.following(replay, at)],
        goal=rows.goal[at],
        reward=rows.reward[at],
        held_out=scattered < config.held_out,
    )
    due = step % config.interval == 0
    state, found = when(
        due, lambda state: dynamics.update(config, task, state, taken), run.signals[MODEL]
    )
    return state, {f"{MODEL}_{what}": value for what, value in found.items()}


def _refresh(
    method: Method, task: Task, run: Run, step: Array, key: Array
) -> tuple[curriculum.Candidates, dict[str, Measurement]]:
    """The curriculum's candidates and their values V(s, g) = min_j Q'_j(s, pi(s, g), g)."""
    config = method.curriculum
    assert config is not None
    everyone = tuple(range(len(method.roles)))
    recent = replays.sample(run.replay, everyone, config.replay_states, jax.random.fold_in(key, 1))
    observations = run.replay.rows.observation[recent]
    learner = method.learner
    state = jax.tree.map(lambda x: x[0], run.learners)
    actor, target = learner.actor(state), learner.target(state)

    def value(seen: Array) -> Array:
        def of_goal(goal: Array) -> Array:
            inputs = method.inputs(task, seen, jnp.broadcast_to(goal, (len(seen), len(goal))), 0)
            return learner.value(target, inputs, learner.act(actor, inputs, None)).min(axis=0)

        return jax.vmap(of_goal)(jnp.asarray(task.goals))

    def update(state: curriculum.Candidates) -> tuple[curriculum.Candidates, Metrics]:
        fresh = curriculum.refresh(state, observations, task.achieved, value)
        reachable = fresh.values >= reach(method)
        return fresh, {"curriculum_reachable": reachable.mean()}

    return when(step % config.interval == 0, update, run.signals[CURRICULUM])


def reach(method: Method) -> float:
    """The value from which on the curriculum takes a goal for reachable."""
    assert method.curriculum is not None
    return method.worth(method.curriculum.within * method.roles[0].length)


def freshly_judged(
    method: Method, task: Task, states: dict[str, Any], phase: Phase, transition: Transition
) -> dict[str, Measurement]:
    """How well a step just made, on which nothing was trained, is judged.

    How often discriminators take the state for what it is, and the error of the model.
    """
    found = {}
    if method.model is not None:
        error = dynamics.error(method.model, task, states[MODEL], transition, phase.goal)
        found[f"{MODEL}_fresh_error"] = Measurement(error, jnp.float32(1))
    fresh = Fresh(phase.role, phase.goal, transition)
    for name, reward in method.rewards.items():
        measured = reward.measured(Scope(Context(method, task), name, states), fresh)
        found |= {f"{name}_{what}": value for what, value in measured.items()}
    return found
