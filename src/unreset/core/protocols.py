"""Protocols of the parts that a method is made of, and what core hands to them.

Core calls these and nothing else of a part; a mechanism of a paper is one file that implements one.
A part is a frozen dataclass of hyper-parameters. What it learns is its state, which lies in the
run's table of states under the part's name. Defaults here are those of a part that learns nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np

from unreset.core import replay as replays
from unreset.core.context import Context
from unreset.core.replay import Replay, Rows
from unreset.core.types import Array, Batch, Measurement, Metrics, Task, Transition
from unreset.networks.views import Frames, Inputs, Shown, Vision


class Scope(NamedTuple):
    """A part's own place in a run."""

    context: Context
    name: str  # the part's name in the method
    states: Mapping[str, Any] = {}  # of all parts, as of now

    @property
    def state(self) -> Any:
        """The part's own state."""
        return self.states[self.name]

    @property
    def method(self) -> Any:
        """The method, see :class:`unreset.core.method.Method`."""
        return self.context.method

    @property
    def task(self) -> Task:
        """The task."""
        return self.context.task

    def of(self, name: str) -> tuple[Reward, Scope]:
        """Another one of the method's rewards, and its place."""
        return self.method.rewards[name], self._replace(name=name)


class Steps(NamedTuple):
    """Steps [N] that a reward judges."""

    observation: Array  # [N, observation]
    action: Array  # [N, action], in [-1, 1]
    next_observation: Array  # [N, observation]
    goal: Array  # [N, goal]
    reward: Array  # [N], the task's for that goal, as it was recorded or is predicted
    success: Array  # [N] bool, whether the step reaches that goal
    frames: Mapping[str, Array] = {}  # what cameras saw with the observation
    next_frames: Mapping[str, Array] = {}  # and with the next one
    shown: Shown | None = None  # goals that are seen as pictures of practice, not as the task's
    arrived: Array | None = None  # [N] bool: there, whether the step leads to that very picture


class Fresh(NamedTuple):
    """A step just made, on which nothing was trained yet."""

    role: Array  # [], who acted
    goal: Array  # [goal] that was pursued
    transition: Transition


class Beginning(NamedTuple):
    """What the state of a part may depend on before the first step."""

    pinned: Rows  # the demonstration rows
    pinned_last: np.ndarray  # [rows]: the last row of each one's trajectory
    learner: Any  # of rewards, the state of the learner of the first role served; else None
    prior: bool  # whether that learner is one of a run before


class Draws(NamedTuple):
    """Where a part that learns takes its rows from."""

    replay: Replay
    learners: Any  # the states of the learners, stacked [learners]
    first_list: int  # in the replay, the first of its own lists of demonstration rows

    def steps(self, roles: tuple[int, ...], number: int, key: Array) -> Steps:
        """Steps [number] of practice by some roles, drawn uniformly, with replacement."""
        at = replays.sample(self.replay, roles, number, key)
        rows, after = self.replay.rows, replays.following(self.replay, at)
        return Steps(
            rows.observation[at],
            rows.action[at],
            rows.observation[after],
            rows.goal[at],
            rows.reward[at],
            rows.success[at],
            replays.pictures(self.replay, at),
            replays.pictures(self.replay, after),
        )


class Fitted(NamedTuple):
    """A part after an update that may have been due, and what that measured."""

    state: Any
    learners: Any  # stacked [learners]: an encoder of theirs may have been taught, too
    metrics: dict[str, Measurement]


class Part:
    """What every part may have. The defaults are those of one that learns nothing."""

    interval: int = 0
    """Environment steps between its updates; 0: it does not learn."""
    waits: bool = True
    """Whether it learns once the seed steps are over, like the learners, or from the first step."""

    @property
    def from_demonstrations(self) -> bool:
        """Whether it needs forward demonstrations."""
        return False

    def needs(self, method: Any, name: str) -> str | None:
        """The reason why a method cannot have it under this name; None where it can."""

    @property
    def own_lists(self) -> int:
        """How many lists of demonstration rows it draws from."""
        return 0

    def lists(self, scope: Scope, start: Beginning) -> list[np.ndarray]:
        """Those lists."""
        return []

    def init(self, scope: Scope, start: Beginning, key: Array) -> Any:
        """Its state before the first step."""
        return ()

    def observe(self, scope: Scope, fresh: Fresh) -> Any:
        """Its state after a step."""
        return scope.state

    def fit(self, scope: Scope, draws: Draws, due: Array, key: Array) -> Fitted:
        """Its update if ``due``. It draws rows outside of the condition."""
        return Fitted(scope.state, draws.learners, {})

    def measured(self, scope: Scope, fresh: Fresh) -> dict[str, Measurement]:
        """Metrics of a fresh step, by name."""
        return {}

    def misfit(self, context: Context) -> str | None:
        """The reason why it is of no use for a task; None where it is."""

    @property
    def foresees(self) -> tuple[str, ...]:
        """Events that learners shall have critics of: "success", "stuck"."""
        return ()

    @property
    def asks_critics(self) -> bool:
        """Whether it asks the learners' critics what a state is worth."""
        return False


class Reward(Part):
    """What a role is rewarded for, computed whenever a batch is drawn, from the state of now."""

    @property
    def uses(self) -> tuple[str, ...]:
        """Names of the method's other rewards that it is made of."""
        return ()

    @property
    def told(self) -> bool:
        """Whether it is the task's own for the goal that was pursued, not one that is learned."""
        return False

    def sight(self, vision: Vision) -> Vision | None:
        """How it looks at pictures, given how the policies do; None where it needs no more."""

    def relabels(self, context: Context) -> bool:
        """Whether it can judge a goal that was chosen in hindsight."""
        return False

    def reward(self, scope: Scope, steps: Steps) -> tuple[Array, Array]:
        """Rewards [N] as the learner sees them, and where [N] a success ends the bootstrap."""
        raise NotImplementedError


class Discriminates(Reward):
    """A reward that tells what is an expert's, or a success, from what is not."""

    @property
    def classifies(self) -> bool:
        """Whether it looks for success, not for where experts have been."""
        return False

    @property
    def sees_action(self) -> bool:
        """Whether it judges an action in a state instead of the state that was reached."""
        return False

    def score(self, scope: Scope, fresh: Fresh) -> Array:
        """The log odds [] that a step led to what it looks for."""
        raise NotImplementedError

    def scores(self, scope: Scope, observation: Array, goal: Array, frames: Frames) -> Array:
        """The same [N] of states [N, observation], for goals [N, goal]."""
        raise NotImplementedError


class Learner(Protocol):
    """A learner: policy and critics, and how batches teach them.

    It is a frozen dataclass of hyper-parameters. Its state is a pytree, of which the run holds one
    for each of the method's learners, stacked. What acts, and what values actions, are small parts
    of the state that need nothing else of it: see :meth:`actor` and :meth:`critic`.
    """

    @property
    def vision(self) -> Vision:
        """Which pictures it learns from, if any."""

    @property
    def relative(self) -> bool:
        """Whether its inputs are differences of positions, where the task says how."""

    @property
    def octaves(self) -> int:
        """Octaves of sines and cosines beside its inputs; 0 for none."""

    @property
    def discount(self) -> float:
        """Discount per step, in [0, 1)."""

    @property
    def reward_scale(self) -> float:
        """Factor on the environment's reward in its batches."""

    @property
    def foresees(self) -> tuple[str, ...]:
        """Events whose discounted probability it can learn: columns of a batch."""

    def needs(self, context: Context) -> str | None:
        """Why it cannot be used with a method and a task; None where it can."""

    def init(
        self, key: Array, inputs: Inputs, action_size: int, events: tuple[str, ...] = ()
    ) -> Any:
        """A fresh state for inputs such as these [input] and actions [action_size].

        ``events`` are those of :attr:`foresees` that it shall learn to foresee.
        """

    def update(self, state: Any, batches: Batch, step: Array, key: Array) -> tuple[Any, Metrics]:
        """A state taught by stacked batches [U, B, ...] at an environment step []; metrics []."""

    def updates(self, state: Any) -> Array:
        """How many batches have taught it [] int32."""

    def actor(self, state: Any) -> Any:
        """The parameters that act now, with the encoder if there is one."""

    def deployed(self, state: Any) -> Any:
        """The parameters that act where the policy is evaluated or exported; laid out alike."""

    def deploy(self, state: Any) -> Any:
        """A state that deploys what acts now."""

    def act(self, actor: Any, inputs: Inputs, key: Array | None) -> Array:
        """Actions [..., action] in (-1, 1) for inputs [..., input]; with no key the policy's mean.

        ``actor`` are parameters of :meth:`actor` or :meth:`deployed`.
        """

    def critic(self, state: Any) -> Any:
        """The parameters that value actions now, with the encoder; None where there are none."""

    def target(self, state: Any) -> Any:
        """Their slow copies, laid out alike."""

    def value(self, critic: Any, inputs: Inputs, action: Array) -> Array:
        """What each critic says [critics, ...] of actions [..., action] for inputs [..., input].

        ``critic`` are parameters of :meth:`critic` or :meth:`target`.
        """

    def foresight(self, state: Any, event: str) -> Any:
        """The parameters that foresee an event, with the encoder."""

    def foresee(self, foresight: Any, inputs: Inputs, action: Array) -> Array:
        """The probability [critics, ...] that each critic of an event gives it after an action.

        ``foresight`` are parameters of :meth:`foresight`.
        """

    def encoder(self, state: Any) -> Any:
        """The parameters of the encoder of pictures, which rewards may share; () for none."""

    def shaped(self, state: Any, gradient: Any) -> Any:
        """A state after a gradient step of its encoder, by the loss of a reward that shares it."""

    def cloner(self) -> Learner | None:
        """A learner that clones behaviour and nothing else, on the same state; None for none."""

    def successor(self) -> Learner | None:
        """The learner that goes on, in practice, from what this one has learned.

        Its state holds nothing that this one's lacks. None where there are no critics to begin
        with.
        """


class Wanted(NamedTuple):
    """Rows that a source is asked for."""

    roles: tuple[int, ...]  # whom they teach, all of one reward
    shape: tuple[int, int]  # how many: (updates, rows of each)
    step: Array  # [] the environment step
    key: Array


class Drawn(NamedTuple):
    """N = updates x rows of a source, before they are rewarded."""

    steps: Steps
    terminal: Array  # [N] bool: the bootstrap ends there, whatever the reward
    imitate: Array  # [N] bool: the action is an expert's, and right for the goal
    view_keys: Array | None = None  # [2], by which pictures of both ends are varied at random
    positions: Array | None = None  # [N] in the replay; None for what was never recorded


class Source(Part):
    """Where rows of a batch come from."""

    share: float = 0.0
    """Its share of a batch; the replay gives the rest."""

    def draw(self, scope: Scope, run: Any, wanted: Wanted) -> Drawn:
        """Rows of a :class:`unreset.core.practice.Run`."""
        raise NotImplementedError


class Now(NamedTuple):
    """The moment before an action."""

    observation: Array  # [observation]
    frames: Frames | None
    step: Array  # [] its number
    key: Array  # from which the policy's action was drawn


class Recorded(NamedTuple):
    """A step after it was recorded."""

    replay: Replay
    transition: Transition
    step: Array  # [] its number
    reset: Array  # [] bool: a hard reset follows


class Intervention(Part):
    """What may replace an action, ask for a hard reset, or say what rows are worth.

    All of it is pure, so that it runs inside the compiled step; what a person or a device says
    comes through a driver, which changes the state.
    """

    @property
    def resets(self) -> bool:
        """Whether it may ask for hard resets."""
        return False

    @property
    def of_the_host(self) -> bool:
        """Whether somebody outside has to answer, which takes the live driver."""
        return False

    def propose(self, scope: Scope, view: Any, now: Now, action: Array) -> Array:
        """The action [action] to take instead of the one proposed so far, before the step.

        ``view`` is a :class:`unreset.core.phases.View`.
        """
        return action

    def asks(self, scope: Scope, view: Any, transition: Transition, step: Array) -> Array | bool:
        """Whether [] a hard reset shall follow this step."""
        return False

    def recorded(self, scope: Scope, view: Any, after: Recorded) -> Any:
        """Its state after a step was recorded; ``view`` is from before."""
        return scope.state

    def begun(self, scope: Scope, replay: Replay, acted: Array) -> Any:
        """Its state after a reset from outside; ``acted`` [] says whether anybody had moved."""
        return scope.state

    def relabel(
        self, scope: Scope, replay: Replay, drawn: Drawn, told: tuple[Array, Array, Array | None]
    ) -> tuple[Array, Array, Array | None]:
        """Rewards, discounts and labels [N] of drawn rows, given those so far."""
        return told
