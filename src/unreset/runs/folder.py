"""The run folder: its configuration, its CSV files and its summary."""

from __future__ import annotations

import hashlib
import json
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unreset import registry
from unreset import trust as trusted
from unreset.core import ranges
from unreset.errors import UnresetError
from unreset.reading import line, read_json, reading
from unreset.runs import stored
from unreset.runs.config import FORMAT, RunConfig, stored_fields
from unreset.runs.files import check_format, check_run, write_json
from unreset.tasks.change import Change

_NEEDED = (  # of config.json; the others may be those of a run from before there were these
    "method",
    "task",
    "settings",
    "preset",
    "seed",
    "seeds",
    "steps",
    "eval_every",
    "wide_starts",
    "checkpoint_every",
    "driver",
)
SUMMARY_FORMAT = 1  # of summary.json
_KINDS: dict[str, Any] = {  # of what a summary must hold, if it says anything of it
    "env_steps": int,
    "seeds": list,
    "hard_resets": list,
    "final_success_per_seed": list,
    "peak_memory_mb": (int, float),
}


def digest(folder: Path) -> str:
    """What a checkpoint must share with the run's ``config.json``; the budget may be extended.

    It is that of the file, not of what is made of it, so that a run stays what it is where later
    versions have more settings.
    """
    content = read_json(folder / "config.json")
    fixed = {k: v for k, v in content.items() if k not in ("steps", "version", "format")}
    return hashlib.sha256(json.dumps(fixed, sort_keys=True).encode()).hexdigest()


def extend(folder: Path, steps: int) -> None:
    """Give a run another budget."""
    path = folder / "config.json"
    write_json(path, read_json(path) | {"steps": steps})


def read_configuration(folder: Path, trust: bool = False) -> RunConfig:
    """The configuration of a run folder; ``trust`` lets the code that it names be imported.

    Raises:
        UnresetError: where it is not one; :class:`unreset.trust.Untrusted` where it names code that
            the user has not named himself.
    """
    path = folder / "config.json"
    check_run(folder)
    found = read_json(path, wrong := f"{path} is not a run's configuration")
    written_by = found.pop("version", "an unknown version")
    if "format" not in found:
        raise UnresetError(
            f"{wrong} of this version: it has no format, so the run is from before there were any; "
            "unreset report RUN --output FILE draws what its logs hold"
        )
    check_format(path, found.pop("format"), FORMAT, f"unreset {written_by}")
    trusted.check(folder, found, trust)
    try:
        with reading(path, "it does not fit"):
            if missing := [name for name in _NEEDED if name not in found]:
                raise ValueError(f"it lacks {', '.join(missing)}")
            _check(found)
            kind = registry.settings_class(found["method"])
            found["settings"] = stored.build(kind, found["settings"])
            found["change"] = stored.build(Change, found.get("change", {}), "change")
            return ranges.checked(RunConfig(**{"start": "initial", **found}))
    except UnresetError as error:
        raise UnresetError(f"{wrong}: {line(str(error))}") from error


def _check(found: Mapping[str, Any]) -> None:
    """Raise UnresetError or ValueError unless entries are of the kind that a run writes."""
    kinds, known = typing.get_type_hints(RunConfig), [one.name for one in stored_fields()]
    if unknown := set(found) - set(known):
        raise ValueError(f"a run has no option {min(unknown)!r}")
    for name in set(found) - {"settings", "change"}:
        stored.build(kinds[name], found[name], name)


def read_summary(folder: Path) -> Mapping[str, Any]:
    """What a run's ``summary.json`` says; nothing where it is absent, or an entry, broken.

    Raises:
        UnresetError: where it has another format than this version's.
    """
    try:
        content = read_json(folder / "summary.json")
    except UnresetError:
        return {}
    written = content.get("format", SUMMARY_FORMAT)
    check_format(folder / "summary.json", written, SUMMARY_FORMAT, "the version in config.json")
    return {
        name: value
        for name, value in content.items()
        if name not in _KINDS or isinstance(value, _KINDS[name])
    }
