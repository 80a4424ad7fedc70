"""An environment's state as arrays that a checkpoint can hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from unreset.errors import UnresetError

_KINDS = {"b": 1, "i": 8, "u": 8, "f": 8}  # of numbers, by the most bytes of one


def stored(state: Any) -> dict[str, np.ndarray]:
    """What ``get_state`` gave, as copies in arrays; raises UnresetError with the key if it cannot.

    Arrays may have another shape than before: lists may grow.
    """
    if not isinstance(state, Mapping):
        raise UnresetError(f"get_state returns {type(state).__name__}, not a dictionary of arrays")
    return {_named(name): _array(name, value) for name, value in state.items()}


def _named(name: Any) -> str:
    if not isinstance(name, str) or name == "whole":
        raise UnresetError(f"get_state has a key {name!r}: keys must be text, and not 'whole'")
    return name


def _array(name: str, value: Any) -> np.ndarray:
    try:
        array = np.array(value)
    except Exception:  # a list of lists of several lengths; or anything that is asked for itself
        array = np.array(None)
    if array.dtype.itemsize > _KINDS.get(array.dtype.kind, 0):
        raise UnresetError(
            f"the environment's state {name!r} cannot be stored: get_state gives {_kind(value)} "
            "where numbers of at most 64 bits, or arrays of them, can be saved"
        )
    return array.astype(array.dtype.newbyteorder("="))


def _kind(value: Any) -> str:
    """What a value is, in words."""
    if isinstance(value, str):
        return "text"
    if isinstance(value, int):
        return f"an integer of {value.bit_length()} bits"
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype}"
    return "None" if value is None else f"a {type(value).__name__}"


def check_reading(state: Mapping[str, np.ndarray]) -> None:
    """Write a state and read it again; raises UnresetError with the key that comes back changed."""
    for name, array in state.items():
        try:
            read = load(save({name: np.asarray(array, order="C")}))[name]
        except SafetensorError as error:
            raise UnresetError(
                f"the environment's state {name!r} cannot be stored: {error}"
            ) from error
        if (read.dtype, read.shape) != (
            array.dtype,
            array.shape,
        ) or read.tobytes() != array.tobytes():
            raise UnresetError(f"the environment's state {name!r} is not read as it was stored")
