"""Every command and every marked block of Python in the documentation works, page by page."""

from __future__ import annotations

import shlex
import shutil
import sys
import types
from dataclasses import fields, replace
from functools import partial
from pathlib import Path

import jax
import pages
import pytest

from unreset import api, cli, registry
from unreset.methods.settings import Settings
from unreset.rewards import RND, Discriminator

OTHERS = ("pip", "python3", ".", "pytest", "ruff", "mypy", "mkdocs")  # not run here
STEPS, MORE = 60, 30
TRAINED: dict[object, tuple[Path, api.Run]] = {}  # pages repeat each other


def smaller(settings: Settings) -> Settings:
    """The same method with networks and batches that compile and run in no time."""
    signals = {
        field.name: replace(getattr(settings, field.name), batch_size=8, hidden=(8,))
        for field in fields(settings)
        if isinstance(getattr(settings, field.name), Discriminator | RND)
    }
    asking = replace(settings.asking, stretches=16, patience=5)
    learner, vision = settings.learner, settings.learner.vision
    vision = replace(vision, patch_widths=(4,), channels=2, features=min(vision.features, 4))
    critics = {"critics_hidden": (8, 8)} if getattr(learner, "critics_hidden", ()) else {}
    return replace(
        settings,
        asking=asking,
        model=replace(settings.model, members=2, elites=2, hidden=(8,), batch_size=8),
        planning=replace(settings.planning, samples=4, elites=2),
        practice=replace(
            settings.practice,
            batch_size=12,
            replay_capacity=STEPS,
            seed_steps=0,
            cloning_updates=min(settings.practice.cloning_updates, 3),
        ),
        learner=replace(
            learner,
            vision=vision,
            hidden=(8,),
            trunk=min(learner.trunk, 4),
            **critics,
        ),
        **signals,
    )


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Train and resume for a few steps whatever a page asks for, in an empty folder."""
    train, resume = api.train, api.Run.resume

    def train_little(method=registry.DEFAULT_METHOD, task=registry.DEFAULT_TASK, **options):
        preset, seed = options.get("preset", "default"), options.get("seed", 0)
        settings = registry.settings(method, preset) if isinstance(method, str) else method
        name = registry.method_name(settings)
        cut = {"steps": STEPS, "eval_every": STEPS, "wide_starts": 0, "checkpoint_every": None}
        cut |= {"seeds": min(options.pop("seeds", 1), 2), "report": False, "horizon": 10}
        known = (name, task, settings, seed, cut["seeds"], options.get("driver", "fused"))
        if options.get("demonstrations") is not None:
            known = (*known, str(options["demonstrations"])[:80], len(options["demonstrations"]))
        if known in TRAINED:
            folder = options.get("out") or api.new_folder(Path("runs"), name, task, seed)
            shutil.copytree(TRAINED[known][0], folder)
        else:
            run = train(smaller(settings), task, **(options | cut))
            TRAINED[known] = run.folder.resolve(), run
        return TRAINED[known][1]

    def resume_little(run, steps=None, *others):
        assert steps is None or steps > STEPS
        return resume(run, None if steps is None else run.env_steps + MORE, *others)

    monkeypatch.setattr(api, "train", train_little)
    monkeypatch.setattr(api.Run, "resume", resume_little)
    monkeypatch.setattr("unreset.run.write_videos", lambda *_: [])  # they have tests of their own
    monkeypatch.setattr(registry.TASKS, "_entries", dict(registry.TASKS._entries))
    monkeypatch.chdir(tmp_path)


class Begun(Exception):
    """Raised where practice would begin."""


def only_begin(train, *arguments, **options):
    """Where nothing on the page needs the run: as far as its first step, and then any run."""

    def stop(_: Path) -> None:
        raise Begun

    try:
        return train(*arguments, **(options | {"on_start": stop}))  # trained for another page
    except Begun:
        return next(run for _, run in TRAINED.values()) if TRAINED else train("naive")


def needed(line: str, text: str) -> bool:
    """Whether the run that a command trains is named anywhere on its page."""
    words = [word for word in shlex.split(line) if not word.startswith("--")][2:]
    method, task = (*words, registry.DEFAULT_METHOD)[0], (*words[1:], registry.DEFAULT_TASK)[0]
    return f"runs/{method.rpartition(':')[2]}-{task}" in text or "--out" in line


@pytest.mark.slow
@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("page", pages.PAGES, ids=lambda page: page.stem)
def test_page(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(Path.cwd())  # as Python does for a script
    before = set(sys.modules)
    try:
        _follow(page, monkeypatch)
    finally:
        jax.clear_caches()  # all pages' programs would be too many for one process
        # The files that the page asked to save:
        for name in set(sys.modules) - before:
            if getattr(sys.modules[name], "__file__", None) and Path(name + ".py").exists():
                del sys.modules[name]


def _follow(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType(page.stem.replace("-", "_"))
    monkeypatch.setitem(sys.modules, module.__name__, module)  # where dataclasses look names up
    text = "".join(block.content for block in pages.blocks(page))
    for block in pages.blocks(page):
        if block.language == "console":
            for line in block.content.splitlines():
                if line.startswith("$ "):
                    with monkeypatch.context() as patch:
                        if line.startswith("$ unreset train ") and not needed(line[2:], text):
                            patch.setattr(api, "train", partial(only_begin, api.train))
                        run_line(line.removeprefix("$ "))
        elif block.language == "python" and block.marked:
            if block.file:
                Path(block.file).write_text(block.content, encoding="utf-8")
            exec(compile(block.content, str(page), "exec"), module.__dict__)


def run_line(line: str) -> None:
    for command in line.split(" && "):
        program, *arguments = shlex.split(command)
        if program != "unreset":
            assert program in OTHERS, f"no test runs {program}"
            continue
        try:
            code = cli.main(arguments)
        except SystemExit as stop:  # --help
            code = stop.code or 0
        assert code == 0, command


@pytest.mark.parametrize("page", pages.ADDED, ids=lambda page: page.stem)
def test_examples_are_short_and_made_from_public_names(page: Path) -> None:
    for block in pages.blocks(page):
        if block.file:
            assert len(block.content.splitlines()) < 40 or page.stem == "add-a-task"
            assert "unreset.core" not in block.content
