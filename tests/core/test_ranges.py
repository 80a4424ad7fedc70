import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pytest

import toy
from unreset import api, cli, registry
from unreset.core import ranges
from unreset.core.method import Method, Role
from unreset.core.ranges import Count, Finite, Fraction, Range, Rate, Share, Whole
from unreset.errors import UnresetError
from unreset.learners.sac import SAC
from unreset.methods.medal import Medal
from unreset.runs.config import RunConfig
from unreset.switching.order import Graph
from unreset.switching.time import After
from unreset.tasks.change import Change


@dataclass(frozen=True)
class Part:
    widths: tuple[Count, ...] = (8,)
    pairs: tuple[tuple[Whole, Whole], ...] = ()
    share: Share | None = 0.5


@dataclass(frozen=True)
class Whole_:  # noqa: N801 - a dataclass with one within
    steps: Count = 10
    rate: Rate = 0.1
    part: Part = Part()
    plain: int = 1
    on: bool = True
    name: str = "a"


def parts(value, seen):
    """The classes of a dataclass and of all within it."""
    if isinstance(value, Mapping):
        value = tuple(value.values())
    if isinstance(value, tuple):
        for item in value:
            parts(item, seen)
    elif dataclasses.is_dataclass(value):
        seen.add(type(value))
        for field in dataclasses.fields(value):
            parts(getattr(value, field.name), seen)
    return seen


def all_presets():
    for name in registry.METHODS:
        yield from registry.presets(name).values()


def test_every_number_of_every_preset_has_a_range():
    seen = {RunConfig, Change, Graph}
    for settings in all_presets():
        parts(settings, seen)
        parts(settings.method(toy.point()), seen)
    assert {SAC, Role, Medal} < seen and len(seen) > 25
    bare = [
        f"{kind.__name__}.{name}"
        for kind in seen - {Method}
        for name in (field.name for field in dataclasses.fields(kind))
        if ranges.unbounded(ranges.hints(kind)[name])
    ]
    assert sorted(bare) == []


def test_every_preset_is_in_its_ranges():
    for settings in all_presets():
        assert ranges.checked(settings) is settings


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"steps": 0}, "steps must be at least 1, not 0"),
        ({"steps": 10.0}, "steps must be a whole number, not 10.0"),
        ({"steps": True}, "steps must be a whole number, not True"),
        ({"rate": -1}, "rate must be at least 0, not -1"),
        ({"rate": math.nan}, "rate must be at least 0, not nan"),
        ({"rate": math.inf}, "rate must be at least 0, not inf"),
        ({"rate": np.float32("inf")}, "rate must be at least 0, not inf"),
        ({"rate": False}, "rate must be a number, not False"),
        ({"plain": 1.5}, "plain must be a whole number, not 1.5"),
        ({"part": Part(widths=(8, 0))}, "part.widths must be at least 1, not 0"),
        ({"part": Part(pairs=((0, -1),))}, "part.pairs must be at least 0, not -1"),
        ({"part": Part(share=1.5)}, "part.share must be from 0 to 1, not 1.5"),
    ],
)
def test_what_is_outside_is_refused_in_one_line(changed, message):
    with pytest.raises(UnresetError) as refused:
        ranges.checked(Whole_(**changed))
    assert str(refused.value) == message


def test_numbers_of_numpy_become_pythons_and_none_stays():
    given = Whole_(np.int64(5), np.float32(0.5), Part((np.int32(3),), ((1, np.int8(2)),), None))
    fitting = ranges.checked(given)
    assert fitting == Whole_(5, 0.5, Part((3,), ((1, 2),), None))
    assert type(fitting.steps) is int and type(fitting.rate) is float
    assert type(fitting.part.widths[0]) is int and type(fitting.part.pairs[0][1]) is int
    assert ranges.checked(fitting) is fitting


@pytest.mark.parametrize(
    ("limits", "words", "inside", "outside"),
    [
        (Range(0, 1), "from 0 to 1", (0, 1), (-0.1, 1.1)),
        (Range(0, 1, above=True), "above 0 and at most 1", (1, 0.1), (0, 2)),
        (Range(0, 1, below=True), "at least 0 and below 1", (0, 0.9), (1,)),
        (Range(0, above=True), "above 0", (0.1, 1e9), (0, -1, math.inf)),
        (Range(), "finite", (-1e9, 0), (math.inf, -math.inf, math.nan)),
    ],
)
def test_a_range_is_an_interval_and_says_so(limits, words, inside, outside):
    assert str(limits) == words
    assert all(number in limits for number in inside)
    assert not any(number in limits for number in outside)


def test_ranges_are_told_where_there_is_something_to_tell():
    assert ranges.text(Fraction | None) == "above 0 and at most 1"
    assert ranges.text(tuple[Count, ...]) == "at least 1"
    assert ranges.text(Finite) == ranges.text(str) == ""


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--discount 1.5", "--discount must be from 0 to 1, not 1.5"),
        ("--tau 5", "--tau must be above 0 and at most 1, not 5.0"),
        ("--hindsight -1", "--hindsight must be from 0 to 1, not -1.0"),
        ("--batch-size 0", "--batch-size must be at least 1, not 0"),
        ("--critics 0", "--critics must be at least 1, not 0"),
        ("--critics 2 --target-subset 3", "target_subset=3 must be at most critics, which is 2"),
        ("--learning-rate nan", "--learning-rate must be at least 0, not nan"),
        ("--learning-rate inf", "--learning-rate must be at least 0, not inf"),
        ("--hidden 128 0", "--hidden must be at least 1, not 0"),
        ("--image-size 0", "--image-size must be at least 1, not 0"),
        ("--matching.batch-size 1", "--matching.batch-size must be at least 2, not 1"),
        ("--confidence.trust 2", "--confidence.trust must be from 0 to 1, not 2.0"),
        ("--seed -1", "--seed must be from 0 to 4,294,967,295, not -1"),
        ("--eval-every 0", "--eval-every must be at least 1, not 0"),
        ("--horizon 0", "--horizon must be at least 1, not 0"),
        ("--steps 100.5", "invalid"),
        ("--discount 1 --hindsight 0.5", "must be below 1"),
    ],
)
def test_the_command_line_refuses_them_before_anything_is_made(
    flags, message, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["train", "medal", "pointmass", *flags.split()]) == cli.USAGE
    told = capsys.readouterr().err
    assert message in told and told.count("\n") == 1 and "Traceback" not in told
    assert not list(tmp_path.iterdir())


def test_a_changed_life_is_checked(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["life", "qwale", "pointmass", "--change.noise", "-1", "--demos", "none"]
    assert cli.main(words) == cli.USAGE
    assert "--change.noise must be at least 0, not -1.0" in capsys.readouterr().err


def test_python_refuses_them_before_anything_is_made(tmp_path):
    def refused(message, settings=None, **given):
        with pytest.raises(UnresetError) as error:
            api.train(settings or Medal(), "pointmass", out=tmp_path / "run", **given)
        assert message in str(error.value)
        assert not (tmp_path / "run").exists()

    refused("learner.discount must be from 0 to 1, not 1.5", Medal(learner=SAC(discount=1.5)))
    refused("steps must be a whole number, not 100.5", steps=100.5)
    refused("steps must be a whole number, not 100.5", Medal(steps=100.5))
    refused("change.noise must be at least 0, not nan", change=Change(noise=math.nan))
    refused("change.actuator must be at least 0, not -1", change=Change(actuator=-1))
    refused("seeds must be at least 1, not 0", seeds=0)


def test_a_method_made_by_hand_is_checked():
    made = Medal().method(toy.point())
    with pytest.raises(UnresetError, match=r"medal\.roles\[0\]\.switch.* must be at least 1"):
        dataclasses.replace(made, roles=(dataclasses.replace(made.roles[0], switch=(After(0),)),))
    wrong = {"discriminator": dataclasses.replace(made.rewards["discriminator"], interval=0)}
    with pytest.raises(UnresetError, match=r"medal\.rewards\.discriminator\.interval must be"):
        dataclasses.replace(made, rewards=wrong)


def test_the_help_says_the_ranges(capsys):
    with pytest.raises(SystemExit):
        cli.main(["train", "medal", "pointmass", "--help"])
    told = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "Discount per step (MEDAL). From 0 to 1. (default: 0.99)" in told
