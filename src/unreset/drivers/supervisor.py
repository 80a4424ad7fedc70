"""Whoever is asked for help: a person at the terminal, or anybody else one likes.

Nobody is waited for. The driver hands over requests and questions and looks after every step
whether there is an answer; until then the agent goes on, and an answer may come late.
"""

from __future__ import annotations

import contextlib
import queue
import sys
import threading
from collections.abc import Sequence
from typing import NamedTuple, Protocol, TextIO

import numpy as np


class Request(NamedTuple):
    """A call for help: the scene shall be put right, so that practice begins anew."""

    step: int  # of practice
    visit: bool  # the agent has not called; it is time to have a look


class Question(NamedTuple):
    """Whether the agent was stuck in a state, so that it could not have gone on by itself."""

    state: int  # its number in the stretch of practice that help ended, from 0
    states: int  # how many there were
    observation: np.ndarray  # [observation], in that state


class Helped(NamedTuple):
    """Somebody has put the scene right, which took so many minutes."""

    minutes: float = 1.0


class NotNeeded(NamedTuple):
    """Somebody has looked: the agent can go on by itself."""

    minutes: float = 0.1


class Judged(NamedTuple):
    """The answer to the question that was asked last."""

    stuck: bool
    minutes: float = 0.1


Answer = Helped | NotNeeded | Judged


class Supervisor(Protocol):
    """What the live driver asks of whoever helps; none of it may wait."""

    def request(self, request: Request) -> None:
        """Pass a call for help on."""

    def question(self, question: Question) -> None:
        """Pass a question on; there is one at a time, and a later one replaces it."""

    def answers(self) -> Sequence[Answer]:
        """What has been answered since this was called last."""


class Terminal:
    """A person at a terminal, who types when there is time."""

    def __init__(self, source: TextIO | None = None, sink: TextIO | None = None) -> None:
        self._sink = sink
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, args=(source or sys.stdin,), daemon=True)

    def request(self, request: Request) -> None:
        why = "time to have a look" if request.visit else "I seem to be stuck"
        self._say(f"step {request.step:,}: {why}. Put the scene right and type: done [MINUTES]")
        self._say("or, if I can go on by myself: no")

    def question(self, question: Question) -> None:
        ago = question.states - 1 - question.state
        place = ", ".join(f"{number:.2f}" for number in question.observation)
        self._say(f"{ago} steps before help came, at ({place}):")
        self._say("was I stuck there already? y or n")

    def answers(self) -> list[Answer]:
        if self._reader.ident is None:  # not before: a run that is only read asks nobody
            self._reader.start()
        found: list[Answer] = []
        while not self._lines.empty():
            line = self._lines.get()
            answer = _understood(line)
            if answer is None:
                self._say(f"{line!r}? Type one of: done, done MINUTES, no, y, n")
            else:
                found.append(answer)
        return found

    def _read(self, source: TextIO) -> None:
        with contextlib.suppress(OSError, ValueError):  # nobody is there, or has left
            for line in source:
                if line.strip():
                    self._lines.put(line.strip())

    def _say(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # nobody is there, or has left
            print(f"unreset: {text}", file=self._sink or sys.stdout, flush=True)


def _understood(line: str) -> Answer | None:
    """What a line says."""
    word, _, rest = line.lower().partition(" ")
    simple: dict[str, Answer] = {"no": NotNeeded(), "y": Judged(True), "n": Judged(False)}
    if word == "done":
        try:
            return Helped(max(0.0, float(rest))) if rest else Helped()
        except ValueError:
            return None
    return None if rest else simple.get(word)
