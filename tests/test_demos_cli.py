"""The commands of ``unreset demos``: what they write and print, and mistakes in one line."""

import builtins
import dataclasses
import os
import pickle
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from unreset import registry
from unreset.cli import demos, demos_commands
from unreset.demos import formats, keyboard, scripts
from unreset.demos.store import BACKWARD, FORWARD
from unreset.deploy.policy import Policy
from unreset.errors import UnresetError
from unreset.tasks.tabletop import tabletop as rules
from unreset.tasks.tabletop.tabletop_expert import tabletop_demonstrations
from unreset.tasks.tabletop.tabletop_task import tabletop


def quick():
    """The tabletop, with a script of eight demonstrations."""
    return dataclasses.replace(
        tabletop(), demonstrations=lambda seed=0: tabletop_demonstrations(per_goal=1, seed=seed)
    )


def shy():
    return dataclasses.replace(tabletop(), name="shy", demonstrations=None, environment=None)


@pytest.fixture(autouse=True)
def tasks(monkeypatch, tmp_path):
    known = {"tabletop": quick, "shy": shy}
    for name, make in known.items():
        monkeypatch.setitem(registry.TASKS, name, make)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def main(capsys):
    """Runs a command; its exit code and what it printed."""

    def run(line):
        capsys.readouterr()
        try:
            code = demos.main(line.split())
        except SystemExit as stop:
            code = stop.code or 0
        return code, capsys.readouterr().out

    return run


@pytest.fixture
def made():
    return formats.write(tabletop_demonstrations(per_goal=1), quick(), "made.safetensors")


def test_script_writes_what_the_script_makes(main):
    code, printed = main("script tabletop")
    assert code == 0
    name = "tabletop-demonstrations.safetensors"
    assert printed == f"{name}: 4 forward, 4 backward; ending in success: 100%\n"
    assert len(formats.read(name, quick())) == 8
    assert main("script tabletop --format npz")[0] == 0
    assert len(formats.read("tabletop-demonstrations.npz", quick())) == 8


def test_script_makes_as_many_as_are_wanted(main):
    printed = main("script tabletop --number 6 --seed 3 --out some/more.npz")[1]
    assert printed == "some/more.npz: 6 forward, 6 backward; ending in success: 100%\n"
    found = formats.read("some/more.npz", quick())
    np.testing.assert_array_equal([one.goal for one in found[:6]], rules.GOALS[[0, 1, 2, 3, 0, 1]])
    third, fourth = tabletop_demonstrations(1, seed=3), tabletop_demonstrations(1, seed=4)
    np.testing.assert_array_equal(found[0].actions, third[0].actions)
    np.testing.assert_array_equal(found[5].actions, fourth[1].actions)


def test_info_prints_figures_and_advice(main, made):
    code, printed = main(f"info {made} --task tabletop --picture a.png")
    assert code == 0
    assert re.search(r"demonstrations\W+4\W+4\W", printed)
    assert re.search(r"ending in success\W+100%\W+100%", printed)
    assert re.search(r"goals reached\W+4 of 4\W+1 of 1", printed)
    assert "advice" not in printed
    assert printed.endswith("\na.png\n") and os.path.getsize("a.png") > 10_000
    one = formats.read(made, quick())[:1]
    formats.write(one, quick(), "one.npz")
    printed = main("info one.npz --task tabletop")[1]
    assert "advice: no backward demonstrations" in printed
    assert "advice: forward ones end in 1 of 4 goals" in printed


def test_import_reads_the_benchmarks_pickles(main, made):
    found = [one for one in formats.read(made, quick()) if one.direction == FORWARD]
    frames = [np.hstack([o.observations, np.tile(o.goal, (len(o.observations), 1))]) for o in found]
    ends = np.concatenate([np.arange(len(o.actions)) == len(o.actions) - 1 for o in found])
    columns = {
        "observations": np.concatenate([rows[:-1] for rows in frames]),
        "next_observations": np.concatenate([rows[1:] for rows in frames]),
        "actions": np.concatenate([one.actions for one in found]),
        "terminals": ends[:, None],
        "infos": np.zeros(0),
    }
    with open("flat.pkl", "wb") as file:
        pickle.dump(columns, file, protocol=3)
    code, printed = main("import flat.pkl --task tabletop --direction forward --out read")
    assert code == 0
    assert printed.startswith("read/tabletop-demonstrations.safetensors: 4 forward, 0 backward")
    again = formats.read("read/tabletop-demonstrations.safetensors", quick())
    for one, other in zip(again, found, strict=True):
        np.testing.assert_array_equal(one.observations, other.observations)
    with pytest.raises(UnresetError, match=r"flat\.pkl: flat\.pkl does not say which way"):
        main("import flat.pkl --task tabletop --out read")


def test_export_to_every_format(main, made, monkeypatch, tmp_path):
    pytest.importorskip("minari")
    pytest.importorskip("h5py")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    assert main(f"export {made} --task tabletop --out a.npz")[0] == 0
    words = "export a.npz --task tabletop --format minari --id tabletop/mine-v0"
    assert str(tmp_path / "minari" / "tabletop" / "mine-v0") in main(words)[1]
    assert main("export tabletop/mine-v0 --task tabletop --out b.safetensors")[0] == 0
    one, other = formats.read(made, quick()), formats.read("b.safetensors", quick())
    assert all((a.actions == b.actions).all() for a, b in zip(one, other, strict=True))


def test_replay_ends_with_the_count_of_successes(main, made):
    code, printed = main(f"replay tabletop {made}")
    assert code == 0
    assert printed.splitlines()[-1] == "success 8/8"
    found = formats.read(made, quick())
    found[0] = found[0]._replace(actions=-found[0].actions, rewards=np.zeros(len(found[0].actions)))
    formats.write(found, quick(), "odd.npz")
    code, printed = main("replay tabletop odd.npz")
    assert code == 0
    assert printed.splitlines()[-1] == "success 7/8"
    worst = float(re.search(r"position error: mean \S+, max (\S+)", printed)[1])
    assert worst > 1


def test_record_from_the_script(main):
    words = "record tabletop --policy script --out a.npz --episodes 2 --yes --direction both"
    assert main(words)[1] == "kept 2 of 2 episodes; a.npz holds 2\n"
    assert main(words.replace("2", "3"))[1] == "kept 3 of 3 episodes; a.npz holds 5\n"
    ways = [one.direction for one in formats.read("a.npz", quick())]
    assert ways == [FORWARD, BACKWARD, FORWARD, BACKWARD, FORWARD]


def test_record_asks_about_each_episode(main, monkeypatch):
    asked, given = [], iter(["what?", "y", "no", "r", "Yes"])

    def answer(question):
        asked.append(question.strip())
        return next(given)

    monkeypatch.setattr(builtins, "input", answer)
    printed = main("record tabletop --policy script --out a.npz --episodes 3")[1]
    assert printed == "kept 2 of 4 episodes; a.npz holds 2\n"
    assert asked[0] == asked[1]
    assert re.fullmatch(
        r"episode 1: success after \d+ steps. Keep, discard, redo \[y/n/r\]\?", asked[0]
    )


def test_record_from_the_keyboard(main, monkeypatch):
    keys = iter("d" * 20 + " " + "a" * 41 + "s" * 8 + " " + "d" * 21 + "w" * 8)
    monkeypatch.setattr(keyboard, "terminal_key", lambda: next(keys, ""))
    printed = main("record tabletop --policy keyboard --out a.npz --episodes 1 --yes")[1]
    assert printed.startswith(keyboard.HELP)
    assert printed.endswith("kept 1 of 1 episodes; a.npz holds 1\n")


def fixed_policy(task):
    """A policy that always does about the same: tanh(1) to the right."""
    weights = {
        "MLP_0/Dense_0/kernel": np.zeros((12, 6), np.float32),
        "MLP_0/Dense_0/bias": np.array([1, 0, -1, 0, 0, 0], np.float32),
    }
    sizes = {"observation_size": 6, "goal_size": 6, "action_size": 3, "octaves": 0, "told_roles": 0}
    return Policy(weights, {"task": task, **sizes})


def test_record_from_a_policy(main, monkeypatch):
    fixed_policy("tabletop").save("policy.safetensors")
    words = "record tabletop --policy policy.safetensors --out a.npz --episodes 1 --horizon 3"
    assert main(f"{words} --yes")[1] == "kept 0 of 1 episodes; a.npz holds 0\n"
    monkeypatch.setattr(builtins, "input", lambda question: "y")
    assert main(words)[1] == "kept 1 of 1 episodes; a.npz holds 1\n"
    (one,) = formats.read("a.npz", quick())
    np.testing.assert_allclose(one.actions, np.tile(np.tanh([1, 0, -1]), (3, 1)), rtol=1e-6)
    fixed_policy("other").save("other.safetensors")
    with pytest.raises(UnresetError, match="is a policy for other, not tabletop"):
        main(words.replace("policy.safetensors", "other.safetensors"))


def test_record_from_a_run(main, monkeypatch, tmp_path):
    class Run:
        def export(self):
            return fixed_policy("tabletop")

    folder = tmp_path / "run"
    folder.mkdir()
    asked, config = [], SimpleNamespace(task="tabletop", reward=None)
    monkeypatch.setattr(demos_commands, "read_configuration", lambda path, trust: config)
    monkeypatch.setattr("unreset.api.load", lambda path, trust: asked.append(path) or Run())
    words = "record tabletop --policy run --out a.npz --episodes 1 --horizon 3 --yes"
    main(words)
    assert [path.resolve() for path in asked] == [folder]
    # Whatever is wrong is said before the run is loaded, which takes long.
    Path("file").touch()
    for wrong, message in (
        (words.replace("--episodes 1", "--episodes 0"), "at least 1, not 0"),
        (words.replace("a.npz", "a.csv"), "a.csv must end in"),
        (words.replace("a.npz", "file/a.npz"), "cannot write file/a.npz"),
        (words.replace("--horizon 3", "--horizon 0"), "horizon must be at least 1"),
        (f"{words} --start nowhere", "no start 'nowhere'"),
        (f"{words} --seed -1", "seed"),
        (words.replace("tabletop", "shy"), "shy has no Gymnasium environment"),
    ):
        with pytest.raises(UnresetError, match=message):
            main(wrong)
    config.task = "shy"
    with pytest.raises(UnresetError, match="is a policy for shy, not tabletop"):
        main(words)
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("script tabletop --out file/a.npz", "cannot write file/a.npz"),
        ("script tabletop --format minari", "both --format minari and --id"),
        ("script tabletop --out a.csv", "a.csv must end in"),
        ("import made.npz --task tabletop --out file/a.npz", "cannot write file/a.npz"),
        ("export made.npz --task tabletop --out a.csv", "a.csv must end in"),
        ("export made.npz --task tabletop --out folder.npz", "it is a folder"),
    ],
)
def test_where_to_write_is_checked_before_anything_is_made_or_read(
    main, words, message, monkeypatch
):
    def fail(*_, **__):
        pytest.fail("too late")

    for module, name in ((formats, "read"), (scripts, "batch"), (scripts, "scripted")):
        monkeypatch.setattr(module, name, fail)
    Path("file").touch()
    Path("folder.npz").mkdir()
    with pytest.raises(UnresetError, match=message):
        main(words)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("inf", "unknown demos command 'inf'; did you mean 'info'?"),
        ("xyzzy", "unknown demos command 'xyzzy'; there are: script, info"),
        ("script shy", "shy has no scripted demonstrations"),
        ("script tabletop --number 0", "number must be at least 1, not 0"),
        ("script tabletop --out a.csv", "a.csv must end in .safetensors or .npz"),
        ("script tabletop --format minari", "needs both --format minari and --id"),
        ("script tabletop --id a-v0", "needs both --format minari and --id"),
        ("script tabletop --format minari --id a-v0 --out b", "give --id without --out"),
        ("info made.safetensors", "--task"),
        ("info nothing.npz --task tabletop", "nothing.npz: there is no such file"),
        ("info made.safetensors --task shy", "demonstrations of tabletop, not of shy"),
        ("info made.safetensors --task tabletop --picture a.gif", "a.gif must end in .png"),
        ("info made.safetensors --task tabletop --direction up", "direction"),
        (
            "import made.safetensors --task tabletop --out a --direction forward",
            "itself; give none",
        ),
        ("export made.safetensors --task tabletop", "say where to: --out FILE"),
        ("replay shy made.safetensors", "demonstrations of tabletop, not of shy"),
        ("record tabletop --policy nobody --out a.npz --episodes 1", "no policy 'nobody'"),
        ("record shy --policy keyboard --out a.npz --episodes 1", "shy has no Gymnasium"),
        ("record tabletop --policy script --out a.npz --episodes 0 --yes", "at least 1, not 0"),
        (
            "record tabletop --policy keyboard --out a.npz --episodes 1 --speed 3",
            "in (0, 1], not 3",
        ),
        ("record tabletop --policy script --out a.npz", "--episodes"),
    ],
)
@pytest.mark.usefixtures("made")
def test_mistakes_in_one_line(main, words, message):
    with pytest.raises(UnresetError, match=re.escape(message)) as caught:
        main(words)
    assert "\n" not in str(caught.value)
    assert not os.path.exists("a.npz")


def test_nobody_to_ask_is_an_error(main, monkeypatch):
    def nobody(question):
        raise EOFError

    monkeypatch.setattr(builtins, "input", nobody)
    with pytest.raises(UnresetError, match="use --yes"):
        main("record tabletop --policy script --out a.npz --episodes 1")


def test_help(main):
    code, printed = main("--help")
    assert code == 0
    for name in demos.COMMANDS:
        assert f"\n  {name} " in printed
        code, page = main(f"{name} --help")
        assert code == 0
        assert f"unreset demos {name}" in page and "xample" in page
    assert main("")[0] == 2


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_a_direction_is_passed_on(main, made, direction):
    way = FORWARD if direction == "forward" else BACKWARD
    one = formats.read(made, quick())[0 if way == FORWARD else 4]
    rows = np.hstack([one.observations, np.tile(one.goal, (len(one.observations), 1))])
    ends = np.arange(len(one.actions)) == len(one.actions) - 1
    np.savez(
        "flat.npz",
        observations=rows[:-1],
        next_observations=rows[1:],
        actions=one.actions,
        terminals=ends,
    )
    printed = main(f"replay tabletop flat.npz --direction {direction}")[1]
    assert direction in printed and printed.endswith("success 1/1\n")
