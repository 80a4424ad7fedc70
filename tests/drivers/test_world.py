"""The environment behind the live driver: what it does wrong is named, and counted."""

import dataclasses

import gymnasium
import numpy as np
import pytest

import toy
from unreset import api, registry
from unreset.demos import store
from unreset.drivers.live import Live
from unreset.drivers.world import World
from unreset.errors import Failure, UnresetError
from unreset.runs.folder import read_rows

POINT = dataclasses.replace(
    toy.point(), step=None, environment=lambda render_mode=None: toy.PointEnv()
)


class Wandering(toy.PointEnv):
    """A point whose step ``trouble`` may change what it returns: (number, result) -> result."""

    def __init__(self, trouble):
        super().__init__()
        self.trouble = trouble

    def step(self, action):
        return self.trouble(self.number, super().step(action))


def walked(environment, steps=40, action=0.1):
    world = World(POINT, environment)
    world.reset(0)
    for _ in range(steps):
        world.step(np.full(1, action, np.float32))
    return world


def back_to_start(number, result):
    return (
        ({"observation": np.array([toy.START], np.float32)}, *result[1:])
        if number == 30
        else result
    )


def told(number, result):
    return (*result[:4], {"final_obs": result[0]}) if number == 30 else result


@pytest.mark.parametrize("trouble", [back_to_start, told])
def test_a_reset_that_nobody_asked_for_is_refused(trouble):
    with pytest.raises(Failure, match="has reset itself"):
        walked(Wandering(trouble))


def test_practice_that_passes_the_start_is_no_reset():
    world = walked(toy.PointEnv(), steps=3)
    for action in (-0.1, -0.1, -0.1, -0.1, 0.1):
        world.step(np.full(1, action, np.float32))


def test_an_environment_that_goes_back_in_simulated_time_has_reset_itself():
    environment = toy.PointEnv()
    environment.data = type("Data", (), {"time": 1.0})()
    world = World(POINT, environment)
    world.reset(0)
    environment.data.time = 1.5
    world.step(np.zeros(1, np.float32))
    environment.data.time = 0.5
    with pytest.raises(Failure, match="has reset itself"):
        world.step(np.zeros(1, np.float32))


@pytest.mark.parametrize(
    ("observation", "message"),
    [
        ({"observation": np.zeros(2)}, r"shape \(2,\)"),
        ({"observation": np.array([np.nan])}, r"observation\[0\] is nan"),
        ({"else": np.zeros(1)}, "does not hold the state"),
        (np.zeros(1), "does not hold the state"),
    ],
)
def test_a_wrong_observation_is_named(observation, message):
    broken = Wandering(lambda number, result: (observation, *result[1:]))
    with pytest.raises(Failure, match=message):
        walked(broken, steps=1)


def test_a_time_limit_makes_an_environment_inexact():
    class Savable(toy.PointEnv):
        def get_state(self):
            return {"at": self.at}

        def set_state(self, state):
            self.at = state["at"]

    assert World(POINT, Savable()).exact
    assert not World(POINT, gymnasium.wrappers.TimeLimit(Savable(), 10)).exact
    assert not World(POINT, toy.PointEnv()).exact


def live(task, environment, method="fbrl", **practice):
    settings = toy.tiny(registry.settings(method), **practice)
    rows, last = store.pinned_rows(toy.demonstrations(), task)
    return Live(settings.method(task), task, [0], rows, last, 600, environment=environment)


def test_termination_and_time_limits_cost_a_counted_reset():
    ends = {10: (True, False), 25: (False, True)}
    environment = Wandering(
        lambda number, result: (*result[:2], *ends.get(number, (False, False)), {})
    )
    driver = live(POINT, environment)
    driver.advance(0, 40)
    assert int(driver.run.ledger.hard_resets[0]) == environment.resets == 3
    rows = driver.carry.run.replay.rows
    assert np.asarray(rows.terminated).sum() == 1


def test_a_score_is_stored_and_no_goal_is_exchanged(tmp_path, monkeypatch):
    asked = []

    def score(environment, observation, goal):
        asked.append(goal.copy())
        return 7.0 - float(abs(observation[0] - goal[0])), False

    task = dataclasses.replace(POINT, score=score)
    monkeypatch.setitem(registry.TASKS, "scored", lambda: task)
    toy.install(monkeypatch.setitem)
    run = api.train("fbrl", "scored", steps=40, eval_every=40, out=tmp_path / "run", report=False)
    assert "no relabelling" in run.notes[0]
    training = run._training
    practice = training.method.practice
    assert practice.hindsight == practice.other_goals == 0
    replay = training.driver.carry.run.replay
    acted = np.flatnonzero(np.asarray(replay.rows.role[0]) >= 0)
    acted = acted[acted >= replay.pinned][:30]
    rows = replay.rows
    after = np.asarray(rows.observation)[0, acted + 1, 0]
    goal = np.asarray(rows.goal)[0, acted, 0]
    np.testing.assert_allclose(
        np.asarray(rows.reward)[0, acted], 7.0 - abs(after - goal), rtol=1e-5
    )
    assert {float(g[0]) for g in asked} == {toy.GOAL, toy.START}


def test_a_score_that_fails_or_is_not_finite_is_named():
    broken = dataclasses.replace(POINT, score=lambda *_: (np.nan, False))
    world = World(broken, toy.PointEnv())
    with pytest.raises(Failure, match="the reward of task 'toy' is nan"):
        world.scores(world.reset(0), POINT.goals[0], POINT.goals[0])
    broken = dataclasses.replace(POINT, score=lambda *_: 1 / 0)
    world = World(broken, toy.PointEnv())
    with pytest.raises(Failure, match="score of task 'toy' failed: ZeroDivisionError"):
        world.scores(world.reset(0), POINT.goals[0], POINT.goals[0])


def test_an_environment_that_breaks_in_an_evaluation_leaves_a_checkpoint(tmp_path, monkeypatch):
    made = []

    def make(render_mode=None):
        first = not made
        made.append(1)
        return Wandering(lambda number, result: result if first or number < 60 else 1 / 0)

    task = dataclasses.replace(POINT, environment=make)
    monkeypatch.setitem(registry.TASKS, "fragile", lambda: task)
    toy.install(monkeypatch.setitem)
    folder = tmp_path / "run"
    with pytest.raises(Failure, match="saved at step 30"):
        api.train("naive", "fragile", steps=60, eval_every=30, out=folder, report=False)
    assert (folder / "checkpoints" / "000000030").is_dir()


def test_a_task_without_an_environment_says_so():
    with pytest.raises(UnresetError, match="'toy' has no Gymnasium environment"):
        World(dataclasses.replace(POINT, environment=None))


def test_own_tasks_are_found_by_module_and_name(tmp_path, monkeypatch):
    (tmp_path / "own_point.py").write_text(
        "import dataclasses, toy\n"
        "def make_task():\n"
        "    return dataclasses.replace(toy.point(), name='own', step=None,\n"
        "        environment=lambda render_mode=None: toy.PointEnv())\n"
        "def wrong():\n    return 3\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    toy.install(monkeypatch.setitem)
    run = api.train("fbrl", "own_point:make_task", steps=30, eval_every=15, out="run", report=False)
    assert [row["env_steps"] for row in read_rows(run.folder / "eval.csv")] == ["15", "30"]
    again = api.load("run")
    assert again.env_steps == 30 and "counted reset" in again.notes[-1]
    for place, message in [
        ("own_point:wrong", "returned int, not a Task"),
        ("own_point:absent", "has no function 'absent'"),
        ("absent_module:make", "cannot import 'absent_module'"),
    ]:
        with pytest.raises(UnresetError, match=message):
            registry.task(place)
