"""The figures about demonstrations against numbers worked out by hand, and the advice on them."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from unreset.core.types import Task
from unreset.demos import quality
from unreset.demos.store import BACKWARD, FORWARD, Trajectory
from unreset.errors import UnresetError
from unreset.report import demonstrations_picture
from unreset.tasks.tabletop.tabletop_expert import tabletop_demonstrations
from unreset.tasks.tabletop.tabletop_task import tabletop


def near(observation, goal):
    return abs(observation[0] - goal[0]) <= 0.1


LINE = Task(
    name="line",
    summary="a point on a line, with a number beside it that never changes",
    observation_size=2,
    action_size=2,
    goals=np.array([[1.0], [2.0]], np.float32),
    initial_goals=np.array([[0.0]], np.float32),
    horizon=5,
    train_reset_every=100,
    achieved=lambda observation: observation[:1],
    reward=near,
    success=near,
    position_name="place",
)


def walk(places, goal, direction=FORWARD, actions=None):
    observations = np.array([[place, 7.0] for place in places], np.float32)
    if actions is None:
        actions = np.tile([0.5, 1.0], (len(places) - 1, 1))
    goal = np.array([goal], np.float32)
    return Trajectory(observations, np.asarray(actions, np.float32), goal, direction)


def test_figures_by_hand():
    forward = [
        walk([0, 0, 0.5, 1], 1),  # one pause in three steps
        walk([0, 0.5, 1], 1),
        walk([0, 0.5, 1], 1),  # a copy
        walk([0.2, 0.5, 1, 1.5], 1),  # passes its goal
    ]
    found = quality.assess(LINE, [*forward, walk([1, 0.5, 0], 0, BACKWARD)])
    there, back = found[FORWARD], found[BACKWARD]
    assert (there.number, there.steps) == (4, 10)
    assert (there.shortest, there.mean_length, there.longest) == (2, 2.5, 3)
    assert there.success == 0.75
    assert there.passed == 1
    assert there.saturation == (0.0, 1.0)
    assert (there.goals_reached, there.goals) == (1, 2)
    assert there.starts == 2
    assert there.pauses == 0.1
    assert there.duplicates == 1
    assert (back.number, back.success, back.goals_reached, back.goals) == (1, 1.0, 1, 1)
    assert (back.starts, back.start_spread, back.passed, back.duplicates) == (1, 0.0, 0, 0)


def test_the_spread_of_starts_is_relative_to_that_of_all_observations():
    starts = quality.assess(LINE, [walk([0, 1], 1), walk([2, 1], 1)])[FORWARD]
    # First observations 0, 2: deviation 1. All four, 0, 1, 2, 1: deviation sqrt(1/2).
    assert starts.start_spread == pytest.approx(np.sqrt(2))


def test_good_ones_need_no_advice():
    task = tabletop()
    found = quality.assess(task, tabletop_demonstrations(per_goal=3, seed=0))
    assert quality.advice(task, found) == []
    assert [one.goals_reached for one in found.values()] == [4, 1]
    assert [one.success for one in found.values()] == [1.0, 1.0]


@pytest.mark.parametrize(
    ("trajectories", "line"),
    [
        ([walk([0, 1], 1)], "no backward demonstrations"),
        ([walk([1, 0], 0, BACKWARD)], "no forward demonstrations: the goal is never shown"),
        ([walk([0, 1], 1)], "only 1 forward"),
        ([walk([0, 1], 1), walk([0, 0.5], 1)], "1 of 2 forward do not end in success"),
        ([walk([0, 1, 2], 1)], "1 forward go on after their first success"),
        ([walk([0, 1], 1)], "forward ones end in 1 of 2 goals"),
        (
            [walk([0, 0.2, 0.4, 1], 1, actions=[[1, 1], [1, 1], [0, 1]])],
            "forward action 0 is at its limit",
        ),
        ([walk([0, 0, 0.5, 1], 1)], "33% of the forward steps are pauses"),
        ([walk([0, 1], 1)] * 2, "1 forward are copies"),
        ([walk([0, 0.1, 0.2, 0.3, 0.4, 0.5, 1], 1)], "takes 6 steps, an evaluation episode 5"),
    ],
)
def test_advice_names_what_is_wrong(trajectories, line):
    given = quality.advice(LINE, quality.assess(LINE, trajectories))
    assert sum(line in one for one in given) == 1, given


def test_a_switch_at_its_limits_is_not_held_against_it():
    given = quality.advice(LINE, quality.assess(LINE, [walk([0, 0.5, 1], 1)]))
    assert not any("limit" in line for line in given)


def unknown(observation, goal):
    raise UnresetError("only the environment knows")


def test_success_that_only_the_environment_knows_is_unknown():
    blind = dataclasses.replace(LINE, success=unknown, score=lambda *_: (0.0, False))
    found = quality.assess(blind, [walk([0, 0.5, 1], 1)] * 3)
    assert np.isnan(found[FORWARD].success)
    assert not any("success" in line for line in quality.advice(blind, found))


def test_the_picture_is_written(tmp_path):
    path = demonstrations_picture.draw(LINE, [walk([0, 0.5, 1], 1)], tmp_path / "demos.png")
    image = np.asarray(Image.open(path).convert("L"))
    assert image.shape == (1200, 1500)
    assert (image[:600, :750] < 200).sum() > 500  # something is drawn on the left, where forward is
    with pytest.raises(UnresetError, match=r"must end in \.png"):
        demonstrations_picture.draw(LINE, [walk([0, 1], 1)], tmp_path / "demos.jpg")
    with pytest.raises(UnresetError, match="cannot write"):
        demonstrations_picture.draw(LINE, [walk([0, 1], 1)], tmp_path / "none" / "demos.png")


def test_nothing_is_neither_assessed_nor_drawn(tmp_path):
    with pytest.raises(UnresetError, match="no demonstrations to assess"):
        quality.assess(LINE, [])
    with pytest.raises(UnresetError, match="no demonstrations to draw"):
        demonstrations_picture.draw(LINE, [], tmp_path / "demos.png")
