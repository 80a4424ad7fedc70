"""Damage costs what is damaged: no more of the replay, no checkpoint, and nothing in silence."""

import os
import shutil
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import toy
from unreset import api, cli, registry
from unreset.core import replay as replays
from unreset.core.replay import LOST
from unreset.demos import store
from unreset.errors import Failure, UnresetError
from unreset.interventions.stuck_labels import FREE, UNKNOWN
from unreset.methods import fbrl
from unreset.runs import checkpoint, priors, salvage, starting
from unreset.runs.config import RunConfig
from unreset.runs.folder import read_summary, write_json
from unreset.runs.rows import drop_rows_after, read_log
from unreset.runs.training import Training

CAPACITY, DIGEST = 60, "the configuration"
TASK = toy.point()
METHOD = toy.tiny(fbrl.PRESETS["default"], reset_every=23).method(TASK)
STEPS = (20, 40, 50, 70, 90)


@pytest.fixture(scope="module")
def driver():
    return toy.fused(METHOD, TASK, seeds=(0, 1), capacity=CAPACITY)


@pytest.fixture(scope="module")
def carries(driver):
    """The carry at some steps; the ring of 60 wraps after about 57."""
    found, now = {0: jax.tree.map(jnp.copy, driver.carry)}, 0
    for step in STEPS:
        driver.advance(now, step)
        found[step], now = jax.tree.map(jnp.copy, driver.carry), step
    return found


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def salvaged(folder, carries, steps, damaged):
    """What is left of the last of ``steps`` where the segments of some of them are damaged."""
    saved = checkpoint.NOTHING
    for step in steps:
        saved = checkpoint.save(folder, step, carries[step], saved, DIGEST)
    for step in damaged:
        flip(folder / "replay" / f"{step:09d}.safetensors")
    fresh = jax.tree.map(jnp.copy, carries[0])
    return checkpoint.load_parts(folder, steps[-1], fresh, DIGEST)


def transitions(replay):
    """By seed and role, everything that its list can draw: the row and the one after it."""
    found = {}
    for seed in range(2):
        one = jax.tree.map(lambda x, n=seed: x[n], replay)
        for role in range(2):
            ids = np.arange(int(one.tails[role]), int(one.heads[role])) % one.capacity
            at = replays.position(one, one.owned[role][ids])
            rows = jax.tree.map(lambda column, at=at: np.asarray(column[at]), one.rows)
            after = np.asarray(one.rows.observation[replays.following(one, at)])
            assert (rows.role == role).all()
            columns = [rows.observation, rows.action, rows.goal, rows.segment[:, None], after]
            found[seed, role] = list(map(tuple, np.concatenate(columns, axis=1).tolist()))
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("steps", "damaged"),
    [
        ((20, 40), (20,)),  # the oldest
        ((20, 40), (40,)),  # the newest, and with it the open row
        ((20, 40, 50), (40,)),  # in the middle
        ((20, 40, 50), (20, 40, 50)),  # everything
        ((20, 40, 50, 70), (20, 50)),
        ((20, 40, 50, 70, 90), (50,)),  # after the ring has wrapped
        ((20, 40, 50, 70, 90), (90,)),
    ],
)
def test_of_a_damaged_replay_exactly_the_whole_part_can_be_drawn(tmp_path, carries, steps, damaged):
    found = salvaged(tmp_path, carries, steps, damaged)
    all_of = transitions(carries[steps[-1]].run.replay)
    left = transitions(found.carry.run.replay)
    # Steps that a damaged segment holds: those since the checkpoint before it.
    gone = {
        number
        for step in damaged
        for number in range(max([0, *(s for s in steps if s < step)]), step)
    }
    for (seed, role), drawn in left.items():
        everything = all_of[seed, role]
        assert [one for one in everything if one in set(drawn)] == drawn  # in order, nothing else
    kept = sum(len(drawn) for drawn in left.values())
    had = sum(len(drawn) for drawn in all_of.values())
    assert (found.kept, found.lost) == (kept, had - kept)
    assert len(found.damage) == len(damaged) and "checksum" in found.damage[0]
    if steps[-1] <= 50:  # nothing has been overwritten yet: every step was one of each seed
        assert found.lost == 2 * len(gone)
    small, whole = found.carry, carries[steps[-1]]
    assert toy.leaf_bytes(small.run.learners) == toy.leaf_bytes(whole.run.learners)


def test_what_follows_or_goes_before_never_crosses_a_gap(tmp_path, carries):
    replay = salvaged(tmp_path, carries, (20, 40, 50), (40,)).carry.run.replay
    for seed in range(2):
        one = jax.tree.map(lambda x, n=seed: x[n], replay)
        role = np.asarray(one.rows.role[one.pinned :])
        (gap,) = np.flatnonzero(role == LOST)[-1:]
        assert role[gap - 1] >= 0 and role[gap + 1] >= 0
        assert bool(one.rows.end[one.pinned + gap - 1])
        # Pictures in a row end there, as at a reset.
        at = jnp.array([one.pinned + gap + 1])
        back = replays.in_a_row(one.rows.role, at, 3, one.pinned, one.capacity)
        assert [int(x[0]) for x in back] == [one.pinned + gap + 1] * 3
        # Prior data are cut there, with the frame that was the last one known.
        parts = priors.trajectories(one, CAPACITY)
        seen = [part.observations[-1] for part in parts]
        assert any(np.array_equal(x, one.rows.observation[one.pinned + gap]) for x in seen)
        acted = sum(len(part.actions) for part in parts)
        assert acted == int((one.heads - one.tails).sum())


def test_practice_goes_on_and_is_saved_whole(tmp_path, carries, driver):
    found = salvaged(tmp_path, carries, (20, 40, 50), (40, 50))
    driver.carry = found.carry
    driver.advance(50, 90)
    now = jax.tree.map(jnp.copy, driver.carry)
    drawn = transitions(now.run.replay)
    assert sum(map(len, drawn.values())) > 2 * 40
    saved = checkpoint.save(tmp_path, 90, now, checkpoint.NOTHING, DIGEST)
    restored, _ = checkpoint.load(tmp_path, 90, jax.tree.map(jnp.copy, carries[0]), DIGEST)
    assert transitions(restored.run.replay) == drawn
    assert saved.whole == (90,)
    assert checkpoint.steps(tmp_path) == [40, 50, 90]  # nothing has gone for being damaged


def test_damaged_numbers_do_not_displace_whole_ones(tmp_path, carries):
    """As where a run was begun anew beside the ruins of a longer one."""
    saved = checkpoint.NOTHING
    for step in (70, 90):
        saved = checkpoint.save(tmp_path, step, carries[step], saved, DIGEST)
        flip(tmp_path / f"{step:09d}" / "state.safetensors")
    saved = checkpoint.NOTHING
    for step in (0, 20, 40, 50):
        saved = checkpoint.save(tmp_path, step, carries[step], saved, DIGEST)
        fresh = jax.tree.map(jnp.copy, carries[0])
        restored, _ = checkpoint.load(tmp_path, step, fresh, DIGEST)
        assert toy.leaf_bytes(restored) == toy.leaf_bytes(carries[step])
    assert checkpoint.steps(tmp_path) == [40, 50, 70, 90]


def test_labels_of_people_move_with_their_rows():
    """Rows 3 to 6 of 10 are lost: 0, 1, 2 become 4, 5, 6, and 2 is the frame before the gap."""
    asked = SimpleNamespace(
        begins=np.array([[UNKNOWN, 0, 2, 4, 8]]),
        stuck=np.array([[UNKNOWN, 1, FREE, 6, UNKNOWN]]),
        now=np.array([9]),
    )
    salvage._renumber(asked, 0, np.array([0, 1, 2, 7, 8, 9, 10]), 4)
    assert asked.begins.tolist() == [[UNKNOWN, 4, 6, 7, 8]]
    assert asked.stuck.tolist() == [[UNKNOWN, 5, FREE, 7, UNKNOWN]]
    assert asked.now.tolist() == [9]


# Through a whole run.


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run of 60 steps with three checkpoints, of which two are kept."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(registry.TASKS, "toy", toy.point)
        return practised(tmp_path_factory.mktemp("made") / "run")


@pytest.fixture
def run(made, tmp_path, monkeypatch):
    """A folder of its own that holds that run."""
    monkeypatch.setitem(registry.TASKS, "toy", toy.point)
    shutil.copytree(made.folder, tmp_path / "run")
    return SimpleNamespace(folder=tmp_path / "run", actors=made._training.actors)


def practised(folder, observer=lambda _: None, **changed):
    settings = toy.tiny(fbrl.PRESETS["default"])
    seeds = changed.pop("seeds", 1)
    told = ("fbrl", "toy", "default", 0, seeds, 60, 20, 0, 20, "fused", settings)
    configuration = RunConfig(*told, **changed)
    folder.mkdir()
    training = Training(folder, configuration, toy.demonstrations())
    write_json(folder / "config.json", configuration.dictionary())
    store.save(folder / "demonstrations.safetensors", toy.demonstrations())
    training.practise(observer)
    return api.Run(training)


def contents(folder):
    files = [file for file in folder.rglob("*") if file.is_file() and file.name != ".lock"]
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


def command(capsys, *words):
    code = cli.main(list(map(str, words)))
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return code, out, err


@pytest.mark.slow
def test_one_flipped_bit_in_the_oldest_segment(run, capsys):
    folder, policy = run.folder, toy.leaf_bytes(run.actors)
    flip(folder / "checkpoints" / "replay" / "000000020.safetensors")
    before = contents(folder)
    code, _, err = command(capsys, "resume", folder, "--no-report")
    last = err.splitlines()[-1]
    assert code == 1
    for word in ("000000020.safetensors", "40 of its 60 transitions", "step 60", "--restart"):
        assert word in last
    assert contents(folder) == before  # nothing is cut, pruned or begun
    # What needs the policy alone works, and says so.
    code, _, err = command(capsys, "export", folder, folder.parent / "policy.safetensors")
    assert code == 0 and "40 of its 60 transitions" in err
    code, _, err = command(capsys, "life", "qwale", "toy", "--prior", folder)
    assert code == 1 and "--without-replay" in err
    # And so does the run, with what is left.
    code, out, err = command(
        capsys, "resume", folder, "--without-replay", "--steps", "80", "--no-report"
    )
    assert code == 0 and "80 steps" in out and "40 of its 60 transitions" in err
    whole = api.load(folder)
    assert whole.env_steps == 80 and whole.notes == []
    assert checkpoint.steps(folder / "checkpoints") == [40, 60, 80]
    assert toy.leaf_bytes(whole._training.actors) != policy
    assert [row["env_steps"] for row in read_log(folder / "eval.csv").rows] == [
        "20",
        "40",
        "60",
        "80",
    ]


def damage_states(folder):
    for step in (40, 60):
        flip(folder / "checkpoints" / f"{step:09d}" / "state.safetensors")


@pytest.mark.slow
def test_where_no_state_is_whole_nothing_acts_and_nothing_is_begun_anew(run, capsys):
    folder = run.folder
    damage_states(folder)
    before = contents(folder)
    for words in (
        ("resume", folder),
        ("resume", folder, "--without-replay"),
        ("export", folder, folder.parent / "policy.safetensors"),
        ("eval", folder),
        ("life", "qwale", "toy", "--prior", folder),
    ):
        code, out, err = command(capsys, *words)
        assert (code, out) == (1, ""), words
        assert len(err.splitlines()) == 1 and "no checkpoint is whole" in err, words
    assert contents(folder) == before
    assert not (folder.parent / "policy.safetensors").exists()
    code, out, err = command(capsys, "report", folder)  # of the logs, with no film of a novice
    assert code == 0 and "no checkpoint is whole" in err
    assert not (folder / "videos").exists()


@pytest.mark.slow
def test_restart_keeps_what_was_there(run, capsys):
    folder = run.folder
    policy = toy.leaf_bytes(run.actors)
    damage_states(folder)
    before = contents(folder)
    code, out, _ = command(capsys, "resume", folder, "--restart", "--no-report")
    assert code == 0 and "60 steps" in out
    assert toy.leaf_bytes(api.load(folder)._training.actors) == policy  # the same seed
    aside = contents(folder / "before-restart")
    assert {name: before[name] for name in aside} == aside
    assert {"metrics.csv", "eval.csv", "summary.json", "config.json"} <= aside.keys()
    assert "checkpoints/000000060/state.safetensors" in aside
    api.load(folder).resume(restart=True)
    assert (folder / "before-restart-2" / "checkpoints").is_dir()
    code, _, err = command(capsys, "resume", folder, "--restart", "--without-replay")
    assert code == 2 and "one of them" in err


def test_checkpoints_that_are_gone_are_not_begun_anew(run, capsys):
    folder = run.folder
    (folder / "checkpoints").rename(folder.parent / "elsewhere")
    before = contents(folder)
    code, _, err = command(capsys, "resume", folder)
    assert code == 1 and "tells of step 60" in err and len(err.splitlines()) == 1
    assert contents(folder) == before


def test_nor_where_the_logs_alone_tell_of_them(run, capsys):
    folder = run.folder
    for name in ("checkpoints", "summary.json"):
        os.rename(folder / name, folder.parent / name)
    before = contents(folder)
    code, _, err = command(capsys, "resume", folder)
    assert code == 1 and "its metrics.csv tells of step 60" in err and len(err.splitlines()) == 1
    assert contents(folder) == before


@pytest.mark.slow
def test_restarting_may_be_given_fewer_steps_and_leaves_links_behind(run, capsys):
    folder = run.folder
    theirs = folder.parent / "theirs"
    (folder / "checkpoints").rename(theirs)
    (folder / "checkpoints").symlink_to(theirs)
    before = contents(theirs)
    code, _, err = command(capsys, "resume", folder, "--restart", "--steps", "20", "--no-report")
    assert code == 0, err
    assert api.load(folder).env_steps == 20
    assert not (folder / "checkpoints").is_symlink() and contents(theirs) == before


def in_the_way(folder, name, kind):
    """Put something else in the place of a file or a folder of a run."""
    place = folder / name
    shutil.rmtree(place) if place.is_dir() else place.unlink()
    if kind == "folder":
        place.mkdir()
        (place / "theirs").write_text("theirs")
    elif kind == "pipe":
        os.mkfifo(place)
    elif kind == "endless":
        place.symlink_to("/dev/zero")
    else:
        place.write_text("theirs")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("000000040", "file"),
        ("000000040/state.safetensors", "folder"),
        ("000000040/manifest.json", "folder"),
        ("000000040/state.safetensors", "pipe"),
        ("replay/000000040.safetensors", "endless"),
        ("replay", "file"),
    ],
)
def test_what_is_in_the_way_of_a_checkpoint_is_set_aside(tmp_path, carries, name, kind):
    for step in (20, 40):
        saved = checkpoint.save(tmp_path, step, carries[step], checkpoint.NOTHING, DIGEST)
    in_the_way(tmp_path, name, kind)
    fresh = jax.tree.map(jnp.copy, carries[0])
    with pytest.raises(checkpoint.Damaged):
        checkpoint.load(tmp_path, 40, fresh, DIGEST)
    saved = checkpoint.save(tmp_path, 40, carries[40], checkpoint.NOTHING, DIGEST)
    assert saved.whole == (40,)
    restored, _ = checkpoint.load(tmp_path, 40, jax.tree.map(jnp.copy, carries[0]), DIGEST)
    assert toy.leaf_bytes(restored) == toy.leaf_bytes(carries[40])
    kept = [file.read_text() for file in tmp_path.rglob("*") if file.name == "theirs"]
    kept += [file.read_text() for file in tmp_path.rglob("*.damaged") if file.is_file()]
    assert kept == (["theirs"] if kind in ("file", "folder") else [])


def test_so_it_is_everywhere_in_a_run(run):
    folder = run.folder
    in_the_way(folder, "summary.json", "folder")
    in_the_way(folder, "eval.csv", "pipe")
    in_the_way(folder, "visits.csv", "endless")
    in_the_way(folder, "checkpoints/000000060/state.safetensors", "folder")
    loaded = api.load(folder)
    assert [note.split(":")[0] for note in loaded.notes[1:]] == ["eval.csv", "visits.csv"]
    assert loaded.env_steps == 40
    loaded.resume()
    assert read_summary(folder)["env_steps"] == 60
    assert (folder / "summary.json.damaged" / "theirs").exists()
    assert checkpoint.steps(folder / "checkpoints")[-1] == 60


@pytest.mark.slow
def test_a_run_that_has_no_checkpoint_yet_begins_and_has_no_policy(run, capsys):
    folder = run.folder
    for name in ("checkpoints", "summary.json"):
        os.rename(folder / name, folder.parent / name)
    drop_rows_after(folder, 20)  # as where it was killed before its first checkpoint
    code, _, err = command(capsys, "export", folder, folder.parent / "policy.safetensors")
    assert code == 1 and "no checkpoint yet" in err
    assert not (folder.parent / "policy.safetensors").exists()
    code, _, err = command(capsys, "resume", folder, "--no-report")
    assert code == 0 and "starting from the first step" in err


@pytest.mark.slow
def test_a_life_does_not_go_on_without_what_says_when_it_succeeded(tmp_path, monkeypatch):
    monkeypatch.setitem(registry.TASKS, "toy", toy.point)
    folder = practised(tmp_path / "run", evaluation="life").folder
    for segment in (folder / "checkpoints" / "replay").iterdir():
        flip(segment)
    for told in ({}, {"without_replay": True}):
        with pytest.raises(Failure, match="a life cannot go on without"):
            api.load(folder, **told).resume()


def test_new_budgets_are_checked_before_a_run_is_loaded(run, capsys, monkeypatch):
    monkeypatch.setattr(api, "load", lambda *_, **__: pytest.fail("loaded"))
    code, _, err = command(capsys, "resume", run.folder, "--steps", "50")
    assert code == 2 and "steps=50 is behind the run's 60 steps" in err
    code, _, err = command(capsys, "resume", run.folder.parent)
    assert code == 2 and "not a run folder" in err
    with pytest.raises(UnresetError, match="behind the run's 60"):
        starting.check_steps(run.folder, 59)
