"""Words for formats and units; nothing here needs JAX."""

from __future__ import annotations

from typing import Literal

Format = Literal["safetensors", "npz", "minari"]
Units = Literal["normalized", "environment"]

KNOWN = "a .safetensors, .npz or .pkl file, a folder of EARL's or of a Minari dataset, or its id"
