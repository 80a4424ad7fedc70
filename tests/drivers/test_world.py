"""The environment behind the live driver: what it does wrong is named, and counted."""

import dataclasses

import gymnasium
import jax
import numpy as np
import pytest

import toy
from unreset import api, registry
from unreset.demos import store
from unreset.drivers.live import Live
from unreset.drivers.world import World
from unreset.errors import Failure, UnresetError
from unreset.evaluation.deployed import Simulated
from unreset.runs.rows import read_rows

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
    assert World(POINT, gymnasium.wrappers.OrderEnforcing(Savable())).exact
    assert not World(POINT, toy.PointEnv()).exact


def test_observations_are_not_the_environments_own_array():
    class Reusing(toy.PointEnv):
        def reset(self, **arguments):
            seen, info = super().reset(**arguments)
            self.buffer = seen["observation"]
            return {"observation": self.buffer}, info

        def step(self, action):
            self.buffer[:] = super().step(action)[0]["observation"]
            return {"observation": self.buffer}, 0.0, False, False, {}

    world = World(POINT, Reusing())
    first = world.reset(0)
    after, _ = world.step(np.ones(1, np.float32))
    assert after[0] == first[0] + toy.SPEED


def live(task, environment, method="fbrl", **practice):
    settings = toy.tiny(registry.settings(method), **practice)
    rows, last = store.pinned_rows(toy.demonstrations(), task)
    return Live(settings.method(task), task, [0], rows, last, 600, environment=environment)


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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
    assert again.env_steps == 30 and again.notes == []
    for place, message in [
        ("own_point:wrong", "returned int, not a Task"),
        ("own_point:absent", "has no function 'absent'"),
        ("absent_module:make", "cannot import 'absent_module'"),
    ]:
        with pytest.raises(UnresetError, match=message):
            registry.task(place)


class Savable(toy.PointEnv):
    """A point that can be saved, and that breaks at a step."""

    breaks_at = -1
    taken = 0

    def get_state(self):
        return {"at": self.at.copy(), "number": np.array(self.number)}

    def set_state(self, state):
        self.at, self.number = state["at"].copy(), int(state["number"])

    def step(self, action):
        Savable.taken += 1
        result = super().step(action)
        if Savable.taken == Savable.breaks_at:
            self.at = np.full(1, np.nan, np.float32)
            raise RuntimeError("sparks")
        return result


@pytest.fixture
def fragile(monkeypatch):
    task = dataclasses.replace(POINT, environment=lambda render_mode=None: Savable())
    monkeypatch.setitem(registry.TASKS, "fragile", lambda: task)
    monkeypatch.setattr(Savable, "taken", 0)
    toy.install(monkeypatch.setitem)


@pytest.mark.slow
def test_what_broke_in_a_step_goes_on_after_a_counted_reset(tmp_path, fragile, monkeypatch):
    monkeypatch.setattr(Savable, "breaks_at", 37)
    folder = tmp_path / "run"
    common = {"steps": 60, "eval_every": 30, "report": False, "evaluation": "continuing"}
    with pytest.raises(Failure, match=r"sparks.*saved at step 36"):
        api.train("fbrl", "fragile", out=folder, **common)
    run = api.load(folder)
    assert run.env_steps == 36 and "counted reset" in run.notes[-1]
    run.resume()
    assert run.summary["hard_resets"] == run.summary["interventions"] == [2]
    replay = run._training.driver.carry.run.replay
    rows = jax.tree.map(lambda column: np.asarray(column)[0, replay.pinned :], replay.rows)
    acted = np.flatnonzero(rows.role[: int(replay.written[0])] >= 0)
    assert len(acted) == 60
    # No action of practice leads to the start: the frame before the reset is a row of its own.
    moved = rows.observation[acted + 1, 0] - rows.observation[acted, 0]
    expected = np.clip(rows.observation[acted, 0] + toy.SPEED * rows.action[acted, 0], -1.5, 1.5)
    np.testing.assert_allclose(moved, expected - rows.observation[acted, 0], atol=1e-6)
    assert rows.end[acted[35]]


@pytest.mark.slow
def test_an_evaluation_that_broke_is_made_up_for(tmp_path, fragile, monkeypatch):
    monkeypatch.setattr(Savable, "breaks_at", 35)  # 30 steps of practice, then the evaluation's
    folder = tmp_path / "run"
    with pytest.raises(Failure, match="saved at step 30"):
        api.train("naive", "fragile", steps=60, eval_every=30, out=folder, report=False)
    run = api.load(folder)
    assert run.notes == []  # the environment of practice is whole
    run.resume()
    assert [row["env_steps"] for row in read_rows(folder / "eval.csv")] == ["30", "60"]
    assert run.summary["hard_resets"] == [1]


@pytest.mark.slow
def test_loading_does_not_touch_an_environment_that_cannot_be_restored(tmp_path, monkeypatch):
    made = []

    def make(render_mode=None):
        made.append(toy.PointEnv())
        return made[-1]

    task = dataclasses.replace(POINT, environment=make)
    monkeypatch.setitem(registry.TASKS, "robot", lambda: task)
    toy.install(monkeypatch.setitem)
    folder = tmp_path / "run"
    common = {"steps": 30, "eval_every": 30, "report": False, "evaluation": "continuing"}
    api.train("fbrl", "robot", out=folder, **common)
    made.clear()
    run = api.load(folder)
    run.export()
    assert [environment.resets for environment in made] == [0]
    run.resume(60)
    assert sum(environment.resets for environment in made) == 1
    assert run.summary["hard_resets"] == [2]


@pytest.mark.slow
def test_a_resumed_run_whose_first_reset_fails_stays_where_it_was(tmp_path, monkeypatch):
    broken = []

    class Fragile(toy.PointEnv):
        def reset(self, **arguments):
            if broken:
                raise RuntimeError("jammed")
            return super().reset(**arguments)

    task = dataclasses.replace(POINT, environment=lambda render_mode=None: Fragile())
    monkeypatch.setitem(registry.TASKS, "jamming", lambda: task)
    toy.install(monkeypatch.setitem)
    folder = tmp_path / "run"
    common = {"steps": 30, "eval_every": 30, "report": False, "evaluation": "continuing"}
    api.train("naive", "jamming", out=folder, **common)
    broken.append(True)
    with pytest.raises(Failure, match=r"jammed.*saved at step 30"):
        api.load(folder).resume(60)
    broken.clear()
    run = api.load(folder).resume()
    assert run.env_steps == 60


def test_goals_beyond_the_number_of_episodes_are_evaluated_too():
    goals = np.linspace(-1, 1, 25, dtype=np.float32)[:, None]
    shown = []

    class Showing(toy.PointEnv):
        def set_goal(self, goal):
            shown.append(float(goal[0]))

    task = dataclasses.replace(
        POINT, goals=goals, horizon=1, environment=lambda render_mode=None: Showing()
    )
    method = toy.tiny(registry.METHODS["naive"]["default"]).method(task)
    driver = toy.fused(method, toy.point())
    actor = jax.tree.map(lambda x: x[0, 0], driver.run.learners.actor)
    Simulated(method, task).evaluate(actor, "initial", 10, 0)
    np.testing.assert_allclose(shown, goals[[0, 2, 5, 7, 10, 12, 15, 17, 20, 22], 0])
