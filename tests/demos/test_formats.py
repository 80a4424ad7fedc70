"""Every format gives back what was written; what does not fit is refused with the reason."""

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from same import assert_same

from unreset.core.types import Task
from unreset.demos import formats, npz, store
from unreset.demos.store import BACKWARD, FORWARD, Trajectory
from unreset.errors import UnresetError


def shaped(observation, action, goal):
    """A task of these sizes in which anything is a success."""
    return Task(
        name="shaped",
        summary="",
        observation_size=observation,
        action_size=action,
        goals=np.zeros((1, goal), np.float32),
        initial_goals=np.zeros((1, goal), np.float32),
        horizon=10,
        train_reset_every=10,
        achieved=lambda observation: observation,
        reward=lambda observation, goal: 1.0,
        success=lambda observation, goal: observation[0] == observation[0],
    )


SHAPED = shaped(3, 2, 1)


@some.composite
def trajectories(draw):
    steps = draw(some.integers(1, 5))
    floats = some.floats(width=32, allow_nan=False, allow_infinity=False)
    units = some.floats(-1, 1, width=32)
    return Trajectory(
        draw(arrays.arrays(np.float32, (steps + 1, 3), elements=floats)),
        draw(arrays.arrays(np.float32, (steps, 2), elements=units)),
        draw(arrays.arrays(np.float32, 1, elements=floats)),
        draw(some.sampled_from([FORWARD, BACKWARD])),
        draw(some.none() | arrays.arrays(np.float32, steps, elements=floats)),
    )


@settings(max_examples=40, deadline=None)
@given(given=some.lists(trajectories(), min_size=1, max_size=4))
@pytest.mark.parametrize("suffix", ["safetensors", "npz"])
def test_files_give_back_what_was_written(tmp_path_factory, suffix, given):
    path = tmp_path_factory.mktemp("round") / f"demos.{suffix}"
    assert formats.write(given, SHAPED, path) == path
    assert_same(formats.read(path, SHAPED), given)
    assert [file.name for file in path.parent.iterdir()] == [path.name]  # nothing unfinished


@pytest.mark.parametrize("suffix", ["safetensors", "npz"])
def test_files_say_their_task_and_success_rate(demonstrations, task, tmp_path, suffix):
    path = tmp_path / f"demos.{suffix}"
    missed = demonstrations[0]._replace(observations=demonstrations[0].observations + 1)
    formats.write([*demonstrations[:3], missed], task, path)
    saved = npz.load(path, task, None) if suffix == "npz" else store.load_with_metadata(path)
    texts = saved[1]
    assert texts == {"task": "tabletop", "success_rate": "0.75"}
    with pytest.raises(UnresetError, match="demonstrations of tabletop, not of shaped"):
        formats.read(path, SHAPED)


@pytest.mark.parametrize("suffix", ["safetensors", "npz"])
@pytest.mark.parametrize("share", [0.0, 0.2, 0.9])
def test_truncated_files_are_refused(demonstrations, task, tmp_path, suffix, share):
    path = formats.write(demonstrations, task, tmp_path / f"demos.{suffix}")
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(UnresetError, match=r"holds no demonstrations|cannot be read"):
        formats.read(path, task)


@pytest.mark.parametrize("suffix", ["safetensors", "npz"])
def test_what_does_not_fit_is_neither_written_nor_read(demonstrations, task, tmp_path, suffix):
    path = tmp_path / f"demos.{suffix}"
    observations = demonstrations[0].observations.copy()
    observations[3, 0] = np.nan
    bad = demonstrations[0]._replace(observations=observations)
    with pytest.raises(UnresetError, match="demonstration 1: observations contain NaN"):
        formats.write([demonstrations[0], bad], task, path)
    assert not path.exists()
    if suffix == "npz":
        npz.save(path, [bad], {})
    else:
        store.save(path, [bad])
    with pytest.raises(UnresetError, match=f"{path}: demonstration 0: observations contain NaN"):
        formats.read(path, task)


@pytest.mark.parametrize("beyond", [1e-7, 1e-6])
def test_rounding_beyond_the_range_of_actions_is_cut_off(demonstrations, task, tmp_path, beyond):
    actions = demonstrations[0].actions.astype(np.float64)
    actions[0], actions[1] = 1 + beyond, -1 - beyond
    path = formats.write([demonstrations[0]._replace(actions=actions)], task, tmp_path / "d.npz")
    found = formats.read(path, task)[0].actions
    assert (found[0] == 1).all() and (found[1] == -1).all()
    np.testing.assert_array_equal(found[2:], demonstrations[0].actions[2:])


def test_more_than_rounding_is_refused(demonstrations, task, tmp_path):
    actions = demonstrations[0].actions.copy()
    actions[0, 0] = 1.00001
    with pytest.raises(UnresetError, match=r"actions lie outside \[-1, 1\]"):
        formats.write([demonstrations[0]._replace(actions=actions)], task, tmp_path / "d.npz")


@pytest.mark.parametrize(
    ("rewards", "message"),
    [
        (np.zeros(3), "there must be one reward for each action"),
        (np.full(6, np.nan), "rewards contain NaN"),
    ],
)
def test_unfit_rewards_are_refused(rewards, message):
    one = Trajectory(np.zeros((7, 3)), np.zeros((6, 2)), np.zeros(1), FORWARD, rewards)
    with pytest.raises(UnresetError, match=f"demonstration 0: .*{message}"):
        store.check([one], SHAPED)


def test_stored_rewards_become_the_rows_rewards(demonstrations, task):
    one = demonstrations[0]
    steps = len(one.actions)
    rewards = np.linspace(-1, 0, steps, dtype=np.float32)
    cut = one._replace(observations=one.observations[:-1], actions=one.actions[:-1])
    rows, last = store.pinned_rows(
        [one._replace(rewards=rewards), one, cut._replace(rewards=rewards[:-1])], task
    )
    np.testing.assert_array_equal(rows.reward[:steps], rewards)
    assert rows.success[:steps].tolist() == [False] * (steps - 1) + [True]
    second = slice(steps + 1, 2 * steps + 1)
    assert rows.reward[second].tolist() == [0.0] * (steps - 1) + [1.0]
    assert rows.success[second].sum() == 1
    third = slice(2 * steps + 2, 3 * steps + 1)  # it stops one step before its success
    np.testing.assert_array_equal(rows.reward[third], rewards[:-1])
    assert rows.success[third].sum() == 0
    assert rows.end.sum() == 3
    assert last[-1] == len(last) - 1


def flat_columns(one, goal=True):
    frames = one.observations
    if goal:
        frames = np.hstack([frames, np.tile(one.goal, (len(frames), 1))])
    ends = np.arange(len(one.actions)) == len(one.actions) - 1
    return {
        "observations": frames[:-1],
        "next_observations": frames[1:],
        "actions": one.actions,
        "terminals": ends,
    }


def test_flat_archives_need_a_direction(demonstrations, task, tmp_path):
    path = tmp_path / "flat.npz"
    np.savez(path, **flat_columns(demonstrations[4]))
    assert_same(formats.read(path, task, BACKWARD), demonstrations[4:5])
    with pytest.raises(UnresetError, match="does not say which way"):
        formats.read(path, task)


def test_flat_archives_may_keep_goals_and_time_outs_apart(demonstrations, task, tmp_path):
    one = demonstrations[0]
    made = flat_columns(one, goal=False)
    made["goals"] = np.tile(one.goal, (len(one.actions), 1))
    made["timeouts"], made["terminals"] = made["terminals"], np.zeros(len(one.actions))
    made["rewards"] = np.arange(len(one.actions))
    np.savez(tmp_path / "flat.npz", **made)
    found = formats.read(tmp_path / "flat.npz", task, FORWARD)
    assert_same(found, [one._replace(rewards=made["rewards"].astype(np.float32))])


def test_single_episodes_start_with_the_reset(demonstrations, task, tmp_path):
    folder = tmp_path / "forward"
    folder.mkdir()
    for number, one in enumerate(demonstrations[:2]):
        frames = np.hstack([one.observations, np.tile(one.goal, (len(one.observations), 1))])
        actions = np.vstack([np.full((1, 3), 9.0), one.actions])  # the reset's means nothing
        rewards = (np.arange(len(frames)) == len(frames) - 1).astype(np.float32)[:, None]
        np.savez(folder / f"{number}.npz", observation=frames, action=actions, reward=rewards)
    assert_same(formats.read(folder, task), demonstrations[:2])  # the folder says the direction


def test_pickled_members_stay_unread(demonstrations, task, tmp_path):
    made = flat_columns(demonstrations[0])
    np.savez(tmp_path / "a.npz", infos=np.array([{}], object), **made)
    assert_same(formats.read(tmp_path / "a.npz", task, FORWARD), demonstrations[:1])
    made["actions"] = made["actions"].astype(object)
    np.savez(tmp_path / "b.npz", **made)
    with pytest.raises(UnresetError, match="allow_pickle=False"):
        formats.read(tmp_path / "b.npz", task, FORWARD)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ({"x": np.zeros(3)}, r"arrays are \['x'\], none of them known"),
        ({"actions": np.zeros(3)}, "no layout of demonstrations"),
        ({"lengths": np.ones(1, int)}, "there is no observations, actions"),
        (
            {
                "lengths": np.array([2, -1]),
                **{n: np.zeros((3, 1)) for n in ("observations", "actions", "goals", "directions")},
            },
            "lengths must be positive",
        ),
        (
            {
                "lengths": np.array([2]),
                **{n: np.zeros((3, 1)) for n in ("observations", "actions", "goals", "directions")},
            },
            r"actions have shape \(3, 1\), but the lengths ask for 2 rows",
        ),
    ],
)
def test_other_archives_are_refused(task, tmp_path, made, message):
    np.savez(tmp_path / "a.npz", **made)
    with pytest.raises(UnresetError, match=message):
        formats.read(tmp_path / "a.npz", task, FORWARD)


def test_places_without_demonstrations_are_refused(task, tmp_path, demonstrations):
    with pytest.raises(UnresetError, match=r"nothing\.npz: there is no such file"):
        formats.read(tmp_path / "nothing.npz", task)
    with pytest.raises(UnresetError, match="this folder holds neither"):
        formats.read(tmp_path, task)
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(UnresetError, match=r"unknown kind of file '\.txt'"):
        formats.read(tmp_path / "notes.txt", task)
    store.save(tmp_path / "none.safetensors", [])
    with pytest.raises(UnresetError, match="holds no demonstrations"):
        formats.read(tmp_path / "none.safetensors", task)
    with pytest.raises(UnresetError, match="no demonstrations to write"):
        formats.write([], task, tmp_path / "a.npz")
    with pytest.raises(UnresetError, match=r"must end in \.safetensors or \.npz"):
        formats.write(demonstrations, task, tmp_path / "a.hdf5")
    with pytest.raises(UnresetError, match=r"must end in \.npz"):
        formats.write(demonstrations, task, tmp_path / "a.dat", "npz")
    (tmp_path / "file").write_text("")
    with pytest.raises(UnresetError, match=r"cannot write .*file/a\.npz"):
        formats.write(demonstrations, task, tmp_path / "file" / "a.npz")


def test_a_stated_direction_is_not_overruled(task, tmp_path, demonstrations):
    path = formats.write(demonstrations, task, tmp_path / "a.npz")
    with pytest.raises(UnresetError, match="says the direction of each demonstration itself"):
        formats.read(path, task, FORWARD)
