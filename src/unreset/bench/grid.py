"""Runs the jobs of a grid, each in a process of its own, within the cores and the memory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from unreset.bench.plan import Job, practised, prepare, words
from unreset.runs import machine
from unreset.runs.folder import read_summary
from unreset.runs.rows import read_log

COMMAND = (sys.executable, "-m", "unreset.cli")
# MiB that a run takes, for itself and for each seed, while none of its cell has been measured.
MEMORY, MEMORY_PER_SEED = 800.0, 250.0
_POLL_SECONDS = 0.2
_PROGRESS_SECONDS = 1.0

Status = Literal["waiting", "running", "done", "done before", "failed", "stopped"]


@dataclass
class State:
    """How far a job is."""

    job: Job
    words: list[str] | None
    status: Status = "waiting"
    env_steps: int = 0
    seconds: float = 0.0
    """Of its process."""
    message: str = ""
    """Why it failed: the last line of its log."""


@dataclass
class _Child:
    """A process and what it occupies."""

    state: State
    process: subprocess.Popen[bytes]
    slot: int
    memory: float  # MiB
    began: float


class Grid:
    """Jobs and the processes that run them."""

    def __init__(
        self,
        jobs: Sequence[Job],
        *,
        at_once: int,
        memory: float,
        command: Sequence[str] = COMMAND,
        inherited: Sequence[int] = (),
    ) -> None:
        """Look what there is to do; raises UnresetError where a folder holds something else.

        Args:
            jobs: in the order in which they are to begin.
            at_once: the most processes at the same time.
            memory: MiB for all of them; one process runs in any case.
            command: what comes before the words ``train`` and ``resume``.
            inherited: descriptors for the processes to keep open.
        """
        self.states = [State(job, words(job)) for job in jobs]
        for state in self.states:
            state.env_steps = practised(state.job.folder)
            if state.words is None:
                state.status = "done before"
        self._at_once, self._memory = at_once, memory
        self._command = command
        # Ctrl-C is for us; we tell the runs, once.
        self._apart: dict[str, Any] = {"pass_fds": inherited, "process_group": 0}
        if os.name != "posix":  # Windows hands nothing on
            self._apart = {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}
        self._cores = machine.cores()
        self._children: list[_Child] = []

    def run(
        self,
        asked: threading.Event,
        observe: Callable[[Sequence[State]], None],
        ended: Callable[[], None],
    ) -> None:
        """Run everything that waits; where ``asked`` is set, let the runs save, and stop.

        Args:
            asked: set from outside, as by Ctrl-C.
            observe: called again and again with the states.
            ended: called whenever a process has ended.
        """
        looked, told = 0.0, False
        try:
            while self._children or (self.waiting and not asked.is_set()):
                if asked.is_set() and not told:
                    told = True
                    self._stop()
                while not asked.is_set() and self._begin_one():
                    pass
                if time.monotonic() - looked >= _PROGRESS_SECONDS:
                    looked = time.monotonic()
                    for child in self._children:
                        self._look(child)
                observe(self.states)
                for child in [
                    child for child in self._children if child.process.poll() is not None
                ]:
                    self._children.remove(child)
                    self._finish(child, told)
                    ended()
                time.sleep(_POLL_SECONDS)
        finally:  # a second Ctrl-C, or a mistake of ours: nothing may go on unseen
            self._stop()
            for child in self._children:
                child.process.wait()
        observe(self.states)

    @property
    def waiting(self) -> list[State]:
        """The jobs that have not begun."""
        return [state for state in self.states if state.status == "waiting"]

    def _stop(self) -> None:
        # SIGTERM is what Ctrl-C is to a run, and no shell makes a process deaf to it.
        for child in self._children:
            child.process.send_signal(signal.SIGTERM)

    def _begin_one(self) -> bool:
        """Start the first job that fits; whether there was one."""
        if len(self._children) >= self._at_once:
            return False
        used = sum(child.memory for child in self._children)
        for state in self.waiting:
            needed = _memory(state.job)
            if not self._children or used + needed <= self._memory:
                try:
                    self._begin(state, needed)
                except OSError as error:  # a full disk: those that run must not suffer
                    state.status, state.message = "failed", str(error)
                return True
        return False

    def _begin(self, state: State, memory: float) -> None:
        assert state.words is not None
        prepare(state.job)
        several = self._at_once > 1
        environment = dict(os.environ)
        if several:
            flags = environment.get("XLA_FLAGS", "")
            environment["XLA_FLAGS"] = f"{flags} --xla_cpu_multi_thread_eigen=false".strip()
        command = [*self._command, *state.words]
        with state.job.log.open("ab") as log:
            log.write(f"$ {' '.join(command)}\n".encode())
            log.flush()
            process = subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                **self._apart,
            )
        slot = min(set(range(self._at_once)) - {child.slot for child in self._children})
        if several and hasattr(os, "sched_setaffinity"):
            # Before it has threads: they inherit it, and XLA makes no more of them than cores.
            os.sched_setaffinity(process.pid, {self._cores[slot % len(self._cores)]})
        state.status = "running"
        self._children.append(_Child(state, process, slot, memory, time.monotonic()))

    def _look(self, child: _Child) -> None:
        """How far a run is, by the last whole row of its evaluations."""
        rows = read_log(child.state.job.folder / "eval.csv").rows
        child.state.env_steps = int(rows[-1]["env_steps"]) if rows else child.state.env_steps
        child.state.seconds = time.monotonic() - child.began

    def _finish(self, child: _Child, told: bool) -> None:
        state, code = child.state, child.process.returncode
        self._look(child)
        state.env_steps = max(state.env_steps, practised(state.job.folder))
        if code == 0:
            state.status = "done"
            return
        state.status = "stopped" if told else "failed"
        lines = state.job.log.read_text(errors="replace").split("\n$ ")[-1].strip().splitlines()[1:]
        killed = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        state.message = lines[-1] if lines and code > 0 else killed


def _memory(job: Job) -> float:
    """MiB: the most that a run of the cell has taken, or a guess."""
    folders = [job.folder]
    if job.folder.name != job.cell.name:
        folders += job.folder.parent.glob("seed-*")
    peaks = [float(read_summary(folder).get("peak_memory_mb") or 0) for folder in folders]
    return max(peaks) or MEMORY + MEMORY_PER_SEED * job.seeds
