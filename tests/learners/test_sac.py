"""The learner's equations against numbers worked out by hand.

Networks without hidden layers and with zero weights are constants, their biases: the critics say
what the test wants them to say.
"""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import toy
from unreset import registry
from unreset.core.types import Batch
from unreset.errors import UnresetError
from unreset.learners.sac import SAC
from unreset.networks.mlp import octaves
from unreset.networks.tanh_normal import sample_tanh_normal

INPUTS, ACTIONS, ROWS = 3, 2, 6
LINEAR = SAC(hidden=(), trunk=0, layer_norm=False, octaves=0, critics=2, target_subset=2)
KEY = jax.random.key(3)


def config(**changes):
    return SAC(**(LINEAR.__dict__ | changes))


def constant(tree, bias):
    """Parameters of a linear network whose output is ``bias`` whatever its input."""
    return jax.tree_util.tree_map_with_path(
        lambda path, leaf: (
            jnp.asarray(bias, jnp.float32).reshape(leaf.shape)
            if path[-1].key == "bias"
            else jnp.zeros_like(leaf)
        ),
        tree,
    )


def learner(config, values=(3.0, 5.0), mean=(0.3, -0.4), log_std=(-1.0, -0.5), temperature=0.2):
    fresh = config.init(KEY, jnp.zeros(INPUTS), ACTIONS)
    critics = constant(fresh.critics, values)
    return fresh._replace(
        actor=constant(fresh.actor, [*mean, *log_std]),
        critics=critics,
        target=critics,
        log_temperature=jnp.log(jnp.float32(temperature)),
    )


def batch(rows=ROWS, **changes):
    keys = jax.random.split(KEY, 4)
    made = Batch(
        inputs=jax.random.normal(keys[0], (rows, INPUTS)),
        action=jax.random.uniform(keys[1], (rows, ACTIONS), minval=-0.9, maxval=0.9),
        next_inputs=jax.random.normal(keys[2], (rows, INPUTS)),
        reward=jnp.arange(rows, dtype=jnp.float32),
        discount=jnp.ones(rows),
        imitate=jnp.zeros(rows),
        success=jnp.zeros(rows),
    )
    return made._replace(**changes)


def log_density(action, mean, log_std):
    """Of tanh(N(mean, std)) at an action, by the change of variables, in double precision."""
    before = np.arctanh(np.asarray(action, np.float64))
    std = np.exp(np.asarray(log_std, np.float64))
    normal = np.exp(-0.5 * ((before - mean) / std) ** 2) / (std * math.sqrt(2 * math.pi))
    return np.log(normal / (1 - np.asarray(action, np.float64) ** 2)).sum(axis=-1)


def test_target_without_entropy_is_reward_plus_the_discounted_smaller_value():
    settings = config(entropy_backup=False, discount=0.9)
    rows = batch(discount=jnp.array([1.0, 0.0, 1.0, 0.0, 1.0, 0.0]))
    target = settings.target_value(learner(settings), rows, KEY)
    # min(3, 5) * 0.9 = 2.7, where the row bootstraps.
    np.testing.assert_allclose(target, [2.7, 1.0, 4.7, 3.0, 6.7, 5.0], rtol=1e-6)


def test_target_with_entropy_subtracts_the_weighted_log_density():
    settings, mean, log_std = config(discount=0.9), (0.3, -0.4), (-1.0, -0.5)
    rows = batch(discount=jnp.array([1.0, 0.0, 1.0, 1.0, 1.0, 1.0]))
    state = learner(settings, mean=mean, log_std=log_std, temperature=0.2)
    action_key, _ = jax.random.split(KEY)
    shape = (ROWS, ACTIONS)
    action, _ = sample_tanh_normal(
        jnp.broadcast_to(jnp.array(mean), shape),
        jnp.broadcast_to(jnp.array(log_std), shape),
        action_key,
    )
    bonus = -0.2 * log_density(action, mean, log_std)
    wanted = np.arange(ROWS) + 0.9 * np.asarray(rows.discount) * (3.0 + bonus)
    np.testing.assert_allclose(settings.target_value(state, rows, KEY), wanted, rtol=1e-4)


def test_redq_takes_the_minimum_of_a_random_pair():
    settings = config(critics=5, target_subset=2, entropy_backup=False, discount=1.0)
    state = learner(settings, values=(1.0, 2.0, 3.0, 4.0, 5.0))
    rows = batch(rows=1, reward=jnp.zeros(1), discount=jnp.ones(1))
    values = np.asarray(
        jax.vmap(lambda key: settings.target_value(state, rows, key))(jax.random.split(KEY, 4000))
    ).ravel()
    # Of the ten pairs four have the minimum 1, three 2, two 3 and one 4: the mean is 2.
    shares = [(values == value).mean() for value in (1, 2, 3, 4, 5)]
    np.testing.assert_allclose(shares, [0.4, 0.3, 0.2, 0.1, 0.0], atol=0.03)
    assert values.mean() == pytest.approx(2.0, abs=0.06)


def test_the_whole_ensemble_counts_where_the_subset_is_all_of_it():
    settings = config(critics=3, target_subset=3, entropy_backup=False)
    state = learner(settings, values=(4.0, 2.0, 9.0))
    rows = batch(reward=jnp.zeros(ROWS))
    np.testing.assert_allclose(
        settings.target_value(state, rows, KEY), settings.discount * 2.0, rtol=1e-6
    )


def test_critic_loss_is_half_the_sum_of_the_mean_squared_errors():
    settings = config(entropy_backup=False, discount=0.5)
    rows = batch(reward=jnp.full(ROWS, 1.0))
    _, _, metrics = settings.critic_step(learner(settings), rows, KEY)
    # Target 1 + 0.5 * 3 = 2.5; errors 0.5 and 2.5.
    assert float(metrics["critic_loss"]) == pytest.approx(0.5 * (0.25 + 6.25), rel=1e-5)
    assert float(metrics["q"]) == pytest.approx(4.0)


def test_targets_follow_by_tau():
    settings = config(tau=0.25)
    before = learner(settings)
    after, _, _ = settings.critic_step(before, batch(), KEY)
    for old, critic, target in zip(
        *map(jax.tree.leaves, (before.target, after.critics, after.target)), strict=True
    ):
        assert (np.asarray(old) != np.asarray(critic)).any()
        np.testing.assert_allclose(target, 0.75 * old + 0.25 * critic, rtol=1e-6, atol=1e-8)


def test_the_averaged_policy_follows_by_its_own_share():
    settings = config(average_tau=0.25)
    before = settings.init(KEY, jnp.zeros(INPUTS), ACTIONS)
    after, _ = settings.policy_step(before, batch(), jnp.int32(0), KEY)
    for old, actor, average in zip(
        *map(jax.tree.leaves, (before.average, after.actor, after.average)), strict=True
    ):
        np.testing.assert_allclose(average, 0.75 * old + 0.25 * actor, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(
    ("step", "weight"), [(0, 1.0), (10_000, 0.55), (20_000, 0.1), (1_000_000, 0.1)]
)
def test_cloning_weight_falls_linearly(step, weight):
    settings = config(cloning_start=1.0, cloning_end=0.1, cloning_steps=20_000)
    assert float(settings.cloning_weight(jnp.int32(step))) == pytest.approx(weight, abs=1e-6)


def test_cloning_loss_counts_only_the_marked_rows():
    settings = config()
    mark = jnp.array([1.0, 0.0, 1.0, 0.0, 0.0, 0.0])
    rows = batch(imitate=mark)
    mean = np.tanh([0.3, -0.4])
    errors = ((mean - np.asarray(rows.action)) ** 2).mean(axis=-1)
    _, metrics = settings.policy_step(learner(settings), rows, jnp.int32(0), KEY)
    assert float(metrics["cloning_loss"]) == pytest.approx((errors[0] + errors[2]) / 2, rel=1e-5)
    _, metrics = settings.policy_step(learner(settings), batch(), jnp.int32(0), KEY)
    assert float(metrics["cloning_loss"]) == 0.0


def test_policy_loss_weighs_density_value_and_cloning():
    settings = config(cloning_start=0.5, cloning_end=0.5)
    rows = batch(imitate=jnp.ones(ROWS))
    state = learner(settings, temperature=0.2)
    _, metrics = settings.policy_step(state, rows, jnp.int32(0), KEY)
    wanted = -0.2 * metrics["entropy"] - 3.0 + 0.5 * metrics["cloning_loss"]
    assert float(metrics["policy_loss"]) == pytest.approx(float(wanted), rel=1e-5)


def test_cloning_only_ignores_the_critics():
    def actor(values, cloning_only):
        settings = config()
        state = settings.init(KEY, jnp.zeros(INPUTS), ACTIONS)
        scaled = state._replace(critics=jax.tree.map(lambda x: values * x, state.critics))
        rows = batch(imitate=jnp.ones(ROWS))
        taught = settings.cloner() if cloning_only else settings
        batches = jax.tree.map(lambda x: x[None], rows)
        after, _ = taught.update(scaled, batches, jnp.int32(0), KEY)
        return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(after.actor)])

    np.testing.assert_array_equal(actor(1.0, True), actor(-7.0, True))
    assert (actor(1.0, False) != actor(-7.0, False)).any()


@pytest.mark.parametrize(("log_std", "rises"), [(-6.0, True), (0.0, False)])
def test_temperature_rises_where_entropy_is_below_its_aim(log_std, rises):
    settings = config(target_entropy=-0.5, learning_rate=0.01)
    before = learner(settings, mean=(0.0, 0.0), log_std=(log_std, log_std))
    after, metrics = settings.policy_step(before, batch(), jnp.int32(0), KEY)
    assert (float(metrics["entropy"]) < -1.0) == rises
    change = float(after.log_temperature - before.log_temperature)
    assert change == pytest.approx(0.01 if rises else -0.01, rel=1e-3)  # Adam's first step


@pytest.mark.parametrize(("policy_every", "policy_updates"), [(1, 4), (2, 2), (4, 1)])
def test_update_counts(policy_every, policy_updates):
    settings = config(policy_every=policy_every)
    batches = jax.tree.map(lambda x: jnp.stack([x] * 4), batch())
    before = settings.init(KEY, jnp.zeros(INPUTS), ACTIONS)
    after, _ = settings.update(before, batches, jnp.int32(0), KEY)
    assert int(after.updates) == 4
    assert int(after.critics_optimizer[0].count) == 4
    assert int(after.actor_optimizer[0].count) == policy_updates
    assert int(after.temperature_optimizer[0].count) == policy_updates


def test_updates_must_be_a_multiple_of_policy_every():
    settings = toy.tiny(registry.settings("fbrl"), updates_per_step=4)
    learner = dataclasses.replace(settings.learner, policy_every=3)
    method = registry.method(dataclasses.replace(settings, learner=learner), toy.point())
    with pytest.raises(UnresetError, match="4 updates are not a multiple of policy_every=3"):
        toy.fused(method, toy.point())


def test_tanh_normal_density_is_the_change_of_variables():
    mean, log_std = jnp.array([[0.3, -1.2], [0.0, 0.8]]), jnp.array([[-1.0, 0.1], [-2.0, -0.3]])
    action, density = sample_tanh_normal(mean, log_std, KEY)
    np.testing.assert_allclose(density, log_density(action, mean, log_std), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("mean", [-60.0, 60.0])
def test_tanh_normal_density_and_its_gradient_are_finite_far_out(mean):
    def density(mean):
        return sample_tanh_normal(mean, jnp.zeros(1), KEY)[1]

    value, gradient = jax.value_and_grad(density)(jnp.array([mean]))
    # log N(noise) - log(1 - tanh(u)^2), and 1 - tanh(u)^2 = 4 exp(-2|u|) far out.
    noise = float(jax.random.normal(KEY, (1,))[0])
    normal = -0.5 * noise**2 - 0.5 * math.log(2 * math.pi)
    assert float(value) == pytest.approx(normal - math.log(4) + 2 * abs(mean + noise), rel=1e-5)
    assert float(gradient[0]) == pytest.approx(2 * np.sign(mean), rel=1e-5)


def test_octaves_by_hand():
    half = math.sqrt(0.5)
    seen = octaves(jnp.array([1.0, 2.0]), 2)  # angles pi/4, pi/2; pi/2, pi
    wanted = [1, 2, half, 1, 1, 0, half, 0, 0, -1]
    np.testing.assert_allclose(seen, wanted, atol=1e-6)
    np.testing.assert_array_equal(octaves(jnp.array([1.0, 2.0]), 0), [1.0, 2.0])
    assert octaves(jnp.zeros((4, 3)), 5).shape == (4, 3 * 11)


def test_an_experts_extreme_action_has_no_density_to_break():
    settings = config()
    rows = batch(action=jnp.ones((ROWS, ACTIONS)), imitate=jnp.ones(ROWS))
    after, metrics = settings.policy_step(learner(settings), rows, jnp.int32(0), KEY)
    leaves = jax.tree.leaves((after.actor, metrics))
    assert all(np.isfinite(np.asarray(leaf)).all() for leaf in leaves)
