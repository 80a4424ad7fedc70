"""What is learned besides policies: reward signals and the curriculum, now and then."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from unreset.core import asking, discriminating, sac, signals
from unreset.core import model as dynamics
from unreset.core import replay as replays
from unreset.core.discriminating import Taken, taken
from unreset.core.method import Method
from unreset.core.replay import Rows
from unreset.core.signals import curriculum, exploring, novelty, reversibility
from unreset.core.signals.matching import Matching
from unreset.core.types import Array, Measurement, Metrics, Task, Transition, when

if TYPE_CHECKING:
    from unreset.core.practice import Phase, Run

CURRICULUM = "curriculum"  # its name among the states of the run's signals
EXPLORING = "exploring"  # likewise: of every role the logarithm of its constraint's multiplier
MODEL = "model"


def init_signals(
    method: Method,
    task: Task,
    pinned: Rows,
    pinned_last: np.ndarray,
    learners: sac.Learner,
    key: Array,
    prior: bool = False,
) -> dict[str, Any]:
    """The fresh states of a method's signals, which may share encoders, and of its curriculum.

    ``prior`` says whether the learners are those of a run before.
    """
    nothing = jnp.zeros(task.observation_size), jnp.zeros(task.goal_size)
    frames = replays.blank_frames(pinned)
    states = {}
    for number, (name, signal) in enumerate(method.signals.items()):
        seen = method.judged(task, signal, *nothing, frames, action=jnp.zeros(task.action_size))
        own_key = key if not number else jax.random.fold_in(key, number)
        whose = method.encoder_of(name)
        learner = jax.tree.map(lambda x, n=whose: x[n], learners)
        states[name] = signals.init(signal, own_key, seen, method.vision, learner.encoder)
        if isinstance(signal, Matching) and signal.weighted:
            known = learner if prior else None
            found = discriminating.worth_of(method, task, signal, pinned, pinned_last, known)
            states[name] = states[name]._replace(worth=found)
    if method.curriculum is not None:
        states[CURRICULUM] = _init_curriculum(method, task, pinned, pinned_last)
    if method.explores:
        states[EXPLORING] = jnp.zeros(len(method.roles))
    if method.model is not None:
        own_key = jax.random.fold_in(key, len(method.signals) + 2)
        states[MODEL] = dynamics.init(method.model, task, own_key, rewards=not task.pure)
    if method.asking.asks:
        seen = method.judged(task, method.asking.classifier, *nothing, frames)
        own_key = jax.random.fold_in(key, len(method.signals) + 1)
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
    keys = jax.random.split(key, (max(1, len(method.signals)), 3))
    judges = 0
    for (name, signal), own_keys in zip(method.signals.items(), keys, strict=False):
        due = (step % signal.interval == 0) & learning
        if isinstance(signal, Matching):
            lists, judges = len(method.roles) + 2 * judges, judges + 1
            run, states[name], found = discriminating.fit(
                method, task, run, name, lists, due, own_keys
            )
        else:
            # Draws stay outside the conditional, through which no replay may pass.
            own_roles, own_key = method.rewarded(name), own_keys[1]
            own = replays.sample(run.replay, own_roles, signal.batch_size, own_key)
            update = partial(_fit_novelty, method, task, signal, taken(run.replay, own))
            states[name], found = when(due, update, states[name])
        metrics |= {f"{name}_{what}": value for what, value in found.items()}
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


def _fit_novelty(
    method: Method, task: Task, signal: novelty.Novelty, rows: Taken, state: Any
) -> tuple[Any, Metrics]:
    seen = method.judged(task, signal, rows.observation, rows.goal, rows.frames)
    return novelty.update(signal, state, jnp.asarray(seen))


def constrained(
    method: Method, task: Task, states: dict[str, Any], phase: Phase, transition: Transition
) -> Array:
    """The roles' log multipliers [roles] after a step, which moves that of the acting role."""
    found = states[EXPLORING]
    for number, role in enumerate(method.roles):
        if role.novelty:
            logit = method.logits(task, role.reward, states[role.reward], transition, phase.goal)
            moved = exploring.ascended(method.exploring, found[number], logit)
            found = found.at[number].set(jnp.where(phase.role == number, moved, found[number]))
    return found


def _fit_asking(
    method: Method, task: Task, run: Run, step: Array, key: Array
) -> tuple[asking.Asked, dict[str, Measurement]]:
    """The update of the classifier of stuck states, on states that somebody has judged."""
    config, asked = method.asking.classifier, run.signals[asking.ASKING]
    own_key = jax.random.fold_in(key, 3)
    half = config.batch_size // 2
    *kinds, count = asking.known_rows(asked, run.replay, half, own_key)
    rows = taken(run.replay, jnp.stack(kinds))
    free, stuck = jnp.asarray(method.judged(task, config, rows.observation, rows.goal, rows.frames))
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
    learner = jax.tree.map(lambda x: x[0], run.learners)

    def value(seen: Array) -> Array:
        def of_goal(goal: Array) -> Array:
            inputs = method.inputs(task, seen, jnp.broadcast_to(goal, (len(seen), len(goal))), 0)
            action = jnp.tanh(sac.policy(method.learner, learner.actor, inputs)[0])
            return sac.action_values(method.learner, learner.target, inputs, action).min(axis=0)

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
    for name, signal in method.signals.items():
        if isinstance(signal, Matching):
            logit = method.logits(task, name, states[name], transition, phase.goal)
            mine = method.rewarded(name)
            acting = jnp.isin(phase.role, jnp.array(mine)).astype(jnp.float32)
            right = (logit < 0).astype(jnp.float32)
            found[f"{name}_fresh_accuracy"] = Measurement(right, acting)
            for role in mine:
                if method.roles[role].novelty:
                    who, now = method.roles[role].name, (phase.role == role).astype(jnp.float32)
                    found[f"{who}_divergence"] = Measurement(-logit, now)
                    multiplier = jnp.exp(states[EXPLORING][role])
                    found[f"{who}_multiplier"] = Measurement(multiplier, now)
    return found
