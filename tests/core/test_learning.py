"""Cloning first, learning without acting, several goals for a row, and judging fresh states."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_practice import TOY, batches, filled, method, undecided

import toy
from unreset import registry
from unreset.core import fitting, practice
from unreset.core.context import Context
from unreset.core.method import without_relabelling
from unreset.core.phases import first_phase
from unreset.core.practice import Run
from unreset.core.protocols import Fresh
from unreset.core.teaching import clone
from unreset.demos import store
from unreset.drivers.live import Live
from unreset.errors import UnresetError
from unreset.switching import After, Graph, LikeExpert, OnSuccess


def begun(chosen) -> Run:
    rows, last = store.pinned_rows(toy.demonstrations(), TOY)
    return jax.jit(lambda key: practice.init(chosen, TOY, key, rows, last, 20))(jax.random.key(0))


def imitation_error(chosen, learners):
    """Of the policy on the forward demonstration."""
    shown = toy.demonstrations()[0]
    seen = jnp.asarray(shown.observations[:-1])
    goal = jnp.broadcast_to(jnp.asarray(shown.goal), (len(seen), 1))
    actor = jax.tree.map(lambda x: x[0], learners.actor)
    mean, _ = chosen.learner.policy(actor, chosen.inputs(TOY, seen, goal, 0))
    return float(jnp.mean((jnp.tanh(mean) - shown.actions) ** 2))


def test_cloning_first_changes_the_policy_alone():
    plain, cloned = method("fbrl", TOY), method("fbrl", TOY, cloning_updates=300)
    run = begun(plain)
    before, after = run.learners, jax.jit(partial(clone, Context(cloned, TOY)))(run).learners
    assert imitation_error(cloned, after) < 0.5 * imitation_error(plain, before)
    for name in ("critics", "target", "log_temperature"):
        assert toy.leaf_bytes(getattr(after, name)) == toy.leaf_bytes(getattr(before, name)), name
    assert toy.leaf_bytes(after.average) == toy.leaf_bytes(after.actor)


def test_behaviour_cloning_learns_without_touching_the_environment():
    chosen = method("bc", TOY)
    rows, last = store.pinned_rows(toy.demonstrations(), TOY)
    environment = toy.PointEnv()
    driver = Live(chosen, TOY, [0], rows, last, 20, environment=environment)
    before = imitation_error(chosen, jax.tree.map(lambda x: x[0], driver.carry.run.learners))
    driver.advance(0, 100)
    run = jax.tree.map(lambda x: x[0], driver.carry.run)
    assert (environment.number, environment.resets) == (0, 0)
    assert int(run.replay.written) == 0 and int(run.ledger.hard_resets) == 0
    assert int(run.learners.updates[0]) == 400
    assert imitation_error(chosen, run.learners) < 0.5 * before
    driver.carry = driver.carry
    assert driver.restored and environment.resets == 0


def test_a_row_is_taught_with_its_own_goal_and_with_others():
    chosen = method("fbrl", TOY, hindsight=0.0, other_goals=0.0, goals_per_row=4)
    run = filled(chosen, TOY)
    batch, rows = batches(chosen, TOY, run, (0, 1))
    groups = rows.reshape(-1, 4)
    assert (groups == groups[:, :1]).all() and len(np.unique(rows)) > 3
    # Offsets: observation minus goal, then the observation.
    goal = (batch.inputs[:, 1] - batch.inputs[:, 0]).reshape(-1, 4)
    own = np.asarray(run.replay.rows.goal)[groups[:, 0], 0]
    np.testing.assert_allclose(goal[:, 0], own, atol=1e-6)
    others = goal[:, 1:].ravel()
    assert set(np.round(others)) == {toy.START, toy.GOAL}
    assert 0.4 < (others > 0).mean() < 0.6


def test_a_stored_reward_stays_with_the_goal_that_it_was_given_for():
    scored = dataclasses.replace(TOY, score=lambda *_: (0.0, False))
    # Its sources do not hold the rows' (the task's goals), which it would have to draw anew.
    chosen = without_relabelling(method("fbrl", scored))
    home = dataclasses.replace(chosen, roles=(chosen.roles[1],))
    run = filled(home, scored)
    for task, kept in [(scored, True), (TOY, False)]:
        batch, rows = batches(home, task, run, (0,))
        goal = batch.inputs[:, 1] - batch.inputs[:, 0]
        same = np.isclose(goal, np.asarray(run.replay.rows.goal)[rows, 0])
        assert same.all() == kept


@pytest.mark.slow
@pytest.mark.parametrize("bias", [2.0, -2.0])
def test_fresh_states_are_judged_while_their_role_acts(bias):
    chosen = method("medal", TOY)
    states = jax.tree.map(lambda x: x, undecided(chosen, TOY))
    params = states["discriminator"].params
    params["params"]["Dense_1"]["bias"] = params["params"]["Dense_1"]["bias"] * 0 + bias
    phase = first_phase(chosen, TOY, states, jax.random.key(0))
    for role in (0, 1):
        acting = phase._replace(role=jnp.int32(role))
        found = fitting.freshly_judged(
            Context(chosen, TOY), states, Fresh(acting.role, acting.goal, practice._blank(TOY, {}))
        )
        value, weight = found["discriminator_fresh_accuracy"]
        assert float(weight) == role  # only the backward role is judged
        assert float(value) == (bias < 0)


@pytest.mark.parametrize(
    ("name", "changes", "task", "trajectories", "reason"),
    [
        ("bc", {}, TOY, [], "has to clone demonstrations first, and there are none"),
        ("fbrl", {"cloning_updates": 5}, TOY, [], "has to clone demonstrations first"),
        ("medal", {}, TOY, toy.demonstrations()[1:], "medal needs forward demonstrations"),
        ("vaprl", {}, TOY, [], "vaprl needs forward demonstrations"),
        ("vaprl", {}, dataclasses.replace(TOY, sparse=False), None, "counts steps by the value"),
    ],
)
def test_what_a_method_cannot_practise_is_refused(name, changes, task, trajectories, reason):
    with pytest.raises(UnresetError, match=reason):
        toy.fused(method(name, task, **changes), task, trajectories=trajectories)


def test_what_nobody_can_relabel_is_taught_with_its_own_goal_alone():
    settings = registry.settings("vaprl", "paper")
    assert settings.practice.goals_per_row == 4
    assert without_relabelling(settings.method(TOY)).practice.goals_per_row == 1


def test_parts_that_do_not_go_together_are_refused():
    medal, fbrl = method("medal", TOY), method("fbrl", TOY)
    with pytest.raises(UnresetError, match="reward 'discriminator' of fbrl rewards no role"):
        dataclasses.replace(fbrl, rewards=medal.rewards)
    with pytest.raises(UnresetError, match="is rewarded by 'discriminator'; there are: environ"):
        dataclasses.replace(medal, rewards={})
    with pytest.raises(UnresetError, match="cannot be offline"):
        dataclasses.replace(medal, practice=dataclasses.replace(medal.practice, offline=True))
    with pytest.raises(UnresetError, match="must be above 0"):
        dataclasses.replace(fbrl, order=Graph(floor=0.0))
    with pytest.raises(UnresetError, match="needs a discriminator of that name"):
        dataclasses.replace(fbrl, switch=(LikeExpert("environment", 0.5),))
    endless = dataclasses.replace(fbrl.roles[0], switch=(OnSuccess(),))
    with pytest.raises(UnresetError, match="no rule ends the phases of role 'forward' of fbrl"):
        dataclasses.replace(fbrl, roles=(endless, fbrl.roles[1]))
    with pytest.raises(UnresetError, match="must be at least 1, not 0"):
        dataclasses.replace(fbrl, switch=(After(0),))
    turned = dataclasses.replace(fbrl.roles[1], switch=fbrl.roles[0].switch[::-1])
    with pytest.raises(UnresetError, match="the same rules in different orders"):
        dataclasses.replace(fbrl, roles=(fbrl.roles[0], turned))
    separate = dataclasses.replace(medal.practice, share_learner=False)
    with pytest.raises(UnresetError, match="curriculum of vaprl needs one learner"):
        dataclasses.replace(method("vaprl", TOY), practice=separate)


@pytest.mark.slow
def test_demonstrations_count_once_however_many_roles_they_teach():
    chosen = method("vaprl", TOY, demonstration_share=None)
    run = filled(chosen, TOY)
    _, rows = batches(chosen, TOY, run, (0, 1), updates=200)
    steps = sum(len(shown.actions) for shown in toy.demonstrations())
    assert (rows < run.replay.pinned).mean() == pytest.approx(steps / (steps + 3), abs=0.04)
