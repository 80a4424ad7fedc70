"""What changes in a run's folder behind its back: it is noticed, and what is whole stays."""

import contextlib
import errno
import json
import os
import shutil
import threading
from dataclasses import replace
from types import SimpleNamespace

import pytest
from test_salvage import command, contents, damage_states, flip, practised

import toy
from unreset import api, registry
from unreset.errors import Failure, UnresetError
from unreset.methods import fbrl, vaprl
from unreset.runs import training
from unreset.runs.lock import locked
from unreset.runs.rows import LOGS, read_log
from unreset.runs.training import Training

BRIEF = {"steps": 40, "eval_every": 20, "checkpoint_every": 40, "wide_starts": 0}


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


@pytest.mark.slow
def test_a_flipped_bit_in_the_demonstrations_is_noticed(run, capsys):
    folder, policy = run.folder, run.folder.parent / "policy.safetensors"
    shown = folder / "demonstrations.safetensors"
    sound = shown.read_bytes()
    shown.write_bytes(sound[:-1] + bytes([sound[-1] ^ 1]))  # of a number
    before = contents(folder)
    for words in (["--steps", "80"], ["--restart"]):
        code, _, err = command(capsys, "resume", folder, "--no-report", *words)
        assert code == 1 and f"{shown} is not what this run began from" in err.splitlines()[-1]
    assert contents(folder) == before
    code, _, err = command(capsys, "export", folder, policy)
    assert code == 0 and "is not what this run began from" in err and policy.exists()
    assert toy.leaf_bytes(api.load(folder)._training.actors) == toy.leaf_bytes(run.actors)
    shown.write_bytes(sound)
    code, _, err = command(capsys, "resume", folder, "--steps", "80", "--no-report")
    assert code == 0 and "began from" not in err


def harmed(path, how):
    """Damage a file of demonstrations in its header, or wholly."""
    sound = path.read_bytes()
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes({"header": b"\xff" * 16 + sound[16:], "cut": sound[:-9], "none": b""}[how])
    return sound


@pytest.mark.slow
@pytest.mark.parametrize("how", ["header", "cut", "none", "gone"])
def test_a_policy_needs_no_demonstrations_and_practice_does(run, how, capsys):
    folder, policy = run.folder, run.folder.parent / "policy.safetensors"
    shown = folder / "demonstrations.safetensors"
    sound = harmed(shown, how)
    before = contents(folder)
    for words in ([], ["--steps", "80"], ["--restart"], ["--without-replay"]):
        code, out, err = command(capsys, "resume", folder, "--no-report", *words)
        last = err.splitlines()[-1]
        assert (code, out) == (1, "") and str(shown) in last and "put a copy back" in last
    assert contents(folder) == before
    code, _, err = command(capsys, "export", folder, policy)
    assert code == 0 and err.count("put a copy back") == 1 and policy.exists()
    loaded = api.load(folder)
    assert toy.leaf_bytes(loaded._training.actors) == toy.leaf_bytes(run.actors)
    assert loaded.summary["demonstrations"] == 2
    code, out, err = command(capsys, "eval", folder)
    assert code == 0 and "success" in out and "put a copy back" in err
    shown.write_bytes(sound)
    assert api.load(folder).notes == []


@pytest.mark.slow
def test_states_that_depend_on_the_number_of_demonstrations_are_taken_as_they_are(
    tmp_path, monkeypatch
):
    monkeypatch.setitem(registry.TASKS, "toy", toy.point)
    settings = toy.tiny(vaprl.PRESETS["default"])
    run = api.train(settings, "toy", **BRIEF, out=tmp_path / "run", report=False)
    harmed(tmp_path / "run" / "demonstrations.safetensors", "header")
    loaded = api.load(tmp_path / "run")
    assert toy.leaf_bytes(loaded._training.actors) == toy.leaf_bytes(run._training.actors)
    before, after = (one._training.driver.run.signals for one in (run, loaded))
    assert toy.leaf_bytes(before) == toy.leaf_bytes(after)
    with pytest.raises(Failure, match="put a copy back"):
        loaded.resume(60)


@pytest.mark.slow
def test_a_damaged_learner_of_a_prior_run_costs_practice_alone(tmp_path, monkeypatch):
    monkeypatch.setitem(registry.TASKS, "toy", toy.point)
    settings = toy.tiny(fbrl.PRESETS["default"])
    api.train(settings, "toy", **BRIEF, out=tmp_path / "prior", report=False)
    run = api.train(
        settings, "toy", **BRIEF, prior=tmp_path / "prior", out=tmp_path / "run", report=False
    )
    harmed(tmp_path / "run" / "prior.safetensors", "header")
    loaded = api.load(tmp_path / "run")
    assert toy.leaf_bytes(loaded._training.actors) == toy.leaf_bytes(run._training.actors)
    with pytest.raises(Failure, match=r"prior\.safetensors holds no learner.*put a copy back"):
        loaded.resume(60)


def test_demonstrations_of_before_the_task_changed_are_no_damage(run, monkeypatch):
    def changed(*_):
        return replace(toy.point(), observation_size=7, offsets=None)

    monkeypatch.setitem(registry.TASKS, "toy", changed)
    with pytest.raises(UnresetError, match="observations have shape"):
        api.load(run.folder)


@pytest.mark.slow
@pytest.mark.parametrize(
    "why", ["steps", "locked", "outdated", "replay", "state", "linked", "unwritable"]
)
def test_a_refused_budget_is_not_written(run, why, monkeypatch):
    folder = run.folder
    before = (folder / "config.json").read_bytes()
    loaded, steps, kind = api.load(folder), 80, UnresetError
    with contextlib.ExitStack() as stack:
        if why == "steps":
            steps = 40
        elif why == "locked":
            stack.enter_context(elsewhere(folder))
        elif why == "outdated":

            def practised_meanwhile(self):
                return True

            monkeypatch.setattr(Training, "outdated", property(practised_meanwhile))
        elif why == "replay":
            flip(folder / "checkpoints" / "replay" / "000000020.safetensors")
            kind = Failure
        elif why == "state":
            damage_states(folder)
            kind = Failure
        elif why == "linked":
            (folder / "checkpoints").rename(folder.parent / "theirs")
            (folder / "checkpoints").symlink_to(folder.parent / "theirs")
        else:

            def full(*_):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

            monkeypatch.setattr(training, "drop_rows_after", full)
            kind = Failure
        with pytest.raises(kind):
            loaded.resume(steps)
    assert (folder / "config.json").read_bytes() == before
    assert loaded._training.configuration.steps == 60


@pytest.mark.slow
def test_a_budget_that_is_not_refused_is_written(run):
    assert api.load(run.folder).resume(80).env_steps == 80
    assert json.loads((run.folder / "config.json").read_text())["steps"] == 80


@contextlib.contextmanager
def elsewhere(folder):
    """Has another thread hold the folder."""
    held, done = threading.Event(), threading.Event()

    def hold():
        with locked(folder):
            held.set()
            done.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    try:
        yield
    finally:
        done.set()
        thread.join()


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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
