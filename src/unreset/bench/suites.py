"""The suites of ``unreset bench``: which methods, on which tasks, with which flags."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from unreset import registry
from unreset.core.refusals import misfit
from unreset.core.types import BACKWARD, FORWARD
from unreset.errors import UnresetError

GIVEN = {"--preset", "--seed", "--seeds", "--steps", "--eval-every", "--out"}  # by the bench


@dataclass(frozen=True)
class Cell:
    """One entry of a grid: a variant of a method on a task, trained with several seeds."""

    label: str
    """What the variant is called; the same on every task."""
    method: str
    task: str
    flags: tuple[str, ...] = ()
    """Further words for ``unreset train``."""

    @property
    def name(self) -> str:
        """The name of its folder."""
        return re.sub(r"[^\w.-]+", ".", f"{self.label}-{self.task}")


@dataclass(frozen=True)
class Suite:
    """A grid of cells that answers one question."""

    name: str
    summary: str
    cells: tuple[Cell, ...]
    steps: int | None = None
    """Environment steps of each seed; None for those of each method's preset."""


EARL = ("tabletop", "sawyer_door", "sawyer_peg", "kitchen", "minitaur", "dexterous")
RESET_EVERY = "--reset-every"
RESET_PERIODS = (200, 500, 1000, 2000, 5000, 0)  # environment steps; 0 for never
FBRL_VARIANTS = {"fbrl, confidence": ("--switch", "confidence")}
PUT_DOWN = ("--reward", "put_down", "--attempts", "2", "--phase-length", "200")  # the peg's recipe
MATCHING = "--matching."  # before the flags of MEDAL's discriminator
MATCHING_FORMS = ("-log(1-D)", "log D")  # besides the default's, log D - log(1-D)


def _every_method(tasks: Iterable[str]) -> tuple[Cell, ...]:
    """Every method on every task that it can practise: some need demonstrations, or successes."""
    cells = []
    for name in tasks:
        task = registry.task(name)
        shown = () if task.demonstrations is None else (FORWARD, BACKWARD)
        for label in registry.METHODS:
            if misfit(registry.settings(label).method(task), task, shown) is None:
                cells.append(Cell(label, label, name))
    return tuple(cells)


def _variants(method: str, task: str, variants: Mapping[str, tuple[str, ...]]) -> tuple[Cell, ...]:
    return tuple(Cell(label, method, task, flags) for label, flags in variants.items())


def _medal_variants() -> dict[str, tuple[str, ...]]:
    # With "=", since a form may begin with a dash.
    forms = {f"form {form}": (f"{MATCHING}form={form}",) for form in MATCHING_FORMS}
    return {
        "default": (),
        **forms,
        "no goal": (f"{MATCHING}no-see-goal",),
        "own learners": ("--no-share-learner",),
    }


def suites() -> dict[str, Suite]:
    """Every suite by name; those of all methods hold what the registry holds now."""
    known = [
        Suite(
            "tabletop",
            "every method on the tabletop",
            _every_method(["tabletop"]) + _variants("fbrl", "tabletop", FBRL_VARIANTS),
            20_000,
        ),
        Suite("earl", "every method on the tasks of EARL", _every_method(EARL), 30_000),
        Suite(
            "hard",
            "the best recipes known for EARL's door and peg",
            (
                Cell("medal", "medal", "sawyer_door"),
                Cell("fbrl, put down", "fbrl", "sawyer_peg", PUT_DOWN),
            ),
            60_000,
        ),
        Suite(
            "boundary",
            "what the end of a phase is learnt as",
            _variants(
                "fbrl",
                "tabletop",
                {
                    name: ("--boundary", name)
                    for name in ("bootstrap", "terminal", "terminal_on_success")
                },
            ),
            12_000,
        ),
        Suite(
            "episode-length",
            "an episodic agent whose resets become rare",
            _variants(
                "naive",
                "tabletop",
                {
                    f"every {period}" if period else "never": (RESET_EVERY, str(period))
                    for period in RESET_PERIODS
                },
            ),
            12_000,
        ),
        Suite(
            "medal",
            "variants of MEDAL's backward role",
            _variants("medal", "tabletop", _medal_variants()),
            20_000,
        ),
    ]
    return {suite.name: suite for suite in known}


def find(name: str) -> Suite:
    """A suite by name; raises UnresetError with all names where there is none."""
    known = suites()
    if name not in known:
        raise UnresetError(f"unknown suite {name!r}; there are: {', '.join(known)}")
    return known[name]


def narrowed(suite: Suite, methods: Sequence[str] = (), tasks: Sequence[str] = ()) -> Suite:
    """The suite with these tasks and methods alone, in the order of the suite.

    A method is named by a cell's label, or else by its method, which all its variants share. A task
    that the suite does not have is practised by all its variants. A method that it does not have,
    such as one's own ``module:Class``, is added on every task: with the flags of each variant where
    the suite is of one method's variants, without flags elsewhere.
    """
    cells = list(suite.cells)
    if tasks:
        variants = list({cell.label: cell for cell in reversed(cells)}.values())[::-1]
        new = [task for task in tasks if all(cell.task != task for cell in cells)]
        cells = [cell for cell in cells if cell.task in tasks]
        cells += [replace(cell, task=task) for task in new for cell in variants]
    if methods:
        labels, known = ({cell.label for cell in cells}, {cell.method for cell in cells})
        new = [name for name in methods if name not in labels | known]
        if len(known) == 1:
            added = [replace(c, label=f"{n}, {c.label}", method=n) for n in new for c in cells]
        else:
            places = list(dict.fromkeys(cell.task for cell in cells))
            added = [Cell(name, name, place) for place in places for name in new]
        alike = [name for name in methods if name not in labels]
        cells = [cell for cell in cells if cell.label in methods or cell.method in alike] + added
    return replace(suite, cells=tuple(cells))


def check(cells: Sequence[Cell]) -> None:
    """Raise UnresetError where there are no cells, or what the bench says twice or not at all."""
    if not cells:
        raise UnresetError("nothing to train: no cell is left")
    given = {word.split("=")[0] for cell in cells for word in cell.flags} & GIVEN
    if given:
        raise UnresetError(f"{min(given)} is the same for all cells: give it to the bench instead")
    names = [cell.name for cell in cells]
    double = next((name for name in names if names.count(name) > 1), None)
    if double is not None:
        raise UnresetError(f"two cells would be written to {double}: give them different labels")
