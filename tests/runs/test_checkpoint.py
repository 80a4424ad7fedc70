"""Checkpoints: every byte comes back, saving costs what is new, and damage is survived."""

import errno
import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors import SafetensorError

import toy
from unreset import api, registry, serialization
from unreset.demos import store
from unreset.drivers.fused import Carry
from unreset.errors import Failure, UnresetError
from unreset.methods import fbrl
from unreset.runs import checkpoint
from unreset.runs.config import RunConfig
from unreset.runs.files import write_json
from unreset.runs.training import Training

CAPACITY, DIGEST = 60, "the configuration"
TASK = toy.point()
METHOD = toy.tiny(fbrl.PRESETS["default"], reset_every=23).method(TASK)


@pytest.fixture(scope="module")
def driver():
    return toy.fused(METHOD, TASK, seeds=(0, 1), capacity=CAPACITY)


@pytest.fixture(scope="module")
def carries(driver):
    """The carry at some steps; the ring of 60 wraps after about 57."""
    found, now = {0: jax.tree.map(jnp.copy, driver.carry)}, 0
    for step in (20, 40, 50, 70, 90, 200):
        driver.advance(now, step)
        found[step], now = jax.tree.map(jnp.copy, driver.carry), step
    return found


def save_all(folder, carries, *steps):
    saved = checkpoint.NOTHING
    for step in steps:
        saved = checkpoint.save(folder, step, carries[step], saved, DIGEST)
    return saved


def load(folder, carries, step, digest=DIGEST):
    fresh: Carry = jax.tree.map(jnp.copy, carries[0])
    return checkpoint.load(folder, step, fresh, digest)


def without_expired(carry):
    """The carry, with the entries of the roles' lists that nothing can draw any more set to 0."""
    replay = carry.run.replay
    owned = np.array(replay.owned)
    heads, tails = np.asarray(replay.heads), np.asarray(replay.tails)
    for place in np.ndindex(heads.shape):
        alive = np.arange(tails[place], heads[place]) % replay.capacity
        owned[place][np.setdiff1d(np.arange(replay.capacity), alive)] = 0
    return carry._replace(run=carry.run._replace(replay=replay._replace(owned=jnp.asarray(owned))))


@pytest.mark.slow
@pytest.mark.parametrize("steps", [(0,), (20,), (20, 40), (0, 20, 40, 50)])
def test_every_byte_comes_back(tmp_path, carries, steps):
    save_all(tmp_path, carries, *steps)
    restored, _ = load(tmp_path, carries, steps[-1])
    assert toy.leaf_bytes(restored) == toy.leaf_bytes(carries[steps[-1]])


@pytest.mark.slow
@pytest.mark.parametrize("steps", [(70,), (50, 70), (20, 40, 70, 90), (20, 90, 200), (40, 50, 200)])
def test_so_it_does_after_the_ring_has_wrapped(tmp_path, carries, steps):
    save_all(tmp_path, carries, *steps)
    restored, _ = load(tmp_path, carries, steps[-1])
    wanted = toy.leaf_bytes(without_expired(carries[steps[-1]]))
    assert toy.leaf_bytes(without_expired(restored)) == wanted


def test_a_restored_run_goes_on_as_the_uninterrupted_one(tmp_path, driver, carries):
    save_all(tmp_path, carries, 20, 70)
    driver.carry, _ = load(tmp_path, carries, 70)
    driver.advance(70, 90)
    wanted = toy.leaf_bytes(without_expired(carries[90]))
    assert toy.leaf_bytes(without_expired(driver.carry)) == wanted


def test_saving_does_not_change_the_run(tmp_path, carries):
    before = toy.leaf_bytes(carries[50])
    save_all(tmp_path, carries, 50)
    assert toy.leaf_bytes(carries[50]) == before


def rows_in(folder, step):
    arrays = checkpoint.load_file(folder / "replay" / f"{step:09d}.safetensors")
    return [arrays[f"{seed}/ids"].tolist() for seed in range(2)]


def test_a_segment_holds_only_what_is_new(tmp_path, carries):
    saved = save_all(tmp_path, carries, 20)
    first = tmp_path / "replay" / "000000020.safetensors"
    content = first.read_bytes()
    checkpoint.save(tmp_path, 40, carries[40], saved, DIGEST)
    assert first.read_bytes() == content
    reach = [np.asarray(carries[step].run.replay.written) for step in (20, 40)]
    for seed, (old, new) in enumerate(zip(*reach, strict=True)):
        assert rows_in(tmp_path, 20)[seed] == list(range(old + 1))
        assert rows_in(tmp_path, 40)[seed] == list(range(old, new + 1))  # the open row again


def test_what_is_deleted_while_it_practises_is_written_again(tmp_path, carries):
    saved = checkpoint.save(tmp_path, 20, carries[20], checkpoint.NOTHING, DIGEST)
    shutil.rmtree(tmp_path / "replay")
    saved = checkpoint.save(tmp_path, 40, carries[40], saved, DIGEST)
    restored, _ = checkpoint.load(tmp_path, 40, jax.tree.map(jnp.copy, carries[0]), DIGEST)
    assert toy.leaf_bytes(restored) == toy.leaf_bytes(carries[40])
    assert saved.whole == (40,)


def test_the_last_two_are_kept_with_the_segments_that_they_need(tmp_path, carries):
    save_all(tmp_path, carries, 0, 20, 40, 50)
    assert checkpoint.steps(tmp_path) == [40, 50]
    segments = {f"{step:09d}.safetensors" for step in (0, 20, 40, 50)}
    assert {file.name for file in (tmp_path / "replay").iterdir()} == segments
    for step in (40, 50):
        restored, _ = load(tmp_path, carries, step)
        assert toy.leaf_bytes(restored) == toy.leaf_bytes(carries[step])


def test_segments_of_overwritten_rows_are_removed(tmp_path, carries):
    save_all(tmp_path, carries, 0, 20, 40, 90, 200)
    segments = {file.name for file in (tmp_path / "replay").iterdir()}
    # Rows of step 200 reach back about 57 steps; the checkpoint of step 90 needs those from 40 on.
    assert "000000000.safetensors" not in segments
    assert "000000020.safetensors" not in segments
    assert not list(tmp_path.rglob("*.partial"))
    load(tmp_path, carries, 90)


def test_saving_a_step_again_leaves_it_whole(tmp_path, carries):
    """As when an interruption follows a checkpoint, or a resumed run stops at once."""
    saved = save_all(tmp_path, carries, 20, 40)
    saved = checkpoint.save(tmp_path, 40, carries[40], saved, DIGEST)
    restored, _ = load(tmp_path, carries, 40)
    assert toy.leaf_bytes(restored) == toy.leaf_bytes(carries[40])
    checkpoint.save(tmp_path, 50, carries[50], saved, DIGEST)
    restored, _ = load(tmp_path, carries, 50)
    assert toy.leaf_bytes(restored) == toy.leaf_bytes(carries[50])


def damaged_files(folder, step):
    place = folder / f"{step:09d}"
    replay = folder / "replay" / f"{step:09d}.safetensors"
    return {
        "manifest": place / "manifest.json",
        "state": place / "state.safetensors",
        "replay": replay,
    }


@pytest.mark.parametrize("which", ["manifest", "state", "replay"])
@pytest.mark.parametrize("how", ["truncated", "flipped", "missing"])
def test_damage_is_noticed_and_the_one_before_still_loads(tmp_path, carries, which, how):
    save_all(tmp_path, carries, 20, 40)
    file = damaged_files(tmp_path, 40)[which]
    content = bytearray(file.read_bytes())
    if how == "truncated":
        file.write_bytes(content[: len(content) // 2])
    elif how == "flipped" and which == "manifest":
        file.write_bytes(content.replace(b'"state_sha256": "', b'"state_sha256": "0'))
    elif how == "flipped":
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    else:
        file.unlink()
    with pytest.raises(checkpoint.Damaged, match="000000040"):
        load(tmp_path, carries, 40)
    restored, _ = load(tmp_path, carries, 20)
    assert toy.leaf_bytes(restored) == toy.leaf_bytes(carries[20])


def test_another_configuration_is_refused(tmp_path, carries):
    save_all(tmp_path, carries, 20)
    with pytest.raises(UnresetError, match="another configuration") as refusal:
        load(tmp_path, carries, 20, "another")
    assert not isinstance(refusal.value, checkpoint.Damaged)


def test_another_shape_is_refused(tmp_path, carries):
    save_all(tmp_path, carries, 20)
    manifest = tmp_path / "000000020" / "manifest.json"
    one = jax.tree.map(lambda x: x[:1], carries[0])
    with pytest.raises(UnresetError, match="should have shape"):
        checkpoint.load(tmp_path, 20, one, json.loads(manifest.read_text())["configuration"])


FULL = OSError(errno.ENOSPC, "No space left on device")
FULL_TOO = SafetensorError("Error while serializing: I/O error: No space left on device")


@pytest.mark.parametrize(
    ("target", "error"),
    [
        ("serialization._save_file", FULL),
        ("serialization._save_file", FULL_TOO),
        ("runs.checkpoint.flush", FULL),
    ],
)
def test_a_full_disk_leaves_the_older_checkpoint(tmp_path, carries, monkeypatch, target, error):
    saved = save_all(tmp_path, carries, 20)
    calls = []

    def full(*_, **__):
        calls.append(1)
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(f"unreset.{target}", full)
        with pytest.raises(OSError, match="No space left"):
            checkpoint.save(tmp_path, 40, carries[40], saved, DIGEST)
    assert calls
    assert checkpoint.steps(tmp_path) == [20]
    restored, saved = load(tmp_path, carries, 20)
    assert toy.leaf_bytes(restored) == toy.leaf_bytes(carries[20])
    checkpoint.save(tmp_path, 40, carries[40], saved, DIGEST)  # after making room
    restored, _ = load(tmp_path, carries, 40)
    assert toy.leaf_bytes(restored) == toy.leaf_bytes(carries[40])


# The same through a whole run.


@pytest.fixture
def training(tmp_path, monkeypatch):
    monkeypatch.setitem(registry.TASKS, "toy", toy.point)
    settings = toy.tiny(fbrl.PRESETS["default"])
    configuration = RunConfig("fbrl", "toy", "default", 0, 1, 60, 20, 0, 20, "fused", settings)
    folder = tmp_path / "run"
    folder.mkdir()
    made = Training(folder, configuration, toy.demonstrations())
    write_json(folder / "config.json", configuration.dictionary())
    store.save(folder / "demonstrations.safetensors", toy.demonstrations())
    return made


@pytest.mark.slow
def test_a_damaged_run_goes_on_from_the_checkpoint_before_and_says_so(training):
    training.practise(lambda _: None)
    policy = toy.leaf_bytes(training.actors)
    state = training.folder / "checkpoints" / "000000060" / "state.safetensors"
    content = bytearray(state.read_bytes())
    content[-1] ^= 1
    state.write_bytes(content)
    run = api.load(training.folder)
    assert run.env_steps == 40
    assert len(run.notes) == 1
    assert "000000060" in run.notes[0] and "trying the one before" in run.notes[0]
    run.resume()
    assert toy.leaf_bytes(run._training.actors) == policy
    whole = api.load(training.folder)
    assert whole.env_steps == 60 and whole.notes == []


@pytest.mark.slow
@pytest.mark.parametrize("error", [FULL, FULL_TOO], ids=["system", "safetensors"])
def test_a_disk_that_fills_up_is_one_line_that_names_the_last_good_checkpoint(
    training, monkeypatch, error
):
    real, calls = serialization._save_file, []

    def fills_up(*arguments, **named):
        calls.append(1)
        if len(calls) > 2:  # the second checkpoint's first file
            raise error
        return real(*arguments, **named)

    monkeypatch.setattr(serialization, "_save_file", fills_up)
    with pytest.raises(Failure, match=r"No space left on device.*checkpoint is of step 20") as stop:
        training.practise(lambda _: None)
    assert "\n" not in str(stop.value)
    monkeypatch.undo()
    monkeypatch.setitem(registry.TASKS, "toy", toy.point)
    run = api.load(training.folder)
    assert run.env_steps == 20 and run.notes == []
    assert run.resume().env_steps == 60
