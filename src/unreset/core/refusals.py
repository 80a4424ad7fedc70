"""What does not go together: the parts of a method, or a method and a task, and why."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import chain

from unreset.core.context import Context
from unreset.core.environment import ENVIRONMENT, Environment
from unreset.core.method import Method
from unreset.core.protocols import Discriminates
from unreset.core.types import Task


def incoherent(method: Method) -> str | None:
    """Why the parts of a method do not go together, if they do not."""
    parts = (_roles, _rewards, _others, _curriculum, _order, _batches)
    return next(chain.from_iterable(part(method) for part in parts), None)


def _roles(method: Method) -> Iterator[str]:
    for number, role in enumerate(method.roles):
        reward = method.rewards.get(role.reward)
        who = f"role {role.name!r} of {method.name}"
        if reward is None:
            yield (f"{who} is rewarded by {role.reward!r}; there are: {', '.join(method.rewards)}")
        if role.end_when_expert < 1 and not isinstance(reward, Discriminates):
            yield f"end_when_expert of {who} needs a discriminator as its reward"
        if role.goals == "demonstrations" and method.curriculum is None:
            yield f"{who} has demonstrated states as goals, which needs a curriculum"
        if role.return_within and not _leads_back(method, number):
            yield (
                f"{who} has return_within: the role after it must be one that the environment "
                "rewards for reaching initial states, with no order"
            )


def _leads_back(method: Method, role: int) -> bool:
    """Whether the role after one returns to initial states, for the environment's reward."""
    after = method.roles[(role + 1) % len(method.roles)]
    return method.order is None and after.goals == "initial" and after.reward == ENVIRONMENT


def _rewards(method: Method) -> Iterator[str]:
    if method.rewards[ENVIRONMENT] != Environment():
        yield f"a reward of {method.name} is named {ENVIRONMENT!r}, which is the task's own"
    for name, reward in method.rewards.items():
        if reason := reward.needs(method, name):
            yield reason
    own = [name for name in method.rewards if name != ENVIRONMENT]
    idle = {name for name in own if not method.rewarded(name)}
    if idle:
        yield f"reward {min(idle)!r} of {method.name} rewards no role"


def _others(method: Method) -> Iterator[str]:
    kinds = (method.rewards, method.interventions, method.models, method.sources)
    names = [name for kind in kinds for name in kind]
    if twice := {name for name in names if names.count(name) > 1}:
        yield f"two parts of {method.name} are named {min(twice)!r}: every part has its own name"
    for name, part in method.parts.items():
        if name not in method.rewards and (reason := part.needs(method, name)):
            yield reason


def _curriculum(method: Method) -> Iterator[str]:
    name, practice, chosen = method.name, method.practice, method.curriculum is not None
    if chosen and method.vision.pixels:
        yield (
            f"the curriculum of {name} chooses among states, not among pictures: it cannot "
            "practise with pixels"
        )
    if practice.offline and (len(method.rewards) > 1 or chosen):
        yield f"{name} has to act for its rewards: it cannot be offline"
    if chosen and not method.shared:
        yield f"the curriculum of {name} needs one learner for all roles"


def _order(method: Method) -> Iterator[str]:
    name, number = method.name, len(method.roles)
    if method.order is None:
        return
    for pair in method.order.edges:
        if not all(0 <= role < number for role in pair):
            yield f"edge {pair} of {name}: its roles are numbered 0 to {number - 1}"
    stuck = set(range(number)) - {first for first, _ in method.order.edges}
    if method.order.edges and stuck:
        first = min(stuck)
        yield (
            f"role {method.roles[first].name!r} of {name} leads nowhere: no edge begins with "
            f"{first}"
        )


def _batches(method: Method) -> Iterator[str]:
    name, practice = method.name, method.practice
    learner = type(method.learner).__name__
    for event in set(method.events) - set(method.learner.foresees):
        yield f"{name} learns by {learner}, which teaches no {event} critics"
    if practice.cloning_updates and method.learner.cloner() is None:
        yield f"{name} learns by {learner}, which cannot clone: cloning_updates must be 0"
    valued = method.curriculum is not None
    valued |= any(part.asks_critics for part in method.parts.values())
    valued |= any(role.return_within for role in method.roles)
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
    if practice.batch_size % (told * practice.goals_per_row):
        yield (
            f"batch_size={practice.batch_size} must be a multiple of "
            f"{told * practice.goals_per_row}, so that the {told} rewards of {name}, each with "
            f"{practice.goals_per_row} goal(s) per row, can share a batch"
        )


def misfit(method: Method, task: Task, shown: Collection[int]) -> str | None:
    """Why a method cannot practise a task; ``shown`` has the directions of the demonstrations."""
    name, practice = method.name, method.practice
    for role in method.roles:
        if (role.goals == "initial" or role.return_within) and not len(task.initial_goals):
            return (
                f"role {role.name!r} of {name} returns to initial states, and task {task.name!r} "
                "has none: give initial_goals (or initial_success), or use medal or naive"
            )
        known = len(task.goals if role.goals == "task" else task.initial_goals)
        if role.goal is not None and not 0 <= role.goal < known:
            return (
                f"role {role.name!r} of {name} pursues goal {role.goal}, and task {task.name!r} "
                f"has {known}, counted from 0"
            )
    valued = method.curriculum is not None or any(role.return_within for role in method.roles)
    if valued and not task.sparse:
        return (
            f"{name} counts steps by the value of a reward of 1 on success, and that of task "
            f"{task.name!r} is another one"
        )
    judges = any(part.from_demonstrations for part in method.parts.values())
    if (judges and 0 not in shown) or (method.curriculum is not None and not {0, 1} & set(shown)):
        return f"{name} needs forward demonstrations, and there are none"
    imitated = {way for role in method.roles for way in role.imitate}
    if (practice.offline or practice.cloning_updates) and not imitated & set(shown):
        return f"{name} has to clone demonstrations first, and there are none for it"
    misfits = (part.misfit(Context(method, task)) for part in method.parts.values())
    reason = next(filter(None, misfits), None) or _blindness(method, task)
    return reason or method.learner.needs(Context(method, task))


def _blindness(method: Method, task: Task) -> str | None:
    """Why a method's policies cannot know what they shall do, if they do not see goals."""
    alike = method.shared and not method.told_roles and len(method.roles) > 1
    seen = not method.vision.pixels or method.vision.goal_view != "none"
    if seen or not (alike or len(task.goals) > 1):
        return None
    return (
        f"{method.name} would have to tell goals of task {task.name!r} apart that it does not "
        "see: say --goal-view image or vector"
    )
