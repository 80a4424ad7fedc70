"""Scripted demonstrations of the kitchen end with the task's own success."""

from importlib.util import find_spec

import numpy as np
import pytest

from unreset.demos import store
from unreset.errors import UnresetError
from unreset.tasks.kitchen import kitchen, kitchen_task
from unreset.tasks.kitchen.kitchen_expert import kitchen_demonstrations

if not (find_spec("mujoco") and find_spec("gymnasium_robotics")):
    pytest.skip("needs mujoco and gymnasium-robotics", allow_module_level=True)


@pytest.fixture(scope="module")
def light():
    return kitchen_demonstrations("light", per_start=2, seed=0)


def test_there_are_as_many_back_where_pushing_is_enough(light):
    assert [one.direction for one in light] == [store.FORWARD] * 2 + [store.BACKWARD] * 2
    for one in light[:2]:
        np.testing.assert_array_equal(one.goal, kitchen.GOALS[0])
        assert one.observations[0, 17] == pytest.approx(-0.69, abs=0.01)
    for one in light[2:]:
        np.testing.assert_array_equal(
            one.goal, kitchen_task.kitchen(tasks="light").initial_goals[0]
        )
        assert one.observations[0, 17] == pytest.approx(0, abs=0.01)


def test_each_ends_with_its_first_success(light):
    for one in light:
        reached = [bool(kitchen.success(seen, one.goal)) for seen in one.observations]
        assert reached[-1]
        assert sum(reached) == 1


def test_replayed_actions_switch_the_light_off(light):
    env = kitchen.KitchenEnv(reward_type="sparse", tasks="light")
    env.reset(seed=9)
    success = [env.step(action)[4]["is_success"] for action in light[0].actions]
    assert any(success[-3:])


def test_they_fit_the_task_and_a_seed_decides_them(light):
    store.check(light, kitchen_task.kitchen(reward="sparse", tasks="light"))
    again = kitchen_demonstrations("light", per_start=2, seed=0)
    for one, other in zip(light, again, strict=True):
        np.testing.assert_array_equal(one.observations, other.observations)
        np.testing.assert_array_equal(one.actions, other.actions)
    assert not np.array_equal(light[0].actions[:9], light[1].actions[:9])


def test_dense_ones_hold_what_the_simulator_paid(light):
    dense = kitchen_task.kitchen(tasks="light")
    with pytest.raises(UnresetError, match="holds no rewards"):
        store.check(light, dense)
    one = kitchen_demonstrations("light", per_start=1, seed=0, reward="dense")[0]
    store.check([one], dense)
    np.testing.assert_array_equal(one.observations, light[0].observations)
    assert (one.rewards > -10).all() and one.rewards[-1] > one.rewards[0]


def test_a_pair_is_done_one_after_the_other():
    (only,) = kitchen_demonstrations("microwave+light", per_start=1, seed=1)
    assert only.direction == store.FORWARD
    assert only.observations[0, 22] == pytest.approx(-0.7, abs=0.02)
    assert abs(only.observations[-1, 17]) < 0.3
    assert abs(only.observations[-1, 22]) < 0.3
    assert (only.actions[:, 3:] == 0).all()


def test_unknown_tasks_are_refused():
    with pytest.raises(ValueError, match="tasks must be"):
        kitchen_demonstrations("kettle")
