"""What config.json holds comes back as it was; what would not is refused by its field's name."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from unreset import registry
from unreset.errors import UnresetError
from unreset.runs import stored


@dataclass(frozen=True)
class Part:
    scale: float = 1.0
    form: Literal["log", "linear"] = "log"
    hidden: tuple[int, ...] = (8,)


@dataclass(frozen=True)
class Whole:
    share: float | None = None
    name: str = ""
    flag: bool = False
    pairs: tuple[tuple[int, int], ...] = ()
    mixed: tuple[int, tuple[str, ...], None] = (0, (), None)
    width: int | tuple[int, ...] = 1
    part: Part = field(default_factory=Part)
    other: Part | None = None
    parts: tuple[Part, ...] = ()
    signals: Mapping[str, Part] = field(default_factory=dict)
    table: dict[str, tuple[float, ...]] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    widths: Sequence[int] = ()
    anything: tuple = ()


whole, number = some.integers(-(2**40), 2**40), some.floats(allow_nan=False, allow_infinity=False)
tuples = some.lists(whole, max_size=3).map(tuple)
part = some.builds(Part, number, some.sampled_from(["log", "linear"]), tuples)
wholes = some.builds(
    Whole,
    share=some.none() | number | whole,
    name=some.text(max_size=4),
    flag=some.booleans(),
    pairs=some.lists(some.tuples(whole, whole), max_size=3).map(tuple),
    mixed=some.tuples(whole, some.lists(some.text(max_size=2)).map(tuple), some.none()),
    width=whole | tuples,
    part=part,
    other=some.none() | part,
    parts=some.lists(part, max_size=2).map(tuple),
    signals=some.dictionaries(some.text(max_size=3), part, max_size=2),
    table=some.dictionaries(some.text(max_size=3), some.tuples(number), max_size=2),
    names=some.lists(some.text(max_size=2), max_size=2),
    widths=tuples,
    anything=tuples,
)


def through_json(value):
    return stored.build(type(value), json.loads(json.dumps(stored.plain(value, ""))))


@settings(deadline=None)
@given(wholes)
def test_settings_come_back_as_they_were(value):
    stored.check(value)
    again = through_json(value)
    assert again == value
    assert [type(getattr(again, name)) for name in vars(value)] == [
        *map(type, vars(value).values())
    ]


@pytest.mark.parametrize("method", list(registry.METHODS))
def test_every_preset_comes_back_as_it_was(method):
    for preset in registry.presets(method).values():
        stored.check(preset)
        assert through_json(preset) == preset


@dataclass(frozen=True)
class BigPart(Part):
    more: int = 1


@dataclass(frozen=True)
class Other:
    """No part of that kind."""


@dataclass(frozen=True)
class Odd:
    counts: Any = None


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (Whole(share=np.ones(2)), "share is or holds a ndarray, which config.json cannot"),
        (Whole(part=Part(scale=np.float32(1))), "part.scale is or holds a float32"),
        (Whole(share=float("nan")), "share is or holds a nan"),
        (Whole(part=Part(scale=float("inf"))), "part.scale is or holds a inf"),
        (Whole(signals={"matching": Part(form=print)}), "signals.matching.form is or holds a buil"),
        (Whole(table={1: (2.0,)}), "table is or holds a dict"),
        (Whole(flag=1), "flag should be bool, but is 1"),
        (Whole(part=Part(hidden=(1, "8"))), "part.hidden should be int, but is '8'"),
        (Whole(part=Part(hidden=8)), r"part.hidden should be tuple\[int, ...\], but is 8"),
        (Whole(part=Part(form="cubic")), r"part.form should be Literal\['log', 'linear'\]"),
        (Whole(width="wide"), "width should be int | tuple"),
        (Whole(pairs=((1, 2), (3,))), r"pairs should be tuple\[int, int\]"),
        (Whole(part=Other()), "part should be Part, and test_stored:Other is none"),
        (Whole(other=Other()), r"other should be Part \| None, and test_stored:Other is none"),
        (Whole(parts=(Other(),)), "parts should be Part, and test_stored:Other is none"),
        (Whole(names=("a",)), r"names=\('a',\) would not come back from config.json as the same"),
        (Odd({"a": (1,)}), "counts=.* would not come back"),
    ],
    ids=str,
)
def test_what_would_not_come_back_is_refused(value, message):
    with pytest.raises(UnresetError, match=message) as refusal:
        stored.check(value)
    assert "\n" not in str(refusal.value)


class Kind(Protocol):
    """A protocol that parts follow, whatever they are called."""

    def size(self) -> int: ...


@dataclass(frozen=True)
class Usual:
    depth: int = 1

    def size(self) -> int:
        return self.depth


@dataclass(frozen=True)
class Unusual:
    width: int = 2

    def size(self) -> int:
        return self.width


@dataclass(frozen=True)
class Open:
    kind: Kind = field(default_factory=Usual)


def test_a_part_of_another_class_is_stored_with_it():
    many = Whole(part=BigPart(more=3), other=BigPart(), parts=(Part(), BigPart()))
    many = replace(many, signals={"one": BigPart(more=2), "two": Part()})
    for value in (many, Open(), Open(Unusual(5))):
        stored.check(value)
        assert through_json(value) == value
    assert stored.plain(Open(), "") == {"kind": {"depth": 1}}
    assert stored.plain(Open(Unusual()), "")["kind"]["class"] == "test_stored:Unusual"
    with pytest.raises(UnresetError, match=r"kind should be Usual \| Kind, and test_stored:Other"):
        stored.check(Open(Other()))


@pytest.mark.parametrize("method", ["fbrl", "medal"])
def test_any_method_may_have_any_learner(method):
    settings = replace(registry.settings(method), learner=registry.settings("iql").learner)
    stored.check(settings)
    assert stored.plain(settings, "")["learner"]["class"] == "unreset.learners:ImplicitQLearning"
    assert through_json(settings) == settings


def test_no_class_is_imported_that_nobody_has_named(tmp_path, monkeypatch):
    (tmp_path / "strange.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    for place, message in [
        ("strange:Part", "part names 'strange:Part', which is not code that you have used"),
        ("os:system", "os:system"),
        ("unreset.cli:main", "unreset.cli:main"),
        ("unreset.learners:SAC", "part should be Part, and unreset.learners:SAC is none"),
        ("nowhere", "part should be Part"),
        (3, "part should be Part"),
    ]:
        with pytest.raises(UnresetError, match=message):
            stored.build(Whole, {"part": {"class": place}})
    assert not (tmp_path / "ran").exists()


def test_what_was_changed_by_hand_is_refused_with_the_field():
    good = stored.plain(Whole(other=Part()), "")
    for change, message in [
        ({"part": 3}, "part should be Part, but is 3"),
        ({"other": {"scale": "big"}}, "other.scale should be float, but is 'big'"),
        ({"parts": [{"size": 1}]}, "Part has no field 'size'"),
        ({"mixed": [1, [], 2]}, "mixed should be None"),
    ]:
        with pytest.raises(UnresetError, match=message):
            stored.build(Whole, good | change)
    del good["name"]  # of a version that had no such field: its default
    assert stored.build(Whole, good) == Whole(other=Part())


def test_an_unchanged_preset_differs_from_a_changed_one_after_json():
    settings = registry.settings("fbrl")
    changed = replace(settings, learner=replace(settings.learner, hidden=(7, 5)))
    assert through_json(changed) == changed != settings
