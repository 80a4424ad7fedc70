"""Actions in the environment's own units are normalized, or refused; never taken for others."""

import pickle
from dataclasses import replace

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

import unreset
from unreset import from_environment, registry
from unreset.cli import demos
from unreset.demos import formats, store, units
from unreset.demos.store import FORWARD, Normalized, Trajectory
from unreset.errors import UnresetError
from unreset.validation import check_task

LOW, HIGH = np.array([-0.05, 0.0]), np.array([0.05, 0.2])  # not symmetric
SHARES = np.array([[1.0, -1.0], [0.5, 0.0], [-0.25, 1.0], [0.75, -0.5]], np.float32)
OWN = LOW + (SHARES.astype(np.float64) + 1) / 2 * (HIGH - LOW)


class Push(gymnasium.Env):
    """A point that an action moves by itself, with a goal a little further than it gets here."""

    def __init__(self, low=LOW, high=HIGH):
        self.observation_space = spaces.Box(-9.0, 9.0, (2,))
        self.action_space = spaces.Box(low, high, dtype=np.float64)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at = np.zeros(2)
        return self.at.astype(np.float32), {}

    def step(self, action):
        self.at = self.at + action
        return self.at.astype(np.float32), 0.0, False, False, {}


def pushing(low=LOW, high=HIGH, **given):
    given = {"goals": [OWN.sum(axis=0)], "success": 0.01, "achieved": [0, 1]} | given
    return from_environment(
        lambda: Push(low, high), name="push", horizon=10, samples=1, offsets=np.eye(4), **given
    )


@pytest.fixture(scope="module")
def task():
    return pushing()


def shown(actions):
    """One demonstration, as it went in the environment."""
    seen = np.concatenate([np.zeros((1, 2)), np.cumsum(OWN, axis=0)]).astype(np.float32)
    return Trajectory(seen, np.asarray(actions), OWN.sum(axis=0).astype(np.float32), FORWARD)


def columns(actions):
    one = shown(actions)
    rows = np.hstack([one.observations, np.tile(one.goal, (5, 1))])
    ends = np.arange(4) == 3
    return {
        "observations": rows[:-1],
        "next_observations": rows[1:],
        "actions": one.actions,
        "terminals": ends,
        "rewards": ends.astype(np.float32),
    }


def flat(folder, actions):
    np.savez(folder / "flat.npz", **columns(actions))
    return folder / "flat.npz"


def single(folder, actions):
    one = columns(actions)
    rows = np.vstack([one["observations"][:1], one["next_observations"]])
    before = np.zeros((1, actions.shape[1]))  # of the reset
    np.savez(folder / "one.npz", observation=rows, action=np.vstack([before, one["actions"]]))
    return folder / "one.npz"


def single_folder(folder, actions):
    single(folder, actions)
    return folder


def pickled(folder, actions):
    (folder / "demo_data.pkl").write_bytes(pickle.dumps(columns(actions), protocol=3))
    return folder / "demo_data.pkl"


def released(folder, actions):
    return pickled(folder, actions).parent.parent


def archive(folder, actions):
    one = shown(actions)
    made = {"lengths": [4], "directions": [0], "goals": one.goal[None]}
    np.savez(folder / "a.npz", observations=one.observations, actions=actions, **made)
    return folder / "a.npz"


def own_file(folder, actions):
    store.save(folder / "a.safetensors", [shown(actions)])
    return folder / "a.safetensors"


SILENT = [flat, single, single_folder, pickled, released, archive, own_file]


@pytest.fixture
def forward(tmp_path):
    (tmp_path / "forward").mkdir()
    return tmp_path / "forward"


@pytest.mark.parametrize("written", SILENT)
def test_a_file_that_says_no_units_is_asked_for_them(task, forward, written):
    path = written(forward, OWN)
    with pytest.raises(UnresetError, match=r"largest is 0\.2, .* \(-0\.05, 0\) to .*--actions"):
        formats.read(path, task)
    (found,) = formats.read(path, task, actions="environment")
    np.testing.assert_allclose(found.actions, SHARES, atol=1e-6)
    (small,) = formats.read(path, task, actions="normalized")
    np.testing.assert_array_equal(small.actions, OWN.astype(np.float32))


@pytest.mark.parametrize("written", SILENT)
def test_normalized_actions_are_read_as_they_are(task, forward, written):
    (found,) = formats.read(written(forward, SHARES), task)
    np.testing.assert_array_equal(found.actions, SHARES)


def test_small_actions_are_doubted_where_the_environment_has_no_units_of_its_own(forward):
    task = pushing(-np.ones(2), np.ones(2))
    path = flat(forward, SHARES / 20)
    with pytest.raises(UnresetError, match=r"the largest is 0\.05; say their units"):
        formats.read(path, task)
    assert formats.read(path, task, actions="normalized")[0].actions.max() == np.float32(0.05)
    assert len(formats.read(flat(forward, SHARES / 3), task)) == 1  # slow, no more


def test_large_actions_are_refused_with_the_same_advice(forward):
    bounds = np.array([-2.0, 0.0]), np.array([2.0, 255.0])
    task, actions = pushing(*bounds), units_of(SHARES, *bounds)
    path = flat(forward, actions)
    with pytest.raises(UnresetError, match=r"the largest is 255.*--actions"):
        formats.read(path, task)
    (found,) = formats.read(path, task, actions="environment")
    np.testing.assert_allclose(found.actions, SHARES, atol=1e-6)
    with pytest.raises(UnresetError, match=r"number 1 of action 2 is 256, outside its range 0 to"):
        formats.read(flat(forward, actions + np.array([0, 1])), task, actions="environment")


def units_of(shares, low, high):
    return low + (shares.astype(np.float64) + 1) / 2 * (high - low)


def test_a_slow_episode_among_others_is_not_doubted(forward, tmp_path):
    task = pushing(-np.ones(2), np.ones(2))
    for name, actions in (("a", SHARES), ("b", SHARES / 20)):
        single(forward, actions).rename(forward / f"{name}.npz")
    assert [one.actions.max() for one in formats.read(forward, task)] == [1, np.float32(0.05)]


def test_what_was_normalized_once_stays_so(task, forward):
    path = formats.write(Normalized([shown(OWN)]), task, forward / "slow.npz")  # known to be slow
    np.testing.assert_array_equal(formats.read(path, task)[0].actions, OWN.astype(np.float32))
    with pytest.raises(UnresetError, match="written by unreset, with normalized actions"):
        formats.read(path, task, actions="environment")


def test_the_command_normalizes_once_and_for_all(task, forward, monkeypatch, capsys):
    monkeypatch.setitem(registry.TASKS, "push", lambda: task)
    path, out = flat(forward, OWN), forward / "mine.safetensors"
    words = ["import", str(path), "--task", "push", "--out", str(out)]
    with pytest.raises(UnresetError, match="seem not to be normalized"):
        demos.main(words)
    assert demos.main([*words, "--actions", "environment"]) == 0
    np.testing.assert_allclose(formats.read(out, task)[0].actions, SHARES, atol=1e-6)


def test_arrays_from_python_are_doubted_too(task, tmp_path, monkeypatch):
    monkeypatch.setitem(registry.TASKS, "push", lambda: task)
    given = [shown(OWN)]
    with pytest.raises(UnresetError, match="seem not to be normalized"):
        formats.write(given, task, tmp_path / "a.npz")
    with pytest.raises(UnresetError, match="seem not to be normalized"):
        unreset.train("naive", "push", demonstrations=given, out=tmp_path / "run")
    monkeypatch.setitem(registry.TASKS, "push", lambda: replace(task, demonstrations=lambda: given))
    with pytest.raises(UnresetError, match="seem not to be normalized"):
        unreset.train("naive", "push", out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    found = units.normalized(given, task)
    np.testing.assert_allclose(found[0].actions, SHARES, atol=1e-6)
    formats.write(found, task, tmp_path / "a.npz")
    with pytest.raises(UnresetError, match="must be 'normalized' or 'environment', not 'metres'"):
        units.normalized(given, task, "metres")


def test_the_check_finds_them(task):
    for given in (task, replace(task, demonstrations=lambda: [shown(OWN)])):
        trajectories = [shown(OWN)] if given.demonstrations is None else None
        found = {one.what: one for one in check_task.check(given, trajectories, steps=50)}
        assert found["demonstrations"].verdict == "problem"
        assert "seem not to be normalized" in found["demonstrations"].text
    right = check_task.check(task, units.normalized([shown(OWN)], task), steps=50)
    assert {one.verdict for one in right if one.what == "demonstrations"} == {"ok"}


@pytest.mark.parametrize("bounds", [(-0.05, 0.05), (0.0, 1.0), (-0.5, 0.2), (0.0, 0.04)])
def test_a_whole_range_of_the_environments_is_always_doubted(bounds, forward):
    low, high = (np.full(2, bound) for bound in bounds)
    task = pushing(low, high)
    with pytest.raises(UnresetError, match="seem not to be normalized"):
        units.refuse_doubt([shown(units_of(SHARES, low, high))], task)
    units.refuse_doubt([shown(SHARES)], task)
    units.refuse_doubt([shown(np.zeros((4, 2)))], task)


@pytest.fixture
def minari(tmp_path, monkeypatch):
    """Writes a dataset as somebody else would, with the space of its actions."""
    minari = pytest.importorskip("minari")
    pytest.importorskip("h5py")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))

    def made(actions, space):
        one = columns(actions)
        rows = np.vstack([one["observations"][:1], one["next_observations"]])
        episode = minari.data_collector.EpisodeBuffer(
            observations=rows.astype(np.float32),
            actions=one["actions"],
            rewards=one["rewards"],
            terminations=one["terminals"],
            truncations=np.zeros(4, bool),
            infos={},
        )
        seen = spaces.Box(-9.0, 9.0, (4,), np.float32)
        minari.create_dataset_from_buffers(
            "other/push-v0", [episode], observation_space=seen, action_space=space
        )
        return "other/push-v0"

    return made


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_a_dataset_that_says_its_action_space_is_normalized_by_it(minari, task, kind):
    space = spaces.Box(LOW.astype(kind), HIGH.astype(kind), dtype=kind)
    (found,) = formats.read(minari(OWN.astype(kind), space), task)
    np.testing.assert_allclose(found.actions, SHARES, atol=2e-6)


@pytest.mark.filterwarnings("ignore")
def test_a_dataset_of_normalized_actions_stays(minari, task):
    (found,) = formats.read(minari(SHARES, spaces.Box(-1, 1, (2,), np.float32)), task)
    np.testing.assert_array_equal(found.actions, SHARES)


@pytest.mark.filterwarnings("ignore")
def test_a_dataset_of_another_range_decides_or_is_refused(minari, task):
    low, high = np.array([-2.0, 0.0]), np.array([2.0, 8.0])
    name = minari(units_of(SHARES, low, high), spaces.Box(low, high, dtype=np.float64))
    unit = pushing(-np.ones(2), np.ones(2))  # as an environment in RescaleAction
    np.testing.assert_allclose(formats.read(name, unit)[0].actions, SHARES, atol=1e-6)
    with pytest.raises(UnresetError, match=r"from \(-2, 0\) to \(2, 8\), but those of push from"):
        formats.read(name, task)


@pytest.mark.filterwarnings("ignore")
def test_a_dataset_whose_space_has_no_bounds_says_nothing(minari, task):
    name = minari(OWN, spaces.Box(-np.inf, np.inf, (2,), np.float64))
    with pytest.raises(UnresetError, match="seem not to be normalized"):
        formats.read(name, task)
