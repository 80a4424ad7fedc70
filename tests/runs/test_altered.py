"""What changes in a run's folder behind its back: it is noticed, and what is whole stays."""

import errno
import json
import os
import shutil
from types import SimpleNamespace

import pytest
from test_salvage import command, contents, practised

import toy
from unreset import api, registry
from unreset.errors import Failure, UnresetError
from unreset.runs.rows import LOGS, read_log


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run of two seeds and 60 steps, logged and saved every 20."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(registry.TASKS, "toy", toy.point)
        return practised(tmp_path_factory.mktemp("made") / "run", seeds=2)


@pytest.fixture
def run(made, tmp_path, monkeypatch):
    """A folder of its own that holds that run."""
    monkeypatch.setitem(registry.TASKS, "toy", toy.point)
    shutil.copytree(made.folder, tmp_path / "run")
    return SimpleNamespace(folder=tmp_path / "run", actors=made._training.actors)


def rows(folder):
    clock = {"wall_seconds", "steps_per_second"}
    logs = {name: read_log(folder / name) for name in LOGS}
    assert not any(log.torn or log.damaged for log in logs.values())
    return {
        name: [{k: v for k, v in row.items() if k not in clock} for row in log.rows]
        for name, log in logs.items()
    }


def test_a_flipped_bit_in_the_demonstrations_is_noticed(run, capsys):
    folder, policy = run.folder, run.folder.parent / "policy.safetensors"
    shown = folder / "demonstrations.safetensors"
    sound = shown.read_bytes()
    shown.write_bytes(sound[:-1] + bytes([sound[-1] ^ 1]))  # of a number
    before = contents(folder)
    for words in (["--steps", "80"], ["--restart"]):
        code, _, err = command(capsys, "resume", folder, "--no-report", *words)
        assert code == 1 and f"{shown} is not what this run began from" in err.splitlines()[-1]
    changed = contents(folder)
    changed["config.json"] = before["config.json"]
    assert changed == before
    code, _, err = command(capsys, "export", folder, policy)
    assert code == 0 and "is not what this run began from" in err and policy.exists()
    assert toy.leaf_bytes(api.load(folder)._training.actors) == toy.leaf_bytes(run.actors)
    shown.write_bytes(sound)
    code, _, err = command(capsys, "resume", folder, "--steps", "80", "--no-report")
    assert code == 0 and "began from" not in err


def test_manifests_without_sizes_and_files_are_read(run):
    for path in run.folder.glob("checkpoints/*/manifest.json"):
        manifest = json.loads(path.read_text())
        assert manifest.pop("files").keys() == {"demonstrations.safetensors"}
        assert manifest.pop("state_bytes") == (path.parent / "state.safetensors").stat().st_size
        assert all(part.pop("bytes") for part in manifest["segments"])
        path.write_text(json.dumps(manifest))
    loaded = api.load(run.folder)
    assert (loaded.env_steps, loaded.notes) == (60, [])
    assert loaded.resume(80).env_steps == 80


def test_a_file_that_has_grown_is_damaged_without_reading_it(run):
    os.truncate(run.folder / "checkpoints/000000060/state.safetensors", 1 << 42)
    loaded = api.load(run.folder)
    assert loaded.env_steps == 40 and "4,398,046,511,104 bytes, not" in loaded.notes[0]


@pytest.mark.parametrize("lost", [1, 2])
def test_lost_rows_of_an_evaluation_are_made_again_and_whole_rows_stay(run, lost):
    folder = run.folder
    whole = rows(folder)
    lines = (folder / "eval.csv").read_bytes().splitlines(keepends=True)
    (folder / "eval.csv").write_bytes(b"".join(lines[:-lost]) + lines[-lost][:7])
    api.load(folder).resume()
    assert rows(folder) == whole


def test_a_configuration_that_is_edited_while_it_practises_stamps_nothing(tmp_path, monkeypatch):
    monkeypatch.setitem(registry.TASKS, "toy", toy.point)
    folder, sound = tmp_path / "run", []

    def edit(progress):
        if progress.env_steps == 40:
            sound.append((folder / "config.json").read_text())
            edited = json.loads(sound[0]) | {"wide_starts": 3}
            (folder / "config.json").write_text(json.dumps(edited))

    practised(folder, edit)
    with pytest.raises(UnresetError, match="another configuration"):
        api.load(folder)
    (folder / "config.json").write_text(sound[0])
    assert api.load(folder).env_steps == 60


def test_a_run_is_not_resumed_from_within(tmp_path, monkeypatch):
    monkeypatch.setitem(registry.TASKS, "toy", toy.point)
    folder = tmp_path / "run"
    told = []

    def again(progress):
        if progress.env_steps == 20:
            with pytest.raises(UnresetError, match="practising, and what it calls") as refused:
                api.load(folder).resume(80)
            told.append(str(refused.value))

    practised(folder, again)
    assert len(told) == 1
    loaded = api.load(folder)
    assert (loaded.env_steps, loaded._training.configuration.steps) == (60, 60)
    assert loaded.resume(80).env_steps == 80


def test_advice_fits_what_has_failed(made, tmp_path, monkeypatch):
    monkeypatch.setitem(registry.TASKS, "toy", toy.point)
    told = {
        number: made._training._unwritten(OSError(number, os.strerror(number)))
        for number in (errno.ENOSPC, errno.EACCES)
    }
    assert told[errno.ENOSPC].endswith("step 60: make room, then unreset resume")
    assert told[errno.EACCES].endswith("step 60: mend that, then unreset resume")
    folder = tmp_path / "run"

    def remove(progress):
        if progress.env_steps == 20:
            shutil.rmtree(folder)

    with pytest.raises(Failure, match="the run's folder is gone"):
        practised(folder, remove)
    assert not folder.exists()
