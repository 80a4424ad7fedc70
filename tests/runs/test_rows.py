"""Logs that are cut short, written over or full of rubbish are read as far as they are whole."""

import contextlib
import csv
import json
import os
import random
import shutil

import pytest

import toy
from unreset import api, registry
from unreset.demos import store
from unreset.errors import UnresetError
from unreset.methods import fbrl
from unreset.report import facts
from unreset.report.record import read_record
from unreset.report.report import write_report
from unreset.runs import rows
from unreset.runs.config import RunConfig
from unreset.runs.folder import read_configuration, read_summary, write_json
from unreset.runs.rows import LOGS, append_rows, drop_rows_after, read_log
from unreset.runs.training import Training

METRICS = "seed,env_steps,wall_seconds,q\r\n"
GOOD = [f"{seed},{step},1.5,nan\r\n" for step in (20, 40, 60) for seed in (0, 1)]


def written(folder, text, name="metrics.csv"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def steps(log):
    return [(int(row["seed"]), int(row["env_steps"])) for row in log.rows]


ALL = [(seed, step) for step in (20, 40, 60) for seed in (0, 1)]


@pytest.mark.parametrize(
    ("wrong", "lost", "damaged"),
    [
        ("0", [], 0),  # printf 0 >> metrics.csv
        ("1,80,1.5", [], 0),
        ("1,80,1.5,2\r\n", [], None),  # whole
        ("1,80,1.5\r\n", [], 1),  # a column is missing
        ("1,80,1.5,2,3\r\n", [], 1),
        ("1,80,1.5,much\r\n", [], 1),
        ("1,80,1_5,2\r\n", [], 1),
        ("1,8e1,1.5,2\r\n", [], 1),
        ("1,-80,1.5,2\r\n", [], 1),
        ("7,80,1.5,2\r\n", [], 1),  # another's seed
        (METRICS, [], 1),
        ("\0" * 40 + "\r\n", [], 1),
        ("1,80,1.5,2\0\r\n", [], 1),
        (b"1,80,1.5,\xff\xfe\r\n", [], 1),
        ("\r\n", [], 1),
        ('1,80,"1.5,2\r\n', [], 1),
        ("1,20,1.5,2\r\n", [], 1),  # again, and out of order
        ("1,99999999999999999999,1.5,2\r\n", [], 1),
        ("\u0661,80,1.5,2\r\n", [], 1),  # a digit, but no number that we write
    ],
)
def test_what_is_no_row_is_left_out(tmp_path, wrong, lost, damaged):
    wrong = wrong if isinstance(wrong, bytes) else wrong.encode()
    log = read_log(written(tmp_path, (METRICS + "".join(GOOD)).encode() + wrong), (0, 1))
    assert steps(log) == (ALL if damaged is not None else [*ALL, (1, 80)])
    assert log.damaged == (damaged or 0)
    assert log.torn == (not wrong.endswith(b"\n"))


def test_a_step_that_is_much_too_late_costs_itself_alone(tmp_path):
    text = METRICS + "".join(GOOD[:2]) + "0,900000,1.5,2\r\n" + "".join(GOOD[2:])
    log = read_log(written(tmp_path, text), (0, 1))
    assert steps(log) == ALL and log.damaged == 1


def test_two_writers_that_were_there_at_once_are_one_in_the_end(tmp_path):
    doubled = METRICS + "".join(line for line in GOOD for _ in range(2))
    assert steps(read_log(written(tmp_path, doubled), (0, 1))) == ALL


@pytest.mark.parametrize(
    "header", ["", "\0\0\r\n", "a,a\r\n", "env_steps\r\n", "seed,,env_steps\r\n"]
)
def test_without_its_header_a_log_says_nothing(tmp_path, header):
    log = read_log(written(tmp_path, header + "".join(GOOD)), (0, 1))
    assert log.rows == [] and log.columns == [] and log.damaged
    drop_rows_after(tmp_path, 60, (0, 1))
    assert not (tmp_path / "metrics.csv").exists()
    assert (tmp_path / "metrics.csv.damaged").read_text().endswith(GOOD[-1].rstrip() + "\n")


def test_what_is_damaged_is_set_aside_and_never_written_over(tmp_path):
    for number in ("", "-2"):
        written(tmp_path, METRICS + "".join(GOOD), "eval.csv")
        path = written(tmp_path, METRICS + "".join(GOOD) + "rubbish\r\n0,80,1.5,2\r\n")
        before = path.read_bytes()
        assert [
            note
            for note in rows.doubts(tmp_path, (0, 1))
            if f".damaged{number};" not in note and not note.endswith(f".damaged{number}")
        ] == []
        assert path.read_bytes() == before  # readers write nothing
        drop_rows_after(tmp_path, 40, (0, 1))
        assert steps(read_log(path)) == [(0, 20), (1, 20), (0, 40), (1, 40)]
        assert (tmp_path / f"metrics.csv.damaged{number}").read_bytes() == before
    drop_rows_after(tmp_path, 40, (0, 1))
    assert len(list(tmp_path.iterdir())) == 4


def test_a_torn_tail_is_told_and_dropped(tmp_path):
    path = written(tmp_path, METRICS + "".join(GOOD) + "0,8")
    beside = written(tmp_path, METRICS + "".join(GOOD), "eval.csv")
    assert rows.doubts(tmp_path, (0, 1)) == [
        "metrics.csv: left out its last line, which is cut short"
    ]
    drop_rows_after(tmp_path, 60, (0, 1))
    assert path.read_text().endswith("1,60,1.5,nan\n")
    assert sorted(tmp_path.iterdir()) == [beside, path]


def test_rows_that_are_gone_are_told(tmp_path):
    written(tmp_path, METRICS + "".join(GOOD))
    for text, lost in [("", 6), (METRICS, 6), (METRICS + "".join(GOOD[-2:]), 4)]:
        written(tmp_path, text, "eval.csv")
        told = [f"eval.csv: {lost} rows are not there that metrics.csv has"]
        assert rows.doubts(tmp_path, (0, 1)) == told
    written(tmp_path, METRICS + "".join(GOOD[:-2]), "eval.csv")  # killed between the two
    assert rows.doubts(tmp_path, (0, 1)) == []


def test_a_bit_of_a_header_costs_no_column(tmp_path):
    path = written(tmp_path, METRICS.replace("q", "p") + "".join(GOOD))
    append_rows(path, [{"seed": 0, "env_steps": 80, "wall_seconds": 2.0, "q": 0.5}])
    with path.open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert list(lines[0]) == ["seed", "env_steps", "wall_seconds", "p", "q"]
    assert [line["q"] for line in lines] == [""] * 6 + ["0.5"]
    assert [line["p"] for line in lines] == ["nan"] * 6 + [""]


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_what_never_ends_is_not_read(tmp_path, make):
    make(tmp_path / "metrics.csv")
    assert read_log(tmp_path / "metrics.csv") == ([], [], False, 1)
    drop_rows_after(tmp_path, 60)
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.csv.damaged"]


def test_a_log_larger_than_any_run_writes_is_not_read(tmp_path):
    with written(tmp_path, METRICS).open("ab") as file:
        file.truncate(1 << 36)
    assert read_log(tmp_path / "metrics.csv").damaged


# Through a whole run.


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(registry.TASKS, "toy", toy.point)
        settings = toy.tiny(fbrl.PRESETS["default"])
        told = ("fbrl", "toy", "default", 0, 2, 60, 20, 0, 20, "fused", settings)
        configuration, folder = RunConfig(*told), tmp_path_factory.mktemp("made")
        training = Training(folder, configuration, toy.demonstrations())
        write_json(folder / "config.json", configuration.dictionary())
        store.save(folder / "demonstrations.safetensors", toy.demonstrations())
        training.practise(lambda _: None)
    return training


@pytest.fixture
def run(made, tmp_path, monkeypatch):
    monkeypatch.setitem(registry.TASKS, "toy", toy.point)
    shutil.copytree(made.folder, tmp_path / "run")
    return tmp_path / "run"


def plain(folder):
    """The logs without their clocks."""
    clocks = {"wall_seconds", "steps_per_second"}
    found = {}
    for name in LOGS:
        with (folder / name).open(newline="") as file:
            lines = list(csv.DictReader(file))
        found[name] = [{k: v for k, v in line.items() if k not in clocks} for line in lines]
    return found


@pytest.mark.slow
def test_a_run_with_damaged_logs_loads_and_goes_on(run):
    before = plain(run)
    for name in LOGS:
        content = (run / name).read_bytes()
        lines = content.splitlines(keepends=True)
        middle = len(lines) // 2
        (run / name).write_bytes(b"".join([*lines[:middle], b"\0\xff,\n", *lines[middle:], b"0"]))
    loaded = api.load(run)
    assert loaded.env_steps == 60
    assert [note.split(":")[0] for note in loaded.notes] == list(LOGS)
    loaded.resume()
    assert plain(run) == before
    assert all((run / f"{name}.damaged").exists() for name in LOGS)
    assert api.load(run).notes == []


@pytest.mark.parametrize("name", ["eval.csv", "metrics.csv"])
def test_what_the_last_evaluation_logged_is_logged_again_if_it_is_lost(run, name):
    before = plain(run)
    lines = (run / name).read_bytes().splitlines(keepends=True)
    (run / name).write_bytes(b"".join([*lines[:-2], b"rubbish\n", b"rubbish\n"]))
    api.load(run).resume()
    after = plain(run)
    if name == "eval.csv":
        assert {key: after[key] for key in ("eval.csv", "phases.csv", "visits.csv")} == {
            key: before[key] for key in ("eval.csv", "phases.csv", "visits.csv")
        }
    assert [row["env_steps"] for row in after["eval.csv"]] == ["20"] * 2 + ["40"] * 2 + ["60"] * 2


@pytest.mark.slow
@pytest.mark.parametrize("name", ["phases.csv", "visits.csv", "eval.csv"])
def test_a_torn_last_row_is_made_again(run, name):
    before, content = plain(run), (run / name).read_bytes()
    (run / name).write_bytes(content[:-3])
    loaded = api.load(run)
    assert loaded.notes == [f"{name}: left out its last line, which is cut short"]
    loaded.resume()
    assert plain(run) == before


def mutated(content, chance):
    """Bytes flipped, cut out, doubled, moved, or written over."""
    content = bytearray(content)
    for _ in range(chance.randint(1, 4)):
        at, end = sorted(chance.randrange(len(content) + 1) for _ in range(2))
        end = min(end, at + chance.choice([1, 4, 40, 400]))
        part = content[at:end]
        kind = chance.randrange(7)
        if kind == 0 and at < len(content):
            content[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            content[at:end] = bytes(len(part))
        elif kind == 2:
            del content[at:end]
        elif kind == 3:
            content[at:at] = part
        elif kind == 4:
            content[at:end] = chance.randbytes(len(part))
        elif kind == 5:
            del content[at:]
        else:
            content[at:at] = chance.choice(
                [b"\r\n", b"\n", b'"', b",", b"1e999", b"-1", b"{", b"["]
            )
        if not content:
            break
    return bytes(content)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_no_mutated_log_breaks_a_reader(run, seed):
    chance = random.Random(seed)
    whole = {name: (run / name).read_bytes() for name in LOGS}
    for _ in range(150):
        name = chance.choice(LOGS)
        (run / name).write_bytes(mutated(whole[name], chance))
        log = read_log(run / name, (0, 1))
        assert all(row["seed"] in ("0", "1") for row in log.rows)
        for number in (0, 1):
            mine = [step for seed, step in steps(log) if seed == number]
            assert mine == sorted(set(mine))
        facts.headline(read_record(run))
        drop_rows_after(run, 60, (0, 1))
        assert read_log(run / name, (0, 1)) == log._replace(
            torn=False, damaged=0, rows=[row for row in log.rows if int(row["env_steps"]) <= 60]
        )
        (run / name).write_bytes(whole[name])
        for aside in run.glob("*.damaged*"):
            aside.unlink()


def test_a_page_is_made_of_damaged_logs_and_says_so(run):
    chance = random.Random(0)
    whole = {name: (run / name).read_bytes() for name in LOGS}
    for _ in range(3):
        for name in LOGS:
            (run / name).write_bytes(mutated(whole[name], chance))
        write_report([run], run / "report.html")
    lines = whole["eval.csv"].splitlines(keepends=True)
    (run / "eval.csv").write_bytes(b"".join([lines[0], b"rubbish\n", *lines[1:]]))
    page = write_report([run], run / "report.html").read_text()
    assert "<code>eval.csv</code>: 1 damaged line(s) are left out." in page


def test_damaged_json_is_one_line(run):
    chance, whole = random.Random(0), (run / "config.json").read_bytes()
    for _ in range(300):
        (run / "config.json").write_bytes(mutated(whole, chance))
        with contextlib.suppress(UnresetError):
            read_configuration(run)
    (run / "config.json").write_bytes(whole.replace(b'"steps": 60', b'"steps": "sixty"'))
    with pytest.raises(UnresetError, match="steps should be int, but is 'sixty'"):
        read_configuration(run)
    (run / "config.json").write_bytes(b"[" * 100_000)
    with pytest.raises(UnresetError, match=r"config\.json.*recursion depth"):
        api.load(run)


def test_a_damaged_summary_says_nothing_and_breaks_nothing(run):
    chance, whole = random.Random(0), (run / "summary.json").read_bytes()
    for _ in range(300):
        (run / "summary.json").write_bytes(mutated(whole, chance))
        found = read_summary(run)
        facts.headline(read_record(run))
        int(found.get("env_steps", 0))
    (run / "summary.json").write_text(json.dumps({"env_steps": None, "seeds": 3, "task": "toy"}))
    assert read_summary(run) == {"task": "toy"}
