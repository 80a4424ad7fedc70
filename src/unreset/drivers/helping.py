"""The live driver's dealings with a supervisor: calls, answers, and labels that come late."""

from __future__ import annotations

from collections import deque
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from unreset.core import replay as replays
from unreset.core.method import Method
from unreset.core.practice import Run
from unreset.drivers.supervisor import Helped, NotNeeded, Question, Request, Supervisor
from unreset.errors import UnresetError
from unreset.interventions import bisection
from unreset.interventions.bisection import Bisection
from unreset.interventions.help import Help
from unreset.interventions.stuck_labels import ASKING, FREE, Asked


class _Stretch(NamedTuple):
    """A stretch of practice, ended by help, of which a person is asked."""

    begin: int  # the id of its first row
    states: int
    search: Bisection


class Helping:
    """Asks a supervisor on behalf of a run. What is not answered when a run ends stays unknown."""

    def __init__(self, method: Method, supervisor: Supervisor) -> None:
        help_ = method.interventions.get(ASKING)
        others = [
            name
            for name, one in method.interventions.items()
            if one.of_the_host and not isinstance(one, Help)
        ]
        if others or not isinstance(help_, Help):
            raise UnresetError(
                f"{', '.join(others) or ASKING} of {method.name} takes somebody outside to answer, "
                "and drivers ask for help alone (unreset.interventions.Help)"
            )
        self._config, self._supervisor = help_, supervisor
        self._waiting: deque[_Stretch] = deque()
        self._called = False
        self._labelled = jax.jit(help_.labelled)
        self._dismissed = jax.jit(help_.dismissed)
        self._seen = jax.jit(lambda replay, row: replay.rows.observation[_place(replay, row)])

    def hear(self, run: Run) -> tuple[Run, bool]:
        """The run after what has been answered, and whether the scene has been put right."""
        helped = False
        for answer in self._supervisor.answers():
            asked: Asked = run.signals[ASKING]
            asked = asked._replace(minutes=asked.minutes + answer.minutes)
            if isinstance(answer, Helped):
                helped, self._called = True, False
            elif isinstance(answer, NotNeeded):
                self._called = False
                asked = self._dismissed(asked, run.phase.since_reset)
            elif self._waiting:
                asked = self._judged(asked, answer.stuck, run)
            run = run._replace(signals={**run.signals, ASKING: asked})
        return run, helped

    def call(self, run: Run, step: int) -> None:
        """Pass on a call for help, once."""
        if not self._called and int(run.signals[ASKING].since) > self._config.patience:
            self._called = True
            self._supervisor.request(Request(step, bool(run.signals[ASKING].visited)))

    def ended(self, run: Run) -> None:
        """Begin to ask about the stretch that a reset has just ended."""
        self._called = False
        begin, end = (int(row) for row in run.signals[ASKING].begins[-2:])
        if begin >= 0:
            states = end - begin
            self._waiting.append(_Stretch(begin, states, bisection.bisection(states)))
        if len(self._waiting) == 1:
            self._ask(run)

    def _judged(self, asked: Asked, stuck: bool, run: Run) -> Asked:
        begin, states, search = self._waiting[0]
        asked = asked._replace(labels=asked.labels + 1)
        search = bisection.answered(search, stuck)
        search = Bisection(int(search.low), int(search.high), int(search.asked))
        self._waiting[0] = _Stretch(begin, states, search)
        if bisection.question(search) == search.low:
            self._waiting.popleft()
            first = begin + search.high if search.high < states else FREE
            asked = self._labelled(asked, np.int32(begin), np.int32(first), np.int32(0))  # counted
        if self._waiting:
            self._ask(run)
        return asked

    def _ask(self, run: Run) -> None:
        begin, states, search = self._waiting[0]
        state = int(bisection.question(search))
        seen = np.asarray(self._seen(run.replay, np.int32(begin + state)))
        self._supervisor.question(Question(state, states, seen))


def _place(replay: replays.Replay, row: Any) -> Any:
    return replays.position(replay, jnp.asarray(row))
