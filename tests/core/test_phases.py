"""The rules that end a phase early, ask for help, and say who follows."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_practice import INITIAL_SOURCE, LENGTH, TABLETOP, TOY, method, switched

import toy
from unreset import registry
from unreset.core import practice, ranges
from unreset.core.phases import first_phase
from unreset.demos import store
from unreset.drivers.fused import Fused
from unreset.errors import UnresetError
from unreset.goals import TaskGoals
from unreset.goals.curriculum import Candidates
from unreset.interventions import Intervention
from unreset.learners.actor_critic import UNSURE
from unreset.switching import Confident, Graph, NoWayBack
from unreset.tasks.tabletop.tabletop import GOALS, INITIAL


def critics_that_say(run, value, success=None):
    """The view's parts of a run whose critics put out a constant."""

    def constant(params, value):
        params = jax.tree.map(jnp.zeros_like, params)
        inner = params["params"]
        heads = next(name for name in inner if name.startswith("VmapMLP"))
        last = sorted(name for name in inner[heads] if name.startswith("Dense"))[-1]
        inner[heads][last]["bias"] += value
        return params

    parts = {"actor": run.learners.actor, "critics": constant(run.learners.target, value)}
    if success is not None:
        critics = run.learners.events["success"].params
        parts["events"] = {"success": constant(critics, success)}
    return parts


def begun(chosen):
    rows, last = store.pinned_rows(toy.demonstrations(), TOY)
    return jax.tree.map(lambda x: x[0], Fused(chosen, TOY, [0], rows, last, 20).carry.run)


@pytest.mark.slow
def test_leave_no_trace_stops_where_the_way_back_is_worth_too_little():
    chosen = method("leave_no_trace", TOY)
    assert chosen.roles[0].switch[-1] == NoWayBack(5) and round(0.7 * LENGTH) == 5
    # A success is worth 10; in five steps 10 * .99^5.
    limit = 10 * 0.99**5
    assert chosen.worth(5) == pytest.approx(limit)
    run = begun(chosen)
    for value, ends in [(limit + 0.01, False), (limit - 0.01, True)]:
        after, end, reset = switched(chosen, steps=1, task=TOY, state=critics_that_say(run, value))
        assert end == ends and not reset
        assert int(after.role) == ends
    low = critics_that_say(run, limit - 5)
    assert not switched(chosen, role=1, steps=1, task=TOY, state=low)[1]  # only the forward role


def test_leave_no_trace_asks_for_help_after_so_many_failures_in_a_row():
    chosen = method("leave_no_trace", TOY)
    run = critics_that_say(begun(chosen), 10.0)
    for failures, success, helped in [(1, False, False), (2, False, True), (2, True, False)]:
        after, end, reset = switched(
            chosen, 1, LENGTH - 1, success, failures=failures, task=TOY, state=run
        )
        assert end and reset == helped
        np.testing.assert_array_equal(
            after.failures, [0, 0] if helped else [failures, 0 if success else failures + 1]
        )


def test_fbrl_asks_for_a_reset_after_so_many_failures_of_either_role():
    for attempts, helped in [(0, False), (3, True), (4, False)]:
        settings = dataclasses.replace(registry.settings("fbrl"), attempts=attempts)
        chosen = settings.method(TOY)
        for role in range(2):
            _, end, reset = switched(chosen, role, LENGTH - 1, False, failures=2, task=TOY)
            assert end
            assert reset == helped


def test_leave_no_trace_counts_in_successes_only():
    dense = dataclasses.replace(TOY, sparse=False)
    with pytest.raises(UnresetError, match="counts steps by the value of a reward of 1"):
        toy.fused(method("leave_no_trace", dense), dense)


def test_confidence_leaves_by_the_success_and_the_time_spent():
    config = Confident(trust=0.5, after=0.5, share=1.0)
    keys = jax.random.split(jax.random.key(1), 4000)

    def share(success, steps, config=config):
        rule = jax.vmap(lambda a, b: config.leave(jnp.float32(success), steps, 10, (a, b)))
        return float(rule(keys, keys[::-1]).mean())

    assert share(1.0, 4) == 0.0  # before half of the phase
    assert share(0.8, 5) == pytest.approx(0.8 * (1 - 0.5**5), abs=0.03)
    assert share(0.2, 9) == pytest.approx(0.2 * (1 - 0.5**9), abs=0.03)
    half = dataclasses.replace(config, share=0.5)
    assert share(1.0, 9, half) == pytest.approx(0.5, abs=0.03)


def test_a_sure_phase_is_left_and_an_unsure_one_is_not():
    chosen = method("fbrl", TOY, switch="confidence")
    run = begun(chosen)
    assert set(run.learners.events) == {"success"}
    assert not begun(method("fbrl", TOY)).learners.events
    for logit, leaves in [(12.0, True), (-12.0, False)]:
        state = critics_that_say(run, 0.0, logit)
        ends = [
            switched(chosen, steps=LENGTH - 2, task=TOY, state=state, key=key)[1]
            for key in range(20)
        ]
        assert sum(ends) >= 8 if leaves else not any(ends)


def test_a_phase_left_for_a_sure_success_is_no_failure():
    chosen = method("leave_no_trace", TOY, switch="confidence")
    state = critics_that_say(begun(chosen), 10.0, 12.0)
    left = [
        switched(chosen, 1, LENGTH - 2, failures=2, task=TOY, state=state, key=key)
        for key in range(12)
    ]
    ended = [after for after, end, reset in left if end and not reset]
    assert len(ended) >= 4 and not any(reset for *_, reset in left)
    for after in ended:
        np.testing.assert_array_equal(after.failures, [2, 2])


def test_a_phase_left_though_success_was_not_likely_counts_as_failed():
    chosen = method("leave_no_trace", TOY, switch="confidence")
    state = critics_that_say(begun(chosen), 10.0, -UNSURE - 1.0)  # a probability of .27
    for failures, helped in [(0, False), (2, True)]:
        left = [
            switched(chosen, 1, LENGTH - 2, failures=failures, task=TOY, state=state, key=key)
            for key in range(40)
        ]
        ended = [(after, reset) for after, end, reset in left if end]
        assert 3 <= len(ended) <= 30
        for after, reset in ended:
            assert reset == helped and int(after.failures[1]) == (0 if helped else 1)


def test_an_oracle_is_reset_also_where_it_leaves_a_sure_phase():
    chosen = method("oracle", TOY, switch="confidence")
    state = critics_that_say(begun(chosen), 0.0, 12.0)
    left = [
        switched(chosen, steps=LENGTH - 2, task=TOY, state=state, key=key)[1:] for key in range(12)
    ]
    assert any(end for end, _ in left) and all(end == reset for end, reset in left)


def test_nothing_is_sure_before_anything_is_learned():
    chosen = method("fbrl", TOY, switch="confidence", seed_steps=50)
    state = critics_that_say(begun(chosen), 0.0, 12.0)
    for number, leaves in [(49, False), (50, True)]:
        ends = [
            switched(chosen, steps=LENGTH - 2, number=number, task=TOY, state=state, key=key)[1]
            for key in range(12)
        ]
        assert any(ends) == leaves


def test_the_way_back_is_asked_of_a_role_that_leads_back():
    chosen = method("leave_no_trace", TOY)
    elsewhere = dataclasses.replace(chosen.roles[1], goals=TaskGoals())
    for changes in ({"roles": (chosen.roles[0], elsewhere)}, {"order": Graph()}):
        with pytest.raises(UnresetError, match="for reaching initial states, with no order"):
            dataclasses.replace(chosen, **changes)
    with pytest.raises(UnresetError, match=r"safety must be above 0 and below 1, not 1\.5"):
        ranges.checked(dataclasses.replace(registry.settings("leave_no_trace"), safety=1.5))


def test_vaprl_goes_to_the_chosen_start_and_then_for_the_goal_it_was_chosen_for():
    chosen = method("vaprl", TOY)
    candidates = Candidates(
        jnp.array([[0.5], [-0.25], [0.0]]), jnp.array([3.0, 1.0, 2.0]), jnp.array([[9.9, 0.0, 9.9]])
    )
    state = {"signals": {"goals/curriculum": candidates}}
    after, end, _ = switched(chosen, 0, 2, success=True, task=TOY, state=state)
    assert end and int(after.role) == 1
    np.testing.assert_array_equal(after.goal, [0.0])  # the nearer one of those of value
    np.testing.assert_array_equal(after.next_goal, [toy.GOAL])
    after, end, _ = switched(chosen, 1, LENGTH - 1, task=TOY, state=state)
    assert end and int(after.role) == 0
    assert float(after.goal[0]) == pytest.approx(0.1)  # kept, and not the task's only goal


def test_multitask_roles_pursue_their_own_goals():
    chosen = method("multitask")
    assert [role.name for role in chosen.roles] == ["goal 0", "goal 1", "goal 2", "goal 3", "home"]
    seen = set()
    for key in range(20):
        after, end, _ = switched(chosen, 0, 2, success=True, key=key)
        role = int(after.role)
        seen.add(role)
        assert end and role != 0
        np.testing.assert_array_equal(after.goal, INITIAL[0] if role == 4 else GOALS[role])
        assert (int(after.source) == INITIAL_SOURCE) == (role == 4)
    assert seen == {1, 2, 3, 4}
    later = dataclasses.replace(chosen, roles=chosen.roles[2:])
    key = jax.random.key(0)
    np.testing.assert_array_equal(first_phase(later, TABLETOP, {}, key).goal, GOALS[2])


def test_each_initial_state_may_be_a_task_of_its_own():
    two = dataclasses.replace(TOY, initial_goals=np.array([[-1.0], [-0.5]], np.float32))
    settings = toy.tiny(registry.settings("multitask"))
    names = [role.name for role in dataclasses.replace(settings, each_home=True).method(two).roles]
    assert names == ["goal 0", "home 0", "home 1"]
    alone = dataclasses.replace(settings, home=False)
    with pytest.raises(UnresetError, match="one goal and no way home"):
        alone.method(two)
    practice = dataclasses.replace(settings.practice, share_learner=False)
    with pytest.raises(UnresetError, match="needs share_learner"):
        dataclasses.replace(settings, practice=practice).method(two)


def test_a_graph_says_who_may_follow():
    ring = Graph(edges=((0, 1), (1, 2), (2, 3), (3, 4), (4, 0), (4, 2)))
    chosen = dataclasses.replace(method("multitask"), order=ring)
    for role, followers in [(0, {1}), (3, {4}), (4, {0, 2})]:
        found = {int(switched(chosen, role, 2, success=True, key=key)[0].role) for key in range(15)}
        assert found == followers
    with pytest.raises(UnresetError, match=r"edge \(0, 9\) of multitask"):
        dataclasses.replace(chosen, order=Graph(edges=((0, 9),)))
    with pytest.raises(UnresetError, match="leads nowhere"):
        dataclasses.replace(chosen, order=Graph(edges=((0, 1),)))


def test_what_is_being_learned_is_practised_most():
    chosen = method("multitask")
    rates = [0.0, 0.5, 0.0, 1.0, 1.0]  # weights .05, .30, .05, .05, .05; the role itself is out
    count, tries = 0, 200
    for key in range(tries):
        after, *_ = switched(chosen, 0, 2, key=key, rates=rates, success=True)
        count += int(after.role) == 1
    assert count / tries == pytest.approx(0.30 / 0.45, abs=0.1)
    after, *_ = switched(chosen, 0, 2, rates=rates, success=True)
    assert float(after.success_rate[0]) == pytest.approx(0.1)  # .9 * 0 + .1 * 1
    np.testing.assert_allclose(after.success_rate[1:], rates[1:])


@dataclasses.dataclass(frozen=True)
class AtRest(Intervention):
    """Nothing moves."""

    def propose(self, scope, view, now, action):
        return jnp.zeros_like(action)


@pytest.mark.parametrize("seed_actions", ["policy", "uniform"])
def test_nothing_acts_past_an_intervention_in_seed_steps_neither(seed_actions):
    free = method("fbrl", TOY, seed_actions=seed_actions, seed_steps=5)
    held = dataclasses.replace(free, interventions={"rest": AtRest()})
    for chosen, moves in ((free, True), (held, False)):
        view = practice.view(chosen, begun(chosen))
        action = practice.act(chosen, TOY, view, jnp.zeros(1), jnp.int32(2))
        assert bool(action.any()) == moves


def test_what_the_first_goal_leads_to_is_kept_for_the_next_phase():
    fbrl = method("fbrl", TOY)
    forward, backward = fbrl.roles
    kept = dataclasses.replace(forward, goals=TaskGoals(kept=True))
    chosen = dataclasses.replace(fbrl, roles=(backward, kept))
    phase = begun(chosen).phase
    assert float(phase.goal[0]) == toy.START
    assert float(phase.next_goal[0]) == toy.GOAL
