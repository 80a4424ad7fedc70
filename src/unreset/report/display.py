"""What a person sees while a run practises: a live panel on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from unreset.report.facts import duration
from unreset.runs.training import Progress

PLAIN_SECONDS = 10.0  # between the lines where there is no terminal
RECENT = 20  # phases whose share of successes is shown


class Careful:
    """What shows something, and only shows: where that fails, what is shown goes on."""

    _failed = False

    def attempt(self, show: Callable[..., None], *arguments: Any) -> None:
        """Show something; after the first failure, which is told, nothing."""
        if self._failed:
            return
        try:
            show(*arguments)
        except Exception as error:
            self._failed = True
            with contextlib.suppress(Exception):
                print(f"note: the display failed, the rest goes on: {error!r}", file=sys.stderr)


class Display(Careful):
    """Shows :class:`Progress`; use as a context manager around a run."""

    def __init__(self, title: str, console: Console | None = None) -> None:
        self._title = title
        self._console = console or Console()
        self._live = Live(console=self._console, refresh_per_second=4, transient=True)
        self._history: dict[str, list[tuple[int, int]]] = {}
        self._printed = 0.0

    def __enter__(self) -> Display:
        self.attempt(self._start)
        return self

    def _start(self) -> None:
        if self._console.is_terminal:
            self._live.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(Exception):
            self._live.stop()

    def begin(self, folder: Path) -> None:
        """Say where the run is written, and that compiling comes first."""
        line = f"{self._title}: writing to {folder} (compiling first)"
        self.attempt(partial(self._console.print, line, markup=False))

    def show(self, progress: Progress) -> None:
        """Bring the display up to date."""
        self.attempt(self._show, progress)

    def _show(self, progress: Progress) -> None:
        for role, counts in progress.phases.items():
            history = self._history.setdefault(role, [(0, 0)])
            if counts != history[-1]:
                history.append(counts)
            while len(history) > 2 and counts[0] - history[1][0] >= RECENT:
                history.pop(0)
        if self._console.is_terminal:
            self._live.update(self._panel(progress))
        elif time.monotonic() - self._printed >= PLAIN_SECONDS or self._done(progress):
            self._printed = time.monotonic()
            self._console.print(self._line(progress), soft_wrap=True, markup=False)

    @staticmethod
    def _done(progress: Progress) -> bool:
        return progress.env_steps >= progress.steps

    def _recent(self, role: str) -> str:
        (ended, reached), (now, successes) = self._history[role][0], self._history[role][-1]
        return f"{successes - reached}/{now - ended}" if now > ended else "-"

    def _left(self, progress: Progress) -> str:
        if not progress.steps_per_second > 0:
            return "-"
        return duration((progress.steps - progress.env_steps) / progress.steps_per_second)

    @staticmethod
    def _speed(progress: Progress) -> str:
        speed = progress.steps_per_second
        return f"{speed:.0f} steps/s" if speed > 0 else "-"

    def _line(self, progress: Progress) -> str:
        phases = ", ".join(f"{role} {self._recent(role)}" for role in progress.phases)
        evaluation = progress.evaluation.get("success")
        shown = "-" if evaluation is None else f"{evaluation:.2f}"
        if "success_at_end" in progress.evaluation:
            shown += f" ({progress.evaluation['success_at_end']:.2f} at the end)"
        return (
            f"step {progress.env_steps:,}/{progress.steps:,}  "
            f"{self._speed(progress)}  {self._left(progress)} left  "
            f"acting: {progress.acting}  recent successes: {phases}  success: {shown}"
        )

    def _panel(self, progress: Progress) -> Group:
        table = Table.grid(padding=(0, 2))
        table.add_row("steps", f"{progress.env_steps:,} of {progress.steps:,}")
        table.add_row("speed", self._speed(progress))
        table.add_row("time left", self._left(progress))
        table.add_row("acting", progress.acting)
        for role in progress.phases:
            table.add_row(f"recent {role} phases", f"{self._recent(role)} successful")
        for name, label in (("success", "success"), ("wide_success", "success from wide starts")):
            if name in progress.evaluation:
                shown = f"{progress.evaluation[name]:.2f}"
                if f"{name}_at_end" in progress.evaluation:
                    shown += f", {progress.evaluation[f'{name}_at_end']:.2f} at the end"
                table.add_row(label, shown)
        bar = ProgressBar(total=progress.steps, completed=progress.env_steps, width=50)
        return Group(Text(self._title, style="bold"), bar, table)
