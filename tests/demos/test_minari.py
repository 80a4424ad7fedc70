"""Minari datasets: what is written is read, also by others; nothing is ever downloaded."""

import dataclasses
import json
import os
import socket
import sys

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from same import assert_same

from unreset.demos import formats
from unreset.demos.store import BACKWARD
from unreset.errors import UnresetError
from unreset.tasks.tabletop import tabletop as rules


@pytest.fixture
def minari(tmp_path, monkeypatch):
    """Minari, with an empty place for data sets and no network."""
    minari = pytest.importorskip("minari")
    pytest.importorskip("h5py")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))

    def refuse(*_):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    return minari


def test_a_minari_dataset_gives_back_what_was_written(minari, task, demonstrations):
    rewards = np.arange(len(demonstrations[1].actions), dtype=np.float32)
    demonstrations = list(demonstrations)
    demonstrations[1] = demonstrations[1]._replace(rewards=rewards)
    place = formats.write(demonstrations, task, "table/mine-v3", "minari")
    for source in ("table/mine-v3", place, place / "data"):
        assert_same(formats.read(source, task), demonstrations)


def test_a_minari_dataset_is_one_for_others_too(minari, task, demonstrations):
    place = formats.write(demonstrations, task, "mine-v0", "minari")
    dataset = minari.load_dataset("mine-v0")
    assert dataset.total_episodes == 8
    assert dataset.total_steps == sum(len(one.actions) for one in demonstrations)
    environment = gymnasium.make("unreset/Tabletop-v0")
    assert dataset.env_spec.id == "unreset/Tabletop-v0"
    assert dataset.observation_space == environment.observation_space
    assert dataset.action_space == environment.action_space
    assert dataset.recover_environment().observation_space == environment.observation_space
    for episode, one in zip(dataset, demonstrations, strict=True):
        steps = len(one.actions)
        assert not episode.terminations.any()
        assert episode.truncations.tolist() == [False] * (steps - 1) + [True]
        assert episode.infos["is_success"].tolist() == [False] * steps + [True]
        assert episode.rewards.tolist() == [0.0] * (steps - 1) + [1.0]
        frames = [{k: v[n] for k, v in episode.observations.items()} for n in (0, steps)]
        assert all(frame in dataset.observation_space for frame in frames)
        np.testing.assert_array_equal(frames[1]["achieved_goal"][:4], one.observations[-1][:4])
    raw = json.loads((place / "data" / "metadata.json").read_text())
    assert raw["unreset_task"] == "tabletop"
    assert raw["unreset_directions"] == "forward, backward"
    assert raw["unreset_success_rate"] == "1"
    labels = [m["direction"] for m in dataset.storage.get_episode_metadata(range(8))]
    assert labels == ["forward"] * 4 + ["backward"] * 4
    with pytest.raises(UnresetError, match="demonstrations of tabletop, not of other"):
        formats.read("mine-v0", dataclasses.replace(task, name="other"))


def foreign(minari, identifier, demonstrations, flat):
    """A data set as somebody else would write it: without our notes, perhaps in one array."""
    box = spaces.Box(-10, 10, (6,), np.float64)
    space = spaces.Dict({"observation": box, "achieved_goal": box, "desired_goal": box})
    buffers = []
    for one in demonstrations:
        goals = np.tile(one.goal, (len(one.observations), 1))
        observations = np.hstack([one.observations, goals])
        if not flat:
            observations = {
                "observation": one.observations,
                "achieved_goal": goals,
                "desired_goal": goals,
            }
        last = np.arange(len(one.actions)) == len(one.actions) - 1
        buffers.append(
            minari.data_collector.EpisodeBuffer(
                observations=observations,
                actions=one.actions,
                rewards=last.astype(float),
                terminations=last,
                truncations=~last & False,
                infos={},
            )
        )
    return minari.create_dataset_from_buffers(
        identifier,
        buffers,
        observation_space=spaces.Box(-10, 10, (12,), np.float64) if flat else space,
        action_space=spaces.Box(-1, 1, (3,), np.float32),
    )


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.filterwarnings("ignore")
def test_foreign_minari_episodes_go_by_their_goal(minari, task, demonstrations, flat):
    mixed = [demonstrations[i] for i in (0, 5, 2, 7)]
    foreign(minari, "other/goals-v1", mixed, flat)
    assert_same(formats.read("other/goals-v1", task), mixed)
    forced = formats.read("other/goals-v1", task, BACKWARD)
    assert {one.direction for one in forced} == {BACKWARD}


@pytest.mark.filterwarnings("ignore")
def test_unfit_minari_datasets_are_refused(minari, task, demonstrations, tmp_path):
    with pytest.raises(UnresetError, match=r"no-v0: there is no such Minari dataset in .*minari"):
        formats.read("no-v0", task)
    dataset = foreign(minari, "flat-v0", demonstrations[:1], True)
    with pytest.raises(UnresetError, match=r"shape \(\d+, 12\), but other needs \(steps, 13\)"):
        formats.read(
            "flat-v0", dataclasses.replace(task, name="other", observation_size=7, offsets=None)
        )
    data = dataset.storage.data_path
    whole = (data / "main_data.hdf5").read_bytes()
    (data / "main_data.hdf5").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UnresetError, match="flat-v0: it cannot be read as a Minari dataset"):
        formats.read("flat-v0", task)
    (data / "metadata.json").write_text("{}")
    with pytest.raises(UnresetError, match="metadata lacks action_space, observation_space"):
        formats.read("flat-v0", task)


@pytest.mark.filterwarnings("ignore")
def test_a_minari_dataset_in_a_format_whose_package_is_missing_is_one_line(
    minari, task, demonstrations, monkeypatch
):
    dataset = foreign(minari, "arrow-v0", demonstrations[:1], True)
    metadata = dataset.storage.data_path / "metadata.json"
    metadata.write_text(metadata.read_text().replace('"hdf5"', '"arrow"'))
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.delitem(sys.modules, "minari.dataset._storages.arrow_storage", raising=False)
    with pytest.raises(UnresetError, match=r"arrow-v0: it cannot be read.*pyarrow is not"):
        formats.read("arrow-v0", task)


def test_minari_ids_are_checked(minari, task, demonstrations, tmp_path):
    with pytest.raises(UnresetError, match=r"'name/v0' is no id .* tabletop/demonstrations-v0"):
        formats.write(demonstrations, task, "name/v0", "minari")
    formats.write(demonstrations[:1], task, "mine-v0", "minari")
    with pytest.raises(UnresetError, match="mine-v0 exists already"):
        formats.write(demonstrations, task, "mine-v0", "minari")
    assert sorted(os.listdir(tmp_path / "minari")) == ["mine-v0"]


def test_without_minari_the_extra_is_named(task, monkeypatch):
    monkeypatch.setitem(sys.modules, "minari", None)
    with pytest.raises(UnresetError, match=r"pip install 'unreset\[minari\]'"):
        formats.read("some-v0", task)


def test_goals_are_the_tasks_here(demonstrations):
    """What the direction of foreign episodes rests on."""
    assert all((one.goal == rules.GOALS).all(axis=1).any() for one in demonstrations[:4])
    assert not any((one.goal == rules.GOALS).all(axis=1).any() for one in demonstrations[4:])
