"""Datasets recorded in real environments fit the tasks that are made from those."""

import json

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from unreset import api, from_environment
from unreset.demos import formats
from unreset.demos.store import BACKWARD, FORWARD, Trajectory
from unreset.errors import UnresetError
from unreset.validation.check_task import check

pytestmark = pytest.mark.filterwarnings("ignore")  # Minari's about authors


@pytest.fixture
def minari(tmp_path, monkeypatch):
    minari = pytest.importorskip("minari")
    pytest.importorskip("h5py")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    return minari


def record(minari, name, environment, act, episodes=3, steps=60, infos=False, until=None):
    """A dataset as its users make one: Minari's collector around an environment."""
    collector = minari.DataCollector(environment, record_infos=infos)
    for seed in range(episodes):
        seen, _ = collector.reset(seed=seed)
        for _ in range(steps):
            seen, _, terminated, truncated, info = collector.step(act(seen))
            if terminated or truncated or (until is not None and until(info)):
                break
    return collector.create_dataset(dataset_id=name)


def to_the_goal(gain, size, damping=0.0):
    def act(seen):
        way = gain * (seen["desired_goal"] - seen["achieved_goal"])
        if damping:
            way -= damping * seen["observation"][2:4]
        return np.pad(np.clip(way, -1, 1), (0, size - len(way))).astype(np.float32)

    return act


def test_fetch_reach(minari):
    pytest.importorskip("gymnasium_robotics")
    task = from_environment("FetchReach-v4", samples=10)
    environment = gymnasium.make("FetchReach-v4", max_episode_steps=30)
    dataset = record(
        minari, "reach/shown-v0", environment, to_the_goal(10, 4), until=lambda i: i["is_success"]
    )
    found = formats.read("reach/shown-v0", task)
    assert len(found) == 3 and {one.direction for one in found} == {FORWARD}
    for one, episode in zip(found, dataset.iterate_episodes(), strict=True):
        recorded = episode.observations
        assert recorded["observation"].shape[1] == 10 and one.observations.shape[1] == 13
        np.testing.assert_array_equal(one.observations[:, :10], np.float32(recorded["observation"]))
        np.testing.assert_array_equal(
            one.observations[:, 10:], np.float32(recorded["achieved_goal"])
        )
        np.testing.assert_array_equal(one.goal, np.float32(recorded["desired_goal"][0]))
        np.testing.assert_array_equal(one.actions, episode.actions)
        assert episode.rewards[0] == -1  # the environment's; the task's are 0, and 1 on success
        assert one.rewards is None and task.success(one.observations[-1], one.goal)
    verdict = [f.verdict for f in check(task, found, steps=20) if f.what == "demonstrations"]
    assert verdict == ["ok"]


def test_a_maze_whose_goal_moves_on_success(minari):
    pytest.importorskip("gymnasium_robotics")
    task = from_environment("PointMaze_Open-v3", samples=10)
    environment = gymnasium.make(
        "PointMaze_Open-v3", continuing_task=True, reset_target=True, max_episode_steps=200
    )
    dataset = record(minari, "maze/moves-v0", environment, to_the_goal(5, 2, 3), 2, 200)
    found = formats.read("maze/moves-v0", task)
    assert sum(len(one.actions) for one in found) == dataset.total_steps == 400
    assert len(found) > 3 and {one.direction for one in found} == {FORWARD}
    assert {one.observations.shape[1] for one in found} == {6}
    begun = 0
    for one in found[:-1]:
        reached = [bool(task.success(o, one.goal)) for o in one.observations[1:]]
        episode = dataset[0 if begun < 200 else 1]
        at = begun % 200
        np.testing.assert_array_equal(
            one.goal, np.float32(episode.observations["desired_goal"][at + 1])
        )
        begun += len(one.actions)
        if begun != 200:  # not cut by the time limit
            assert reached == [False] * (len(reached) - 1) + [True]
            assert one.rewards is None
    np.testing.assert_array_equal(found[0].observations[-1], found[1].observations[0])


def test_practice_takes_them(minari, tmp_path, monkeypatch):
    pytest.importorskip("gymnasium_robotics")
    from unreset import registry  # noqa: PLC0415

    environment = gymnasium.make("FetchReach-v4", max_episode_steps=30)
    record(minari, "reach/shown-v0", environment, to_the_goal(10, 4))
    monkeypatch.setitem(
        registry.TASKS, "reach", lambda: from_environment("FetchReach-v4", samples=3)
    )
    monkeypatch.chdir(tmp_path)
    task = registry.task("reach")
    found = formats.read("reach/shown-v0", task)
    assert [one.rewards is None for one in found] == [False] * 3  # they stay there: many successes
    assert all(one.rewards[-1] == 1 and set(one.rewards) == {0, 1} for one in found)
    assert len(api.demonstrations_of(task, "reach/shown-v0")) == 3


class Slide(gymnasium.Env):
    """A point [2] that goes where it is pushed, seen by a camera too."""

    def __init__(self, pictures=False, flat=False):
        self.flat, self.pictures = flat, pictures
        where = spaces.Box(-9, 9, (2,), np.float64)
        parts = {"place": where, "volts": spaces.Box(0, 1, (1,), np.float64)}
        if pictures:
            parts["camera"] = spaces.Box(0, 255, (8, 8, 3), np.uint8)
        self.observation_space = where if flat else spaces.Dict(parts)
        self.action_space = spaces.Box(-0.1, 0.1, (2, 1), np.float32)

    def sense(self):
        if self.flat:
            return self.at.copy()
        seen = {"place": self.at.copy(), "volts": np.ones(1)}
        if self.pictures:
            seen["camera"] = np.full((8, 8, 3), int(100 * self.at[0]) % 256, np.uint8)
        return seen

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at = np.zeros(2)
        return self.sense(), {"success": False}

    def step(self, action):
        self.at = self.at + np.ravel(action)
        return self.sense(), -1.0, False, False, {"success": bool(self.at[0] > 0.45)}


def straight(seen):
    return np.array([[0.1], [0.0]], np.float32)


def slide(**options):
    defaults = {"achieved": [0, 1], "goals": [[0.5, 0.0], [0.0, 0.5]], "success": 0.05}
    return from_environment(Slide, horizon=20, samples=3, **(defaults | options))


@pytest.mark.parametrize("flat", [False, True])
def test_an_environment_without_goals(minari, flat):
    record(minari, "slide/there-v0", Slide(flat=flat), straight, steps=5)
    task = slide(flat=flat) if flat else slide(state=lambda o: o["place"])
    for one in formats.read("slide/there-v0", task):
        assert one.goal.tolist() == [0.5, 0.0]  # the one that it has reached at its end
        np.testing.assert_allclose(one.observations[:, 0], np.arange(6) / 10, atol=1e-6)
        np.testing.assert_allclose(one.actions, [[1.0, 0.0]] * 5, atol=1e-6)  # of [-0.1, 0.1]
        assert one.rewards is None
    far = slide(flat=flat, goals=[[3, 3], [4, 4]], **({} if flat else {"state": "place"}))
    with pytest.raises(UnresetError, match="hold no desired_goal, and none of the 2 goals"):
        formats.read("slide/there-v0", far)


def test_one_thing_to_do(minari):
    record(minari, "slide/there-v0", Slide(), straight, steps=8)
    task = slide(achieved=None, goals=None, success=lambda o: o[0] > 0.55)
    for one in formats.read("slide/there-v0", task):
        assert one.goal.tolist() == [0.0] and one.observations.shape == (9, 3)
        assert one.rewards.tolist() == [0] * 5 + [1] * 3


def test_success_that_only_the_environment_knows(minari):
    record(minari, "slide/told-v0", Slide(), straight, steps=8, infos=True)
    record(minari, "slide/untold-v0", Slide(), straight, steps=8)
    known = {"achieved": None, "goals": None, "success": "environment"}
    for one in formats.read("slide/told-v0", slide(**known)):
        assert one.rewards.tolist() == [0] * 4 + [1] * 4
    with pytest.raises(UnresetError, match=r"rewards are not 1 on success .* no infos is_success"):
        formats.read("slide/untold-v0", slide(**known))
    (one, *_) = formats.read("slide/untold-v0", slide(**known, reward="environment"))
    assert one.rewards.tolist() == [-1] * 8


def test_pictures(minari):
    record(minari, "slide/seen-v0", Slide(pictures=True), straight, steps=5)
    task = slide(pictures=True)
    assert task.cameras == ("camera",) and task.observation_size == 3
    (one, *_) = formats.read("slide/seen-v0", task)
    camera = one.frames["camera"]
    assert camera.dtype == np.uint8 and camera.shape == (6, 8, 8, 3)
    assert camera[:, 0, 0, 0].tolist() == [0, 10, 20, 30, 40, 50]
    # What is written again keeps them, in the task's layout and with its actions.
    back = one._replace(direction=BACKWARD)
    place = formats.write([one, back], task, "slide/again-v0", "minari")
    first, second = formats.read("slide/again-v0", task)
    np.testing.assert_array_equal(first.frames["camera"], camera)
    np.testing.assert_array_equal(first.observations, one.observations)
    np.testing.assert_array_equal(first.actions, one.actions)
    assert [first.direction, second.direction] == [FORWARD, BACKWARD]
    space = json.loads((place / "data" / "metadata.json").read_text())["observation_space"]
    assert "camera" in str(space)


def test_what_does_not_fit_is_named(minari):
    record(minari, "slide/there-v0", Slide(), straight, steps=5)
    with pytest.raises(UnresetError, match=r"demonstration 0: observations have \['place', 'vol"):
        formats.read("slide/there-v0", from_environment("Pendulum-v1", success=lambda o: o[0] > 1))
    record(minari, "slide/flat-v0", Slide(flat=True), straight, steps=5)
    with pytest.raises(UnresetError, match=r"have shape \(6, 2\), but Slide needs \(steps, 5\)"):
        formats.read("slide/flat-v0", slide())


def test_a_dataset_in_the_tasks_own_layout_is_one_too(minari):
    task = slide()
    rows = np.pad(np.arange(6)[:, None] / 10, ((0, 0), (0, 2))).astype(np.float32)
    one = Trajectory(
        rows, np.tile([[1, 0]], (5, 1)).astype(np.float32), np.array([0.5, 0], np.float32), FORWARD
    )
    formats.write([one], task, "slide/ours-v0", "minari")
    (again,) = formats.read("slide/ours-v0", task)
    np.testing.assert_array_equal(again.observations, one.observations)
    np.testing.assert_array_equal(again.actions, one.actions)
