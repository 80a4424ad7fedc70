"""Runs on the simulators: trained, evaluated, filmed; interrupted ones end as if they were not."""

import csv
from importlib.util import find_spec

import numpy as np
import pytest
from safetensors.numpy import load_file

import toy
from unreset import api, registry
from unreset.drivers.live import Live
from unreset.errors import UnresetError

STEPS, EVERY = 90, 30
CLOCKS = {"wall_seconds", "steps_per_second"}
NEEDS = {
    "sawyer_door": "metaworld",
    "kitchen": "gymnasium_robotics",
    "minitaur": "pybullet",
}


def need(task):
    if find_spec(NEEDS[task]) is None:
        pytest.skip(f"{task} needs the package {NEEDS[task]}")


def contents(folder):
    logs = {}
    for name in ("eval.csv", "metrics.csv", "phases.csv", "visits.csv"):
        with (folder / name).open(newline="") as file:
            logs[name] = [
                {k: v for k, v in row.items() if k not in CLOCKS} for row in csv.DictReader(file)
            ]
    state = load_file(folder / "checkpoints" / f"{STEPS:09d}" / "state.safetensors")
    return logs, {name: array.tobytes() for name, array in state.items()}


def train(task, folder, **changes):
    common = {"steps": STEPS, "eval_every": EVERY, "checkpoint_every": EVERY, "horizon": 4}
    return api.train("fbrl", task, out=folder, **({"report": False} | common | changes))


class Interrupted(Exception):
    pass


@pytest.mark.slow
@pytest.mark.parametrize("task", ["sawyer_door", "kitchen"])
def test_a_resumed_run_ends_as_the_uninterrupted_one(task, tmp_path, monkeypatch):
    need(task)
    toy.install(monkeypatch.setitem)
    demonstrations = registry.task("sawyer_door").demonstrations() if task == "sawyer_door" else []
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    train(task, whole, demonstrations=demonstrations)

    advance = Live.advance

    def interrupted(driver, start, stop):
        advance(driver, start, min(stop, 75))
        if stop >= 75:  # fifteen steps past the last checkpoint
            raise Interrupted

    monkeypatch.setattr(Live, "advance", interrupted)
    with pytest.raises(Interrupted):
        train(task, cut, demonstrations=demonstrations)
    monkeypatch.setattr(Live, "advance", advance)
    run = api.load(cut)
    assert run.env_steps == 60 and run.notes == api.load(whole).notes
    run.resume()
    expected, found = contents(whole), contents(cut)
    assert found[0] == expected[0]
    assert [name for name in expected[1] if expected[1][name] != found[1][name]] == []
    assert run.summary["hard_resets"] == [1]


@pytest.mark.slow
def test_what_cannot_be_restored_is_resumed_with_a_counted_reset(tmp_path, monkeypatch):
    need("minitaur")
    toy.install(monkeypatch.setitem)
    train("minitaur", tmp_path / "run", steps=EVERY)
    run = api.load(tmp_path / "run").resume()  # it is done, and nothing is reset
    assert not any("counted reset" in note for note in run.notes)
    assert run.summary["hard_resets"] == [1]
    run.resume(2 * EVERY)
    assert "counted reset" in run.notes[-1]
    assert run.summary["hard_resets"] == [2]


@pytest.mark.slow
def test_a_report_has_films_of_the_policy_and_of_practice(tmp_path, monkeypatch):
    need("sawyer_door")
    toy.install(monkeypatch.setitem)
    run = train("sawyer_door", tmp_path / "run", report=True, horizon=8, demonstrations=[])
    if run.notes:
        pytest.skip(run.notes[0])  # no library to draw with
    names = {path.name for path in (tmp_path / "run" / "videos").iterdir()}
    assert names == {"policy_goal0.gif", "practice.gif", "videos.json"}
    assert "policy_goal0" not in run.notes


def test_methods_that_need_demonstrations_refuse_without(tmp_path, monkeypatch):
    need("minitaur")
    toy.install(monkeypatch.setitem)
    with pytest.raises(UnresetError, match="medal needs forward demonstrations"):
        api.train("medal", "minitaur", out=tmp_path / "run", report=False)


@pytest.mark.slow
def test_starts_and_horizons_are_the_tasks_unless_asked(tmp_path, monkeypatch):
    need("sawyer_door")
    toy.install(monkeypatch.setitem)
    run = train("sawyer_door", tmp_path / "run", start="goal", steps=EVERY, demonstrations=[])
    first = np.asarray(run._training.driver.carry.run.replay.rows.observation)[0, 0]
    goal = run._training.task.goals[0]
    assert np.linalg.norm(first[4:7] - goal[4:7]) < 0.06  # the door at most 9 degrees open
    with pytest.raises(UnresetError, match="has no start 'wide'; there are: initial, goal"):
        train("sawyer_door", tmp_path / "other", start="wide")
    with pytest.raises(UnresetError, match="has no wide starts"):
        run.evaluate("wide")
