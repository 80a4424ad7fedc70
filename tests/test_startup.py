"""What is imported: nothing that takes long before it is known that a command needs it."""

import subprocess
import sys

import pytest

import unreset

HEAVY = ("jax", "flax", "optax", "matplotlib", "mujoco", "gymnasium", "numpy")

QUICK = [
    "",
    "--version",
    "--help",
    "trian",
    "demos --help",
    "demos inof",
    "demos info --help",
    "demos info some.npz --task tabeltop",
    "train meddal",
    "train medal tabeltop",
    "train medal tabletop too",
    "life qwael",
    "prior --help",
    "prior pointmas",
    "check --help",
    "check tabeltop",
    "check tabletop --steps many",
    "resume /nowhere",
    "resume --help",
    "eval --help",
    "eval /nowhere",
    "eval runs --starts wild",
    "report",
    "report --help",
    "export /nowhere file",
    "bench --help",
    "methods --help",
    "methods meddal",
    "tasks tabeltop",
]

SCRIPT = """
import sys
from unreset import cli
for words in sys.stdin.read().splitlines():
    try:
        cli.main(words.split())
    except SystemExit:
        pass
    print("imported:", words, [name for name in {heavy} if name in sys.modules])
"""


def imported(code, given=""):
    done = subprocess.run(
        [sys.executable, "-c", code], input=given, capture_output=True, text=True, check=True
    )
    return [line for line in done.stdout.splitlines() if line.startswith("imported:")]


def test_help_and_typing_errors_import_nothing_that_takes_long():
    found = imported(SCRIPT.replace("{heavy}", repr(HEAVY)), "\n".join(QUICK))
    assert found == [f"imported: {words} []" for words in QUICK]


def test_the_package_imports_nothing_that_takes_long():
    code = f"import sys, unreset; print('imported:', [n for n in {HEAVY} if n in sys.modules])"
    assert imported(code) == ["imported: []"]


@pytest.mark.parametrize("name", unreset.__all__)
def test_every_public_name_is_found_when_it_is_asked_for(name):
    assert getattr(unreset, name) is not None and name in dir(unreset)


def test_another_name_is_refused():
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        unreset.trian  # noqa: B018
