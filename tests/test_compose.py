"""Methods of one's own, not registered: trained, resumed, loaded, and what is refused."""

import dataclasses
import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import toy
import unreset
from unreset import cli, registry
from unreset.errors import UnresetError

FILE = '''
"""A page about going home."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from unreset.core.method import Method, Practice, Role
from unreset.learners.sac import SAC
from unreset.goals import InitialStates, TaskGoals
from unreset.methods.fbrl import FBRL
from unreset.methods.settings import Settings
from unreset.switching import After, OnSuccess

WAYS = {"task": TaskGoals(), "initial": InitialStates()}


@dataclass(frozen=True)
class Wait:
    """When to go home."""

    after: tuple[tuple[int, int], ...] = ((6, 1), (4, 2))
    """Steps of an attempt, and how often."""


@dataclass(frozen=True)
class Home(Settings):
    """A forward role, and one that goes home in a few steps."""

    practice: Practice = Practice(batch_size=8, replay_capacity=100)
    learner: SAC = SAC(hidden=(8,), trunk=4, octaves=1, critics=2, policy_every=1)
    home_length: int = 5
    """Steps after which a home phase ends."""
    way: Literal["task", "initial"] = "initial"
    """Where home is."""
    wait: Wait = Wait()
    """The attempts."""

    def method(self, task):
        length = self.wait.after[0][0]
        ends = (After(length), OnSuccess())
        forward = Role("forward", TaskGoals(), ends, demonstrations=(0,), imitate=(0,))
        ends = (After(self.home_length), OnSuccess())
        home = Role("home", WAYS[self.way], ends, demonstrations=(1,), imitate=(1,))
        return Method("home", (forward, home), self.learner, self.practice)


class Outer:
    class Inner(Home):
        """The same again."""


class Unfinished(Settings):
    depth: int = 3


class Broken(Home):
    def method(self, task):
        return 1 / 0


class Wrong(Home):
    def method(self, task):
        return "home"


@dataclass(frozen=True)
class Twice(Home):
    batch_size: int = 3


@dataclass(frozen=True, kw_only=True)
class Needing(Home):
    more: int


@dataclass(frozen=True)
class Unclear(Home):
    what: Array = None


@dataclass(frozen=True)
class Holding(Home):
    what: object = field(default_factory=object)


class Registered:
    pass


def made():
    return Home(home_length=9)


def local():
    class Local(Home):
        pass

    return Local()


ready = Home(home_length=4)
known = FBRL(steps=77)
PRESETS = {"default": Home(), "long": Home(home_length=9), "other": known}
'''
FLAGS = ["--steps", "20", "--eval-every", "20", "--wide-starts", "0", "--no-report"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """The folder of my_method.py, which is also the current one, with the toy task."""
    folder = tmp_path_factory.mktemp("compose")
    (folder / "my_method.py").write_text(FILE)
    (folder / "failing.py").write_text("import math\n\nmath.sqrt('two')\n")
    (folder / "mistyped.py").write_text("def f(:\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "path", sys.path.copy())
        toy.install(patch.setitem)
        yield folder
        for name in ("my_method", "my_script"):
            sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def begun(place):
    """A run of 20 steps, with flags of its own, from the command line."""
    own = ["--preset", "long", "--home-length", "3", "--wait.after", "7", "1", "5", "2"]
    assert cli.main(["train", "my_method:Home", "toy", *own, *FLAGS]) == cli.OK
    return place / "runs" / "Home-toy-0"


@pytest.mark.slow
def test_the_configuration_holds_the_place_and_the_flags(begun):
    stored = json.loads((begun / "config.json").read_text())
    assert (stored["method"], stored["preset"]) == ("my_method:Home", "long")
    settings = stored["settings"]
    assert (settings["home_length"], settings["way"]) == (3, "initial")
    assert settings["wait"] == {"after": [[7, 1], [5, 2]]}
    assert settings["learner"]["hidden"] == [8]


@pytest.mark.slow
def test_resumed_in_another_process_it_ends_as_if_it_had_not_stopped(begun, place):
    home = registry.settings("my_method:Home", "long")
    wait = dataclasses.replace(home.wait, after=((7, 1), (5, 2)))
    once = unreset.train(
        dataclasses.replace(home, home_length=3, wait=wait),
        "toy",
        preset="long",
        steps=40,
        eval_every=20,
        checkpoint_every=20,
        wide_starts=0,
        out=place / "once",
        report=False,
    )
    command = [sys.executable, toy.__file__, "resume", str(begun), "--steps", "40", "--no-report"]
    paths = [str(Path(unreset.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "my_method:Home on toy: 40 steps" in done.stdout
    states = [f / "checkpoints" / "000000040" / "state.safetensors" for f in (begun, once.folder)]
    assert states[0].read_bytes() == states[1].read_bytes()
    again = unreset.load(begun)
    assert again.notes == [] and again.env_steps == 40
    assert again.summary["phases"]["home"]["ended"] > 0
    assert again.export().metadata["method"] == "my_method:Home"


def test_without_its_module_a_run_says_what_is_missing(begun, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p != str(begun.parents[1])])
    monkeypatch.delitem(sys.modules, "my_method")
    assert cli.main(["resume", str(begun)]) == cli.USAGE
    said = capsys.readouterr().err
    assert "cannot import 'my_method' of method 'my_method:Home'" in said
    assert "must be importable from here" in said and said.count("\n") == 1
    (tmp_path / "my_method.py").write_text(FILE.replace("home_length", "length"))
    assert cli.main(["eval", str(begun), "--trust"]) == cli.USAGE
    assert "Home has no field 'home_length'" in capsys.readouterr().err
    (tmp_path / "my_method.py").write_text("Home = 3")
    monkeypatch.delitem(sys.modules, "my_method")
    assert cli.main(["eval", str(begun), "--trust"]) == cli.USAGE
    assert "my_method:Home is no method" in capsys.readouterr().err


@pytest.mark.usefixtures("place")
def test_what_a_method_may_be_named_by():
    assert registry.settings("my_method:ready").home_length == 4
    assert registry.settings("my_method:made").home_length == 9
    for name, stored in [
        ("my_method:Home", "my_method:Home"),
        ("my_method:made", "my_method:Home"),
        ("my_method:ready", "my_method:Home"),
        ("my_method:Outer.Inner", "my_method:Outer.Inner"),
        ("my_method:known", "fbrl"),
        ("unreset.methods.medal:Medal", "medal"),
        ("naive", "naive"),
    ]:
        assert registry.method_name(registry.settings(name)) == stored
        assert registry.settings_class(stored) is type(registry.settings(name))
    assert list(registry.presets("my_method:Home")) == ["default", "long"]


def test_a_registered_class_has_one_name():
    for name, presets in registry.METHODS.items():
        assert {registry.method_name(preset) for preset in presets.values()} == {name}


REFUSED = [
    ("absent_module:Home", "cannot import 'absent_module' of method 'absent_module:Home'"),
    ("failing:Home", "'failing' .*TypeError: must be real number, not str .failing.py, line 3"),
    ("mistyped:Home", r"'mistyped' .*SyntaxError: invalid syntax \(mistyped.py, line 1"),
    ("my_method:Homer", "my_method has no class 'Homer' that makes a method"),
    ("my_method:", "my_method has no class ''"),
    ("my_method:Registered", "my_method:Registered is no method: it must be a subclass of"),
    ("my_method:FILE", "my_method has no class 'FILE'"),
    ("my_method:PRESETS", "my_method:PRESETS makes dict, no Settings"),
    ("my_method:Role", "my_method:Role is no method"),
    ("my_method:Unfinished", "must be a dataclass: write @dataclass"),
    ("my_method:Broken", r"Broken.method\(\) raises ZeroDivisionError: division by zero \(my_met"),
    ("my_method:Wrong", r"Wrong.method\(\) returns str, not a Method"),
    ("my_method:Needing", r"my_method:Needing\(\) raises TypeError: .*'more'"),
    ("my_method:Unclear", "fields of Unclear cannot be read: name 'Array' is not defined"),
    ("my_method:Holding", "what is or holds a object, which config.json cannot"),
    ("my_method:local", "Local is defined inside a function"),
    (toy, "a method is a name from unreset methods, a place"),
]


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize(("method", "message"), REFUSED, ids=[str(m)[:25] for m, _ in REFUSED])
def test_what_is_no_method_is_refused_before_anything_is_written(tmp_path, method, message):
    with pytest.raises(UnresetError, match=message) as refusal:
        unreset.train(method, "toy", steps=20, out=tmp_path / "run", report=False)
    assert "\n" not in str(refusal.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("place")
def test_settings_of_another_definition_are_refused(monkeypatch):
    home = registry.settings("my_method:Home")
    with pytest.raises(UnresetError, match="unknown preset 'longer'; did you mean 'long'"):
        unreset.train(home, "toy", preset="longer")
    monkeypatch.delitem(sys.modules, "my_method")
    with pytest.raises(UnresetError, match="my_method:Home is not the class that was given"):
        unreset.train(home, "toy", steps=20)
    monkeypatch.setattr(type(home), "__module__", "__main__")
    monkeypatch.setattr(sys.modules["__main__"], "__file__", None, raising=False)
    with pytest.raises(UnresetError, match="Home is defined at a prompt or in a notebook"):
        unreset.train(home, "toy", steps=20)


SCRIPT = """
from dataclasses import dataclass
import unreset
from unreset import registry
from unreset.methods.naive import Naive


@dataclass(frozen=True)
class Mine(Naive):
    depth: int = 3
"""


def test_a_script_names_its_class_by_its_file(place):
    script = place / "my_script.py"
    guarded = 'if __name__ == "__main__":\n    NAME = registry.method_name(Mine())\n'
    script.write_text(SCRIPT + guarded)
    assert runpy.run_path(str(script), run_name="__main__")["NAME"] == "my_script:Mine"
    assert registry.settings_class("my_script:Mine").__name__ == "Mine"
    del sys.modules["my_script"]
    script.write_text(SCRIPT + 'unreset.train(Mine(), "toy", steps=20, report=False)')
    with pytest.raises(UnresetError, match="my_script trains or loads a run when it is imported"):
        runpy.run_path(str(script), run_name="__main__")
    named_as_another = place / "toy.py"
    named_as_another.write_text(SCRIPT + guarded)
    with pytest.raises(UnresetError, match=r"has no class 'Mine'"):
        runpy.run_path(str(named_as_another), run_name="__main__")
    named_as_another.unlink()


@pytest.mark.usefixtures("place")
def test_the_command_line_knows_a_method_of_ones_own(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "79")
    with pytest.raises(SystemExit):
        cli.main(["train", "my_method:Home", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    for flag in ("--home-length", "--way", "--wait.after", "--batch-size", "--hidden", "--demos"):
        assert flag in said
    assert "Steps after which a home phase ends." in said
    for words, message in [
        (["my_method:Home", "--preset", "paper"], "unknown preset 'paper'; there are: default, l"),
        (["my_method:Home", "toy", "--home-lengths", "3"], "did you mean --home-length?"),
        (["my_method:Twice", "toy"], "'batch_size' of Twice is a flag of unreset train already"),
        (["my_method:Homer", "toy"], "my_method has no class 'Homer'"),
    ]:
        assert cli.main(["train", *words]) == cli.USAGE
        said = capsys.readouterr().err
        assert message in said and said.count("\n") == 1


@pytest.mark.usefixtures("place")
def test_a_method_is_shown_with_its_fields(capsys):
    assert cli.main(["methods", "my_method:Home"]) == cli.OK
    said = capsys.readouterr().out
    assert said.startswith("A forward role, and one that goes home in a few steps.\n")
    assert "A page about going home." in said
    assert "Presets: default, long\n" in said
    assert "home_length = 5, long: 9\n    Steps after which a home phase ends.\n" in said
    assert "wait.after = ((6, 1), (4, 2))\n    Steps of an attempt, and how often.\n" in said
    assert "practice.batch_size = 8\n    Rows of one update" in said
    assert cli.main(["methods", "my_method:Twice"]) == cli.OK
    said = capsys.readouterr().out
    assert said.startswith("A page about going home.\n\nPresets: default\n\nsteps = 30000\n")
    assert "\nbatch_size = 3\nwait.after = " in said or "\nbatch_size = 3\npractice." in said
    assert cli.main(["methods", "meddal"]) == cli.USAGE
    assert "unknown method 'meddal'; did you mean 'medal'?" in capsys.readouterr().err


@pytest.mark.parametrize("method", list(registry.METHODS))
def test_every_field_of_a_registered_method_has_its_line(method, capsys):
    assert cli.main(["methods", method]) == cli.OK
    fields = capsys.readouterr().out.split("Presets: ")[1].split("\n\n", 1)[1].splitlines()
    names, lines = fields[::2], fields[1::2]
    assert len(names) > 30 and all(" = " in name for name in names)
    assert all(len(line.split()) > 2 for line in lines)
