"""Rows of the phases: how long, how ended, what was expected and what came of it."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import toy
from unreset import registry
from unreset.core import batches
from unreset.core import replay as replays
from unreset.core.context import Context
from unreset.core.protocols import Steps
from unreset.core.types import Transition
from unreset.runs import logs
from unreset.switching import After

CAPACITY = 40
SEEDS = [5, 6]
FORWARD, BACKWARD = 0, 1
#: Steps of each phase, its role, whether it ends in success and whether with a reset.
LIFE = [
    (3, FORWARD, True, False),
    (7, BACKWARD, False, False),  # 7 is the length of a tiny setting's phase
    (2, FORWARD, False, True),
    (2, FORWARD, False, False),
]


@pytest.fixture(scope="module")
def medal():
    return toy.tiny(registry.settings("medal")).method(toy.point())


@pytest.fixture(scope="module")
def fresh(medal):
    """A run of two seeds before its first step."""
    return toy.fused(medal, toy.point(), seeds=SEEDS, capacity=CAPACITY).carry.run


@pytest.fixture(scope="module")
def record():
    return jax.jit(jax.vmap(replays.record, in_axes=(0, *[None] * 7)))


def place(step):
    return jnp.full(1, toy.SPEED * step)


def live(run, record, life):
    """The run after a life that goes to the right, and its steps; each was given .5 as reward."""
    replay, step = run.replay, 0
    for segment, (steps, role, won, reset) in enumerate(life):
        goal = place(step + steps) if won else place(-99)
        for left in reversed(range(steps)):
            last = jnp.asarray(left == 0)
            no = jnp.asarray(False)
            transition = Transition(
                place(step), jnp.ones(1), place(step + 1), jnp.float32(0.5), last & won, no, no
            )
            who, source, segment_ = jnp.int32(role), jnp.int32(0), jnp.int32(segment)
            replay = record(replay, transition, goal, who, source, last, segment_, last & reset)
            step += 1
    return run._replace(replay=replay), step


@pytest.mark.slow
def test_phases_by_hand(medal, fresh, record):
    task = toy.point()
    run, steps = live(fresh, record, LIFE)
    phases, _ = logs.history(medal, task, run, SEEDS, steps, 0, steps)
    assert [phase["seed"] for phase in phases] == [5] * 4 + [6] * 4
    for number in range(2):
        mine = phases[4 * number : 4 * number + 4]
        assert [phase["env_steps"] for phase in mine] == [3, 10, 12, 14]
        assert [phase["steps"] for phase in mine] == [3, 7, 2, 2]
        assert [phase["ended"] for phase in mine] == ["success", "timeout", "reset", "early"]
        scale, discount = medal.learner.reward_scale, medal.learner.discount
        forward = [mine[i]["return"] for i in (0, 2, 3)]
        np.testing.assert_allclose(forward, [scale * discount**2, 0, 0], rtol=1e-5)
        # The backward role's reward is the discriminator's, for the states it came to.
        one = jax.tree.map(lambda x, n=number: x[n], run)
        came = jnp.stack([place(step) for step in range(4, 11)])
        goal = jnp.broadcast_to(place(-99), came.shape)
        none = jnp.zeros(len(came))
        steps = Steps(came, came, came, goal, none, none > 0)
        rewards, _ = batches.paid(Context(medal, task), one.signals, BACKWARD, steps)
        expected = float(rewards @ discount ** jnp.arange(7))
        assert mine[1]["return"] == pytest.approx(expected, rel=1e-4)
        # What the critics said where it began, of the action taken there.
        learner = jax.tree.map(lambda x: x[0], one.learners)
        seen = medal.inputs(task, place(3), place(-99), BACKWARD)
        values = medal.learner.value(learner.critics, seen, jnp.ones(1))
        assert mine[1]["value"] == pytest.approx(float(values.min()), rel=1e-4)
    assert phases[1]["value"] != phases[5]["value"]  # each seed has its own critics


def test_only_phases_since_the_last_log_are_told(medal, fresh, record):
    run, steps = live(fresh, record, LIFE)
    # The phase that ended at 10 began before step 9.
    phases, visits = logs.history(medal, toy.point(), run, SEEDS, steps, 9, 20)
    assert [phase["env_steps"] for phase in phases] == [10, 12, 14] * 2
    assert [phase["steps"] for phase in phases] == [7, 2, 2] * 2
    assert visits == []


def test_a_phase_whose_beginning_is_lost_is_blank(medal, fresh, record):
    rules = [rule for rule in medal.roles[0].switch if not isinstance(rule, After)]
    long = dataclasses.replace(medal.roles[0], switch=(After(CAPACITY + 5), *rules))
    method = dataclasses.replace(medal, roles=(long, medal.roles[1]))
    run, steps = live(fresh, record, [(CAPACITY + 5, FORWARD, False, False)])
    (phase, _) = logs.history(method, toy.point(), run, SEEDS, steps, steps - 10, 10)[0]
    assert [phase[name] for name in ("steps", "ended", "value", "return")] == [None] * 4
    assert phase["env_steps"] == steps
    # The same in a ring that just holds it.
    run, steps = live(fresh, record, [(3, BACKWARD, False, False), (38, FORWARD, False, False)])
    (phase, _) = logs.history(method, toy.point(), run, SEEDS, steps, steps - 10, 10)[0]
    assert phase["steps"] == 38 and phase["ended"] == "early" and phase["return"] == 0


def test_observed_rewards_are_scaled(medal, fresh, record):
    task = dataclasses.replace(toy.point(), score=lambda *_: (0.0, False))
    run, steps = live(fresh, record, LIFE)
    phases, _ = logs.history(medal, task, run, SEEDS, steps, 0, steps)
    scale, discount = medal.learner.reward_scale, medal.learner.discount
    expected = 0.5 * scale * (1 + discount)
    assert phases[2]["return"] == pytest.approx(expected, rel=1e-5)
    assert phases[1]["return"] != pytest.approx(0.5 * scale * sum(discount**k for k in range(7)))


def test_a_phase_says_whether_it_reached_its_goal_before_its_last_step(medal, fresh):
    run, steps = live(fresh, jax.jit(jax.vmap(replays.record, in_axes=(0, *[None] * 7))), LIFE)
    success = np.array(run.replay.rows.success)
    begun = run.replay.pinned + 3  # the second phase, which ends without
    success[:, begun + 2] = True
    rows = run.replay.rows._replace(success=success)
    run = run._replace(replay=run.replay._replace(rows=rows))
    phases, _ = logs.history(medal, toy.point(), run, SEEDS, steps, 0, steps)
    mine = [row for row in phases if row["seed"] == SEEDS[0]]
    assert [row["success"] for row in mine] == [1, 0, 0, 0]
    assert [row["reached"] for row in mine] == [1, 1, 0, 0]


def test_success_that_ends_nothing_is_no_reason(medal):
    forward, backward = medal.roles
    assert logs._reason(forward, True, 3, False) == "success"
    assert logs._reason(backward, True, 3, False) == "early"
    assert logs._reason(backward, True, backward.length, True) == "timeout"
    assert logs._reason(forward, False, 3, True) == "reset"
