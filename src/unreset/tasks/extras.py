"""Optional packages: found when a task needs them, with an error that says how to get them."""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from unreset.errors import UnresetError


def require(module: str, extra: str) -> Any:
    """Import ``module``, or say which extra of unreset brings it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise _missing(module.split(".", maxsplit=1)[0], str(error), extra) from error


def folder(package: str, extra: str) -> Path:
    """Where a package is installed: for its scenes and models, without the import of its code.

    Raises:
        UnresetError: if it is not; names the extra of unreset that brings it.
    """
    found = find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise _missing(package, "it is not installed", extra)
    return Path(found.submodule_search_locations[0])


def _missing(package: str, why: str, extra: str) -> UnresetError:
    return UnresetError(
        f"this needs the package {package!r}, which cannot be imported ({why}); "
        f"install it with: pip install 'unreset[{extra}]'"
    )
