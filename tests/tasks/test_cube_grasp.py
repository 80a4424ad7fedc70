"""The robot's cube task: its predicates by hand, its starts, its fence, and exact resumption."""

import warnings

import gymnasium
import jax
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import unreset.tasks  # noqa: F401 - registers the environment
from unreset.core.types import Task
from unreset.errors import UnresetError
from unreset.tasks.cube import cube_grasp, cube_grasp_task
from unreset.tasks.cube.cube_grasp import GOALS, PLACES, CubeGraspEnv
from unreset.tasks.cube.cube_grasp_model import REACH

LIFTED, PLACE = GOALS[0], PLACES[0]


def seen(hand, cube):
    """An observation at rest with an open hand."""
    return np.array([*hand, 0.1, *cube, *[0.0] * 7], np.float32)


def make(**arguments):
    try:
        return CubeGraspEnv(**arguments)
    except UnresetError as error:  # an optional package is missing
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def env():
    made = make()
    yield made
    made.close()


def random_actions(steps, seed=0):
    generator = np.random.default_rng(seed)
    return generator.uniform(-1, 1, (steps, 4)).astype(np.float32) - np.float32([0, 0, 0.3, 0])


def test_the_task_needs_no_simulator():
    task = cube_grasp_task.cube_grasp()
    assert isinstance(task, Task)
    assert (task.goal_size, task.horizon, task.train_reset_every) == (3, 100, 100_000)
    assert task.pure
    assert PLACES.shape == (15, 3)
    assert (np.abs(PLACES[:, :2]) <= REACH).all()
    assert (PLACES[:, 2] == np.float32(0.025)).all()
    with pytest.raises(UnresetError, match="reward of cube_grasp must be one of"):
        cube_grasp_task.cube_grasp(reward="shaped")


@pytest.mark.parametrize(
    ("hand", "cube", "goal", "expected"),
    [
        ((0, 0, 0.15), (0, 0, 0.15), LIFTED, True),
        ((0, 0.03, 0.19), (0, 0.03, 0.19), LIFTED, True),  # exactly 5 cm away
        ((0, 0.03, 0.2), (0, 0.03, 0.2), LIFTED, False),
        ((0, 0, 0.189), (0, 0, 0.15), LIFTED, True),  # 3.9 cm from the cube
        ((0, 0, 0.191), (0, 0, 0.15), LIFTED, False),  # nobody holds it
        ((0, 0, 0.15), (0, 0, 0.025), LIFTED, False),
        ((-0.12, -0.18, 0.106), (-0.12, -0.18, 0.025), PLACE, True),
        ((-0.12, -0.18, 0.104), (-0.12, -0.18, 0.025), PLACE, False),  # still at the cube
        ((0, 0, 0.2), (-0.08, -0.151, 0.025), PLACE, True),  # 4.9 cm away
        ((0, 0, 0.2), (-0.08, -0.149, 0.025), PLACE, False),  # 5.1 cm away
        ((0, 0, 0.2), (-0.12, -0.18, 0.036), PLACE, False),  # above the table, by 1.1 cm
    ],
)
def test_one_predicate_serves_both_directions(hand, cube, goal, expected):
    observation = seen(hand, cube)
    assert bool(cube_grasp.success(observation, goal)) is expected
    assert cube_grasp.sparse_reward(observation, goal) == float(expected)
    assert bool(jax.jit(cube_grasp.success)(observation, goal)) is expected


def test_the_dense_reward_by_hand():
    # The cube lies 12.5 cm under its goal, the hand 10 cm over the cube.
    lying = cube_grasp.dense_reward(seen((0, 0, 0.125), (0, 0, 0.025)), LIFTED)
    assert lying == pytest.approx(-0.125 - 0.5 * 0.1, abs=1e-6)
    held = cube_grasp.dense_reward(seen((0, 0, 0.12), (0, 0, 0.12)), LIFTED)
    assert held == pytest.approx(1 - 0.03, abs=1e-6)
    # At its place the hand's distance no longer counts against it.
    placed = cube_grasp.dense_reward(seen((0, 0, 0.3), (-0.12, -0.14, 0.025)), PLACE)
    assert placed == pytest.approx(1 - 0.04, abs=1e-6)
    inside = jax.jit(cube_grasp.dense_reward)(seen((0, 0, 0.125), (0, 0, 0.025)), LIFTED)
    assert float(inside) == pytest.approx(float(lying), abs=1e-6)


def test_offsets_by_hand():
    observation = np.arange(14, dtype=np.float32)
    goal = np.float32([1, 2, 3])
    task = cube_grasp_task.cube_grasp()
    offsets = np.asarray(task.seen(observation, goal, relative=True))
    hand_to_cube, cube_to_goal = [40, 40, 40], [-30, -30, -30]
    expected = [*hand_to_cube, *cube_to_goal, 30, 60, *range(7, 14)]
    np.testing.assert_allclose(offsets, expected)


def test_gymnasiums_own_checks_pass(env):
    made = gymnasium.make("unreset/CubeGrasp-v0", disable_env_checker=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*A Box observation space m.*infinity")
        check_env(made.unwrapped, skip_render_check=True)
    made.close()


def test_initial_starts_lie_in_the_middle_and_wide_ones_around_it(env):
    for start in ("initial", "wide"):
        rows = [env.reset(seed=seed, options={"start": start})[0] for seed in range(40)]
        observations = np.stack([row["observation"] for row in rows])
        hand, cube = observations[:, 0:3], observations[:, 4:7]
        np.testing.assert_allclose(cube[:, 2], 0.025, atol=1e-6)
        np.testing.assert_allclose(observations[:, 3], 0.1, atol=1e-6)
        np.testing.assert_array_equal(observations[:, 7:], 0)
        assert (np.linalg.norm(hand - cube, axis=1) > 0.1).all()
        reach = np.abs(cube[:, :2])
        if start == "initial":
            assert 0.07 < reach.max() <= 0.08
        else:
            assert (reach.max(axis=1) > 0.08).all()
            assert (reach <= REACH + 1e-6).all()
            assert (reach.max(axis=0) > 0.9 * REACH).all()


def test_a_goal_start_achieves_its_goal_in_either_direction(env):
    for goal in (LIFTED, PLACE, PLACES[-1]):
        observation, info = env.reset(options={"start": "goal", "goal": goal})
        assert info["is_success"]
        np.testing.assert_allclose(observation["achieved_goal"], goal, atol=0.01)


def test_a_closing_hand_holds_the_cube_and_an_opening_one_drops_it(env):
    env.reset(seed=0, options={"start": "goal"})
    for _ in range(50):
        _, reward, _, _, info = env.step([0, 0, 0, -1])
    assert reward == 1
    assert info["is_success"]
    for _ in range(15):
        observation, reward, *_ = env.step([0, 0, 0, 1])
    assert reward == 0
    assert observation["observation"][6] == pytest.approx(0.025, abs=1e-3)
    assert observation["observation"][3] == pytest.approx(0.1, abs=1e-3)


def test_a_step_moves_the_hand_by_no_more_than_five_centimetres(env):
    before = env.reset(seed=1)[0]["observation"]
    after = env.step([1, 0, 0, 0])[0]["observation"]
    way = after[:3] - before[:3]
    assert 0.02 < way[0] <= 0.05
    assert np.abs(way[1:]).max() < 0.005
    assert after[7] > 0.3  # metres a second
    hand = [env.step([1, -1, -1, 0])[0]["observation"][:3] for _ in range(20)][-1]
    np.testing.assert_allclose(hand, [0.17, -0.23, 0.02], atol=0.002)


def test_the_fence_keeps_the_cube_within_reach(env):
    observation, _ = env.reset(seed=0, options={"start": "wide"})
    generator = np.random.default_rng(0)
    furthest = np.zeros(3)
    for number in range(1500):
        hand, cube = observation["observation"][0:3], observation["observation"][4:7]
        if number % 10 == 0:  # now towards the cube, now anywhere
            push = generator.uniform(-1, 1, 4)
            if number % 20 == 0:
                push[:3] = np.clip((cube - hand) / 0.05, -1, 1)
        observation = env.step(push)[0]
        furthest = np.maximum(furthest, np.abs(observation["observation"][4:7]))
    assert (furthest[:2] > 0.1).any()  # it was moved
    assert (furthest[:2] <= REACH + 0.02).all()


def test_a_seed_decides_everything_also_in_another_environment(env):
    other = CubeGraspEnv()
    for start in ("initial", "wide"):
        for made in (env, other):
            made.reset(seed=7, options={"start": start})
        for action in random_actions(40):
            one, two = (made.step(action)[0] for made in (env, other))
            for name, array in one.items():
                np.testing.assert_array_equal(array, two[name])
    assert (env.reset(seed=8)[0]["observation"] != other.reset(seed=9)[0]["observation"]).any()
    other.close()


def test_a_saved_environment_goes_on_bit_for_bit_in_another(env):
    env.reset(seed=3)
    actions = random_actions(160)
    for action in actions[:80]:
        env.step(action)
    state = {name: array.copy() for name, array in env.get_state().items()}
    went = [env.step(action)[0]["observation"] for action in actions[80:]]
    went.append(env.reset()[0]["observation"])
    other = CubeGraspEnv()
    back = other.set_state(state)
    np.testing.assert_array_equal(back["desired_goal"], state["goal"])
    again = [other.step(action)[0]["observation"] for action in actions[80:]]
    again.append(other.reset()[0]["observation"])
    np.testing.assert_array_equal(went, again)
    other.close()


def test_starting_from_an_observation(env):
    wanted = np.zeros(14, np.float32)
    wanted[:7] = [0.1, -0.05, 0.1, 0.04, -0.1, 0.15, 0.025]
    found = env.reset(options={"state": wanted})[0]["observation"]
    np.testing.assert_allclose(found, wanted, atol=0.003)
    wanted[:7] = [0.05, 0.05, 0.2, 0.05, 0.05, 0.05, 0.2]  # held
    found = env.reset(options={"state": wanted})[0]["observation"]
    np.testing.assert_allclose(found[:7], wanted[:7], atol=0.01)
    wanted[4] = 0.5
    with pytest.raises(ValueError, match="state puts the cube at"):
        env.reset(options={"state": wanted})


def test_pictures_show_the_cube():
    made = make(cameras=("wrist", "third_person"), camera_size=84)
    try:
        observation, _ = made.reset(seed=0)
    except UnresetError as error:
        pytest.skip(str(error))
    moved = made.reset(options={"start": "goal"})[0]
    for camera in made.cameras:
        picture = observation[camera].astype(int)
        assert picture.shape == (84, 84, 3)
        red = (picture[..., 0] > 80) & (picture[..., 1] < 60)
        assert 10 < red.sum() < 2000
        assert (observation[camera] != moved[camera]).any()
    with pytest.raises(ValueError, match="unknown cameras"):
        CubeGraspEnv(cameras=("above",))
    made.close()
