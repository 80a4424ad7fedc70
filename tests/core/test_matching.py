"""The discriminator and the rewards made of it."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import judges as matching
from unreset.methods import qwale
from unreset.rewards import Discriminator

KEY = jax.random.key(0)
LOG2 = math.log(2)


@pytest.mark.parametrize(
    ("form", "logit", "reward"),
    [
        ("-log(1-D)", 0.0, LOG2),
        ("-log(1-D)", -100.0, 0.0),
        ("-log(1-D)", 2.0, math.log(1 + math.exp(2))),
        ("-log(1-D)", 100.0, -math.log(1e-10)),  # 23.03
        ("log D", 0.0, -LOG2),
        ("log D", 100.0, 0.0),
        ("log D", -100.0, math.log(1e-10)),
        ("log D - log(1-D)", 0.0, 0.0),
        ("log D - log(1-D)", 3.5, 3.5),
        ("log D - log(1-D)", -2.0, -2.0),
        ("log D - log(1-D)", 100.0, -math.log(1e-10)),
        ("D > 1/2", 0.01, 1.0),
        ("D > 1/2", 0.0, 0.0),
        ("D > 1/2", -3.0, 0.0),
    ],
)
def test_rewards_at_known_logits(form, logit, reward):
    assert float(matching.reward(form, jnp.float32(logit))) == pytest.approx(reward, abs=1e-4)


def test_rewards_have_a_finite_slope_everywhere():
    for form in ("-log(1-D)", "log D", "log D - log(1-D)"):
        slope = jax.vmap(jax.grad(lambda x, form=form: matching.reward(form, x)))
        assert np.isfinite(slope(jnp.linspace(-200, 200, 41))).all()


def linear(config, weight=(1.0, -2.0), bias=0.5):
    """A discriminator without hidden layers: logit = weight . x + bias."""
    fresh = matching.init(config, KEY, 2)
    dense = {"kernel": jnp.array(weight)[:, None], "bias": jnp.array([bias])}
    return matching.State({"params": {"Dense_0": dense}}, fresh.optimizer)


EXPERT, OWN = jnp.array([[1.0, 0.0], [0.0, 1.0]]), jnp.array([[-1.0, 0.0], [2.0, 2.0]])
# Logits 1.5, -1.5 of the expert's rows and -0.5, -1.5 of the own ones.


def test_loss_without_mixup_is_binary_cross_entropy():
    config = Discriminator(hidden=(), mixup=False)
    state = linear(config)
    np.testing.assert_allclose(matching.logits(config, state, EXPERT), [1.5, -1.5])
    _, metrics, _ = matching.update(config, state, EXPERT, OWN, KEY)
    sigmoid = [1 / (1 + math.exp(-x)) for x in (1.5, -1.5, -0.5, -1.5)]
    wanted = -np.mean(np.log([sigmoid[0], sigmoid[1], 1 - sigmoid[2], 1 - sigmoid[3]]))
    assert float(metrics["loss"]) == pytest.approx(wanted, rel=1e-5)
    assert float(metrics["accuracy"]) == 0.75


def test_mixup_mixes_inputs_and_labels_by_the_same_shares():
    # With expert rows at (1, 0) and own rows at (0, 0) the first input is the label.
    rows = jnp.concatenate([jnp.tile(jnp.array([[1.0, 0.0]]), (50, 1)), jnp.zeros((50, 2))])
    inputs, labels = map(np.asarray, matching.mixed((rows, rows[:, 0]), KEY))
    assert labels.shape == (100,)
    assert (labels >= 0).all() and (labels <= 1).all()
    assert ((labels > 0.01) & (labels < 0.99)).mean() > 0.3  # about half meet the other kind
    np.testing.assert_allclose(inputs[:, 0], labels, atol=1e-6)


def test_it_learns_to_tell_two_clouds_apart():
    config = Discriminator(hidden=(16,), learning_rate=1e-2)
    key = jax.random.key(1)

    def cloud(key, centre):
        return centre + 0.5 * jax.random.normal(key, (64, 2))

    def one(state, key):
        keys = jax.random.split(key, 3)
        rows = cloud(keys[0], 1.0), cloud(keys[1], -1.0)
        return matching.update(config, state, *rows, keys[2])[:2]

    state, metrics = jax.jit(lambda s: jax.lax.scan(one, s, jax.random.split(key, 300)))(
        matching.init(config, key, 2)
    )
    assert float(metrics["accuracy"][-20:].mean()) > 0.95
    assert float(metrics["loss"][-20:].mean()) < float(metrics["loss"][0])
    centres = matching.logits(config, state, jnp.array([[1.0, 1.0], [-1.0, -1.0]]))
    assert float(centres[0]) > 1 and float(centres[1]) < -1


def test_far_from_the_prior_a_logit_of_bounded_slope_says_more_of_which_way_is_back():
    between = {}
    for preset in ("default", "paper"):
        plain = qwale.PRESETS[preset].matching
        config = dataclasses.replace(plain, hidden=(16,), learning_rate=1e-2)

        def one(state, key, config=config):
            keys = jax.random.split(key, 3)
            prior, own = (jax.random.normal(k, (64, 1)) for k in keys[:2])
            return matching.update(config, state, prior, own + 100, keys[2])[:2]

        state, _ = jax.jit(lambda s, one=one: jax.lax.scan(one, s, jax.random.split(KEY, 300)))(
            matching.init(config, KEY, 1)
        )
        near, far = matching.reward(
            config.form, matching.logits(config, state, jnp.array([[100.0], [102.0]]))
        )
        between[preset] = float(near - far)
    assert between["default"] > 5 * abs(between["paper"])


def test_where_the_clouds_are_the_same_the_reward_stays_near_log_2():
    config = Discriminator(hidden=(16,), learning_rate=1e-3)

    def one(state, key):
        keys = jax.random.split(key, 3)
        expert, own = (jax.random.normal(k, (256, 2)) for k in keys[:2])
        return matching.update(config, state, expert, own, keys[2])[:2]

    state, _ = jax.jit(lambda s: jax.lax.scan(one, s, jax.random.split(KEY, 200)))(
        matching.init(config, KEY, 2)
    )
    seen = matching.logits(config, state, jax.random.normal(KEY, (500, 2)))
    assert float(matching.reward("-log(1-D)", seen).mean()) == pytest.approx(LOG2, abs=0.1)
