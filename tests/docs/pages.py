"""The documentation as text: its files, its fenced blocks, its links."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
ADDED = [page for page in PAGES if page.stem.startswith("add-a")]  # examples to begin from

_BLOCK = re.compile(r"(<!-- run(?:: (\S+))? -->\n)?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    language: str
    content: str
    marked: bool  # preceded by <!-- run -->
    file: str  # preceded by <!-- run: file -->: what the reader is to save it as


def blocks(page: Path) -> list[Block]:
    found = _BLOCK.findall(page.read_text(encoding="utf-8"))
    return [Block(language, content, bool(mark), file) for mark, file, language, content in found]


def commands(page: Path) -> list[str]:
    lines = "".join(b.content for b in blocks(page) if b.language == "console").splitlines()
    return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return _BLOCK.sub("", page.read_text(encoding="utf-8"))
