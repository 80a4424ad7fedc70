"""The tabletop behind Gymnasium's interface."""

import subprocess
import sys
import warnings

import gymnasium
import jax
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env

import unreset.tasks  # noqa: F401 - registers the environment
from unreset.tasks.tabletop import tabletop
from unreset.tasks.tabletop.tabletop_env import TabletopEnv

GRASPED = (2.3, 0.1, 2.5, 0.0, 0.0, 0.0)


@pytest.fixture
def env():
    made = TabletopEnv()
    made.reset(seed=0)
    return made


def random_actions(steps, seed=0):
    """Wandering that grips most of the time, so that the mug is moved about."""
    generator = np.random.default_rng(seed)
    drift = np.repeat(generator.uniform(-1, 1, (steps // 10 + 1, 3)), 10, axis=0)[:steps]
    noise = generator.normal(0, 0.3, (steps, 3))
    return np.clip(drift + noise + [0, 0, 0.4], -1, 1).astype(np.float32)


@pytest.mark.parametrize("reward_type", ["sparse", "dense"])
def test_gymnasiums_own_checks_pass_without_a_warning(reward_type):
    made = gymnasium.make(
        "unreset/Tabletop-v0",
        reward_type=reward_type,
        render_mode="rgb_array",
        render_size=48,
        disable_env_checker=True,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*A Box observation space m.*infinity")
        check_env(made.unwrapped, skip_render_check=False)
    assert made.spec.max_episode_steps is None


def test_registering_is_cheap():
    code = "import sys, unreset.tasks; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_reset_is_the_benchmarks_initial_state(env):
    seen, info = env.reset()
    np.testing.assert_array_equal(seen["observation"], tabletop.INITIAL[0])
    np.testing.assert_array_equal(seen["achieved_goal"], tabletop.INITIAL[0])
    assert any((seen["desired_goal"] == goal).all() for goal in tabletop.GOALS)
    assert info == {"is_success": False}


def test_all_four_goals_are_drawn_and_a_seed_decides_which(env):
    def draws(seed):
        first = env.reset(seed=seed)[0]["desired_goal"]
        return np.stack([first, *(env.reset()[0]["desired_goal"] for _ in range(40))])

    np.testing.assert_array_equal(draws(1), draws(1))
    assert (draws(1) != draws(2)).any()
    assert len(np.unique(draws(3), axis=0)) == 4


def test_a_seed_decides_a_wide_start(env):
    def start(seed):
        return env.reset(seed=seed, options={"start": "wide"})[0]["observation"]

    np.testing.assert_array_equal(start(1), start(1))
    assert (start(1)[:4] != start(2)[:4]).all()
    for seed in range(20):
        seen = start(seed)
        assert env.observation_space["observation"].contains(seen)
        assert np.linalg.norm(seen[:2] - seen[2:4]) >= 1.0
    assert (start(1)[:4] != env.reset(options={"start": "wide"})[0]["observation"][:4]).all()


def test_state_and_goal_can_be_given(env):
    goal = (0.5, 0.5, 1.0, 1.0, -1, -1)
    seen, _ = env.reset(options={"state": GRASPED, "goal": goal})
    np.testing.assert_array_equal(seen["observation"], np.float32(GRASPED))
    np.testing.assert_array_equal(seen["achieved_goal"], np.float32([*GRASPED[:4], -1, -1]))
    np.testing.assert_array_equal(seen["desired_goal"], np.float32(goal))
    assert env.reset(options={"state": goal, "goal": goal})[1] == {"is_success": True}


def test_every_observation_can_be_put_back(env):
    env.reset(options={"state": GRASPED})
    for action in random_actions(300):
        seen = env.step(action)[0]
        assert env.observation_space.contains(seen)
        back = env.reset(options={"state": seen["observation"]})[0]
        np.testing.assert_array_equal(back["observation"], seen["observation"])


@pytest.mark.parametrize("reward_type", ["sparse", "dense"])
def test_it_is_the_task_in_jax(reward_type):
    env = TabletopEnv(reward_type=reward_type)
    seen, _ = env.reset(seed=0, options={"state": GRASPED})
    goal = seen["desired_goal"]
    step, observe = jax.jit(tabletop.step), jax.jit(tabletop.observe)
    reward_of = {"sparse": tabletop.sparse_reward, "dense": tabletop.dense_reward}[reward_type]
    reward_of, succeeds = jax.jit(reward_of), jax.jit(tabletop.success)
    now = tabletop.from_observation(np.float32(GRASPED))
    was_held = set()
    for action in random_actions(400):
        now = step(now, action)
        seen, reward, terminated, truncated, info = env.step(action)
        expected = np.asarray(observe(now))
        was_held.add(bool(now.held))
        np.testing.assert_allclose(seen["observation"], expected, atol=1e-6)
        np.testing.assert_array_equal(seen["observation"][4:], expected[4:])
        assert reward == pytest.approx(float(reward_of(expected, goal)), abs=1e-5)
        assert info == {"is_success": bool(succeeds(expected, goal))}
        assert not terminated
        assert not truncated
    assert was_held == {True, False}


def test_success_neither_ends_nor_resets_anything(env):
    env.reset(options={"state": tabletop.GOALS[0], "goal": tabletop.GOALS[0]})
    for _ in range(3):
        _, reward, terminated, truncated, info = env.step(np.zeros(3, np.float32))
        assert (reward, terminated, truncated) == (1.0, False, False)
        assert info["is_success"] is True


def test_there_is_a_time_limit_only_where_one_asks_for_it():
    made = gymnasium.make("unreset/Tabletop-v0", max_episode_steps=5)
    made.reset(seed=0)
    ends = [made.step(np.zeros(3, np.float32))[2:4] for _ in range(5)]
    assert ends == [(False, False)] * 4 + [(False, True)]


@pytest.mark.parametrize("reward_type", ["sparse", "dense"])
def test_recomputed_rewards_are_the_rewards_of_the_steps(reward_type):
    env = TabletopEnv(reward_type=reward_type)
    env.reset(seed=0, options={"state": (0, -0.1, 0.2, -1.7, -1, -1), "goal": tabletop.GOALS[3]})
    steps = [env.step(action) for action in random_actions(200)]
    achieved = np.stack([seen["achieved_goal"] for seen, *_ in steps])
    desired = np.stack([seen["desired_goal"] for seen, *_ in steps])
    rewards = np.array([reward for _, reward, *_ in steps], np.float32)
    for index in range(0, 200, 50):
        alone = env.compute_reward(achieved[index], desired[index], {})
        assert isinstance(alone, float)
        assert alone == rewards[index]
    batch = env.compute_reward(achieved, desired, {})
    assert batch.shape == (200,)
    assert batch.dtype == np.float32
    np.testing.assert_allclose(batch, rewards, atol=1e-5)
    folded = env.compute_reward(achieved.reshape(20, 10, 6), desired.reshape(20, 10, 6))
    np.testing.assert_allclose(folded, rewards.reshape(20, 10), atol=1e-5)
    hindsight = env.compute_reward(achieved, achieved, {})
    assert (hindsight == 1).all() if reward_type == "sparse" else (hindsight > batch - 1e-5).all()


def test_a_new_goal_leaves_the_scene_alone(env):
    env.reset(options={"state": GRASPED, "goal": tabletop.GOALS[0]})
    seen = env.set_goal(tabletop.INITIAL[0])
    np.testing.assert_array_equal(seen["observation"], np.float32(GRASPED))
    np.testing.assert_array_equal(seen["desired_goal"], tabletop.INITIAL[0])
    seen, reward, *_ = env.step(np.array([0, 0, 1], np.float32))
    np.testing.assert_array_equal(seen["desired_goal"], tabletop.INITIAL[0])
    assert reward == 0
    here = np.array([*GRASPED[:4], -1, -1])
    env.set_goal(here)
    assert env.step(np.array([0, 0, 1], np.float32))[1] == 1


def test_what_is_returned_belongs_to_the_caller(env):
    goal = tabletop.GOALS[1].copy()
    seen, _ = env.reset(options={"state": GRASPED, "goal": goal})
    goal[:] = 9
    for array in seen.values():
        array[:] = 9
    seen = env.step(np.array([0, 0, 1], np.float32))[0]
    np.testing.assert_array_equal(seen["observation"], np.float32(GRASPED))
    np.testing.assert_array_equal(seen["desired_goal"], tabletop.GOALS[1])
    assert np.abs(tabletop.GOALS).max() == 2.5


def test_pictures():
    env = TabletopEnv(render_mode="rgb_array", render_size=40)
    env.reset(seed=0)
    before = env.render()
    assert before.shape == (40, 40, 3)
    assert before.dtype == np.uint8
    env.step(np.array([1, 1, -1], np.float32))
    assert (env.render() != before).any()
    assert env.metadata["render_fps"] == 20


def test_no_picture_without_a_render_mode(env):
    with pytest.warns(UserWarning, match="render_mode"):
        assert env.render() is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sate": GRASPED}, r"unknown reset options \['sate'\].*'state', 'goal', 'start'"),
        ({"start": "nowhere"}, "start must be one of"),
        ({"start": "wide", "state": GRASPED}, "exclude each other"),
        ({"state": (0, 0, 2.5, 0)}, r"state must have shape \(6,\), not \(4,\)"),
        ({"state": "home"}, "state must be 6 numbers, not 'home'"),
        ({"state": (0, np.nan, 2.5, 0, -1, -1)}, "state must be finite"),
        ({"state": (0, 0, 2.9, 0, -1, -1)}, r"state puts .* must lie in \[-2.8, 2.8\]"),
        ({"state": (0, 0, 2.5, 0, 1, 1)}, r"state ends in \[1.0, 1.0\]; it must be"),
        ({"state": (0, 0, 2.5, 0, 0, 0)}, "held .* but it is 2.500 from the gripper"),
        ({"goal": (0, 0, 2.5)}, r"goal must have shape \(6,\), not \(3,\)"),
        ({"goal": (0, 0, np.inf, 0, -1, -1)}, "goal must be finite"),
        ({"goal": (0, -3, 2.5, 0, -1, -1)}, r"goal puts .* must lie in \[-2.8, 2.8\]"),
        ({"goal": (0, 0, 2.5, 0, 0, 0)}, r"goal ends in \[0.0, 0.0\]; it must be"),
    ],
)
def test_a_bad_option_is_refused_and_changes_nothing(env, options, message):
    before = env.step(np.array([1, 0, -1], np.float32))[0]
    with pytest.raises(ValueError, match=message):
        env.reset(seed=5, options=options)
    after = env.set_goal(before["desired_goal"])
    for name, array in before.items():
        np.testing.assert_array_equal(after[name], array)


@pytest.mark.parametrize(
    ("action", "message"),
    [
        ([0, 0], r"action must have shape \(3,\), not \(2,\)"),
        ([[0, 0, 0]], r"action must have shape \(3,\), not \(1, 3\)"),
        ([0, np.nan, 0], "action must be finite"),
        ("left", "action must be 3 numbers, not 'left'"),
    ],
)
def test_a_bad_action_is_refused(env, action, message):
    with pytest.raises(ValueError, match=message):
        env.step(action)


def test_a_bad_goal_is_refused(env):
    with pytest.raises(ValueError, match=r"goal must have shape \(6,\)"):
        env.set_goal([1, 2])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"reward_type": "shaped"}, r"reward_type must be one of \['sparse', 'dense'\]"),
        ({"render_mode": "human"}, "render_mode must be None or 'rgb_array', not 'human'"),
        ({"render_size": 0}, "render_size must be a number of pixels, not 0"),
    ],
)
def test_a_bad_argument_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        TabletopEnv(**arguments)


def test_nothing_works_before_the_first_reset():
    env = TabletopEnv(render_mode="rgb_array")
    for use in (lambda: env.step(np.zeros(3)), env.render, lambda: env.set_goal(tabletop.GOALS[0])):
        with pytest.raises(ResetNeeded):
            use()
