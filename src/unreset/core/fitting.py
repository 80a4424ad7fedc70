"""What is learned besides policies: reward signals and the curriculum, now and then."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from unreset.core import asking, sac, signals
from unreset.core import model as dynamics
from unreset.core import replay as replays
from unreset.core.method import Method
from unreset.core.replay import Replay, Rows
from unreset.core.signals import curriculum, matching, novelty, reversibility, worth
from unreset.core.signals.matching import Matching
from unreset.core.types import Array, Measurement, Metrics, Task, Transition
from unreset.core.vision import Frames, Shown, encode

if TYPE_CHECKING:
    from unreset.core.practice import Phase, Run

State = TypeVar("State")
CURRICULUM = "curriculum"  # its name among the states of the run's signals
MODEL = "model"  # likewise


def when(
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


def judged_rows(method: Method, pinned: Rows, pinned_last: np.ndarray) -> list[np.ndarray]:
    """For each discriminator two lists of demonstration rows: expert's, and well before those."""
    source = np.asarray(pinned.source)
    left = pinned_last - np.arange(len(pinned_last))
    found = []
    for name, signal in method.signals.items():
        if isinstance(signal, Matching):
            # Of a classifier that also judges returns, the backward demonstrations' too.
            ways = [method.roles[role].goals == "initial" for role in method.rewarded(name)]
            known = np.isin(source, [0, *ways])
            # By default the states acted from; else the last ones, the very last included.
            last, acted = signal.last_states, np.asarray(pinned.role) >= 0
            if signal.arrivals:
                acted = np.append(False, acted[:-1])
            shown = known & (left < last if last else acted)
            if signal.first_states:
                since = np.arange(len(pinned_last)) - np.searchsorted(pinned_last, pinned_last)
                shown = (source == 0) & (since < signal.first_states)
                shown |= (source == 1) & (left < last)
            found.append(np.flatnonzero(shown))
            found.append(np.flatnonzero(known & (left >= 3 * last) & (last > 0)))
    return found


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
            found = worth.of_progress(pinned_last)
            if prior:
                found = _valued(method, task, pinned, learner)
            if prior and signal.arrivals:  # which are worth what the step was that led there
                found = found._replace(rows=jnp.append(found.rows[:1], found.rows[:-1]))
            states[name] = states[name]._replace(worth=found)
    if method.curriculum is not None:
        states[CURRICULUM] = _init_curriculum(method, task, pinned, pinned_last)
    if method.model is not None:
        own_key = jax.random.fold_in(key, len(method.signals) + 2)
        states[MODEL] = dynamics.init(method.model, task, own_key, rewards=not task.pure)
    if method.asking.asks:
        seen = method.judged(task, method.asking.classifier, *nothing, frames)
        own_key = jax.random.fold_in(key, len(method.signals) + 1)
        states[asking.ASKING] = asking.init(method.asking, own_key, jnp.asarray(seen).size)
    return states


def _valued(method: Method, task: Task, pinned: Rows, learner: sac.Learner) -> worth.Worth:
    """What demonstration rows are worth to a learner's critics, which it will keep."""
    critics, encoder = jax.tree.map(jnp.copy, (learner.critics, learner.encoder))

    def value(row: Rows) -> Array:
        return _value(method, task, critics, encoder, row)

    values = jax.lax.map(value, jax.tree.map(jnp.asarray, pinned), batch_size=1000)
    return worth.of_values(values, jnp.asarray(pinned.role) >= 0, critics, encoder)


def _value(method: Method, task: Task, critics: Any, encoder: Any, row: Rows) -> Array:
    """Mean value [] of the action of a row, for its goal."""
    inputs = method.inputs(task, row.observation, row.goal, 0, row.frames)
    inputs = encode(method.vision, encoder, inputs)
    return sac.action_values(method.learner, critics, inputs, row.action).mean(axis=0)


def _weights(
    method: Method, task: Task, replay: Replay, signal: Matching, found: worth.Worth, expert: Array
) -> Array:
    """How much expert rows at positions [N] count."""
    baseline: Array | float = 0.5 if signal.baseline is None else signal.baseline
    if signal.baseline is None and found.critics:
        latest = replays.position(replay, jnp.maximum(replay.written - 1, 0))
        row = jax.tree.map(lambda x: x[latest], replay.rows)
        value = _value(method, task, found.critics, found.encoder, row)
        baseline = worth.scaled(value, found.least, found.span)
    return worth.weights(found.rows[expert], baseline)


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
    for (name, signal), (expert_key, own_key, update_key) in zip(
        method.signals.items(), keys, strict=False
    ):
        # Draws stay outside the conditional, through which no replay may pass.
        own_roles, size = method.rewarded(name), signal.batch_size
        due = (step % signal.interval == 0) & learning
        if isinstance(signal, Matching):
            lists, judges, half = len(method.roles) + 2 * judges, judges + 1, size // 2
            expert = replays.sample_pinned(run.replay, (lists,), half, expert_key)
            own = replays.sample(run.replay, own_roles, half, own_key)
            rows = _taken(run.replay, jnp.stack([expert, own]))
            if signal.contrast:
                rows = _contrasted(method, task, run.replay, name, lists, rows, own_key)
            if signal.pairs:
                rows = _paired(method, run.replay, signal, rows, update_key)
            counts = None
            if signal.weighted:
                counts = _weights(method, task, run.replay, signal, states[name].worth, expert)
            update = partial(_fit_matching, method, task, signal, rows, update_key, counts)
            run, states[name], found = _with_encoder(method, run, name, due, update, states[name])
        else:
            own = replays.sample(run.replay, own_roles, size, own_key)
            update = partial(_fit_novelty, method, task, signal, _taken(run.replay, own))
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


Pair = tuple[matching.Discriminator, sac.Learner | None]


def _with_encoder(
    method: Method,
    run: Run,
    name: str,
    due: Array,
    update: Callable[[Pair], tuple[Pair, Metrics]],
    state: matching.Discriminator,
) -> tuple[Run, matching.Discriminator, dict[str, Measurement]]:
    """A discriminator's update if due, with the policy's encoder of now if it shares that."""
    signal, which = method.signals[name], method.encoder_of(name)
    assert isinstance(signal, Matching)
    learner = jax.tree.map(lambda x: x[which], run.learners)
    if signal.shared_encoder != "no":
        state = state._replace(encoder=learner.encoder)
    taught = learner if signal.shared_encoder == "trained" else None
    (state, taught), found = when(due, update, (state, taught))
    if taught is None:
        return run, state, found
    learners = jax.tree.map(lambda x, y: x.at[which].set(y), run.learners, taught)
    return run._replace(learners=learners), state, found


class Taken(NamedTuple):
    """Rows as signals see them."""

    observation: Array
    goal: Array
    action: Array
    frames: Frames
    shown: Shown | None = None


def _taken(replay: Replay, at: Array) -> Taken:
    """Rows at some positions."""
    rows = replay.rows
    columns = (rows.observation, rows.goal, rows.action, rows.frames)
    return Taken(*jax.tree.map(lambda x: x[at], columns))


def _contrasted(
    method: Method, task: Task, replay: Replay, name: str, lists: int, rows: Taken, key: Array
) -> Taken:
    """Rows [2, N, ...] of which demonstrations give the asked share of the second half.

    They are states well before the last ones and, by turns, last ones with another goal. ``lists``
    is the number of the first of the discriminator's two lists.
    """
    signal = method.signals[name]
    assert isinstance(signal, Matching)
    known = jnp.concatenate(
        [
            (task.goals, task.initial_goals)[source]
            for source in method.sources(method.rewarded(name))
        ]
    )
    number = round(signal.contrast * rows.goal.shape[1])
    keys = jax.random.split(jax.random.fold_in(key, 1), 3)
    wrong = (jnp.arange(number) % 2 == 0) & signal.see_goal & (len(known) > 1)
    early, last = (
        replays.sample_pinned(replay, (lists + which,), number, keys[which]) for which in (1, 0)
    )
    given = _taken(replay, jnp.where(wrong, last, early))
    own = ((given.goal[:, None] - known) ** 2).sum(-1).argmin(-1)
    other = known[
        (own + jax.random.randint(keys[2], (number,), 1, max(2, len(known)))) % len(known)
    ]
    given = given._replace(goal=jnp.where(wrong[:, None], other, given.goal))
    return jax.tree.map(lambda column, value: column.at[1, :number].set(value), rows, given)


def _paired(method: Method, replay: Replay, signal: Matching, rows: Taken, key: Array) -> Taken:
    """Rows [2, N, ...] whose last ones, in both halves, are pairs (``Matching.pairs``)."""
    number, everyone = rows.goal.shape[1], tuple(range(len(method.roles)))
    kept = number - round(signal.pairs * number)
    keys = jax.random.split(jax.random.fold_in(key, 2), 4)
    near = jax.random.randint(keys[2], (number,), 0, 2)
    waiting = jax.random.exponential(keys[3], (number,)) / -jnp.log(method.learner.discount)
    apart = jnp.stack([near, matching.FAR + waiting.astype(near.dtype)])
    at = replays.sample(replay, everyone, 2 * number, keys[0]).reshape(2, number)
    if replay.pinned:  # by turns of practice and of demonstrations, where those go on for so long
        pinned = replays.sample_pinned(replay, everyone, 2 * number, keys[1]).reshape(2, number)
        long = replay.pinned_last[pinned] - pinned >= jnp.array([[0], [matching.FAR]])
        at = jnp.where(long & (jnp.arange(number) % 2 == 0), pinned, at)
    later = replays.later(replay, at, apart)
    pair = jnp.broadcast_to(jnp.arange(number) >= kept, (2, number))
    frames = jax.tree.map(
        lambda own, other: jnp.where(pair[..., None, None, None], other, own),
        rows.frames,
        replays.pictures(replay, at),
    )
    # An observation counts where proprioception is seen.
    observation = jnp.where(pair[..., None], replay.rows.observation[at], rows.observation)
    shown = Shown(pair, replays.pictures(replay, later), replay.rows.observation[later])
    return rows._replace(observation=observation, frames=frames, shown=shown)


def _fit_matching(
    method: Method,
    task: Task,
    signal: Matching,
    rows: Taken,
    key: Array,
    counts: Array | None,
    pair: Pair,
) -> tuple[Pair, Metrics]:
    """A discriminator's update on rows [2, N, ...], expert's and own; and of a shared encoder."""
    state, learner = pair
    observation, goal, action, frames, shown = rows
    see_key = jax.random.fold_in(key, 1)
    seen = method.judged(task, signal, observation, goal, frames, see_key, shown, action)
    expert, own = (jax.tree.map(lambda x, n=n: x[n], seen) for n in range(2))
    sight = signal.sight(method.vision)
    state, metrics, gradient = matching.update(signal, state, expert, own, key, sight, counts)
    if learner is not None:
        learner = sac.shaped(method.learner, learner, gradient)
    return (state, learner), metrics


def _fit_novelty(
    method: Method, task: Task, signal: novelty.Novelty, rows: Taken, state: Any
) -> tuple[Any, Metrics]:
    seen = method.judged(task, signal, rows.observation, rows.goal, rows.frames)
    return novelty.update(signal, state, jnp.asarray(seen))


def _fit_asking(
    method: Method, task: Task, run: Run, step: Array, key: Array
) -> tuple[asking.Asked, dict[str, Measurement]]:
    """The update of the classifier of stuck states, on states that somebody has judged."""
    config, asked = method.asking.classifier, run.signals[asking.ASKING]
    own_key = jax.random.fold_in(key, 3)
    half = config.batch_size // 2
    *kinds, known = asking.known_rows(asked, run.replay, half, own_key)
    rows = _taken(run.replay, jnp.stack(kinds))
    free, stuck = jnp.asarray(method.judged(task, config, rows.observation, rows.goal, rows.frames))

    def update(state: reversibility.Classifier) -> tuple[reversibility.Classifier, Metrics]:
        return reversibility.update(config, state, free, stuck, known)

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
        shown = replays.sample_pinned(replay, everyone, len(at), keys[1])
        practised = (replay.heads - replay.tails).sum()
        known = (replay.rows.role[: replay.pinned] >= 0).sum()
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
            right = method.logits(task, name, states[name], transition, phase.goal) < 0
            mine = jnp.isin(phase.role, jnp.array(method.rewarded(name)))
            found[f"{name}_fresh_accuracy"] = Measurement(
                right.astype(jnp.float32), mine.astype(jnp.float32)
            )
    return found
