"""Parts from outside: what unreset does not know is trained, killed, resumed and used."""

from __future__ import annotations

import ast
import csv
import dataclasses
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import parts
import pytest
from safetensors.numpy import load_file

import toy
import unreset
from unreset import cli
from unreset.methods.fbrl import FBRL
from unreset.runs import checkpoint
from unreset.runs.folder import read_configuration

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
STEPS = 120
WALL = {"wall_seconds", "steps_per_second"}
PUBLIC = {"data", "goals", "interventions", "learners", "models", "rewards", "switching"}
SIZES = {"steps": STEPS, "eval_every": 40, "checkpoint_every": 40, "wide_starts": 2}
FLAGS = [
    word for name, value in SIZES.items() for word in (f"--{name.replace('_', '-')}", str(value))
]


@pytest.fixture(scope="module")
def mine(tmp_path_factory):
    """A run from Python that nothing disturbs."""
    folder = tmp_path_factory.mktemp("mine") / "run"
    return unreset.train(parts.Outside(), "toy:point", out=folder, report=False, **SIZES)


def command(*words, disturb=""):
    """A command line of its own, from the folder of the parts."""
    paths = [str(HERE.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    kept = {"PYTHONPATH": os.pathsep.join(paths), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    kept |= {"TOY_DISTURB": disturb} if disturb else {}
    words = [sys.executable, str(HERE.parent / "toy.py"), *map(str, words)]
    return subprocess.run(
        words, env=os.environ | kept, cwd=HERE, capture_output=True, text=True, check=False
    )


def result(folder):
    """The logs without their clock, and every byte of the last checkpoint's state."""
    logs = {}
    for name in ("metrics.csv", "eval.csv", "phases.csv"):
        with (folder / name).open(newline="") as file:
            logs[name] = [
                {column: value for column, value in row.items() if column not in WALL}
                for row in csv.DictReader(file)
            ]
    state = load_file(folder / "checkpoints" / f"{STEPS:09d}" / "state.safetensors")
    return logs, {name: array.tobytes() for name, array in state.items()}


def test_nothing_is_imported_from_the_core():
    tree = ast.parse((HERE / "parts.py").read_text())
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    ours = {name for name in modules if name and name.startswith("unreset")}
    assert ours <= {"unreset", *(f"unreset.{room}" for room in PUBLIC)}


def test_every_part_does_what_it_is_for(mine):
    run = mine._training.driver.carry.run
    states = {name: state for name, state in run.signals.items() if name in ("surprise", "rail")}
    assert np.abs(states["surprise"]).max() > 0
    rows = run.replay.rows
    acted = np.asarray(rows.role[0]) >= 0
    acted[: run.replay.pinned_last.shape[-1]] = False
    seen, action = np.asarray(rows.observation[0])[acted], np.asarray(rows.action[0])[acted]
    beyond = np.abs(seen) > parts.Rail().limit
    assert beyond.any() and (action[beyond] == -np.sign(seen[beyond])).all()
    assert int(states["rail"].times[0]) == beyond.sum()
    assert given_up(rows, acted) > 0
    with (mine.folder / "metrics.csv").open(newline="") as file:
        last = list(csv.DictReader(file))[-1]
    for column in ("surprise_loss", "rail_share", "weight", "critic_loss"):
        assert np.isfinite(float(last[column])), column


def given_up(rows, acted):
    """How many forward phases ended before their time, without success, for want of progress."""
    role, end, success, segment = (
        np.asarray(column[0])[acted] for column in (rows.role, rows.end, rows.success, rows.segment)
    )
    assert (end[:-1] == (segment[:-1] != segment[1:])).all()
    length = parts.Outside().practice.phase_length
    steps = np.array([(segment == number).sum() for number in segment])
    early = end & ~success & (steps < length)
    assert not early[role == 1].any()
    return early[role == 0].sum()


def test_from_the_command_line_killed_and_resumed_it_is_the_same_to_the_byte(mine, tmp_path):
    folder = tmp_path / "run"
    words = ["train", "parts:Outside", "toy:point", *FLAGS, "--no-report", "--out", folder]
    killed = command(*words, disturb="kill:60")  # after some practice that is lost
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert checkpoint.steps(folder / "checkpoints") == [40]
    done = command("resume", folder, "--no-report")
    assert done.returncode == 0, done.stderr
    logs, state = result(folder)
    wanted_logs, wanted = result(mine.folder)
    assert logs == wanted_logs
    assert state.keys() == wanted.keys()
    assert [name for name in state if state[name] != wanted[name]] == []


def test_it_is_loaded_and_exported(mine, tmp_path):
    again = unreset.load(mine.folder)
    file = tmp_path / "policy.safetensors"
    again.export().save(file)
    seen, goal = np.array([0.3], np.float32), np.array([1.0], np.float32)
    action = again.policy(seen, goal)
    np.testing.assert_array_equal(unreset.Policy.load(file)(seen, goal), action)


def test_the_command_line_has_flags_for_all_of_them(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit):
        cli.main(["train", "parts:Outside", "--help"])
    said = capsys.readouterr().out
    for flag in ("--rail.limit", "--surprise.scale", "--mirrored.share", "--advantage-scale"):
        assert flag in said
    wrong = ["train", "parts:Outside", "toy:point", "--patience.steps", "0"]
    assert cli.main(wrong) == cli.USAGE
    assert "--patience.steps" in capsys.readouterr().err
    assert cli.main(["methods", "parts:Outside"]) == cli.OK
    assert "bold" in capsys.readouterr().out


class Begun(Exception):
    """Raised where practice would begin."""


def begin(settings, folder):
    """Make a run of settings, as far as its first step."""

    def stop(_):
        raise Begun

    with pytest.raises(Begun):
        unreset.train(settings, "toy:point", out=folder, report=False, on_start=stop, **SIZES)


def test_a_known_method_takes_a_learner_from_outside(tmp_path):
    learner = parts.AWAC(hidden=(8,), octaves=1)
    begin(dataclasses.replace(toy.tiny(FBRL()), learner=learner), tmp_path / "run")
    known = read_configuration(tmp_path / "run")
    assert known.settings.learner == learner
    stored = json.loads((tmp_path / "run" / "config.json").read_text())
    assert stored["settings"]["learner"]["class"] == "parts:AWAC"
