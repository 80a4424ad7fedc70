"""Asking for help before it is too late, and learning from what the helper says (PAINT).

Proactive interventions (Xie, Tajwar, Sharma & Finn 2022, arXiv 2210.10765). Practice between two
hard resets is a *stretch*. Some states nobody leaves without help; whoever gets stuck stays so
until the end of its stretch. Then a person is asked about as few of its states as possible, by
bisection, for the first stuck one; all later ones are stuck, all earlier ones are not. A classifier
learns that, the critics are told that a stuck state is worth what staying there for ever is, and
the agent asks for a reset itself once it seems to be stuck.

Labels are a small table of stretches, not a column of the replay: an answer that comes late changes
one number.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from unreset.core import foresight
from unreset.core import replay as replays
from unreset.core.context import Context
from unreset.core.replay import Replay
from unreset.core.signals import reversibility
from unreset.core.signals.reversibility import Classifier, Reversibility
from unreset.core.types import Array, Measurement, Task, Transition

if TYPE_CHECKING:
    from unreset.core.method import Method
    from unreset.core.phases import Phase, View

ASKING = "asking"  # its name among the states of the run's signals
UNKNOWN = -1  # where nobody has said yet from where on a stretch is stuck
FREE = np.iinfo(np.int32).max  # it never is


@dataclass(frozen=True)
class Asking:
    """When a person is asked for help, and what is learned from it (PAINT)."""

    rule: Literal["never", "classifier", "safety", "oracle"] = "never"
    """"classifier": once it takes the agent for stuck (PAINT); "safety": once critics foresee that
    it will be, discounted; "oracle": once the task knows it."""
    threshold: float = 0.5
    """Probability of being stuck, or of getting there, that is an alarm (PAINT: 0.5)."""
    patience: int = 100
    """Steps for which the agent goes on after an alarm before help comes (PAINT: 300 or 500)."""
    withdraw: bool = True
    """Whether an alarm is off once the agent does not seem to be stuck any more (ours)."""
    visit_after: int = 100
    """Steps since the last reset after which somebody looks in though nobody asked, at first; 0:
    never (PAINT: at the task's period of resets, 500 to 200,000)."""
    visit_growth: float = 2.0
    """Factor on them where all was well, and one over it, down to no less than at first, where the
    agent was stuck and had not noticed; 1 leaves them as they are (ours; PAINT: 1)."""
    absorb: bool = True
    """Whether critics are told what stuck states are worth (PAINT)."""
    stuck_reward: float | None = None
    """The reward of every further step there; None for the task's."""
    supervisor: Literal["simulated", "person"] = "simulated"
    """Who answers: the task's own predicate at once, or a person, some time later."""
    examples: int = 0
    """How many stuck states the classifier is shown from the start, where the task can tell some
    (PAINT: 1,000 on the tabletop, else none)."""
    stretches: int = 4096
    """How many stretches between resets are remembered, the latest ones."""
    classifier: Reversibility = field(default_factory=Reversibility)
    """The classifier of stuck states."""

    @property
    def asks(self) -> bool:
        """Whether anybody is ever asked."""
        return self.rule != "never"

    @property
    def first_visit(self) -> int:
        """Steps since a reset after which somebody looks in at first; FREE for never."""
        return self.visit_after or FREE

    def worth(self, task: Task, discount: float) -> float:
        """The value of a stuck state: its reward for ever."""
        each = task.stuck_reward if self.stuck_reward is None else self.stuck_reward
        return each / (1 - discount)


class Asked(NamedTuple):
    """What has been asked and answered, and what was learned from it."""

    classifier: Classifier
    begins: Array  # [stretches] int32: id of each one's first row, ascending; the last is going on
    stuck: Array  # [stretches] int32: id of its first stuck row; FREE, or UNKNOWN
    now: Array  # [] int32: the same of the stretch that is going on, as a simulated helper sees it
    visit: Array  # [] float32: steps after a reset when somebody looks in
    visited: Array  # [] bool, whether the last request was such a visit
    minutes: Array  # [] float32, of a person's time
    requests: Array  # [] int32
    labels: Array  # [] int32, states that somebody was asked about
    examples: Any = ()  # [n, observation], stuck states that are known from the start


def init(config: Asking, task: Task, key: Array, input_size: int) -> Asked:
    """Before the first step, with nothing known but examples."""
    zero, unknown = jnp.int32(0), jnp.full(config.stretches, UNKNOWN, jnp.int32)
    begins = unknown.at[-1].set(0)
    classifier = reversibility.init(config.classifier, key, input_size)
    nobody = (jnp.float32(config.first_visit), jnp.asarray(False), jnp.float32(0), zero, zero)
    examples: Any = ()
    if config.examples and task.stuck_examples is not None:
        examples = task.stuck_examples(jax.random.fold_in(key, 1), config.examples)
    return Asked(classifier, begins, unknown, jnp.int32(FREE), *nobody, examples)


def misfit(config: Asking, task: Task, acts: bool) -> str | None:
    """Why nobody can be asked in a task."""
    if not config.asks:
        return None
    if not acts:
        return "it never acts, so it cannot be stuck: say --asking.rule never"
    if config.supervisor == "simulated" and task.stuck is None:
        return (
            f"task {task.name!r} does not say which states are stuck (Task.stuck), so a simulated "
            "supervisor cannot answer: say --asking.supervisor person"
        )
    if config.rule == "oracle" and task.stuck is None:
        return f"task {task.name!r} does not say which states are stuck (Task.stuck)"
    return None


# --- Labels -------------------------------------------------------------------------------------


class Bisection(NamedTuple):
    """What is known of the first stuck state of a stretch: that it is in (``low``, ``high``]."""

    low: Array | int  # a state that is not stuck
    high: Array | int  # one that is, or one beyond the last
    asked: Array | int = 0


def bisection(states: Array | int) -> Bisection:
    """Nothing known of a stretch of so many states but that its first one, after help, is free."""
    return Bisection(0, states)


def question(search: Bisection) -> Array | int:
    """The number of the state to ask about next; nothing is left to ask once it is ``low``."""
    return (search.low + search.high) // 2


def answered(search: Bisection, stuck: Array | bool) -> Bisection:
    """What is known after an answer about the state of :func:`question`."""
    middle = question(search)
    low, high = jnp.where(stuck, search.low, middle), jnp.where(stuck, middle, search.high)
    return Bisection(low, high, search.asked + 1)


def first_stuck(stuck_from: Array, states: Array) -> tuple[Array, Array]:
    """The first stuck one of ``states`` and the questions that found it, ceil(log2 states) at most.

    A truthful helper, to whom all states from ``stuck_from`` on are stuck, is asked. Where none
    is, the answer is ``states``.
    """

    def ask(search: Bisection) -> Bisection:
        return answered(search, question(search) >= stuck_from)

    start = jax.tree.map(jnp.int32, bisection(states))
    found = jax.lax.while_loop(lambda search: question(search) > search.low, ask, start)
    return found.high, found.asked


def labelled(config: Asking, asked: Asked, begin: Array, first: Array, questions: Array) -> Asked:
    """After an answer: of the stretch from row ``begin`` on the first stuck row is ``first``.

    Both are ids; ``first`` may be FREE. Of a stretch that is forgotten only the effort is counted.
    """
    stuck = jnp.where(asked.begins == begin, first, asked.stuck)
    sooner = jnp.where(asked.visited, 1 / config.visit_growth, 1.0)
    visit = asked.visit * jnp.where(first == FREE, config.visit_growth, sooner)
    visit = jnp.clip(visit, config.first_visit, float(FREE))
    return asked._replace(stuck=stuck, visit=visit, labels=asked.labels + questions)


def label_of(asked: Asked, ids: Array) -> Array:
    """What is known of practice rows ``ids`` [N]: 1 stuck, 0 free, -1 nothing."""
    stretch = jnp.searchsorted(asked.begins, ids, side="right") - 1
    first = asked.stuck[stretch]
    return jnp.where((first == UNKNOWN) | (stretch < 0), -1, ids >= first)


def next_labels(asked: Asked, replay: Replay, positions: Array) -> Array:
    """The same of the states that rows at ``positions`` [N] lead to; demonstrated ones are free."""
    label = label_of(asked, replays.row_id(replay, positions) + 1)
    return jnp.where(positions < replay.pinned, 0, label)


def known_rows(asked: Asked, replay: Replay, number: int, key: Array) -> tuple[Array, Array, Array]:
    """Positions [number] of free and of stuck states, drawn alike; and how many are stuck.

    States are drawn from all that are labelled and still there; demonstrated ones are free.
    """
    oldest = jnp.maximum(replay.written - replay.capacity + 1, 0)
    known = asked.stuck != UNKNOWN
    last = jnp.append(asked.begins[1:], 0)  # of the stretch that is going on nobody has spoken
    begin = jnp.clip(asked.begins, oldest, jnp.maximum(last, oldest))
    end = jnp.maximum(last, begin)
    middle = jnp.clip(asked.stuck, begin, end)
    free_key, stuck_key = jax.random.split(key)

    def draw(low: Array, high: Array, more: int, key: Array) -> tuple[Array, Array]:
        upto = jnp.cumsum(jnp.where(known, high - low, 0))
        count = upto[-1] + more
        pick = jax.random.randint(key, (number,), 0, jnp.maximum(count, 1))
        stretch = jnp.minimum(jnp.searchsorted(upto, pick, side="right"), len(upto) - 1)
        row = high[stretch] - (upto[stretch] - pick)
        return jnp.where(pick < upto[-1], replays.position(replay, row), pick - upto[-1]), count

    free, _ = draw(begin, middle, replay.pinned, free_key)
    stuck, count = draw(middle, end, 0, stuck_key)
    return free, stuck, count


def dismissed(config: Asking, asked: Asked, phase: Phase) -> tuple[Asked, Phase]:
    """After a person came for nothing: the alarm is off, and the next visit later."""
    later = jnp.maximum(asked.visit, phase.since_reset.astype(jnp.float32)) * config.visit_growth
    return asked._replace(visit=jnp.maximum(later, asked.visit)), phase._replace(alarm=jnp.int32(0))


# --- Practice -----------------------------------------------------------------------------------


def probability(method: Method, task: Task, asked: Asked, observation: Array, frames: Any) -> Array:
    """The classifier's probability [...] that observations [..., observation] are stuck."""
    config = method.asking.classifier
    seen = Context(method, task).plain(observation, frames)
    return reversibility.probability(config, asked.classifier, seen)


def alarm(
    method: Method, task: Task, view: View, transition: Transition, step: Array
) -> tuple[Array, Array]:
    """Steps [] since the alarm that is on, and whether that is for a visit that is due; 0 for none.

    With more than ``patience`` help is due.
    """
    config, phase, after = method.asking, view.phase, transition.next_observation
    asked, before = view.signals[ASKING], phase.alarm
    if config.rule == "oracle":
        assert task.stuck is not None
        stuck = task.stuck(after)
    elif config.rule == "safety":
        foreseen = foresight.of_step(method, task, view, foresight.STUCK, transition).mean()
        stuck = foreseen > config.threshold
    else:
        found = probability(method, task, asked, after, transition.next_frames)
        stuck = found > config.threshold
    stuck &= step >= method.practice.seed_steps
    on = stuck | (before > (config.patience if config.withdraw else 0))  # a call is a call
    since = jnp.where(on, before + 1, 0)
    visit = (phase.since_reset + 1 >= asked.visit) & (since <= config.patience)
    visit &= config.rule != "oracle"
    return jnp.where(visit, config.patience + 1, since), visit


def lived(
    config: Asking,
    task: Task,
    asked: Asked,
    replay: Replay,
    transition: Transition,
    since: Array,
    visited: Array,
    reset: Array,
) -> Asked:
    """After a step is recorded, with what :func:`alarm` said of it, and perhaps a reset."""
    here = replay.written - reset  # the row of the state arrived in
    requested = since == config.patience + 1
    asked = asked._replace(
        requests=asked.requests + requested,
        visited=jnp.where(requested, visited, asked.visited),
    )
    if task.stuck is not None:
        stuck = task.stuck(transition.next_observation)
        asked = asked._replace(now=jnp.where(stuck, jnp.minimum(asked.now, here), FREE))
    if config.supervisor == "simulated":
        begin = asked.begins[-1]
        states = jnp.where(reset, here - begin + 1, 1)  # of one there is nothing to ask
        first, questions = first_stuck(asked.now - begin, states)
        found = jnp.where(first < states, begin + first, FREE)
        told = labelled(config, asked, begin, found, questions)
        asked = jax.tree.map(partial(jnp.where, reset), told, asked)
    return jax.tree.map(partial(jnp.where, reset), next_stretch(asked, replay), asked)


def next_stretch(asked: Asked, replay: Replay) -> Asked:
    """After a reset: a new stretch begins with the replay's open row."""
    begins = jnp.append(asked.begins[1:], replay.written)
    stuck = jnp.append(asked.stuck[1:], jnp.int32(UNKNOWN))
    return asked._replace(begins=begins, stuck=stuck, now=jnp.int32(FREE))


def absorbed(
    method: Method,
    task: Task,
    asked: Asked,
    label: Array,
    after: tuple[Array, Any],
    reward: Array,
    discount: Array,
) -> tuple[Array, Array]:
    """Rewards and discounts [N] of steps whose next states may be stuck, if that is told critics.

    With ``p R / (1 - discount)`` for a stuck next state the target is ``p R / (1 - discount)
    + (1 - p) (r + discount V)`` (PAINT): p is 0 or 1 where it is known, else the classifier's.
    ``label`` [N] is as in :func:`next_labels`, ``after`` are the next states' observations and
    pictures.
    """
    if not method.asking.absorb:
        return reward, discount
    guessed = probability(method, task, asked, *after)
    stuck = jnp.where(label < 0, guessed, label)
    worth = method.asking.worth(task, method.learner.discount)
    return stuck * worth + (1 - stuck) * reward, (1 - stuck) * discount


def measured(
    method: Method, task: Task, signals: dict[str, Any], transition: Transition
) -> dict[str, Measurement]:
    """Whether the agent is stuck, and whether the classifier says so, where the task can tell."""
    if task.stuck is None:
        return {}
    after, one = transition.next_observation, jnp.float32(1)
    stuck = task.stuck(after)
    found = {"stuck": Measurement(stuck.astype(jnp.float32), one)}
    if method.asking.asks:
        guessed = probability(method, task, signals[ASKING], after, transition.next_frames)
        right = (guessed > method.asking.threshold) == stuck
        found["stuck_accuracy"] = Measurement(right.astype(jnp.float32), one)
    return found
