"""A disk that is full before any one of a checkpoint's writes, in earnest.

``benchmarks/disk_full.py`` does the same for every write of whole runs.
"""

import importlib.util
import json
import subprocess
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import toy
from unreset.errors import Failure
from unreset.methods import fbrl
from unreset.runs import checkpoint, files, rows, starting
from unreset.runs.lock import locked
from unreset.serialization import save_file

DIGEST = "the configuration"
TASK = toy.point()
METHOD = toy.tiny(fbrl.PRESETS["default"]).method(TASK)
SCRIPT = Path(__file__).parents[2] / "benchmarks" / "disk_full.py"


@pytest.fixture(scope="module")
def disk():
    spec = importlib.util.spec_from_file_location("disk_full", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    mount = module.mounted(None)
    try:
        place = mount.__enter__()
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"a small file system cannot be mounted here: {error}")
    found = module.Disk(place)
    yield found
    found.close()
    mount.__exit__(None, None, None)


@pytest.fixture(scope="module")
def carries():
    driver, found = toy.fused(METHOD, TASK, capacity=60), {}
    for before, step in ((0, 20), (20, 40)):
        driver.advance(before, step)
        found[step] = jax.tree.map(jnp.copy, driver.carry)
    return found


def enumerated(disk, prepare, write):
    """Every write of ``write`` once as the first that fails: what was prepared, and the error."""
    prepared = prepare()
    disk.begin(0)
    write(prepared)
    for number in range(1, disk.writes + 1):
        prepared = prepare()
        disk.begin(number)
        try:
            write(prepared)
            error = None
        except OSError as found:
            error = found
        disk.make_room()
        yield prepared, error


@pytest.mark.slow
def test_a_checkpoint(disk, carries):
    def prepare():
        files.discard(disk.place / "checkpoints")
        return checkpoint.save(
            disk.place / "checkpoints", 20, carries[20], checkpoint.NOTHING, DIGEST
        )

    def write(saved):
        checkpoint.save(disk.place / "checkpoints", 40, carries[40], saved, DIGEST)

    failed = 0
    for saved, error in enumerated(disk, prepare, write):
        folder = disk.place / "checkpoints"
        failed += error is not None
        assert checkpoint.steps(folder) == ([20] if error else [20, 40])
        if error:
            assert "No space left" in str(error)
            assert sorted(path.name for path in folder.rglob("*")) == sorted(
                [
                    "000000020",
                    "manifest.json",
                    "state.safetensors",
                    "replay",
                    "000000020.safetensors",
                ]
            )  # nothing takes room that is of no use
            write(saved)
        for step in (20, 40):
            fresh = jax.tree.map(jnp.copy, carries[20])
            restored, _ = checkpoint.load(folder, step, fresh, DIGEST)
            assert toy.leaf_bytes(restored) == toy.leaf_bytes(carries[step])
    assert failed >= 3


def test_logs_and_json(disk):
    log, summary = disk.place / "eval.csv", disk.place / "summary.json"
    more = [{"seed": 0, "env_steps": step} for step in range(60, 3000, 20)]

    def prepare():
        for path in (log, summary):
            path.unlink(missing_ok=True)
        rows.append_rows(log, [{"seed": 0, "env_steps": 20}, {"seed": 0, "env_steps": 40}])
        files.write_json(summary, {"env_steps": 40})

    def write(_):
        rows.drop_rows_after(disk.place, 40, [0])
        rows.append_rows(log, more)
        files.write_json(summary, {"env_steps": 2980})

    for _, error in enumerated(disk, prepare, write):
        steps = [int(row["env_steps"]) for row in rows.read_log(log, [0]).rows]
        assert steps[:2] == [20, 40]  # what was there is not lost
        assert error is None or json.loads(summary.read_text()) == {"env_steps": 40}
        rows.drop_rows_after(disk.place, 40, [0])
        assert not list(disk.place.glob(".*partial"))


def test_a_lock_a_policy_and_the_beginning_of_a_run(disk):
    folder = disk.place / "run"
    disk.begin(1)
    with pytest.raises(Failure, match="No space left"), starting.begun(folder, [], None, None):
        pass
    disk.make_room()
    assert not folder.exists()
    with disk.full(), pytest.raises(OSError, match="No space left"):
        save_file({"weights": np.zeros(20_000)}, disk.place / "policy.safetensors")
    assert not (disk.place / "policy.safetensors").exists()
    folder.mkdir()
    disk.begin(1)
    with locked(folder):  # it holds without a record
        pass
    disk.make_room()
