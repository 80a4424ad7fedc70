"""Random keys: one stream of random numbers for every purpose, by its name.

``jax.random.fold_in(key, i)`` is the same key as ``jax.random.split(key)[i]``. So a purpose that
has no place in a split never takes a small number: it takes its name.
"""

from __future__ import annotations

import zlib

import jax

from unreset.core.types import Array

_NAMED = 1 << 31  # no step, no role and no index of a split is as high


def stream(key: Array, purpose: str) -> Array:
    """The key of a purpose, derived from another key by the purpose's name."""
    return jax.random.fold_in(key, _NAMED | zlib.crc32(purpose.encode()))
