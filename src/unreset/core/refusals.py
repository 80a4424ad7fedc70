"""What does not go together: the parts of a method, or a method and a task, and why."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import chain
from typing import Any

from unreset.core.context import Context
from unreset.core.environment import ENVIRONMENT, Environment
from unreset.core.rules import in_one_order
from unreset.core.types import Task


def incoherent(method: Any) -> str | None:
    """Why the parts of a method do not go together, if they do not."""
    parts = (_roles, _rewards, _goals, _others, _order, _batches)
    return next(chain.from_iterable(part(method) for part in parts), None)


def _roles(method: Any) -> Iterator[str]:
    for role in method.roles:
        who = f"role {role.name!r} of {method.name}"
        if role.reward not in method.rewards:
            yield (f"{who} is rewarded by {role.reward!r}; there are: {', '.join(method.rewards)}")
        if not role.length:
            yield (
                f"no rule ends the phases of {who} after some time: give it After(steps) among its "
                "switch rules"
            )
    if in_one_order([method.rules_of(number) for number in range(len(method.roles))]) is None:
        yield f"roles of {method.name} have a rule twice, or the same rules in different orders"


def _rewards(method: Any) -> Iterator[str]:
    if method.rewards[ENVIRONMENT] != Environment():
        yield f"a reward of {method.name} is named {ENVIRONMENT!r}, which is the task's own"
    for name, reward in method.rewards.items():
        if reason := reward.needs(method, name):
            yield reason
    own = [name for name in method.rewards if name != ENVIRONMENT]
    idle = {name for name in own if not method.rewarded(name)}
    if idle:
        yield f"reward {min(idle)!r} of {method.name} rewards no role"


def _goals(method: Any) -> Iterator[str]:
    words = [rule.source for rule in method.goal_rules.values()]
    for word in {word for word in words if words.count(word) > 1} - {"task", "initial"}:
        yield f"two goal rules of {method.name} have goals from {word!r}: one alone may have"


def _others(method: Any) -> Iterator[str]:
    kinds = (method.rewards, method.interventions, method.models, method.sources)
    names = [name for kind in kinds for name in kind]
    if twice := {name for name in names if names.count(name) > 1}:
        yield f"two parts of {method.name} are named {min(twice)!r}: every part has its own name"
    if odd := [name for name in names if not name.isidentifier()]:  # rules' names have a slash
        yield f"part {odd[0]!r} of {method.name}: a name is a word of letters, digits and _"
    for name, part in method.parts.items():
        if name not in method.rewards and (reason := part.needs(method, name)):
            yield reason


def _order(method: Any) -> Iterator[str]:
    if method.practice.offline and len(method.rewards) > 1:
        yield f"{method.name} has to act for its rewards: it cannot be offline"
    if method.order is not None and (reason := method.order.needs(method)):
        yield reason


def _batches(method: Any) -> Iterator[str]:
    name, practice = method.name, method.practice
    learner = type(method.learner).__name__
    for event in set(method.events) - set(method.learner.foresees):
        yield f"{name} learns by {learner}, which teaches no {event} critics"
    if practice.cloning_updates and method.learner.cloner() is None:
        yield f"{name} learns by {learner}, which cannot clone: cloning_updates must be 0"
    valued = any(part.asks_critics for part in method.parts.values())
    if valued and method.learner.successor() is None:
        yield f"{name} asks critics what a state is worth, and {learner} has none"
    if method.learner.discount >= 1 and (practice.boundary == "bootstrap" or practice.hindsight):
        yield (
            f"discount={method.learner.discount} of {name} must be below 1 with "
            "boundary='bootstrap', where a success counts for ever, and with hindsight, which "
            "draws states as far ahead as the discount reaches"
        )
    learners, told = len(method.learners), max(1, method.told_roles)
    if practice.teach == "everyone" and practice.updates_per_step % learners:
        yield (
            f"updates_per_step={practice.updates_per_step} must be a multiple of {learners}, so "
            f"that the learners of {name} can take turns"
        )
    size = practice.batch_size // told
    shares = {source: round(one.share * size) for source, one in method.sources.items()}
    rest = size - sum(shares.values())
    if rest < 0 or rest % practice.goals_per_row:
        yield (
            f"the sources of {name} give {sum(shares.values())} of the {size} rows for each reward "
            f"({', '.join(shares)}): the rest, which the replay gives, must be 0 or more, and a "
            f"multiple of goals_per_row={practice.goals_per_row}"
        )
    if practice.batch_size % (told * practice.goals_per_row):
        yield (
            f"batch_size={practice.batch_size} must be a multiple of "
            f"{told * practice.goals_per_row}, so that the {told} rewards of {name}, each with "
            f"{practice.goals_per_row} goal(s) per row, can share a batch"
        )


def misfit(method: Any, task: Task, shown: Collection[int]) -> str | None:
    """Why a method cannot practise a task; ``shown`` has the directions of the demonstrations."""
    name, practice = method.name, method.practice
    context = Context(method, task)
    rules = (*method.goal_rules.values(), *method.switch_rules.values())
    if reason := next(filter(None, (rule.misfit(context) for rule in rules)), None):
        return reason
    judges = any(part.from_demonstrations for part in method.parts.values())
    led = any(rule.from_states for rule in method.goal_rules.values())
    if (judges and 0 not in shown) or (led and not {0, 1} & set(shown)):
        return f"{name} needs forward demonstrations, and there are none"
    imitated = {way for role in method.roles for way in role.imitate}
    if (practice.offline or practice.cloning_updates) and not imitated & set(shown):
        return f"{name} has to clone demonstrations first, and there are none for it"
    misfits = (part.misfit(context) for part in method.parts.values())
    reason = next(filter(None, misfits), None) or _blindness(method, task)
    return reason or method.learner.needs(context)


def _blindness(method: Any, task: Task) -> str | None:
    """Why a method's policies cannot know what they shall do, if they do not see goals."""
    alike = method.shared and not method.told_roles and len(method.roles) > 1
    seen = not method.vision.pixels or method.vision.goal_view != "none"
    if seen or not (alike or len(task.goals) > 1):
        return None
    return (
        f"{method.name} would have to tell goals of task {task.name!r} apart that it does not "
        "see: say --goal-view image or vector"
    )
