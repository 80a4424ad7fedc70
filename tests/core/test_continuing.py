"""Continuing evaluation: what the task asks for, for how long, and what it pays meanwhile."""

import csv
import itertools

import jax
import numpy as np
import pytest

import toy
from unreset import api, registry
from unreset.core.practice import CONTINUING
from unreset.tasks.tabletop.tabletop import GOALS, INITIAL
from unreset.tasks.tabletop.tabletop_task import tabletop

TABLETOP = tabletop()
EVERY, RESETS, STEPS = 20, 75, 150


def lived(name, **practice):
    """The phase after every step, and the driver."""
    settings = toy.tiny(
        registry.METHODS[name]["default"], goal_change_every=EVERY, reset_every=RESETS, **practice
    )
    driver = toy.fused(settings.method(TABLETOP), TABLETOP, trajectories=TABLETOP.demonstrations())
    phases = []
    for step in range(STEPS):
        driver.advance(step, step + 1)
        phases.append(jax.tree.map(lambda x: np.asarray(x[0]), driver.run.phase))
    return phases, driver


@pytest.fixture(scope="module", params=["fbrl", "medal", "naive"])
def life(request):
    return lived(request.param)


@pytest.mark.slow
def test_the_goal_asked_for_changes_with_its_period_and_at_resets(life):
    phases, _ = life
    since = [int(phase.since_asked) for phase in phases]
    # Counted from 0 after every change: a period of 20 steps, begun anew by the reset after 75.
    expected = [(step + 1) % EVERY for step in range(RESETS - 1)]
    expected += [0, *[(step + 1) % EVERY for step in range(STEPS - RESETS)]]
    expected[-1] = 0  # the second reset, after 150
    assert since == expected
    asked = [tuple(phase.asked) for phase in phases]
    for before, after, count in zip(asked, asked[1:], since[1:], strict=False):
        assert count == 0 or before == after
    assert len(set(asked)) > 1 and {goal in map(tuple, GOALS) for goal in asked} == {True}


def test_roles_of_the_task_pursue_what_it_asks_for(life):
    phases, _ = life
    for phase in phases:
        if phase.source == 0:
            np.testing.assert_array_equal(phase.goal, phase.asked)
        else:
            np.testing.assert_array_equal(phase.goal, INITIAL[0])


def test_a_role_goes_on_with_a_new_goal_in_a_new_phase(life):
    phases, _ = life
    anew = [
        (before, after)
        for before, after in itertools.pairwise(phases)
        if (before.asked != after.asked).any() and before.source == 0 and after.since_reset > 0
    ]
    assert anew
    for before, after in anew:
        assert after.steps == 0 and after.segment == before.segment + 1
        # Either the phase was at its end anyway, or the same role begins again.
        assert after.role == before.role or before.steps == toy_length() - 1


def toy_length():
    return 7


@pytest.mark.slow
def test_the_reward_is_for_what_is_asked_also_while_the_other_role_acts():
    phases, driver = lived("fbrl")
    run = driver.run
    value, weight = run.totals[CONTINUING]
    assert float(weight[0]) == STEPS
    replay = driver.carry.run.replay
    rows = jax.tree.map(lambda x: np.asarray(x[0]), replay.rows)
    acted = np.flatnonzero(rows.role[replay.pinned :] >= 0) + replay.pinned
    goals = [GOALS[0] * 0] * STEPS
    for step in range(1, STEPS):
        goals[step] = phases[step - 1].asked
    paid = [
        float(TABLETOP.reward(rows.observation[row + 1], goal))
        for row, goal in zip(acted, goals, strict=False)
    ]
    assert float(value[0]) == pytest.approx(sum(paid[1:]), abs=1.01)


@pytest.mark.slow
def test_a_life_is_logged_and_summed_up_also_when_resumed(tmp_path, monkeypatch):
    toy.install(monkeypatch.setitem)
    folder = tmp_path / "run"
    common = {"eval_every": 20, "evaluation": "continuing", "report": False, "reward": None}
    run = api.train("fbrl", "toy", steps=60, out=folder, **common)
    run = api.load(folder).resume(100)
    with (folder / "eval.csv").open() as file:
        rows = list(csv.DictReader(file))
    with (folder / "metrics.csv").open() as file:
        paid = [float(row[CONTINUING]) for row in csv.DictReader(file)]
    assert set(rows[0]) == {"seed", "env_steps", "continuing_reward", "wall_seconds"}
    assert len(paid) == 5
    assert float(rows[-1]["continuing_reward"]) == pytest.approx(np.mean(paid), abs=1e-4)
    assert run.summary["continuing_reward"] == pytest.approx(np.mean(paid), abs=1e-4)
    assert run.summary["final_success"] is None
    method = run._training.method
    assert method.practice.goal_change_every == 2 * toy.point().horizon
    assert method.practice.reset_every == toy.point().continuing_reset_every


@pytest.mark.slow
def test_deployed_runs_do_not_pay_for_it(tmp_path, monkeypatch):
    toy.install(monkeypatch.setitem)
    run = api.train("naive", "toy", steps=20, eval_every=20, out=tmp_path / "run", report=False)
    assert CONTINUING not in run._training.driver.run.totals
    assert run.summary["continuing_reward"] is None
