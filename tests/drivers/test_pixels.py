"""Pictures through the live driver: what the environment showed is what is recorded and resumed."""

import dataclasses
from functools import partial

import jax
import numpy as np
import pytest

import toy
from unreset import api, registry
from unreset.core import practice
from unreset.demos import store
from unreset.drivers.live import Live
from unreset.drivers.world import World
from unreset.errors import Failure, UnresetError
from unreset.evaluation.deployed import Simulated
from unreset.report.films import Camera
from unreset.runs.configured import with_sight
from unreset.tasks.tabletop.tabletop_expert import tabletop_demonstrations
from unreset.tasks.tabletop.tabletop_task import tabletop

SIZE = toy.tiny(toy.seeing()).learner.vision.image_size


class Filmed(toy.PointEnv):
    """The toy with pictures in its observations, all drawn into the same memory."""

    def __init__(self, spoil=lambda seen: seen, render_mode=None):
        super().__init__()
        self.spoil, self.memory = spoil, {}

    def _seen(self):
        for name, picture in toy.look(self.at, SIZE).items():
            self.memory.setdefault(name, np.zeros((SIZE, SIZE, 3), np.uint8))[:] = picture
        return self.spoil(super()._seen() | self.memory)


def task(spoil=lambda seen: seen):
    return dataclasses.replace(toy.point(), step=None, environment=partial(Filmed, spoil))


def settings(**practice):
    """FBRL from pixels: no discriminators to compile."""
    made = toy.tiny(registry.settings("fbrl"), **practice)
    vision = dataclasses.replace(made.learner.vision, pixels=True)
    return dataclasses.replace(made, learner=dataclasses.replace(made.learner, vision=vision))


def method(task, **practice):
    return settings(**practice).method(task)


def live(chosen, given, trajectories, start="initial"):
    trajectories, seeing = with_sight(trajectories, given, chosen)
    rows, last = store.pinned_rows(trajectories, seeing)
    return Live(chosen, seeing, [5], rows, last, 300, start), seeing


@pytest.mark.slow
def test_recorded_is_what_the_environment_showed():
    given = task()
    driver, _ = live(method(given, reset_every=13), given, toy.demonstrations())
    driver.advance(0, 40)
    replay = driver.carry.run.replay
    begin = replay.pinned
    written = slice(begin, begin + int(replay.written[0]) + 1)
    observations = np.asarray(replay.rows.observation)[0, written]
    assert len(observations) == 41 + 3  # the last ones before each reset are rows of their own
    assert len({float(x) for x in observations[:, 0]}) > 20
    assert set(replay.rows.frames) == {"third", "wrist"}
    for name, column in replay.rows.frames.items():
        expected = [toy.look(seen, SIZE)[name] for seen in observations]
        np.testing.assert_array_equal(np.asarray(column)[0, written], expected)


def test_state_runs_hold_no_pictures():
    given = task()
    chosen = toy.tiny(registry.settings("fbrl")).method(given)
    driver, _ = live(chosen, given, toy.demonstrations())
    assert driver.world.frames == driver.carry.run.replay.rows.frames == {}


def without(seen):
    return {name: value for name, value in seen.items() if name != "wrist"}


def larger(seen):
    return seen | {"wrist": np.zeros((SIZE + 4, SIZE, 3), np.uint8)}


def floats(seen):
    return seen | {"wrist": np.zeros((SIZE, SIZE, 3), np.float32)}


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (without, "no picture of camera 'wrist'; it has: observation, desired_goal, third"),
        (
            larger,
            rf"'wrist' is uint8 of shape \({SIZE + 4}, {SIZE}, 3\), but .* \({SIZE}, {SIZE}, 3\)",
        ),
        (floats, rf"'wrist' is float32 of shape .* must be uint8 .* \(image_size={SIZE}\)"),
    ],
)
def test_wrong_pictures_are_named(spoil, message):
    given = task(spoil)
    with pytest.raises(Failure, match=message):
        World(given, vision=method(given).watched).reset(0)


def test_only_the_cameras_that_are_looked_through_are_needed():
    given = task(without)
    medalpp = toy.seeing()

    def looking(camera, judge=()):
        vision = dataclasses.replace(
            medalpp.learner.vision, cameras=camera, image_size=SIZE, patch=4
        )
        learner = dataclasses.replace(medalpp.learner, vision=vision)
        matching = dataclasses.replace(medalpp.matching, cameras=judge)
        return dataclasses.replace(medalpp, learner=learner, matching=matching).method(given)

    world = World(given, vision=looking(("third",)).watched)
    world.reset(0)
    assert list(world.frames) == ["third"]
    with pytest.raises(Failure, match="no picture of camera 'wrist'"):  # a discriminator's
        World(given, vision=looking(("third",), ("wrist",)).watched).reset(0)
    with pytest.raises(UnresetError, match="no camera 'above'; there are: third, wrist"):
        with_sight(toy.demonstrations(), given, looking(("above",)))


@pytest.mark.slow
def test_both_drivers_agree_on_the_tabletop():
    given = tabletop()
    chosen = method(given, phase_length=7, reset_every=11)
    trajectories = tabletop_demonstrations(per_goal=1)
    driver, seeing = live(chosen, given, trajectories)
    fused = toy.fused(chosen, given, (5,), trajectories, 300)
    fused.advance(0, 30)  # later on, learning makes much of a colour that is rounded up or down
    driver.advance(0, 13)
    driver.advance(13, 30)
    one, other = fused.carry.run, driver.carry.run
    for name in ("role", "source", "end", "segment"):
        columns = [getattr(run.replay.rows, name) for run in (one, other)]
        np.testing.assert_array_equal(*columns, err_msg=name)
    for name in ("observation", "action", "goal"):
        columns = [getattr(run.replay.rows, name) for run in (one, other)]
        np.testing.assert_allclose(*columns, atol=1e-4, err_msg=name)
    for name in given.cameras:
        seen = [np.asarray(run.replay.rows.frames[name], int) for run in (one, other)]
        assert np.abs(seen[0] - seen[1]).max() <= 1  # of 255, as rounding goes
        assert seen[0][0, one.replay.pinned + 30].any()
    assert int(other.ledger.hard_resets[0]) == 3
    phases = [run.phase for run in (one, other)]
    assert toy.leaf_bytes(phases[0]) == toy.leaf_bytes(phases[1])
    assert seeing.goal_pictures["above"].shape == (5, SIZE, SIZE, 3)


@pytest.mark.slow
def test_a_killed_run_ends_as_if_it_had_not_been(tmp_path, monkeypatch):
    common = {
        "driver": "live",
        "eval_every": 20,
        "checkpoint_every": 20,
        "report": False,
        "horizon": 3,
        "wide_starts": 0,
    }
    trajectories = tabletop_demonstrations(per_goal=1)
    given = {"demonstrations": trajectories, **common}
    whole = api.train(settings(), "tabletop", steps=60, out=tmp_path / "whole", **given)
    advance = Live.advance

    def killed(driver, start, stop):
        advance(driver, start, min(stop, 31))
        if stop >= 31:  # eleven steps past the last checkpoint
            raise SystemExit

    monkeypatch.setattr(Live, "advance", killed)
    with pytest.raises(SystemExit):
        api.train(settings(), "tabletop", steps=60, out=tmp_path / "cut", **given)
    monkeypatch.setattr(Live, "advance", advance)
    run = api.load(tmp_path / "cut")
    assert run.env_steps == 20 and run.notes == []
    frames = run._training.driver.carry.state[2]["above"]
    assert frames.any()
    run.resume()
    ends = [toy.leaf_bytes(one._training.driver.carry) for one in (whole, run)]
    assert ends[0] == ends[1]
    assert run.summary["hard_resets"] == whole.summary["hard_resets"]


@pytest.mark.slow
def test_policies_are_evaluated_and_filmed_through_their_cameras():
    given = tabletop()
    chosen = method(given, phase_length=3)
    driver, seeing = live(chosen, given, tabletop_demonstrations(per_goal=1))
    actor = jax.tree.map(lambda x: x[0, 0], driver.run.learners.average)
    seeing = dataclasses.replace(seeing, horizon=3)
    found = Simulated(chosen, seeing).evaluate(actor, "initial", 2, 0)
    assert found.success.shape == (2,)
    carry = jax.tree.map(lambda x: x[0], driver.carry)
    camera = Camera(chosen, seeing, 24)
    stretch, frames = camera.practise(practice.view(chosen, carry.run), carry.state, 4)
    camera.environment.close()
    assert len(frames) == 4
    np.testing.assert_array_equal(stretch.number, [0, 1, 2, 0])
