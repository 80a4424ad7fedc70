"""The hand and its ball: layout, rewards by hand, a ball that cannot leave, exact restoring."""

import warnings
from importlib.util import find_spec

import gymnasium
import jax
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from unreset.errors import UnresetError
from unreset.tasks.dexterous import dexterous
from unreset.tasks.dexterous.dexterous import BALL, GOALS, INITIAL, JOINTS, PALM, SIZE, DexterousEnv

if not (find_spec("mujoco") and find_spec("gymnasium_robotics")):
    pytest.skip("needs mujoco and gymnasium-robotics", allow_module_level=True)


@pytest.fixture(scope="module")
def env():
    return DexterousEnv()


def waving(steps, seed=0):
    """Actions that are held for a while, so that the hand gets about."""
    generator = np.random.default_rng(seed)
    return np.repeat(generator.uniform(-1, 1, (steps // 10 + 1, 30)), 10, axis=0)[:steps]


def seen(palm=(0, 0, 0), ball=(0, 0, 0)):
    observation = np.zeros(SIZE, np.float32)
    observation[PALM], observation[BALL] = palm, ball
    return observation


@pytest.mark.parametrize("reward_type", ["sparse", "dense"])
def test_gymnasiums_own_checks_pass(reward_type):
    made = gymnasium.make(
        "unreset/Dexterous-v0", reward_type=reward_type, disable_env_checker=True
    ).unwrapped
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*A Box observation space m.*infinity")
        check_env(made, skip_render_check=True)


def test_every_goal_is_out_of_reach_of_success_on_the_table():
    radius = dexterous.PROTOCOL.success_radius
    assert radius == 0.1
    for goal in GOALS:
        assert goal[2] - dexterous.RADIUS > 1.5 * radius
        for start in INITIAL:
            assert not dexterous.success(seen(ball=start), goal)


def test_success_is_the_balls_distance():
    goal = np.float32([0, 0, 0.2])
    assert dexterous.success(seen(ball=(0.06, 0, 0.2799)), goal)
    assert not dexterous.success(seen(ball=(0.06, 0, 0.2801)), goal)


def test_dense_reward_by_hand():
    air, table = np.float32([0, 0, 0.3]), np.float32([0, 0, 0.035])
    # Palm 0.5 from a ball that is 0.3 below its goal and on the table: -0.5 - 0.6.
    assert dexterous.dense_reward(seen((0.5, 0, 0), (0, 0, 0)), air) == pytest.approx(-1.1)
    # In the palm, lifted, 0.2 below: -0.4 + 1. At the goal: 1 + 2.
    assert dexterous.dense_reward(seen((0, 0, 0.1), (0, 0, 0.1)), air) == pytest.approx(0.6)
    assert dexterous.dense_reward(seen((0, 0, 0.3), (0, 0, 0.3)), air) == pytest.approx(3)
    # Back on the table nothing is paid for lifting.
    assert dexterous.dense_reward(seen((0, 0, 0.235), (0, 0, 0.235)), table) == pytest.approx(-0.4)
    assert dexterous.dense_reward(seen((0, 0, 0), (0, 0, 0.035)), table) == pytest.approx(1.965)


def test_observation_layout(env):
    observation = env.reset(seed=0)[0]["observation"]
    assert observation.shape == (72,)
    assert (observation[JOINTS] == 0).all()
    assert any((observation[BALL] == start).all() for start in INITIAL)
    assert (observation[36:] == 0).all()
    before = observation
    for action in waving(30):
        before, observation = observation, env.step(action)[0]["observation"]
    np.testing.assert_array_equal(observation[JOINTS], np.float32(env.data.qpos[:30]))
    np.testing.assert_array_equal(observation[BALL], np.float32(env.data.body("Object").xpos))
    np.testing.assert_array_equal(observation[PALM], np.float32(env.data.site("S_grasp").xpos))
    np.testing.assert_allclose(  # 0.02 s lie between two observations
        (observation - before)[0:6] / 0.02, (observation + before)[36:42] / 2, atol=0.2
    )


def test_resets_draw_starts_and_goals_by_seed(env):
    def draw(seed, **options):
        observation = env.reset(seed=seed, options=options)[0]
        return np.concatenate([observation["achieved_goal"], observation["desired_goal"]])

    drawn = np.stack([draw(seed) for seed in range(60)])
    assert len(np.unique(drawn, axis=0)) == 9
    np.testing.assert_array_equal(draw(4), draw(4))
    wide = np.stack([draw(seed, start="wide") for seed in range(20)])
    assert len(np.unique(wide[:, 0])) == 20
    assert np.abs(wide[:, :2]).max() <= 0.12
    at_goal = draw(7, start="goal")
    np.testing.assert_array_equal(at_goal[:3], at_goal[3:])


def test_actions_span_each_joints_range(env):
    for sign, end in ((1, env.model.actuator_ctrlrange[:, 1]), (-1, None)):
        env.reset(seed=0)
        env.step(np.full(30, sign))
        expected = env.model.actuator_ctrlrange[:, 0] if end is None else end
        np.testing.assert_allclose(env.data.ctrl, expected, atol=1e-12)


@pytest.mark.parametrize("velocity", [(3, 0, 1), (-3, 0, 1), (0, 4, 1), (0, -4, 1), (2, 3, 9)])
def test_a_thrown_ball_stays_on_its_table_and_comes_to_rest(env, velocity):
    state = np.zeros(SIZE, np.float32)
    state[BALL], state[66:69] = (0.2, 0.2, 0.3), velocity
    env.reset(seed=0, options={"state": state})
    lift = np.zeros(30)
    lift[1] = 1  # the hand out of the way
    for _ in range(250):
        observation = env.step(lift)[0]["observation"]
        assert np.abs(observation[BALL][:2]).max() < 0.27
        assert 0.01 < observation[BALL][2] < 0.62
    assert np.abs(observation[66:69]).max() < 0.05
    assert observation[BALL][2] == pytest.approx(0.035, abs=0.003)


@pytest.mark.parametrize("reward_type", ["sparse", "dense"])
def test_a_saved_state_goes_on_bit_by_bit_in_another_environment(reward_type):
    first, second = DexterousEnv(reward_type=reward_type), DexterousEnv(reward_type=reward_type)
    first.reset(seed=1)
    state = np.zeros(SIZE)
    state[BALL] = (0, 0, 0.1)  # falling into the fingers
    first.reset(options={"state": state})
    for action in waving(40):
        first.step(action)
    second.set_state(first.get_state())
    assert second.score(GOALS[0]) == first.score(GOALS[0])
    for action in waving(60, seed=1):
        one, other = first.step(action), second.step(action)
        for name, value in one[0].items():
            np.testing.assert_array_equal(value, other[0][name])
        assert one[1:] == other[1:]


def test_an_observation_can_be_put_back(env):
    env.reset(seed=0)
    for action in waving(30):
        observation = env.step(action)[0]["observation"]
    back = env.reset(options={"state": observation})[0]["observation"]
    np.testing.assert_allclose(back, observation, atol=2e-6)


def test_jax_and_numpy_agree(env):
    env.reset(seed=0)
    for action in waving(3):
        observation = env.step(action)[0]["observation"]
        for function in (dexterous.success, dexterous.sparse_reward, dexterous.dense_reward):
            for goal in (GOALS[0], INITIAL[0]):
                expected = float(jax.jit(function)(observation, goal))
                assert float(function(observation, goal)) == pytest.approx(expected, abs=1e-5)


def test_the_task():
    task = dexterous.dexterous("dense")
    assert task.pure
    assert (task.horizon, task.goal_size, task.action_size) == (200, 3, 30)
    assert task.demonstrations is None
    offsets = np.asarray(task.seen(seen((0.1, 0, 0), (0.3, 0, 0)), GOALS[0], True))
    np.testing.assert_allclose(offsets[30:36], (2, 0, 0, -3, 0, 2), atol=1e-5)
    with pytest.raises(UnresetError, match="reward of dexterous must be one of"):
        dexterous.dexterous("shaped")


def test_pictures_show_the_goal():
    made = DexterousEnv(cameras=("fixed",), camera_size=48, render_mode="rgb_array", render_size=48)
    try:
        observation, _ = made.reset(seed=0, options={"goal": GOALS[1]})
    except UnresetError as error:
        pytest.skip(str(error))
    try:
        assert observation["fixed"].shape == (48, 48, 3)
        shown = made._picture("fixed", 48)
        elsewhere = made.set_goal(GOALS[2])
        assert (made._picture("fixed", 48) != shown).any()
        np.testing.assert_array_equal(elsewhere["fixed"], observation["fixed"])  # told, not seen
        assert made.render().shape == (48, 48, 3)
    finally:
        made.close()
