"""MEDAL++ (Sharma, Ahmad & Finn 2023, arXiv 2303.01488): practise from pixels, rewards learned.

Nothing is told but demonstrations. The forward role is rewarded by a goal classifier (VICE, Fu et
al. 2018): ``f(D_f(s', g))``, whose positives are the last states of the demonstrations. The
backward role goes back to where experts have been (MEDAL): ``f(D_b(s', g))``, whose positives are
the states of the forward demonstrations.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from unreset.core.environment import ENVIRONMENT
from unreset.core.method import Method, Practice, Role
from unreset.core.ranges import Count, Share
from unreset.core.types import Task
from unreset.goals import InitialStates, TaskGoals
from unreset.learners.sac import SAC
from unreset.methods.settings import Settings, published_learner, published_practice
from unreset.networks.views import Vision
from unreset.rewards import Discriminator, Reward


@dataclass(frozen=True)
class MedalPP(Settings):
    """MEDAL from pixels: both roles' rewards are learned from demonstrations."""

    practice: Practice = field(default_factory=Practice)
    """The loop."""
    learner: SAC = field(default_factory=lambda: SAC(vision=Vision(pixels=True)))
    """The learner."""
    classifier: Discriminator = field(default_factory=lambda: Discriminator(last_states=10))
    """The forward role's reward: the goal classifier."""
    matching: Discriminator = field(default_factory=Discriminator)
    """The backward role's reward: the discriminator of experts' states."""
    forward_reward: Literal["classifier", "environment"] = "classifier"
    """The forward role's reward: learned, or the task's own (an ablation)."""
    backward_reward: Literal["discriminator", "classifier"] = "discriminator"
    """The backward role's reward: where experts have been (MEDAL), or the goal classifier's for the
    initial states, with which one learner and classifier do both (ours)."""
    forward_cloning: bool = True
    """Whether the forward policy clones the forward demonstrations (MEDAL++: yes)."""
    backward_cloning: bool = False
    """Whether the backward policy clones the backward demonstrations (MEDAL++: on the robot)."""
    outside: bool = False
    """Whether goals are shown to, and judged by, the task's first camera, which looks on from
    outside, where their cameras are not named (ours)."""
    end_when_seen: Share = 1.0
    """End a forward phase once the goal classifier says reached with more than this (MEDAL++: 1).
    """
    end_when_expert: Share = 1.0
    """End a backward phase once the discriminator says expert with more than this (MEDAL++: 1)."""
    first_camera: bool = False
    """Whether everybody looks through the task's first camera alone, where none is named (MEDAL++
    in simulation, where there is no other)."""
    wide_resets: bool = False
    """Whether hard resets lead to wide random starts where the task has some and --start does not
    say otherwise (MEDAL++'s code: yes)."""
    steps: Count = 100_000
    """Environment steps of each seed."""

    def resets_to(self, task: Task) -> str:
        return "wide" if self.wide_resets and "wide" in task.starts else super().resets_to(task)

    def method(self, task: Task) -> Method:
        learned = self.forward_reward == "classifier"
        learner, classifier = self.learner, self.classifier
        if self.first_camera and not learner.vision.cameras:
            first = replace(learner.vision, cameras=task.cameras[:1])
            learner = replace(learner, vision=first)
        if self.outside:
            shown = learner.vision.goal_cameras or task.cameras[:1]
            learner = replace(learner, vision=replace(learner.vision, goal_cameras=shown))
            classifier = replace(classifier, cameras=classifier.cameras or task.cameras[:1])
        seen = ("classifier", self.end_when_seen)
        forward = Role(
            "forward",
            TaskGoals(kept=True),
            self.ends(task, False, seen) if learned else self.ends(task),
            reward="classifier" if learned else ENVIRONMENT,
            demonstrations=(0,),
            imitate=(0,) if self.forward_cloning else (),
        )
        matched = self.backward_reward == "discriminator"
        expert = ("discriminator", self.end_when_expert)
        backward = Role(
            "backward",
            TaskGoals() if matched else InitialStates(),
            self.ends(task, False, expert if matched else seen),
            reward=self.backward_reward,
            demonstrations=(0, 1),
            imitate=(1,) if self.backward_cloning else (),
        )
        rewards: dict[str, Reward] = {}
        if matched:
            rewards["discriminator"] = self.matching
        if learned or not matched:
            rewards["classifier"] = classifier
        return Method("medalpp", (forward, backward), learner, self.practice, rewards)


def _paper() -> MedalPP:
    """The pipeline paper's simulation: its text and Table 1; a GPU's work.

    What it does not say is the released code's: pictures' size, widths, camera.
    """
    judge = Discriminator(
        hidden=(128,),
        learning_rate=3e-4,
        interval=10,  # ten updates in 100 steps
        batch_size=512,
        spectral_norm=True,
        encoder="strided",
        trunk=50,
        scale=1.0,
    )
    return MedalPP(
        practice=replace(
            published_practice(),
            demonstration_share=16 / 256,
            boundary="bootstrap",
            phase_length=100,
            seed_actions="uniform",
            reset_every=10_000,
            replay_capacity=1_000_000,
        ),
        learner=replace(
            published_learner(),
            vision=Vision(pixels=True, image_size=84, encoder="drq", shift=4),
            critics_hidden=(256,) * 4,
            own_trunks=True,
            critics=5,
            reward_scale=1.0,
            initial_temperature=0.0,
            learn_temperature=False,
            entropy_backup=False,
            cloning_form="likelihood",
            cloning_start=1.0,
            cloning_steps=10_000,
            cloning_after=10_000,
        ),
        classifier=replace(
            judge, interval=50, last_states=10, encoder=None, shared_encoder="frozen"
        ),
        matching=judge,
        first_camera=True,
        steps=600_000,
    )


def _released() -> MedalPP:
    """The released code's configuration for simulation; a GPU's work."""
    paper = _paper()
    judge = replace(paper.matching, interval=100)
    return replace(
        paper,
        practice=replace(
            paper.practice,
            updates_per_step=2,
            demonstration_share=32 / 256,
            phase_length=200,
            reset_every=25_000,
        ),
        learner=replace(
            paper.learner, critics=10, policy_every=2, cloning_end=0.1, cloning_steps=40_000
        ),
        classifier=replace(judge, interval=1000, last_states=10, form="log D"),
        matching=judge,
        wide_resets=True,
        steps=1_000_000,
    )


def _robot() -> MedalPP:
    """The pipeline paper's robot (A.2): its simulation but for what is said there.

    Two cameras and proprioception; the size of pictures and how many states are goals are the
    released code's for the robot. Where discriminators look through the wrist's camera alone they
    cannot share an encoder of both cameras, which the paper says too.
    """
    paper = _paper()
    vision = replace(paper.learner.vision, image_size=100, proprioception=True, goal_view="none")
    judge = replace(paper.matching, cameras=("wrist",))
    return replace(
        paper,
        practice=replace(paper.practice, demonstration_share=32 / 256, seed_steps=2_000),
        learner=replace(paper.learner, vision=vision, cloning_after=0),
        classifier=replace(judge, interval=1000, last_states=21, proprioception=False),
        matching=replace(judge, interval=500, proprioception=True),
        first_camera=False,
        backward_cloning=True,
        steps=300_000,
    )


def _robot_released() -> MedalPP:
    """The released code's configuration for the robot; a GPU's work."""
    robot = _robot()
    vision = replace(robot.learner.vision, features=256)
    judge = replace(
        robot.matching, hidden=(256,), trunk=256, form="log D", proprioception=False, cameras=()
    )
    return replace(
        robot,
        practice=replace(
            robot.practice, demonstration_share=64 / 256, phase_length=200, reset_every=0
        ),
        learner=replace(
            robot.learner,
            vision=vision,
            hidden=(1024, 1024),
            critics_hidden=(1024,) * 4,
            cloning_end=0.1,
            cloning_after=2_500,
            cloning_steps=47_500,
        ),
        classifier=replace(judge, interval=1000, last_states=21, cameras=("wrist",)),
        matching=replace(judge, interval=500, first_states=51, last_states=21),
        steps=10_000_000,
    )


def _default() -> MedalPP:
    """For two CPU cores, ours: one classifier that compares pictures rewards both roles.

    There is hindsight on pictures, and these are small: of the camera on the gripper, which the
    policy sees, and of one outside, which takes and judges the goal. Experts' rows are in every
    batch but are not cloned; resets are frequent, and lead anywhere where the task can do that.
    """
    vision = Vision(
        pixels=True,
        cameras=("wrist",),
        image_size=32,
        proprioception=True,
        goal_proprioception=True,
        encoder="keypoints",
        patch=4,
        features=0,
    )
    judge = Discriminator(
        hidden=(128,),
        learning_rate=3e-4,
        interval=10,
        batch_size=128,
        spectral_norm=True,
        scale=0.02,
        form="log D - log(1-D)",
    )
    return MedalPP(
        practice=Practice(
            updates_per_step=2,
            batch_size=128,
            boundary="terminal_on_success",
            hindsight=0.3,
            demonstration_share=0.5,
            reset_every=600,
        ),
        learner=SAC(
            vision=vision,
            learning_rate=1e-3,
            average_tau=0.005,
            target_entropy=-1.0,
            cloning_start=0.0,
            cloning_end=0.0,
        ),
        classifier=replace(
            judge,
            encoder="patches",
            proprioception=False,
            last_states=2,
            contrast=0.3,
            pairs=0.4,
            scale=10.0,
            form="D > 1/2",
        ),
        matching=judge,
        backward_reward="classifier",
        backward_cloning=True,
        outside=True,
        end_when_seen=0.5,
        wide_resets=True,
    )


PRESETS = {
    "default": _default(),
    "paper": _paper(),
    "released": _released(),
    "robot": _robot(),
    "robot_released": _robot_released(),
}
