"""A discriminator of states and actions: which action belongs to which state, and what pays."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import judges as matching
import toy
from unreset.core.context import Context
from unreset.core.protocols import Scope
from unreset.core.types import Transition
from unreset.demos import store
from unreset.errors import UnresetError
from unreset.evaluation import discriminators
from unreset.methods import qwale
from unreset.report import reward_films
from unreset.report.stretches import Stretch
from unreset.rewards import Discriminator, expert_rows
from unreset.runs import logs

KEY = jax.random.key(0)
SEEING = {"see_action": True}


@pytest.fixture(scope="module")
def practised():
    """A life of 40 steps rewarded for states and actions like those of demonstrations."""
    task = toy.point()
    method = toy.tiny(qwale.PRESETS["gail_sa"]).method(task)
    driver = toy.fused(method, task)
    driver.advance(0, 40)
    return method, task, jax.tree.map(lambda x: x[0], driver.carry.run)


@pytest.mark.slow
def test_experts_rows_are_those_acted_from(practised):
    method, task, run = practised
    pinned, last = store.pinned_rows(toy.demonstrations(), task)
    expert = expert_rows.lists(method.rewards["prior"], False, pinned, last)[0]
    ahead = [n for n, role in enumerate(pinned.role) if role >= 0 and pinned.source[n] == 0]
    assert expert.tolist() == ahead
    taken = expert_rows.taken(run.replay, jnp.array(expert))
    assert (np.asarray(taken.action) == np.float32(0.8)).all()  # the toy's only expert action


@pytest.mark.slow
def test_a_reward_is_for_the_action_where_it_wastaken(practised):
    method, task, run = practised
    batch = jax.tree.map(lambda x: x[0], toy.drawn(method, task, run, (0,), 1, KEY))
    signal = method.rewards["prior"]
    seen = jnp.concatenate([batch.inputs, batch.action], axis=-1)
    assert seen.shape[-1] == 3  # where it is, where it shall be, and what it does
    logit = matching.logits(signal, run.signals["prior"], seen)
    told = jax.vmap(task.reward)(batch.next_inputs[:, :1], batch.inputs[:, 1:])
    wanted = signal.scale * matching.reward(signal.form, logit)
    wanted += told * method.learner.reward_scale
    np.testing.assert_allclose(batch.reward, wanted, rtol=1e-5)
    there = jnp.concatenate([batch.next_inputs, batch.action], axis=-1)
    other = signal.scale * matching.reward(
        signal.form, matching.logits(signal, run.signals["prior"], there)
    )
    assert not np.allclose(other + told * method.learner.reward_scale, batch.reward)


def test_a_transition_is_judged_by_where_it_began_and_what_was_done(practised):
    method, task, run = practised
    before, action, after = jnp.array([0.25]), jnp.array([-0.5]), jnp.array([0.125])
    no, goal = jnp.asarray(False), jnp.array([toy.GOAL])
    transition = Transition(before, action, after, jnp.float32(0), no, no, no)
    state = run.signals["prior"]
    found = matching.log_odds(method, task, "prior", state, transition, goal)
    wanted = matching.logits(method.rewards["prior"], state, jnp.array([0.25, 1.0, -0.5]))
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_only_who_sees_actions_tells_apart_who_acts_otherwise_in_the_same_place(practised):
    method, task, run = practised
    # Expert's and own rows at one place for one goal; the expert goes right, the agent left.
    taken = expert_rows.taken(run.replay, jnp.zeros((2, 32), jnp.int32))
    taken = taken._replace(action=jnp.array([[[1.0]], [[-1.0]]]) * jnp.ones((2, 32, 1)))

    def accuracy(sees):
        signal = Discriminator(hidden=(8,), learning_rate=0.03, mixup=False, see_action=sees)
        scope = Scope(Context(method, task), "prior")
        seen = signal.inputs(scope, jnp.zeros(1), jnp.zeros(1), {}, action=jnp.zeros(1))
        state = matching.init(signal, KEY, seen)

        def once(_, state):
            return signal._update(scope, taken, KEY, None, (state, None))[0][0]

        state = jax.lax.fori_loop(0, 60, once, state)
        return signal._update(scope, taken, KEY, None, (state, None))[1]["accuracy"]

    assert accuracy(True) == 1.0
    assert accuracy(False) == 0.5


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"arrivals": True}, "nobody acts in the last one: arrivals must be False"),
        ({"last_states": 3}, "last_states, first_states and pairs 0"),
        ({"first_states": 3}, "nobody acts in the last one"),
        ({"pairs": 0.5}, "nobody acts in the last one"),
        ({"form": "D > 1/2"}, "sees a success, which is a state"),
    ],
)
def test_what_has_no_action_is_refused(fields, message):
    with pytest.raises(UnresetError, match=message):
        Discriminator(**(SEEING | fields))


def test_states_alone_cannot_judge_it(practised):
    with pytest.raises(UnresetError, match="sees actions, and what is judged here are states"):
        discriminators.discriminators(practised[0])


def test_a_step_is_judged_freshly_before_it_is_learned_from(practised):
    run = practised[2]
    assert run.signals["prior"].params["params"]["Dense_0"]["kernel"].shape[0] == 3
    value, weight = run.totals["prior_fresh_accuracy"]
    assert weight == 40
    assert 0 <= value <= 40


def test_films_and_logs_pay_for_the_action_too(practised):
    method, task, run = practised
    seen = np.linspace(-1, 1, 5, dtype=np.float32)[:, None]
    goal, zeros = np.full((5, 1), toy.GOAL, np.float32), np.zeros(5, np.int32)
    stretch = Stretch(seen, goal, zeros, zeros, zeros, zeros, {}, -seen)
    (curve,) = reward_films.evaluated(method, task, run, stretch)
    signal = method.rewards["prior"]
    inputs = jnp.concatenate([seen, goal, -seen], axis=-1)
    logit = matching.logits(signal, run.signals["prior"], inputs)
    wanted = signal.scale * matching.reward(signal.form, logit)
    scale = method.learner.reward_scale
    wanted += scale * jax.vmap(task.reward)(seen, goal)  # the task's is added in a life
    np.testing.assert_allclose(curve.values, wanted, rtol=1e-5)
    rows = jax.tree.map(lambda x: np.asarray(x[run.replay.pinned :]), run.replay.rows)
    starts, ends = np.array([0]), np.array([6])
    one = jax.tree.map(lambda x: x[None], run._replace(replay=None))
    (found,) = logs._measured(method, task, one, 0, rows, starts, ends)
    inputs = np.concatenate([rows.observation[:7], rows.goal[:7], rows.action[:7]], axis=-1)
    logit = matching.logits(signal, run.signals["prior"], jnp.asarray(inputs))
    paid = np.asarray(signal.scale * matching.reward(signal.form, logit))
    paid = paid + scale * np.asarray(jax.vmap(task.reward)(rows.observation[1:8], rows.goal[:7]))
    wanted = paid @ method.learner.discount ** np.arange(7)
    assert found["return"] == pytest.approx(float(wanted), rel=1e-4)
