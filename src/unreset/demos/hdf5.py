"""What a dataset's HDF5 file says that it holds, looked at before anything of it is read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unreset.reading import refuse_unpacking
from unreset.tasks.extras import require


def refuse(path: Path, metadata: Mapping[str, Any]) -> None:
    """Refuse a file that is larger than it may be, or that leads to other files.

    Args:
        path: the file of a Minari dataset.
        metadata: that of the dataset.

    Raises:
        ValueError: it says what is wrong; and what h5py raises on a damaged file.
    """
    h5py = require("h5py", "minari")
    with h5py.File(path, "r") as file:
        episodes, size = metadata.get("total_episodes"), 0
        if type(episodes) is not int or not 0 <= episodes <= len(file):
            raise ValueError(f"it says that it has {episodes!r:.80} episodes and has {len(file)}")
        groups, seen = [file], set()
        while groups:
            group = groups.pop()
            for name in group:
                if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                    raise ValueError(f"{name!r:.80} in it leads somewhere else")
                there = group[name]
                if there.id in seen:  # a group that holds itself
                    raise ValueError(f"{name!r:.80} is in it twice")
                seen.add(there.id)
                if isinstance(there, h5py.Group):
                    groups.append(there)
                elif isinstance(there, h5py.Dataset):
                    if there.external or there.is_virtual:
                        raise ValueError(f"{name!r:.80} in it is kept in another file")
                    size += there.size * there.dtype.itemsize
        refuse_unpacking(path, size)
