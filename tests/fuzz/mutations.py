"""Damage to files, seeded: of their bytes, and of what they mean."""

from __future__ import annotations

import csv
import io
import json
import random
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

DEEP, DEPTH = "@deep@", 100_000
VALUES: list[Any] = [
    *(None, True, -1, 0, 1, 2**31, 2**63, -(2**63) - 1, 10**30, 0.5, 1e308, float("nan"), -np.inf),
    *("", "x" * 10_000, "../../../etc/passwd", "\0", "7", "\u2028\x1b[2J", "a:b", "os:abort", DEEP),
    *([], {}, [None], [[1], [1, 2]], {"": {}}, [1e400], "toy"),
]
ARRAYS: list[np.ndarray] = [
    np.zeros(0, np.float32),
    np.float32(np.nan).reshape(()),
    np.full((3, 3), np.nan, np.float32),
    np.full((2, 2), np.inf),
    np.zeros((7, 6), np.uint8),
    np.zeros((1, 2, 3, 4)),
    np.full((4, 3), 1e300),
    np.array(["text"]),
    np.array([2**62, -1]),
    np.array([True]),
    np.zeros(2, np.complex64),
    np.zeros((0, 6), np.float32),
]


def in_bytes(chance: random.Random, data: bytes) -> bytes:
    """The same with a few bytes changed, cut, repeated, moved or overwritten."""
    changed = bytearray(data)
    size = len(changed)
    if not size:
        return chance.randbytes(chance.randrange(1, 64))
    at, width = chance.randrange(size), chance.randrange(1, 1 + min(size, 64))
    # Headers are short, and there is more to break in them.
    at = chance.choice([at, min(at, chance.randrange(min(size, 512))), max(0, size - 1 - at % 256)])
    kind = chance.randrange(8)
    if kind == 0:
        for _ in range(chance.choice([1, 1, 2, 8])):
            changed[chance.randrange(size)] ^= 1 << chance.randrange(8)
    elif kind == 1:
        changed[at] ^= 1 << chance.randrange(8)
    elif kind == 2:
        del changed[at:]
    elif kind == 3:
        del changed[at : at + width]
    elif kind == 4:
        changed[at:at] = changed[at : at + width] * chance.choice([1, 2, 50])
    elif kind == 5:
        number = chance.choice([0, 1, 2**31 - 1, 2**32 - 1, 2**63 - 1, 2**64 - 1])
        order = chance.choice("<>")
        size_of = chance.choice("HIQ")
        changed[at : at + struct.calcsize(size_of)] = struct.pack(
            order + size_of, number & (2 ** (8 * struct.calcsize(size_of)) - 1)
        )
    elif kind == 6:
        changed[at : at + width] = bytes(width)
    else:
        changed[at : at + width] = chance.randbytes(width)
    return bytes(changed)


def _nodes(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    keys = (
        value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    )
    return [path, *(found for key in keys for found in _nodes(value[key], (*path, key)))]


def _changed(chance: random.Random, value: Any) -> Any:
    """JSON with one node replaced, removed, renamed or doubled."""
    *path, last = chance.choice(_nodes(value)[1:] or [(None,)])
    if last is None:
        return chance.choice(VALUES)
    inner = value
    for key in path:
        inner = inner[key]
    kind = chance.randrange(6)
    if kind == 0:
        del inner[last]
    elif kind == 1 and isinstance(inner, dict):
        inner[chance.choice(["", "x", f"{last} ", "__class__", "file", "frames/a"])] = inner.pop(
            last
        )
    elif kind == 2 and isinstance(inner, list):
        inner += [inner[last]] * chance.choice([1, 100])
    else:
        inner[last] = chance.choice(VALUES)
    return value


def in_json(chance: random.Random, data: bytes) -> bytes:
    """JSON with one thing changed in what it says; sometimes a key twice."""
    text = json.dumps(_changed(chance, json.loads(data)))
    text = text.replace(json.dumps(DEEP), "[" * DEPTH + "]" * DEPTH)
    if text.startswith("{") and chance.random() < 0.1:
        text = '{"method": 3, "entries": 4, ' + text[1:]
    return text.encode()


def in_csv(chance: random.Random, data: bytes) -> bytes:
    """A table with a cell, a row or a column that does not belong there."""
    rows = list(csv.reader(io.StringIO(data.decode(), newline="")))
    at = chance.randrange(len(rows))
    cell = chance.randrange(len(rows[at]))
    kind = chance.randrange(8)
    if kind < 3:
        other = ["nan", "-inf", "1e999", "-1", "9" * 5000, "", '"', "x\ny", "x" * 200_000, "\ufeff"]
        rows[at][cell] = chance.choice(other)
    elif kind == 3:
        rows[at] += rows[at] * chance.choice([1, 1000])
    elif kind == 4:
        del rows[at][cell:]
    elif kind == 5:
        rows[0] += [f"c{number}" for number in range(20_000)]
        rows += [["1"]] * 5000
    elif kind == 6:
        rows[0][chance.randrange(len(rows[0]))] = chance.choice(rows[0])
    else:
        chance.shuffle(rows)
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode() + chance.choice([b"", b"0", b"\xff\xfe", b"a,\0,b\n", b'"'])


def _array(chance: random.Random, value: np.ndarray) -> np.ndarray:
    """Another array in place of one."""
    kind = chance.randrange(6)
    if kind == 0 and value.ndim and value.size:
        value = value.copy()
        value.reshape(-1)[chance.randrange(value.size)] = chance.choice([0, 1, 3, 100])
        return value
    if kind == 1 and value.dtype.kind == "f" and value.size:
        value = value.copy()
        value.reshape(-1)[chance.randrange(value.size)] = chance.choice([np.nan, np.inf, 1e30])
        return value
    if kind == 2 and value.ndim:
        return value[: chance.randrange(len(value) + 1)]
    if kind == 3:
        with np.errstate(all="ignore"):
            kinds = (np.int8, np.uint64, np.float16, bool)
            return value.astype(chance.choice(kinds)) if value.dtype.kind in "biuf" else value
    if kind == 4:
        return value[None] if chance.random() < 0.5 else value.T
    return chance.choice(ARRAYS)


def in_npz(chance: random.Random, data: bytes) -> bytes:
    """An archive with a member of another type or shape, without one, or with one twice."""
    with np.load(io.BytesIO(data)) as archive:
        arrays = {name: archive[name] for name in archive.files}
    name = chance.choice(list(arrays))
    members = {key: _npy(value) for key, value in arrays.items()}
    kind = chance.randrange(6)
    if kind == 0:
        del members[name]
    elif kind == 1:
        members[name] = _npy(np.array([{}, None], object))
    elif kind == 2:
        members[name] = _header(chance) + members[name][128:]
    elif kind == 3:
        members[name] = in_bytes(chance, members[name])
    else:
        members[name] = _npy(_array(chance, arrays[name]))
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", chance.choice([0, 8, 12, 14])) as archive:
        for key, content in members.items():
            archive.writestr(f"{key}.npy", content)
        if kind == 5 and chance.random() < 0.3:
            archive.writestr(f"{name}.npy", b"")
    return made.getvalue()


def _npy(value: np.ndarray) -> bytes:
    made = io.BytesIO()
    np.save(made, value)
    return made.getvalue()


def _header(chance: random.Random) -> bytes:
    """The head of an array that promises too much, or is no head."""
    shape = chance.choice(
        ["(10**9,)", "(99999999999,)", "(1,)*99", "(-1, 3)", "(2**40, 0)", "[" * 999]
    )
    kind = chance.choice(
        ["'<f4'", "'O'", "'V0'", "'<U0'", "'<f4,' * 3", "'|S1000000000'", "\\", "'"]
    )
    text = f"{{'descr': {kind}, 'fortran_order': False, 'shape': {shape}, }}".ljust(118) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


def in_safetensors(chance: random.Random, data: bytes) -> bytes:
    """Tensors with one of another type or shape; or a header that says something else."""
    size = int.from_bytes(data[:8], "little")
    head, body = json.loads(data[8 : 8 + size]), data[8 + size :]
    if chance.random() < 0.4:
        text = in_json(chance, json.dumps(head).encode())
        return len(text).to_bytes(8, "little") + text + body
    names = [name for name in head if name != "__metadata__"]
    if not names:
        return in_bytes(chance, data)
    kinds = {"F32": np.float32, "I32": np.int32, "I64": np.int64, "U8": np.uint8, "BOOL": bool}
    kinds |= {"U32": np.uint32, "F64": np.float64}
    arrays = {}
    for name in names:
        begin, end = head[name]["data_offsets"]
        kind = kinds[head[name]["dtype"]]
        arrays[name] = np.frombuffer(body[begin:end], kind).reshape(head[name]["shape"])
    name = chance.choice(names)
    kind = chance.randrange(4)
    if kind == 0:
        del arrays[name]
    elif kind == 1:
        arrays[chance.choice(["", "x/y/z", "9" * 5000 + "/a", "-1/actions"])] = arrays.pop(name)
    else:
        arrays[name] = _array(chance, arrays[name])
    return _packed(arrays, head.get("__metadata__"))


def _packed(arrays: dict[str, np.ndarray], metadata: Any) -> bytes:
    """A file of tensors as one may write it by hand, what the library would not write included."""
    codes = {
        "f2": "F16",
        "f4": "F32",
        "f8": "F64",
        "i4": "I32",
        "i8": "I64",
        "u1": "U8",
        "b1": "BOOL",
    }
    codes |= {"i1": "I8", "u4": "U32", "u8": "U64", "c8": "C64"}
    head: dict[str, Any] = {} if metadata is None else {"__metadata__": metadata}
    body = b""
    for name, value in arrays.items():
        content = np.ascontiguousarray(value).tobytes()
        offsets = [len(body), len(body) + len(content)]
        code = codes.get(value.dtype.str[1:], "BF16")
        head[name] = {"dtype": code, "shape": list(value.shape), "data_offsets": offsets}
        body += content
    text = json.dumps(head).encode()
    return len(text).to_bytes(8, "little") + text + body


def in_hdf5(chance: random.Random, data: bytes) -> bytes:
    """A dataset with an array of another type or shape, without one, or that leads elsewhere."""
    import h5py  # noqa: PLC0415 - an extra

    kept = io.BytesIO(data)
    with h5py.File(kept, "r+") as file:
        names: list[str] = []
        file.visit(names.append)
        name = chance.choice(names)
        there = file[name]
        kind = chance.randrange(8)
        if kind == 0 and len(there.attrs):
            there.attrs[chance.choice(list(there.attrs))] = chance.choice(
                [-1, "x", np.nan, 2.0**70]
            )
        elif kind == 1:
            file.attrs["total_episodes"] = chance.choice([-1, 3, 2**40])
        else:
            shown = there[()] if isinstance(there, h5py.Dataset) else np.zeros(3)
            del file[name]
            if kind == 2:
                file[name] = h5py.ExternalLink("/etc/passwd", "/")
            elif kind == 3:
                file.create_dataset(name, (2**34, 3), "f4", chunks=(1, 3), compression="gzip")
            elif kind == 4:
                file.create_group(name)
            elif kind == 5:
                file[name] = h5py.SoftLink("/")
            elif kind == 6:
                value = _array(chance, np.asarray(shown))
                file[name] = value if value.dtype.kind != "U" else b"text"
    return kept.getvalue()


KINDS: dict[str, Callable[[random.Random, bytes], bytes]] = {
    ".json": in_json,
    ".csv": in_csv,
    ".npz": in_npz,
    ".safetensors": in_safetensors,
    ".hdf5": in_hdf5,
}


def mutate(chance: random.Random, artefact: Path) -> str:
    """Change one file of an artefact, sometimes twice; returns what was changed."""
    files = [artefact] if artefact.is_file() else [f for f in artefact.rglob("*") if f.is_file()]
    file, told = chance.choice(sorted(files)), []
    for _ in range(chance.choice([1, 1, 1, 2])):
        kind = KINDS.get(file.suffix, in_bytes) if chance.random() < 0.6 else in_bytes
        try:
            file.write_bytes(kind(chance, file.read_bytes()))
        except Exception:  # it is too broken for that already
            file.write_bytes(in_bytes(chance, file.read_bytes()))
        told.append(kind.__name__)
    return f"{file.relative_to(artefact.parent)}: {' '.join(told)}"
