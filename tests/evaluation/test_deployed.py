"""One policy gets the same figures on a JAX task and in its Gymnasium environment."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import toy
from unreset import registry
from unreset.evaluation import deployed
from unreset.evaluation.deployed import JAX_EPISODES, Simulated, evaluator, varies
from unreset.tasks.change import Change, changed
from unreset.tasks.tabletop.tabletop_task import tabletop


@pytest.fixture(scope="module")
def acting():
    """A method on the tabletop and an actor that has cloned a little."""
    task = dataclasses.replace(tabletop(), horizon=60)
    method = toy.tiny(registry.METHODS["fbrl"]["default"]).method(task)
    driver = toy.fused(method, task, trajectories=task.demonstrations())
    driver.advance(0, 40)
    return method, task, jax.tree.map(lambda x: x[:, 0], driver.run.learners.actor)


@pytest.mark.slow
def test_both_ways_of_evaluating_agree(acting):
    method, task, actors = acting
    in_jax = evaluator(method, task)(actors, "initial", None, 0)
    simulated = evaluator(method, dataclasses.replace(task, step=None))(actors, "initial", 4, 0)
    for name, one, other in zip(in_jax._fields, in_jax, simulated, strict=True):
        assert one.shape == other.shape == (1, 4)
        np.testing.assert_allclose(one, other, atol=1e-3, err_msg=name)


def test_an_episode_shows_its_goal_and_ends_where_the_environment_terminates():
    shown = []

    class Ending(toy.PointEnv):
        def set_goal(self, goal):
            shown.append(goal.copy())

        def step(self, action):
            result = super().step(action)
            return (*result[:2], self.number % 10 == 3, False, {})

    point = dataclasses.replace(
        toy.point(), step=None, environment=lambda render_mode=None: Ending()
    )
    method = toy.tiny(registry.METHODS["naive"]["default"]).method(point)
    driver = toy.fused(method, toy.point())
    actor = jax.tree.map(lambda x: x[0, 0], driver.run.learners.actor)
    simulated = Simulated(method, point)
    world = simulated.world("initial")
    _, success, seen = simulated.rollout(world, actor, point.goals[0], 0)
    assert success.shape == (point.horizon,) and seen.shape == (point.horizon, 1)
    assert (seen[3:] == seen[3]).all() and world.environment.number == 3
    np.testing.assert_array_equal(shown, point.goals)


def test_figures_without_a_looser_predicate_leave_it_out(acting):
    method, task, actors = acting
    strict = dataclasses.replace(task, wide_success=None)
    found = deployed.figures(evaluator(method, strict), 3, actors)
    assert "object_success" not in found and "wide_success" in found
    assert all(value.shape == (1,) for value in found.values())


def gusts(key, start="initial"):
    """One start, and the key of what moves it."""
    return jnp.full(1, toy.START), key


def blown(state, action):
    place, key = state
    return place + jax.random.uniform(key, (1,), minval=0.0, maxval=2 * toy.GOAL), key


WIDE = dataclasses.replace(toy.point(), reset=lambda key, start="initial": toy.reset(key, "wide"))
STILL = dataclasses.replace(WIDE, step=lambda state, action: state, horizon=2)
GUSTY = dataclasses.replace(toy.point(), reset=gusts, step=blown, observe=lambda s: s[0])


@pytest.mark.parametrize(
    ("task", "random"),
    [
        (toy.point(), False),
        (WIDE, True),
        (GUSTY, True),
        (changed(toy.point(), Change(wind=(0.1,), actuator=0, strength=0.5)), False),
        (changed(toy.point(), Change(start=(0.5,), obstacle=(0.0, -1.0, 0.1, 1.0))), False),
        (changed(toy.point(), Change(noise=0.1)), True),
        *((registry.task(name), False) for name in ("tabletop", "tabletop_placing")),
        *((registry.task(name), False) for name in ("tabletop_edge", "sticky_maze")),
        *((registry.task(name), True) for name in ("pointmass", "pointmass_windy")),
        *((registry.task(name), True) for name in ("pointmass_walls", "tabletop_placing_moved")),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_what_is_random_about_a_task_is_found_out(task, random):
    assert varies(task) == random


@pytest.fixture(scope="module")
def pointing():
    """A method on the toy task and its untaught actor, of two seeds."""
    method = toy.tiny(registry.METHODS["naive"]["default"]).method(toy.point())
    driver = toy.fused(method, toy.point(), seeds=(0, 1))
    return method, jax.tree.map(lambda x: x[:, 0], driver.run.learners.actor)


def test_as_many_starts_as_asked_for_where_they_are_random(pointing):
    method, actors = pointing
    judge = evaluator(method, STILL)
    found = judge(actors, "initial", 3000, 0)
    assert found.success.shape == (2, 3000)
    # The point stays where it began, uniform in 3 units, of which .4 are the goal's surroundings.
    np.testing.assert_allclose(np.mean(found.success, axis=1), 0.4 / 3, atol=0.02)
    assert judge(actors, "initial", 7, 0).success.shape == (2, 7)
    assert judge(actors, "initial", None, 0).success.shape == (2, JAX_EPISODES)
    again, other = (judge(actors, "initial", 3000, seed).success for seed in (0, 1))
    np.testing.assert_array_equal(found.success, again)
    assert (np.asarray(found.success) != np.asarray(other)).any()
    wide = judge(actors, "wide", 3000, 0).success
    assert (np.asarray(found.success) != np.asarray(wide)).any()  # keys of their own


def test_random_steps_are_many_episodes_too(pointing):
    method, actors = pointing
    windy = dataclasses.replace(GUSTY, horizon=1)
    found = evaluator(method, windy)(actors, "initial", 3000, 0)
    # Blown from -1 by up to 2 units: the last tenth of that is within .2 of the goal.
    np.testing.assert_allclose(np.mean(found.success, axis=1), 0.1, atol=0.02)


def test_one_episode_for_each_goal_says_all_where_nothing_is_random(pointing):
    method, actors = pointing
    two = dataclasses.replace(toy.point(), goals=np.array([[toy.GOAL], [0.0]], np.float32))
    for episodes in (None, 1, 100):
        assert evaluator(method, two)(actors, "initial", episodes, 0).success.shape == (2, 2)


def test_figures_say_how_many_episodes_they_rest_on(pointing):
    method, actors = pointing
    for task, episodes in ((toy.point(), 1), (STILL, JAX_EPISODES)):
        found = deployed.figures(evaluator(method, task), 3, actors)
        np.testing.assert_array_equal(found["episodes"], [episodes] * 2)


@pytest.mark.parametrize(("number", "which"), [(5, [0, 1, 2, 0, 1]), (2, [0, 1]), (1, [0])])
def test_goals_come_in_turn(number, which):
    task = dataclasses.replace(toy.point(), goals=np.arange(3.0, dtype=np.float32)[:, None])
    np.testing.assert_array_equal(deployed.goals_in_turn(task, number)[:, 0], which)


def test_success_on_the_way_is_none_at_the_end(pointing):
    """A point that is moved on whatever it does passes its goal and comes to rest at the wall."""
    method, actors = pointing
    passing = dataclasses.replace(
        toy.point(), step=lambda state, action: jnp.clip(state + 0.25, -toy.WALL, toy.WALL)
    )
    found = deployed.figures(
        evaluator(method, dataclasses.replace(passing, horizon=12)), 50, actors
    )
    for name in ("success", "object_success"):
        assert (found[name] == 1).all()
        assert (found[f"{name}_at_end"] == 0).all()
    for name in ("wide_success", "wide_object_success"):
        assert (found[name] > 0.5).all()
        assert (found[f"{name}_at_end"] == 0).all()
    arrived = deployed.figures(
        evaluator(method, dataclasses.replace(passing, horizon=8)), 0, actors
    )
    assert (arrived["success"] == 1).all() and (arrived["success_at_end"] == 1).all()
