"""Files of others: none grows beyond its size, and what is wrong with one is one line."""

import io
import json
import os
import zipfile

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file

from unreset import reading
from unreset.bench import manifest
from unreset.demos import formats
from unreset.deploy.policy import Policy
from unreset.errors import UnresetError
from unreset.report import sections
from unreset.report.record import read_record
from unreset.tasks.tabletop.tabletop_expert import tabletop_demonstrations
from unreset.tasks.tabletop.tabletop_task import tabletop

TASK = tabletop()


def shown():
    return tabletop_demonstrations(per_goal=1, seed=0)[:1]


def archive(path, rows):
    """A flat archive of zeros, which take next to nothing in it."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        for name, width in (("observations", 12), ("next_observations", 12), ("actions", 3)):
            head = io.BytesIO()
            form = {"descr": "<f4", "fortran_order": False, "shape": (rows, width)}
            np.lib.format.write_array_header_1_0(head, form)
            with file.open(f"{name}.npy", "w", force_zip64=True) as member:
                member.write(head.getvalue())
                for _ in range(rows // 2**16):
                    member.write(bytes(4 * width * 2**16))
        file.writestr("terminals.npy", b"")


def test_an_archive_does_not_unpack_to_far_more_than_its_size(tmp_path, monkeypatch):
    path = tmp_path / "bomb.npz"
    archive(path, 40 * 2**16)  # 270 MiB
    assert path.stat().st_size < 2**21
    with pytest.raises(UnresetError) as refusal:
        formats.read(path, TASK, 0)
    said = str(refusal.value)
    assert said.startswith(f"{path}: it cannot be read as a NumPy archive: it has 0.00")
    assert "would unpack to 0.264 GiB, more than 0.25 GiB" in said
    assert f"set {reading.UNPACKED}=1 in the environment" in said and "\n" not in said
    monkeypatch.setenv(reading.UNPACKED, "1")
    with pytest.raises(UnresetError, match="EOF"):  # the next thing that is wrong with it
        formats.read(path, TASK, 0)


def test_large_files_that_are_as_large_as_they_say_are_read(tmp_path, monkeypatch):
    """The limit follows the file's size: here as if any file could unpack to 1 kB alone."""
    monkeypatch.setattr(reading, "_ANY_FILE", 1000)
    formats.write(shown(), TASK, tmp_path / "d.npz")
    assert len(formats.read(tmp_path / "d.npz", TASK)) == 1
    monkeypatch.setattr(reading, "available_memory", lambda: 0.001)
    with pytest.raises(UnresetError, match=r"and 9\.77e-07 GiB of memory are free"):
        formats.read(tmp_path / "d.npz", TASK)


@pytest.mark.parametrize("shape", [(10**12, 3), (-1, 3), (2, 3)])
def test_an_array_is_as_large_as_its_header_says(tmp_path, shape):
    head = io.BytesIO()
    form = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(head, form)
    with zipfile.ZipFile(tmp_path / "d.npz", "w") as file:
        file.writestr("actions.npy", head.getvalue() + bytes(12))
    with pytest.raises(UnresetError, match=r"actions\.npy says that it has -?\d+ bytes"):
        formats.read(tmp_path / "d.npz", TASK, 0)


def test_an_archive_holds_an_array_once(tmp_path):
    with zipfile.ZipFile(tmp_path / "d.npz", "w") as file:
        file.writestr("actions.npy", b"")
        with pytest.warns(UserWarning, match="Duplicate name"):
            file.writestr("actions.npy", b"")
    with pytest.raises(UnresetError, match="two arrays of one name"):
        formats.read(tmp_path / "d.npz", TASK, 0)


def bomb(file, h5py):
    file["episode_0"].create_dataset("more", (2**34, 3), "f4", chunks=(1, 3), compression="gzip")


def elsewhere(file, h5py):
    file["episode_0"]["infos"]["x"] = h5py.ExternalLink("/etc/passwd", "/")


def raw(file, h5py):
    file["episode_0"].create_dataset("x", (9,), "u1", external=[("/etc/passwd", 0, 9)])


def itself(file, h5py):
    file["episode_0"]["x"] = file["episode_0"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (bomb, "would unpack to 192 GiB"),
        (elsewhere, "'x' in it leads somewhere else"),
        (raw, "'x' in it is kept in another file"),
        (itself, "'x' is in it twice"),
        (lambda file, h5py: file.pop("episode_0"), "says that it has 1 episodes and has 0"),
    ],
)
def test_a_dataset_neither_grows_nor_leads_elsewhere(tmp_path, monkeypatch, change, message):
    pytest.importorskip("minari")
    h5py = pytest.importorskip("h5py")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    place = formats.write(shown(), TASK, "mine-v0", "minari")
    with h5py.File(place / "data" / "main_data.hdf5", "r+") as file:
        change(file, h5py)
    with pytest.raises(UnresetError, match=message) as refusal:
        formats.read(place, TASK)
    assert str(refusal.value).startswith(f"{place}: it cannot be read as a Minari dataset: ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1, "a": 2}', "it says 'a' twice"),
        ("[" * 100_000, "RecursionError: maximum recursion depth"),
        ('{"a": ' + "[" * 60 + "]" * 60 + "}", "more than 50 levels deep"),
        ("[]", "it holds no JSON object"),
        ('{"a": ' + "9" * 5000 + "}", "4300 digits"),
        ('{"a": \x00}', "Expecting value"),
        ("\ud800", "UnicodeDecodeError: 'utf-8'"),
    ],
)
def test_json_is_one_object_of_few_levels(tmp_path, text, message):
    path = tmp_path / "a.json"
    path.write_bytes(text.encode(errors="surrogatepass"))
    with pytest.raises(UnresetError, match=message) as refusal:
        reading.read_json(path)
    assert str(refusal.value).startswith(f"{path} cannot be read: ")
    assert str(refusal.value).isprintable()


def test_json_is_no_longer_than_anything_written_here(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "_MOST_JSON", 10)
    (tmp_path / "a.json").write_text('{"a": "bcdefg"}')
    with pytest.raises(UnresetError, match="it is longer than"):
        reading.read_json(tmp_path / "a.json")


def test_what_is_no_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.npz")
    (tmp_path / "zero.safetensors").symlink_to("/dev/zero")
    for name in ("pipe.npz", "zero.safetensors"):
        with pytest.raises(UnresetError, match=f"{name}: it cannot be read: it is no ordinary"):
            formats.read(tmp_path / name, TASK)
        with pytest.raises(UnresetError, match=r"is not a policy file .*: it is no ordinary file"):
            Policy.load(tmp_path / name)


def test_mistakes_of_the_program_are_not_blamed_on_a_file(tmp_path):
    with pytest.raises(NameError), reading.reading(tmp_path, "wrong"):
        raise NameError
    with pytest.raises(UnresetError, match=r"^other$"), reading.reading(tmp_path, "wrong"):
        raise UnresetError("other")
    said = r"^wrong: KeyError: 'a'$"
    with pytest.raises(UnresetError, match=said), reading.reading(tmp_path, "wrong"):
        raise KeyError("a")


def test_a_complaint_says_nothing_to_the_terminal(tmp_path):
    said = r"^wrong: one \[2J two x{1,600} \.\.\.$"
    with pytest.raises(UnresetError, match=said), reading.reading(tmp_path, "wrong"):
        raise ValueError("one\x1b[2J\ntwo " + "x" * 10_000)


def policy(**changes):
    """A policy of one layer, as exported, with changes of its metadata or its weights."""
    metadata = {"method": "fbrl", "task": "toy", "seed": 0, "env_steps": 9}
    metadata |= {"observation_size": 2, "goal_size": 1, "action_size": 1}
    metadata |= {"octaves": 0, "told_roles": 0}
    weights = {
        "MLP_0/Dense_0/kernel": np.ones((3, 2), np.float32),
        "MLP_0/Dense_0/bias": np.zeros(2, np.float32),
    }
    for name, value in changes.items():
        kind = metadata if name in metadata or name == "sight" else weights
        kind[name.replace("kernel", "MLP_0/Dense_0/kernel") if kind is weights else name] = value
    return metadata, weights


def load_policy(folder, **changes):
    metadata, weights = policy(**changes)
    told = {"unreset_policy": json.dumps(metadata)}
    save_file(weights, folder / "p.safetensors", told)
    return Policy.load(folder / "p.safetensors")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"octaves": 2**40}, "octaves is 1099511627776, not a whole number 0 to 64"),
        ({"goal_size": 1.0}, "goal_size is 1.0, not a whole number"),
        ({"action_size": True}, "action_size is True, not a whole number"),
        ({"action_size": 3}, "an action of it is .*, not 3 finite numbers"),
        ({"observation_size": 3}, "mismatch"),
        ({"task": []}, r"task is \[\], not a name"),
        ({"task": "toy\n\x1b[2J"}, r"task is 'toy\\n\\x1b\[2J', not a name"),
        ({"sight": 7}, "its sight is no object"),
        ({"kernel": np.full((3, 2), np.nan, np.float32)}, "'MLP_0/Dense_0/kernel' does not hold"),
        ({"kernel": np.full((2, 2), 1, np.float32)}, "mismatch"),
        ({"kernel": np.full((3, 2), 1e38, np.float64)}, None),
    ],
)
def test_a_policy_that_could_not_act_is_not_loaded(tmp_path, changes, message):
    if message is None:
        assert load_policy(tmp_path, **changes)(np.zeros(2), np.zeros(1)).shape == (1,)
        return
    with pytest.raises(UnresetError, match=message) as refusal:
        load_policy(tmp_path, **changes)
    assert "p.safetensors is not a policy file" in str(refusal.value)


def test_a_video_is_not_drawn_that_unpacks_to_far_more_than_its_size(tmp_path, monkeypatch):
    folder = tmp_path / "run"
    (folder / "videos").mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    frames = [Image.new("RGB", (40, 40), (60 * n, 0, 0)) for n in range(4)]
    for name, kind in (("a.gif", "GIF"), ("b.gif", "GIF"), ("c.gif", "TIFF")):
        frames[0].save(folder / "videos" / name, kind, save_all=True, append_images=frames[1:])
    listed = [{"file": f"{name}.gif", "caption": name} for name in "abc"]
    (folder / "videos" / "videos.json").write_text(json.dumps(listed))
    monkeypatch.setattr(sections, "_MOST_PIXELS", 5 * 40 * 40)  # of all of them
    page = sections.videos(read_record(folder))
    assert page.count("data:image/gif") == 1
    assert "b.gif is listed in videos.json but cannot be read" in page
    assert "c.gif is listed in videos.json but cannot be read" in page  # that is no GIF


def test_seeds_that_are_none_are_not_counted(tmp_path):
    cell = {"label": "a", "method": "fbrl", "task": "tabletop", "flags": []}
    entry = {"cell": cell, "steps": 9, "seeds": [0], "preset": "default", "eval_every": None}
    told = {"suite": "s", "summary": "", "threshold": 0.9, "entries": [entry], "commands": []}
    told |= {"version": "1", "machine": "m"}
    (tmp_path / "bench.json").write_text(json.dumps(told))
    assert manifest.read(tmp_path).entries[0].seeds == (0,)
    for wrong, message in [([], "one of its entries has no seeds"), (["a"], "should be int")]:
        entry["seeds"] = wrong
        (tmp_path / "bench.json").write_text(json.dumps(told))
        with pytest.raises(UnresetError, match=rf"bench\.json cannot be read: .*{message}"):
            manifest.read(tmp_path)
    (tmp_path / "config.json").write_text('{"seed": 7}')
    (tmp_path / "summary.json").write_text('{"seeds": ["a", 3, 3]}')
    assert read_record(tmp_path).seeds == [3]
    (tmp_path / "summary.json").write_text('{"seeds": ["a"]}')
    assert read_record(tmp_path).seeds == [7]


@pytest.mark.parametrize(
    ("table", "kept"),
    [
        ("seed,env_steps,role\n0,1,a\n", True),
        ("seed,env_steps,role\n" + "".join(f"0,{n},{n}\n" for n in range(17)), False),
        ("seed,env_steps,role\n" + "".join(f"{n},1,a\n" for n in range(257)), False),
        ("seed,env_steps,role\n0,1," + "a" * 201 + "\n", False),
        (f"seed,env_steps,{','.join(map(str, range(199)))}\n0,1{',1' * 199}\n", False),
    ],
)
def test_what_no_run_can_have_is_not_drawn(tmp_path, table, kept):
    """Roles, seeds, words and columns: the time that a page takes grows with their product."""
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "phases.csv").write_text(table)
    record = read_record(tmp_path)
    assert (len(record.phases) > 0) == kept
    assert ("phases.csv" in record.missing) == (not kept)
