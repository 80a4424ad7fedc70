"""``unreset check``: tries a task and prints what it found."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from unreset import registry
from unreset.check import Finding, check
from unreset.demos import formats
from unreset.errors import UnresetError
from unreset.options import CheckOptions, parse

STYLES = {"ok": "green", "warning": "yellow", "problem": "bold red"}
PLAIN_WIDTH = 100  # of the output where there is no terminal


def main(arguments: list[str]) -> int:
    """Run the command; returns 0, or 1 if there is a problem."""
    options = parse(CheckOptions, "check", arguments)
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
