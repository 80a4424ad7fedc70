"""The command line: exit codes, one-line mistakes, help, and what the commands print."""

import dataclasses
import json
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

import toy
from unreset import api, cli, registry
from unreset.cli import evaluate
from unreset.deploy.policy import Policy
from unreset.runs import config

SMALL = ["--steps", "60", "--eval-every", "20", "--checkpoint-every", "20", "--wide-starts", "0"]


@pytest.fixture(autouse=True)
def small(monkeypatch):
    toy.install(monkeypatch.setitem)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("cli") / "run"
    with pytest.MonkeyPatch.context() as patch:
        toy.install(patch.setitem)
        words = ["train", "naive", "toy", *SMALL, "--no-report", "--out", str(made)]
        assert cli.main(words) == cli.OK
    return made


@pytest.fixture
def main(capsys):
    """Runs a command; its exit code, what it printed and what it complained."""

    def run(*words):
        capsys.readouterr()
        try:
            code = cli.main([str(word) for word in words])
        except SystemExit as stop:
            code = stop.code or 0
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["trian"], "unknown command 'trian'; did you mean 'train'?"),
        (["xyzzy"], "unknown command 'xyzzy'; there are: train, "),
        (["train", "meddal"], "unknown method 'meddal'; did you mean 'medal'?"),
        (["train", "medal", "tabeltop"], "unknown task 'tabeltop'; did you mean 'tabletop'?"),
        (["train", "medal", "--preset", "papre"], "unknown preset 'papre'; did you mean 'paper'?"),
        (["train", "medal", "--preset=papre"], "unknown preset 'papre'; did you mean 'paper'?"),
        (["train", "medal", "toy", "--batch-sizes", "3"], "did you mean --batch-size?"),
        (["train", "medal", "toy", "--step", "3"], "did you mean --steps?"),
        (["train", "medal", "toy", "--steps", "0"], "steps must be at least 1, not 0"),
        (["train", "medal", "toy", "--steps", "-5"], "steps must be at least 1, not -5"),
        (["train", "medal", "toy", "--steps", "many"], "steps"),
        (["train", "medal", "toy", "more"], "train takes a METHOD and a TASK, not also 'more'"),
        (["train", "medal", "toy", "--driver", "robot"], "driver"),
        (["train", "naive", "toy", "--eval-every", "7", "--checkpoint-every", "8"], "multiple"),
        (["resume"], "required"),
        (["resume", "/nowhere"], "/nowhere is not a run folder: it has no config.json"),
        (["eval", "/nowhere"], "is not a run folder"),
        (["report", "/nowhere"], "is not a run folder"),
        (["report"], "run folder"),
        (["export", "/nowhere", "x"], "is not a run folder"),
        (["eval", "/nowhere", "--starts", "wild"], "starts"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_one_line_that_says_what_would_be_right(main, words, message):
    code, out, err = main(*words)
    assert code == cli.USAGE
    assert out == ""
    assert err.startswith("unreset: ") and err.count("\n") == 1, err
    assert message in err
    assert "Traceback" not in err


def test_without_a_command_the_usage_is_shown(main):
    code, out, _ = main()
    assert code == cli.USAGE
    for words in (["--help"], ["-h"], ["help"]):
        assert main(*words)[:2] == (cli.OK, out)
    for name in cli.COMMANDS:
        assert re.search(rf"^  {name} ", out, re.MULTILINE)
    assert "example: unreset train" in out


def test_the_version(main):
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", main("--version")[1])


@pytest.mark.parametrize("name", list(cli.COMMANDS))
def test_the_help_of_every_command_has_an_example(main, name):
    code, out, err = main(name, "--help")
    assert code == cli.OK and err == ""
    assert f"unreset {name}" in re.sub(r"\s+", " ", out)
    assert "xample" in out


def flags(settings, prefix=""):
    """Every field's flag; those of the loop, the learner and its sight have no prefix."""
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if dataclasses.is_dataclass(value):
            bare = field.name in ("practice", "learner", "vision")
            inner = prefix if bare else f"{prefix}{field.name}."
            yield from flags(value, inner)
        else:
            yield prefix + field.name.replace("_", "-")


def plain(text):
    """Without frames and colours, in one line."""
    return re.sub(r"\s+", " ", re.sub(r"\x1b\[[0-9;]*m|[^\x20-\x7e\n]", "", text))


@pytest.mark.parametrize("method", list(registry.METHODS))
def test_every_setting_is_a_flag_with_its_help(main, method, monkeypatch):
    monkeypatch.setenv("COLUMNS", "79")  # one column of text
    code, out, _ = main("train", method, "--help")
    assert code == cli.OK
    text = plain(out)
    names = [
        *flags(registry.settings(method)),
        *(one.name.replace("_", "-") for one in config.flags("train")),
    ]
    names[names.index("demonstrations")] = "demos"  # the one that is called otherwise
    assert len(names) > 30
    for name in names:
        flag = re.escape(name)
        negated = rf"(?:,? ?--(?:[a-z]+\.)?no-{flag.split('.')[-1]})?"
        found = re.findall(rf"--{flag}(?=[ ,|]){negated}(.*?)(?= --[a-z]|$)", text)
        assert found, f"--{name} is not in the help"
        said = [re.sub(r"\(default.*|[A-Z0-9_|{}\[\],<>.]+", " ", one) for one in found]
        words = max(len(re.findall(r"[a-z]{2,}", one)) for one in said)
        assert words >= 2, f"--{name} is not explained: {found}"


def test_the_lists(main):
    code, out, _ = main("methods")
    assert code == cli.OK
    for name in registry.METHODS:
        assert re.search(rf"^{name} .*Presets: .*default", out, re.MULTILINE)
    code, out, _ = main("tasks")
    assert code == cli.OK
    assert re.search(r"^tabletop ", out, re.MULTILINE) and re.search(r"^toy ", out, re.MULTILINE)


@pytest.mark.slow
def test_train_says_where_and_what(main, tmp_path):
    folder = tmp_path / "run"
    words = ["--no-report", "--out", folder, "--hidden", "6", "--no-layer-norm"]
    code, out, err = main("train", "naive", "toy", *SMALL, *words)
    assert code == cli.OK, err
    said = " ".join(out.split())
    assert "naive on toy: 60 steps of 1 seed(s)" in said
    for word in ("success", "effort", "1 hard reset(s), one in 60 steps; 2 demonstrations"):
        assert word in said
    stored = json.loads((folder / "config.json").read_text())
    assert stored["settings"]["learner"]["hidden"] == [6]
    assert stored["settings"]["learner"]["layer_norm"] is False


@pytest.mark.slow
def test_a_folder_that_exists_is_not_written_over(main, folder):
    code, _, err = main("train", "naive", "toy", *SMALL, "--out", folder)
    assert code == cli.USAGE
    assert "exists already" in err and err.count("\n") == 1


def test_eval_prints_its_figures(main, folder):
    before = sorted((p, p.stat().st_mtime_ns) for p in folder.rglob("checkpoints/*/*"))
    code, out, _ = main("eval", folder, "--starts", "wide", "--episodes", "3")
    assert code == cli.OK
    figures = dict(line.split() for line in out.splitlines())
    assert float(figures["episodes"]) == 3
    assert 0 <= float(figures["success"]) <= 1
    assert sorted((p, p.stat().st_mtime_ns) for p in folder.rglob("checkpoints/*/*")) == before
    code, _, err = main("eval", folder, "--starts", "wide", "--episodes", "0")
    assert code == cli.USAGE and "episodes must be at least 1" in err


@pytest.mark.slow
def test_discriminators_are_judged(main, tmp_path):
    folder = tmp_path / "run"
    assert main("train", "medal", "toy", *SMALL, "--no-report", "--out", folder)[0] == cli.OK
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    code, out, err = main("eval", folder, "--rewards", "--episodes", "2")
    assert code == cli.OK, err
    lines = out.splitlines()
    # Ten steps of the policy from one initial state and two others, twice two at random.
    assert lines[0].startswith("discriminator: 80 states, 10 of them demonstrated: 30 by the ")
    assert lines[1].split() == ["threshold", "precision", "recall", "F1", "taken", "right"]
    assert [float(line.split()[0]) for line in lines[2:11]] == [
        *(0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
    ]
    assert lines[11].endswith("best F1")
    assert lines[12].startswith("average precision ")
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    for words, message in [
        (["--episodes", "0"], "episodes must be at least 1"),
        (["--seed-number", "1"], "seed number 1 does not exist; this run has 1"),
        (["--demos", tmp_path / "none.npz"], "none.npz"),
    ]:
        code, out, err = main("eval", folder, "--rewards", *words)
        assert code == cli.USAGE and out == "" and err.count("\n") == 1
        assert message in err


@pytest.mark.slow
def test_a_model_is_judged(main, tmp_path):
    folder = tmp_path / "run"
    assert main("train", "mbarl", "toy", *SMALL, "--no-report", "--out", folder)[0] == cli.OK
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    code, out, err = main("eval", folder, "--dynamics", "--episodes", "2")
    assert code == cli.OK, err
    lines = out.splitlines()
    assert lines[0] == "the policy, initial starts"
    assert lines[1].split() == ["horizon", "error", "nothing", "changes"]
    assert lines[2].split()[0] == "1"
    assert {"the policy, wide starts", "fresh demonstrations"} <= set(lines)
    assert out.count("within the 95% interval") == 3
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_what_cannot_be_judged_is_one_line(main, folder):
    for flag, what in (("--rewards", "discriminator"), ("--dynamics", "model")):
        code, _, err = main("eval", folder, flag)
        assert code == cli.USAGE
        assert f"naive has no {what} that could be judged" in err and err.count("\n") == 1


def test_resume_behind_the_run_is_refused(main, folder):
    code, _, err = main("resume", folder, "--steps", "10", "--no-report")
    assert code == cli.USAGE
    assert "is behind the run's 60 steps" in err and err.count("\n") == 1
    assert json.loads((folder / "config.json").read_text())["steps"] == 60


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"method": "naive"}', '{"method": "nope"}'])
def test_a_broken_configuration_is_one_line(main, tmp_path, content):
    (tmp_path / "config.json").write_text(content)
    code, _, err = main("eval", tmp_path)
    assert code == cli.USAGE
    assert err.startswith("unreset: ") and err.count("\n") == 1


NO_JAX = """
    import sys
    sys.modules["jax"] = sys.modules["flax"] = None
    import numpy as np
    from unreset import Policy
    policy = Policy.load(sys.argv[1])
    given = np.load(sys.argv[2])
    np.save(sys.argv[3], policy(given[:, :1], given[:, 1:]))
"""


def test_an_exported_policy_acts_without_jax(main, folder, tmp_path):
    file = tmp_path / "policy.safetensors"
    code, out, _ = main("export", folder, file)
    assert code == cli.OK and out.strip() == str(file)
    given = np.random.default_rng(0).normal(size=(30, 2)).astype(np.float32)
    np.save(tmp_path / "in.npy", given)
    code = textwrap.dedent(NO_JAX)
    arguments = [file, tmp_path / "in.npy", tmp_path / "out.npy"]
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=os.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    there = np.load(tmp_path / "out.npy")
    assert there.shape == (30, 1)
    np.testing.assert_array_equal(there, Policy.load(file)(given[:, :1], given[:, 1:]))


@pytest.mark.parametrize(
    "words",
    [
        ["eval", "LONG"],
        ["resume", "LONG"],
        ["report", "LONG"],
        ["report", "RUN", "--output", "LONG"],
        ["export", "RUN", "LONG"],
        ["train", "naive", "toy", "--out", "LONG"],
        ["life", "qwale", "toy", "--prior", "LONG"],
        ["prior", "toy", "--out", "LONG"],
        ["demos", "info", "LONG", "--task", "toy"],
        ["check", "toy", "--demos", "LONG"],
    ],
    ids=lambda words: words[0],
)
def test_a_name_that_is_too_long_is_one_line(main, folder, words):
    places = {"LONG": "x" * 300, "RUN": folder}
    code, out, err = main(*[places.get(word, word) for word in words])
    assert (code, out) == (2, "") and err.count("\n") == 1
    assert "xxx" in err and "too long" in err


def test_a_report_goes_where_it_can_be_written(main, folder, tmp_path, monkeypatch):
    run, here = folder, tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    locked = {run}
    monkeypatch.setattr(
        evaluate.os, "access", lambda path, mode: Path(path).resolve() not in locked
    )
    monkeypatch.setattr(api, "load", lambda *_, **__: pytest.fail("loaded"))
    code, out, err = main("report", run)
    assert (code, out) == (2, "")
    assert err == (
        f"unreset: cannot write {run}/report.html: permission denied; say where else: "
        "--output FILE\n"
    )
    assert main("report", run, "--output", here / "page.html")[0] == 0
    # The present folder matters only where the page goes there.
    locked = {here}
    assert main("report", run, run)[0] == 2

    class Refused(Exception):
        pass

    def load(*_, **__):
        raise Refused

    monkeypatch.setattr(api, "load", load)
    with pytest.raises(Refused):
        main("report", run)


def test_export_refuses_what_it_cannot_do(main, folder, tmp_path):
    code, _, err = main("export", folder, tmp_path / "x", "--seed-number", "1")
    assert code == cli.USAGE and "seed number 1 does not exist" in err
    code, _, err = main("export", folder, tmp_path / "no" / "such" / "folder" / "x")
    assert code == cli.USAGE
    assert err.startswith("unreset: cannot write") and err.count("\n") == 1


def test_a_reader_that_has_had_enough_is_no_error():
    words = [sys.executable, "-u", "-m", "unreset.cli", "tasks"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == cli.OK
