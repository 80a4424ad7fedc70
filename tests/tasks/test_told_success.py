"""What an info says about success is read as it is meant, or refused by name and value."""

import gymnasium
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces

from unreset import from_environment
from unreset.drivers.world import World
from unreset.errors import UnresetError
from unreset.tasks.environments.told_success import told_success
from unreset.validation.check_task import check


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        *[(one, True) for one in (True, np.True_, 1, 1.0, 0.5, np.float32(1), np.int64(2))],
        *[(one, True) for one in (np.array(True), np.array([1.0]), [True], jnp.ones((1, 1)))],
        *[
            (one, False)
            for one in (False, np.False_, 0, 0.0, -0.0, np.array([False]), jnp.zeros(()))
        ],
        (None, None),
    ],
)
@pytest.mark.parametrize("name", ["is_success", "success", "succeed"])
def test_what_is_clear_is_read(name, value, meant):
    found = told_success({name: value, "time": 3.0})
    assert found is meant


def test_none_hides_nothing():
    assert told_success({"is_success": None, "success": True}) is True
    assert told_success({"is_success": False, "success": None, "succeed": 0}) is False
    assert told_success({"is_success": None}) is None
    assert told_success({"successes": 3}) is told_success({}) is told_success(None) is None


class Odd:
    def __repr__(self):
        return "odd\n" + 100 * "x"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("False", "'False'"),
        ("", "''"),
        (b"1", "b'1'"),
        (np.nan, "nan"),
        (-np.inf, "-inf"),
        (np.array([1.0, 0.0]), r"array\(\[1\., 0\.\]\)"),
        ([], r"\[\]"),
        (np.array([True, True]), r"array\(\[ True, +True\]\)"),
        ({}, "{}"),
        (1 + 0j, r"\(1\+0j\)"),
        (np.array([None]), r"array\(\[None\], dtype=object\)"),
        (Odd(), "odd x+"),
        ([[1], [2, 3]], r"\[\[1\], \[2, 3\]\]"),
    ],
)
def test_what_is_unclear_is_refused_by_name_and_value(value, shown):
    with pytest.raises(UnresetError, match=f"its info says succeed={shown}, which must be") as told:
        told_success({"succeed": value})
    assert "\n" not in str(told.value) and len(str(told.value)) < 250


def test_a_disagreement_is_named():
    with pytest.raises(UnresetError, match=r"disagrees .*: is_success=True, succeed=0\.0"):
        told_success({"is_success": True, "succeed": 0.0})


class Hall(gymnasium.Env):
    """A point that moves along a line, whose info says what ``told`` makes of its place."""

    def __init__(self, told):
        self.observation_space = spaces.Box(-9.0, 9.0, (1,))
        self.action_space = spaces.Box(-1.0, 1.0, (1,))
        self.told, self.number = told, 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at = np.zeros(1, np.float32)
        return self.at.copy(), {}

    def step(self, action):
        self.number += 1
        self.at = np.clip(self.at + action, -8, 8).astype(np.float32)
        return self.at.copy(), 0.0, False, False, self.told(self.at, self.number)


def hall(told, success="environment"):
    given = {"achieved": [0], "goals": [[1.0]]} if success != "environment" else {}
    return from_environment(
        lambda: Hall(told), name="hall", success=success, horizon=10, samples=2, **given
    )


def test_gym_hils_name_is_known_to_practice():
    world = World(hall(lambda at, _: {"succeed": bool(at[0] > 0.5), "success": None}))
    goal, observation = np.zeros(1, np.float32), world.reset(0)
    for action, done in ((0.4, 0), (0.4, 1), (-0.4, 0)):
        observation, _ = world.step(np.array([action], np.float32))
        assert world.scores(observation, goal, goal)[1] == done


def test_a_text_is_refused_before_practice_begins():
    with pytest.raises(UnresetError, match="hall: its info says success='False'"):
        hall(lambda *_: {"success": "False"})
    with pytest.raises(UnresetError, match="hall: its info says nothing about success"):
        hall(lambda *_: {"success": None})


def test_what_is_unclear_later_stops_practice_and_is_found_by_the_check():
    task = hall(lambda _, number: {"success": number < 5 or np.nan})
    world = World(task)
    goal, observation = np.zeros(1, np.float32), world.reset(0)
    with pytest.raises(UnresetError, match="its info says success=nan"):  # noqa: PT012
        for _ in range(9):
            observation, _ = world.step(np.zeros(1, np.float32))
            world.scores(observation, goal, goal)
    problems = [one.text for one in check(task, steps=50) if one.verdict == "problem"]
    assert any("its info says success=nan" in text for text in problems)


def test_what_nobody_asks_for_may_say_anything():
    task = hall(lambda *_: {"success": "perhaps"}, success=0.5)
    assert not [one for one in check(task, steps=50) if one.verdict == "problem"]
