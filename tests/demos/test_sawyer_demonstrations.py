"""The scripted experts of the door and the peg: they succeed, and can be replayed."""

from functools import partial
from importlib.util import find_spec

import numpy as np
import pytest

from unreset.demos.replaying import replay
from unreset.demos.store import BACKWARD, FORWARD, check
from unreset.tasks.sawyer import sawyer_door, sawyer_door_task, sawyer_peg, sawyer_peg_task
from unreset.tasks.sawyer.sawyer_experts import (
    DOOR,
    PEG,
    PUT_DOWN,
    demonstrate,
    door_demonstrations,
    peg_demonstrations,
)

pytestmark = pytest.mark.skipif(
    find_spec("mujoco") is None or find_spec("metaworld") is None, reason="needs the extra sawyer"
)
NUMBER = 8
LENGTHS = {  # of the benchmark's demonstrations, and half as much again
    ("door", FORWARD): (50, 130),
    ("door", BACKWARD): (70, 280),
    ("peg", FORWARD): (40, 180),
    ("peg", BACKWARD): (20, 240),
    ("put_down", FORWARD): (40, 180),
    ("put_down", BACKWARD): (40, 260),
}
TASKS = {
    "door": sawyer_door_task.sawyer_door,
    "peg": sawyer_peg_task.sawyer_peg,
    "put_down": partial(sawyer_peg_task.sawyer_peg, "put_down"),
}
ENVIRONMENTS = {
    "door": sawyer_door.SawyerDoorEnv,
    "peg": sawyer_peg.SawyerPegEnv,
    "put_down": partial(sawyer_peg.SawyerPegEnv, reward_type="put_down"),
}
SCRIPTS = {"door": DOOR, "peg": PEG, "put_down": PUT_DOWN}


@pytest.fixture(scope="module", params=list(TASKS))
def case(request):
    """Task's name, task, environment, its demonstrations, and how many tries they took."""
    name = request.param
    task, env = TASKS[name](), ENVIRONMENTS[name]()
    tries, reset = [], env.reset

    def counted(**arguments):
        tries.append(arguments)
        return reset(**arguments)

    env.reset = counted
    trajectories = demonstrate(env, SCRIPTS[name], NUMBER, seed=3)
    return name, task, env, trajectories, len(tries) - 1  # the first one seeds


def test_they_fit_the_task_and_end_with_their_first_success(case):
    name, task, _, trajectories, _ = case
    check(trajectories, task)
    backwards = NUMBER * (1 if name == "door" else 2)
    directions = [trajectory.direction for trajectory in trajectories]
    assert directions == [FORWARD] * NUMBER + [BACKWARD] * backwards
    for trajectory in trajectories:
        reached = [task.success(seen, trajectory.goal) for seen in trajectory.observations]
        assert reached[-1]
        assert not any(reached[:-1])
        goals = task.initial_goals if trajectory.direction == BACKWARD else task.goals
        assert (trajectory.goal == goals).all(axis=1).any()
        assert trajectory.observations.dtype == trajectory.actions.dtype == np.float32
        shortest, longest = LENGTHS[name, trajectory.direction]
        assert shortest <= len(trajectory.actions) <= longest


def test_nearly_all_tries_succeed(case):
    _, _, _, trajectories, tries = case
    assert len(trajectories) >= 0.8 * tries  # .95 and more of hundreds; few may have bad luck


def test_replayed_from_their_first_observations_they_succeed_in_the_same_step(case):
    name, task, _, trajectories, _ = case
    replayed = list(replay(task, trajectories))
    for one, again in zip(trajectories, replayed, strict=True):
        reset = one.direction == FORWARD or one.observations[0][3] == 1.0
        if reset and name != "door":  # where a reset began, all is as it was
            assert again.success_at == len(one.actions)
            assert again.start_error < 1e-6
            assert again.mean_error < 1e-4
        assert again.max_error < 0.02
    same = [one.success_at == one.steps for one in replayed]
    assert sum(same) >= 0.9 * len(same)
    assert all(same[:NUMBER])  # forward: all from resets


def test_backward_ones_start_where_forward_ones_ended(case):
    name, _, _, trajectories, _ = case
    there, back = trajectories[:NUMBER], trajectories[NUMBER:]
    for end, start in zip(there, back if name == "door" else back[::2], strict=True):
        np.testing.assert_allclose(start.observations[0], end.observations[-1], atol=0.01)
    if name != "door":
        for start in back[1::2]:
            assert start.observations[0][3] == 1.0  # the hand is open, at home
            np.testing.assert_allclose(start.observations[0][4:7], (-0.27, 0.6, 0.13), atol=0.021)


def test_they_spread_as_a_persons_do(case):
    _, _, _, trajectories, _ = case
    actions = np.concatenate([trajectory.actions for trajectory in trajectories])
    assert (actions[:, :3].std(axis=0) > 0.2).all()
    assert (np.abs(actions) >= 1.0).mean() < 0.4
    lengths = [len(trajectory.actions) for trajectory in trajectories[:NUMBER]]
    assert len(set(lengths)) > NUMBER // 2


@pytest.mark.parametrize("make", [door_demonstrations, peg_demonstrations])
def test_a_seed_decides_them(make):
    one, other, different = make(1, seed=4), make(1, seed=4), make(1, seed=5)
    for first, second in zip(one, other, strict=True):
        np.testing.assert_array_equal(first.observations, second.observations)
        np.testing.assert_array_equal(first.actions, second.actions)
    assert (different[0].observations[0] != one[0].observations[0]).any()


def test_the_pegs_bring_its_dense_rewards_which_need_the_simulator():
    factory = sawyer_peg_task.sawyer_peg
    trajectory = factory(reward="dense").demonstrations(1)[0]
    assert trajectory.rewards.shape == (len(trajectory.actions),)
    assert trajectory.rewards[0] < 3.0
    assert trajectory.rewards[-1] > 6.0
    assert factory().demonstrations(1)[0].rewards is None
