"""Why the benchmark's recordings did not replay: ``python benchmarks/peg_lag.py PYTHON OUT.csv``.

The benchmark's physics is that of MuJoCo 2: PYTHON is an interpreter (3.10 or older) with numpy and
``mujoco==2.2.0``, the first version on PyPI, in which a weld is as it was in 2.1. There the actions
of our scripted experts are done and recorded as the benchmark's environment does it: the hand
driven home, five substeps a step, positions read without computing them anew. Each recording ends
with its first success. Then it is replayed from its first observation in our environment, and in
those that lack some of the things in which it differed or differs. A row for each; 1 in a column:

``home`` - after a reset to a reset's observation the hand's target is at home, not where it holds
the hand; ``weld`` - the weld is as stiff against turning as against moving, as before MuJoCo 3.0,
and not Meta-World's; ``substep`` - seen as the last substep found it, not after it; ``collider`` -
round shapes collide by MuJoCo 2's algorithm (an option of MuJoCo 3, not taken by our environment).
The door's panel is 11 mm in the table: in ``sawyer_door_free`` the two do not collide.

Then: recordings; successes no later than recorded; how many steps later (mean, least, most); how
far the hand lags behind along its recorded way (mean, mm; negative: it is ahead); distances of hand
and object (mean and most, mm); distances of the hand after 1, 2, 5, ... steps (mean, mm).
"""

import csv
import itertools
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

NUMBER, SEED = 10, 0  # forward recordings, and twice as many backward ones, as of the peg
BEYOND = 12  # steps that actions go on after our own success
AFTER = (1, 2, 5, 10, 20, 40)
RECORD = "--record"


def free(model, link):
    """Let the door's panel, its last shape, touch nothing."""
    panel = model.body_geomadr[link] + model.body_geomnum[link] - 1
    model.geom_contype[panel] = model.geom_conaffinity[panel] = 0


# In MuJoCo 2: nothing of ours can be imported here.


class Original:
    """The benchmark's step and reset, by its description, for the door or the peg."""

    def __init__(self, name, scene):
        import mujoco  # noqa: PLC0415

        self.mujoco, self.name = mujoco, name
        model = self.model = mujoco.MjModel.from_xml_path(scene)
        self.data = mujoco.MjData(model)
        if name != "sawyer_peg":
            link = self.id("BODY", "door_link")
            model.body_pos[self.id("BODY", "door")] = (0.1, 0.95, 0.1)
            model.jnt_range[self.id("JOINT", "doorjoint")] = (-1.4, 0.0)
            model.body_mass[link] *= 0.05
            model.body_inertia[link] *= 0.05
            mujoco.mj_setConst(model, self.data)
            if name == "sawyer_door_free":
                free(model, link)
        model.eq_data[0] = (0, 0, 0, 1, 0, 0, 0)
        self.hand = self.id("BODY", "hand")
        self.tips = [self.id("SITE", f"{side}EndEffector") for side in ("right", "left")]

    def id(self, kind, name):
        return self.mujoco.mj_name2id(
            self.model, getattr(self.mujoco.mjtObj, f"mjOBJ_{kind}"), name
        )

    def look(self):
        data = self.data
        right, left = data.site_xpos[self.tips]
        opening = min(np.linalg.norm(right - left) / 0.1, 1.0)
        if self.name != "sawyer_peg":
            thing = data.geom_xpos[self.id("GEOM", "handle")]
        else:
            thing = data.site_xpos[self.id("SITE", "pegHead")]
        return np.array([*data.xpos[self.hand], opening, *thing], np.float32)

    def substeps(self, target, command, number):
        self.data.mocap_pos[0], self.data.mocap_quat[0] = target, (1, 0, 1, 0)
        self.data.ctrl[:] = command, -command
        for _ in range(number):
            self.mujoco.mj_step(self.model, self.data)

    def record(self, home, thing, actions):
        """Observations [T + 1, 7] of actions [T, 4], from the hand at home and the object there."""
        data = self.data
        self.mujoco.mj_resetData(self.model, data)
        self.substeps(home, -1.0, 250)
        if self.name != "sawyer_peg":
            joint = self.id("JOINT", "doorjoint")
            data.qpos[self.model.jnt_qposadr[joint]] = thing
            data.qvel[self.model.jnt_dofadr[joint]] = 0
        else:
            data.qpos[9:12], data.qvel[9:15] = thing, 0
        self.mujoco.mj_forward(self.model, data)
        seen, low, high = [self.look()], (-0.5, 0.4, 0.05), (0.5, 1.0, 0.5)
        for action in np.clip(actions, -1, 1).astype(np.float64):
            target = np.clip(data.mocap_pos[0] + 0.01 * action[:3], low, high)
            self.substeps(target, action[3], 5)
            seen.append(self.look())
        return np.stack(seen)


def record(job, out):
    job = np.load(job)
    original = Original(str(job["name"]), str(job["scene"]))
    seen = {}
    for case in range(int(job["cases"])):
        seen[str(case)] = original.record(*(job[f"{what}{case}"] for what in ("home", "at", "do")))
    np.savez(out, **seen)


# In our environment.


def made(name, kind):
    env = kind()
    if name == "sawyer_door_free":
        free(env.model, env.model.body("door_link").id)
    return env


def script(name, kind, scripts):
    """Home, place of the object, actions and goal of scripted successes, from resets alone."""
    from unreset.tasks.sawyer.sawyer_experts import Lost, SawyerHand  # noqa: PLC0415

    env, generator, cases = made(name, kind), np.random.default_rng(SEED), []
    env.reset(seed=SEED)
    while len(cases) < 3 * NUMBER:
        there = len(cases) < NUMBER
        env.reset(options={"start": "initial" if there else "goal"})
        home, at = env.target.copy(), env.data.qpos[9:12].copy()
        if name != "sawyer_peg":
            at = env.data.qpos[env._angle]
        goals = env.goals if there else env.initial_goals
        hand = SawyerHand(env, generator, goals[generator.integers(len(goals))])
        try:
            (scripts.forward if there else scripts.backward)(hand)
        except Lost:
            continue
        if hand.success and hand.actions:
            last = np.mean(hand.actions[-5:], axis=0)
            do = np.stack([*hand.actions, *[last] * BEYOND]).astype(np.float32)
            cases.append((home, at, do, hand.goal))
    return cases


def recordings(python, name, kind, cases):
    """Observations, actions (some more) and goal of each case that succeeds in MuJoCo 2."""
    from unreset.tasks.extras import folder  # noqa: PLC0415

    scene = folder("metaworld", "sawyer") / "assets/sawyer_xyz" / kind.scene
    job = {"name": name, "scene": str(scene), "cases": len(cases)}
    for number, (home, at, do, _) in enumerate(cases):
        job |= {f"home{number}": home, f"at{number}": at, f"do{number}": do}
    with tempfile.TemporaryDirectory() as place:
        paths = [str(Path(place) / name) for name in ("job.npz", "seen.npz")]
        np.savez(paths[0], **job)
        subprocess.run([python, __file__, RECORD, *paths], check=True)
        with np.load(paths[1]) as file:
            seen = [file[str(number)] for number in range(len(cases))]
    kept = []
    for one, (_, _, do, goal) in zip(seen, cases, strict=True):
        reached = np.array([bool(kind.success(frame, goal)) for frame in one[1:]])
        if reached.any():
            end = int(reached.argmax()) + 1
            kept.append((one[: end + 1], do[: end + BEYOND], goal))
    return kept


def variant(name, kind, home, weld, substep, collider):
    """Our environment, without some of what makes it replay."""

    class Variant(kind):
        def _leaves(self, place, arm):
            self._settle(place)
            apart = np.abs(self._look()[:4] - arm).max()
            return home and bool(apart < 3e-3)  # with another weld the hand rests elsewhere

        def _simulate(self, action):
            super()._simulate(action)
            if not substep:  # what the next step would owe
                self.mujoco.mj_step(self.model, self.data, 1)

    env = made(name, Variant)
    model = env.model
    if not weld:
        model.eq_data[0, 10] = 5.0
        env.mujoco.mj_setConst(model, env.mujoco.MjData(model))  # its own weights again
    if collider:
        model.opt.disableflags |= int(env.mujoco.mjtDisableBit.mjDSBL_NATIVECCD)
    return env


def replay(env, recorded_cases):
    """The row of one environment, but for its name."""
    later, lags, hands, things = [], [], [], []
    for recorded, actions, goal in recorded_cases:
        first, end = env.reset(options={"state": recorded[0], "goal": goal})[0], len(recorded) - 1
        seen, reached = [first["observation"]], []
        for action in actions:
            observation, *_, info = env.step(action)
            seen.append(observation["observation"])
            reached.append(info["is_success"])
        later.append((int(np.argmax(reached)) + 1 if any(reached) else len(actions) + 1) - end)
        apart = 1e3 * (recorded - np.stack(seen[: end + 1]))
        hands.append(np.linalg.norm(apart[:, :3], axis=1))
        things.append(np.linalg.norm(apart[:, 4:], axis=1))
        way = np.gradient(recorded[:, :3], axis=0)
        fast = np.linalg.norm(way, axis=1)
        moving = fast > 2e-3  # metres a step
        lags.append(((apart[:, :3] * way).sum(axis=1)[moving] / fast[moving]).mean())
    row = [
        len(recorded_cases),
        sum(one <= 0 for one in later),
        np.mean(later),
        min(later),
        max(later),
    ]
    row += [np.mean(lags)]
    for distances in (hands, things):
        row += [np.concatenate(distances).mean(), max(one.max() for one in distances)]
    row += [np.mean([one[step] for one in hands if len(one) > step]) for step in AFTER]
    return [round(float(value), 2) for value in row]


def main(python, path):
    from unreset.tasks.sawyer.sawyer_door import SawyerDoorEnv  # noqa: PLC0415
    from unreset.tasks.sawyer.sawyer_experts import DOOR, PEG  # noqa: PLC0415
    from unreset.tasks.sawyer.sawyer_peg import SawyerPegEnv  # noqa: PLC0415

    tasks = {
        "sawyer_peg": (SawyerPegEnv, PEG),
        "sawyer_door": (SawyerDoorEnv, DOOR),
        "sawyer_door_free": (SawyerDoorEnv, DOOR),
    }
    columns = ["task", "home", "weld", "substep", "collider", "recordings", "in_time"]
    columns += ["later", "least", "most", "lag", "hand", "hand_most", "object", "object_most"]
    with open(path, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*columns, *(f"hand_{steps}" for steps in AFTER)])
        for name, (kind, scripts) in tasks.items():
            cases = recordings(python, name, kind, script(name, kind, scripts))
            for has in itertools.product((0, 1), repeat=4):
                if name == "sawyer_peg" and has[-1]:
                    continue  # nothing of it is round
                writer.writerow([name, *has, *replay(variant(name, kind, *has), cases)])


if __name__ == "__main__":
    record(*sys.argv[2:]) if sys.argv[1] == RECORD else main(*sys.argv[1:])
