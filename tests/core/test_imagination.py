"""Imagined rollouts: lengths, restarts, goals and rewards, in a world whose model is exact."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import toy
from unreset import registry
from unreset.core import ranges
from unreset.core.context import Context
from unreset.core.method import Practice, without_relabelling
from unreset.core.protocols import Scope, Wanted
from unreset.data.imagined import Imagination
from unreset.errors import UnresetError
from unreset.interventions.help import Help
from unreset.methods.bc import BC
from unreset.methods.fbrl import FBRL
from unreset.methods.mbarl import Mbarl
from unreset.methods.r3l import R3L
from unreset.methods.vaprl import VaPRL
from unreset.models import rollouts
from unreset.models.dynamics import MODEL, Dynamics, Prediction

TOY = toy.point()
KEY = jax.random.key(0)
DYNAMICS = Dynamics(members=2, elites=2, hidden=(4,))


@pytest.fixture
def exact(monkeypatch):
    """The model is the toy task itself; to the right of 0 its elites disagree by 1."""

    def predict(config, task, model, chosen, observation, action, goal, key):
        after = jax.vmap(TOY.step)(observation, action)
        return Prediction(after, jnp.zeros(len(after)), (after[:, 0] > 0).astype(jnp.float32))

    monkeypatch.setattr(rollouts, "predict", predict)
    monkeypatch.setattr(rollouts, "elites", lambda config, model: None)


def rolled(config, starts, goals, length, ends=True):
    """Four turns of going right by 0.25."""
    starts, goals = (jnp.array(x, jnp.float32)[..., None] for x in (starts, goals))
    return rollouts.imagine(
        rollouts.Modelled(DYNAMICS, TOY, None),
        lambda observation, goal, key: jnp.ones_like(observation),
        (starts, goals),
        rollouts.End(length, ends, config.disagreement),
        KEY,
    )


def begun(config, method, run, roles):
    """Where 2 x 50 rollouts begin."""
    scope = Scope(Context(method, TOY), "imagination", run.signals)
    wanted = Wanted(roles, (2, 50), jnp.int32(0), KEY)
    config = dataclasses.replace(config, length=1, last_length=2)
    return config._starts(scope, run, wanted, 50, KEY)


def test_a_rollout_that_has_ended_gives_way_to_the_next_start(exact):
    starts, goals = [[-1.0], [-0.9], [-0.8], [-0.7]], [[1.0], [0.9], [0.8], [0.7]]
    found = rolled(Imagination(), starts, goals, 3)
    np.testing.assert_allclose(found.observation[:, 0, 0], [-1.0, -0.75, -0.5, -0.7])
    np.testing.assert_allclose(found.next_observation[:, 0, 0], [-0.75, -0.5, -0.25, -0.45])
    np.testing.assert_allclose(found.goal[:, 0, 0], [1.0, 1.0, 1.0, 0.7])
    np.testing.assert_array_equal(found.age[:, 0], [0, 1, 2, 0])


@pytest.mark.parametrize(("ends", "third"), [(True, -0.8), (False, -0.5)])
def test_success_ends_a_rollout_where_it_ends_the_task(exact, ends, third):
    # Of the goal -0.5 within 0.2: -0.75 is not, -0.5 is.
    found = rolled(Imagination(), [[-1.0], [-0.9], [-0.8], [-0.7]], [[-0.5]] * 4, 9, ends)
    np.testing.assert_array_equal(found.success[:2, 0], [False, True])
    assert float(found.observation[2, 0, 0]) == pytest.approx(third)


def test_disagreement_ends_a_rollout(exact):
    config = Imagination(disagreement=0.5)
    found = rolled(config, [[-0.1], [-0.9], [-0.8], [-0.7]], [[5.0]] * 4, 9)
    np.testing.assert_allclose(found.observation[:, 0, 0], [-0.1, -0.9, -0.65, -0.4], rtol=1e-6)


def test_lengths_grow_in_whole_steps_between_two_times():
    config = Imagination(length=1, last_length=5, growing_from=100, growing_to=300)
    lengths = [int(config.length_at(jnp.int32(step))) for step in (0, 100, 149, 150, 299, 300, 999)]
    assert lengths == [1, 1, 1, 2, 4, 5, 5]
    assert config.turns == 5


@pytest.mark.slow
def test_rows_without_a_known_model_are_not_imagined_and_shares_are_kept():
    method = registry.method(toy.tiny(FBRL(imagination=Imagination(share=0.75))), TOY)
    run = jax.tree.map(lambda x: x[0], toy.fused(method, TOY).carry.run)
    batch = toy.drawn(method, TOY, run, (0, 1), 3, KEY)
    assert batch.reward.shape == (3, 8)
    # Two of eight rows are real, one of them a demonstration; imagined ones are nobody's example.
    assert (np.asarray(batch.imitate).sum(axis=1) <= 2).all()
    assert (np.asarray(batch.imitate)[:, 2:] == 0).all()


@pytest.mark.slow
def test_each_reward_has_its_part_real_and_imagined():
    method = registry.method(toy.tiny(Mbarl()), TOY)
    run = jax.tree.map(lambda x: x[0], toy.fused(method, TOY).carry.run)
    batch = toy.drawn(method, TOY, run, (0, 1), 5, KEY)
    told = np.asarray(batch.inputs)[..., -2:]
    # Rows of forward and of backward, real and then imagined, two of each.
    order = np.repeat([0, 1, 0, 1], 2)
    np.testing.assert_array_equal(told, np.broadcast_to(np.eye(2)[order], told.shape))
    # A matched role never ends; a rewarded one ends with its success.
    discount, reward = np.asarray(batch.discount), np.asarray(batch.reward)
    assert (discount[:, order == 1] == 1).all()
    ended = discount[:, order == 0] == 0
    np.testing.assert_array_equal(ended, reward[:, order == 0] == method.learner.reward_scale)


@pytest.mark.slow
def test_initial_states_and_demonstrations_are_starts():
    shares = Imagination(share=0.5, initial=1.0, demonstrations=0.0)
    method = registry.method(toy.tiny(FBRL(imagination=shares)), TOY)
    run = jax.tree.map(lambda x: x[0], toy.fused(method, TOY).carry.run)
    seen, goal = begun(shares, method, run, (0, 1))
    assert seen.shape == goal.shape == (2, 50, 1)
    assert (np.asarray(seen) == toy.START).all() and (np.asarray(goal) == toy.GOAL).all()
    seen, _ = begun(Imagination(share=0.5, demonstrations=1.0), method, run, (0, 1))
    given = {float(x) for one in toy.demonstrations() for x in one.observations[:-1, 0]}
    assert set(np.asarray(seen).ravel().tolist()) <= given


def test_a_role_without_demonstrations_of_its_own_begins_in_any_of_them():
    shown = Imagination(share=0.5, demonstrations=1.0)
    method = registry.method(toy.tiny(R3L(imagination=shown)), TOY)
    run = jax.tree.map(lambda x: x[0], toy.fused(method, TOY).carry.run)
    role = next(n for n, role in enumerate(method.roles) if not role.demonstrations)
    seen, _ = begun(shown, method, run, (role,))
    given = {float(x) for one in toy.demonstrations() for x in one.observations[:-1, 0]}
    assert set(np.asarray(seen).ravel().tolist()) == given


@pytest.mark.slow
def test_imagined_states_that_seem_stuck_are_worth_what_those_are(monkeypatch):
    asks = Help(rule="classifier", stuck_reward=-0.1)
    settings = toy.tiny(FBRL(imagination=Imagination(share=1.0), asking=asks))
    method = registry.method(settings, TOY)
    run = jax.tree.map(lambda x: x[0], toy.fused(method, TOY).carry.run)
    monkeypatch.setattr(Help, "probability", lambda *arguments: 1.0)
    batch = toy.drawn(method, TOY, run, (0, 1), 2, KEY)
    np.testing.assert_allclose(batch.reward, -0.1 / (1 - method.learner.discount), rtol=1e-4)
    assert (np.asarray(batch.discount) == 0).all()
    assert (np.asarray(batch.stuck) == -1).all()


def test_where_rewards_are_observed_the_model_predicts_them():
    task = dataclasses.replace(TOY, score=lambda environment, observation, goal: (0.0, False))
    settings = toy.tiny(FBRL(imagination=Imagination(share=1.0)))
    method = without_relabelling(registry.method(settings, task))
    run = jax.tree.map(lambda x: x[0], toy.fused(method, task).carry.run)
    model = run.signals[MODEL]
    assert model.outputs.mean.shape == (2,)
    half = jnp.full(2, 0.5)  # predictions are kept within what was observed
    model = model._replace(
        inputs=model.inputs._replace(low=-jnp.ones_like(model.inputs.low)),
        outputs=model.outputs._replace(low=half, high=half),
    )
    run = run._replace(signals=run.signals | {MODEL: model})
    batch = toy.drawn(method, task, run, (0, 1), 2, KEY)
    np.testing.assert_allclose(batch.reward, 0.5 * method.learner.reward_scale)
    assert (np.asarray(batch.discount) == 1).all()  # and nobody knows of success


def test_what_cannot_be_imagined_is_refused():
    with pytest.raises(UnresetError, match=r"share must be from 0 to 1, not 1\.5"):
        ranges.checked(Imagination(share=1.5))
    with pytest.raises(UnresetError, match=r"demonstrations=0\.7 and initial"):
        Imagination(demonstrations=0.7, initial=0.7)
    with pytest.raises(UnresetError, match="last_length must be at least 1, not 0"):
        ranges.checked(Imagination(last_length=0))
    imagining = Imagination(share=0.5)
    with pytest.raises(UnresetError, match="goals_per_row must be 1"):
        registry.method(VaPRL(imagination=imagining, practice=Practice(goals_per_row=4)), TOY)
    with pytest.raises(UnresetError, match="offline"):
        registry.method(BC(imagination=imagining), TOY)
