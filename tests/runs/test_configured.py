"""What a configuration makes of a method, and what it has to say about that."""

import dataclasses

import pytest

import toy
from unreset import registry
from unreset.runs.config import RunConfig
from unreset.runs.configured import fitted_method

GRADED = dataclasses.replace(toy.point(), sparse=False)


@pytest.mark.parametrize(
    ("task", "boundary", "evaluation", "warned"),
    [
        (GRADED, "terminal_on_success", "deployed", True),
        (GRADED, "terminal", "deployed", True),
        (GRADED, "bootstrap", "deployed", False),
        (GRADED, "terminal", "life", False),  # which ends with its first success anyway
        (toy.point(), "terminal_on_success", "deployed", False),
    ],
)
def test_where_success_ends_what_is_paid_on_the_way_it_is_said(task, boundary, evaluation, warned):
    settings = toy.tiny(registry.settings("fbrl"), boundary=boundary)
    common = {"settings": settings, "evaluation": evaluation}
    config = RunConfig("fbrl", "toy", "default", 0, 1, 60, 20, 0, 20, "fused", **common)
    _, notes = fitted_method(settings.method(task), task, config)
    assert any("--boundary bootstrap" in note for note in notes) == warned
