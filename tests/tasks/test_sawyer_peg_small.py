"""PAINT's small table: its size, what falls off it, and that this is seen and for good."""

import warnings
from importlib.util import find_spec

import gymnasium
import jax
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import unreset.tasks  # noqa: F401 - registers the environments
from unreset import registry
from unreset.demos import store
from unreset.tasks.sawyer.sawyer_peg import SawyerPegEnv
from unreset.tasks.sawyer.sawyer_peg_small import SawyerPegSmallEnv, sawyer_peg_small, stuck

pytestmark = pytest.mark.skipif(
    find_spec("mujoco") is None or find_spec("metaworld") is None, reason="needs the extra sawyer"
)


@pytest.fixture(scope="module")
def env():
    made = SawyerPegSmallEnv()
    yield made
    made.close()


def wander(steps, seed=0):
    """Actions that keep a direction for ten steps and tend downwards, to touch things."""
    generator = np.random.default_rng(seed)
    drift = np.repeat(generator.uniform(-1, 1, (steps // 10 + 1, 4)), 10, axis=0)[:steps]
    return np.clip(drift - [0, 0, 0.3, 0], -1, 1).astype(np.float32)


def lying(env, x, y, steps=60):
    """What is seen a while after the peg's middle was put there, while the hand keeps away."""
    env.reset(seed=0)
    env._place(np.array([x - 0.1, y, 0.02]))
    for _ in range(steps):
        seen, *_ = env.step([0, 0, 0, -1])
    return seen["observation"]


def pushed(env, steps=30):
    """The peg near an edge, the closed hand behind it, and then a push across."""
    env.reset(seed=0, options={"state": [0.03, 0.66, 0.05, 0.3, -0.1, 0.72, 0.015]})
    return [env.step([0, 1, 0, 1])[0]["observation"] for _ in range(steps)]


def test_the_task_has_the_papers_numbers():
    task = registry.task("sawyer_peg_small")
    assert task.name == "sawyer_peg_small"
    assert (task.horizon, task.train_reset_every) == (1000, 100_000)
    assert task.starts == ("initial", "goal")
    assert task.pure and not sawyer_peg_small("dense").pure
    np.testing.assert_array_equal(task.initial_goals, registry.task("sawyer_peg").initial_goals)
    assert task.stuck is stuck


def test_the_top_and_the_block_below_it_are_the_papers(env):
    model = env.model
    boxes = np.flatnonzero(model.geom_bodyid == model.body("tablelink").id)
    boxes = [geom for geom in boxes if model.geom_type[geom] == env.mujoco.mjtGeom.mjGEOM_BOX]
    sizes = model.geom_size[boxes]
    np.testing.assert_allclose(sizes, [(0.42, 0.16, 0.027), (0.42, 0.16, 0.46)])
    np.testing.assert_allclose(model.geom_pos[boxes, 2] + sizes[:, 2], 0.0)
    assert "RetainingWall" not in [model.body(number).name for number in range(model.nbody)]


@pytest.mark.parametrize(
    ("x", "y", "fallen"),
    [
        (0.0, 0.60, False),
        (0.2, 0.70, False),  # the farthest of the starts
        (0.0, 0.77, False),  # half of it beyond the edge: it does not turn, and so it lies
        (0.0, 0.78, True),
        (0.0, 0.42, True),
        (0.53, 0.60, False),
        (0.55, 0.60, True),
    ],
)
def test_a_peg_beyond_the_edge_falls_and_this_is_seen(env, x, y, fallen):
    seen = lying(env, x, y)
    assert bool(stuck(seen)) is fallen
    assert bool(jax.jit(sawyer_peg_small().stuck)(seen)) is fallen
    assert seen[6] == pytest.approx(-0.913 + 0.015 if fallen else 0.015, abs=2e-3)


def test_a_hand_pushes_it_over_and_never_gets_it_back(env):
    seen = pushed(env)
    assert not stuck(seen[0])
    while not stuck(env.step([0, 1, 0, 1])[0]["observation"]):
        assert len(seen) < 100
    held = [env.step(action)[0]["observation"] for action in wander(300, seed=1)]
    assert all(map(stuck, held))
    assert min(one[2] for one in held) > -0.05  # the hand stays above
    assert not stuck(env.reset()[0]["observation"])
    big = SawyerPegEnv()
    after = [*pushed(big, 60)]
    assert after[-1][5] > 0.78
    assert not any(map(stuck, after))


def test_no_start_is_stuck_or_becomes_so_by_itself(env):
    for seed in range(8):
        for start in env.starts:
            env.reset(seed=seed, options={"start": start})
            for _ in range(10):
                seen, *_ = env.step([0, 0, 0, -1])
            assert not stuck(seen["observation"])
    with pytest.raises(ValueError, match="start must be one of"):
        env.reset(options={"start": "wide"})


def test_the_scripts_succeed_on_the_small_table_without_a_fall():
    task = sawyer_peg_small()
    shown = task.demonstrations()
    store.check(shown, task)
    assert [one.direction for one in shown] == [0] * 10 + [1] * 20
    for one in shown:
        assert not any(map(stuck, one.observations))
        assert task.success(one.observations[-1], one.goal)


def test_a_new_environment_goes_on_exactly_through_a_fall(env):
    pushed(env, 20)
    saved = env.get_state()
    first = [env.step([0, 1, 0, 1])[0]["observation"] for _ in range(40)]
    assert stuck(first[-1])
    other = SawyerPegSmallEnv()
    other.reset(seed=5)
    other.set_state(saved)
    again = [other.step([0, 1, 0, 1])[0]["observation"] for _ in range(40)]
    np.testing.assert_array_equal(first, again)


def test_gymnasiums_own_checks_pass():
    made = gymnasium.make("unreset/SawyerPegSmall-v0", render_mode="rgb_array", render_size=48)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", ".*infinity")  # the peg may be anywhere
        check_env(made.unwrapped, skip_render_check=True)
    made.close()
