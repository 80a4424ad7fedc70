"""States of environments that cannot be stored, and environments that would end the process."""

import dataclasses
from typing import ClassVar

import numpy as np
import pytest

import toy
from unreset import api, registry
from unreset.drivers import states
from unreset.drivers.world import World
from unreset.errors import Failure, UnresetError

POINT = dataclasses.replace(toy.point(), step=None)
COMMON = {"steps": 60, "eval_every": 30, "report": False}
PRACTICE = COMMON | {"evaluation": "continuing"}  # in one environment alone


class Savable(toy.PointEnv):
    """A point that can be saved, with something more in its state, which is called ``more``."""

    more = staticmethod(np.arange)
    event = staticmethod(lambda number: None)
    restored: ClassVar[list] = []

    def get_state(self):
        return {
            "at": self.at.copy(),
            "number": self.number,
            "more": self.more(self.number),
        }

    def set_state(self, state):
        Savable.restored.append(state)
        self.at, self.number = state["at"].copy(), int(state["number"])

    def step(self, action):
        self.event(self.number + 1)
        return super().step(action)


@pytest.fixture
def savable(monkeypatch):
    task = dataclasses.replace(POINT, environment=lambda render_mode=None: Savable())
    monkeypatch.setitem(registry.TASKS, "savable", lambda: task)
    monkeypatch.setattr(Savable, "restored", [])
    toy.install(monkeypatch.setitem)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("text", "gives text"),
        (np.random.default_rng(0).bit_generator.state, "gives a dict"),
        (2**64, "gives an integer of 65 bits"),
        (None, "gives None"),
        ([[1], [2, 3]], "gives a list"),
        (np.array([1, None]), "gives an array of object"),
        (np.longdouble(1), "gives a longdouble"),
        (1j, "gives a complex"),
        (object(), "gives a object"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_a_state_that_cannot_be_stored_is_named_by_its_key(value, said):
    with pytest.raises(UnresetError, match=f"state 'more' cannot be stored: get_state {said}"):
        states.stored({"at": np.zeros(1), "more": value})


@pytest.mark.parametrize("state", [None, [1], {1: 2}, {"whole": 1}])
def test_what_is_no_dictionary_of_arrays_is_refused(state):
    with pytest.raises(UnresetError, match="get_state"):
        states.stored(state)


def test_numbers_of_every_kind_come_back():
    given = {
        "bool": True,
        "int": -(2**63),
        "large": 2**64 - 1,
        "half": np.float16(0.1),
        "swapped": np.arange(3, dtype=">f8"),
        "empty": np.zeros((0, 3)),
        "strided": np.arange(12).reshape(3, 4).T,
        "list": [1, 2, 3],
    }
    state = states.stored(given)
    states.check_reading(state)
    for name, value in given.items():
        np.testing.assert_array_equal(state[name], value)


@pytest.mark.slow
def test_practice_goes_on_with_counted_resets_where_the_first_state_cannot_be_stored(
    tmp_path, savable, monkeypatch
):
    monkeypatch.setattr(Savable, "more", staticmethod(lambda number: "text"))
    run = api.train("fbrl", "savable", out=tmp_path / "run", **PRACTICE)
    assert run.env_steps == 60
    assert "state 'more' cannot be stored" in run.notes[-1] and "counted reset" in run.notes[-1]
    run = api.load(tmp_path / "run").resume(90)
    assert any("cannot be restored: a counted reset" in note for note in run.notes)
    assert run.summary["hard_resets"] == [2] and Savable.restored == []


@pytest.mark.slow
def test_a_list_that_grows_is_restored(tmp_path, savable):
    api.train("fbrl", "savable", out=tmp_path / "run", **PRACTICE)
    run = api.load(tmp_path / "run")
    assert run.notes == []
    np.testing.assert_array_equal(Savable.restored[-1]["more"], np.arange(60))
    run.resume(90)
    assert run.summary["hard_resets"] == [1]


@pytest.mark.slow
def test_what_cannot_be_stored_later_costs_a_reset_and_no_practice(tmp_path, savable, monkeypatch):
    monkeypatch.setattr(Savable, "more", staticmethod(lambda n: None if n >= 50 else np.arange(n)))
    run = api.train("fbrl", "savable", out=tmp_path / "run", **PRACTICE)
    assert run.env_steps == 60 and "state 'more' cannot be stored" in run.notes[-1]
    run = api.load(tmp_path / "run")
    assert run.env_steps == 60
    run.resume(90)
    assert run.summary["hard_resets"] == [2]


@pytest.mark.slow
def test_a_set_state_that_fails_costs_a_reset(tmp_path, savable, monkeypatch):
    api.train("fbrl", "savable", out=tmp_path / "run", **PRACTICE)
    monkeypatch.setattr(Savable, "set_state", lambda self, state: 1 / 0)
    run = api.load(tmp_path / "run")
    assert "set_state failed: ZeroDivisionError" in " ".join(run.notes)
    run.resume(90)
    assert run.summary["hard_resets"] == [2]


def ending(error):
    def event(number):
        if number == 37:
            raise error

    return staticmethod(event)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("error", "raised"), [(SystemExit(3), Failure), (KeyboardInterrupt(), KeyboardInterrupt)]
)
def test_an_environment_that_would_end_the_process_is_saved(
    tmp_path, savable, monkeypatch, error, raised
):
    monkeypatch.setattr(Savable, "event", ending(error))
    with pytest.raises(raised, match="saved") as stop:
        api.train("fbrl", "savable", out=tmp_path / "run", **PRACTICE)
    assert raised is KeyboardInterrupt or "SystemExit(3); saved at step 36" in str(stop.value)
    monkeypatch.undo()
    monkeypatch.setitem(registry.TASKS, "savable", lambda: SAVABLE)
    toy.install(monkeypatch.setitem)
    run = api.load(tmp_path / "run")
    assert run.env_steps == 36
    assert run.resume().env_steps == 60


SAVABLE = dataclasses.replace(POINT, environment=lambda render_mode=None: Savable())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("error", "raised"), [(SystemExit(3), Failure), (KeyboardInterrupt(), KeyboardInterrupt)]
)
def test_so_it_is_where_that_happens_in_an_evaluation(
    tmp_path, savable, monkeypatch, error, raised
):
    def event(number):  # 30 steps of practice, then the evaluation's
        taken.append(number)
        if len(taken) == 35:
            raise error

    taken = []
    monkeypatch.setattr(Savable, "event", staticmethod(event))
    with pytest.raises(raised, match="saved"):
        api.train("naive", "savable", out=tmp_path / "run", **COMMON)
    run = api.load(tmp_path / "run")
    assert run.env_steps == 30
    assert run.resume().env_steps == 60
    assert run.summary["hard_resets"] == [1]


def test_what_would_end_the_process_when_it_is_made_or_saved(tmp_path, monkeypatch):
    def make(render_mode=None):
        raise SystemExit(2)

    monkeypatch.setattr(Savable, "get_state", make)
    world = World(POINT, Savable())
    world.reset(0)
    assert not world.save()["whole"] and "SystemExit(2)" in world.notes[0]
    (tmp_path / "ending_task.py").write_text("def make_task():\n    raise SystemExit(2)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(UnresetError, match="raises SystemExit: 2"):
        registry.task("ending_task:make_task")
    with pytest.raises(UnresetError, match=r"cannot be made: SystemExit\(2\)"):
        World(dataclasses.replace(POINT, environment=make))


@pytest.mark.slow
def test_videos_that_would_end_the_process_are_left_out(tmp_path, savable, monkeypatch):
    class Filmed(Savable):
        render_mode = "rgb_array"

        def render(self):
            raise SystemExit(3)

    task = dataclasses.replace(POINT, environment=lambda render_mode=None: Filmed())
    monkeypatch.setitem(registry.TASKS, "savable", lambda: task)
    run = api.train("naive", "savable", out=tmp_path / "run", **(PRACTICE | {"report": True}))
    assert "no videos" in run.notes[-1] and "SystemExit(3)" in run.notes[-1]
    assert (run.folder / "report.html").is_file()
