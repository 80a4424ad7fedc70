"""What is not the run's stays where it is, and no link leads a run astray."""

import subprocess
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

import toy
from unreset.errors import UnresetError
from unreset.methods import fbrl
from unreset.runs import checkpoint, files, housekeeping, restoring
from unreset.runs.rows import read_log

DIGEST = "the configuration"
TASK = toy.point()
METHOD = toy.tiny(fbrl.PRESETS["default"], reset_every=23).method(TASK)


@pytest.fixture(scope="module")
def carries():
    driver = toy.fused(METHOD, TASK, capacity=60)
    found, now = {}, 0
    for step in (20, 40, 50, 70, 90, 200):
        driver.advance(now, step)
        found[step], now = jax.tree.map(jnp.copy, driver.carry), step
    return found


def save_all(folder, carries, *steps, saved=checkpoint.NOTHING):
    for step in steps:
        saved = checkpoint.save(folder, step, carries[step], saved, DIGEST)
    return saved


def whole(folder, carries, step):
    fresh = jax.tree.map(jnp.copy, carries[20])
    return toy.leaf_bytes(checkpoint.load(folder, step, fresh, DIGEST)[0].run.learners)


STRANGE = {
    "notes.txt": "mine",
    "7/notes.txt": "mine",  # a number, but none of ours
    "replay/notes.txt": "mine",
    "replay/.ipynb_checkpoints/000000020.safetensors": "mine",
    "replay/000000020.safetensors.bak": "mine",
    "000000020/notes.txt": "mine",  # in a checkpoint that goes
    "000000200/notes.txt": "mine",  # in one that is yet to come
}


@pytest.mark.slow
def test_strangers_are_left_alone_and_mentioned(tmp_path, carries):
    saved = save_all(tmp_path, carries, 20)
    for name, content in STRANGE.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    save_all(tmp_path, carries, 40, 50, 70, 90, 200, saved=saved)
    assert {name: (tmp_path / name).read_text() for name in STRANGE} == STRANGE
    for step in (90, 200):
        assert whole(tmp_path, carries, step) == toy.leaf_bytes(carries[step].run.learners)
    assert sorted(entry.name for entry in (tmp_path / "000000020").iterdir()) == ["notes.txt"]
    assert not (tmp_path / "000000040").exists()
    assert not (tmp_path / "replay" / "000000020.safetensors").exists()  # of rows overwritten
    assert housekeeping.strangers(tmp_path) == [
        "7",
        "notes.txt",
        "replay/.ipynb_checkpoints",
        "replay/000000020.safetensors.bak",
        "replay/notes.txt",
    ]
    (note,) = restoring._mentioned(tmp_path)
    assert "left alone: 7, notes.txt, replay/.ipynb_checkpoints" in note


def test_what_a_crash_left_half_written_goes(tmp_path, carries):
    saved = save_all(tmp_path, carries, 20)
    for name in (".000000040.partial/.tmpa1b2c3", ".000000040.partial/state.safetensors"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("half")
    (tmp_path / "replay" / "000000040.safetensors").write_text("of no manifest")
    save_all(tmp_path, carries, 40, 50, saved=saved)
    names = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")}
    assert not [name for name in names if "partial" in name or ".tmp" in name]
    assert "replay/000000040.safetensors" not in names  # the one of 40 has another name
    assert whole(tmp_path, carries, 40) == toy.leaf_bytes(carries[40].run.learners)


@pytest.mark.parametrize("which", [".", "replay"])
def test_a_folder_that_is_a_link_is_refused_and_not_followed(tmp_path, carries, which):
    """As a downloaded run may carry one, to somebody's files."""
    folder = tmp_path / "checkpoints"
    save_all(folder, carries, 20)
    (folder / which).rename(tmp_path / "elsewhere")
    (folder / which).symlink_to(tmp_path / "elsewhere")
    mine = tmp_path / "elsewhere" / ("replay" if which == "." else "") / "000000001.safetensors"
    mine.write_text("mine")
    assert whole(folder, carries, 20) == toy.leaf_bytes(carries[20].run.learners)  # it can be read
    with pytest.raises(UnresetError, match="is a link, and a run writes into no folder but its"):
        save_all(folder, carries, 40)
    assert mine.read_text() == "mine"


def test_links_among_checkpoints_are_neither_followed_nor_removed(tmp_path, carries):
    folder, mine = tmp_path / "checkpoints", tmp_path / "mine"
    saved = save_all(folder, carries, 20)
    mine.mkdir()
    (mine / "state.safetensors").write_text("mine")
    (folder / "000000010").symlink_to(mine)
    (folder / "replay" / "000000010.safetensors").symlink_to(mine / "state.safetensors")
    (folder / "000000050").symlink_to(mine)  # where a checkpoint is yet to come
    (folder / ".000000070.partial").symlink_to(mine)
    save_all(folder, carries, 40, 50, 70, 90, saved=saved)
    assert (mine / "state.safetensors").read_text() == "mine"
    assert (folder / "000000010").is_symlink()
    assert (folder / "replay" / "000000010.safetensors").is_symlink()
    for step in (70, 90):
        assert whole(folder, carries, step) == toy.leaf_bytes(carries[step].run.learners)


def test_manifests_name_no_files_but_segments(tmp_path, carries):
    save_all(tmp_path, carries, 20)
    manifest = tmp_path / "000000020" / "manifest.json"
    for name in ("../../mine", "replay/../../mine", "/etc/passwd", "replay/000000020"):
        text = manifest.read_text()
        manifest.write_text(text.replace("replay/000000020.safetensors", name))
        with pytest.raises(checkpoint.Damaged, match=r"manifest\.json"):
            whole(tmp_path, carries, 20)
        manifest.write_text(text)


def test_writing_replaces_a_link_and_leaves_what_it_led_to(tmp_path):
    mine = tmp_path / "mine"
    mine.write_text("mine")
    for name in ("config.json", ".config.json.partial"):
        (tmp_path / name).symlink_to(mine)
    files.write_json(tmp_path / "config.json", {"a": 1})
    assert mine.read_text() == "mine" and (tmp_path / "config.json").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", "mine"]


# Two writers of one run.

TOY = Path(toy.__file__)
TRAIN = ("train", "fbrl", "toy", "--steps", "300", "--eval-every", "50", "--checkpoint-every", "50")


def start(*words):
    command = [sys.executable, str(TOY), *map(str, words), "--no-report"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_of_two_that_resume_one_is_refused(tmp_path):
    folder = tmp_path / "run"
    first = start(*TRAIN, "--wide-starts", "0", "--out", folder)
    while first.poll() is None and not (folder / "checkpoints" / "000000050").exists():
        time.sleep(0.01)
    first.kill()
    first.communicate()
    done = checkpoint.steps(folder / "checkpoints")[-1]
    writers = [start("resume", folder) for _ in range(2)]
    told = [writer.communicate() for writer in writers]
    codes = [writer.returncode for writer in writers]
    if done < 300:  # else both have nothing to do, one after the other
        assert sorted(codes) == [0, 2], told
        refused = told[codes.index(2)][1]
        assert f"written to by process {writers[codes.index(0)].pid} on " in refused
        assert len(refused.splitlines()) == 1
    log = read_log(folder / "eval.csv")
    assert [row["env_steps"] for row in log.rows] == [str(step) for step in range(50, 301, 50)]
    assert log.damaged == 0 and checkpoint.steps(folder / "checkpoints") == [250, 300]
