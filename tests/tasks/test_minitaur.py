"""The minitaur: leg and motor model, reward and predicate by hand; its pen, its seeds."""

import math
import subprocess
import sys
import warnings

import gymnasium
import jax
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import unreset.tasks  # noqa: F401 - registers the environment
from unreset.errors import UnresetError
from unreset.tasks.minitaur import minitaur
from unreset.tasks.minitaur.minitaur import GOALS, MinitaurEnv
from unreset.tasks.minitaur.minitaur_motor import Motors, motor_angles
from unreset.validation.check_task import check

EIGHT = np.ones(8)


@pytest.fixture(scope="module")
def env():
    pytest.importorskip("pybullet")
    made = MinitaurEnv()
    yield made
    made.close()


def random_actions(steps, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (steps, 8)).astype(np.float32)


def trot(number):
    """An action [8] that walks towards negative x: four times a second, diagonal legs together."""
    phase = 2 * math.pi * 4 * 0.01 * number + np.array([0, math.pi, math.pi, 0])
    return np.concatenate([0.6 * np.sin(phase), 0.5 - 0.3 * np.sin(phase)])


def walk(env, steps):
    for number in range(steps):
        seen, *_ = env.step(trot(number))
    return seen["observation"]


def observation(position, torques=(), velocities=()):
    array = np.zeros(30, np.float32)
    array[8 : 8 + len(velocities)] = velocities
    array[16 : 16 + len(torques)] = torques
    array[27], array[28:30] = 1, position
    return array


def test_the_leg_model_by_hand():
    np.testing.assert_allclose(motor_angles(np.zeros(8)), 5 * math.pi / 8)
    folded = motor_angles(np.array([0, 0, 0, 0, 0.5, 0.5, 0.5, -1]))
    np.testing.assert_allclose(folded[:6], math.pi / 2)
    np.testing.assert_allclose(folded[6:], math.pi * 7 / 8)
    swung = motor_angles(np.array([1, 0, 0.5, 0, 0.5, 0.5, 0.5, 0.5]))
    quarter = np.array([2, -2, 0, 0, -1, 1, 0, 0]) * math.pi / 8
    np.testing.assert_allclose(swung, math.pi / 2 + quarter)


@pytest.mark.parametrize(
    ("wanted", "velocity", "given", "observed"),
    [
        (0.1, 0.0, 0.86022, 0.82065),  # a tenth of 16 V: 8.602 A
        (1.0, 0.0, 2.21935, 2.46194),  # asked for 0.3 rad at most: 4.8 V, 25.81 A
        (0.0, 10.0, -2.02833, -1.64129),  # -3.2 V, less 0.954 V induced: 22.33 A
        (0.0, -100.0, 3.5, 5.7),  # full width; 25.54 V and 137 A, beyond both tables
        (0.0, 0.0, 0.0, 0.0),
    ],
)
def test_the_motor_by_hand(wanted, velocity, given, observed):
    applied, seen = Motors().torques(2 * EIGHT + wanted, 2 * EIGHT, velocity * EIGHT)
    np.testing.assert_allclose(applied, given * EIGHT, atol=1e-5)
    np.testing.assert_allclose(seen, observed * EIGHT, atol=1e-5)


def test_battery_and_damping_change_the_torque():
    applied, observed = Motors(15.0, 0.01).torques(0.1 * EIGHT, 0 * EIGHT, EIGHT)
    # Width 0.08: 1.2 V, less 0.1054 V.
    np.testing.assert_allclose(applied, (1.2 - 0.1054) / 1.86 * EIGHT)
    np.testing.assert_allclose(observed, 1.2 * 0.0954 / 0.186 * EIGHT)


def test_a_motor_that_is_hot_for_more_than_a_second_stays_off():
    motors = Motors()
    hot = np.array([-100.0, *[0.0] * 7])
    for _ in range(500):
        applied, _ = motors.torques(0 * EIGHT, 0 * EIGHT, hot)
    assert applied[0] == 3.5
    applied, _ = motors.torques(0 * EIGHT, 0 * EIGHT, hot)
    assert applied[0] == 0
    applied, observed = motors.torques(0.1 * EIGHT, 0 * EIGHT, 0 * EIGHT)
    assert applied[0] == 0 < applied[1]
    assert observed[0] > 0
    motors = Motors()
    for number in range(1200):  # a pause in time lets it cool
        motors.torques(0 * EIGHT, 0 * EIGHT, hot * (number % 500 != 0))
    assert motors.enabled.all()


def test_goals_are_the_benchmarks():
    assert len({tuple(goal) for goal in GOALS.tolist()}) == len(GOALS) == 12
    np.testing.assert_allclose(np.unique(GOALS[:, 0]), [-0.4, -0.2, 0.2, 0.4])
    np.testing.assert_allclose(np.unique(GOALS[:, 1]), [0.0, 0.2, 0.4], atol=0)
    task = minitaur.minitaur()
    np.testing.assert_array_equal(task.initial_goals, [[0, 0]])
    assert (task.horizon, task.train_reset_every, task.goal_change_every) == (1000, 100_000, 2000)
    with pytest.raises(UnresetError, match="reward of minitaur must be one of"):
        minitaur.minitaur(reward="shaped")


def test_the_reward_by_hand():
    # Three decimetres along each axis; 1 * 10 - 2 * 20 = -30 W for 2 ms, at 0.005 a joule.
    seen = observation((0.1, -0.1), torques=(1, 2), velocities=(10, -20))
    goal = np.float32([0.4, 0.2])
    assert minitaur.dense_reward(seen, goal) == pytest.approx(-1.2 - 0.0003, abs=1e-6)
    assert float(jax.jit(minitaur.dense_reward)(seen, goal)) == pytest.approx(-1.2003, abs=1e-6)
    assert minitaur.minitaur().reward is minitaur.dense_reward


def test_success_is_within_a_decimetre_of_the_goal():
    goal = np.float32([-0.4, 0.2])
    for way, expected in (((0.0999, 0), True), ((0.06, -0.0799), True), ((0.071, 0.071), False)):
        seen = observation(goal + way)
        assert bool(minitaur.success(seen, goal)) is expected
        assert bool(jax.jit(minitaur.success)(seen, goal)) is expected
        assert minitaur.sparse_reward(seen, goal) == float(expected)


def test_offsets_by_hand():
    seen = observation((0.1, 0.2), torques=(5, 0), velocities=(10, 0))
    offsets = np.asarray(minitaur.minitaur().seen(seen, np.float32([0.3, -0.2]), relative=True))
    expected = np.zeros(30)
    expected[[8, 16, 27, 28, 29]] = 1, 1, 1, 1, -2
    np.testing.assert_allclose(offsets, expected, atol=1e-6)


def test_gymnasiums_own_checks_pass(env):
    made = gymnasium.make(
        "unreset/Minitaur-v0",
        render_mode="rgb_array",
        render_size=32,
        cameras=("above",),
        camera_size=16,
        disable_env_checker=True,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*A Box observation space m.*infinity")
        check_env(made.unwrapped, skip_render_check=False)
    made.close()


def test_a_reset_stands_in_the_middle_with_motors_at_a_right_angle(env):
    seen, _ = env.reset(seed=0)
    found = seen["observation"]
    np.testing.assert_allclose(found[:8], math.pi / 2, atol=0.15)
    np.testing.assert_allclose(found[28:30], 0, atol=0.01)
    np.testing.assert_allclose(found[24:28], [0, 0, 0, 1], atol=0.02)
    assert any((seen["desired_goal"] == goal).all() for goal in GOALS)
    np.testing.assert_array_equal(seen["achieved_goal"], found[28:30])
    for _ in range(30):
        seen, reward, *_ = env.step([0, 0, 0, 0, 0.5, 0.5, 0.5, 0.5])
    np.testing.assert_allclose(seen["observation"][28:30], 0, atol=0.02)
    assert reward == pytest.approx(-2 * np.abs(seen["desired_goal"]).sum(), abs=0.1)


def test_each_reset_draws_another_robot(env):
    def drawn(seed):
        env.reset(seed=seed)
        links = (-1, *(env._links[f"{part}_front_leftL_link"] for part in ("lower_leg", "motor")))
        info = [env._scene("getDynamicsInfo", env._robot, link) for link in links]
        masses = [row[0] / nominal for row, nominal in zip(info, (3, 0.05, 0.25), strict=True)]
        return [*masses, info[1][1], env._motors.voltage, env._motors.viscous_damping]

    rows = np.array([drawn(seed) for seed in range(12)])
    low, high = (
        np.array([0.8, 0.8, 0.8, 0.8, 14.8, 0.0]),
        np.array([1.2, 1.2, 1.2, 1.5, 16.8, 0.01]),
    )
    assert (rows >= low).all() and (rows <= high).all()
    assert (np.ptp(rows, axis=0) > 0.5 * (high - low)).all()
    np.testing.assert_array_equal(drawn(5), rows[5])


def test_a_seed_decides_everything_also_beside_another_environment(env):
    actions = random_actions(40)
    for seed in (3, 4):
        alone = [env.reset(seed=seed)[0]["observation"]]
        alone += [env.step(action)[0]["observation"] for action in actions]
        one, two = MinitaurEnv(), MinitaurEnv()
        beside = [one.reset(seed=seed)[0]["observation"]]
        two.reset(seed=9)
        for number, action in enumerate(actions):
            beside.append(one.step(action)[0]["observation"])
            two.step(trot(number))
        np.testing.assert_array_equal(alone, beside)
        one.close()
        two.close()


def test_the_pen_is_three_metres_wide_and_a_closed_one_keeps_the_robot_in(env):
    closed = MinitaurEnv(closed=True)
    for made, gap in ((env, 0.25), (closed, 0.0)):
        made.reset(seed=0)
        count = made._scene("getNumBodies")
        boxes = np.array([made._scene("getAABB", body) for body in range(count)])
        walls = boxes[np.isclose(boxes[:, 1, 2], gap + 0.5, atol=0.01)]
        assert len(walls) == 12
        np.testing.assert_allclose(walls[:, 0, 2], gap, atol=0.01)
        nearest = np.where(walls[:, 0, :2] > 0, walls[:, 0, :2], -walls[:, 1, :2]).max(axis=1)
        np.testing.assert_allclose(nearest, 1.5, atol=0.01)
        walked = walk(made, 400)
        assert abs(walked[29]) < 1.5
        assert (walked[28] < -1.7) if gap else (-1.5 < walked[28] < -1.0)
    closed.close()


@pytest.mark.slow
def test_no_state_can_be_saved(env):
    assert not hasattr(env, "get_state") and not hasattr(env, "set_state")
    found = {finding.what: finding for finding in check(minitaur.minitaur(), steps=20)}
    assert found["save"].verdict == "warning"
    assert "begins with a counted reset" in found["save"].text
    with pytest.raises(ValueError, match="cannot be put into a state"):
        env.reset(options={"state": np.zeros(30)})
    with pytest.raises(ValueError, match=r"start must be one of \['initial'\]"):
        env.reset(options={"start": "goal"})


def test_pictures_show_the_goal(env):
    env.reset(seed=0, options={"goal": GOALS[0]})
    for camera in env.camera_names:
        before = env._picture(camera, 64)
        env.set_goal(GOALS[-1])
        after = env._picture(camera, 64)
        env.set_goal(GOALS[0])
        assert before.shape == (64, 64, 3) and before.dtype == np.uint8
        assert (before != after).any()
        np.testing.assert_array_equal(before, env._picture(camera, 64))


def test_nothing_is_printed(env):
    code = "from unreset.tasks.minitaur.minitaur import MinitaurEnv; MinitaurEnv().reset(seed=0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert "build time" not in done.stderr
