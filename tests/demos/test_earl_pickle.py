"""Pickles of plain arrays are read; anything else in one is refused, and nothing of it runs."""

import os
import pickle
import pickletools
import time

import numpy as np
import pytest
from same import assert_same

from unreset.demos import earl_pickle, formats, store
from unreset.errors import UnresetError


def columns(trajectories):
    """The columns of the benchmark's released files, with their shapes and types."""
    frames = [
        np.hstack([o.observations, np.tile(o.goal, (len(o.observations), 1))]) for o in trajectories
    ]
    ends = np.concatenate([np.arange(len(o.actions)) == len(o.actions) - 1 for o in trajectories])
    return {
        "observations": np.concatenate([rows[:-1] for rows in frames]),
        "actions": np.concatenate([one.actions for one in trajectories]),
        "rewards": ends[:, None].astype(np.float32),
        "terminals": ends[:, None],
        "next_observations": np.concatenate([rows[1:] for rows in frames]),
        "infos": np.zeros(0),
    }


def old_pickle(value):
    """As an older NumPy wrote it, which called its inner package numpy.core."""
    return pickle.dumps(value, protocol=3).replace(b"numpy._core", b"numpy.core")


@pytest.fixture
def folder(demonstrations, tmp_path):
    """The released folder, of our own demonstrations."""
    for name, way in (("forward", store.FORWARD), ("reverse", store.BACKWARD)):
        (tmp_path / name).mkdir()
        chosen = [one for one in demonstrations if one.direction == way]
        (tmp_path / name / "demo_data.pkl").write_bytes(old_pickle(columns(chosen)))
    return tmp_path


def test_the_released_folder_gives_its_episodes(folder, task, demonstrations):
    assert_same(formats.read(folder, task), demonstrations)


def test_a_single_file_goes_by_its_folder_or_the_given_direction(
    folder, task, demonstrations, tmp_path
):
    back = folder / "reverse" / "demo_data.pkl"
    assert_same(formats.read(back, task), demonstrations[4:])
    elsewhere = tmp_path / "some.pkl"
    elsewhere.write_bytes(back.read_bytes())
    assert_same(formats.read(elsewhere, task, store.BACKWARD), demonstrations[4:])
    with pytest.raises(UnresetError, match=r"some\.pkl does not say which way .*--direction"):
        formats.read(elsewhere, task)
    with pytest.raises(UnresetError, match="folders say the direction"):
        formats.read(folder, task, store.FORWARD)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.float32).reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(6, dtype=">i2").reshape(3, 2),
        np.array([[True], [False]]),
        np.zeros((0, 4)),
        np.arange(256, dtype=np.uint8),
        np.arange(24.0).reshape(2, 3, 4).transpose(1, 0, 2),
        np.arange(6.0)[::-2],
        np.array(3),
        np.array([2**63, 1], np.uint64),
    ],
    ids=[
        "float32",
        "columns first",
        "big-endian",
        "bool",
        "empty",
        "every byte",
        "other order",
        "backward",
        "no dimension",
        "unsigned",
    ],
)
def test_arrays_come_back_as_they_were(array, protocol):
    found = earl_pickle.read_columns(pickle.dumps({"a": array}, protocol=protocol))["a"]
    np.testing.assert_array_equal(found, array)
    assert found.shape == array.shape
    assert found.dtype == array.dtype.newbyteorder("=")


@pytest.mark.parametrize("protocol", range(6))
def test_every_protocol_gives_the_episodes(protocol, demonstrations, task, tmp_path):
    path = tmp_path / "demo.pkl"
    path.write_bytes(pickle.dumps(columns(demonstrations[:4]), protocol=protocol))
    assert_same(formats.read(path, task, store.FORWARD), demonstrations[:4])


def test_arrays_of_python_2_are_read():
    content = b"T\x08\x00\x00\x00" + np.array([1.5, -2], "<f4").tobytes()
    data = (
        b"\x80\x02}U\x01acnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K\x02\x85cnumpy\ndtype\nU\x02f4K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff"
        b"\xff\xff\xffK\x00tb\x89" + content + b"tbs."
    )
    assert pickle.loads(data, encoding="latin1")["a"].tolist() == [1.5, -2]
    assert earl_pickle.read_columns(data)["a"].tolist() == [1.5, -2]


def test_one_array_under_two_names_is_read():
    ends = np.array([False, True])
    found = earl_pickle.read_columns(pickle.dumps({"terminals": ends, "timeouts": ends}))
    assert found["terminals"].tolist() == found["timeouts"].tolist() == [False, True]


def test_the_real_files_names_are_those_allowed(demonstrations):
    names = {
        argument
        for opcode, argument, _ in pickletools.genops(old_pickle(columns(demonstrations)))
        if opcode.name == "GLOBAL"
    }
    assert names == {"numpy.core.multiarray _reconstruct", "numpy ndarray", "numpy dtype"}


class Call:
    """Pickles as a call of a function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("wrap", [lambda evil: evil, lambda evil: {"observations": evil}])
def test_a_call_is_refused_and_does_not_run(tmp_path, protocol, wrap):
    mark = tmp_path / "ran"
    data = pickle.dumps(wrap(Call(os.system, f"touch {mark}")), protocol=protocol)
    with pytest.raises(UnresetError, match=r"the name '(posix|os)\.system'|the operation"):
        earl_pickle.read_columns(data)
    assert not mark.exists()


def test_a_malicious_file_is_refused_by_name(tmp_path, task):
    mark = tmp_path / "ran"
    path = tmp_path / "forward" / "demo_data.pkl"
    path.parent.mkdir()
    path.write_bytes(pickle.dumps({"infos": Call(os.system, f"touch {mark}")}))
    with pytest.raises(UnresetError, match=r"demo_data\.pkl: it holds the name '\w+\.system'"):
        formats.read(path, task)
    assert not mark.exists()


@pytest.mark.parametrize("function", [eval, exec, getattr, __import__, np.load, bytearray])
def test_other_names_are_refused(function):
    with pytest.raises(UnresetError, match=r"it holds the name .*plain arrays"):
        earl_pickle.read_columns(pickle.dumps({"a": Call(function, "1")}, protocol=3))


def raw(*parts):
    return b"\x80\x03" + b"".join(parts) + b"."


NDARRAY, RECONSTRUCT = b"cnumpy\nndarray\n", b"cnumpy.core.multiarray\n_reconstruct\n"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (raw(NDARRAY, b"K\x03\x85R"), r"a call of numpy\.ndarray"),
        (raw(NDARRAY, b"K\x03\x85\x81"), "the operation NEWOBJ"),
        (raw(NDARRAY, b"N}X\x01\x00\x00\x00aK\x01s\x86b"), r"a changed numpy\.ndarray"),
        (raw(RECONSTRUCT, b"}X\x01\x00\x00\x00aK\x01sb"), r"a changed numpy\.core"),
        (raw(b"cnumpy\ndtype\nX\x01\x00\x00\x00O\x85R"), "type 'O', which is not one of numbers"),
        (raw(b"cnumpy\ndtype\nX\x03\x00\x00\x00V99\x85R"), "type 'V99'"),
        (raw(b"}X\x01\x00\x00\x00a", RECONSTRUCT, b")Rs"), "an array without contents"),
        (raw(b"Pelsewhere\n"), "the operation PERSID"),
        (raw(b"X\x01\x00\x00\x00aQ"), "the operation BINPERSID"),
        (raw(b"cnumpy.core.multiarray\nscalar\n"), r"the name 'numpy\.core\.multiarray\.scalar'"),
        (raw(b"cos\nsystem\n"), r"the name 'os\.system'"),
        (raw(b"\x8c\x02os\x8c\x06system\x93"), r"the name 'os\.system'"),
        (raw(b"(cos\nsystem\nX\x01\x00\x00\x00ao"), "the operation OBJ"),
        (raw(b"(X\x01\x00\x00\x00aios\nsystem\n"), "the operation INST"),
        (raw(b"cos\x1b[2J\nsystem\n"), r"the name 'os\\x1b\[2J\.system'"),
        (raw(b"}r\xff\xff\xff\x7f"), "a reference numbered 2147483647"),
        (raw(b"\x82\x01"), "the operation EXT1"),
    ],
)
def test_crafted_pickles_are_refused(data, message):
    with pytest.raises(UnresetError, match=message):
        earl_pickle.read_columns(data)


def nested(depth):
    """Tuples of the one before, twice, by reference: a value of 2 ** depth parts."""
    return b")q\x00" + b"h\x00\x86q\x00" * depth


CONTENT = b"B\x00\x00\x01\x00" + bytes(1 << 16) + b"q\x01"  # 64 KiB that can be referred to
DTYPE = b"cnumpy\ndtype\nX\x02\x00\x00\x00u1K\x00K\x01\x87Rq\x02"
FROM_BUFFER = b"cnumpy.core.numeric\n_frombuffer\nq\x03"
SAME = b"h\x03(h\x01h\x02J\x00\x00\x01\x00\x85X\x01\x00\x00\x00CtR"  # an array of that content


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (raw(b"}", nested(60), b"K\x01s"), "a key of type tuple where a name"),
        (raw(b"}X\x01\x00\x00\x00a", nested(60), b"s"), "'a' of type tuple"),
        (raw(nested(60)), "a single tuple"),
        (raw(b"}X\x01\x00\x00\x00aX\x02\x00\x00\x00i4", nested(60), b"bs"), "a changed str"),
        (raw(DTYPE, nested(60), b"\x85b"), "cannot be read as a pickle"),
        (raw(b"cnumpy\ndtype\n", nested(60), b"\x85R"), "an array of type tuple"),
        (raw(b"c_codecs\nencode\n", nested(60), b"\x85R"), r"a call of _codecs\.encode"),
        (raw(nested(60), b")R"), "a call of a tuple"),
        (raw(b"}", nested(60), b"N\x86e"), "cannot be read as a pickle"),
        (raw(b"(" * 200_000), "more than 100,000 operations"),
        (raw(b"N" + b"\x85" * 90_000), "a single tuple"),
        (
            raw(
                CONTENT,
                DTYPE,
                FROM_BUFFER,
                b"}(",
                *(b"X\x02\x00\x00\x00%02d" % n + SAME for n in range(90)),
                b"u",
            ),
            "the same contents again and again",
        ),
        (
            raw(
                b"(X\x00\x00\x01\x00",
                b"a" * (1 << 16),
                b"q\x00X\x06\x00\x00\x00latin1q\x01c_codecs\nencode\nq\x02",
                b"h\x02h\x00h\x01\x86R" * 90,
                b"t",
            ),
            "the same text again and again",
        ),
        (b"(dp0\nI" + b"9" * 4000 + b"\nN" + b"s.", "of type int where a name should be"),
    ],
)
def test_what_would_take_for_ever_is_refused_at_once(data, message):
    begun = time.process_time()
    with pytest.raises(UnresetError, match=message) as refused:
        earl_pickle.read_columns(data)
    assert time.process_time() - begun < 2
    assert len(str(refused.value)) < 400


def test_a_folder_says_which_of_its_files_is_wrong(folder, task):
    (folder / "reverse" / "demo_data.pkl").write_bytes(b"(lp0\n.")
    with pytest.raises(UnresetError, match=r": reverse/demo_data\.pkl: it holds a single list"):
        formats.read(folder, task)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([1, 2], "it holds a single list"),
        (np.zeros(3), "it holds a single array"),
        ({"a": [1]}, "'a' of type list"),
        ({3: np.zeros(1)}, "3 of type"),
        ({"a": np.array([{}, None], object)}, "type 'O8'"),
        ({"a": np.array(["text"])}, "type 'U4'"),
        ({"a": np.zeros(2, [("x", "f4")])}, "type 'V4'"),
        ({"a": np.zeros(2, complex)}, "type 'c16'"),
        ({"a": np.float32(1.0)}, "scalar"),
    ],
)
def test_anything_but_a_dictionary_of_numbers_is_refused(value, message):
    with pytest.raises(UnresetError, match=message):
        earl_pickle.read_columns(pickle.dumps(value, protocol=3))


def test_contents_that_do_not_fill_the_shape_are_refused():
    data = pickle.dumps({"a": np.zeros((2, 2))}, protocol=3)
    shape = b"K\x02K\x02\x86"
    assert data.count(shape) == 1
    with pytest.raises(UnresetError, match="cannot be read as a pickle: 'cannot reshape"):
        earl_pickle.read_columns(data.replace(shape, b"K\x02K\x63\x86"))


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_truncated_files_are_refused(demonstrations, share):
    data = old_pickle(columns(demonstrations))
    with pytest.raises(UnresetError, match="cannot be read as a pickle"):
        earl_pickle.read_columns(data[: int(share * len(data))])


def without(name):
    return lambda made: made.pop(name)


def spoil(name, place, value):
    def change(made):
        made[name] = made[name].copy()
        made[name][place] = value

    return change


def replace(name, function):
    return lambda made: made.update({name: function(made[name])})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without("next_observations"), "there is no next_observations"),
        (without("terminals"), "there is no terminals"),
        (spoil("observations", (5, 1), np.nan), "observations contain NaN"),
        (spoil("actions", (5, 1), np.inf), "actions contain NaN or inf"),
        (spoil("actions", (5, 1), 1.001), r"outside \[-1, 1\]"),
        (spoil("observations", (5, 8), 1.0), "demonstration 0: the goal changes"),
        (spoil("terminals", -1, False), "steps have no end"),
        (spoil("terminals", 5, True), None),
        (replace("observations", lambda a: a[:, :7]), r"shape \(\d+, 7\).*\(steps, 12\)"),
        (replace("actions", lambda a: a[:, :2]), r"actions have shape .*\(steps, 3\)"),
        (replace("actions", lambda a: a[:-1]), "of one length"),
        (replace("rewards", lambda a: np.hstack([a, a])), r"rewards have shape"),
    ],
)
def test_columns_that_do_not_fit_are_refused(demonstrations, task, tmp_path, change, message):
    made = columns(demonstrations[:4])
    change(made)
    path = tmp_path / "demo.pkl"
    path.write_bytes(old_pickle(made))
    if message is None:  # an end more is an episode more
        assert len(formats.read(path, task, store.FORWARD)) == 5
        return
    with pytest.raises(UnresetError, match=message):
        formats.read(path, task, store.FORWARD)


def test_a_missing_end_shows_as_a_jump(demonstrations, task, tmp_path):
    made = columns(demonstrations[:4])
    first_end = len(demonstrations[0].actions) - 1
    made["terminals"][first_end] = False
    path = tmp_path / "demo.pkl"
    path.write_bytes(old_pickle(made))
    with pytest.raises(
        UnresetError, match=f"demonstration 0: (step {first_end + 1} does|the goal)"
    ):
        formats.read(path, task, store.FORWARD)


def test_another_tasks_demonstrations_are_refused(demonstrations, task, tmp_path):
    moved = [one._replace(observations=one.observations - 0.5) for one in demonstrations[:4]]
    path = tmp_path / "demo.pkl"
    path.write_bytes(old_pickle(columns(moved)))
    with pytest.raises(UnresetError, match="not one of its 4 demonstrations ends with a success"):
        formats.read(path, task, store.FORWARD)
