"""The shared vocabulary: what a task is and what one step of practice produces."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from unreset.errors import UnresetError

Array = jax.Array
Metrics = dict[str, Array]
State = TypeVar("State")


class Measurement(NamedTuple):
    """A metric of one step; weight 0 says that this step did not measure it."""

    value: Array
    weight: Array


def add(totals: dict[str, Measurement], step: dict[str, Measurement]) -> dict[str, Measurement]:
    """Running sums of weighted values and weights; their quotient is the mean."""
    return {
        name: Measurement(
            total.value + step[name].value * step[name].weight, total.weight + step[name].weight
        )
        for name, total in totals.items()
    }


def joined(*tables: dict[str, Measurement]) -> dict[str, Measurement]:
    """Metrics of several parts in one table; raises UnresetError where two have one name."""
    names = [name for table in tables for name in table]
    if twice := {name for name in names if names.count(name) > 1}:
        raise UnresetError(f"two parts measure {min(twice)!r}: give one of them another name")
    return {name: value for table in tables for name, value in table.items()}


def when(
    due: Array, update: Callable[[State], tuple[State, Metrics]], state: State
) -> tuple[State, dict[str, Measurement]]:
    """``update(state)`` if due, else the same state; its metrics weigh 0 if not.

    ``due`` must not depend on the seed: a batched condition would compute both branches.
    """

    def skip(state: State) -> tuple[State, Metrics]:
        shapes = jax.eval_shape(update, state)[1]
        return state, jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)

    state, metrics = jax.lax.cond(due, update, skip, state)
    weight = jnp.asarray(due, jnp.float32)
    return state, {name: Measurement(value, weight) for name, value in metrics.items()}


#: What a critic's target does at the end of a phase (see :class:`unreset.core.method.Method`).
Boundary = Literal["bootstrap", "terminal", "terminal_on_success"]


class Transition(NamedTuple):
    """What the task answered to one action; reward and success refer to the current goal."""

    observation: Array  # [observation]
    action: Array  # [action], in [-1, 1]
    next_observation: Array  # [observation]
    reward: Array  # []
    success: Array  # [] bool
    terminated: Array  # [] bool, a true end of the task
    truncated: Array  # [] bool, the task's own time limit: it must be reset, nothing has ended
    asked_reward: Array | float = 0.0  # [] for what the task asks for meanwhile (continuing)
    frames: Mapping[str, Array] = {}  # what cameras saw with the observation
    next_frames: Mapping[str, Array] = {}  # and with the next one


class Batch(NamedTuple):
    """Rows that teach one learner; ``B`` is the batch size."""

    inputs: Any  # [B, input]: observation, goal (and the acting role where roles share a learner)
    action: Array  # [B, action]
    next_inputs: Any  # [B, input]
    reward: Array  # [B], unscaled
    discount: Array  # [B]: 1 to bootstrap through the row, 0 to end there
    imitate: Array  # [B]: 1 where the row is an expert's and its goal is the expert's own
    success: Array  # [B]: 1 where the row reaches its goal
    stuck: Array | None = None  # [B]: 1 where the row leads to a stuck state, 0 not, -1 unknown


FORWARD, BACKWARD = 0, 1  # the directions of a demonstration


class Trajectory(NamedTuple):
    """One demonstration of T steps; without ``rewards`` its last step is its first success."""

    observations: np.ndarray  # [T + 1, observation]
    actions: np.ndarray  # [T, action], in [-1, 1]
    goal: np.ndarray  # [goal]
    direction: int  # FORWARD: to a goal of the task; BACKWARD: to an initial state
    rewards: np.ndarray | None = None  # [T]; None: 1 at the last step and 0 before
    frames: Mapping[str, np.ndarray] = {}  # by camera, uint8 [T + 1, height, width, 3]


@dataclass(frozen=True, eq=False)
class Task:
    """A goal-conditioned task that is practised for as long as one likes.

    ``reward``, ``success`` and ``achieved`` are pure JAX functions of one observation and one goal
    (no batch axis), so that rewards can be recomputed for any goal when a batch is drawn. Where
    they cannot be, because a reward needs the simulator or a predicate is NumPy, ``score`` answers
    for them at every step, and no row's goal is ever exchanged.

    ``reset``, ``step`` and ``observe`` are given where the whole task is in JAX; otherwise the task
    is stepped through the Gymnasium environment that ``environment`` makes.
    """

    name: str
    summary: str
    observation_size: int
    action_size: int
    goals: np.ndarray  # [goals, goal]: what the task asks for
    initial_goals: np.ndarray  # [initials, goal]: the initial states, as goals of a reset policy
    horizon: int  # steps of one evaluation episode
    train_reset_every: int  # the benchmark's own period of hard resets, in steps
    achieved: Callable[[Array], Array]  # observation -> the goal it satisfies
    reward: Callable[[Array, Array], Array]  # (observation, goal) -> reward
    success: Callable[[Array, Array], Array]  # (observation, goal) -> bool
    wide_success: Callable[[Array, Array], Array] | None = None
    """The looser predicate used with wide starts, if there is one."""
    lasting: bool = False
    """Whether success has to last, as of a door that shall stay shut: then it is success at the end
    of an episode that counts, not at any of its steps. Both are measured of every task."""
    continuing_reset_every: int = 50_000  # period of hard resets in continuing evaluation
    goal_change_every: int | None = None  # in continuing evaluation; None for two horizons
    reset: Callable[..., Any] | None = None  # (key, start="initial") -> task state
    step: Callable[[Any, Array], Any] | None = None  # (task state, action) -> task state
    observe: Callable[[Any], Array] | None = None  # task state -> observation
    environment: Callable[..., Any] | None = None
    """(render_mode=None) -> a Gymnasium environment for this task; where it also takes ``cameras``
    and ``camera_size``, those say which pictures its observations shall hold, under their names."""
    state: Callable[[Any], np.ndarray] = lambda observation: observation["observation"]
    """The part of its environment's observation that is the task's observation."""
    score: Callable[[Any, np.ndarray, np.ndarray], tuple[float, bool]] | None = None
    """(environment, observation, goal) -> reward and success of the present state."""
    stuck: Callable[[Array], Array] | None = None
    """Observation -> bool, in JAX: whether nobody leaves this state without help. It is what a
    simulated supervisor is asked (PAINT), never what a policy sees."""
    stuck_examples: Callable[[Array, int], Array] | None = None
    """(key, number) -> observations [number, observation] of stuck states, for a classifier that is
    shown some from the start (PAINT)."""
    stuck_reward: float = 0.0
    """What critics are told that every further step there is rewarded with (PAINT)."""
    sparse: bool = True
    """Whether the reward is 1 on success, else 0: what demonstrations without rewards show."""
    beginnings: np.ndarray | None = None
    """[n, observation]: observations after resets, by which an unasked one is recognised."""
    action_bounds: tuple[np.ndarray, np.ndarray] | None = None
    """Lowest and highest action, [action] each, in the units of what it stretches [-1, 1] to; None
    where those are its environment's own."""
    watch_resets: bool = True
    """Whether practice stops where its environment seems to have reset itself. False where you know
    that it never does, although all of its observation may jump to a start, or its time go back."""
    raw_state: Callable[[Any], np.ndarray] | None = None
    """An observation of the environment that the task was made from -> the task's [observation]:
    how data sets of that environment are read. None where they are laid out alike."""
    starts: tuple[str, ...] = ("initial",)
    """The kinds of start that resets know: "initial", and perhaps "goal" and "wide"."""
    demonstrations: Callable[..., Sequence[Trajectory]] | None = None
    """(seed=0) -> the task's own demonstrations."""
    render: Callable[..., Array] | None = None
    """(observation, goal, size) -> uint8 image [size, size, 3]."""
    cameras: tuple[str, ...] = ()
    """The names of its cameras."""
    look: Callable[..., Mapping[str, Array]] | None = None
    """(observation, size) -> what each camera sees, uint8 [size, size, 3], where that is in JAX."""
    proprioception: tuple[int, ...] = ()
    """Which numbers of an observation the robot's own sensors tell."""
    goal_pictures: Mapping[str, np.ndarray] | None = None
    """By camera, uint8 [goals + initials, height, width, 3]: what it sees of each goal reached."""
    goal_observations: np.ndarray | None = None
    """[goals + initials, observation]: what was observed where those pictures were taken."""
    offsets: np.ndarray | None = None
    """[offsets, observation + goal]: observation and goal as differences of positions, by a matrix,
    where they say everything that matters: what is learned in one place then holds in another."""
    position: tuple[int, int] = (0, 1)  # the two observation numbers drawn on the report's map
    position_name: str = "position"

    def __post_init__(self) -> None:
        """Refuse offsets that do not fit."""
        size = self.observation_size + self.goal_size
        if self.offsets is not None and self.offsets.shape[1:] != (size,):
            raise UnresetError(
                f"offsets of task {self.name!r} have shape {self.offsets.shape}; a row must have "
                f"{size} numbers, of observation and goal"
            )

    def seen(self, observation: Array, goal: Array, relative: bool) -> Array:
        """Observation and goal in one array [..., seen]; as offsets if wanted and there are any."""
        both = jnp.concatenate([observation, goal], axis=-1)
        if not relative or self.offsets is None:
            return both
        return jnp.matmul(both, self.offsets.T, precision=jax.lax.Precision.HIGHEST)

    @property
    def pure(self) -> bool:
        """Whether reward and success are functions of observation and goal alone, in JAX."""
        return self.score is None

    @property
    def goal_size(self) -> int:
        return int(self.goals.shape[1])
