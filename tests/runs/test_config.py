import dataclasses
import inspect
import json
import shutil

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

import toy
import unreset
from unreset import api, cli, registry
from unreset.bench import manifest
from unreset.bench.suites import Cell, Suite
from unreset.errors import UnresetError
from unreset.methods import naive
from unreset.report.report import write_report
from unreset.runs import config
from unreset.runs.config import RunConfig
from unreset.runs.folder import read_configuration, read_summary

OBJECTS = {"method", "task", "demonstrations", "environment", "supervisor", "observer", "on_start"}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    settings = toy.tiny(naive.PRESETS["default"])
    folder = tmp_path_factory.mktemp("config") / "run"
    quick = {"eval_every": 20, "checkpoint_every": 20, "wide_starts": 0, "report": False}
    return unreset.train(settings, "toy:point", steps=20, out=folder, **quick)


def test_python_takes_the_options_by_name_with_their_defaults():
    found = inspect.signature(unreset.train).parameters
    options = {one.name: one for one in dataclasses.fields(RunConfig)}
    assert set(found) == (set(options) - {"settings"}) | OBJECTS
    for name in set(found) - OBJECTS:
        default = options[name].default
        assert found[name].default == (None if default is dataclasses.MISSING else default), name
    assert all(found[name].kind is inspect.Parameter.KEYWORD_ONLY for name in list(found)[2:])
    with pytest.raises(TypeError, match="unexpected keyword argument 'sed'"):
        unreset.train("naive", "toy:point", sed=3)


def test_the_file_holds_the_options_that_determine_the_result(run):
    stored = json.loads((run.folder / "config.json").read_text())
    options = {one.name for one in config.stored_fields()}
    assert set(stored) == options | {"format", "version"}
    assert "out" not in stored and "report" not in stored
    found = read_configuration(run.folder)
    for name in options - {"settings"}:
        value = getattr(found, name)
        assert dataclasses.is_dataclass(value) or stored[name] == value
    assert found.steps == 20 and found.driver == "fused" and found.start == "initial"


@pytest.mark.parametrize("command", ["train", "life"])
def test_the_command_lines_flags_are_the_options(command, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit):
        cli.main([command, "naive", "pointmass", "--help"])
    told = capsys.readouterr().out
    names = {one.name for one in config.flags(command)}
    assert names >= {"preset", "seed", "seeds", "eval_every", "driver", "start", "out", "report"}
    for name in names - {"demonstrations", "change"}:
        assert f"--{name.replace('_', '-')}" in told
    for name in {one.name for one in dataclasses.fields(RunConfig)} - names - {"steps"}:
        assert f"--{name.replace('_', '-')} " not in told


def test_every_option_is_explained():
    source = inspect.getsource(RunConfig)
    for one in dataclasses.fields(RunConfig):
        after = source.split(f"    {one.name}: ", 1)[1].split("\n", 1)[1]
        assert '"""' in after.split("\n    ", 1)[0] + after[:200], one.name


def _rewritten(path, **changed):
    content = json.loads(path.read_text())
    content.pop("format", None)
    path.write_text(json.dumps(content | changed))


def _copy(run, tmp_path):
    return shutil.copytree(run.folder, tmp_path / "copy")


def test_a_configuration_of_another_format_or_of_none_is_refused(run, tmp_path):
    folder = _copy(run, tmp_path)
    _rewritten(folder / "config.json")
    with pytest.raises(UnresetError, match=r"has no format, so the run is from before"):
        api.load(folder)
    page = write_report([folder], tmp_path / "page.html")
    assert "naive on toy" in page.read_text()
    _rewritten(folder / "config.json", format=2, version="9.9")
    with pytest.raises(
        UnresetError, match=r"has format 2, and this version reads 1: use unreset 9"
    ):
        read_configuration(folder)


def test_a_summary_of_another_format_is_refused_and_one_without_is_read(run, tmp_path):
    folder = _copy(run, tmp_path)
    _rewritten(folder / "summary.json")
    assert read_summary(folder)["env_steps"] == 20
    _rewritten(folder / "summary.json", format=2)
    with pytest.raises(UnresetError, match=r"has format 2, and this version reads 1"):
        read_summary(folder)


def test_a_checkpoint_of_another_format_is_refused(run, tmp_path):
    folder = _copy(run, tmp_path)
    (found,) = (folder / "checkpoints").glob("*/manifest.json")
    _rewritten(found, format=99)
    with pytest.raises(UnresetError, match="has format 99, and this version reads"):
        api.load(folder)


def test_a_policy_of_another_format_is_refused_and_one_without_is_read(run, tmp_path):
    path = run.export().save(tmp_path / "policy")
    with safe_open(path, "numpy") as file:
        metadata = json.loads(file.metadata()["unreset_policy"])
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    assert metadata.pop("format") == 1
    save_file(weights, path, {"unreset_policy": json.dumps(metadata)})
    acts = unreset.Policy.load(path)(np.zeros(1, np.float32), np.ones(1, np.float32))
    assert (acts == run.policy(np.zeros(1, np.float32), np.ones(1, np.float32))).all()
    save_file(weights, path, {"unreset_policy": json.dumps(metadata | {"format": 2})})
    with pytest.raises(UnresetError, match="its format is 2, and this version reads 1") as refused:
        unreset.Policy.load(path)
    assert "\n" not in str(refused.value)


def test_a_bench_of_another_format_is_refused_and_one_without_is_read(tmp_path):
    suite = Suite("own", "a suite", (Cell("naive", "naive", "pointmass"),))
    manifest.write(tmp_path, suite, [], "unreset bench own")
    path = tmp_path / "bench.json"
    assert json.loads(path.read_text())["format"] == 1
    _rewritten(path)
    assert manifest.read(tmp_path).suite == "own"
    _rewritten(path, format=2)
    with pytest.raises(
        UnresetError, match=r"has format 2, and this version reads 1: use unreset 0"
    ):
        manifest.read(tmp_path)


def test_settings_are_found_again(run):
    found = read_configuration(run.folder)
    assert found.settings == toy.tiny(registry.settings("naive"))
