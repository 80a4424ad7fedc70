"""The cube's scripted expert: it succeeds, and its demonstrations are demonstrations."""

from importlib.util import find_spec

import numpy as np
import pytest

from unreset.demos.store import BACKWARD, FORWARD, check
from unreset.tasks.cube import cube_grasp, cube_grasp_task
from unreset.tasks.cube.cube_grasp_expert import attempt, cube_grasp_demonstrations

pytestmark = pytest.mark.skipif(
    find_spec("mujoco") is None or find_spec("gymnasium_robotics") is None,
    reason="needs the extra cube",
)
NUMBER = 5


@pytest.fixture(scope="module")
def trajectories():
    return cube_grasp_demonstrations(NUMBER, seed=1)


def test_they_fit_the_task_and_end_with_their_first_success(trajectories):
    check(trajectories, cube_grasp_task.cube_grasp())
    assert [t.direction for t in trajectories] == [FORWARD] * NUMBER + [BACKWARD] * NUMBER
    for trajectory in trajectories:
        reached = [cube_grasp.success(o, trajectory.goal) for o in trajectory.observations]
        assert reached[-1]
        assert not any(reached[:-1])
        goals = cube_grasp.PLACES if trajectory.direction else cube_grasp.GOALS
        assert any((trajectory.goal == goal).all() for goal in goals)
        assert trajectory.observations.dtype == trajectory.actions.dtype == np.float32


def test_backward_ones_start_where_forward_ones_ended(trajectories):
    for there, back in zip(trajectories[:NUMBER], trajectories[NUMBER:], strict=True):
        np.testing.assert_array_equal(back.observations[0], there.observations[-1])


def test_a_seed_decides_them_and_they_differ(trajectories):
    again = cube_grasp_demonstrations(NUMBER, seed=1)
    for one, two in zip(trajectories, again, strict=True):
        np.testing.assert_array_equal(one.observations, two.observations)
        np.testing.assert_array_equal(one.actions, two.actions)
    lengths = {len(trajectory.actions) for trajectory in trajectories}
    assert len(lengths) > NUMBER / 2
    assert all(12 <= length <= 100 for length in lengths)


def test_the_expert_succeeds_from_anywhere_in_both_directions():
    environment = cube_grasp.CubeGraspEnv(start="wide")
    generator = np.random.default_rng(0)
    succeeded = 0
    for number in range(20):
        observation, _ = environment.reset(seed=number)
        if attempt(environment, observation["desired_goal"], generator) is not None:
            place = cube_grasp.PLACES[number % len(cube_grasp.PLACES)]
            back = attempt(environment, place, generator)
            succeeded += back is not None
    assert succeeded >= 19
    environment.close()
