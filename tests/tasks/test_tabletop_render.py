"""The picture shows what the state says, at any size."""

import jax
import numpy as np
import pytest

from unreset.tasks.tabletop import tabletop, tabletop_render
from unreset.tasks.tabletop.tabletop_render import VIEW, render

FREE, HELD = (-1.0, -1.0), (0.0, 0.0)


def picture(gripper=(0, 0), mug=(2.5, 0), flags=FREE, goal=0, size=64):
    """As int, so that differences do not wrap around."""
    goal = tabletop.GOALS[goal] if isinstance(goal, int) else np.array(goal, np.float32)
    seen = np.array([*gripper, *mug, *flags], np.float32)
    return np.asarray(render(seen, goal, size)).astype(int)


def pixel(x, y, size):
    """Row and column of a place on the table."""
    return int((VIEW - y) / (2 * VIEW) * size), int((VIEW + x) / (2 * VIEW) * size)


def changed_places(one, other):
    """Where [changes, 2] two pictures differ, in table units."""
    rows, columns = np.nonzero(np.abs(one - other).max(-1) > 3)
    assert len(rows) > 0
    size = one.shape[0]
    return np.stack([(2 * columns + 1) / size - 1, 1 - (2 * rows + 1) / size], 1) * VIEW


def nearest(places, *centres):
    return np.min([np.linalg.norm(places - np.array(centre), axis=1) for centre in centres], 0)


@pytest.mark.parametrize("size", [1, 17, 64, 160])
def test_any_size(size):
    drawn = render(tabletop.INITIAL[0], tabletop.GOALS[0], size)
    assert drawn.shape == (size, size, 3)
    assert drawn.dtype == np.uint8


def test_same_state_same_picture_also_batched():
    seen = np.array([[0, 0, 2.5, 0, -1, -1], [1, 1, 1.2, 1, 0, 0]], np.float32)
    goals = tabletop.GOALS[:2]
    batch = jax.vmap(lambda one, goal: render(one, goal, 64))(seen, goals)
    for drawn, one, goal in zip(batch, seen, goals, strict=True):
        alone = np.asarray(render(one, goal, 64)).astype(int)
        assert np.abs(np.asarray(drawn).astype(int) - alone).max() <= 1
        np.testing.assert_array_equal(render(one, goal, 64), render(one, goal, 64))


@pytest.mark.parametrize("size", [64, 160])
def test_coasters_lie_in_their_places_in_their_colours(size):
    drawn = picture(size=size)
    for (x, y), colour in zip(tabletop.COASTERS, tabletop_render.COASTER_RGB, strict=True):
        np.testing.assert_allclose(drawn[pixel(x, y, size)], colour, atol=3)
    assert tabletop.COASTER_COLOURS == ("red", "green", "blue", "black")
    red, green, blue, black = (drawn[pixel(x, y, size)] for x, y in tabletop.COASTERS)
    assert (red.argmax(), green.argmax(), blue.argmax()) == (0, 1, 2)
    assert black.max() < 80


def test_walls_are_darker_than_the_table():
    drawn = picture()
    border = np.concatenate([drawn[0], drawn[-1], drawn[:, 0], drawn[:, -1]])
    assert border.mean() < 0.6 * drawn[pixel(1.5, 1.5, 64)].mean()


def test_the_mug_is_where_it_should_be():
    here, there = (2.5, 0.0), (-1.0, 1.0)
    one, other = picture(mug=here), picture(mug=there)
    assert nearest(changed_places(one, other), here, there).max() < 0.75
    assert one[pixel(*here, 64)].min() > 180
    assert other[pixel(*there, 64)].min() > 180


def test_the_gripper_is_where_it_should_be():
    here, there = (-1.0, 0.0), (1.0, -2.0)
    one, other = picture(gripper=here), picture(gripper=there)
    assert nearest(changed_places(one, other), here, there).max() < 0.65


def test_a_holding_gripper_looks_different():
    mug, gripper = (1.0, 1.0), (1.1, 0.9)
    free, held = picture(gripper, mug), picture(gripper, mug, HELD)
    assert nearest(changed_places(free, held), gripper).max() < 0.65
    saturation = held.max(-1) - held.min(-1)
    assert saturation[pixel(1.1, 0.75, 64)] > 80


@pytest.mark.parametrize("flags", [FREE, HELD])
@pytest.mark.parametrize("mug", [(1.0, 0.0), (-2.5, 1.0), (0.0, -2.0)])
def test_small_motions_show_in_a_small_picture_also_with_the_gripper_over_the_mug(flags, mug):
    gripper = (mug[0] + 0.1, mug[1] - 0.05)
    still = picture(gripper, mug, flags)
    for shift in ((0.05, 0.0), (0.0, 0.05)):
        by_gripper = picture(np.add(gripper, shift), mug, flags)
        by_mug = picture(gripper, np.add(mug, shift), flags)
        for moved in (by_gripper, by_mug, by_gripper - by_mug + still):
            assert np.abs(moved - still).max() >= 10


@pytest.mark.parametrize("goal", range(4))
def test_the_goal_is_marked(goal):
    drawn = picture(goal=goal, size=160)
    for number, (x, y) in enumerate(tabletop.COASTERS):
        ring = drawn[pixel(x, y + tabletop_render.RING, 160)]
        yellow = ring[:2].min() - ring[2] > 120
        assert yellow == (number == goal)


def test_a_goal_away_from_the_coasters_is_marked_too():
    here = picture(mug=(0, 0), goal=tabletop.INITIAL[0])
    there = picture(mug=(0, 0), goal=[1.0, 1.0, 1.5, -1.5, -1.0, -1.0])
    places = changed_places(here, there)
    assert nearest(places, (2.5, 0), (1.5, -1.5), (0, 0), (1, 1)).max() < 0.8
    assert nearest(np.array([[1.5, -1.5]]), *places).max() < 0.6
    assert nearest(np.array([[1.0, 1.0]]), *places).max() < 0.1
