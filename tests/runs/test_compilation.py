"""Compiled programs that are kept on disk: where, for whom, and that results stay the same."""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import jax
import pytest

from unreset.runs import compilation

TRAIN = """
import toy
from unreset import cli
toy.install()
words = "train naive toy --steps 20 --eval-every 20 --checkpoint-every 20 --wide-starts 0"
raise SystemExit(cli.main([*words.split(), "--no-report", *__import__("sys").argv[1:]]))
"""


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """The folder for programs; JAX has none of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv(compilation.SWITCH, raising=False)
    names = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
    before = {name: getattr(jax.config, name) for name in names}
    jax.config.update("jax_compilation_cache_dir", None)
    with warnings.catch_warnings():
        yield tmp_path / "unreset" / "jax"
    for name, value in before.items():
        jax.config.update(name, value)


def test_programs_are_kept_in_the_users_cache(cache):
    compilation.keep()
    assert jax.config.jax_compilation_cache_dir == str(cache)
    assert cache.stat().st_mode & 0o077 == 0  # they are code: nobody else writes there


def test_the_cache_of_jax_itself_wins(cache, tmp_path):
    jax.config.update("jax_compilation_cache_dir", str(tmp_path / "mine"))
    compilation.keep()
    assert jax.config.jax_compilation_cache_dir == str(tmp_path / "mine") and not cache.exists()


def test_it_is_switched_off_for_children_too(cache, monkeypatch):
    monkeypatch.setenv(compilation.SWITCH, "on")  # put back afterwards
    compilation.switch_off()
    compilation.keep()
    assert jax.config.jax_compilation_cache_dir is None and not cache.exists()
    assert os.environ[compilation.SWITCH] == "off"


def test_a_folder_that_cannot_be_made_is_no_error(cache):
    cache.parent.write_text("a file in the way")
    compilation.keep()
    assert jax.config.jax_compilation_cache_dir is None


def test_the_oldest_programs_go_when_there_are_too_many(cache, monkeypatch):
    monkeypatch.setattr(compilation, "_MOST_BYTES", 25)
    cache.mkdir(parents=True)
    for age, name in enumerate("abcd"):
        (cache / name).write_bytes(bytes(10))
        os.utime(cache / name, (1000 - age, 1000 - age))
    compilation.keep()
    assert sorted(path.name for path in cache.iterdir()) == ["a", "b"]


def test_programs_are_whole_files_and_replace_damaged_ones(cache):
    store = pytest.importorskip("jax._src.lru_cache").LRUCache
    compilation.keep()
    kept = store(str(cache), max_size=-1)
    (cache / "key-cache").write_bytes(b"ha")
    kept.put("key", b"whole")
    assert kept.get("key") == b"whole"
    assert [path.name for path in cache.iterdir()] == ["key-cache"]


@pytest.mark.slow
def test_results_are_the_same_with_and_without_and_by_two_processes_at_once(tmp_path):
    inherited = {k: v for k, v in os.environ.items() if k != "JAX_COMPILATION_CACHE_DIR"}
    environment = inherited | {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])

    def started(name, *flags):
        words = [sys.executable, "-c", TRAIN, "--out", str(tmp_path / name), *flags]
        return subprocess.Popen(words, env=environment | {"PYTHONPATH": path})

    for together in [
        [started("without", "--no-compile-cache")],
        [started("first"), started("other")],
        [started("second")],
    ]:
        assert [each.wait() for each in together] == [0] * len(together)

    def state(name):
        files = sorted((tmp_path / name / "checkpoints").rglob("*.safetensors"))
        return {str(f.relative_to(tmp_path / name)): f.read_bytes() for f in files}

    assert list((tmp_path / "cache" / "unreset" / "jax").glob("*-cache"))
    assert state("without")
    for name in ("first", "other", "second"):
        assert state(name) == state("without")
