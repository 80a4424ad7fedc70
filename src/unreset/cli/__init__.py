"""The command line: ``unreset train | check | demos | resume | eval | report | …``."""

from __future__ import annotations

import errno
import sys
import warnings
from collections.abc import Callable, Sequence

from unreset import __version__, reading, streams
from unreset.cli import names
from unreset.cli.options import (
    BenchOptions,
    CheckOptions,
    EvalOptions,
    ExportOptions,
    MethodsOptions,
    ReportOptions,
    ResumeOptions,
    TasksOptions,
)
from unreset.cli.parsing import Command, Commands, dispatch, options, parse
from unreset.errors import Failure, Notice, UnresetError
from unreset.runs import interrupts

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, interrupts.EXIT_CODE

#: What the system says of a place that cannot even be looked at.
_UNREACHABLE = (errno.ENAMETOOLONG, errno.EACCES, errno.ELOOP)
#: Commands whose result is a folder: they have done what was asked also if nobody reads of it.
_PRACTISING = ("train", "life", "prior", "resume", "bench")


def _bench(arguments: list[str]) -> tuple[BenchOptions, list[str]]:
    """The options of ``unreset bench``, which also notes the words that they were given by."""
    return parse(BenchOptions, "bench", arguments), arguments


COMMANDS: Commands = {
    "train": Command("practise:train", "practise a task without resets", names.train),
    "check": Command(
        "check:main",
        "try an environment before training, with advice",
        options(CheckOptions, "check"),
    ),
    "demos": Command(
        "demos:main", "make, inspect, convert, replay and record demonstrations", list
    ),
    "prior": Command(
        "practise:prior",
        "make the data with which a life begins, by practice with resets",
        names.prior,
    ),
    "life": Command("practise:life", "do a task once, in one life without resets", names.life),
    "resume": Command(
        "practise:resume",
        "continue a run from its newest checkpoint",
        options(ResumeOptions, "resume"),
    ),
    "eval": Command("evaluate:evaluate", "evaluate a run's policy", options(EvalOptions, "eval")),
    "bench": Command(
        "bench:main", "train a suite of methods and tasks, with tables and plots", _bench
    ),
    "report": Command(
        "evaluate:report",
        "write a run's report, or compare runs on one page",
        options(ReportOptions, "report"),
    ),
    "export": Command(
        "evaluate:export",
        "write a policy that acts with NumPy alone",
        options(ExportOptions, "export"),
    ),
    "methods": Command(
        "listing:methods",
        "list the methods, or show one method's settings",
        options(MethodsOptions, "methods"),
    ),
    "tasks": Command(
        "listing:tasks",
        "list the tasks, or show one task's protocol",
        options(TasksOptions, "tasks"),
    ),
}


def _one_line(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    line: str | None = None,
    *,
    usual: Callable[..., str] = warnings.formatwarning,
) -> str:
    """How a warning is printed: one of this library's as its errors are."""
    if issubclass(category, Notice):
        return f"unreset: warning: {message}\n"
    return usual(message, category, filename, lineno, line)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == ["--version"]:
        print(__version__)
        return OK
    warnings.formatwarning = _one_line
    alone = interrupts.Alone() if arguments is None else None
    with streams.forgiving() as output:
        code = _run(words)
    if alone is not None:
        alone.interrupted = code == INTERRUPTED
    if output.unwritten is None:
        return code
    with streams.forgiving():
        print(f"unreset: cannot write to the standard output: {output.unwritten}", file=sys.stderr)
    return code or (OK if words[0] in _PRACTISING else FAILED)


def _run(words: list[str]) -> int:
    """Run one command; returns the exit code, after a line about what went wrong."""
    try:
        about = f"unreset {__version__}: reinforcement learning that practises without resets"
        return dispatch("unreset", about, COMMANDS, "unreset train medal tabletop --seeds 2", words)
    except Failure as failure:
        print(f"unreset: {failure}", file=sys.stderr)
        return FAILED
    except UnresetError as mistake:
        print(f"unreset: {mistake}", file=sys.stderr)
        return USAGE
    except OSError as error:  # of a place that cannot even be looked at
        if error.errno not in _UNREACHABLE or error.filename is None:
            raise
        print(f"unreset: {reading.line(str(error.filename))}: {error.strerror}", file=sys.stderr)
        return USAGE
    except KeyboardInterrupt as interrupt:
        print(": ".join(["unreset", "interrupted", *map(str, interrupt.args)]), file=sys.stderr)
        return INTERRUPTED
