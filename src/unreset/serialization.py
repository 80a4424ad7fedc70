"""Files of arrays, with the permissions of any other file (free of JAX, for deployed policies)."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import save_file as _save_file


def save_file(
    arrays: Mapping[str, np.ndarray], path: str | Path, metadata: Mapping[str, str] | None = None
) -> None:
    """Write arrays to one safetensors file, readable by whom the umask lets read.

    The safetensors library writes for the owner alone. A file that is there already keeps its
    permissions.

    Raises:
        OSError: where it cannot be written.
    """
    path = Path(path)
    fresh = not path.exists()
    path.touch()
    permissions = path.stat().st_mode & 0o777
    ordered = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    try:
        _save_file(ordered, path, dict(metadata) if metadata else None)
    except SafetensorError as error:
        if fresh:
            path.unlink(missing_ok=True)
        number = re.search(r"os error (\d+)", str(error))
        if number is None:
            raise OSError(str(error)) from error
        raise OSError(int(number[1]), os.strerror(int(number[1]))) from error
    with contextlib.suppress(OSError):  # a file system without permissions
        path.chmod(permissions)
