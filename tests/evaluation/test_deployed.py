"""One policy gets the same figures on a JAX task and in its Gymnasium environment."""

import dataclasses

import jax
import numpy as np
import pytest

import toy
from unreset import registry
from unreset.evaluation import deployed
from unreset.evaluation.deployed import Simulated, evaluator
from unreset.tasks.tabletop import tabletop


@pytest.fixture(scope="module")
def acting():
    """A method on the tabletop and an actor that has cloned a little."""
    task = dataclasses.replace(tabletop(), horizon=60)
    method = toy.tiny(registry.METHODS["fbrl"]["default"]).method(task)
    driver = toy.fused(method, task, trajectories=task.demonstrations())
    driver.advance(0, 40)
    return method, task, jax.tree.map(lambda x: x[:, 0], driver.run.learners.actor)


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
