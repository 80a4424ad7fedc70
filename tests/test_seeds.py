"""Every bit of a seed counts; what is no seed is refused in one line, before anything is made."""

import jax
import numpy as np
import pytest

import toy
import unreset
from unreset import bench, cli, registry
from unreset.demos import recording, scripts
from unreset.errors import UnresetError
from unreset.seeds import MOST, checked
from unreset.tasks.tabletop.tabletop_expert import tabletop_demonstrations

WRONG = [
    (-1, r"from 0 to 4,294,967,295, not -1$"),
    (MOST + 1, "not 4,294,967,296$"),
    (10**30, r"not 1,000,.*,000$"),
    (1.0, r"must be a whole number, not 1\.0$"),
    (np.float32(2), "must be a whole number"),
    (True, "must be a whole number, not True$"),
    (np.True_, "must be a whole number"),
    ("7", "must be a whole number, not '7'$"),
    (None, "must be a whole number, not None$"),
    (np.array([1]), "must be a whole number"),
]


@pytest.fixture(autouse=True)
def small(monkeypatch):
    toy.install(monkeypatch.setitem)


@pytest.mark.parametrize("seed", [0, 7, MOST, np.int64(7), np.uint32(MOST), np.uint8(3)])
def test_seeds_become_pythons_numbers(seed):
    first, number = checked(seed)
    assert (type(first), first, number) == (int, int(seed), 1)


def test_seeds_of_both_ends_give_keys_of_their_own():
    keys = {jax.random.key_data(jax.random.key(seed)).tobytes() for seed in (0, 1, 2**31, MOST)}
    assert len(keys) == 4


@pytest.mark.parametrize(("seed", "message"), WRONG)
def test_what_is_no_seed_is_refused_everywhere(tmp_path, seed, message):
    task = registry.task("tabletop")
    places = [
        lambda: unreset.train("naive", "toy", seed=seed, out=tmp_path / "run"),
        lambda: unreset.life("finetuning", "toy", seed=seed, out=tmp_path / "run"),
        lambda: bench.run("tabletop", tmp_path / "run", first_seed=seed),
        lambda: scripts.batch(task, seed),
        lambda: next(scripts.scripted(task, None, seed)),
        lambda: next(iter([recording.from_script(task, 0, seed)(0, False)])),
        lambda: recording.Acting(task, lambda *_: np.zeros(3), seed=seed),
    ]
    for place in places:
        with pytest.raises(UnresetError, match=f"seed .*{message}"):
            place()
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("seeds", "message"),
    [
        (3, r"seed=4,294,967,294 and 3 seeds would end with seed 4,294,967,296; the last must be"),
        (0, "seeds must be at least 1, not 0"),
        (-2, "seeds must be at least 1, not -2"),
        (2.0, r"seeds must be a whole number, not 2\.0"),
        (True, "seeds must be a whole number, not True"),
    ],
)
def test_the_last_of_some_seeds_counts_too(tmp_path, seeds, message):
    assert checked(MOST - 1, 2) == (MOST - 1, 2)
    with pytest.raises(UnresetError, match=message):
        unreset.train("naive", "toy", seed=MOST - 1, seeds=seeds, out=tmp_path / "run")
    with pytest.raises(UnresetError, match=message):
        bench.run("tabletop", tmp_path / "run", first_seed=MOST - 1, seeds=seeds)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "words",
    [
        "train naive toy --seed -1 --out run",
        "train naive toy --seed 4294967296 --out run.npz",
        "train naive toy --seed 4294967295 --seeds 2 --out run",
        "train naive toy --seed 1.5 --out run",
        "train naive toy --seed 99999999999999999999999 --out run",
        "life finetuning toy --demos none --seed -1 --out run",
        "prior toy --seed 4294967296 --out run.npz",
        "bench tabletop --first-seed 4294967295 --seeds 2 --out run",
        "demos script tabletop --seed -1 --out run.npz",
        "demos script tabletop --number 2 --seed 4294967296 --out run.npz",
        "demos record tabletop --policy script --seed -1 --episodes 1 --yes --out run.npz",
    ],
)
def test_the_commands_refuse_in_one_line(tmp_path, monkeypatch, capsys, words):
    monkeypatch.chdir(tmp_path)
    assert cli.main(words.split()) == cli.USAGE
    error = capsys.readouterr().err
    assert error.startswith("unreset: ") and error.count("\n") == 1 and "seed" in error
    assert not list(tmp_path.iterdir())


def test_a_script_goes_on_from_a_large_seed():
    found = next(scripts.scripted(registry.task("tabletop"), 0, 2**31 + 5))
    again = tabletop_demonstrations(seed=2**31 + 5)
    assert any(np.array_equal(found.actions, one.actions) for one in again)
