"""Critics of the probability of an event against numbers worked out by hand.

Networks without hidden layers and with zero weights are constants, their biases.
"""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import toy
from unreset import registry
from unreset.core import practice
from unreset.core.context import Context
from unreset.core.protocols import Scope
from unreset.core.types import Batch, Transition
from unreset.interventions.help import Help
from unreset.interventions.stuck_labels import ASKING
from unreset.learners import events
from unreset.learners.actor_critic import UNSURE
from unreset.learners.sac import SAC

TOY = toy.point()
LINEAR = SAC(hidden=(), trunk=0, layer_norm=False, octaves=0, critics=2, target_subset=2)
KEY = jax.random.key(3)


def constant(tree, *log_odds):
    """Critics' parameters that say these log-odds whatever they see."""
    bias = jnp.array(log_odds, jnp.float32) - UNSURE

    def one(path, leaf):
        if path[-1].key == "bias":
            return jnp.broadcast_to(bias.reshape(2, 1), leaf.shape)
        return jnp.zeros_like(leaf)

    return jax.tree_util.tree_map_with_path(one, tree)


def batch(**changes):
    ones = jnp.ones(2)
    seen = jax.random.normal(KEY, (2, 3))
    made = Batch(seen, jnp.zeros((2, 2)), seen, ones, ones, ones, ones)
    return made._replace(**changes)


def taught(event, rows, log_odds, target):
    """The critics of one event after a step, and the loss, where they said ``log_odds``."""
    fresh = LINEAR.init(KEY, jnp.zeros(3), 2, (event,))
    critics = fresh.events[event]
    critics = critics._replace(
        params=constant(critics.params, *log_odds), target=constant(critics.target, *target)
    )
    after, metrics = events.update(LINEAR, fresh._replace(events={event: critics}), rows, KEY)
    metric = {"success": "success_critic_loss", "stuck": "safety_critic_loss"}[event]
    assert set(metrics) == {metric}
    biases = [x for x in jax.tree.leaves(after.events[event].params) if x.shape == (2, 1)]
    return np.asarray(biases[0])[:, 0] + UNSURE, float(metrics[metric])


@pytest.mark.slow
def test_success_critics_are_fitted_to_the_discounted_probability_of_success():
    rows = batch(success=jnp.array([0.0, 1.0]))
    after, loss = taught("success", rows, (1, 1), (0, 3))
    # The least counts: targets .99 * .5 and 1; cross-entropy softplus(1) - target, of two critics.
    assert loss == pytest.approx(2 * (math.log(1 + math.e) - (0.495 + 1) / 2), rel=1e-5)
    assert (after > 1).all()  # sigmoid(1) = .731 is less than the mean target, .7475


def test_safety_critics_are_fitted_to_the_discounted_probability_of_getting_stuck():
    odds = (0, math.log(3))  # one half and three quarters, .625 on average
    after, loss = taught("stuck", batch(stuck=jnp.array([0.0, 1.0])), (2, 2), odds)
    assert loss == pytest.approx(2 * (math.log(1 + math.e**2) - 2 * (0.99 * 0.625 + 1) / 2))
    assert (after < 2).all()  # sigmoid(2) = .88 is more than the mean target, .809


def test_nothing_is_learned_from_where_nobody_knows():
    odds = (0, math.log(3))
    _, loss = taught("stuck", batch(stuck=jnp.array([0.0, -1.0])), (2, 2), odds)
    assert loss == pytest.approx(2 * (math.log(1 + math.e**2) - 2 * 0.99 * 0.625))
    after, loss = taught("stuck", batch(stuck=-jnp.ones(2)), (2, 2), odds)
    assert loss == 0
    np.testing.assert_allclose(after, 2)


def test_before_anything_is_learned_nothing_is_foreseen():
    state = LINEAR.init(KEY, jnp.zeros(3), 2, ("stuck",))
    unsure = jax.tree.map(jnp.zeros_like, LINEAR.foresight(state, "stuck"))
    found = LINEAR.foresee(unsure, jnp.zeros((1, 3)), jnp.zeros((1, 2)))
    np.testing.assert_allclose(found, 1 / (1 + math.exp(5)))


def safety(task=TOY, **changes):
    settings = toy.tiny(registry.settings("fbrl"))
    asks = Help(rule="safety", patience=3, visit_after=20, classifier=toy._classifier())
    asks = dataclasses.replace(asks, **changes)
    return registry.method(dataclasses.replace(settings, asking=asks), task)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("log_odds", "before", "since"),
    [((0, math.log(3)), 1, 2), ((0, -1), 1, 0), ((0, -1), 4, 5)],
)
def test_an_alarm_is_on_where_the_critics_mean_is_above_the_threshold(log_odds, before, since):
    method = safety()
    run = jax.tree.map(lambda x: x[0], toy.fused(method, TOY).carry.run)
    critics = run.learners.events["stuck"]
    critics = critics._replace(params=constant_stacked(critics.params, log_odds))
    learners = run.learners._replace(events={"stuck": critics})
    view = practice.view(method, run._replace(learners=learners))
    asked = run.signals[ASKING]._replace(since=jnp.int32(before))
    scope = Scope(Context(method, TOY), ASKING, {ASKING: asked})
    seen = jnp.zeros(1)
    step = Transition(seen, seen, seen, 0, jnp.asarray(False), False, False)
    found, visit = method.interventions[ASKING].alarm(scope, view, step, jnp.int32(100))
    assert (int(found), bool(visit)) == (since, False)


def constant_stacked(params, log_odds):
    """The same for one stacked learner of networks with hidden layers."""
    zero = jax.tree.map(jnp.zeros_like, params)
    flat, structure = jax.tree_util.tree_flatten_with_path(zero)
    bias = jnp.array(log_odds, jnp.float32)[None, :, None] - UNSURE
    last = max(i for i, (path, x) in enumerate(flat) if x.shape == bias.shape)
    leaves = [bias if i == last else x for i, (_, x) in enumerate(flat)]
    return jax.tree_util.tree_unflatten(structure, leaves)


@pytest.mark.slow
def test_batches_say_which_rows_lead_to_stuck_states():
    task = dataclasses.replace(TOY, stuck=lambda observation: observation[0] < -1.2)
    method = safety(task)
    driver = toy.fused(method, task)
    driver.advance(0, 200)
    run = jax.tree.map(lambda x: x[0], driver.carry.run)
    drawn = toy.drawn(method, task, run, (0, 1), 100, jax.random.key(0))
    stuck, led = np.asarray(drawn.stuck), np.asarray(run.signals[ASKING].requests)
    assert led > 0
    assert set(np.unique(stuck)) == {-1, 0, 1}
    assert (stuck >= 0).mean() > 0.5  # demonstrations, and what was visited


def test_getting_stuck_is_foreseen_and_discounted_over_the_steps_to_it():
    config = dataclasses.replace(LINEAR, learning_rate=0.1, tau=0.1, discount=0.5)
    states = jnp.eye(4)  # 0 leads to 1, 1 to 2, which is stuck and leads to itself; so does 3
    led = jnp.array([1, 2, 2, 3])
    rows = Batch(states, jnp.zeros((4, 2)), states[led], *[jnp.ones(4)] * 4)
    rows = rows._replace(stuck=jnp.array([0.0, 1.0, 1.0, 0.0]))
    learner = config.init(KEY, jnp.zeros(4), 2, ("stuck",))

    def step(learner, key):
        return events.update(config, learner, rows, key)

    learner, _ = jax.lax.scan(step, learner, jax.random.split(KEY, 500))
    found = config.foresee(config.foresight(learner, "stuck"), states, rows.action)
    np.testing.assert_allclose(found.mean(axis=0), [0.5, 1, 1, 0], atol=0.03)
