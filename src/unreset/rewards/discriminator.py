"""Distribution matching: a discriminator between expert and own states, and its rewards.

One discriminator serves GAIL (Ho & Ermon 2016), VICE (Fu et al. 2018) and MEDAL (Sharma et al.
2022): they differ in what the positives and negatives are and in the form of the reward.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from unreset.core import replay as replays
from unreset.core.context import Context
from unreset.core.keys import stream
from unreset.core.protocols import (
    Beginning,
    Discriminates,
    Draws,
    Fitted,
    Fresh,
    Scope,
    Steps,
)
from unreset.core.ranges import Count, Finite, Pair, Rate, Share, Whole
from unreset.core.types import Array, Measurement, Metrics, when
from unreset.errors import UnresetError
from unreset.networks.views import EncoderName, Frames, Inputs, Seen, Shown, Vision, looked_at
from unreset.rewards import expert_rows, judge, prior_weights
from unreset.rewards.expert_rows import Taken
from unreset.rewards.judge import Judge, RewardForm, State, Teacher


@dataclass(frozen=True)
class Discriminator(Discriminates):
    """A reward by a discriminator between expert and own states."""

    hidden: tuple[Count, ...] = (128,)
    """Widths of its hidden layers (MEDAL code: 128)."""
    learning_rate: Rate = 3e-4
    """Adam's step size (MEDAL code: 3e-4)."""
    interval: Count = 10
    """Environment steps between its updates (MEDAL code: 10)."""
    batch_size: Pair = 800
    """Rows of one update, half of them expert (MEDAL code: 800)."""
    mixup: bool = True
    """Train on convex mixtures of pairs, weights ~ Beta(1, 1) (MEDAL code); of features, where it
    looks at pictures (MEDAL++)."""
    spectral_norm: bool = False
    """Whether to divide every layer by its largest singular value (MEDAL++: yes)."""
    encoder: EncoderName | None = None
    """The kind of its own encoder of pictures; None: the policy's kind."""
    shared_encoder: Literal["no", "frozen", "trained"] = "no"
    """Whether it sees through the policy's encoder instead: as it is, or trained by this loss, too
    (MEDAL++: shared with the classifier; its code: not)."""
    trunk: Whole = 50
    """Width of the dense-LayerNorm-tanh bottleneck after its encoder (MEDAL++: 50)."""
    cameras: tuple[str, ...] = ()
    """Cameras it looks through; none: the policy's."""
    proprioception: bool | None = None
    """Whether it sees what the robot's own sensors tell; None: as the policy does."""
    goal_view: Literal["image", "vector"] | None = None
    """How it sees the goal; None: as the policy does."""
    last_states: Whole = 0
    """Only so many last states of a demonstration are expert's; 0: all (VICE in MEDAL++: 10)."""
    first_states: Whole = 0
    """So many first states of a forward demonstration are expert's, and of backward ones the last
    states (MEDAL++ on the robot: 50, and 20 last ones); 0: as ``last_states`` says."""
    contrast: Share = 0.0
    """Share of its own rows that demonstrations give instead, so that it looks for the goal: states
    well before the last ones, and last ones of another goal (ours; MEDAL++: 0)."""
    pairs: Share = 0.0
    """Share of both halves of its rows that are pairs of pictures of one stretch of time instead,
    the later one as the goal: at most one step apart in the expert's half, eight or more in the
    other. So it learns what "the same" means from practice as well (ours; MEDAL++: 0)."""
    arrivals: bool = False
    """Whether expert's are the states in which demonstrations arrived, the very last one included,
    instead of those that they acted from (QWALE: arrivals; MEDAL code: not)."""
    weighted: bool = False
    """Whether expert's rows count as much as they are worth (QWALE): to the critics of the run
    before, or, without one, the further on in its demonstration a row is."""
    baseline: Share | None = None
    """The worth, from 0 to 1, of a row that counts once; None: that of the agent's latest step to
    those critics (QWALE), or 1/2 without them."""
    see_goal: bool = True
    """Whether it sees the goal beside the state (MEDAL code: yes); if not, no offsets either."""
    see_action: bool = False
    """Whether it sees a state that was acted from and the action taken there, instead of a state
    that was reached (GAIL; GAIL-sa of QWALE)."""
    form: RewardForm = "-log(1-D)"
    """Reward as a function of D, the probability of being expert (MEDAL: -log(1-D))."""
    scale: Finite = 10.0
    """Factor on this reward (MEDAL code: 10)."""

    def __post_init__(self) -> None:
        """Refuse fields that do not go together."""
        if self.contrast and (self.first_states or not self.last_states):
            raise UnresetError(
                f"contrast={self.contrast} sets a demonstration's last states against those before "
                "them: last_states must be 1 or more, and first_states 0"
            )
        if (self.arrivals or self.weighted) and (self.last_states or self.pairs):
            raise UnresetError(
                "arrivals and weighted are of all states of demonstrations: last_states and pairs "
                "must be 0"
            )
        if self.see_action and (
            self.arrivals or self.last_states or self.first_states or self.pairs
        ):
            raise UnresetError(
                "see_action is of states that were acted from, and nobody acts in the last one: "
                "arrivals must be False, and last_states, first_states and pairs 0"
            )
        if self.see_action and self.form == "D > 1/2":
            raise UnresetError(
                "form='D > 1/2' sees a success, which is a state: see_action must be False"
            )
        if self.contrast + self.pairs > 1:
            raise UnresetError(
                f"contrast={self.contrast} and pairs={self.pairs} are shares of one half of its "
                "rows: together at most 1"
            )
        if self.shared_encoder != "no" and (self.cameras or self.encoder):
            raise UnresetError(
                f"a discriminator with shared_encoder={self.shared_encoder!r} sees as the policy "
                "does: it can have neither cameras nor an encoder of its own"
            )

    def sight(self, vision: Vision) -> Vision:
        """How it sees, given how the policy does."""
        told = self.proprioception
        sees = vision.proprioception if told is None else told
        goal_view = self.goal_view or vision.goal_view if self.see_goal else "none"
        return replace(
            vision,
            cameras=self.cameras or vision.cameras,
            goal_cameras=() if self.cameras else vision.goal_cameras,
            proprioception=sees,
            goal_proprioception=vision.goal_proprioception and sees and goal_view == "image",
            goal_view=goal_view,
            encoder=self.encoder or vision.encoder,
            stack=1,
        )

    def needs(self, method: Any, name: str) -> str | None:
        blind = self._blindness(method.vision)
        return f"{name} of {method.name} {blind}" if blind else None

    def _blindness(self, vision: Vision) -> str | None:
        """What it cannot do, given how the policy sees; None where it can do all that it shall."""
        if self.pairs and not (vision.pixels and self.sight(vision).goal_view == "image"):
            return (
                f"cannot compare pairs={self.pairs} of pictures: that takes pixels, "
                "goal_view='image' and see_goal"
            )
        if self.shared_encoder == "no":
            return None
        if vision.pixels and (self.sight(vision).goal_view == "image") != (
            vision.goal_view == "image"
        ):
            return "shares the policy's encoder: either both see goals as pictures, or neither"
        if vision.stack > 1:
            return f"sees one picture and cannot share an encoder of stack={vision.stack}"
        return None

    @property
    def from_demonstrations(self) -> bool:
        return True

    @property
    def classifies(self) -> bool:
        return bool(self.last_states)

    @property
    def sees_action(self) -> bool:
        return self.see_action

    def relabels(self, context: Context) -> bool:
        """A picture can be a goal, where it judges whether that is reached."""
        vision = context.method.vision
        return vision.pixels and vision.goal_view == "image" and self.form == "D > 1/2"

    @property
    def own_lists(self) -> int:
        return 2

    def lists(self, scope: Scope, start: Beginning) -> list[np.ndarray]:
        method = scope.method
        sources = [method.roles[role].goals.source for role in method.rewarded(scope.name)]
        returns = "initial" in sources
        return expert_rows.lists(self, returns, start.pinned, start.pinned_last)

    def init(self, scope: Scope, start: Beginning, key: Array) -> State:
        task = scope.task
        nothing = jnp.zeros(task.observation_size), jnp.zeros(task.goal_size)
        frames = replays.blank_frames(start.pinned)
        seen = self.inputs(scope, *nothing, frames, action=jnp.zeros(task.action_size))
        encoder = ()
        if self.shared_encoder != "no":
            encoder = scope.method.learner.encoder(start.learner)
        state = self.teacher(scope.method.vision).fresh(key, seen, encoder)
        if self.weighted:
            worth = prior_weights.of_start(scope, start, arrivals=self.arrivals)
            state = state._replace(worth=worth)
        return state

    def teacher(self, vision: Vision) -> Teacher:
        """How its network is taught, given how the policies see."""
        own = self.shared_encoder == "no"
        network = Judge(self.hidden, self.trunk, self.spectral_norm, own, self.sight(vision))
        trains = self.shared_encoder == "trained"
        return Teacher(network, self.learning_rate, self.mixup, trains)

    def inputs(
        self,
        scope: Scope,
        observation: Array,
        goal: Array,
        frames: Frames,
        *,
        key: Array | None = None,
        shown: Shown | None = None,
        action: Array | None = None,
    ) -> Inputs:
        """Inputs of its network: observations and goals [..., n], or pictures; and actions.

        With a ``key`` pictures are varied at random, as in batches.
        """
        method, task = scope.method, scope.task
        seen: Inputs = observation
        if method.vision.pixels:
            sight = self.sight(method.vision)
            seen = looked_at(sight, task, observation, goal, frames or {}, key, shown)
        elif self.see_goal:
            seen = task.seen(observation, goal, method.learner.relative)
        if not self.see_action:
            return seen
        assert action is not None
        if isinstance(seen, Seen):
            return seen._replace(vector=jnp.concatenate([seen.vector, action], axis=-1))
        return jnp.concatenate([seen, action], axis=-1)

    def reward(self, scope: Scope, steps: Steps) -> tuple[Array, Array]:
        at, frames = steps.next_observation, steps.next_frames
        if self.see_action:
            at, frames = steps.observation, steps.frames
        seen = self.inputs(scope, at, steps.goal, frames, shown=steps.shown, action=steps.action)
        reward = self.scale * judge.reward(self.form, self._logits(scope, seen))
        if steps.shown is not None and steps.arrived is not None:
            # A picture chosen as the goal is reached where it was taken, and where a classifier
            # that has learned to compare any two pictures says so.
            taken = self.scale * steps.arrived
            found = jnp.maximum(reward, taken) if self.pairs else taken
            reward = jnp.where(steps.shown.other, found, reward)
        return reward, (reward > 0) & (self.form == "D > 1/2")

    def _logits(self, scope: Scope, inputs: Inputs) -> Array:
        return judge.logits(self.teacher(scope.method.vision).judge, scope.state, inputs)

    def score(self, scope: Scope, fresh: Fresh) -> Array:
        """The log odds [] that a step is an expert's: of where it led, or of what was done."""
        step = fresh.transition
        seen, frames = step.next_observation, step.next_frames
        if self.see_action:
            seen, frames = step.observation, step.frames
        inputs = self.inputs(scope, seen, fresh.goal, frames, action=step.action)
        return self._logits(scope, inputs)

    def scores(self, scope: Scope, observation: Array, goal: Array, frames: Frames) -> Array:
        return self._logits(scope, self.inputs(scope, observation, goal, frames))

    def measured(self, scope: Scope, fresh: Fresh) -> dict[str, Measurement]:
        """How often it takes a fresh state for what it is: the agent's own."""
        right = (self.score(scope, fresh) < 0).astype(jnp.float32)
        mine = jnp.array(scope.method.rewarded(scope.name))
        acting = jnp.isin(fresh.role, mine).astype(jnp.float32)
        return {"fresh_accuracy": Measurement(right, acting)}

    def fit(self, scope: Scope, draws: Draws, due: Array, key: Array) -> Fitted:
        """An update on expert's and own rows; with a shared encoder the policy's of now."""
        expert, rows = expert_rows.drawn(self, scope, draws, key)
        counts = None
        if self.weighted:
            counts = prior_weights.of_rows(scope, draws.replay, expert, self.baseline)
        state, which = scope.state, scope.method.encoder_of(scope.name)
        learner = jax.tree.map(lambda x: x[which], draws.learners)
        if self.shared_encoder != "no":
            state = state._replace(encoder=scope.method.learner.encoder(learner))
        taught = learner if self.shared_encoder == "trained" else None
        update = partial(self._update, scope, rows, stream(key, "update"), counts)
        (state, taught), found = when(due, update, (state, taught))
        if taught is None:
            return Fitted(state, draws.learners, found)
        learners = jax.tree.map(lambda x, y: x.at[which].set(y), draws.learners, taught)
        return Fitted(state, learners, found)

    def _update(
        self, scope: Scope, rows: Taken, key: Array, counts: Array | None, pair: tuple[State, Any]
    ) -> tuple[tuple[State, Any], Metrics]:
        """A step on rows [2, N, ...], expert's and own; and one of a shared encoder."""
        state, learner = pair
        observation, goal, action, frames, shown = rows
        see_key = stream(key, "views")
        seen = self.inputs(
            scope, observation, goal, frames, key=see_key, shown=shown, action=action
        )
        halves = (jax.tree.map(lambda x: x[0], seen), jax.tree.map(lambda x: x[1], seen))
        state, metrics, gradient = self.teacher(scope.method.vision).update(
            state, halves, key, counts
        )
        if learner is not None:
            learner = scope.method.learner.shaped(learner, gradient)
        return (state, learner), metrics
