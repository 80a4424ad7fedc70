"""Environments by the ids under which Gymnasium knows them, and what may be wrong with an id."""

from __future__ import annotations

import difflib
import importlib
import io
import re
from collections.abc import Mapping
from contextlib import redirect_stderr, suppress
from importlib.util import find_spec
from typing import Any

import gymnasium

from unreset.errors import UnresetError

#: Packages that register environments when they are imported, and the extra that brings one.
PACKAGES: dict[str, str | None] = {"gymnasium_robotics": "robotics", "panda_gym": None}

_IDENTIFIER = re.compile(r"([\w.-]+:)?([\w-]+/)?[\w-]+-v\d+")


def looks_like_one(name: str) -> bool:
    """Whether a name could be an id, such as ``FetchPush-v4``."""
    return _IDENTIFIER.fullmatch(name) is not None or name in gymnasium.registry


def registered(identifier: str, options: Mapping[str, Any]) -> Any:
    """The environment of an id, made by ``gymnasium.make`` with options.

    Packages in :data:`PACKAGES` need not have been imported.

    Raises:
        UnresetError: in one line, where there is none or it cannot be made.
    """
    if ":" not in identifier and identifier not in gymnasium.registry:
        _import_packages()
    try:
        return gymnasium.make(identifier, **{"disable_env_checker": True, **options})
    except gymnasium.error.UnregisteredEnv as error:
        raise UnresetError(unknown(identifier)) from error
    except Exception as error:  # any: it is the environment's, such as a package that is missing
        text = " ".join(str(error).split())
        raise UnresetError(f"it cannot be made: {type(error).__name__}: {text}") from error


def unknown(identifier: str) -> str:
    """What to say of an id that nothing has registered."""
    near = difflib.get_close_matches(identifier, gymnasium.registry, n=3, cutoff=0.7)
    if near:
        return f"Gymnasium knows no {identifier!r}; did you mean {' or '.join(map(repr, near))}?"
    missing = [
        f"pip install 'unreset[{extra}]'" if extra else f"pip install {name.replace('_', '-')}"
        for name, extra in PACKAGES.items()
        if find_spec(name) is None
    ]
    advice = f" (perhaps it is not installed: {', '.join(missing)})" if missing else ""
    return (
        f"Gymnasium knows no {identifier!r}: name the package that registers it, as in "
        f"'some_package:{identifier}', or give a function that makes it{advice}"
    )


def _import_packages() -> None:
    for name in PACKAGES:
        if find_spec(name) is not None:
            # Any exception: it may lack something, and not be what is wanted, nor its notices.
            with suppress(Exception), redirect_stderr(io.StringIO()):
                gymnasium.register_envs(importlib.import_module(name))
