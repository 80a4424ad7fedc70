"""Implicit Q-learning by hand-worked numbers, and what it makes of good and bad actions."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import toy
from unreset.core import ranges
from unreset.core.types import Batch, Trajectory
from unreset.errors import UnresetError
from unreset.learners import implicit
from unreset.learners.implicit import ImplicitQLearning
from unreset.methods.iql import IQL
from unreset.methods.settings import offline_practice
from unreset.switching import Confident

KEY = jax.random.key(0)


@pytest.mark.parametrize(
    ("expectile", "difference", "loss"),
    [
        (0.7, 2.0, 2.8),
        (0.7, -2.0, 1.2),
        (0.9, -3.0, 0.9),  # squared below 0 as well
        (0.9, 3.0, 8.1),
        (0.5, -3.0, 4.5),
        (0.7, 0.0, 0.0),
    ],
)
def test_the_expectile_loss(expectile, difference, loss):
    found = implicit.expectile_loss(jnp.float32(difference), expectile)
    assert float(found) == pytest.approx(loss, rel=1e-5)


@pytest.mark.parametrize("expectile", [0.5, 0.7, 0.9])
def test_of_zero_and_one_the_least_loss_is_at_the_expectile(expectile):
    # tau (1 - v) = (1 - tau) v
    values, tried = jnp.array([0.0, 1.0]), jnp.linspace(0, 1, 1001)
    losses = implicit.expectile_loss(values - tried[:, None], expectile).mean(axis=1)
    assert float(tried[losses.argmin()]) == pytest.approx(expectile, abs=1e-3)


def test_rows_count_the_exponential_of_their_advantage_up_to_100():
    found = implicit.weights(jnp.array([0.5, 0.0, -1.0, 2.0]), 3.0)
    np.testing.assert_allclose(found, [4.481689, 1.0, 0.0497871, 100.0], rtol=1e-5)


def constant(params, *outputs):
    """Networks without hidden layers that say ``outputs`` everywhere."""
    blank = jax.tree.map(jnp.zeros_like, params)
    dense = next(iter(blank["params"].values()))["Dense_0"]
    dense["bias"] = jnp.reshape(jnp.array(outputs), dense["bias"].shape)
    return blank


def test_one_update_by_hand():
    config = ImplicitQLearning(
        hidden=(), expectile=0.7, advantage_scale=0.5, discount=0.9, learning_rate=1e-6, octaves=0
    )
    learner = config.init(KEY, jnp.zeros(2), 1)
    learner = learner._replace(
        critics=constant(learner.critics, 4.0, 6.0),
        target=constant(learner.target, 2.0, 5.0),
        actor=constant(learner.actor, 0.0, 0.0),
        value=learner.value._replace(params=constant(learner.value.params, 3.0)),
    )
    zeros = jnp.zeros((1, 2, 2))
    batch = Batch(
        inputs=zeros,
        action=jnp.zeros((1, 2, 1)),
        next_inputs=zeros,
        reward=jnp.array([[1.0, 10.0]]),
        discount=jnp.array([[1.0, 0.0]]),
        imitate=jnp.zeros((1, 2)),
        success=jnp.zeros((1, 2)),
    )
    after, metrics = config.update(learner, batch, jnp.int32(0), KEY)
    # u = min(2, 5) - 3 = -1: the loss is .3, and V goes down; the advantage is -1.
    assert float(metrics["value_loss"]) == pytest.approx(0.3, rel=1e-4)
    assert float(metrics["advantage_weight"]) == pytest.approx(math.exp(-0.5), rel=1e-4)
    density = -0.5 * math.log(2 * math.pi)  # of 0 with mean 0 and deviation 1
    assert float(metrics["policy_loss"]) == pytest.approx(-math.exp(-0.5) * density, rel=1e-4)
    # Targets 1 + .9 * 3 = 3.7, and 10 where it ends; critics say 4 and 6.
    losses = [0.5 * np.mean([(q - 3.7) ** 2, (q - 10.0) ** 2]) for q in (4.0, 6.0)]
    assert float(metrics["critic_loss"]) == pytest.approx(sum(losses), rel=1e-4)
    assert int(after.updates) == 1
    bias = next(iter(after.target["params"].values()))["Dense_0"]["bias"]
    np.testing.assert_allclose(np.ravel(bias), [2 + 0.005 * 2, 5 + 0.005 * 1], rtol=1e-4)
    value = next(iter(after.value.params["params"].values()))["Dense_0"]["bias"]
    assert float(value.squeeze()) < 3.0


def wanderings(number=40, steps=12):
    """Walks of which every step is right or wrong by chance, until one reaches the goal."""
    generator, found = np.random.default_rng(1), []
    for _ in range(number):
        place = generator.uniform(-1.2, 0.9)
        seen, actions = [place], []
        for _ in range(steps):
            actions.append(generator.choice([-0.8, 0.8]))
            place = float(np.clip(place + toy.SPEED * actions[-1], -toy.WALL, toy.WALL))
            seen.append(place)
            if abs(place - toy.GOAL) <= toy.RADIUS:
                break
        seen, actions = np.array(seen, np.float32), np.array(actions, np.float32)
        rewards = (abs(seen[1:] - toy.GOAL) <= toy.RADIUS).astype(np.float32)
        goal = np.array([toy.GOAL], np.float32)
        found.append(Trajectory(seen[:, None], actions[:, None], goal, 0, rewards))
    return found


@pytest.mark.slow
def test_of_right_and_wrong_steps_it_learns_the_right_ones():
    task = toy.point()
    learner = ImplicitQLearning(
        hidden=(32,), expectile=0.9, advantage_scale=10.0, octaves=0, learning_rate=3e-3, tau=0.02
    )
    practice = offline_practice(64, 4)
    method = IQL(practice=practice, learner=learner).method(task)
    driver = toy.fused(method, task, (0,), wanderings())
    driver.advance(0, 400)
    learned = jax.tree.map(lambda x: x[0, 0], driver.run.learners)
    places = jnp.linspace(-1.0, 0.6, 9)[:, None]
    inputs = method.inputs(task, places, jnp.full((9, 1), toy.GOAL), 0)
    mean, _ = learner.policy(learned.actor, inputs)
    assert (jnp.tanh(mean) > 0.2).all()  # the mean of what was done is 0
    right, wrong = (
        learner.value(learned.critics, inputs, jnp.full((9, 1), a)).min(axis=0) for a in (0.8, -0.8)
    )
    assert (right > wrong).all()
    values = learner.state_value(learned.value.params, inputs)
    assert float(values[-1]) > float(values[0])
    assert np.isfinite(np.asarray(values)).all()


@pytest.mark.parametrize("expectile", [0.0, 1.0])
def test_an_expectile_must_be_one(expectile):
    with pytest.raises(UnresetError, match="must be above 0 and below 1"):
        ranges.checked(ImplicitQLearning(expectile=expectile))


def test_success_critics_are_not_learned_implicitly():
    method = IQL().method(toy.point())
    with pytest.raises(UnresetError, match="teaches no success critics"):
        dataclasses.replace(method, switch=(Confident(),))
