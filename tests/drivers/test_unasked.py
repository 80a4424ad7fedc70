"""Resets that nobody asked for are told from numbers that jump for reasons of their own."""

import dataclasses
import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

import toy
from unreset import from_environment
from unreset.drivers.world import World
from unreset.errors import Failure
from unreset.validation.check_task import check

TASK = dataclasses.replace(
    toy.point(), step=None, environment=lambda render_mode=None: toy.PointEnv()
)


class Told(gymnasium.Env):
    """Shows the rows of a table, one after the other, with what ``info`` says at row 30."""

    def __init__(self, rows, info=None, data=None):
        self.rows, self.info = np.asarray(rows, np.float32), info or {}
        if data is not None:
            self.data = data
        self.observation_space = spaces.Box(-np.inf, np.inf, self.rows.shape[1:], np.float32)
        self.action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        self.at = 0
        return self.rows[0], {}

    def step(self, action):
        self.at += 1
        return self.rows[self.at], 0.0, False, False, self.info if self.at == 30 else {}


def shown(rows, begin=None, known=None, **arguments):
    """All rows as practice sees them; ``begin`` are the observations after resets."""
    size = np.shape(rows)[1]
    task = dataclasses.replace(
        TASK,
        observation_size=size,
        beginnings=None if begin is None else np.asarray(begin, np.float32),
        state=lambda observation: observation,
        offsets=None,
        **(known or {}),
    )
    world = World(task, Told(rows, **arguments))
    world.reset(0)
    for _ in rows[1:]:
        world.step(np.zeros(1, np.float32))
    return world


def steady(steps=40, size=3, speed=0.01):
    """Numbers that move away from 0 together, each at a pace of its own."""
    return np.arange(steps)[:, None] * speed * np.arange(1, size + 1)


def angle(steps=400):
    """An angle that turns, beside a position that comes and goes: it wraps to where it began."""
    turned = np.arange(steps) * 0.1
    return np.stack([(turned % (2 * np.pi)) - np.pi, np.sin(turned / 3)], axis=1)


def switching(steps=200):
    """A hand that is carried about, and two flags at once now and then."""
    number = np.arange(steps)
    flag = (number // 30) % 2
    return np.stack([0.1 * np.sin(number / 20), 0.1 * np.cos(number / 20), flag, flag], axis=1)


ORDINARY = {
    "angle": (angle(), [[-np.pi, -0.5], [-np.pi + 0.2, 1.5]]),
    "angle alone": (angle()[:, :1], [[-np.pi], [-np.pi + 0.2]]),
    "grip flag": (switching(), [[-0.2, -0.2, 0, 0], [0.2, 0.2, 0, 0]]),
    "contact bit": (np.hstack([steady() % 0.2, switching(40)[:, 2:3]]), [[0] * 4, [1, 1, 1, 0]]),
    "constant": (np.ones((40, 2)), [[1, 1], [1, 1]]),
    # It runs against the wall at which it began: speeds end at once.
    "wall": (np.array([[0, 0], *[[20 - n, -1] for n in range(20)], [0, 0], [0, 0]]), [[0, 0]]),
}  # fmt: skip


@pytest.mark.parametrize("name", ORDINARY)
def test_an_ordinary_number_does_not_stop_practice(name):
    rows, begin = ORDINARY[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shown(rows, begin)


def test_what_is_weak_is_warned_of_once_and_a_setting_says_i_know():
    rows, begin = ORDINARY["angle alone"]
    with pytest.warns(UserWarning, match="may have reset itself") as caught:
        world = shown(rows, begin)
    assert len(caught) == 1 and "1 of 1 numbers jumped" in world._unasked.suspected
    assert "watch_resets=False" in str(caught[0].message)
    assert shown(rows, begin, {"watch_resets": False})._unasked.suspected is None  # and no warning


class Corner(gymnasium.Env):
    """A point of ``size`` numbers that begins in a corner of its box, and cannot leave the box."""

    def __init__(self, size, period=None):
        self.period = period
        self.observation_space = spaces.Box(-1.0, 1.0, (size,), np.float32)
        self.action_space = spaces.Box(-1.0, 1.0, (size,), np.float32)

    def reset(self, *, seed=None, options=None):
        self.at, self.steps = -np.ones(self.action_space.shape, np.float32), 0
        return self.at.copy(), {}

    def step(self, action):
        self.steps += 1
        self.at = np.clip(self.at + np.float32(0.1) * action, -1, 1).astype(np.float32)
        if self.period and self.steps % self.period == 0:
            self.at[:] = -1
        return self.at.copy(), 0.0, False, False, {}


def pushed(actions, size, period=None):
    task = from_environment(
        lambda: Corner(size, period), name="corner", success=done, horizon=50, samples=2
    )
    world = World(task)
    world.reset(0)
    for action in actions:
        world.step(np.full(size, action, np.float32))


@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize("gentle", [0.0, 0.01])
def test_one_great_action_that_leads_back_to_the_only_start_is_no_reset(size, gentle):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pushed([0.01, *[gentle] * 30, -1.0, *[0.5] * 30], size)


@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize("period", [7, 10, 15])
def test_short_episodes_that_are_reset_in_silence_are_caught(size, period):
    with pytest.raises(Failure, match=f"{size} of {size} numbers jumped to where practice begins"):
        pushed([0.5] * (2 * period), size, period)
    pushed([0.5] * (2 * period - 1), size, period)


def returning(size=3):
    rows = steady(size=size)
    rows[30:] = rows[:10]
    return rows


@pytest.mark.parametrize("begin", [None, [[-0.001, -0.001, -0.001], [0.001, 0.001, 0.001]]])
def test_all_of_the_observation_back_at_a_start_is_a_reset(begin):
    with pytest.raises(Failure, match=r"reset itself.*3 of 3 numbers jumped.*watch_resets=F"):
        shown(returning(), begin)
    shown(returning(), begin, {"watch_resets": False})


def test_a_start_of_many_is_recognised_though_some_numbers_stay():
    rows = np.hstack([returning(), np.full((40, 2), 7.0)])
    with pytest.raises(Failure, match="3 of 3 numbers jumped"):
        shown(rows, [[-0.1, -0.1, -0.1, 7, 7], [0.1, 0.1, 0.1, 7, 7]])


@pytest.mark.parametrize("key", ["final_obs", "final_observation", "terminal_observation"])
def test_an_info_that_tells_of_a_reset(key):
    with pytest.raises(Failure, match=f"has reset itself.*its info has '{key}'"):
        shown(steady(), info={key: np.zeros(3)})
    shown(steady(), info={key: None})


@pytest.mark.parametrize("key", ["final_obstacle_distance", "final_observed", "is_final_obs"])
def test_an_info_of_another_thing(key):
    shown(steady(), info={key: 0.3})


class Odd:
    """What an environment may keep under ``data``."""

    def __init__(self, time):
        self.time = time


@pytest.mark.parametrize("time", ["12:00", lambda: 1.0, None, np.zeros(3), -1.0])
def test_a_time_that_is_not_mujocos(time):
    shown(steady(), data=Odd(time))


def test_mujoco_that_goes_back_in_time_has_reset_itself():
    mujoco = pytest.importorskip("mujoco")
    model = mujoco.MjModel.from_xml_string("<mujoco><worldbody/></mujoco>")
    data = mujoco.MjData(model)
    environment = Told(steady(), data=data)
    world = World(dataclasses.replace(TASK, observation_size=3, offsets=None, state=np.ravel))
    world.environment = environment
    for times in ([0.0, 0.1, 0.2], [0.0, 0.1, 0.05]):
        data.time = times[0]
        world.reset(0)
        data.time = times[1]
        world.step(np.zeros(1))
        data.time = times[2]
        if times[2] > times[1]:
            world.step(np.zeros(1))
            continue
        with pytest.raises(Failure, match=r"MuJoCo's time went back from 0.1 to 0.05 s"):
            world.step(np.zeros(1))


class Restarting(gymnasium.Wrapper):
    """Resets the environment every ``period`` steps, and tells nobody."""

    def __init__(self, env, period=60):
        super().__init__(env)
        self.period, self.number = period, 0

    def step(self, action):
        result = self.env.step(action)
        self.number += 1
        if self.number % self.period == 0:
            return self.env.reset()[0], *result[1:]
        return result


def done(observation):
    return observation[0] > 1e6


@pytest.mark.parametrize("name", ["HalfCheetah-v5", "Reacher-v5", "FetchReach-v4"])
def test_a_real_environment_that_resets_itself_is_caught(name):
    pytest.importorskip("gymnasium_robotics" if "Fetch" in name else "mujoco")
    options = {} if "Fetch" in name else {"success": done}
    task = from_environment(
        lambda: Restarting(gymnasium.make(name, disable_env_checker=True)),
        name=name, samples=5, horizon=50, **options,
    )  # fmt: skip
    found = check(task, steps=100)
    assert [(f.what, f.verdict) for f in found] == [("environment", "problem")]
    assert "has reset itself" in found[0].text and "MuJoCo's time" in found[0].text


def test_a_real_environment_without_a_clock_is_caught_too():
    task = from_environment(
        lambda: Restarting(gymnasium.make("MountainCarContinuous-v0")),
        name="car", samples=20, success=lambda o: o[0] > 0.45,
    )  # fmt: skip
    actions = np.repeat(np.random.default_rng(0).uniform(-1, 1, (13, 1)), 8, axis=0)

    def practise(task):
        world = World(task)
        world.reset(0)
        for action in actions:
            world.step(action)

    with pytest.raises(Failure, match="2 of 2 numbers jumped to where practice begins"):
        practise(task)
    practise(dataclasses.replace(task, watch_resets=False))


def test_gymnasiums_own_wrapper_that_resets():
    """Autoreset tells of an end before it resets: that is a counted reset, and none of its own."""
    task = from_environment(
        lambda: gymnasium.wrappers.Autoreset(
            gymnasium.wrappers.TimeLimit(gymnasium.make("MountainCarContinuous-v0").unwrapped, 30)
        ),
        name="car", samples=5, success=lambda o: o[0] > 0.45, time_limit=True,
    )  # fmt: skip
    world = World(task)
    ends = []
    world.reset(0)
    for _ in range(100):
        ends.append(world.step(np.zeros(1))[1].any())
        if ends[-1]:
            world.reset(None)
    assert np.flatnonzero(ends).tolist() == [29, 59, 89]
