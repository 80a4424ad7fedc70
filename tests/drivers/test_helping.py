"""A person who is asked for help, at leisure: calls, answers, late labels, and what they cost."""

import dataclasses
import io
import time

import numpy as np
import pytest

import toy
from unreset import registry
from unreset.demos import store
from unreset.drivers.live import Live
from unreset.drivers.supervisor import (
    Helped,
    Judged,
    NotNeeded,
    Question,
    Request,
    Terminal,
)
from unreset.interventions.stuck_labels import ASKING, FREE, UNKNOWN

LIMIT = -1.2  # to this person, a point further left is stuck
POINT = dataclasses.replace(
    toy.point(), step=None, environment=lambda render_mode=None: toy.PointEnv()
)


class Person:
    """Comes ``delay`` looks after a call, then answers one question at each look, truthfully."""

    def __init__(self, delay, needed=True, judges=True):
        self.delay, self.needed, self.judges = delay, needed, judges
        self.requests, self.questions, self.looks = [], [], 0
        self._due, self._asked = None, None

    def request(self, request):
        self.requests.append(request)
        self._due = self.looks + self.delay

    def question(self, question):
        self.questions.append(question)
        self._asked = question

    def answers(self):
        self.looks += 1
        if self._due is not None and self.looks >= self._due:
            self._due = None
            return [Helped(2.0) if self.needed else NotNeeded(0.5)]
        if self._asked is not None and self.judges:
            question, self._asked = self._asked, None
            return [Judged(bool(question.observation[0] < LIMIT))]
        return []


def practised(person, steps, **changes):
    settings = toy.tiny(registry.settings("paint"))
    asks = dataclasses.replace(settings.asking, supervisor="person", **changes)
    method = registry.method(dataclasses.replace(settings, asking=asks), POINT)
    rows, last = store.pinned_rows(toy.demonstrations(), POINT)
    driver = Live(method, POINT, [0], rows, last, 600, supervisor=person)
    driver.advance(0, steps)
    return driver


@pytest.mark.slow
def test_help_comes_some_steps_after_the_call_and_practice_goes_on_until_then():
    person = Person(delay=6)
    driver = practised(person, 60)
    assert person.requests[0] == Request(step=20, visit=True)
    asked = driver.carry.run.signals[ASKING]
    begins = np.asarray(asked.begins[0])
    first, second = begins[begins >= 0][:2]
    # The call is after step 20, the sixth look in step 26, whose end is the reset.
    assert (first, second) == (0, 26 + 1)
    assert driver.world.environment.resets == int(driver.run.ledger.hard_resets[0])
    assert int(asked.requests[0]) == len(person.requests)


@pytest.mark.slow
def test_labels_are_asked_for_by_bisection_and_come_late():
    person = Person(delay=3)
    driver = practised(person, 120)
    run = driver.carry.run
    asked, replay = run.signals[ASKING], run.replay
    begins, stuck = np.asarray(asked.begins[0]), np.asarray(asked.stuck[0])
    assert stuck[-1] == UNKNOWN
    seen = np.asarray(replay.rows.observation)[0, replay.pinned :, 0]
    known = 0
    for begin, end, first in zip(begins[:-1], begins[1:], stuck[:-1], strict=True):
        if begin < 0 or first == UNKNOWN:
            continue
        known += 1
        beyond = seen[begin:end] < LIMIT
        if first == FREE:
            assert not beyond[-1]
        else:  # a change from free to stuck
            assert beyond[first - begin]
            assert not beyond[first - begin - 1]
    assert known >= 2
    helped = int(run.ledger.hard_resets[0]) - 1
    answered = len(person.questions) - (person._asked is not None)
    assert int(asked.labels[0]) == answered
    np.testing.assert_allclose(asked.minutes[0], 2 * helped + 0.1 * answered, rtol=1e-5)


def test_what_nobody_answers_stays_unknown_and_one_stretch_is_asked_about_at_a_time():
    person = Person(delay=1, judges=False)
    driver = practised(person, 90)
    asked = driver.carry.run.signals[ASKING]
    np.testing.assert_array_equal(asked.stuck, UNKNOWN)
    assert int(asked.labels[0]) == 0
    assert len(person.questions) == 1
    assert int(driver.run.ledger.hard_resets[0]) >= 4


def test_whoever_came_for_nothing_is_not_called_at_once_again():
    person = Person(delay=2, needed=False)
    driver = practised(person, 60)
    assert [request.step for request in person.requests] == [20, 42]
    assert int(driver.run.ledger.hard_resets[0]) == 1


# --- At the terminal ----------------------------------------------------------------------------


def typed(text, expected):
    sink = io.StringIO()
    terminal = Terminal(io.StringIO(text), sink)
    found, began = [], time.monotonic()
    while len(found) < expected and time.monotonic() - began < 5:
        found += terminal.answers()
    return found, sink.getvalue()


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("done", Helped(1.0)),
        ("DONE 2.5", Helped(2.5)),
        ("no", NotNeeded()),
        ("y", Judged(True)),
        ("n", Judged(False)),
    ],
)
def test_lines_are_understood(line, answer):
    assert typed(f"\n{line}\n", 1)[0] == [answer]


def test_a_line_that_is_not_understood_is_answered_with_what_may_be_typed():
    found, said = typed("dnoe\ndone soon\ny y\nn\n", 1)
    assert found == [Judged(False)]
    assert said.count("Type one of: done, done MINUTES, no, y, n") == 3
    assert "'dnoe'?" in said


def test_the_terminal_says_what_is_asked():
    sink = io.StringIO()
    terminal = Terminal(io.StringIO(), sink)
    terminal.request(Request(1234, visit=False))
    terminal.request(Request(5000, visit=True))
    terminal.question(Question(48, 101, np.array([0.123, -2.0])))
    said = sink.getvalue()
    assert "step 1,234: I seem to be stuck. Put the scene right and type: done [MINUTES]" in said
    assert "step 5,000: time to have a look." in said
    assert "52 steps before help came, at (0.12, -2.00):" in said


@pytest.mark.slow
def test_a_person_is_asked_by_a_method_that_says_so_alone():
    assert practised(Person(1), 1)._helping is not None
    settings = toy.tiny(registry.settings("fbrl"))
    rows, last = store.pinned_rows(toy.demonstrations(), POINT)
    assert Live(settings.method(POINT), POINT, [0], rows, last, 60)._helping is None
    assert not registry.method(settings, POINT).interventions
