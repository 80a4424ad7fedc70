"""``unreset check``: tries a task and prints what it found."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Sequence
from types import TracebackType

from rich.console import Console
from rich.table import Table
from rich.text import Text

from unreset import registry
from unreset.api import demonstrations_of
from unreset.cli.options import CheckOptions
from unreset.validation.check_task import Finding, check

STYLES = {"ok": "green", "warning": "yellow", "problem": "bold red"}
PLAIN_WIDTH = 100  # of the output where there is no terminal
PATIENCE = 4.0  # seconds after which, and between which, it is said what takes so long


class Waiting:
    """Says on standard error what takes long, also where the environment hangs in one call."""

    def __init__(self, seconds: float = PATIENCE) -> None:
        self._seconds, self._stage, self._begun = seconds, "", time.monotonic()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Waiting:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def at(self, stage: str) -> None:
        """Note what is going on now."""
        self._stage = stage

    def _watch(self) -> None:
        while not self._over.wait(self._seconds):
            seconds = time.monotonic() - self._begun
            print(f"checking: {self._stage} ({seconds:.0f} s)", file=sys.stderr, flush=True)


def main(options: CheckOptions) -> int:
    """Run the command; returns 0, or 1 if there is a problem."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=PLAIN_WIDTH)
    with Waiting() as waiting:
        waiting.at("making the task")
        task = registry.task(options.task)
        trajectories = None
        if options.demos is not None:
            waiting.at("reading demonstrations")
            trajectories = demonstrations_of(task, options.demos)
        console.print(f"{task.name}: {task.summary}")
        findings = check(task, trajectories, options.steps, waiting.at)
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
