"""A run that is killed or interrupted and resumed ends as the uninterrupted one, to the byte."""

import csv
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from unreset.runs import checkpoint

TOY = Path(__file__).parents[1] / "toy.py"
STEPS = 400
TRAIN = ["train", "medal", "toy", "--seeds", "2", "--steps", str(STEPS), "--no-report"]
TRAIN += ["--eval-every", "50", "--checkpoint-every", "50", "--wide-starts", "2"]
WALL = {"wall_seconds", "steps_per_second"}
INTERRUPTED, KILLED = 130, -9


@pytest.fixture(scope="module")
def command(tmp_path_factory):
    """Runs the command line in a process of its own, disturbed if asked."""
    cache = os.environ.get("JAX_COMPILATION_CACHE_DIR") or str(tmp_path_factory.mktemp("jax"))
    kept = {"JAX_COMPILATION_CACHE_DIR": cache, "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}

    def start(*words, disturb=""):
        extra = kept | ({"TOY_DISTURB": disturb} if disturb else {})
        return subprocess.Popen(
            [sys.executable, str(TOY), *map(str, words)],
            env=os.environ | extra,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(*words, disturb=""):
        process = start(*words, disturb=disturb)
        output, errors = process.communicate()
        return subprocess.CompletedProcess(words, process.returncode, output, errors)

    run.start = start

    return run


def result(folder):
    """The logs without their clock, and the policies' bytes."""
    logs = {}
    for name in ("metrics.csv", "eval.csv", "phases.csv", "visits.csv"):
        with (folder / name).open(newline="") as file:
            logs[name] = [
                {column: value for column, value in row.items() if column not in WALL}
                for row in csv.DictReader(file)
            ]
    state = load_file(folder / "checkpoints" / f"{STEPS:09d}" / "state.safetensors")
    return logs, {name: array.tobytes() for name, array in state.items()}


@pytest.fixture(scope="module")
def reference(command, tmp_path_factory):
    folder = tmp_path_factory.mktemp("reference") / "run"
    done = command(*TRAIN, "--out", folder)
    assert done.returncode == 0, done.stderr
    logs, state = result(folder)
    assert [row["env_steps"] for row in logs["eval.csv"][::2]] == [
        str(step) for step in range(50, STEPS + 1, 50)
    ]
    assert logs["phases.csv"] and logs["visits.csv"]
    return logs, state


def assert_same(folder, reference):
    logs, state = result(folder)
    for name, rows in reference[0].items():
        assert logs[name] == rows, name
    assert state.keys() == reference[1].keys()
    assert [name for name in state if state[name] != reference[1][name]] == []


@pytest.mark.slow
def test_killed_three_times(command, reference, tmp_path):
    folder, chance = tmp_path / "run", random.Random(0)
    moments = [
        f"write:{chance.randint(5, 12)}",  # between two logs of one step
        f"flush:{chance.randint(3, 8)}",  # in the middle of a checkpoint
        f"kill:{chance.randint(150, 350)}",  # after some practice that is lost
    ]
    killed = command(*TRAIN, "--out", folder, disturb=moments[0])
    assert killed.returncode == KILLED, killed.stderr
    for moment in moments[1:]:
        killed = command("resume", folder, "--no-report", disturb=moment)
        assert killed.returncode == KILLED, killed.stderr
    done = command("resume", folder, "--no-report")
    assert done.returncode == 0, done.stderr
    assert_same(folder, reference)


@pytest.mark.slow
def test_interrupted_twice(command, reference, tmp_path):
    folder = tmp_path / "run"
    # The first comes in the stretch right after a checkpoint, the second before anything is done.
    stopped = command(*TRAIN, "--out", folder, disturb="interrupt:100")
    assert stopped.returncode == INTERRUPTED, stopped.stderr
    assert "Traceback" not in stopped.stderr and "resume" in stopped.stderr
    assert checkpoint.steps(folder / "checkpoints")[-1] >= 100
    stopped = command("resume", folder, "--no-report", disturb="interrupt:0")
    assert stopped.returncode == INTERRUPTED, stopped.stderr
    assert "note:" not in stopped.stderr
    done = command("resume", folder, "--no-report")
    assert done.returncode == 0, done.stderr
    assert "note:" not in done.stderr
    assert_same(folder, reference)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("what", "sign", "said", "saved"),
    [
        ("act", signal.SIGTERM, "before anything was practised, begin with: unreset resume", []),
        ("evaluate", signal.SIGINT, "saved, continue with: unreset resume", [50]),
    ],
)
def test_a_signal_while_compiling_ends_at_once(
    command, reference, tmp_path, what, sign, said, saved
):
    folder = tmp_path / "run"
    process = command.start(*TRAIN, "--out", folder, disturb=f"compile:{what}")
    while "onstant folding" not in process.stderr.readline():  # which the compiler says
        assert process.poll() is None
    process.send_signal(sign)
    output, errors = process.communicate(timeout=100)  # a second or two, where nothing else runs
    assert process.returncode == INTERRUPTED
    assert said in errors and "Traceback" not in output + errors
    assert checkpoint.steps(folder / "checkpoints") == saved
    done = command("resume", folder, "--no-report")
    assert done.returncode == 0, done.stderr
    assert_same(folder, reference)
