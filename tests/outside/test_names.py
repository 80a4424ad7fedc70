"""Names that a user gives to parts: none is overwritten, unused, or ends in a traceback."""

from __future__ import annotations

from dataclasses import dataclass, replace

import parts
import pytest

import toy
from unreset import Method, Role, UnresetError, registry
from unreset.data import Imagination, Source
from unreset.drivers.helping import Helping
from unreset.goals import TaskGoals
from unreset.interventions import Help, Intervention, Planner
from unreset.models import Dynamics, Planning
from unreset.rewards import ENVIRONMENT, Environment, Reward
from unreset.runs.summary import effort


@dataclass(frozen=True)
class Own(parts.Outside):
    """A method that brings parts which every method's settings have, too."""

    def method(self, task):
        return replace(
            super().method(task),
            models={"model": Dynamics(members=3, elites=3)},
            sources={"imagination": Imagination(share=0.25)},
            interventions={
                "planning": Planner(Planning(horizon=2)),
                "asking": Help(rule="classifier", patience=7),
            },
        )


@pytest.mark.parametrize("flags", [False, True], ids=["off", "on"])
def test_what_a_method_brings_is_not_overwritten(flags):
    settings = Own()
    if flags:
        settings = replace(
            settings,
            model=Dynamics(members=2, elites=2),
            imagination=Imagination(share=0.5),
            planning=Planning(horizon=9),
            asking=Help(rule="oracle"),
        )
    made = registry.method(settings, toy.point())
    assert made.models == {"model": Dynamics(members=3, elites=3)}
    assert made.sources == {"imagination": Imagination(share=0.25)}
    assert made.interventions["planning"] == Planner(Planning(horizon=2))
    assert made.interventions["asking"] == Help(rule="classifier", patience=7)


def method(name: str, reward: Reward, **more) -> Method:
    known = parts.Outside()
    role = Role("one", TaskGoals(), known.ends(toy.point()), reward=name)
    return Method("mine", (role,), known.learner, known.practice, {name: reward}, **more)


def test_a_reward_may_be_named_like_a_part_that_is_not_there():
    driver = toy.fused(method("model", parts.Surprise()), toy.point())
    assert set(driver.run.signals) >= {"environment", "model"}


def test_one_that_is_named_like_another_part_is_refused():
    with pytest.raises(UnresetError, match="two parts of mine are named 'model'"):
        method("model", parts.Surprise(), models={"model": Dynamics()})


def test_one_that_could_be_taken_for_a_rule_is_refused():
    """The rules that switch are named by the method itself: ``switching/after``."""
    for name in ("switching/after", "my reward", ""):
        with pytest.raises(UnresetError, match="a name is a word of letters"):
            method(name, parts.Surprise())


def test_one_that_is_named_environment_is_refused():
    @dataclass(frozen=True)
    class Told(parts.Surprise):
        told = True

    for reward in (parts.Surprise(), Told()):
        with pytest.raises(UnresetError, match="named 'environment', which is the task's own"):
            method(ENVIRONMENT, reward)
    assert method(ENVIRONMENT, Environment()).rewards == {ENVIRONMENT: Environment()}


def test_two_parts_that_measure_one_thing_are_refused():
    """A reward named ``policy`` has a ``policy_loss``, and so has the learner."""
    with pytest.raises(UnresetError, match="two parts measure 'policy_loss'"):
        toy.fused(method("policy", parts.Surprise()), toy.point())


def test_a_reward_named_as_asking_is_one_of_its_own():
    driver = toy.fused(method("asking", parts.Surprise()), toy.point())
    assert set(effort(driver.run)) == {"hard_resets"}


def test_help_has_its_name_and_nobody_else_outside_is_asked():
    with pytest.raises(UnresetError, match="it must be named 'asking'"):
        method("surprise", parts.Surprise(), interventions={"helper": Help(rule="oracle")})

    @dataclass(frozen=True)
    class Switchboard(Intervention):
        @property
        def of_the_host(self):
            return True

    board = method("surprise", parts.Surprise(), interventions={"board": Switchboard()})
    with pytest.raises(UnresetError, match="board of mine takes somebody outside to answer"):
        Helping(board, None)


@dataclass(frozen=True)
class Much(Source):
    """Three quarters of a batch."""

    share: float = 0.75


def test_sources_give_no_more_than_a_batch():
    with pytest.raises(UnresetError, match="the sources of mine give"):
        method("surprise", parts.Surprise(), sources={"much": Much(), "more": Much()})
