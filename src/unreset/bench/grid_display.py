"""What a person sees while a grid runs: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from unreset.bench.grid import State
from unreset.report.display import Careful
from unreset.report.facts import duration

PLAIN_SECONDS = 60.0  # between the lines on runs under way where there is no terminal


class GridDisplay(Careful):
    """Shows the states of a grid's jobs; use as a context manager around it."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.completed:,.0f} of {task.total:,.0f} steps"),
            console=self._console,
            transient=True,
        )
        self._bars: dict[str, TaskID] = {}
        self._seen: dict[str, str] = {}
        self._printed = time.monotonic()

    def __enter__(self) -> GridDisplay:
        if self._console.is_terminal:
            self.attempt(self._progress.start)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(Exception):
            self._progress.stop()

    def show(self, states: Sequence[State]) -> None:
        """Bring the display up to date."""
        self.attempt(self._show, states)

    def _show(self, states: Sequence[State]) -> None:
        ended = sum(state.status not in ("waiting", "running") for state in states)
        for state in states:
            name = state.job.name
            if self._seen.get(name, "waiting") != state.status:
                self._seen[name] = state.status
                self._tell(f"[{ended}/{len(states)}] {name}: {_about(state)}")
            if state.status == "running" and self._console.is_terminal:
                if name not in self._bars:
                    self._bars[name] = self._progress.add_task(name, total=state.job.steps)
                self._progress.update(self._bars[name], completed=state.env_steps)
            elif name in self._bars:
                self._progress.remove_task(self._bars.pop(name))
        if not self._console.is_terminal and time.monotonic() - self._printed >= PLAIN_SECONDS:
            for state in states:
                if state.status == "running":
                    self._tell(f"{state.job.name}: {state.env_steps:,} of {state.job.steps:,}")

    def _tell(self, line: str) -> None:
        self._printed = time.monotonic()
        self._console.print(line, markup=False, soft_wrap=True)


def _about(state: State) -> str:
    if state.status == "running":
        begins = "continues" if state.env_steps else "begins"
        return f"{begins}, {state.job.steps:,} steps"
    if state.status == "failed":
        return f"failed: {state.message}"
    took = f" in {duration(state.seconds)}" if state.seconds else ""
    return f"{state.status}, {state.env_steps:,} steps{took}"
