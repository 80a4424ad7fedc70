"""Pictures in a row: each is stored once, and nothing is seen from before a reset."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import toy
from unreset import registry
from unreset.core import ranges
from unreset.core import replay as replays
from unreset.drivers.fused import Remembered, look, remembering
from unreset.errors import UnresetError
from unreset.evaluation import deployed
from unreset.networks.views import Vision, stacked

TOY = toy.point()


def method(stack, **practice):
    small = toy.tiny(registry.METHODS["naive"]["default"], hindsight=0.0, other_goals=0.0)
    vision = dataclasses.replace(
        small.learner.vision, pixels=True, cameras=("third",), goal_view="none", stack=stack
    )
    chosen = dataclasses.replace(
        small,
        learner=dataclasses.replace(small.learner, vision=vision),
        practice=dataclasses.replace(small.practice, **practice),
    )
    return chosen.method(TOY)


def test_rows_before_go_back_to_a_reset_and_no_further():
    role = np.array([0, 0, 0, -1, 1, 1, 1])
    at = np.array([0, 2, 3, 4, 6])
    newest, before, earlier = replays.in_a_row(role, at, 3)
    np.testing.assert_array_equal(newest, at)
    np.testing.assert_array_equal(before, [0, 1, 2, 4, 5])
    np.testing.assert_array_equal(earlier, [0, 0, 1, 4, 4])


def test_the_ring_closes_after_the_demonstrations():
    # Demonstrations [0, 3), then a ring of 4 whose newest, open row lies at 4.
    role = np.array([0, 0, -1, 1, -1, 1, 1])
    (_, before) = replays.in_a_row(role, np.array([3, 4, 5, 6, 0, 1]), 2, pinned=3, capacity=4)
    np.testing.assert_array_equal(before, [6, 3, 5, 5, 0, 0])


@pytest.mark.slow
def test_batches_hold_the_pictures_that_were_acted_on():
    chosen = method(2, reset_every=9, demonstration_share=0.0)
    driver = toy.fused(chosen, TOY)
    driver.advance(0, 40)
    run = jax.tree.map(lambda x: x[0], driver.carry.run)
    assert run.replay.rows.frames["third"].shape[-1] == 3
    batch = toy.drawn(chosen, TOY, run, (0,), 40, jax.random.key(1))
    image = np.asarray(batch.inputs.image).reshape(-1, *batch.inputs.image.shape[2:])
    after = np.asarray(batch.next_inputs.image).reshape(image.shape)
    np.testing.assert_array_equal(after[..., 3:], image[..., :3])
    begun = (image[..., :3] == image[..., 3:]).all(axis=(1, 2, 3))
    assert 0 < begun.mean() < 0.5  # the first step after a reset has nothing before it


def test_a_remembering_task_shows_what_it_saw():
    chosen, task = method(3), remembering(TOY, 3)
    state = task.reset(jax.random.key(0))
    assert isinstance(state, Remembered)
    seen = [look(chosen, TOY, state.state)["third"]] * 3
    for action in (1.0, 0.5):
        state = task.step(state, jnp.array([action]))
        seen = [look(chosen, TOY, state.state)["third"], *seen[:2]]
    np.testing.assert_array_equal(look(chosen, task, state)["third"], jnp.concatenate(seen, -1))
    np.testing.assert_array_equal(task.observe(state), state.state)


def test_pictures_are_put_before_those_of_the_step_before():
    def picture(value):
        return {"third": np.full((2, 2, 3), value, np.uint8)}

    first = stacked(None, picture(1), 3)
    second = stacked(first, picture(2), 3)
    assert second["third"][0, 0].tolist() == [2, 2, 2, 1, 1, 1, 1, 1, 1]
    third = stacked(second, picture(3), 3)
    assert third["third"][0, 0, ::3].tolist() == [3, 2, 1]
    assert stacked(first, picture(4), 1)["third"].shape == (2, 2, 3)


def test_policies_are_evaluated_with_what_they_see_in_practice(monkeypatch):
    seen = []
    act = deployed.deterministic_action

    def spy(*args):
        seen.append(args[5]["third"].shape)
        return act(*args)

    monkeypatch.setattr(deployed, "deterministic_action", spy)
    chosen = method(2)
    driver = toy.fused(chosen, TOY)
    actor = jax.tree.map(lambda x: x[0, 0], driver.run.learners.average)
    deployed.evaluate(chosen, remembering(TOY, 2), actor)
    assert seen == [(16, 16, 6)]


def test_no_pictures_in_a_row_are_refused():
    with pytest.raises(UnresetError, match="stack must be at least 1, not 0"):
        ranges.checked(Vision(stack=0))
