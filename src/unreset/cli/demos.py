"""The command group ``unreset demos``: make, judge, convert, replay and record demonstrations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from unreset.catalogue import check_names
from unreset.cli.demos_options import (
    ExportOptions,
    ImportOptions,
    InfoOptions,
    RecordOptions,
    ReplayOptions,
    ScriptOptions,
)
from unreset.cli.parsing import Command, Commands, dispatch, parse
from unreset.demos.words import KNOWN


def _options(kind: type[Any], command: str) -> Callable[[list[str]], Any]:
    """A function that reads a command's arguments as options; refuses a task that is not known."""

    def read(arguments: list[str]) -> Any:
        found = parse(kind, command, arguments)
        check_names(None, found.task)
        return found

    return read


COMMANDS: Commands = {
    "script": Command(
        "demos_commands:script_demonstrations",
        "write the demonstrations of a task's own script",
        _options(ScriptOptions, "demos script"),
    ),
    "info": Command(
        "demos_commands:info_demonstrations",
        "say what demonstrations are like, and what should be better",
        _options(InfoOptions, "demos info"),
    ),
    "import": Command(
        "demos_commands:import_demonstrations",
        "read any known format, check, write as unreset's own",
        _options(ImportOptions, "demos import"),
    ),
    "export": Command(
        "demos_commands:export_demonstrations",
        "write another format",
        _options(ExportOptions, "demos export"),
    ),
    "replay": Command(
        "demos_commands:replay_demonstrations",
        "replay demonstrations in the task's environment",
        _options(ReplayOptions, "demos replay"),
    ),
    "record": Command(
        "demos_commands:record_demonstrations",
        "record with the keyboard, a script or a policy",
        _options(RecordOptions, "demos record"),
    ),
}


def main(arguments: list[str]) -> int:
    """Run one command of the group; returns the exit code.

    Raises:
        UnresetError: where something is wrong with what was asked for; one line says what.
    """
    example = "unreset demos script tabletop --out demos.safetensors"
    return dispatch("unreset demos", f"demonstrations are {KNOWN}", COMMANDS, example, arguments)
