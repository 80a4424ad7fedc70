"""Which checkpoint a run goes on from, and what happens where none is whole."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any, NamedTuple

from unreset.errors import Failure
from unreset.reading import read_json
from unreset.runs import checkpoint, housekeeping, priors
from unreset.runs.checkpoint import NOTHING, Damaged, Saved
from unreset.runs.files import free_name
from unreset.runs.folder import digest, read_summary
from unreset.runs.rows import LOGS, read_log

CHECKPOINTS = "checkpoints"
ASIDE = "before-restart"
DEMONSTRATIONS = "demonstrations.safetensors"
_FILES = (DEMONSTRATIONS, priors.FILE)
_RESULTS = (CHECKPOINTS, *LOGS, "curves.png", "report.html", "videos", "summary.json")


class Origin(NamedTuple):
    """What a run practises from, as it was read from its folder."""

    configuration: str  # digest of config.json
    files: dict[str, str]  # checksums by name


def origin(run: Path) -> Origin:
    """What is in the folder now."""
    names = [name for name in _FILES if (run / name).is_file()]
    return Origin(digest(run), {name: checkpoint.checksum(run / name) for name in names})


def altered(run: Path, now: Origin) -> str:
    """Which file is not the one that the newest checkpoint was practised from; empty if none."""
    known = checkpoint.begun_from(run / CHECKPOINTS)
    for name in _FILES:
        if name in known and now.files.get(name) != known[name]:
            return (
                f"{run / name} is not what this run began from (its checksum differs): its policy "
                "can be used, but it practises on only from the file as it was: put a copy back"
            )
    return ""


class Found(NamedTuple):
    """Where a run stands."""

    step: int
    carry: Any  # None before the first checkpoint
    saved: Saved
    notes: list[str]
    refusal: str = ""  # why it does not practise on from there unless it is told to


def newest(
    run: Path, carry: Any, *, without_replay: bool, life: bool, loose: bool = False
) -> Found:
    """The newest checkpoint that is whole; else the newest whose replay alone is damaged.

    From that one a run practises on only ``without_replay``, which then also comes before older
    ones that are whole; a ``life``, whose replay says when it succeeded, never does. ``loose`` as
    for :func:`checkpoint.load`.

    Raises:
        Failure: where there was a checkpoint and nothing of it can be taken up.
    """
    folder, fixed = run / CHECKPOINTS, digest(run)
    steps, notes = checkpoint.steps(folder)[::-1], _mentioned(folder)
    restart = f"unreset resume {run} --restart begins at step 0 and keeps what is there aside"
    if not steps:
        if told := _practised(run):
            raise Failure(
                f"{run} has no checkpoint, and {told}: put its {CHECKPOINTS} back, or {restart}"
            )
        return Found(0, None, NOTHING, [*notes, "no checkpoint yet: starting from the first step"])
    damages: list[str] = []
    for step in steps:
        try:
            loaded, saved = checkpoint.load(folder, step, carry, fixed, loose=loose)
        except Damaged as damage:
            damages.append(str(damage))
            if without_replay and not life:
                found = _without(folder, step, carry, fixed, loose)
                if found is not None:
                    return found._replace(notes=notes + found.notes)
            continue
        notes += [f"{damage}; trying the one before" for damage in damages]
        return Found(step, loaded, saved, notes)
    more = f", and {len(damages) - 1} more" if len(damages) > 1 else ""
    what = f"{run}: no checkpoint is whole ({damages[0]}{more})"
    for step in steps:
        found = _without(folder, step, carry, fixed, loose)
        if found is None:
            continue
        whole = f"the policy and what it learned up to step {found.step} are, and {found.notes[0]}"
        goes_on = f"unreset resume {run} --without-replay goes on with that; "
        if life:
            goes_on = "a life cannot go on without, since it says when it succeeded; "
        refusal = f"{what}; {whole}: {goes_on}{restart}"
        return found._replace(notes=[*notes, f"{what}; {whole}"], refusal=refusal)
    raise Failure(
        f"{what}: its policy and all that it learned are lost; unreset report {run} shows its "
        f"logs, and {restart}"
    )


def _practised(run: Path) -> str:
    """What tells that a run without checkpoints has had one; empty where nothing does."""
    if step := read_summary(run).get("env_steps"):
        return f"its summary.json tells of step {step}"
    every = read_json(run / "config.json")["checkpoint_every"]
    for name in LOGS:
        step = max((int(row["env_steps"]) for row in read_log(run / name).rows), default=0)
        if step > every:  # the logs of a step are written before its checkpoint
            return f"its {name} tells of step {step}"
    return ""


def _without(folder: Path, step: int, carry: Any, fixed: str, loose: bool) -> Found | None:
    """The checkpoint with the whole part of its replay; None where more than that is damaged."""
    try:
        some = checkpoint.load_parts(folder, step, carry, fixed, loose=loose)
    except Damaged:
        return None
    total = some.kept + some.lost
    note = f"{some.kept:,} of its {total:,} transitions ({'; '.join(some.damage)})"
    return Found(step, some.carry, NOTHING, [note])


def _mentioned(folder: Path) -> list[str]:
    names = housekeeping.strangers(folder)
    if not names:
        return []
    listed = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return [f"{folder} holds what is not the run's, and is left alone: {listed}"]


def present(run: Path) -> tuple[tuple[int, int], ...]:
    """Which checkpoints there are, to notice that another process has practised."""
    folder, found = run / CHECKPOINTS, []
    for step in checkpoint.steps(folder):
        try:
            time = (folder / housekeeping.step_name(step) / "manifest.json").stat().st_mtime_ns
        except OSError:
            time = 0
        found.append((step, time))
    return tuple(found)


def set_aside(run: Path) -> None:
    """Move what a run has practised into a folder of its own in it, so that it can begin anew."""
    names = [name for name in _RESULTS if os.path.lexists(run / name)]
    if not names:
        return
    aside = free_name(run / ASIDE)
    aside.mkdir()
    shutil.copyfile(run / "config.json", aside / "config.json")  # so that its logs can be read
    for name in names:
        (run / name).rename(aside / name)
