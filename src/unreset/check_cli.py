"""``unreset check``: tries a task and prints what it found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import tyro
from rich.console import Console
from rich.table import Table
from rich.text import Text

from unreset import registry
from unreset.check import Finding, check
from unreset.demos import formats
from unreset.errors import UnresetError

STYLES = {"ok": "green", "warning": "yellow", "problem": "bold red"}
PLAIN_WIDTH = 100  # of the output where there is no terminal


@dataclass(frozen=True)
class CheckOptions:
    """Try a task's environment before training in it: exit code 1 if there is a problem.

    It is reset some hundred times and stepped some thousand, with random actions.

    Examples:
      unreset check tabletop
      unreset check my_robot:make_task --demos recorded.safetensors
    """

    task: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="TASK")]
    """A task's name, or MODULE:FUNCTION, what makes it."""
    demos: Annotated[str | None, tyro.conf.arg(metavar="PATH|ID")] = None
    """Demonstrations to judge: a file, a folder or a Minari id; None for the task's own."""
    steps: int = 1000
    """How many random steps to take."""


def main(arguments: list[str]) -> int:
    """Run the command; returns 0, or 1 if there is a problem."""
    from unreset.cli import _parse  # noqa: PLC0415 - it imports this module

    options = _parse(CheckOptions, "check", arguments, None)
    if options.steps < 1:
        raise UnresetError(f"--steps must be at least 1, not {options.steps}")
    task = registry.task(options.task)
    trajectories = None if options.demos is None else formats.read(options.demos, task)
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=PLAIN_WIDTH)
    console.print(f"{task.name}: {task.summary}")
    findings = check(task, trajectories, options.steps)
    show(findings, console)
    return int(any(finding.verdict == "problem" for finding in findings))


def show(findings: Sequence[Finding], console: Console) -> None:
    """Print a table of findings, each warning and problem with advice, and their numbers."""
    table = Table(box=None, show_header=False, padding=(0, 1))
    for finding in findings:
        about = Text(finding.text)
        if finding.advice and finding.verdict != "ok":
            about.append(f"\n-> {finding.advice}", style="dim")
        mark = Text(finding.verdict, style=STYLES[finding.verdict])
        table.add_row(mark, finding.what, about)
    console.print(table)
    counts = [sum(f.verdict == verdict for f in findings) for verdict in STYLES]
    console.print(f"{counts[0]} ok, {counts[1]} warning(s), {counts[2]} problem(s)")
