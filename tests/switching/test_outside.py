"""A rule and a goal from outside the package, with states of their own: core knows neither."""

import dataclasses
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import toy
from unreset.core.protocols import Fitted
from unreset.errors import UnresetError
from unreset.goals import GoalRule, InitialStates, TaskGoals
from unreset.methods.fbrl import FBRL
from unreset.methods.settings import Settings
from unreset.runs import checkpoint
from unreset.switching import After, OnSuccess, SwitchRule

TOY = toy.point()
FAR = 0.1  # of a step that counts as moving


class Stillness(NamedTuple):
    """How long nothing has moved."""

    steps: jax.Array  # [] int32
    where: jax.Array  # [observation]


@dataclass(frozen=True)
class Still(SwitchRule):
    """The end of a phase after so many steps in one place."""

    number: int

    def needs(self, method, name):
        return "it must be at least 1" if self.number < 1 else None

    def init(self, scope, start, key):
        return Stillness(jnp.int32(0), jnp.zeros(scope.task.observation_size))

    def judge(self, scope, moment, verdict):
        now, before = moment.transition.next_observation, scope.state
        began = moment.phase.steps == 0
        moved = jnp.abs(now - jnp.where(began, moment.transition.observation, before.where)).max()
        steps = jnp.where(moved > FAR, 0, jnp.where(began, 0, before.steps) + 1)
        ended = steps >= self.number
        return Stillness(steps, now), verdict._replace(end=verdict.end | ended)


@dataclass(frozen=True)
class Visited(GoalRule):
    """A state of practice as a goal, drawn anew now and then."""

    interval: int = 5

    @property
    def source(self):
        return "visited"

    def init(self, scope, start, key):
        return jnp.asarray(scope.task.goals[0])

    def choose(self, scope, turn):
        return scope.state, turn.drawn

    def draw(self, scope, number, key):
        return jnp.broadcast_to(scope.state, (number, *scope.state.shape))

    def fit(self, scope, draws, due, key):
        newest = draws.replay.pinned + (draws.replay.written - 1) % draws.replay.capacity
        seen = scope.task.achieved(draws.replay.rows.observation[newest])
        return Fitted(jnp.where(due, seen, scope.state), draws.learners, {})


@dataclass(frozen=True)
class Resting(Settings):
    """Forward and backward, until nothing moves any more; then to a place that was visited."""

    still: int = 2

    def method(self, task):
        base = FBRL(practice=self.practice, learner=self.learner).method(task)
        ends = (After(self.practice.length(task)), OnSuccess(), Still(self.still))
        forward, backward = base.roles
        other = dataclasses.replace(backward, name="visit", goals=Visited())
        roles = tuple(dataclasses.replace(role, switch=ends) for role in (forward, other))
        return dataclasses.replace(base, name="resting", roles=(*roles, backward))


def practised(steps, driver=None, start=0):
    if driver is None:
        method = toy.tiny(Resting(), updates_per_step=3, batch_size=9).method(TOY)
        driver = toy.fused(method, TOY, seeds=(0, 1))
    driver.advance(start, steps)
    return driver


@pytest.fixture(scope="module")
def driver():
    return practised(60)


@pytest.mark.slow
def test_its_phases_end_where_nothing_moves(driver):
    rows = driver.carry.run.replay.rows
    pinned = driver.carry.run.replay.pinned
    early = 0
    for seed in range(2):
        seen, role, end, success, segment = (
            np.asarray(column[seed])[pinned : pinned + 61]
            for column in (rows.observation, rows.role, rows.end, rows.success, rows.segment)
        )
        still = 0
        for row in range(60):
            still = 0 if row and segment[row] != segment[row - 1] else still
            moved = np.abs(seen[row + 1] - seen[row]).max() > FAR
            still = 0 if moved else still + 1
            length = 1 + row - int(np.flatnonzero(segment == segment[row])[0])
            has_it = role[row] in (0, 1)
            assert end[row] == (success[row] or length == 7 or (has_it and still >= 2))
            early += end[row] and not success[row] and length < 7
    assert early > 3


def test_it_pursues_goals_of_its_own_kind(driver):
    run = driver.carry.run
    rows, pinned = run.replay.rows, run.replay.pinned
    role, source, goal = (np.asarray(x)[0, pinned : pinned + 60] for x in rows_of(rows))
    np.testing.assert_array_equal(source, np.array([0, 2, 1])[role])
    known = {float(TOY.goals[0, 0]), float(TOY.initial_goals[0, 0])}
    assert {float(one) for one in goal[role == 1, 0]} - known


def rows_of(rows):
    return rows.role, rows.source, rows.goal


@pytest.mark.slow
def test_its_state_is_saved_and_goes_on_alike(driver, tmp_path):
    first = practised(30)
    checkpoint.save(tmp_path, 30, first.carry, checkpoint.NOTHING, "outside")
    again = practised(0)
    again.carry, _ = checkpoint.load(tmp_path, 30, again.carry, "outside")
    state = again.run.signals["switching/still"]
    assert state.where.shape == (2, 1) and state.steps.dtype == jnp.int32
    practised(60, again, 30)
    assert toy.leaf_bytes(again.carry) == toy.leaf_bytes(driver.carry)


def test_what_it_needs_is_said_when_the_method_is_made():
    with pytest.raises(UnresetError, match="it must be at least 1"):
        toy.tiny(Resting(still=0)).method(TOY)


def test_rules_alike_are_one_and_others_of_a_class_are_numbered():
    method = toy.tiny(Resting(), updates_per_step=3, batch_size=9).method(TOY)
    names = ["after", "on_success", "still", "schedule"]
    assert list(method.switch_rules) == [f"switching/{name}" for name in names]
    longer = dataclasses.replace(method.roles[2], switch=(After(9), OnSuccess()))
    other = dataclasses.replace(method, roles=(*method.roles[:2], longer))
    assert other.switch_rules["switching/after_2"] == After(9)
    assert list(other.goal_rules.values()) == [TaskGoals(), Visited(), InitialStates()]
    assert other.goal_sources == ("task", "initial", "visited")
