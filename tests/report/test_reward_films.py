"""The film of what cameras saw in practice, above what its learned rewards say of it."""

import dataclasses
import io

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image, ImageColor

import judges as matching
import toy
from unreset import registry
from unreset.core.types import Transition
from unreset.drivers.fused import Carry
from unreset.report import reward_films, stretches
from unreset.report.drawing import LIGHT
from unreset.report.stretches import Stretch
from unreset.report.videos import write_videos
from unreset.runs.configured import with_sight


@pytest.fixture(scope="module")
def practised():
    """A run that sees pictures, and a stretch of its practice."""
    method = toy.tiny(toy.seeing()).method(toy.point())
    task = with_sight(toy.demonstrations(), toy.point(), method)[1]
    driver = toy.fused(method, toy.point())
    carry: Carry = jax.tree.map(lambda x: x[0], driver.carry)
    return method, task, carry.run, stretches.simulated(method, task, carry)


@pytest.mark.slow
def test_a_stretch_is_one_phase_of_every_role_with_what_was_seen(practised):
    method, task, _, stretch = practised
    first, second = (role.length for role in method.roles)
    assert stretch.role.tolist() == [0] * first + [1] * second
    assert stretch.number.tolist() == [*range(first), *range(second)]
    assert np.flatnonzero(stretch.end).tolist() == [first - 1, first + second - 1]
    assert list(stretch.frames) == ["third", "wrist"]
    for place in (0, first):
        looked = task.look(stretch.observation[place], 16)
        for name, pictures in stretch.frames.items():
            np.testing.assert_array_equal(pictures[place], looked[name])


def test_rewards_are_those_that_learners_see(practised):
    method, task, run, stretch = practised
    forward, backward = reward_films.evaluated(method, task, run, stretch)
    assert (forward.role, forward.label) == (0, "forward: classifier")
    assert (backward.role, backward.label) == (1, "backward: discriminator")
    for curve, name in ((forward, "classifier"), (backward, "discriminator")):
        assert curve.values.shape == stretch.role.shape
        place, signal = 3, method.rewards[name]
        seen, goal = stretch.observation[place], stretch.goal[place]
        frames = {camera: pictures[place] for camera, pictures in stretch.frames.items()}
        step = Transition(seen, None, seen, 0, 0, 0, 0, next_frames=frames)
        logit = matching.log_odds(method, task, name, run.signals[name], step, goal)
        wanted = signal.scale * float(matching.reward(signal.form, logit))
        assert curve.values[place] == pytest.approx(wanted, rel=1e-3, abs=1e-6)
    assert np.ptp(forward.values) > 0


def test_the_film_shows_every_camera_and_the_goal(practised, tmp_path):
    method, task, run, stretch = practised
    entry = reward_films.film(tmp_path, method, task, run, stretch, [])
    assert entry["file"] == "rewards.gif"
    assert entry["caption"].endswith("see them; seen: third, wrist, the goal")
    with Image.open(io.BytesIO((tmp_path / "rewards.gif").read_bytes())) as film:
        assert film.n_frames == len(stretch.role)
        assert film.width == 4 * 144  # two cameras and two of the goal, every pixel nine times
        shown = np.asarray(film.convert("RGB")).astype(int)
    pictures = np.concatenate([pictures[0] for pictures in stretch.frames.values()], axis=1)
    large = np.repeat(np.repeat(pictures, 9, axis=0), 9, axis=1)
    assert np.abs(shown[: large.shape[0], : large.shape[1]] - large).max() < 16  # of 128 colours
    goal = np.asarray(toy.look(jnp.array([toy.GOAL]), 16)["third"]).astype(int)
    there = shown[: large.shape[0] : 9, 2 * 144 : 3 * 144 : 9]
    bright = np.argmax(there[0, :, 0])
    assert abs(bright - np.argmax(goal[0, :, 0])) <= 1


class Pictured(toy.PointEnv):
    """The toy's environment, with its pictures; it cannot be saved."""

    def _seen(self):
        looked = {name: np.asarray(one) for name, one in toy.look(self.at, 16).items()}
        return super()._seen() | looked

    def render(self):
        return np.asarray(toy.look(self.at, 16)["third"])


def test_practice_in_a_gymnasium_environment_is_filmed_too(practised, tmp_path):
    method, task, run, _ = practised
    live = dataclasses.replace(
        task, step=None, look=None, environment=lambda render_mode=None: Pictured()
    )
    blank = {name: np.zeros((16, 16, 3), np.uint8) for name in task.cameras}
    carry = Carry(run, (np.zeros(1, np.float32), {}, blank))
    actor = jax.tree.map(lambda x: x[0], run.learners.average)
    paths = write_videos(tmp_path, method, live, actor, carry, size=48)
    assert [path.name for path in paths] == ["policy_goal0.gif", "practice.gif", "rewards.gif"]
    with Image.open(io.BytesIO(paths[-1].read_bytes())) as film:
        assert film.width == 4 * 144
        assert film.n_frames == sum(role.length for role in method.roles)
        shown = np.asarray(film.convert("RGB")).astype(int)[0:144:9, 0:144:9]
    start = np.asarray(toy.look(jnp.array([toy.START]), 16)["third"]).astype(int)
    assert np.abs(shown - start).max() < 16  # where it was reset to


def test_a_task_that_answers_for_its_rewards_shows_the_learned_ones_alone():
    method = toy.tiny(registry.METHODS["medal"]["default"]).method(toy.point())
    driver = toy.fused(method, toy.point())
    carry = jax.tree.map(lambda x: x[0], driver.carry)
    seen = np.linspace(-1, 1, 5, dtype=np.float32)[:, None]
    goal, zeros = np.full((5, 1), toy.GOAL, np.float32), np.zeros(5, np.int32)
    stretch = Stretch(seen, goal, zeros, zeros, zeros, zeros, {}, seen)
    told, learned = reward_films.evaluated(method, toy.point(), carry.run, stretch)
    assert told.label == "forward: environment" and learned.label == "backward: discriminator"
    scale = method.learner.reward_scale
    np.testing.assert_allclose(told.values, [0, 0, 0, 0, scale])
    answering = dataclasses.replace(toy.point(), score=lambda *_: (0.0, False))
    (alone,) = reward_films.evaluated(method, answering, carry.run, stretch)
    np.testing.assert_allclose(alone.values, learned.values)


def test_the_cursor_parts_what_was_from_what_is_to_come():
    values = np.sin(np.arange(50.0))
    curve = reward_films.Curve(1, "backward: discriminator", values)
    plot = reward_films._Plot([curve], np.repeat([0, 1], 25), 320)
    first, middle, last = (np.asarray(plot.at(step)).astype(int) for step in (0, 25, 49))
    assert first.shape == (plot.height, 320, 3)
    cursor = np.array(ImageColor.getrgb(LIGHT.text))
    row = plot.height - reward_films._FOOT - 10
    (at,) = np.flatnonzero((middle[row] == cursor).all(axis=-1))
    assert abs(at - (50 + 25 / 49 * 261)) <= 1  # fifty pixels for the numbers, eight at the right
    area = slice(reward_films._HEAD, reward_films._HEAD + reward_films._PANEL)
    np.testing.assert_array_equal(middle[area, :at], last[area, :at])
    np.testing.assert_array_equal(middle[area, at + 1 :], first[area, at + 1 :])
    assert last[area, 60:at].min() < first[area, 60:at].min()  # fainter
