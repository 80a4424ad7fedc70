"""Standard streams that close, terminals that go away, displays and observers that fail."""

import contextlib
import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

import toy
from unreset import api, cli
from unreset.report.display import Display
from unreset.runs import checkpoint
from unreset.runs.training import Progress

TOY = Path(__file__).parent / "toy.py"
SMALL = ["--steps", "60", "--eval-every", "20", "--wide-starts", "0", "--no-report"]
OWNING = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # this terminal is ours: we hear of its end
os.execv(sys.argv[1], sys.argv[1:])
"""
TRAIN = ["train", "naive", "toy", *SMALL]


@pytest.fixture(autouse=True)
def small(monkeypatch):
    toy.install(monkeypatch.setitem)


def broken_pipe():
    read, write = os.pipe()
    os.close(read)
    return write


def left_terminal():
    """A terminal that nobody has open any more: writing is an error."""
    master, slave = pty.openpty()
    os.close(master)
    return slave


def full_disk():
    return os.open("/dev/full", os.O_WRONLY)


@contextlib.contextmanager
def standard_output(descriptor):
    """The standard output of this process, for as long."""
    before = sys.stdout
    with os.fdopen(descriptor, "w") as stream:
        sys.stdout = stream
        try:
            yield
        finally:
            sys.stdout = before


@pytest.mark.slow
@pytest.mark.parametrize("closed", [broken_pipe, full_disk])
def test_practice_goes_on_where_the_output_takes_nothing(tmp_path, capfd, closed):
    with standard_output(closed()):
        assert cli.main([*TRAIN, "--out", str(tmp_path / "run")]) == cli.OK
    assert checkpoint.steps(tmp_path / "run" / "checkpoints")[-1] == 60
    complaint = "unreset: cannot write to the standard output: No space left on device\n"
    assert capfd.readouterr().err == (complaint if closed is full_disk else "")


@pytest.mark.parametrize(
    ("closed", "code"), [(broken_pipe, cli.OK), (left_terminal, cli.OK), (full_disk, cli.FAILED)]
)
def test_what_nobody_could_read_is_a_failure_on_a_full_disk_alone(capfd, closed, code):
    with standard_output(closed()):
        assert cli.main(["methods"]) == code
    assert capfd.readouterr().err.count("\n") == (code == cli.FAILED)


def test_characters_that_the_output_does_not_know_are_written_otherwise(tmp_path):
    path = tmp_path / "out"
    redirect, forgiving = contextlib.redirect_stdout, cli.streams.forgiving
    with path.open("w", encoding="ascii") as stream, redirect(stream), forgiving():
        print("café")
    assert path.read_text() == "caf\\xe9\n"


@pytest.mark.slow
def test_streams_that_were_closed_from_the_start(tmp_path):
    command = [sys.executable, str(TOY), *TRAIN, "--out", str(tmp_path / "run")]
    done = subprocess.run(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *command], check=False)
    assert done.returncode == cli.OK
    assert checkpoint.steps(tmp_path / "run" / "checkpoints")[-1] == 60


@pytest.mark.slow
def test_a_terminal_that_is_closed_saves_the_run(tmp_path):
    """What a terminal's window does to what runs in it: SIGHUP, and no output any more."""
    folder = tmp_path / "run"
    words = ["train", "naive", "toy", *SMALL, "--steps", "9999999", "--out", str(folder)]
    master, slave = pty.openpty()
    command = [sys.executable, "-c", OWNING, sys.executable, str(TOY), *words]
    streams = {"stdin": slave, "stdout": slave, "stderr": slave}
    process = subprocess.Popen(command, start_new_session=True, **streams)
    os.close(slave)
    while not (folder / "checkpoints").exists():
        os.read(master, 10_000)  # raises where the process has ended
    os.close(master)
    assert process.wait() == cli.INTERRUPTED
    run = api.load(folder)
    assert run.env_steps >= 20 and run.notes == []
    assert run.resume(run.env_steps + 10).env_steps == run.env_steps


@pytest.mark.slow
@pytest.mark.parametrize("error", [OSError(5, "mine"), SystemExit(3)])
def test_what_an_observer_raises_comes_after_saving(tmp_path, error):
    def observer(progress):
        if progress.env_steps >= 17:
            raise error

    given = {"steps": 60, "eval_every": 60, "wide_starts": 0, "report": False}
    with pytest.raises(type(error), match=r"mine|3") as raised:
        api.train("naive", "toy", out=tmp_path / "run", observer=observer, **given)
    assert raised.value is error
    run = api.load(tmp_path / "run")
    assert run.env_steps == 17
    assert run.resume().env_steps == 60


PROGRESS = Progress(10, 187_210, 3.0, 1.0, "forward", {"forward": (0, 0)}, {})


def test_a_display_that_fails_says_so_once(capsys):
    class Failing(Console):
        def print(self, *_, **__):
            raise RuntimeError("no colours")

    with Display("a run", Failing(force_terminal=False)) as display:
        display.begin(Path("somewhere"))
        display.show(PROGRESS)
    assert capsys.readouterr().err.count("the display failed") == 1


def test_the_display_tells_days_and_leaves_brackets_alone(capsys):
    with Display("resuming [bold]/[/x]") as display:
        display.begin(Path("runs/[a]"))
        display.show(PROGRESS)
        display._printed = 0.0
        display.show(PROGRESS._replace(steps_per_second=float("nan")))
    out = " ".join(capsys.readouterr().out.split())
    assert "resuming [bold]/[/x]: writing to runs/[a]" in out
    assert "1 steps/s 52 h 0 min left" in out
    assert "step 10/187,210 - - left" in out


@pytest.mark.slow
def test_the_time_left_does_not_count_what_compiled(tmp_path, monkeypatch):
    shown = []
    slow = toy.Fused.advance

    def compiling(driver, start, stop):
        time.sleep(2.0 if start == 0 else 0.01)
        slow(driver, start, stop)

    monkeypatch.setattr(toy.Fused, "advance", compiling)
    given = {"steps": 60, "eval_every": 60, "wide_starts": 0, "report": False}
    api.train("naive", "toy", out=tmp_path / "run", observer=shown.append, **given)
    assert not shown[0].steps_per_second > 0  # nothing is known yet
    assert all(one.steps_per_second > 60 / 2.0 for one in shown[1:])


def test_the_package_is_a_command():
    done = subprocess.run(
        [sys.executable, "-m", "unreset", "--version"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (cli.OK, f"{cli.__version__}\n")
