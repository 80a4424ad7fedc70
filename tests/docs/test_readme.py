"""What the documentation names is there: files, anchors, flags, and the command that CI runs."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pages
import pytest

from unreset import cli, registry
from unreset.cli import demos

#: Flags of the methods that pages add, whose commands are run.
ADDED = {"--home-length", "--surprise.scale", "--slowly.change", "--still.steps"}
FOREIGN = {"--xla_cpu_multi_thread_eigen"}  # not a flag of ours


def test_ci_runs_the_test_command_of_the_readme() -> None:
    command = next(c for c in pages.commands(pages.ROOT / "README.md") if "pytest" in c)
    script = pages.ROOT / ".ci" / "run"
    everything = f"{command} -m ''"  # the slow tests, too
    assert f'\ntest_command="{everything}"\n' in script.read_text(encoding="utf-8")
    assert os.access(script, os.X_OK)


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", pages.prose(page), re.MULTILINE)
    plain = (re.sub(r"[^\w\s-]", "", heading.lower()).strip() for heading in headings)
    return {re.sub(r"[\s-]+", "-", heading) for heading in plain}


@pytest.mark.parametrize("page", [*pages.PAGES, pages.ROOT / "CHANGELOG.md"], ids=lambda p: p.stem)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", pages.prose(page)):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


def test_every_page_is_in_the_navigation() -> None:
    navigation = (pages.ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for page in (pages.ROOT / "docs").glob("*.md"):
        assert f": {page.name}\n" in navigation


@pytest.fixture
def flags(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Every flag that some command knows."""
    monkeypatch.setenv("COLUMNS", "200")
    for command in (
        "resume",
        "eval",
        "report",
        "export",
        "check",
        "bench",
        *(f"demos {name}" for name in demos.COMMANDS),
        *(f"train {m}" for m in registry.METHODS),
        *(f"life {m}" for m in registry.METHODS),
    ):
        with pytest.raises(SystemExit):
            cli.main([*command.split(), "--help"])
    return set(re.findall(r"--[a-z][\w.-]*", capsys.readouterr().out))


def test_flags_exist(flags: set[str]) -> None:
    known = flags | FOREIGN | {"--version", "--help"}
    for page in pages.PAGES:
        code = re.findall(r"`([^`]*)`", pages.prose(page))
        code += [c for c in pages.commands(page) if c.startswith("unreset")]
        for piece in (c for c in code if not c.startswith(("pip", "ruff", "mkdocs"))):
            for flag in re.findall(r"(?<![\w-])--[a-z][\w.-]*", piece):
                if flag not in ADDED:
                    assert flag in known, f"{page.name}: {flag}"


def test_every_method_has_its_row_and_section() -> None:
    text = (pages.ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
    for name in registry.METHODS:
        anchor = name.replace("_", "-")
        assert f"| [`{name}`](#{anchor}) |" in text
        assert f"\n## {anchor}\n" in text


def test_every_task_has_its_row() -> None:
    text = (pages.ROOT / "docs" / "tasks.md").read_text(encoding="utf-8")
    for name in registry.TASKS:
        assert f"[{name}](" in text
