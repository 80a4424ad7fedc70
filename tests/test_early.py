"""What is refused before anything is loaded or allocated, and what the system need not have."""

import dataclasses
import os
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import toy
from unreset import api, cli, registry
from unreset.demos import formats
from unreset.runs import machine

SMALL = ["--steps", "60", "--eval-every", "20", "--wide-starts", "0"]
TRAIN = ["train", "naive", "toy", *SMALL, "--no-report"]


@pytest.fixture(autouse=True)
def small(monkeypatch):
    toy.install(monkeypatch.setitem)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run, made where only the group may read besides its owner."""
    made = tmp_path_factory.mktemp("early") / "run"
    before = os.umask(0o027)
    try:
        with pytest.MonkeyPatch.context() as patch:
            toy.install(patch.setitem)
            assert cli.main([*TRAIN, "--seeds", "2", "--out", str(made)]) == cli.OK
            assert cli.main(["export", str(made), str(made / "policy.safetensors")]) == cli.OK
    finally:
        os.umask(before)
    return made


@pytest.mark.slow
def test_every_file_has_the_permissions_that_the_umask_leaves(folder):
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} >= {".safetensors", ".json", ".csv"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o640}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["eval", "RUN", "--episodes", "0"], "episodes must be at least 1, not 0"),
        (["eval", "RUN", "--rewards", "--seed-number", "2"], "seed number 2 does not exist"),
        (["eval", "RUN", "--seed-number", "1"], "--seed-number is used with --rewards"),
        (["eval", "RUN", "--demos", "x.npz"], "--demos is used with --rewards"),
        (["eval", "RUN", "--dynamics", "--starts", "wide"], "--starts is used without"),
        (["eval", "RUN", "--rewards", "--dynamics"], "--rewards or --dynamics, not both"),
        (["eval", "RUN", "--rewards", "--demos", "absent.npz"], "absent.npz"),
        (["export", "RUN", "x", "--seed-number", "-1"], "seed number -1 does not exist"),
        (["export", "RUN", "/no/such/folder/x"], "cannot write /no/such/folder/x: there is no"),
        (["export", "RUN", "RUN"], "it is a folder"),
        (["report", "RUN", "--output", "/no/such/folder/x.html"], "cannot write /no/such/folder"),
        (["life", "naive", "toy", "--prior", "RUN", "--out", "RUN"], "exists already"),
        (["life", "naive", "toy", "--prior", "RUN", "--start", "moon"], "has no start 'moon'"),
        (["life", "naive", "toy", "--prior", "RUN", "--prior-rows", "0"], "prior-rows must be"),
        (["prior", "toy", "--out", "RUN", "--step", "3"], "did you mean --steps?"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_arguments_are_checked_before_a_run_is_loaded(folder, monkeypatch, capsys, words, message):
    def load(*_, **__):
        raise AssertionError("loaded")

    monkeypatch.setattr(api, "load", load)
    assert cli.main([str(folder) if word == "RUN" else word for word in words]) == cli.USAGE
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1


def test_what_would_not_fit_is_refused_before_it_is_allocated(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder.parent)
    monkeypatch.setattr(machine, "replay_memory", lambda: 20.0)
    large = ["--steps", "1000000000", "--replay-capacity", "1000000000"]
    for words, said in [
        (
            [*TRAIN, "--seeds", "40000000", "--out", "x"],
            "40,000,000 seed(s), each with a replay of",
        ),
        ([*TRAIN, *large, "--out", "x"], "1,000,000,000 rows of 29 bytes, need 27.0 GiB"),
        ([*TRAIN, "--seeds", "4000", "--out", "x"], "KiB of networks, need"),
    ]:
        assert cli.main(words) == cli.USAGE
        error = capsys.readouterr().err
        assert said in error and "20.0 MiB are free: say" in error and error.count("\n") == 1
    monkeypatch.setattr(machine, "replay_memory", lambda: 0.01)
    assert cli.main(["resume", str(folder), "--no-report"]) == cli.USAGE
    error = capsys.readouterr().err
    assert "to load 2 seed(s)" in error and "end other programs" in error


@pytest.mark.slow
def test_no_demonstrations_are_asked_for_with_one_word(tmp_path, capsys, monkeypatch):
    words = ["train", "naive", "toy", *SMALL, "--no-report", "--demos", "none"]
    assert cli.main([*words, "--out", str(tmp_path / "run")]) == cli.OK
    assert "0 demonstrations" in capsys.readouterr().out
    live = dataclasses.replace(toy.point(), environment=lambda render_mode=None: toy.PointEnv())
    monkeypatch.setitem(registry.TASKS, "live", lambda: live)
    assert cli.main(["check", "live", "--steps", "5", "--demos", "none"]) in (cli.OK, cli.FAILED)
    assert "none: medal needs them" in " ".join(capsys.readouterr().out.split())
    assert cli.main(["train", "medal", "toy", *SMALL, "--demos", "none"]) == cli.USAGE
    assert "demonstration" in capsys.readouterr().err
    (tmp_path / "none").mkdir()
    formats.write(toy.demonstrations(), toy.point(), tmp_path / "none" / "x.npz")
    assert len(api.demonstrations_of(toy.point(), tmp_path / "none")) == 2


ELSEWHERE = """
    import importlib, os, pkgutil, signal, sys
    import flax, gymnasium, jax, matplotlib.pyplot, optax, rich.live, tyro  # they see to themselves

    for missing in ("resource", "fcntl", "termios", "tty", "pty", "pwd", "grp"):
        sys.modules[missing] = None
    for name in ("SIGHUP", "SIGKILL", "SIGUSR1"):
        delattr(signal, name)
    for name in ("sched_getaffinity", "sched_setaffinity", "pwrite", "getuid"):
        delattr(os, name)
    really = os.open

    def refusing(path, *arguments, **named):
        if os.path.isdir(path):
            raise PermissionError(13, "a folder is not opened here", str(path))
        return really(path, *arguments, **named)

    os.open = refusing
    import unreset

    names = [found.name for found in pkgutil.walk_packages(unreset.__path__, "unreset.")]
    for name in names:
        importlib.import_module(name)
    import toy
    from unreset import cli
    from unreset.runs.lock import locked
    from pathlib import Path

    toy.install()
    folder = Path(sys.argv[1])
    words = ["train", "naive", "toy", "--steps", "40", "--eval-every", "20", "--wide-starts", "0"]
    assert cli.main([*words, "--no-report", "--out", str(folder)]) == cli.OK
    assert (folder / "checkpoints" / "000000040" / "manifest.json").is_file()
    assert '"peak_memory_mb": null' in (folder / "summary.json").read_text()
    with locked(folder.parent):
        pass
    print(len(names))
"""


@pytest.mark.slow
def test_what_other_systems_lack_is_done_without(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(ELSEWHERE), str(tmp_path / "run")],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) > 100


@pytest.mark.parametrize(("system", "unit"), [("linux", 1024), ("darwin", 1)])
def test_peak_memory_is_in_the_unit_of_the_system(monkeypatch, system, unit):
    resource = pytest.importorskip("resource")
    monkeypatch.setattr(sys, "platform", system)
    raw = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert machine.peak_memory() == pytest.approx(raw * unit / 2**20, rel=0.2)
