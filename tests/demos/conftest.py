"""The tabletop and a few of its demonstrations, for the tests of formats and of replaying."""

import pytest

from unreset.tasks.tabletop.tabletop_expert import tabletop_demonstrations
from unreset.tasks.tabletop.tabletop_task import tabletop


@pytest.fixture(scope="module")
def task():
    return tabletop()


@pytest.fixture(scope="module")
def demonstrations():
    return tabletop_demonstrations(per_goal=1, seed=0)
