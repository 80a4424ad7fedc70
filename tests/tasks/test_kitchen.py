"""EARL's kitchen on MuJoCo: layout, noise, rewards, the hand's reach, exact restoring."""

import warnings
from importlib.util import find_spec

import gymnasium
import jax
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from unreset import registry
from unreset.errors import UnresetError
from unreset.tasks import extras
from unreset.tasks.kitchen import kitchen, kitchen_task
from unreset.tasks.kitchen.kitchen import GOALS, INITIAL, KitchenEnv

if not (find_spec("mujoco") and find_spec("gymnasium_robotics")):
    pytest.skip("needs mujoco and gymnasium-robotics", allow_module_level=True)

CLOSED = np.zeros(23, np.float32)


@pytest.fixture(scope="module")
def env():
    return KitchenEnv()


def wandering(steps, seed=0):
    """Actions that go somewhere: into the furniture, mostly."""
    generator = np.random.default_rng(seed)
    drift = np.repeat(generator.uniform(-1, 1, (steps // 10 + 1, 9)), 10, axis=0)[:steps]
    drift[:, 1] += 0.5
    return np.clip(drift, -1, 1).astype(np.float32)


@pytest.mark.parametrize("reward_type", ["dense", "sparse"])
def test_gymnasiums_own_checks_pass(reward_type):
    made = gymnasium.make(
        "unreset/Kitchen-v0", reward_type=reward_type, disable_env_checker=True
    ).unwrapped
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*A Box observation space m.*infinity")
        check_env(made, skip_render_check=True)


def test_the_model_is_the_benchmarks(env):
    model = env.model
    assert (model.nq, model.nv, model.nu, model.nmocap) == (23, 23, 2, 1)
    assert model.opt.timestep == 0.002
    names = [model.body(number).name for number in range(model.nbody)]
    assert not any("kettle" in name for name in names)
    joints = [model.joint(number).name for number in range(model.njnt)]
    assert joints[0] == "robot:panda0_joint1"
    assert [joints[i] for i in (9, 17, 18, 19, 20, 21, 22)] == [
        "knob_Joint_1",
        "light_switch",
        "light_joint",
        "slide_cabinet",
        "left_hinge_cabinet",
        "right_hinge_cabinet",
        "microwave",
    ]
    weld = model.equality("hand_weld").id
    np.testing.assert_allclose(model.eq_solref[weld], (0.02, 1))
    np.testing.assert_allclose(model.eq_solimp[weld][:3], (0.4, 0.85, 0.1))
    assert model.actuator_gainprm[:, 0].tolist() == [500, 500]
    assert model.actuator_ctrlrange.tolist() == [[0, 0.04], [0, 0.04]]


def test_goal_and_initial_rows():
    assert GOALS.shape == (1, 23)
    assert INITIAL.shape == (6, 23)
    np.testing.assert_allclose(GOALS[0, [0, 8, 9, 20, 21, 22]], (
        -0.41336, 0.00792, -5.1586e-4, -9.22298e-4, 7.22934e-3, 6.96505e-3
    ))  # fmt: skip
    np.testing.assert_allclose(INITIAL[0, [17, 18, 19, 20, 21, 22]], (0, 0, 0, 0, 1.45, -0.7))
    np.testing.assert_allclose(INITIAL[3, [17, 18, 19, 20, 21, 22]], (-0.69, -0.05, 0.37, 0, 0, 0))
    np.testing.assert_allclose(INITIAL[5, [17, 18, 19, 20, 21, 22]], (0, 0, 0.37, 0, 1.45, 0))


def test_resets_draw_all_six_pairs_and_put_them_there(env):
    seen = [env.reset(seed=seed)[0]["observation"] for seed in range(40)]
    nearest = [np.abs(one[9:] - INITIAL[:, 9:]).max(axis=1) for one in seen]
    assert {int(error.argmin()) for error in nearest} == set(range(6))
    assert max(error.min() for error in nearest) < 0.015  # noise is up to 0.01
    robot = np.abs([one[:9] - INITIAL[0, :9] for one in seen])
    assert robot.max() < 0.012
    np.testing.assert_array_equal(env.data.mocap_pos[0], (-0.44, 0.1, 2.226))


@pytest.mark.parametrize(("tasks", "places"), [("light", {17: -0.69}), ("slide+hinge", {21: 1.45})])
def test_tasks_can_be_chosen(tasks, places):
    made = KitchenEnv(tasks=tasks)
    for seed in range(5):
        seen = made.reset(seed=seed)[0]["observation"]
        for number, position in places.items():
            assert seen[number] == pytest.approx(position, abs=0.015)
        assert abs(seen[22]) < 0.015


def test_noise_has_the_benchmarks_amplitudes(env):
    amplitudes = np.array([0.01] * 9 + [5e-4] * 2 + [5e-5] * 6 + [5e-4] * 3 + [0.01] * 3)
    env.reset(seed=0)
    noise = []
    for _ in range(60):
        seen = env.step(np.zeros(9))[0]["observation"]
        noise.append(seen - env.data.qpos)
    largest = np.abs(noise).max(axis=0)
    assert (largest <= amplitudes + 1e-6).all()
    assert (largest >= 0.85 * amplitudes).all()


def test_success_is_one_norm_over_the_objects():
    seen = CLOSED.copy()
    seen[:9] = 2.0  # the robot does not count
    seen[19], seen[22] = 0.18, -0.2399
    assert kitchen.success(seen, CLOSED)
    assert kitchen.sparse_reward(seen, CLOSED) == 1
    seen[22] = -0.2401
    assert not kitchen.success(seen, CLOSED)
    assert kitchen.sparse_reward(seen, CLOSED) == 0


def test_dense_reward_by_hand():
    hand, handles = np.zeros(3), np.zeros((8, 3))
    handles[:, 0] = (1, 2, 3, 4, 5, 6, 7, 8)
    assert kitchen.dense_reward(CLOSED, CLOSED, hand, handles) == pytest.approx(8)
    seen = CLOSED.copy()
    seen[22] = -0.7  # the microwave alone, 8 m away: -7 + 7 - 4
    assert kitchen.dense_reward(seen, CLOSED, hand, handles) == pytest.approx(-4, abs=1e-5)
    seen[19] = 0.24  # the slide comes first, 6 m away: -7.4 + 6 - 3
    assert kitchen.dense_reward(seen, CLOSED, hand, handles) == pytest.approx(-4.4, abs=1e-5)
    seen = CLOSED.copy()
    seen[17], seen[18] = 0.012, 0.015  # 0.0192 < 0.02, for two numbers: finished
    assert kitchen.dense_reward(seen, CLOSED, hand, handles) == pytest.approx(7.808, abs=1e-3)
    seen[17], seen[18], seen[19] = 0, 0, 0.0192  # not for one number: -0.192 + 7 - 3
    assert kitchen.dense_reward(seen, CLOSED, hand, handles) == pytest.approx(3.808, abs=1e-3)


def test_dense_reward_reads_the_live_scene():
    made = KitchenEnv(tasks="slide")
    made.reset(seed=0)
    made._seen = np.float32(made.data.qpos)  # without noise
    # Handle of the sliding door at (0.262, 0.607, 2.6), hand at (-0.44, 0.1, 2.226): 0.943 m.
    reward, success = made.score(CLOSED)
    assert reward == pytest.approx(-3.7 + 7 - 0.5 * 0.943, abs=0.02)
    assert not success
    before = made.score(CLOSED)[0]
    made.data.mocap_pos[0, 0] += 0.1  # towards the handle
    assert made.score(CLOSED)[0] > before


def test_jax_and_numpy_agree(env):
    env.reset(seed=0)
    for action in wandering(5):
        seen = env.step(action)[0]["observation"]
        for function in (kitchen.success, kitchen.sparse_reward, kitchen.objects_reward):
            expected = jax.jit(function)(seen, GOALS[0])
            assert float(function(seen, GOALS[0])) == pytest.approx(float(expected), abs=1e-4)


def test_the_hand_moves_two_centimetres_a_step_inside_its_box(env):
    env.reset(seed=0)
    env.step([1, -0.5, 0.25, 0, 0, 0, 0, 0, 0])
    np.testing.assert_allclose(env.data.mocap_pos[0], (-0.42, 0.09, 2.231), atol=1e-6)
    env.data.mocap_pos[0] = (0.395, 0.49, 2.59)
    env.step(np.ones(9))
    np.testing.assert_allclose(env.data.mocap_pos[0], (0.4, 0.5, 2.6))
    env.data.mocap_pos[0] = (-0.695, -0.09, 1.81)
    env.step(-np.ones(9))
    np.testing.assert_allclose(env.data.mocap_pos[0], (-0.7, -0.1, 1.8))


def test_the_arm_follows_its_hand(env):
    env.reset(seed=0)
    for _ in range(15):
        env.step([1, 0, 0.5, 0, 0, 0, 0, 0, 0])
    for _ in range(10):
        env.step(np.zeros(9))
    apart = env.data.body("panda0_link7").xpos - env.data.mocap_pos[0]
    assert np.abs(apart).max() < 0.05


def test_six_numbers_of_an_action_do_nothing(env):
    def run(rest):
        env.reset(seed=5)
        return [env.step([*action[:3], *rest])[0]["observation"] for action in wandering(12)]

    np.testing.assert_array_equal(run([0] * 6), run([1, -1, 1, -1, 1, -1]))


def test_fingers_get_what_two_arm_joints_are_told(env):
    seen = env.reset(seed=0)[0]["observation"]
    env.step([1, 1, 0, 0, 0, 0, 0, 0, 0])
    expected = np.clip(seen[:2] + 0.16, 0, 0.04)
    np.testing.assert_allclose(env.data.ctrl, expected)
    assert expected[1] == 0  # joint 2 is always far below zero: that finger is always told to shut


@pytest.mark.parametrize("reward_type", ["dense", "sparse"])
def test_a_saved_state_goes_on_bit_by_bit_in_another_environment(reward_type):
    first, second = KitchenEnv(reward_type), KitchenEnv(reward_type)
    first.reset(seed=1)
    for action in wandering(25):
        first.step(action)
    state = first.get_state()
    seen = second.set_state(state)
    assert second.score(GOALS[0]) == first.score(GOALS[0])
    np.testing.assert_array_equal(seen["observation"], state["seen"])
    for action in wandering(40, seed=1):
        one, other = first.step(action), second.step(action)
        for name, value in one[0].items():
            np.testing.assert_array_equal(value, other[0][name])
        assert one[1:] == other[1:]


def test_a_remembered_reset_is_a_first_one(env):
    def run(made):
        made.reset(seed=3)
        return [made.step(action)[0]["observation"] for action in wandering(30, seed=2)]

    env.reset(seed=3)
    np.testing.assert_array_equal(run(env), run(KitchenEnv()))


def test_an_observation_can_be_put_back(env):
    env.reset(seed=0)
    for action in wandering(30):
        seen = env.step(action)[0]["observation"]
    hand = env.data.mocap_pos[0].copy()
    env.reset(options={"state": seen})
    np.testing.assert_array_equal(np.float32(env.data.qpos), seen)
    assert np.abs(env.data.mocap_pos[0] - hand).max() < 0.06  # the joints' noise, 0.01 rad each
    assert (env.data.qvel == 0).all()


@pytest.mark.parametrize("start", ["initial", "goal"])
def test_the_arm_rests_where_the_benchmark_saw_it(env, start):
    """The benchmark's goal row is an observation after its reset: its arm is that but for noise."""
    env.reset(seed=0, options={"start": start})
    assert np.abs(env.data.qpos[:9] - GOALS[0, :9]).max() < 0.01
    np.testing.assert_allclose(env.data.qpos[:9], kitchen.SETTLED_ROBOT, atol=6e-4)


@pytest.mark.parametrize("start", ["initial", "goal"])
def test_an_observation_of_a_reset_is_put_back_as_the_reset_left_it(env, start):
    for seed in range(3):
        seen = env.reset(seed=seed, options={"start": start})[0]["observation"]
        state = env.get_state()["mujoco"]
        for action in wandering(10):
            env.step(action)
        env.reset(options={"state": seen})
        np.testing.assert_array_equal(env.get_state()["mujoco"], state)
        np.testing.assert_array_equal(env.data.mocap_pos[0], (-0.44, 0.1, 2.226))


def test_a_start_at_the_goal_is_a_success(env):
    for seed in range(5):
        _, info = env.reset(seed=seed, options={"start": "goal"})
        assert info == {"is_success": True}


def test_missing_models_are_named(monkeypatch):
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    with pytest.raises(UnresetError, match=r"pip install 'unreset\[kitchen\]'"):
        extras.folder("gymnasium_robotics", "kitchen")
    assert kitchen_task.kitchen().observation_size == 23  # the task itself needs no simulator


@pytest.mark.parametrize(
    "tasks",
    ["kettle", "light+light", "light+slide+hinge", "", 3, "light,", "light,light", "slide,kettle"],
)
def test_unknown_tasks_are_refused(tasks):
    with pytest.raises(ValueError, match="tasks must be 'all_pairs', one of"):
        KitchenEnv(tasks=tasks)
    with pytest.raises(UnresetError, match="tasks must be"):
        kitchen_task.kitchen(tasks=tasks)


def test_the_task(env):
    task = kitchen_task.kitchen()
    assert (task.horizon, task.train_reset_every, task.goal_change_every) == (400, 100_000, 800)
    assert not task.pure
    assert kitchen_task.kitchen("sparse").pure
    np.testing.assert_array_equal(task.initial_goals, INITIAL)
    assert kitchen_task.kitchen(tasks="light").initial_goals[0, 17] == np.float32(-0.69)
    made = task.environment()
    seen, _ = made.reset(seed=0)
    assert task.score(made, seen["observation"], INITIAL[2]) == made.unwrapped.score(INITIAL[2])
    offsets = task.seen(seen["observation"], GOALS[0], True)
    assert np.abs(offsets).max() < 4
    with pytest.raises(UnresetError, match="reward of kitchen must be one of"):
        kitchen_task.kitchen("shaped")


def test_pictures():
    made = KitchenEnv(
        cameras=("overview", "wrist"), camera_size=32, render_mode="rgb_array", render_size=32
    )
    try:
        seen, _ = made.reset(seed=0)
    except UnresetError as error:
        pytest.skip(str(error))
    try:
        for name in ("overview", "wrist"):
            assert seen[name].shape == (32, 32, 3)
            assert seen[name].std() > 10
        after = made.step([1, 1, 1, 0, 0, 0, 0, 0, 0])[0]
        assert (after["wrist"] != seen["wrist"]).any()
        assert made.render().shape == (32, 32, 3)
    finally:
        made.close()


# Single-life RL's new combination.


def test_before_the_life_one_of_two_doors_stands_open_and_in_it_both():
    before, life = registry.task("kitchen_alone"), registry.task("kitchen_together")
    assert (before.name, life.name) == ("kitchen_alone", "kitchen_together")
    assert before.horizon == life.horizon == 400
    np.testing.assert_allclose(before.initial_goals[:, [21, 22]], [(0, -0.7), (1.45, 0)])
    np.testing.assert_allclose(life.initial_goals[:, [21, 22]], [(1.45, -0.7)])
    found = {}
    for task in (before, life):
        env, found[task.name] = task.environment(), set()
        for seed in range(12):
            seen = env.reset(seed=seed)[0]["observation"]
            found[task.name].add((bool(seen[21] > 1.0), bool(seen[22] < -0.5)))
            assert not task.success(seen, task.goals[0])
        env.close()
    assert found == {
        "kitchen_alone": {(True, False), (False, True)},
        "kitchen_together": {(True, True)},
    }


def test_closing_one_of_both_doors_is_no_success_in_the_life():
    task = registry.task("kitchen_together", reward="sparse")
    for objects, done in (({}, True), ({21: 1.45}, False), ({22: -0.7}, False)):
        seen = np.array(GOALS[0])
        for number, position in objects.items():
            seen[number] = position
        assert bool(task.success(seen, task.goals[0])) is done
        assert float(task.reward(seen, task.goals[0])) == done


def test_what_is_shown_for_the_life_is_one_door_at_a_time():
    shown = registry.task("kitchen_together", reward="sparse").demonstrations()
    doors = {
        (bool(one.observations[0][21] > 1), bool(one.observations[0][22] < -0.5)) for one in shown
    }
    assert doors == {(True, False), (False, True)}
    assert all(kitchen.success(one.observations[-1], one.goal) for one in shown)
