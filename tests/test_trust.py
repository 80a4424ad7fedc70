"""Code that a run names: one's own is imported, somebody else's only with ``--trust``."""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

import toy
import unreset
from unreset import cli, trust
from unreset.bench import plan
from unreset.bench.suites import Cell
from unreset.errors import UnresetError
from unreset.report.record import read_record

FILE = """
from pathlib import Path
import toy
from unreset.methods.naive import Naive

Path("imported").touch()
make_task = toy.point
Mine = toy.tiny(Naive(), seed_steps=5)
"""
HOSTILE = "from pathlib import Path\nPath({!r}).touch()\nimport toy\nmake_task = toy.point\n"
SMALL = ["--steps", "20", "--eval-every", "20", "--wide-starts", "0", "--no-report"]


@pytest.fixture(autouse=True)
def small(monkeypatch):
    toy.install(monkeypatch.setitem)


def enter(patch, folder):
    """Go to a folder as in a new process, which knows no code of one's own."""
    patch.chdir(folder)
    patch.setattr(sys, "path", [p for p in sys.path if not Path(p, "my_arm.py").is_file()])
    patch.setattr(trust, "_here", set())
    sys.modules.pop("my_arm", None)


@pytest.fixture(scope="module")
def mine(tmp_path_factory):
    """A folder with a task of one's own, and a run of it."""
    folder = tmp_path_factory.mktemp("mine")
    (folder / "my_arm.py").write_text(FILE)
    with pytest.MonkeyPatch.context() as patch:
        toy.install(patch.setitem)
        enter(patch, folder)
        words = ["train", "naive", "my_arm:make_task", *SMALL, "--out", "run"]
        assert cli.main(words) == cli.OK
    sys.modules.pop("my_arm", None)
    return folder


@pytest.fixture
def theirs(mine, tmp_path, monkeypatch):
    """The current folder: a stranger's, with such a run and a module that leaves a mark."""
    shutil.copytree(mine / "run", tmp_path / "run")
    (tmp_path / "my_arm.py").write_text(HOSTILE.format(str(tmp_path / "ran")))
    enter(monkeypatch, tmp_path)
    yield tmp_path
    sys.modules.pop("my_arm", None)


COMMANDS = [
    ["eval", "run"],
    ["eval", "run", "--rewards"],
    ["export", "run", "policy.safetensors"],
    ["resume", "run", "--steps", "40"],
    ["life", "naive", "toy", "--prior", "run"],
    ["prior", "toy", "--out", "run"],
    [
        *[
            "demos",
            "record",
            "tabletop",
            "--policy",
            "run",
            "--out",
            "d.npz",
            "--episodes",
            "1",
            "--yes",
        ]
    ],
]


@pytest.mark.slow
@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_strangers_code_is_not_run(words, theirs, capsys):
    assert cli.main(words) == cli.USAGE
    said = capsys.readouterr().err
    file = theirs.resolve() / "my_arm.py"
    assert f"run names the task 'my_arm:make_task', which would run {file}: " in said
    assert "say --trust" in said and said.count("\n") == 1
    assert not (theirs / "ran").exists()


def test_from_python_neither(theirs):
    for reader in (
        lambda: unreset.load("run"),
        lambda: unreset.life("naive", "toy", prior="run"),
        lambda: unreset.train("naive", "toy", prior="run"),
    ):
        with pytest.raises(trust.Untrusted, match="trust=True"):
            reader()
    assert not (theirs / "ran").exists()


def test_what_is_drawn_from_logs_goes_without(theirs, capsys):
    for words in (["report", "run"], ["report", "run", "run", "--output", "page.html"]):
        assert cli.main(words) == cli.OK
        said = capsys.readouterr()
        assert "note: drawn from the logs alone, since run names the task" in said.err
        assert Path(said.out.strip()).read_text().count("my_arm:make_task")
    assert read_record(theirs / "run").task is None
    assert not (theirs / "ran").exists()


def test_with_trust_it_is_run_and_is_ones_own_from_then_on(theirs, monkeypatch, capsys):
    assert cli.main(["eval", "run", "--trust"]) == cli.OK
    assert (theirs / "ran").exists()
    enter(monkeypatch, theirs)
    assert cli.main(["eval", "run"]) == cli.OK
    assert "my_arm" not in capsys.readouterr().err


def test_ones_own_needs_no_flag_in_another_process(mine, monkeypatch, capsys):
    enter(monkeypatch, mine)
    (mine / "imported").unlink()
    assert cli.main(["eval", "run"]) == cli.OK
    assert (mine / "imported").exists()
    assert capsys.readouterr().err == ""


def test_a_place_that_one_has_not_named_is_not_ones_own(mine, theirs, monkeypatch):
    """The same file, another name in it: a stranger may not choose what of it is called."""
    enter(monkeypatch, mine)
    config = theirs / "run" / "config.json"
    for what, place in [("task", "my_arm:toy.point"), ("task", "os:abort"), ("method", "sys:exit")]:
        stored = json.loads(config.read_text()) | {what: place}
        config.write_text(json.dumps(stored))
        with pytest.raises(trust.Untrusted, match=f"names the {what} '{place}'"):
            unreset.load(theirs / "run")


def test_a_part_that_one_has_not_named_is_not_ones_own(theirs, monkeypatch):
    enter(monkeypatch, theirs)
    config = theirs / "run" / "config.json"
    stored = json.loads(config.read_text()) | {"task": "toy"}
    stored["settings"]["learner"]["class"] = "my_arm:Learner"
    config.write_text(json.dumps(stored))
    with pytest.raises(trust.Untrusted, match="names the part 'my_arm:Learner', which would run"):
        unreset.load(theirs / "run")
    assert not (theirs / "ran").exists()
    with pytest.raises(UnresetError, match="my_arm has no class 'Learner'"):
        unreset.load(theirs / "run", trust=True)


def test_nothing_in_the_run_folder_can_stand_in_for_the_users_word(theirs, monkeypatch):
    """Not even the file of another user's notes, wherever a stranger may put it."""
    noted = [["my_arm:make_task", str(theirs.resolve() / "my_arm.py")]]
    for name in ("code.jsonl", "unreset/code.jsonl", ".local/state/unreset/code.jsonl"):
        for place in (theirs, theirs / "run"):
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_text("\n".join(map(json.dumps, noted)) + "\n")
    monkeypatch.setenv("XDG_STATE_HOME", ".")  # a relative one counts for nothing
    monkeypatch.setenv("HOME", str(theirs.parent))
    with pytest.raises(trust.Untrusted):
        unreset.load("run")


def test_where_nothing_can_be_noted_it_holds_for_the_process(mine, monkeypatch):
    enter(monkeypatch, mine)
    monkeypatch.setenv("XDG_STATE_HOME", "/proc/nowhere")
    with pytest.raises(trust.Untrusted):
        unreset.load("run")
    assert unreset.load("run", trust=True).env_steps == 20
    assert unreset.load("run").env_steps == 20


@pytest.mark.parametrize(
    "noted", [b'["a:b", "/to', b"\xff\xfe\n", b'5\nnull\n[1]\n[[1], {}]\n"ab"\n' + b"[" * 5000]
)
def test_damaged_notes_cost_themselves_alone(tmp_path, monkeypatch, noted):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    (tmp_path / "unreset").mkdir()
    (tmp_path / "unreset" / "code.jsonl").write_bytes(noted)
    monkeypatch.setattr(trust, "_here", set())
    with pytest.raises(trust.Untrusted):
        trust.check(tmp_path, {"task": "toy:point"})
    trust.remember("toy:point")
    monkeypatch.setattr(trust, "_here", set())  # another process
    trust.check(tmp_path, {"task": "toy:point"})


def test_notes_that_never_end_are_not_read(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    (tmp_path / "unreset").mkdir()
    os.mkfifo(tmp_path / "unreset" / "code.jsonl")
    monkeypatch.setattr(trust, "_here", set())
    trust.remember("toy:point")
    trust.check(tmp_path, {"task": "toy:point"})  # in this process


def test_what_comes_from_elsewhere_takes_nothing_from_the_current_folder(mine, theirs, monkeypatch):
    monkeypatch.setattr(sys, "path", [str(mine), *sys.path])
    (theirs / "my_arm.py").unlink()
    (theirs / "unheard_of.py").touch()
    unreset.load("run")
    with pytest.raises(ImportError):
        __import__("unheard_of")


def test_the_source_is_found_without_importing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plain").mkdir()
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("raise SystemExit")
    here = tmp_path.resolve()
    assert trust.source("package.inner.deep:make") == str(here / "package" / "__init__.py")
    assert trust.source("plain.inner:make") == str(here / "plain")
    assert trust.source("absent:make") is None
    assert trust.source("sys:exit") == "built-in"
    assert trust.source("toy:point") == str(Path(toy.__file__).resolve())


def test_a_bench_goes_on_with_a_method_of_ones_own(mine, monkeypatch):
    enter(monkeypatch, mine)
    cell = Cell("mine", "naive", "my_arm:make_task", ("--wide-starts", "0"))
    (job,) = plan.make_jobs([cell], mine / "bench", 1, steps=20, eval_every=20)
    shutil.copytree(mine / "run", job.folder)
    enter(monkeypatch, mine)
    assert plan.words(job) is None  # it is done
    longer = plan.make_jobs([cell], mine / "bench", 1, steps=40, eval_every=20)[0]
    assert plan.words(longer)[-2:] == ["40", "--trust"]
