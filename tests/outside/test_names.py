"""Names that a user gives to parts: none is overwritten, unused, or ends in a traceback."""

from __future__ import annotations

from dataclasses import dataclass, replace

import parts
import pytest

import toy
from unreset import Method, Role, UnresetError, registry
from unreset.data import Imagination
from unreset.goals import TaskGoals
from unreset.interventions import Help, Planner
from unreset.models import Dynamics, Planning
from unreset.rewards import ENVIRONMENT, Environment, Reward


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
