"""Asking for help before it is too late, and learning from what the helper says (PAINT).

Proactive interventions (Xie, Tajwar, Sharma & Finn 2022, arXiv 2210.10765). Practice between two
hard resets is a *reset segment*. Some states nobody leaves without help; whoever gets stuck stays
so until the end of its segment. Then a person is asked about as few of its states as possible, by
bisection, for the first stuck one; all later ones are stuck, all earlier ones are not. A classifier
learns that, the critics are told that a stuck state is worth what staying there for ever is, and
the agent asks for a reset itself once it seems to be stuck.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp

from unreset.core import foresight
from unreset.core import replay as replays
from unreset.core.context import Context
from unreset.core.keys import stream
from unreset.core.protocols import (
    Beginning,
    Drawn,
    Draws,
    Fitted,
    Fresh,
    Intervention,
    Recorded,
    Scope,
)
from unreset.core.ranges import Factor, Finite, Pair, Share, Whole
from unreset.core.replay import Replay
from unreset.core.types import Array, Measurement, Metrics, Task, Transition, when
from unreset.interventions import stuck_classifier
from unreset.interventions.bisection import first_stuck
from unreset.interventions.stuck_classifier import Classifier, StuckClassifier
from unreset.interventions.stuck_labels import (
    ASKING,
    FREE,
    UNKNOWN,
    Asked,
    known_rows,
    next_labels,
    next_segment,
)


@dataclass(frozen=True)
class Help(Intervention):
    """Asking a person for help when stuck, and learning from the answers (PAINT)."""

    rule: Literal["never", "classifier", "safety", "oracle"] = "never"
    """"classifier": once it takes the agent for stuck (PAINT); "safety": once critics foresee that
    it will be, discounted; "oracle": once the task knows it."""
    threshold: Share = 0.5
    """Probability of being stuck, or of getting there, that is an alarm (PAINT: 0.5)."""
    patience: Whole = 100
    """Steps for which the agent goes on after an alarm before help comes (PAINT: 300 or 500)."""
    withdraw: bool = True
    """Whether an alarm is off once the agent does not seem to be stuck any more (ours)."""
    visit_after: Whole = 100
    """Steps since the last reset after which somebody looks in though nobody asked, at first; 0:
    never (PAINT: at the task's period of resets, 500 to 200,000)."""
    visit_growth: Factor = 2.0
    """Factor on them where all was well, and one over it, down to no less than at first, where the
    agent was stuck and had not noticed; 1 leaves them as they are (ours; PAINT: 1)."""
    absorb: bool = True
    """Whether critics are told what stuck states are worth (PAINT)."""
    stuck_reward: Finite | None = None
    """The reward of every further step there; None for the task's."""
    supervisor: Literal["simulated", "person"] = "simulated"
    """Who answers: the task's own predicate at once, or a person, some time later."""
    examples: Whole = 0
    """How many stuck states the classifier is shown from the start, where the task can tell some
    (PAINT: 1,000 on the tabletop, else none)."""
    stretches: Pair = 4096
    """How many stretches between resets are remembered, the latest ones."""
    classifier: StuckClassifier = field(default_factory=StuckClassifier)
    """The classifier of stuck states."""

    @property
    def asks_anybody(self) -> bool:
        """Whether anybody is ever asked."""
        return self.rule != "never"

    @property
    def waits(self) -> bool:  # type: ignore[override]
        return False

    @property
    def resets(self) -> bool:
        return True

    @property
    def of_the_host(self) -> bool:
        return self.supervisor == "person"

    @property
    def interval(self) -> int:  # type: ignore[override]
        return self.classifier.interval

    @property
    def foresees(self) -> tuple[str, ...]:
        return (foresight.STUCK,) if self.rule == "safety" else ()

    @property
    def first_visit(self) -> int:
        """Steps since a reset after which somebody looks in at first; FREE for never."""
        return self.visit_after or FREE

    def worth(self, task: Task, discount: float) -> float:
        """The value of a stuck state: its reward for ever."""
        each = task.stuck_reward if self.stuck_reward is None else self.stuck_reward
        return each / (1 - discount)

    def needs(self, method: Any, name: str) -> str | None:
        """Its name is always the same, under which its labels and its effort are found."""
        if name == ASKING:
            return None
        return f"{name} of {method.name} asks for help: it must be named {ASKING!r}"

    def misfit(self, context: Context) -> str | None:
        method, task = context.method, context.task
        reason = None
        if method.practice.offline:
            reason = "it never acts, so it cannot be stuck: say --asking.rule never"
        elif self.supervisor == "simulated" and task.stuck is None:
            reason = (
                f"task {task.name!r} does not say which states are stuck (Task.stuck), so a "
                "simulated supervisor cannot answer: say --asking.supervisor person"
            )
        elif self.rule == "oracle" and task.stuck is None:
            reason = f"task {task.name!r} does not say which states are stuck (Task.stuck)"
        elif self.absorb and method.learner.discount >= 1:
            reason = "the worth of a stuck state counts for ever: discount must be below 1"
        elif self.examples and method.vision.pixels:
            reason = "its first stuck states are no pictures: asking.examples must be 0"
        return f"{method.name} asks for help: {reason}" if reason else None

    def init(self, scope: Scope, start: Beginning, key: Array) -> Asked:
        """Before the first step, with nothing known but examples."""
        task, frames = scope.task, replays.blank_frames(start.pinned)
        size = scope.context.plain(jnp.zeros(task.observation_size), frames).size
        zero, unknown = jnp.int32(0), jnp.full(self.stretches, UNKNOWN, jnp.int32)
        begins = unknown.at[-1].set(0)
        classifier = stuck_classifier.init(self.classifier, key, size)
        nobody = (jnp.float32(self.first_visit), jnp.asarray(False), jnp.float32(0), zero, zero)
        examples: Any = ()
        if self.examples and task.stuck_examples is not None:
            examples = task.stuck_examples(stream(key, "examples"), self.examples)
        return Asked(classifier, begins, unknown, jnp.int32(FREE), *nobody, zero, examples)

    def probability(self, scope: Scope, observation: Array, frames: Any) -> Array:
        """The classifier's probability [...] that observations [..., observation] are stuck."""
        seen = scope.context.plain(observation, frames)
        return stuck_classifier.probability(self.classifier, scope.state.classifier, seen)

    def alarm(
        self, scope: Scope, view: Any, transition: Transition, step: Array
    ) -> tuple[Array, Array]:
        """Steps [] since the alarm that is on, 0 for none; and whether it is for a due visit.

        With more than ``patience`` help is due.
        """
        method, task, after = scope.method, scope.task, transition.next_observation
        asked, before = scope.state, scope.state.since
        if self.rule == "oracle":
            assert task.stuck is not None
            stuck = task.stuck(after)
        elif self.rule == "safety":
            foreseen = foresight.of_step(method, task, view, foresight.STUCK, transition).mean()
            stuck = foreseen > self.threshold
        else:
            stuck = self.probability(scope, after, transition.next_frames) > self.threshold
        stuck &= step >= method.practice.seed_steps
        on = stuck | (before > (self.patience if self.withdraw else 0))  # a call is a call
        since = jnp.where(on, before + 1, 0)
        visit = (view.phase.since_reset + 1 >= asked.visit) & (since <= self.patience)
        visit &= self.rule != "oracle"
        return jnp.where(visit, self.patience + 1, since), visit

    def asks(self, scope: Scope, view: Any, transition: Transition, step: Array) -> Array | bool:
        if self.supervisor != "simulated":
            return False
        return self.alarm(scope, view, transition, step)[0] > self.patience

    def recorded(self, scope: Scope, view: Any, after: Recorded) -> Asked:
        """Count a request; at a reset a simulated helper is asked about the segment."""
        asked, (replay, transition, step, reset) = scope.state, after
        since, visited = self.alarm(scope, view, transition, step)
        here = replay.written - reset  # the row of the state arrived in
        requested = since == self.patience + 1
        asked = asked._replace(
            requests=asked.requests + requested,
            visited=jnp.where(requested, visited, asked.visited),
            since=jnp.where(reset, 0, since),
        )
        stuck_of = scope.task.stuck
        if stuck_of is not None:
            stuck = stuck_of(transition.next_observation)
            asked = asked._replace(now=jnp.where(stuck, jnp.minimum(asked.now, here), FREE))
        if self.supervisor == "simulated":
            begin = asked.begins[-1]
            states = jnp.where(reset, here - begin + 1, 1)  # of one there is nothing to ask
            first, questions = first_stuck(asked.now - begin, states)
            found = jnp.where(first < states, begin + first, FREE)
            told = self.labelled(asked, begin, found, questions)
            asked = jax.tree.map(partial(jnp.where, reset), told, asked)
        return jax.tree.map(partial(jnp.where, reset), next_segment(asked, replay), asked)

    def begun(self, scope: Scope, replay: Replay, acted: Array) -> Asked:
        asked = scope.state._replace(since=jnp.zeros_like(scope.state.since))
        return jax.tree.map(partial(jnp.where, acted), next_segment(asked, replay), asked)

    def labelled(self, asked: Asked, begin: Array, first: Array, questions: Array) -> Asked:
        """After an answer: of the segment from row ``begin`` on the first stuck row is ``first``.

        Both are ids; ``first`` may be FREE. Of a segment that is forgotten only the effort counts.
        """
        stuck = jnp.where(asked.begins == begin, first, asked.stuck)
        sooner = jnp.where(asked.visited, 1 / self.visit_growth, 1.0)
        visit = asked.visit * jnp.where(first == FREE, self.visit_growth, sooner)
        visit = jnp.clip(visit, self.first_visit, float(FREE))
        return asked._replace(stuck=stuck, visit=visit, labels=asked.labels + questions)

    def dismissed(self, asked: Asked, since_reset: Array) -> Asked:
        """After a person came for nothing: the alarm is off, and the next visit later."""
        later = jnp.maximum(asked.visit, since_reset.astype(jnp.float32)) * self.visit_growth
        return asked._replace(visit=jnp.maximum(later, asked.visit), since=jnp.int32(0))

    def relabel(
        self, scope: Scope, replay: Replay, drawn: Drawn, told: tuple[Array, Array, Array | None]
    ) -> tuple[Array, Array, Array | None]:
        """Tell critics what stuck next states are worth, if they shall be told.

        With ``p R / (1 - discount)`` for a stuck next state the target is ``p R / (1 - discount)
        + (1 - p) (r + discount V)`` (PAINT): p is 0 or 1 where it is known, else the classifier's.
        Labels are 1 stuck, 0 free, -1 unknown, as of all that is imagined.
        """
        reward, discount, _ = told
        label = jnp.full(len(reward), -1.0)
        if drawn.positions is not None:
            label = next_labels(scope.state, replay, drawn.positions) * 1.0
        if not self.absorb:
            return reward, discount, label
        steps, method = drawn.steps, scope.method
        guessed = self.probability(scope, steps.next_observation, steps.next_frames)
        stuck = jnp.where(label < 0, guessed, label)
        worth = self.worth(scope.task, method.learner.discount)
        return stuck * worth + (1 - stuck) * reward, (1 - stuck) * discount, label

    def fit(self, scope: Scope, draws: Draws, due: Array, key: Array) -> Fitted:
        """The classifier's update, on states that somebody has judged, in seed steps too."""
        asked, config, replay = scope.state, self.classifier, draws.replay
        half = self.classifier.batch_size // 2
        *kinds, count = known_rows(asked, replay, half, stream(key, "rows"))
        at = jnp.stack(kinds)
        seen, frames = jax.tree.map(lambda x: x[at], (replay.rows.observation, replay.rows.frames))
        free, stuck = scope.context.plain(seen, frames)
        if number := len(asked.examples):
            shown_key = stream(key, "examples")
            which = jax.random.randint(shown_key, (half,), 0, number + count)
            shown = asked.examples[which % number]
            stuck = jnp.where((which < number)[:, None], shown, stuck)
            count = count + number

        def step(state: Classifier) -> tuple[Classifier, Metrics]:
            return stuck_classifier.update(config, state, free, stuck, count > 0)

        classifier, found = when(due, step, asked.classifier)
        return Fitted(asked._replace(classifier=classifier), draws.learners, found)

    def measured(self, scope: Scope, fresh: Fresh) -> dict[str, Measurement]:
        """Whether the classifier is right about being stuck, where the task can tell."""
        if scope.task.stuck is None:
            return {}
        after, frames = fresh.transition.next_observation, fresh.transition.next_frames
        right = (self.probability(scope, after, frames) > self.threshold) == scope.task.stuck(after)
        return {"accuracy": Measurement(right.astype(jnp.float32), jnp.float32(1))}
