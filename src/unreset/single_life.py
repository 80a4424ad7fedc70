"""Single lives from Python: a task done once, after a prior run or from nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, cast

from unreset import api, registry
from unreset.core.protocols import Learner
from unreset.demos.store import Trajectory
from unreset.errors import UnresetError, look_up
from unreset.learners.actor_critic import ActorCritic
from unreset.learners.implicit import ImplicitQLearning
from unreset.methods.settings import Settings
from unreset.runs import folder as folders


def life(
    method: str | Settings = "qwale",
    task: str = "pointmass_windy",
    *,
    prior: str | Path | None = None,
    prior_learner: Literal["sac", "iql"] = "sac",
    demonstrations: Sequence[Trajectory] | str | Path | None = None,
    report: bool = False,
    **given: Any,
) -> api.Run:
    """Do a task once: a run without resets that ends at the first success, or with its budget.

    Of a task with several goals, each seed draws one, for its whole life; no other counts.

    What came of it is in the run's ``summary``: ``life_steps`` has the step of each seed's success,
    or None; ``life_goals`` the number of its goal; ``life_solved``, ``life_mean`` with its
    interval, and ``life_median`` are over seeds, where a life without success counts with its
    budget (Chen et al. 2022, arXiv 2210.08863).

    Args:
        method: as for :func:`unreset.train`; one given by name learns on with the prior run's
            learner.
        task: as for :func:`unreset.train`.
        prior: the folder of the run that goes before (``unreset prior``); None for none.
        prior_learner: where there is no prior run: ``"sac"``, to begin with fresh networks, or
            ``"iql"``, with what implicit Q-learning makes of the demonstrations first. That is a
            prior run, in a folder of its own, whose networks are those of settings that are given.
        demonstrations: as for :func:`unreset.train`, where there is no prior run; ``"none"`` for
            none.
        report: whether to write videos and ``report.html`` at the end.
        given: further arguments of :func:`unreset.train`.

    Raises:
        UnresetError: as :func:`unreset.train`; also where the prior run's learner does not fit.
    """
    look_up("prior learner", prior_learner, ("sac", "iql"))
    if isinstance(method, str):
        method = registry.settings(method, given.get("preset", "default"))
        if prior_learner == "iql":
            method = dataclasses.replace(method, learner=registry.settings("iql").learner)
        method = method if prior is None else following(method, prior, given.get("trust", False))
    if prior_learner == "iql":
        if prior is not None:
            raise UnresetError(
                "a life begins with what a prior run has learned, or with what implicit Q-learning "
                "makes of demonstrations (prior_learner='iql'), not both"
            )
        following_learner = _successor(method.learner)
        prior, demonstrations = _learned(method.learner, task, demonstrations, given), None
        method = dataclasses.replace(method, learner=following_learner)
    return api.train(
        method,
        task,
        evaluation="life",
        wide_starts=0,
        prior=prior,
        demonstrations=demonstrations,
        report=report,
        **given,
    )


def following(settings: Settings, prior: str | Path, trust: bool = False) -> Settings:
    """The settings with the learner that goes on from that of a prior run, given by its folder."""
    learner = folders.read_configuration(Path(prior), trust).settings.learner
    return dataclasses.replace(settings, learner=_successor(learner, f"{prior} has learned"))


def _successor(learner: Learner, what: str = "") -> Learner:
    """The learner that goes on from what one has learned; refused where that has no critics."""
    successor = learner.successor()
    if successor is None:
        what = what or f"{type(learner).__name__} has"
        raise UnresetError(f"{what} no critics: a life needs some to begin with")
    return successor


def _learned(
    learner: Learner,
    task: str,
    demonstrations: Sequence[Trajectory] | str | Path | None,
    given: Mapping[str, Any],
) -> Path:
    """The folder of a new run of implicit Q-learning, by a learner that is like this one."""
    settings, first = registry.settings("iql"), learner
    if not isinstance(learner, ImplicitQLearning):
        if not isinstance(learner, ActorCritic):
            raise UnresetError(f"{type(learner).__name__} is unlike implicit Q-learning")
        first = dataclasses.replace(cast(Any, settings.learner), **learner.shared())
    seed, out = given.get("seed", 0), given.get("out")
    folder = api.new_folder(Path("runs"), "prior-iql", task.rpartition(":")[2], seed)
    folder = folder if out is None else Path(f"{out}-prior")
    kept = ("reward", "horizon", "observer", "on_start")
    api.train(
        dataclasses.replace(settings, learner=first),
        task,
        seed=seed,
        eval_every=settings.steps,
        wide_starts=0,
        out=folder,
        demonstrations=demonstrations,
        report=False,
        **{name: given[name] for name in kept if name in given},
    )
    return folder
