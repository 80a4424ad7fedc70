"""What every command is read with: shared kinds of arguments, flags, and one-line mistakes."""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import importlib
import inspect
import io
import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar, cast

import tyro
from tyro.constructors import (
    ConstructorRegistry,
    StructConstructorSpec,
    StructFieldSpec,
    StructTypeInfo,
)

from unreset.core import ranges
from unreset.errors import UnresetError, look_up

Options = TypeVar("Options")


class Command(NamedTuple):
    """One command; nothing is imported for it before its arguments are read."""

    place: str
    """What runs it, as ``module:function`` in this folder."""
    about: str
    """A line about it."""
    read: Callable[[list[str]], Any]
    """Makes of its arguments what that function is given."""


Commands = Mapping[str, Command]

TaskName = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="TASK")]
Demonstrations = tyro.conf.arg(name="demos", metavar="PATH|ID")
Trust = Annotated[
    bool, tyro.conf.arg(help="Import the method or task that a run names as MODULE:NAME.")
]
CompileCache = Annotated[
    bool, tyro.conf.arg(help="Keep compiled programs on disk, so that the next start is quick.")
]
RunFolder = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]


def options(kind: type[Options], command: str) -> Callable[[list[str]], Options]:
    """A function that reads a command's arguments as options, which may check themselves."""

    def read(arguments: list[str]) -> Options:
        found: Any = parse(kind, command, arguments)
        if hasattr(found, "check"):
            found.check()
        return cast(Options, found)

    return read


def parse(
    kind: type[Options], command: str, arguments: Sequence[str], default: Any = None
) -> Options:
    """Typed options from arguments; a mistake becomes one line, with the nearest flag if any."""
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            options: Any = tyro.cli(
                kind,
                prog=f"unreset {command}" + " [METHOD] [TASK]" * (command in ("train", "life")),
                description=inspect.getdoc(kind),
                args=list(arguments),
                default=default,
                registry=_RANGED,
            )
            return options
    except SystemExit as stop:
        if stop.code in (0, None):
            raise
        # A title, the complaint, a rule, and advice; framed where the terminal can show it.
        words = re.sub(r"[^\x20-\x7e\n]", "", complaint.getvalue())
        lines = [line.strip(" |") for line in words.splitlines()[1:]]
        groups = itertools.groupby(lines, key=lambda line: bool(re.search(r"\w", line)))
        blocks = [list(group) for worded, group in groups if worded]
        message = " ".join(blocks[0]) if blocks else "bad usage"
        advice = [line for block in blocks[1:] for line in block if re.match(r"--\w", line)]
        flags = [line.split()[0].rstrip(",") for line in advice]
        wrong = re.search(r"--[\w.-]+", message)
        unknown = wrong[0] if wrong and "nrecognized" in message else ""
        near = difflib.get_close_matches(unknown, flags, n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise UnresetError(f"{message}{hint} (see unreset {command} --help)") from None


_RANGED = ConstructorRegistry()
_inner: list[StructTypeInfo] = []  # what tyro's own rule is asked for at the moment


@_RANGED.struct_rule
def _with_ranges(info: StructTypeInfo) -> StructConstructorSpec | None:
    """Describe a dataclass as tyro does, with the ranges of its numbers in the help."""
    if any(info is one for one in _inner) or not dataclasses.is_dataclass(info.type):
        return None
    _inner.append(info)
    try:
        made = ConstructorRegistry.get_struct_spec(info)
    finally:
        _inner.pop()
    if not isinstance(made, StructConstructorSpec):
        return None
    known = ranges.hints(cast(type, info.type))
    fields = [_with_range(one, ranges.text(known.get(one.name))) for one in made.fields]
    return dataclasses.replace(made, fields=tuple(fields))


def _with_range(field: StructFieldSpec, text: str) -> StructFieldSpec:
    """A field whose help is one paragraph that ends with its range."""
    given = field.helptext
    words = f" {text[0].upper()}{text[1:]}." if text else ""

    def helptext() -> str:
        about = (given() if callable(given) else given) or ""
        return f"{' '.join(about.split())}{words}"

    return dataclasses.replace(field, helptext=helptext)


def flag(arguments: Sequence[str], name: str, default: str) -> str:
    """A flag's value before the full parse, which depends on it."""
    for number, argument in enumerate(arguments):
        if argument == f"--{name}" and number + 1 < len(arguments):
            return arguments[number + 1]
        if argument.startswith(f"--{name}="):
            return argument.split("=", 1)[1]
    return default


def without(arguments: Sequence[str], name: str) -> list[str]:
    """The arguments without a flag and its value."""
    before = ["", *arguments]
    return [
        argument
        for last, argument in zip(before, arguments, strict=False)
        if f"--{name}" not in (last, argument) and not argument.startswith(f"--{name}=")
    ]


def dispatch(
    program: str, about: str, commands: Commands, example: str, arguments: list[str]
) -> int:
    """Run the command that the first argument names, or print the usage; returns the exit code.

    Raises:
        UnresetError: where there is no such command, or something is wrong with what it was asked
            for; one line says what.
    """
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(f"{about}\n\nusage: {program} COMMAND ... ({program} COMMAND --help says more)\n")
        for name, command in commands.items():
            print(f"  {name:8} {command.about}")
        print(f"\nexample: {example}")
        return 0 if arguments else 2
    look_up(f"{program.removeprefix('unreset')} command".strip(), arguments[0], commands)
    command = commands[arguments[0]]
    given = command.read(arguments[1:])
    module, _, name = command.place.partition(":")
    code: int = getattr(importlib.import_module(f"unreset.cli.{module}"), name)(given)
    return code
