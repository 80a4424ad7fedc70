"""Demonstrations that cameras did not see are done again before them; goals are looked up."""

import dataclasses
from functools import partial

import gymnasium
import numpy as np
import pytest

import toy
from unreset import registry
from unreset.core.types import BACKWARD, FORWARD, Trajectory
from unreset.demos import pictures
from unreset.errors import UnresetError
from unreset.networks.views import Vision
from unreset.runs.configured import with_sight
from unreset.tasks.cube.cube_grasp_expert import cube_grasp_demonstrations
from unreset.tasks.cube.cube_grasp_task import cube_grasp
from unreset.tasks.sawyer.sawyer_experts import door_demonstrations, peg_demonstrations
from unreset.tasks.tabletop.tabletop_expert import tabletop_demonstrations
from unreset.tasks.tabletop.tabletop_task import tabletop

SIZE = 12
SHORT = {
    "cube_grasp": cube_grasp_demonstrations,
    "sawyer_door": door_demonstrations,
    "sawyer_peg": peg_demonstrations,
}
VISION = Vision(pixels=True, image_size=SIZE)


def simulated():
    """The tabletop as if it could only be seen in its environment."""
    task = tabletop()
    make = partial(task.environment, cameras=task.cameras, camera_size=SIZE)
    return dataclasses.replace(task, look=None, environment=make)


def shows(one, observations):
    """Whether a demonstration's pictures are those of some observations, up to rounding."""
    task, worst = tabletop(), 0
    for place, seen in enumerate(observations):
        for name, picture in task.look(seen, SIZE).items():
            apart = np.asarray(picture, int) - one.frames[name][place]
            worst = max(worst, int(np.abs(apart).max()))
    lengths = {len(frames) for frames in one.frames.values()}
    return worst <= 1 and lengths == {len(observations)} and set(one.frames) == set(task.cameras)


def test_what_is_done_again_is_what_was_done():
    shown = tabletop_demonstrations(per_goal=1)[:3]
    for one in pictures.seen(shown, simulated(), VISION):
        assert shows(one, one.observations)


def test_where_actions_lead_elsewhere_the_recorded_states_are_shown():
    (shown,) = tabletop_demonstrations(per_goal=1)[:1]
    lost = shown._replace(actions=-shown.actions)
    (one,) = pictures.seen([lost], simulated(), VISION)
    for place, seen in enumerate(shown.observations):
        for name, picture in tabletop().look(seen, SIZE).items():
            apart = np.asarray(picture, int) - one.frames[name][place]
            assert np.abs(apart).mean() < 20  # within tolerance; 60 if it were not put there


def test_pictures_that_there_are_stay():
    shown = tabletop_demonstrations(per_goal=1)[:2]
    grey = np.full((len(shown[0].observations), SIZE, SIZE, 3), 7, np.uint8)
    grey = dict.fromkeys(tabletop().cameras, grey)
    kept, drawn = pictures.seen([shown[0]._replace(frames=grey), shown[1]], simulated(), VISION)
    assert (kept.frames["above"] == 7).all()
    assert shows(drawn, shown[1].observations)


class Obstinate(gymnasium.Env):
    """Has pictures, and begins where it likes."""

    def reset(self, *, seed=None, options=None):
        self.at = np.array([toy.START + 0.5], np.float32)
        return {"observation": self.at, **toy.look(self.at, SIZE)}, {}


def test_an_environment_that_cannot_be_put_there_is_refused():
    environment = Obstinate()
    task = dataclasses.replace(toy.point(), look=None, environment=lambda **_: environment)
    with pytest.raises(UnresetError, match=r"demonstration 0 holds no pictures, and .* cannot be"):
        pictures.seen(toy.demonstrations(), task, VISION)
    with pytest.raises(UnresetError, match=r"holds no pictures of camera 'third'.*record them"):
        pictures.seen(toy.demonstrations(), dataclasses.replace(task, environment=None), VISION)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shape", "kind", "message"),
    [
        ((SIZE, SIZE + 1, 3), np.uint8, r"uint8 of shape \(\d+, 12, 13, 3\), but must be uint8"),
        ((SIZE, SIZE, 3), np.float32, "'above' are float32 of shape"),
    ],
)
def test_pictures_that_do_not_fit_are_refused_before_training(shape, kind, message):
    shown = tabletop_demonstrations(per_goal=1)
    frames = np.zeros((len(shown[1].observations), *shape), kind)
    frames = dict.fromkeys(tabletop().cameras, frames)
    shown[1] = shown[1]._replace(frames=frames)
    with pytest.raises(UnresetError, match=f"demonstration 1: .*{message}"):
        pictures.seen(shown, tabletop(), VISION)


def still(begin, end, goal, direction, colour):
    observations = np.zeros((2, 14), np.float32)
    observations[:, 4:7] = begin, end
    shades = np.array([colour, colour + 1], np.uint8)[:, None, None, None]
    frames = {"wrist": np.broadcast_to(shades, (2, SIZE, SIZE, 3))}
    action = np.zeros((1, 4), np.float32)
    return Trajectory(observations, action, np.array(goal, np.float32), direction, None, frames)


def test_places_that_nobody_returned_to_look_as_where_one_begins_nearby():
    task = cube_grasp()
    goal, places = task.goals[0], task.initial_goals
    far, near = (0.0, 0.0, 0.025), places[0] + [0.02, 0.01, 0]
    shown = [
        still(far, goal, goal, FORWARD, 10),
        still(near, goal, goal, FORWARD, 20),
        still(goal, places[3], places[3], BACKWARD, 30),
    ]
    found = pictures.with_goals(shown, task).goal_pictures["wrist"][:, 0, 0, 0]
    assert found[0] == 11  # the goal, at the end of the first that got there
    assert found[1 + 3] == 31
    assert found[1 + 0] == 20 and found[1 + 7] == 10  # the seventh is the middle


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sawyer_door", "sawyer_peg", "cube_grasp"])
def test_simulated_demonstrations_get_pictures_and_goals_too(name):
    task = registry.task(name)
    settings = toy.seeing()
    vision = dataclasses.replace(settings.learner.vision, image_size=SIZE)
    learner = dataclasses.replace(settings.learner, vision=vision)
    method = dataclasses.replace(settings, learner=learner).method(task)
    try:
        shown = SHORT[name](1)
        found, seeing = with_sight(shown, task, method)
    except UnresetError as error:  # an optional package is missing, or what draws
        pytest.skip(str(error))
    assert seeing.environment.keywords["cameras"] == task.cameras
    for one in found:
        assert set(one.frames) == set(task.cameras)
        for frames in one.frames.values():
            assert frames.shape == (len(one.observations), SIZE, SIZE, 3)
            assert (frames[0] != frames[-1]).any()
    environment = seeing.environment()
    there = {"state": found[0].observations[0], "goal": found[0].goal}
    first, _ = environment.reset(seed=0, options=there)
    environment.close()
    for camera in task.cameras:
        np.testing.assert_array_equal(found[0].frames[camera][0], first[camera])
        number = len(task.goals) + len(task.initial_goals)
        assert seeing.goal_pictures[camera].shape == (number, SIZE, SIZE, 3)
