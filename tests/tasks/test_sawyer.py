"""The door and the peg: the benchmark's numbers, Meta-World's physics, exact resumption."""

import copy
import math
import subprocess
import sys
import warnings
from contextlib import nullcontext
from importlib.util import find_spec

import gymnasium
import jax
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import unreset.tasks  # noqa: F401 - registers the environments
from unreset.errors import UnresetError
from unreset.tasks.sawyer import sawyer, sawyer_door, sawyer_door_task, sawyer_peg, sawyer_peg_task
from unreset.tasks.sawyer.sawyer_door import SawyerDoorEnv
from unreset.tasks.sawyer.sawyer_experts import Lost, SawyerHand, insert_peg
from unreset.tasks.sawyer.sawyer_peg import SawyerPegEnv
from unreset.tasks.simulation.mujoco_env import MujocoEnv, weld_as_before_3

# Not by importing them: mujoco's first import decides how it draws, and is the environment's.
pytestmark = pytest.mark.skipif(
    find_spec("mujoco") is None or find_spec("metaworld") is None, reason="needs the extra sawyer"
)

CLASSES = {"door": SawyerDoorEnv, "peg": SawyerPegEnv}
FACTORIES = {"door": sawyer_door_task.sawyer_door, "peg": sawyer_peg_task.sawyer_peg}
INITIAL = {"door": sawyer_door.INITIAL, "peg": sawyer_peg.INITIAL}
OPENED, TWENTIETH = -math.pi / 3, math.pi / 20


@pytest.fixture(scope="module")
def envs():
    made = {name: kind() for name, kind in CLASSES.items()}
    yield made
    for env in made.values():
        env.close()


@pytest.fixture(scope="module")
def door(envs):
    return envs["door"]


@pytest.fixture(scope="module")
def peg(envs):
    return envs["peg"]


def wander(steps, seed=0):
    """Actions that keep a direction for ten steps and tend downwards, to touch things."""
    generator = np.random.default_rng(seed)
    drift = np.repeat(generator.uniform(-1, 1, (steps // 10 + 1, 4)), 10, axis=0)[:steps]
    actions = drift + generator.normal(0, 0.3, (steps, 4)) - [0, 0, 0.3, 0]
    return np.clip(actions, -1, 1).astype(np.float32)


def observations(env, actions):
    return np.stack([env.step(action)[0]["observation"] for action in actions])


@pytest.mark.parametrize(("name", "goals"), [("door", 1), ("peg", 15)])
def test_the_task_has_the_benchmarks_numbers(name, goals):
    task = FACTORIES[name]()
    assert (task.observation_size, task.action_size, task.goal_size) == (7, 4, 7)
    assert task.goals.shape == (1, 7)
    assert task.initial_goals.shape == (goals, 7)
    assert task.goals.dtype == task.initial_goals.dtype == np.float32
    expected = {"door": (300, 200_000, 600), "peg": (200, 100_000, 400)}[name]
    assert (task.horizon, task.train_reset_every, task.goal_change_every) == expected
    assert task.starts == (("initial", "goal") if name == "door" else ("initial", "goal", "wide"))
    assert task.pure
    assert FACTORIES[name](reward="dense").pure == (name == "door")
    with pytest.raises(UnresetError, match=f"reward of sawyer_{name} must be one of"):
        FACTORIES[name](reward="shaped")


def test_the_tasks_need_neither_simulator_nor_scenes():
    code = (
        "import sys; sys.modules['mujoco'] = sys.modules['metaworld'] = None\n"
        "from unreset.tasks.sawyer import sawyer_door_task, sawyer_peg_task\n"
        "from unreset.errors import UnresetError\n"
        "for task in (sawyer_door_task.sawyer_door(), sawyer_peg_task.sawyer_peg('dense')):\n"
        "    try: task.environment()\n"
        "    except UnresetError as error: assert 'unreset[sawyer]' in str(error)\n"
        "    else: raise SystemExit(1)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_metaworlds_code_is_not_run():
    code = (
        "import sys\n"
        "from unreset.tasks.sawyer import sawyer_door, sawyer_peg\n"
        "sawyer_door.SawyerDoorEnv().reset(), sawyer_peg.SawyerPegEnv().reset()\n"
        "sys.exit('metaworld' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", ["door", "peg"])
@pytest.mark.parametrize("reward_type", ["sparse", "dense"])
def test_gymnasiums_own_checks_pass_without_a_warning(name, reward_type):
    made = gymnasium.make(
        f"unreset/Sawyer{name.title()}-v0",
        reward_type=reward_type,
        render_mode="rgb_array",
        render_size=48,
        disable_env_checker=True,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", ".*infinity")  # objects may be anywhere
        check_env(made.unwrapped, skip_render_check=True)
    made.close()


# The door.


@pytest.mark.parametrize(
    ("angle", "handle"),
    [
        (0.0, (0.29072, 0.74286)),
        (-TWENTIETH, (0.26934, 0.68540)),
        (OPENED + TWENTIETH, (0.06819, 0.49058)),
        (OPENED, (0.01007, 0.47105)),
        (-1.4, (-0.12672, 0.46153)),
    ],
)
def test_the_handle_is_where_the_benchmark_has_it(door, angle, handle):
    door.reset()
    door._turn(angle)
    seen = door._look()[4:7]
    np.testing.assert_allclose(seen, (*handle, 0.10004), atol=2e-5)
    assert sawyer_door.angle_of(seen) == pytest.approx(angle, abs=1e-5)


def test_the_door_is_the_benchmarks_light_one(door):
    link, hinge = door.model.body("door_link"), door.model.joint("doorjoint")
    assert link.mass[0] == pytest.approx(0.1115, abs=5e-5)
    np.testing.assert_array_equal(hinge.range, (-1.4, 0.0))
    assert hinge.damping[0] == 2.0
    assert (door.model.opt.timestep, sawyer.SUBSTEPS) == (0.0025, 5)


def test_door_starts_are_the_benchmarks(door):
    angles = {"initial": [], "goal": []}
    for start, found in angles.items():
        for seed in range(30):
            seen, _ = door.reset(seed=seed, options={"start": start})
            np.testing.assert_array_equal(seen["desired_goal"], sawyer_door.GOALS[0])
            found.append(sawyer_door.angle_of(seen["observation"][4:7]))
    for start, low in (("initial", OPENED), ("goal", -TWENTIETH)):
        assert low - 1e-6 <= min(angles[start]) < low + 0.04
        assert low + TWENTIETH - 0.04 < max(angles[start]) <= low + TWENTIETH + 1e-6


@pytest.mark.parametrize(
    ("angle", "expected"), [(0.0, True), (-0.045, True), (-0.056, False), (-1.0, False)]
)
def test_a_door_is_closed_within_two_centimetres(door, angle, expected):
    door.reset()
    door._turn(angle)
    seen, goal = door._look(), sawyer_door.GOALS[0]
    assert sawyer_door.success(seen, goal) == expected
    assert bool(jax.jit(sawyer_door.success)(seen, goal)) == expected
    assert sawyer_door.sparse_reward(seen, goal) == float(expected)


@pytest.mark.parametrize(
    ("hand", "handle", "expected"),
    [
        # Hand on the handle; the handle at its tolerance and margin: .05 and |(.19072, .20714)|.
        ((0.62229, 0.74286, 0.10004), (0.62229, 0.74286, 0.10004), 3.0 + 0.6),
        # The handle at the hand's first place, so that its margin is .1; the hand at .0125 + .1.
        # The handle is |(.29072, .34286, .09996)| = .46050 from the goal: .1 ** (.41050 / .28157)^2
        ((0.1125, 0.4, 0.2), (0.0, 0.4, 0.2), 0.3 + 6 * 0.1 ** (0.41050 / 0.28157) ** 2),
        ((0.0, 0.4, 0.2), (0.29072, 0.70, 0.10004), 10.0),  # nearer than 5 cm, wherever the hand
    ],
)
def test_the_doors_dense_reward_by_hand(hand, handle, expected):
    seen, goal = np.array([*hand, 1.0, *handle], np.float32), sawyer_door.GOALS[0]
    assert float(sawyer_door.dense_reward(seen, goal)) == pytest.approx(expected, abs=2e-3)
    traced = jax.jit(sawyer_door.dense_reward)(seen, goal)
    assert float(traced) == pytest.approx(float(sawyer_door.dense_reward(seen, goal)), abs=1e-5)


# The peg.


def test_peg_starts_are_the_benchmarks(peg):
    heads = np.stack([peg.reset(seed=seed)[0]["observation"][4:7] for seed in range(40)])
    assert (np.abs(heads[:, 0]) <= 0.1).all()
    assert (np.abs(heads[:, 1] - 0.6) <= 0.1).all()
    assert heads[:, :2].std(axis=0) == pytest.approx(0.2 / math.sqrt(12), abs=0.02)
    np.testing.assert_allclose(heads[:, 2], 0.02, atol=1e-6)
    initial = sawyer_peg.INITIAL
    assert (np.abs(initial[:, 4:6] - [0.0, 0.6]) <= 0.1).all()
    asked = set()
    for seed in range(40):
        seen, info = peg.reset(seed=seed, options={"start": "goal"})
        assert (np.abs(seen["observation"][4:7] - [-0.27, 0.6, 0.13]) <= 0.02 + 1e-6).all()
        assert (initial == seen["desired_goal"]).all(axis=1).any()
        assert info == {"is_success": False}
        asked.add(tuple(seen["desired_goal"]))
    assert len(asked) > 8


def test_half_of_the_wide_starts_are_around_the_points(peg):
    points, far = np.array(sawyer_peg.WIDE), 0
    assert len(points) == 22
    for seed in range(60):
        seen, _ = peg.reset(seed=seed, options={"start": "wide"})
        np.testing.assert_array_equal(seen["desired_goal"], sawyer_peg.GOALS[0])
        head = seen["observation"][4:6]
        if (np.abs(head - [0.0, 0.6]) > 0.1).any():
            far += 1
            assert (np.abs(points - head) <= 0.02 + 1e-6).all(axis=1).any()
    assert 18 <= far <= 42


@pytest.mark.parametrize(
    ("offset", "expected"),
    [((0.049, 0, 0), True), ((0.03, 0.03, 0.026), True), ((0.03, 0.03, 0.028), False)],
)
def test_a_peg_is_inserted_within_five_centimetres(offset, expected):
    goal = sawyer_peg.GOALS[0]
    seen = goal + np.array([0.1, 0, 0, 0, *offset], np.float32)
    assert bool(sawyer_peg.success(seen, goal)) == expected
    assert bool(jax.jit(sawyer_peg.success)(seen, goal)) == expected


@pytest.mark.parametrize(
    ("height", "opening", "goal", "expected"),
    [
        (0.13, 0.81, "table", True),
        (0.11, 0.81, "table", False),  # the hand is 9 cm above it
        (0.13, 0.79, "table", False),  # and not open
        (0.13, 0.3, "hole", True),
    ],
)
def test_a_peg_is_put_down_once_the_hand_has_let_go(height, opening, goal, expected):
    goal = {"table": sawyer_peg.INITIAL, "hole": sawyer_peg.GOALS}[goal][0]
    seen = np.array([0.0, 0.6, height, opening, *goal[4:7]], np.float32)
    assert sawyer_peg.success(seen, goal)
    assert bool(sawyer_peg.put_down(seen, goal)) == expected
    assert bool(jax.jit(sawyer_peg_task.sawyer_peg("put_down").success)(seen, goal)) == expected
    assert sawyer_peg.put_down_reward(seen, goal) == expected


def test_an_environment_asks_for_the_success_of_its_reward(peg):
    other = SawyerPegEnv(reward_type="put_down")
    low = np.array([0.0, 0.6, 0.08, 1.0, *sawyer_peg.INITIAL[0][4:7]], np.float32)
    for env, expected in [(peg, True), (other, False)]:
        _, info = env.reset(options={"state": low, "goal": sawyer_peg.INITIAL[0]})
        assert info["is_success"] == expected
    other.close()


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ((0.0, 0.384, 0.02), True),
        ((0.0, 0.386, 0.02), False),
        ((0.0, 0.384, 0.06), False),  # held
        ((-0.2, 0.9, 0.02), True),  # the nearest of it is straight ahead
        ((0.3, 0.8, 0.02), False),  # its head is: (0.28, 0.8) away
        ((0.4, 0.8, 0.02), True),
    ],
)
def test_a_peg_beyond_the_hands_reach_is_stuck(head, expected):
    seen = np.array([*sawyer_peg.GOALS[0][:4], *head], np.float32)
    assert bool(sawyer_peg.stuck(seen)) == expected
    assert bool(jax.jit(sawyer_peg_task.sawyer_peg().stuck)(seen)) == expected


@pytest.mark.parametrize(("place", "reached"), [((0, 0.375), 0), ((0, 0.4), 1), ((-0.1, 0.93), 0)])
def test_the_expert_cannot_take_what_is_stuck(peg, place, reached):
    seen = peg.reset(seed=0, options={"start": "initial"})[0]["observation"]
    seen[4:6] = place
    peg.reset(options={"state": seen})
    assert bool(sawyer_peg.stuck(seen)) != reached
    hand = SawyerHand(peg, np.random.default_rng(0), peg.goals[0])
    with nullcontext() if reached else pytest.raises(Lost):
        insert_peg(hand)
    assert hand.success == reached


def test_only_the_benchmarks_unreachable_wide_starts_are_stuck(peg):
    for seed in range(10):
        for start in ("initial", "goal"):
            seen, _ = peg.reset(seed=seed, options={"start": start})
            assert not sawyer_peg.stuck(seen["observation"])
    lying = [np.array([0, 0.6, 0.2, 1, *point, 0.02], np.float32) for point in sawyer_peg.WIDE]
    assert [bool(sawyer_peg.stuck(seen)) for seen in lying].count(True) == 6


def metaworlds_peg(env):
    """Meta-World's own environment of the peg, in the state of ours."""
    from metaworld import envs  # noqa: PLC0415

    other = envs.SawyerPegInsertionSideEnvV3()
    other._freeze_rand_vec, other._set_task_called = False, True
    other.reset()
    other.model.body("box").pos = (-0.3, 0.6, 0.0)
    other.data.mocap_pos[:] = env.data.mocap_pos
    other.data.mocap_quat[:] = env.data.mocap_quat
    other.set_state(env.data.qpos.copy(), env.data.qvel.copy())
    return other


def test_the_physics_is_metaworlds_but_for_the_weld(peg):
    peg.reset(seed=3)
    other = metaworlds_peg(peg)
    other.model.eq_data[:] = peg.model.eq_data
    weld_as_before_3(other.model, "hand")
    for action in wander(60):
        peg.step(action)
        other.step(action)
        later = copy.copy(peg.data)
        peg.mujoco.mj_step(peg.model, later)  # the substep that ours still owes
        np.testing.assert_allclose(later.qpos, other.data.qpos, atol=1e-4)


@pytest.mark.parametrize("name", ["door", "peg"])
def test_hand_and_object_are_where_mujoco_2_has_them(envs, name):
    """What the benchmark's step and reset give in MuJoCo 2.2.0 (``Original`` of peg_lag.py)."""
    down, close, back = [1, 0.3, -0.8, -1], [0, 0, 0, 1], [-1, 0, 0.7, 1]
    actions = {"peg": [down] * 20 + [close] * 10 + [back] * 30, "door": [down] * 5 + [back] * 5}
    start = {"peg": (0.0, 0.68, 0.02), "door": (0.02785, 0.47595, 0.10004)}  # the door: at -1 rad
    expected = {
        "peg": {
            1: (0.00657, 0.59973, 0.19363, 1.0, 0.0, 0.68, 0.01939),
            10: (0.06105, 0.61499, 0.14499, 1.0, 0.0, 0.68, 0.01391),
            20: (0.16216, 0.64415, 0.07366, 1.0, 0.00035, 0.6801, 0.01452),
            30: (0.19789, 0.65931, 0.05367, 0.60017, 0.01858, 0.67013, 0.01462),  # taken
            60: (-0.02471, 0.65805, 0.19872, 0.29865, -0.19255, 0.66231, 0.15149),  # and lifted
        },
        "door": {
            1: (0.00612, 0.39951, 0.19428, 1.0, *start["door"]),
            5: (0.01779, 0.4013, 0.18125, 1.0, *start["door"]),
        },
    }[name]
    env = envs[name]
    env.reset(options={"state": [*INITIAL[name][0, :4], *start[name]]})
    seen = observations(env, actions[name])
    for step, numbers in expected.items():
        np.testing.assert_allclose(seen[step - 1], numbers, atol=3e-5)


def test_the_pegs_dense_reward_is_metaworlds_with_the_benchmarks_radius():
    """There and back, but for successes, which Meta-World's own radius makes wider, and for places
    where the fingertips are near the peg and the hand is not: the benchmark asks for the hand."""
    from unreset.tasks.sawyer.sawyer_experts import PEG, demonstrate  # noqa: PLC0415

    env = SawyerPegEnv(reward_type="dense")
    env.reset()
    other = metaworlds_peg(env)
    other.TARGET_RADIUS = 0.05
    rewards = []

    def compared(action):
        result = step(action)
        other.set_state(env.data.qpos.copy(), env.data.qvel.copy())
        other.obj_init_pos, other.init_tcp = env._peg_start, env._tips_start
        other.peg_head_pos_init = env._peg_start + sawyer_peg.HEAD
        other._target_pos = env._goal[4:7].astype(np.float64)
        theirs = other.compute_reward(action, other._get_obs())
        hand_near = np.linalg.norm(result[0]["observation"][:3] - env._grasp) < 0.08
        if theirs[3] > 0.07 and hand_near == (theirs[1] < 0.08):
            rewards.append(result[1])
            assert result[1] == pytest.approx(theirs[0], abs=1e-4)
        return result

    step, env.step = env.step, compared
    # One that also ends within the dense reward's own radius, which counts y and z twice.
    trajectory = demonstrate(env, PEG, number=1, seed=1)[0]
    assert trajectory.rewards[-1] == pytest.approx(10.0)
    assert len(rewards) > 100
    assert min(rewards) < 0.1
    assert max(rewards) > 3.0
    env.close()


# Both.


@pytest.mark.parametrize("name", ["door", "peg"])
def test_the_hand_rests_open_where_the_benchmark_has_it(envs, name):
    seen, info = envs[name].reset(seed=0)
    assert seen["observation"][3] == 1.0
    np.testing.assert_allclose(seen["observation"][:3], INITIAL[name][0, :3], atol=1e-6)
    np.testing.assert_array_equal(seen["observation"], seen["achieved_goal"])
    assert info == {"is_success": False}


def test_fingers_close_in_half_a_second_and_the_hand_moves_a_centimetre_a_step(peg):
    before = peg.reset(seed=0)[0]["observation"]
    closed = observations(peg, [[0, 0, 0, 1]] * 60)[-1]
    assert closed[3] == pytest.approx(0.297, abs=0.003)
    assert observations(peg, [[0, 0, 0, -1]] * 60)[-1][3] == pytest.approx(1.0, abs=0.005)
    target = peg.target.copy()
    after = observations(peg, [[-1, 0.5, 0, -1]] * 10)[-1]
    np.testing.assert_allclose(peg.target - target, (-0.1, 0.05, 0.0), atol=1e-6)
    assert after[0] < before[0] - 0.05
    for _ in range(100):
        peg.step([1, -1, 1, 0])
    np.testing.assert_allclose(peg.target, (0.5, 0.4, 0.5))


@pytest.mark.parametrize(
    ("name", "start"), [("door", "initial"), ("door", "goal"), ("peg", "goal")]
)
def test_the_settled_hand_is_what_driving_it_gives(name, start):
    """The first reset of an environment drives the hand; later ones put the result back."""
    env = CLASSES[name]()
    seen = []
    for _ in range(2):
        first = env.reset(seed=5, options={"start": start})[0]["observation"]
        seen.append(np.vstack([first, observations(env, wander(40))]))
    np.testing.assert_array_equal(seen[0], seen[1])
    env._settled.clear()
    first = env.reset(seed=5, options={"start": start})[0]["observation"]
    np.testing.assert_array_equal(seen[0][0], first)


@pytest.mark.parametrize("name", ["door", "peg"])
def test_a_seed_decides_everything_and_nothing_else_does(envs, name):
    used = envs[name]
    used.reset(seed=9)
    observations(used, wander(30, seed=4))
    fresh = CLASSES[name]()
    runs = []
    for env in (used, fresh):
        first = env.reset(seed=2)[0]["observation"]
        second = env.reset(options={"start": "goal"})[0]["observation"]
        runs.append(np.vstack([first, second, observations(env, wander(30))]))
    np.testing.assert_array_equal(*runs)
    assert (used.reset(seed=3)[0]["observation"] != runs[0][0]).any()


@pytest.mark.parametrize(("name", "start"), [("door", "goal"), ("peg", "initial")])
@pytest.mark.parametrize("reward_type", ["sparse", "dense"])
def test_a_new_environment_goes_on_exactly(name, start, reward_type):
    env = CLASSES[name](reward_type=reward_type)
    env.reset(seed=1, options={"start": start})
    if name == "peg":  # with the fingers around the peg
        env.reset(options={"state": [0.13, 0.6, 0.05, 0.45, 0.0, 0.6, 0.015]})
    actions = wander(90, seed=7)
    observations(env, actions[:10])
    saved = {key: np.array(value) for key, value in env.get_state().items()}
    contacts = 0

    def rest(one):
        nonlocal contacts
        results = []
        for action in actions[10:]:
            seen, reward, *_ = one.step(action)
            contacts += one.data.ncon
            results.append([*seen["observation"], reward])
        return np.array([*results, [*one.reset()[0]["observation"], 0.0]])

    first = rest(env)
    other = CLASSES[name](reward_type=reward_type)
    other.reset(seed=77)
    seen = other.set_state(saved)
    np.testing.assert_array_equal(seen["observation"], saved["seen"])
    np.testing.assert_array_equal(rest(other), first)
    assert contacts > 100


@pytest.mark.parametrize("name", ["door", "peg"])
def test_observations_can_be_put_back(envs, name):
    env = envs[name]
    env.reset(seed=0)
    actions = wander(120, seed=3)
    for index in range(4):
        seen = observations(env, actions[30 * index :][:30])[-1]
        assert env.observation_space["observation"].contains(seen)
        state = env.get_state()
        again = env.reset(options={"state": seen})[0]["observation"]
        np.testing.assert_allclose(again[[0, 1, 2, 4, 5, 6]], seen[[0, 1, 2, 4, 5, 6]], atol=2e-3)
        assert again[3] == pytest.approx(seen[3], abs=0.01)
        assert np.abs(env.data.qvel).max() < 1e-6
        env.set_state(state)


@pytest.mark.parametrize(
    ("name", "start"), [("door", "initial"), ("door", "goal"), ("peg", "initial"), ("peg", "goal")]
)
def test_an_observation_of_a_reset_is_put_back_as_the_reset_left_it(envs, name, start):
    """The hand's target, too: what holds the hand at home is not where the hand is."""
    env = envs[name]
    seen = env.reset(seed=6, options={"start": start})[0]["observation"]
    state, target = env.get_state(), env.target.copy()
    homes = {"door": {"initial": (0, 0.4, 0.2), "goal": (0.29, 0.74, 0.1)}}
    np.testing.assert_array_equal(target, homes.get(name, {}).get(start, (0, 0.6, 0.2)))
    env.reset(options={"start": "initial"})
    observations(env, wander(20))
    again = env.reset(options={"state": seen})[0]["observation"]
    np.testing.assert_allclose(again, seen, atol=1e-6)
    np.testing.assert_array_equal(env.target, target)
    np.testing.assert_allclose(env.get_state()["mujoco"], state["mujoco"], atol=1e-6)


def test_with_its_fingers_closed_a_hand_at_home_is_at_rest(peg):
    seen = peg.reset(seed=0)[0]["observation"]
    seen[3] = 0.5
    again = peg.reset(options={"state": seen})[0]["observation"]
    assert again[3] == pytest.approx(0.5, abs=0.01)
    assert np.abs(peg.data.qvel).max() < 1e-6
    later = observations(peg, [[0, 0, 0, peg.data.ctrl[0]]] * 20)[-1]
    np.testing.assert_allclose(later[:4], again[:4], atol=2e-3)


def test_each_step_is_seen_one_substep_before_its_end(peg):
    peg.reset(seed=0)
    substeps = []
    for _ in range(3):
        peg.step([1, 0, 0, -1])
        substeps.append(round(peg.data.time / 0.0025))
    assert substeps == [254, 259, 264]  # the reset took 250


@pytest.mark.parametrize("name", ["door", "peg"])
def test_another_goal_leaves_the_scene_alone(envs, name):
    env = envs[name]
    env.reset(seed=0)
    before = env.get_state()
    goal = env.initial_goals[0]
    seen = env.set_goal(goal)
    np.testing.assert_array_equal(seen["desired_goal"], goal)
    np.testing.assert_array_equal(env.get_state()["mujoco"], before["mujoco"])
    assert env.score(seen["observation"]) == (1.0, True)


@pytest.mark.parametrize(
    ("name", "cameras"), [("door", ("doorview", "wrist")), ("peg", ("wrist",))]
)
def test_pictures_show_the_scene_and_come_back_after_a_restore(name, cameras):
    env = CLASSES[name](cameras=cameras, camera_size=48)
    try:
        first, _ = env.reset(seed=0)
    except UnresetError as error:
        pytest.skip(str(error))
    assert env.observation_space.contains(first)
    later = [env.step(action)[0] for action in wander(20)][-1]
    for camera in cameras:
        assert first[camera].shape == (48, 48, 3)
        assert first[camera].std() > 10
        assert (first[camera] != later[camera]).any()
    state = env.get_state()
    env.reset(seed=4)
    again = env.set_state(state)
    for camera in cameras:
        np.testing.assert_array_equal(again[camera], later[camera])
    env.close()


def test_offsets_forget_nothing_that_matters():
    """The hand over the object, the object over its goal, the opening, the object's place."""
    seen = np.array([0.1, 0.2, 0.3, 0.5, 0.0, 0.4, 0.1], np.float32)
    goal = np.array([9.0, 9.0, 9.0, 9.0, 0.2, 0.3, 0.1], np.float32)
    expected = [1, -2, 2, -2, 1, 0, 1, 0, 1.6, 0.4]
    np.testing.assert_allclose(sawyer.OFFSETS @ np.append(seen, goal), expected, atol=1e-5)


def test_mujoco_draws_without_a_display_unless_told_otherwise():
    code = (
        "import os; from unreset.tasks.simulation.mujoco_env import import_mujoco\n"
        "import_mujoco('sawyer')\n"
        "print(os.environ['MUJOCO_GL'])"
    )
    for asked in ("", "disable"):
        variables = {"PATH": "", "PYTHONPATH": ":".join(sys.path)}
        variables |= {"MUJOCO_GL": asked} if asked else {}
        done = subprocess.run(
            [sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() in ([asked] if asked else ["egl", "osmesa", "disable"])
    assert issubclass(SawyerDoorEnv, MujocoEnv)
