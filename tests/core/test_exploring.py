"""Exploring near the expert: the reward, the multiplier, and the role that follows them."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import toy
from unreset import registry
from unreset.core import ranges
from unreset.core.context import Context
from unreset.core.fitting import observed
from unreset.core.protocols import Fresh, Scope, Steps
from unreset.core.types import Transition
from unreset.errors import UnresetError
from unreset.methods.mbarl import PRESETS
from unreset.rewards import Constrained, Constraint, constrained

TOY = toy.point()
METHOD = registry.method(toy.tiny(PRESETS["explore"]), TOY)
EXPLORER = 2


@pytest.fixture(scope="module")
def practised():
    driver = toy.fused(METHOD, TOY, (3,))
    driver.advance(0, 60)
    return driver


def test_the_reward_weighs_novelty_against_nearness():
    # A multiplier of 3: (2 + 3 * -1) / 4; of 1: (2 - 1) / 2.
    for multiplier, wanted in ((3.0, -0.25), (1.0, 0.5)):
        found = constrained.combined(jnp.log(multiplier), jnp.float32(2), jnp.float32(-1))
        assert float(found) == pytest.approx(wanted)


def test_the_multiplier_rises_beyond_the_constraint_and_falls_within_it():
    config = Constraint(within=1.0, rate=0.1, limit=np.e, farthest=3.0)
    # A logit of -2 is two nats off: 0.1 * (2 - 1); of 0: 0.1 * (0 - 1); of -9 counts as three.
    for logit, wanted in ((-2.0, 0.1), (0.0, -0.1), (-9.0, 0.2), (9.0, -0.4)):
        found = constrained.ascended(config, jnp.float32(0), jnp.float32(logit))
        assert float(found) == pytest.approx(wanted)
    assert float(constrained.ascended(config, jnp.float32(0.95), jnp.float32(-9))) == 1.0
    assert float(constrained.ascended(config, jnp.float32(-0.95), jnp.float32(9))) == -1.0


@pytest.mark.slow
def test_only_the_steps_of_the_explorer_move_its_multiplier(practised):
    run = jax.tree.map(lambda x: x[0], practised.carry.run)
    states = run.signals
    assert float(states["explore"]) != 0
    step = Transition(*(jnp.ones(1),) * 3, jnp.float32(0), *(jnp.bool_(False),) * 3)
    for role in range(3):
        phase = run.phase._replace(role=jnp.int32(role))
        fresh = Fresh(phase.role, phase.goal, step)
        moved = observed(Context(METHOD, TOY), states, fresh)["explore"] != states["explore"]
        assert moved == (role == EXPLORER)


@pytest.mark.slow
def test_its_rewards_are_those_of_the_lagrangian(practised):
    run = jax.tree.map(lambda x: x[0], practised.carry.run)
    states = dict(run.signals)
    seen, nothing = jnp.array([[-1.0], [0.3], [1.4]]), jnp.zeros(3)
    steps = Steps(seen, seen, seen, jnp.ones((3, 1)), nothing, nothing > 0)

    def reward(log_multiplier):
        states["explore"] = jnp.float32(log_multiplier)
        scope = Scope(Context(METHOD, TOY), "explore", states)
        return np.asarray(METHOD.reward_of(EXPLORER).reward(scope, steps)[0])

    novel, near, both = reward(-20.0), reward(20.0), reward(0.0)
    np.testing.assert_allclose(both, (novel + near) / 2, rtol=1e-5)
    assert np.abs(novel - near).max() > 1e-4


@pytest.mark.parametrize(
    "parts", [("nothing", "nearness"), ("novelty", "novelty"), ("novelty", "environment")]
)
def test_an_explorer_needs_novelty_and_a_discriminator(parts):
    rewards = {**METHOD.rewards, "explore": Constrained(*parts)}
    with pytest.raises(UnresetError, match="explore of mbarl explores for"):
        dataclasses.replace(METHOD, rewards=rewards)


@pytest.mark.parametrize(
    "change",
    [{"rate": 0.0}, {"limit": 0.5}, {"within": -1.0}, {"within": 5.0}],
)
def test_what_is_no_constraint_is_refused(change):
    name = next(iter(change))
    with pytest.raises(UnresetError, match=name):
        ranges.checked(Constraint(**change))
