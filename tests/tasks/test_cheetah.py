"""The half-cheetahs: rewards by hand, Gymnasium's physics, hurdles, backs, the way, resumption."""

import math
import warnings
from importlib.util import find_spec

import gymnasium
import jax
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import unreset.tasks  # noqa: F401 - registers the environments
from unreset import registry
from unreset.errors import UnresetError
from unreset.tasks.cheetah import cheetah, cheetah_model, cheetah_velocity
from unreset.tasks.cheetah.cheetah import CheetahEnv
from unreset.tasks.cheetah.cheetah_velocity import CheetahVelocityEnv, stuck

# Not by importing it: mujoco's first import decides how it draws, and is the environment's.
pytestmark = pytest.mark.skipif(find_spec("mujoco") is None, reason="needs the extra cheetah")

MAKES = {
    "velocity": CheetahVelocityEnv,
    "free": CheetahEnv,
    "hurdles": lambda **arguments: CheetahEnv(hurdles=True, **arguments),
}


@pytest.fixture(scope="module")
def envs():
    made = {name: make() for name, make in MAKES.items()}
    yield made
    for env in made.values():
        env.close()


def actions(steps, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (steps, 6)).astype(np.float32)


def seen_at(speed=0.0, pitch=0.0):
    seen = np.zeros(18, np.float32)
    seen[[0, 2]] = speed, pitch
    return seen


def follow(env, given):
    """Observations and rewards [steps, 19] of some actions."""
    return np.array([[*seen["observation"], paid] for seen, paid, *_ in map(env.step, given)])


# What both share.


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cheetah_velocity", (2000, 3_000_500, 500)),
        ("cheetah", (500, 200_000, 1000)),
        ("cheetah_hurdles", (500, 200_000, 1000)),
    ],
)
def test_the_tasks_have_the_papers_numbers(name, expected):
    task = registry.task(name)
    assert task.name == name
    assert (task.observation_size, task.action_size, task.goal_size) == (18, 6, 1)
    assert (task.horizon, task.train_reset_every, task.goal_change_every) == expected
    assert task.initial_goals.shape == (0, 1)
    assert not task.pure and not task.sparse
    assert (task.stuck is None) == (name != "cheetah_velocity")


def test_the_goals_are_six_speeds_and_one_way():
    np.testing.assert_array_equal(cheetah_velocity.GOALS, [[3], [4], [5], [6], [7], [8]])
    np.testing.assert_array_equal(cheetah.GOALS, [[300]])
    drawn = {
        float(env.reset(seed=seed)[0]["desired_goal"][0])
        for env in [CheetahVelocityEnv()]
        for seed in range(40)
    }
    assert drawn == {3.0, 4.0, 5.0, 6.0, 7.0, 8.0}


def test_the_physics_is_gymnasiums(envs):
    """Where nothing is edited, Gymnasium's own cheetah does the same, and pays the same speed."""
    env, other = envs["velocity"], gymnasium.make("HalfCheetah-v5").unwrapped
    env.reset(seed=3)
    other.reset(seed=0)
    other.set_state(env.data.qpos.copy(), env.data.qvel.copy())
    for action in actions(60):
        seen = env.step(action)[0]["observation"]
        theirs, _, _, _, info = other.step(action)
        np.testing.assert_allclose(seen[1:], theirs, atol=1e-4)
        assert seen[0] == pytest.approx(info["x_velocity"], abs=1e-4)
    other.close()


@pytest.mark.parametrize("name", MAKES)
def test_resets_are_noisy_as_gymnasiums(envs, name):
    env = envs[name]
    states = []
    for seed in range(100):
        env.reset(seed=seed)
        states.append([*env.data.qpos, *env.data.qvel])
    states = np.array(states)
    assert 0.095 < np.abs(states[:, :9]).max() <= 0.1
    assert states[:, 9:].std() == pytest.approx(0.1, abs=0.01)
    assert np.abs(states[:, 9:]).max() > 0.25


@pytest.mark.parametrize("name", MAKES)
def test_a_seed_decides_everything_and_nothing_else_does(envs, name):
    used = envs[name]
    used.reset(seed=9)
    follow(used, actions(20, seed=4))
    fresh = MAKES[name]()
    runs = []
    for env in (used, fresh):
        first = env.reset(seed=2)[0]["observation"]
        second = env.reset()[0]["observation"]
        runs.append(np.vstack([np.c_[[first, second], [0, 0]], follow(env, actions(40))]))
    np.testing.assert_array_equal(*runs)
    assert (used.reset(seed=3)[0]["observation"] != runs[0][0, :18]).any()


@pytest.mark.parametrize("name", MAKES)
def test_a_new_environment_goes_on_exactly(envs, name):
    env = envs[name]
    env.reset(seed=1)
    given = actions(120, seed=7)
    follow(env, given[:30])
    saved = {key: np.array(value) for key, value in env.get_state().items()}
    before = env.score(env._goal)

    def rest(one):
        rows = follow(one, given[30:])
        return np.vstack([rows, [*one.reset()[0]["observation"], 0.0]])

    first = rest(env)
    other = MAKES[name]()
    other.reset(seed=77)
    seen = other.set_state(saved)
    np.testing.assert_array_equal(seen["observation"], saved["seen"])
    assert other.score(other._goal) == before  # of the last action, and the way since the start
    np.testing.assert_array_equal(rest(other), first)


@pytest.mark.parametrize("name", MAKES)
def test_an_observation_can_be_put_back(envs, name):
    env = envs[name]
    env.reset(seed=0)
    seen = follow(env, actions(30))[-1][:18].astype(np.float32)
    again = env.reset(options={"state": seen})[0]
    np.testing.assert_allclose(again["observation"], seen, atol=1e-6)
    assert env.data.qpos[0] == 0.0
    assert not env.score(env._goal)[1]


@pytest.mark.parametrize("name", ["unreset/Cheetah-v0", "unreset/CheetahVelocity-v0"])
def test_gymnasiums_own_checks_pass(name):
    made = gymnasium.make(name, render_mode="rgb_array", render_size=32, disable_env_checker=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", ".*infinity")  # angles and velocities have no bounds
        check_env(made.unwrapped, skip_render_check=True)
    made.close()


def test_without_mujoco_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "mujoco", None)
    for name in ("cheetah", "cheetah_velocity"):
        with pytest.raises(UnresetError, match=r"unreset\[cheetah\]"):
            registry.task(name).environment()


# Running at a given speed.


@pytest.mark.parametrize(
    ("speed", "goal", "action", "expected"),
    [
        (5.0, 5.0, 0.0, 1.0),  # exactly, and without effort
        (5.0, 5.0, 1.0, 0.95),  # with all of it: |a|^2 = 6
        (3.0, 7.0, 0.5, 0.475 + 0.0375),  # half of 8 lacking; |a|^2 = 1.5
        (-1.0, 8.0, 1.0, -0.11875),  # farther off than 8
    ],
)
def test_the_reward_by_hand(speed, goal, action, expected):
    given = seen_at(speed), np.float32([goal]), np.full(6, action)
    assert float(cheetah_velocity.reward(*given)) == pytest.approx(expected, abs=1e-6)
    assert float(jax.jit(cheetah_velocity.reward)(*given)) == pytest.approx(expected, abs=1e-6)


def test_the_environment_pays_for_its_own_last_action_and_speed(envs):
    env = envs["velocity"]
    env.reset(seed=0, options={"goal": [4.0]})
    x = float(env.data.qpos[0])
    action = np.array([2.0, 0.5, -0.5, 0, 0, -1], np.float32)  # the first is clipped to 1
    _, paid, *_ = env.step(action)
    speed = (float(env.data.qpos[0]) - x) / 0.05
    expected = 0.95 * (8 - abs(speed - 4.0)) / 8 + 0.05 * (6 - 2.5) / 6
    assert paid == pytest.approx(expected, abs=1e-5)
    task = registry.task("cheetah_velocity")
    other = task.score(env, env._current(), np.float32([8.0]))[0]
    assert other == pytest.approx(expected - 0.95 * 4.0 / 8, abs=1e-5)


@pytest.mark.parametrize(
    ("speed", "expected"), [(4.51, True), (5.49, True), (4.49, False), (-5, False)]
)
def test_success_is_within_half_a_metre_a_second(speed, expected):
    task, seen, goal = registry.task("cheetah_velocity"), seen_at(speed), np.float32([5.0])
    assert bool(task.success(seen, goal)) is expected
    assert bool(jax.jit(task.success)(seen, goal)) is expected
    assert bool(task.success(seen, task.achieved(seen)))


@pytest.mark.parametrize(
    ("degrees", "expected"),
    [
        (0, False),
        (119, False),
        (121, True),
        (-119, False),
        (-121, True),
        (180, True),
        (-180, True),
        (239, True),  # -121 when wrapped
        (241, False),
        (360, False),
        (3 * 360 + 121, True),
        (-5 * 360 - 119, False),
    ],
)
def test_on_its_back_it_is_stuck_however_often_it_has_turned(degrees, expected):
    seen = seen_at(pitch=math.radians(degrees))
    assert bool(stuck(seen)) is expected
    assert bool(jax.jit(registry.task("cheetah_velocity").stuck)(seen)) is expected


def test_a_cheetah_on_its_back_stays_there(envs):
    """With random actions; one that stands does not lie down at once."""
    env = envs["velocity"]
    on_back = seen_at(pitch=math.pi)
    on_back[1] = -0.4
    for state, expected in ((on_back, True), (seen_at(), False)):
        env.reset(seed=0, options={"state": state})
        found = [bool(stuck(row[:18])) for row in follow(env, actions(300 if expected else 30))]
        assert all(found) if expected else not any(found)


def test_networks_see_what_is_lacking():
    seen = np.arange(18, dtype=np.float32)
    seen[0] = 2.0
    both = np.asarray(registry.task("cheetah_velocity").seen(seen, np.float32([6.0]), True))
    np.testing.assert_allclose(both, [0.5, *range(1, 9), *(0.1 * np.arange(9, 18)), 1.0], rtol=1e-6)


# The way of one life.


def test_the_torso_is_short_and_the_mass_is_the_same(envs):
    mujoco, model = envs["free"].mujoco, envs["free"].model
    assert model.geom("torso").size[1] == pytest.approx(0.28)
    assert model.body("torso").pos[2] == pytest.approx(0.7)
    # Legs at the torso's ends, and the head as far before its end as it was.
    assert (model.body("bthigh").pos[0], model.body("fthigh").pos[0]) == (-0.28, 0.28)
    assert model.geom("head").pos[0] == pytest.approx(0.38)
    assert model.body_mass.sum() == pytest.approx(14.0)
    np.testing.assert_array_equal(model.actuator_gear[:, 0], [120, 90, 60, 120, 60, 30])
    assert model.opt.timestep * cheetah_model.FRAME_SKIP == pytest.approx(0.05)
    standard = cheetah_model.cheetah_model(mujoco)
    assert standard.geom("torso").size[1] == 0.5
    assert standard.body_mass.sum() == pytest.approx(14.0)


def test_the_hurdles_are_the_papers(envs):
    model = envs["hurdles"].model
    boxes = np.flatnonzero(model.geom_type == envs["hurdles"].mujoco.mjtGeom.mjGEOM_BOX)
    along = [7, 30, 40, 60, 85, 135, 160, 180, 220, 260]
    np.testing.assert_allclose(model.geom_pos[boxes], [(x, 0, 0.2) for x in along])
    heights = [0.2] * 6 + [0.21] * 2 + [0.22] * 2
    np.testing.assert_allclose(model.geom_size[boxes], [(0.05, 1, height) for height in heights])
    assert not (envs["free"].model.geom_type == 6).any()
    assert not (envs["velocity"].model.geom_type == 6).any()


def test_a_hurdle_stops_who_slides_into_it_and_not_who_flies_over(envs):
    def carried(name, up):
        env = envs[name]
        env.reset(seed=0)
        env.data.qpos[:2], env.data.qvel[:2] = (5.0, up), (5.0, 0.0)
        for _ in range(12):  # 0.6 s, and 3 m without anything in the way
            env.step(np.zeros(6))
        return float(env.data.qpos[0])

    assert carried("free", 0.0) > 7.2
    assert carried("hurdles", 0.0) < 7.1
    assert carried("hurdles", 2.0) == pytest.approx(carried("free", 2.0), abs=1e-6)
    assert carried("hurdles", 2.0) > 7.5


def test_a_step_is_paid_by_hand(envs):
    env = envs["free"]
    env.reset(seed=5)
    x = float(env.data.qpos[0])
    _, paid, *_ = env.step([1, -1, 0.5, 0, 0, 0])
    speed, pitch = (float(env.data.qpos[0]) - x) / 0.05, float(env.data.qpos[2])
    assert paid == pytest.approx(speed - 0.225 - abs(pitch), abs=1e-9)
    assert cheetah.reward(3.0, np.full(6, 0.5), -7.0) == pytest.approx(3.0 - 0.15 - 7.0)


def test_success_is_the_back_foots_way_since_the_start(envs):
    env, goal = envs["hurdles"], cheetah.GOALS[0]
    env.reset(seed=0)
    start = float(env.data.qpos[0])
    assert env.way == 0.0
    for way, expected in ((299.99, False), (300.01, True)):
        env.data.qpos[0] = start + way
        env.mujoco.mj_kinematics(env.model, env.data)
        assert env.way == pytest.approx(way)
        assert env.score(goal)[1] is expected
        np.testing.assert_allclose(env._observe()["achieved_goal"], [way], rtol=1e-6)
    saved = env.get_state()
    env.reset()
    assert not env.score(goal)[1]
    env.set_state(saved)
    assert env.score(goal)[1]


def test_an_observation_has_neither_the_way_nor_anything_new(envs):
    for name in ("free", "hurdles"):
        env = envs[name]
        seen, _ = env.reset(seed=0)
        expected = [*env.data.qpos[1:], *env.data.qvel, -1]
        np.testing.assert_allclose(seen["observation"], expected, rtol=1e-6)
    task = registry.task("cheetah_hurdles")
    for function in (task.success, task.reward):
        with pytest.raises(UnresetError, match="known only to its environment"):
            function(seen["observation"], cheetah.GOALS[0])
    assert np.asarray(task.seen(seen["observation"], cheetah.GOALS[0], True)).shape == (17,)


def test_pictures_show_the_post_only_to_people():
    env = CheetahEnv(cameras=("track",), camera_size=48, render_mode="rgb_array", render_size=48)
    try:
        env.reset(seed=0)
    except UnresetError as error:
        pytest.skip(str(error))
    env.data.qpos[0] = 298.5
    env.mujoco.mj_forward(env.model, env.data)
    shown, hidden = env.render(), env._picture("track", 48, marked=False)
    assert shown.std() > 10
    assert (shown != hidden).any()
    env.close()
