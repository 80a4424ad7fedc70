"""The run folder: its configuration, its CSV files and its summary."""

from __future__ import annotations

import hashlib
import json
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unreset import __version__, registry
from unreset import trust as trusted
from unreset.core import ranges
from unreset.core.ranges import Count, Seed, Whole
from unreset.errors import UnresetError
from unreset.methods.settings import Settings
from unreset.reading import line, read_json, reading
from unreset.runs import stored
from unreset.runs.files import check_run, write_json
from unreset.tasks.change import Change

_KINDS: dict[str, Any] = {  # of what a summary must hold, if it says anything of it
    "env_steps": int,
    "seeds": list,
    "hard_resets": list,
    "final_success_per_seed": list,
    "peak_memory_mb": (int, float),
}


@dataclass(frozen=True)
class Configuration:
    """Everything that determines a run's result."""

    method: str
    task: str
    preset: str
    seed: Seed
    seeds: Count
    steps: Count
    eval_every: Count
    wide_starts: Whole
    checkpoint_every: Count
    driver: str
    settings: Settings
    demonstrations: str = "built-in"
    reward: str | None = None
    start: str = "initial"
    horizon: Count | None = None
    evaluation: str = "deployed"
    prior: str | None = None
    change: Change = field(default_factory=Change)

    def dictionary(self) -> dict[str, Any]:
        """As stored in ``config.json``."""
        content = {**stored.plain(self, ""), "settings": stored.plain(self.settings, "settings")}
        return {"version": __version__, **content}


def digest(folder: Path) -> str:
    """What a checkpoint must share with the run's ``config.json``; the budget may be extended.

    It is that of the file, not of what is made of it, so that a run stays what it is where later
    versions have more settings.
    """
    content = read_json(folder / "config.json")
    fixed = {k: v for k, v in content.items() if k not in ("steps", "version")}
    return hashlib.sha256(json.dumps(fixed, sort_keys=True).encode()).hexdigest()


def extend(folder: Path, steps: int) -> None:
    """Give a run another budget."""
    path = folder / "config.json"
    write_json(path, read_json(path) | {"steps": steps})


def read_configuration(folder: Path, trust: bool = False) -> Configuration:
    """The configuration of a run folder; ``trust`` lets the code that it names be imported.

    Raises:
        UnresetError: where it is not one; :class:`unreset.trust.Untrusted` where it names code that
            the user has not named himself.
    """
    path = folder / "config.json"
    check_run(folder)
    found = read_json(path, wrong := f"{path} is not a run's configuration")
    found.pop("version", None)
    trusted.check(folder, found, trust)
    try:
        with reading(path, "it does not fit"):
            if missing := {"method", "task", "settings"} - set(found):
                raise ValueError(f"it lacks {', '.join(sorted(missing))}")
            _check(found)
            kind = registry.settings_class(found["method"])
            found["settings"] = stored.build(kind, found["settings"])
            found["change"] = stored.build(Change, found.get("change", {}), "change")
            return ranges.checked(Configuration(**found))
    except UnresetError as error:
        raise UnresetError(f"{wrong}: {line(str(error))}") from error


def _check(found: Mapping[str, Any]) -> None:
    """Raise UnresetError or ValueError unless entries are of the kind that a run writes."""
    for name, kind in typing.get_type_hints(Configuration).items():
        if name in found and name not in ("settings", "change"):
            stored.build(kind, found[name], name)


def read_summary(folder: Path) -> Mapping[str, Any]:
    """What a run's ``summary.json`` says; nothing where it is absent, or an entry, broken."""
    try:
        content = read_json(folder / "summary.json")
    except UnresetError:
        return {}
    return {
        name: value
        for name, value in content.items()
        if name not in _KINDS or isinstance(value, _KINDS[name])
    }
