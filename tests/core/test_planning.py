"""Planning, on problems whose answer is known."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unreset.core import ranges
from unreset.errors import UnresetError
from unreset.models.planning import Planning, Search, plan, refit, returns, search, shifted

PLANNERS = {
    "cem": Planning("cem", horizon=2, iterations=8, least_deviation=0.01),
    "mppi": Planning("mppi", horizon=2, iterations=12, deviation=0.3, temperature=0.003),
    "shooting": Planning("shooting", horizon=2, samples=2000),
    "gradient": Planning("gradient", horizon=2, iterations=100, step_size=0.02),
}


def walk(seen, action, key):
    """x' = x + a, for -x'^2 - a^2."""
    after = seen + action
    return after, -(after[:, 0] ** 2) - action[:, 0] ** 2, jnp.zeros(len(seen))


@pytest.mark.parametrize("name", PLANNERS)
def test_each_planner_finds_the_optimum_of_a_quadratic(name):
    # From .5: the last action is -x/2, the first -.6 x, so -.3 and -.1.
    config = replace(PLANNERS[name], discount=1.0)
    begin = jnp.array([0.5])
    found = jax.jit(lambda key: search(config, walk, None, None, begin, 1, key))(jax.random.key(0))
    atol = 0.05 if name == "shooting" else 0.02
    np.testing.assert_allclose(found[:, 0], [-0.3, -0.1], atol=atol)
    first = jax.jit(lambda key: plan(config, walk, None, None, begin, 1, key))(jax.random.key(0))
    np.testing.assert_array_equal(first, found[0])


@pytest.mark.parametrize("name", PLANNERS)
def test_the_value_at_the_end_counts_discounted(name):
    # -a^2 - g (a - 1)^2 is greatest at g / (1 + g).
    config = replace(PLANNERS[name], horizon=1, discount=0.5)

    def world(seen, action, key):
        return seen + action, -(action[:, 0] ** 2), jnp.zeros(len(seen))

    def value(seen):
        return -((seen[:, 0] - 1) ** 2)

    act = jax.jit(lambda key: plan(config, world, value, None, jnp.zeros(1), 1, key))
    np.testing.assert_allclose(act(jax.random.key(1)), [1 / 3], atol=0.02)


def counting(seen, action, key):
    """One for every step; done from 2 on."""
    after = seen + action
    return after, jnp.ones(len(seen)), after[:, 0] >= 2


def test_returns_by_hand_and_nothing_after_the_end():
    config = Planning(horizon=3, discount=0.5)
    sequences = jnp.array([[1.0, 0.5, 0.5], [1.0, 1.0, 1.0], [1.0, 0.0, 1.0]])[..., None]
    of = partial(returns, config, counting)
    got = of(None, jnp.zeros(1), sequences, jax.random.key(0))
    # 1 + 1/2 + 1/4 unless done; the second is done after two steps.
    np.testing.assert_allclose(got, [1.75, 1.5, 1.75])
    got = of(lambda seen: 8.0 * seen[:, 0], jnp.zeros(1), sequences / 2, jax.random.key(0))
    np.testing.assert_allclose(got, [1.75 + 1.0, 1.75 + 1.5, 1.75 + 1.0])  # 8 x / 2^3
    got = of(lambda seen: 8.0 * seen[:, 0], jnp.zeros(1), sequences, jax.random.key(0))
    np.testing.assert_allclose(got, [1.75, 1.5, 1.75])  # all done by then


def test_the_return_is_a_mean_over_particles():
    def luck(seen, action, key):
        return seen, jax.random.bernoulli(key, shape=(len(seen),)) * 1.0, jnp.zeros(len(seen))

    config = Planning(horizon=1, particles=4000)
    got = returns(config, luck, None, jnp.zeros(1), jnp.zeros((2, 1, 1)), jax.random.key(0))
    assert got.shape == (2,)
    np.testing.assert_allclose(got, 0.5, atol=0.03)


CANDIDATES = jnp.array([[[0.0]], [[1.0]], [[0.5]], [[-1.0]]])
BEFORE = Search(jnp.array([[0.2]]), jnp.array([[0.4]]))


def test_mppi_weights_by_hand():
    # exp(R / lambda) = 1, 2, 1, 0: the mean is (0 + 2 + .5) / 4.
    config = Planning("mppi", samples=4, elites=1, temperature=0.5)
    value_of = 0.5 * jnp.log(jnp.array([1.0, 2.0, 1.0, 1e-30]))
    after = refit(config, BEFORE, CANDIDATES, value_of)
    np.testing.assert_allclose(after.mean, [[0.625]], atol=1e-6)
    np.testing.assert_array_equal(after.deviation, BEFORE.deviation)


def test_cem_refits_to_its_elites_by_hand():
    # The elites are 1 and .5: mean .75, deviation .25; of the old ones a tenth remains.
    config = Planning("cem", samples=4, elites=2, keep=0.1)
    after = refit(config, BEFORE, CANDIDATES, jnp.array([0.0, 3.0, 2.0, 1.0]))
    np.testing.assert_allclose(after.mean, [[0.1 * 0.2 + 0.9 * 0.75]], atol=1e-6)
    np.testing.assert_allclose(after.deviation, [[0.1 * 0.4 + 0.9 * 0.25]], atol=1e-6)
    one = refit(replace(config, elites=1, keep=0.0), BEFORE, CANDIDATES, jnp.arange(4.0))
    np.testing.assert_allclose([*one.mean[0], *one.deviation[0]], [-1.0, 0.05], atol=1e-6)


def test_shooting_takes_the_best():
    config = Planning("shooting", samples=4, elites=1)
    after = refit(config, BEFORE, CANDIDATES, jnp.array([0.0, 1.0, 2.0, 1.0]))
    np.testing.assert_array_equal(after.mean, [[0.5]])


def test_a_policy_that_knows_is_followed():
    # A reward that no sampled sequence meets: all of six actions within .02 of .77.
    def narrow(seen, action, key):
        return seen, 1.0 * (jnp.abs(action[:, 0] - 0.77) < 0.02), jnp.zeros(len(seen))

    def policy(seen, key):
        return jnp.full((len(seen), 1), 0.77)

    config = Planning("shooting", horizon=6, samples=40, elites=1, policy_share=0.1)
    found = search(config, narrow, None, policy, jnp.zeros(1), 1, jax.random.key(0))
    np.testing.assert_allclose(found, 0.77)


def test_a_plan_goes_on_where_it_was():
    left = shifted(jnp.array([[1.0], [2.0], [3.0]]))
    np.testing.assert_array_equal(left, [[2.0], [3.0], [3.0]])
    config = Planning("shooting", horizon=3, samples=1, elites=1, iterations=1)
    kept = search(config, walk, None, None, jnp.zeros(1), 1, jax.random.key(0), 0.1 * left)
    np.testing.assert_array_equal(kept, 0.1 * left)


def test_noise_is_correlated_in_time_and_of_the_deviation_asked_for():
    from unreset.models.planning import _noise  # noqa: PLC0415

    noise = _noise(Planning(smoothing=0.8), (20_000, 4, 1), jax.random.key(0))[..., 0]
    np.testing.assert_allclose(noise.std(axis=0), 1.0, atol=0.03)
    np.testing.assert_allclose(jnp.corrcoef(noise[:, 1], noise[:, 2])[0, 1], 0.8, atol=0.02)


@pytest.mark.parametrize(
    ("field", "value"), [("elites", 300), ("horizon", 0), ("keep", 1.0), ("temperature", 0.0)]
)
def test_what_cannot_be_searched_with_is_refused(field, value):
    with pytest.raises(UnresetError, match=field):
        ranges.checked(Planning(**{field: value}))


def test_particles_of_one_sequence_are_in_every_members_world():
    """A model's members share the rows of a step in blocks: here each pays its own number."""
    config, members = Planning(horizon=1, particles=6), 3

    def world(observation, action, key):
        member = jnp.arange(len(observation)) * members // len(observation)
        return observation, member.astype(jnp.float32), jnp.zeros(len(observation))

    sequences = jnp.zeros((4, 1, 1))
    found = returns(config, world, None, jnp.zeros(1), sequences, jax.random.key(0))
    np.testing.assert_allclose(found, np.ones(4))  # the mean of 0, 1 and 2 for each of them
