"""Optional packages: imported when a task needs them, with an error that says how to get them."""

from __future__ import annotations

import importlib
from typing import Any

from unreset.errors import UnresetError


def require(module: str, extra: str) -> Any:
    """Import ``module``, or say which extra of unreset brings it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UnresetError(
            f"this needs the package {module.split('.', maxsplit=1)[0]!r}, which cannot be imported "
            f"({error}); install it with: pip install 'unreset[{extra}]'"
        ) from error
