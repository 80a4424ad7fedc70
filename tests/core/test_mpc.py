"""Acting by planning, in a world whose model is exact."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import toy
from unreset import registry
from unreset.core import practice
from unreset.core.phases import act
from unreset.errors import UnresetError
from unreset.interventions import planner as mpc
from unreset.learners.sac import SAC
from unreset.methods.fbrl import FBRL
from unreset.methods.medal import Medal
from unreset.models.dynamics import Prediction
from unreset.models.planning import Planning
from unreset.rewards import Discriminator

TOY = toy.point()
PLANNING = Planning(planner="shooting", horizon=2, samples=64, iterations=2, policy_share=0.0)


@pytest.fixture
def exact(monkeypatch):
    """The model is the toy task itself, and critics know nothing."""

    def predict(config, task, model, chosen, observation, action, goal, key):
        after = jax.vmap(TOY.step)(observation, action)
        return Prediction(after, jnp.zeros(len(after)), jnp.zeros(len(after)))

    monkeypatch.setattr(mpc, "predict", predict)
    monkeypatch.setattr(mpc, "elites", lambda config, model: None)
    nothing = lambda learner, critic, inputs, action: jnp.zeros((2, len(action)))  # noqa: E731
    monkeypatch.setattr(SAC, "value", nothing)


def planner(settings, **practice_settings):
    return registry.method(
        dataclasses.replace(toy.tiny(settings, **practice_settings), planning=PLANNING), TOY
    )


def view_of(method, role, goal):
    run = jax.tree.map(lambda x: x[0], toy.fused(method, TOY).carry.run)
    phase = run.phase._replace(role=jnp.int32(role), goal=jnp.array([goal]))
    return practice.view(method, run._replace(phase=phase))


@pytest.mark.slow
@pytest.mark.parametrize(("goal", "sign"), [(0.5, 1.0), (-0.5, -1.0)])
def test_the_planned_action_leads_to_the_goal(exact, goal, sign):
    # Two steps of 0.25 at most lead within 0.2 of it if they are 0.3 together: 1.2 of 2.
    method = planner(FBRL())
    action = act(method, TOY, view_of(method, 0, goal), jnp.zeros(1), jnp.int32(0))
    assert float(sign * action[0]) >= 0.2


@pytest.mark.slow
def test_a_matched_role_plans_for_its_discriminator(exact, monkeypatch):
    method = planner(Medal())

    def reward(self, scope, steps):
        at = steps.next_observation[:, 0]
        return -at, jnp.zeros_like(at, bool)

    monkeypatch.setattr(Discriminator, "reward", reward)
    forward, backward = (
        float(act(method, TOY, view_of(method, role, 0.5), jnp.zeros(1), jnp.int32(0))[0])
        for role in (0, 1)
    )
    assert forward >= 0.2
    assert backward < -0.5


def test_nobody_plans_before_the_seed_steps_are_over(exact):
    method, blind = planner(FBRL(), seed_steps=5), registry.method(toy.tiny(FBRL()), TOY)
    view = view_of(method, 0, 0.5)
    early, own = (act(m, TOY, view, jnp.zeros(1), jnp.int32(4)) for m in (method, blind))
    np.testing.assert_array_equal(early, own)


def test_planning_needs_a_model():
    method = planner(FBRL())
    with pytest.raises(UnresetError, match="plans with shooting: it needs a model"):
        dataclasses.replace(method, models={})
