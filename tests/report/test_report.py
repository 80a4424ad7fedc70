"""The page of a run and of several: complete, self-contained, and honest about what is missing."""

from __future__ import annotations

import base64
import csv
import dataclasses
import io
import json
import re
from collections.abc import Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jax
import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from unreset import registry
from unreset.core import practice
from unreset.demos import store
from unreset.drivers.fused import Carry
from unreset.errors import UnresetError
from unreset.report import curves, record
from unreset.report.report import labels, write_report
from unreset.report.videos import write_videos
from unreset.runs.rows import LOGS

STEPS = 20_000
VOID = {"meta", "img", "source", "br", "link", "input", "hr"}
SETTINGS: dict[str, Any] = {
    "learner": {"hidden": [128, 128], "discount": 0.99, "layer_norm": True},
    "practice": {"batch_size": 128, "phase_length": 200},
    "backward_cloning": True,
}


class Checker(HTMLParser):
    """Collects a page's images and links, and fails on tags that do not match."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.images: list[Mapping[str, str | None]] = []
        self.references: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.references += [found[k] or "" for k in ("src", "srcset", "href") if k in found]
        if tag == "img":
            self.images.append(found)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag


def check(page: str) -> Checker:
    """The page's elements, after the checks that hold for every page."""
    checker = Checker()
    checker.feed(page)
    checker.close()
    assert checker.open == []
    assert "<script" not in page
    assert not re.search(r"https?://", page)
    assert "@import" not in page
    assert checker.images
    for image in checker.images:
        assert image["alt"]
    for reference in checker.references:
        assert reference.startswith("data:image/")
        content = base64.b64decode(reference.split(",", 1)[1], validate=True)
        assert content.startswith((b"<?xml", b"\x89PNG", b"GIF8"))
    return checker


def write(path: Path, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)


def fake_run(
    folder: Path, method: str = "fbrl", batch_size: int = 128, seeds: int = 2, start: int = 0
) -> Path:
    """A run folder of random walks."""
    generator = np.random.default_rng(start)
    folder.mkdir(parents=True)
    settings = SETTINGS | {"practice": SETTINGS["practice"] | {"batch_size": batch_size}}
    config = {"version": "0.1.0", "method": method, "task": "tabletop", "preset": "default"}
    config |= {"seed": start, "seeds": seeds, "steps": STEPS, "settings": settings}
    (folder / "config.json").write_text(json.dumps(config))
    metrics, evaluation, phases, visits = [], [], [], []
    for seed in range(start, start + seeds):
        for step in range(1000, STEPS + 1, 1000):
            q, loss = generator.normal(5, 1), generator.exponential()
            metrics.append([seed, step, step / 900, 900, q, loss, 2 * loss, "", "nan"])
            success = generator.integers(5) / 4
            evaluation.append([seed, step, success, success, 3.0, 2.0, success, 0.5, step / 900])
        for number, step in enumerate(range(200, STEPS + 1, 200)):
            role = ("forward", "backward")[number % 2]
            where = generator.uniform(-2.8, 2.8, 2)
            phases.append([seed, step, role, 200, int(generator.random() < 0.5), *where])
            visits.append([seed, step - 100, role, *generator.uniform(-2.8, 2.8, 2)])
    logged = ["q", "critic_loss_forward", "critic_loss_backward", "empty", "not_a_number"]
    common = ["seed", "env_steps"]
    write(folder / "metrics.csv", [*common, "wall_seconds", "steps_per_second", *logged], metrics)
    figures = ["success", "success_at_end", "return", "discounted_return", "object_success"]
    write(folder / "eval.csv", [*common, *figures, "wide_success", "wall_seconds"], evaluation)
    write(folder / "phases.csv", [*common, "role", "length", "success", "x", "y"], phases)
    write(folder / "visits.csv", [*common, "role", "x", "y"], visits)
    summary = {
        "seeds": list(range(start, start + seeds)),
        "env_steps": STEPS,
        "final_success": 0.875,
        "final_success_per_seed": [0.75, 1.0][:seeds],
        "robustness": 0.625,
        "hard_resets": [1] * seeds,
        "phase_switches": [1234] * seeds,
        "demonstrations": 24,
        "wall_seconds": 3725.0,
        "steps_per_second": 1234.5,
        "peak_memory_mb": 812.3,
        "steps_to_095": 17_500,
    }
    (folder / "summary.json").write_text(json.dumps(summary))
    return folder


def page_of(*folders: Path) -> str:
    output = write_report(folders, folders[0].parent / "out" / "report.html")
    assert output.is_file()
    return output.read_text(encoding="utf-8")


def test_page_is_self_contained_and_has_the_headline_numbers(tmp_path: Path) -> None:
    page = page_of(fake_run(tmp_path / "run"))
    check(page)
    for value in ("0.88", "17,500", "0.62", "1,234", "1 h 2 min", "812 MB", "20,000"):
        assert value in page
    assert "± 0.12 over 2 seeds" in page
    assert "seeds 0 to 1" in page
    assert "Demonstrations" in page
    assert "missing" not in page
    assert "prefers-color-scheme" in page
    assert "@media print" in page


def test_success_at_the_end_stands_beside_success_at_any_step(tmp_path: Path) -> None:
    run = fake_run(tmp_path / "run")
    summary = json.loads((run / "summary.json").read_text())
    summary |= {"final_success_at_end": 0.3125, "evaluation_episodes": 4}
    (run / "summary.json").write_text(json.dumps(summary))
    rows = list(csv.DictReader((run / "eval.csv").open(newline="")))
    for row in rows:
        row["success_at_end"], row["wide_success_at_end"] = "0.125", "0.0625"
    write(run / "eval.csv", list(rows[0]), [list(row.values()) for row in rows])
    rows = list(csv.DictReader((run / "phases.csv").open(newline="")))
    write(run / "phases.csv", [*rows[0], "reached"], [[*row.values(), 1] for row in rows])
    page = page_of(run)
    check(page)
    assert "<dt>Success at the end</dt><dd>0.31<small>of 4 episodes; has to last</small>" in page
    assert "from wide starts; 0.06 at the end" in page
    assert '<th scope="col">success at any step</th><th scope="col">at the end</th>' in page
    assert "that are at the goal at the end" in page
    assert "<td>0.1250</td><td>0.5000</td><td>0.0625</td>" in page
    assert "Dashed: that reached their goal at any step" in page
    assert "that are at the goal at the end" in page_of(run, run)


def test_a_run_of_before_success_at_the_end_was_measured_has_a_page(tmp_path: Path) -> None:
    run = fake_run(tmp_path / "run")
    rows = list(csv.DictReader((run / "eval.csv").open(newline="")))
    kept = [name for name in rows[0] if not name.endswith("_at_end")]
    write(run / "eval.csv", kept, [[row[name] for name in kept] for row in rows])
    page = page_of(run)
    check(page)
    assert "<dt>Success at the end</dt><dd>\u2013<small>&nbsp;</small>" in page
    assert "at the goal at the end" not in page
    assert "any step; ± 0.12 over 2 seeds" in page
    assert "any step" in page_of(run, run)


def test_lives_name_their_goals(tmp_path: Path) -> None:
    run = fake_run(tmp_path / "run")
    summary = json.loads((run / "summary.json").read_text())
    summary |= {"life_solved": 0.5, "life_mean": 55.0, "life_steps": [10, None]}
    summary |= {"life_goals": [2, 0], "task_goals": 4}
    (run / "summary.json").write_text(json.dumps(summary))
    page = page_of(run)
    check(page)
    assert "mean 55 steps; goal 0, 2" in page
    assert '<th scope="col">goal</th><th scope="col">steps</th>' in page
    assert '<th scope="row">0</th><td>2</td><td>10</td>' in page
    assert '<th scope="row">1</th><td>0</td><td>\u2013</td>' in page


def test_page_is_the_same_each_time(tmp_path: Path) -> None:
    run = fake_run(tmp_path / "run")
    assert page_of(run) == page_of(run)


def test_text_is_escaped(tmp_path: Path) -> None:
    nasty = "<script>alert('x')</script>\"&<b>"
    page = page_of(fake_run(tmp_path / "run", method=nasty))
    check(page)
    assert nasty not in page
    assert "&lt;script&gt;alert(&#x27;x&#x27;)" in page


@pytest.mark.slow
@pytest.mark.parametrize("name", [*LOGS, "summary.json"])
def test_missing_file_is_named(tmp_path: Path, name: str) -> None:
    run = fake_run(tmp_path / "run", seeds=1)
    (run / name).unlink()
    page = page_of(run)
    check(page)
    assert f"<code>{name}</code> is missing" in page


def test_configuration_alone_makes_a_page(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.json").write_text('{"method": "other", "task": "somewhere"}')
    page = write_report([run], tmp_path / "report.html").read_text(encoding="utf-8")
    assert "other" in page
    assert page.count("is missing or empty") == 5
    page = write_report([run, run], tmp_path / "report.html").read_text(encoding="utf-8")
    assert "2 runs" in page


def test_cut_short_files_are_read_as_far_as_they_go(tmp_path: Path) -> None:
    run = fake_run(tmp_path / "run")
    for name in (*LOGS, "summary.json"):
        content = (run / name).read_bytes()
        (run / name).write_bytes(content[: len(content) * 2 // 3])
    page = page_of(run)
    check(page)
    assert "Success so far" in page
    assert "<code>summary.json</code> is missing" in page


def test_comparison_shows_only_the_settings_that_differ(tmp_path: Path) -> None:
    first = fake_run(tmp_path / "first")
    second = fake_run(tmp_path / "second", method="medal", batch_size=256)
    page = page_of(first, second)
    check(page)
    part = page[page.index("What differs") : page.index("Where they have been")]
    assert "practice.batch_size" in part
    assert "<td>128</td><td>256</td>" in part
    assert "phase_length" not in part
    assert "hidden" not in part
    assert "fbrl · tabletop · default" in page
    assert "medal · tabletop · default" in page


def test_labels_of_equal_runs_tell_their_folders(tmp_path: Path) -> None:
    runs = [fake_run(tmp_path / name) for name in ("a/one", "a/two", "b/two")]
    assert labels([record.read_record(run) for run in runs]) == [
        "fbrl · tabletop · default (one)",
        "fbrl · tabletop · default (a/two)",
        "fbrl · tabletop · default (b/two)",
    ]


def test_a_role_that_matches_states_is_not_judged(tmp_path: Path) -> None:
    page = page_of(fake_run(tmp_path / "run", method="medal"))
    check(page)
    assert "rewarded by a learned signal: backward" in page
    assert "forward phases in success" in page
    assert "backward phases in success" not in page


def test_no_run_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UnresetError, match=r"empty is no run folder.*config\.json") as caught:
        write_report([tmp_path / "empty"], tmp_path / "report.html")
    assert "\n" not in str(caught.value)
    with pytest.raises(UnresetError, match="at least one"):
        write_report([], tmp_path / "report.html")


def test_curves_are_a_picture_and_leave_matplotlib_alone(tmp_path: Path) -> None:
    before = dict(mpl.rcParams)
    run = fake_run(tmp_path / "run")
    path = curves.write_curves(run)
    assert path == run / "curves.png"
    with Image.open(path) as image:
        assert image.format == "PNG"
        assert 1000 < image.width < 3000
        assert 400 < image.height < 1500
        assert len(image.convert("RGB").resize((300, 115)).getcolors(10**6) or []) > 20
    assert dict(mpl.rcParams) == before


def test_curves_without_logs(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with Image.open(curves.write_curves(tmp_path)) as image:
        assert image.width > 500
    with pytest.raises(UnresetError, match=r"config\.json"):
        curves.write_curves(tmp_path / "nowhere")


def test_windowed_mean_by_hand(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    rows = [
        [0, 5, "forward", 1],
        [0, 8, "forward", 0],
        [1, 9, "backward", 0],
        [0, 240, "forward", 1],
    ]
    write(tmp_path / "phases.csv", ["seed", "env_steps", "role", "success"], rows)
    steps, share = record.windowed(record.read_record(tmp_path), "forward", "success")
    np.testing.assert_allclose(steps, [5, 235])
    np.testing.assert_allclose(share, [0.5, 1.0])


def test_seeds_are_joined_on_common_steps() -> None:
    table = {
        "seed": np.array([0.0, 0.0, 1.0, 1.0]),
        "env_steps": np.array([0.0, 20.0, 0.0, 10.0]),
        "success": np.array([0.0, 1.0, 0.5, np.nan]),
    }
    steps, values = record.over_seeds(table, "success")
    np.testing.assert_allclose(steps, [0, 20])
    np.testing.assert_allclose(values, [[0, 1], [0.5, np.nan]])


@pytest.mark.slow
def test_videos_of_every_goal_and_role(tmp_path: Path) -> None:
    task = dataclasses.replace(registry.task("tabletop"), horizon=12)
    settings = registry.settings("medal")
    settings = dataclasses.replace(
        settings, practice=dataclasses.replace(settings.practice, phase_length=9)
    )
    method = settings.method(task)
    rows, last = store.pinned_rows(task.demonstrations()[:1], task)
    key = jax.random.key(0)
    assert task.reset is not None
    run = practice.init(method, task, key, rows, last, 32)
    actor = jax.tree.map(lambda leaf: leaf[0], run.learners.actor)
    folder = fake_run(tmp_path / "run")
    paths = write_videos(folder, method, task, actor, Carry(run, task.reset(key)), size=48)
    names = [f"policy_goal{goal}.gif" for goal in range(len(task.goals))]
    names += ["practice.gif", "rewards.gif"]
    assert [path.name for path in paths] == names
    for path in paths:
        with Image.open(io.BytesIO(path.read_bytes())) as video:
            assert video.format == "GIF"
            assert video.width == (300 if path.name == "rewards.gif" else 48)
            assert 2 <= video.n_frames <= 18
            assert video.info["duration"] >= 50
    page = page_of(folder)
    assert (
        len([i for i in check(page).images if (i["src"] or "").startswith("data:image/gif")]) == 6
    )
    assert "Policy, goal 0: not reached" in page
    assert "Practice: forward did not reach its goal, then backward" in page
    assert page.count('class="video broad"') == 1
    assert "Rewards in practice as their learners see them" in page


def test_nothing_to_render_makes_no_videos(tmp_path: Path) -> None:
    task = dataclasses.replace(registry.task("tabletop"), render=None)
    assert write_videos(tmp_path, registry.settings("medal").method(task), task, None) == []
    assert list(tmp_path.iterdir()) == []
