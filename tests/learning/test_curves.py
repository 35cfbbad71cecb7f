"""Curves: all rounds one after another, drawn and as event files; cut lines are left out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from centerlm.learning.curves import draw, gather_curves, read_curves, smoothed
from centerlm.learning.run_folder import RunFolder, write_json


def a_run(path: Path) -> RunFolder:
    folder = RunFolder(path)
    for number, count in ((0, 12), (1, 5)):
        lines = [
            json.dumps({"update": n, "loss": 2 / n, "learning_rate": 1e-3, "tokens": 100 * n})
            for n in range(1, count + 1)
        ]
        place = folder.round(number) / "all"
        place.mkdir(parents=True)
        (place / "curves.jsonl").write_text("\n".join([*lines, '{"update": 13, "lo']))
        write_json(folder.round(number) / "scores.json", {"scores": {"absorb": 0.3 + number / 10}})
    experience = {"reward": 0.4, "no_signal": 0.25, "plan_validity": 0.99, "answer_f1": 0.5}
    write_json(folder.round(1) / "experience.json", experience)
    return folder


def test_rounds_follow_each_other(tmp_path: Path) -> None:
    curves = read_curves(a_run(tmp_path))
    assert [point.update for point in curves.points] == list(range(1, 18))
    assert [point.round for point in curves.points] == ["0"] * 12 + ["1"] * 5
    assert [update for update, _ in curves.after] == [12, 17]
    assert curves.after[1][1] == {
        "held absorb": 0.4, "reward": 0.4, "no_signal": 0.25, "plan_validity": 0.99,
        "answer_f1": 0.5,
    }  # fmt: skip


def test_the_picture_and_the_lines_are_written(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the picture needs matplotlib")
    folder = a_run(tmp_path)
    gather_curves(folder)
    assert len(folder.curves.read_text().splitlines()) == 17
    svg = (tmp_path / "curves.svg").read_text()
    assert "</svg>" in svg
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_the_event_files_hold_every_figure(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="event files need tensorboard")
    pytest.importorskip("torch", reason="event files need torch")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    gather_curves(a_run(tmp_path))
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert len(events.Scalars("train/loss")) == 17
    assert [e.value for e in events.Scalars("round/reward")] == pytest.approx([0.4])
    gather_curves(RunFolder(tmp_path))  # written anew, not beside
    assert len(list((tmp_path / "tensorboard").iterdir())) == 1


def test_smoothing_is_the_mean_of_the_last() -> None:
    assert smoothed([1, 2, 3, 4], window=2) == [1, 1.5, 2.5, 3.5]
    assert smoothed([]) == []


def test_rounds_of_policy_gradient_are_drawn(tmp_path: Path) -> None:
    """Their loss is of either sign, their credit and entropy have scales of their own."""
    folder = a_run(tmp_path)
    place = folder.round(2) / "all"
    place.mkdir(parents=True)
    line = {"update": 1, "loss": -0.25, "learning_rate": 1e-4, "tokens": 90, "ratio_mean": 1.0}
    (place / "curves.jsonl").write_text(json.dumps(line))
    figures = {"reward": 1.2, "success": 0.75, "no_signal": 0.5, "routing_entropy": 1.4}
    write_json(folder.round(2) / "policy.json", {"figures": figures})
    curves = read_curves(folder)
    assert (curves.points[-1].update, curves.points[-1].loss) == (18, -0.25)
    assert curves.after[2] == (
        18,
        {"reward": 0.75, "no_signal": 0.5, "credit": 1.2, "routing_entropy": 1.4},
    )
    pytest.importorskip("matplotlib", reason="the picture needs matplotlib")
    draw(curves, tmp_path)
    svg = (tmp_path / "curves.svg").read_text()
    assert "round 2" in svg and "routing" not in svg
