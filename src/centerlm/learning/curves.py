"""The curves of a run: TensorBoard event files, and one picture that needs no program to look at.

Loss and learning rate of every update of every round, one after another; for rounds of experience
also reward, groups without signal, plan validity and answer F1, for those of policy gradient
reward, groups without signal, credit and routing entropy; held-out scores after each round.
"""

from __future__ import annotations

import importlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from centerlm.learning.run_folder import RunFolder, read_json
from centerlm.models.weights import write_atomically

EXPERIENCE = ("reward", "no_signal", "plan_validity", "answer_f1")
"""What a round of experience is watched by; all from 0 to 1."""

POLICY = {
    "success": "reward",
    "no_signal": "no_signal",
    "reward": "credit",
    "routing_entropy": "routing_entropy",
}
"""What a round of policy gradient is watched by, and what it is called here."""

OWN_SCALE = ("credit", "routing_entropy")
"""Not from 0 to 1: in the event files alone."""

_WINDOW = 10


@dataclass(frozen=True, slots=True)
class Point:
    """An update: its place in the whole run (from 1), its round, its loss and learning rate."""

    update: int
    round: str
    loss: float
    learning_rate: float
    tokens: int


@dataclass(frozen=True, slots=True)
class Curves:
    """All that is drawn. `after` are figures after each round, at the update it ended with."""

    points: tuple[Point, ...]
    after: tuple[tuple[int, dict[str, float]], ...]


def gather_curves(folder: RunFolder) -> list[str]:
    """Write `curves.jsonl`, the picture and the event files of a run; say what could not be."""
    curves = read_curves(folder)
    lines = [
        json.dumps({name: getattr(point, name) for name in Point.__slots__})
        for point in curves.points
    ]
    write_atomically(folder.curves, "".join(f"{line}\n" for line in lines).encode())
    problems: list[str] = []
    try:
        draw(curves, folder.path)
    except ModuleNotFoundError:
        problems.append("no picture of the curves: matplotlib is not installed")
    try:
        write_events(curves, folder.path / "tensorboard")
    except ModuleNotFoundError:
        problems.append("no TensorBoard files: tensorboard is not installed")
    return problems


def read_curves(folder: RunFolder) -> Curves:
    """The curves of all rounds, one after another; lines that a kill cut short are left out."""
    points: list[Point] = []
    after: list[tuple[int, dict[str, float]]] = []
    for number, round_ in enumerate(folder.rounds()):
        for path in sorted(round_.glob("*/curves.jsonl")):
            name = path.parent.name
            label = str(number) if name == "all" else f"{number} {name}"
            points += _points(path, label, len(points))
        figures: dict[str, float] = {}
        if scores := read_json(round_ / "scores.json"):
            figures |= {f"held {act}": float(score) for act, score in scores["scores"].items()}
        if seen := read_json(round_ / "experience.json"):
            figures |= {name: float(seen[name]) for name in EXPERIENCE if name in seen}
        if seen := read_json(round_ / "policy.json"):
            mine = seen["figures"]
            figures |= {said: float(mine[name]) for name, said in POLICY.items() if name in mine}
        if figures:
            after.append((len(points), figures))
    return Curves(tuple(points), tuple(after))


def _points(path: Path, label: str, before: int) -> list[Point]:
    points: list[Point] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
            points.append(
                Point(
                    before + int(row["update"]),
                    label,
                    float(row["loss"]),
                    float(row["learning_rate"]),
                    int(row["tokens"]),
                )
            )
        except (ValueError, KeyError, TypeError):
            continue
    return points


def draw(curves: Curves, folder: Path) -> None:
    """Draw `curves.svg` and `curves.png` into a folder.

    Raises:
        ModuleNotFoundError: matplotlib is not installed.
    """
    figures: Any = importlib.import_module("matplotlib.figure")
    ticker: Any = importlib.import_module("matplotlib.ticker")
    figure = figures.Figure(figsize=(9, 3.6 if curves.after else 3.4), layout="constrained")
    panels = figure.subplots(1, 2 if curves.after else 1, squeeze=False)[0]
    loss = panels[0]
    for label in dict.fromkeys(point.round for point in curves.points):
        mine = [point for point in curves.points if point.round == label]
        x, y = [point.update for point in mine], [point.loss for point in mine]
        (line,) = loss.plot(x, y, linewidth=0.8, alpha=0.35)
        loss.plot(x, smoothed(y), color=line.get_color(), linewidth=1.8, label=f"round {label}")
    loss.set(xlabel="update", ylabel="loss (nats a trained token)", title="Loss")
    if all(point.loss >= 0 for point in curves.points):  # that of a policy is of either sign
        loss.set_ylim(bottom=0)
    loss.xaxis.set_major_locator(ticker.MaxNLocator(integer=True))
    loss.grid(alpha=0.25)
    if curves.points:
        loss.legend(frameon=False, fontsize=8)
    if curves.after:
        _draw_figures(panels[1], curves, ticker)
    for name, options in (("curves.svg", {}), ("curves.png", {"dpi": 150})):
        figure.savefig(folder / name, **options)


def _draw_figures(panel: Any, curves: Curves, ticker: Any) -> None:
    names = dict.fromkeys(name for _, figures in curves.after for name in figures)
    for name in (name for name in names if name not in OWN_SCALE):
        pairs = [
            (n, figures[name]) for n, (_, figures) in enumerate(curves.after) if name in figures
        ]
        panel.plot(*zip(*pairs, strict=True), marker="o", markersize=4, label=_said(name))
    panel.set(xlabel="round", ylim=(-0.02, 1.02), title="After each round")
    panel.set_xlim(-0.3, max(len(curves.after) - 0.7, 0.3))
    panel.yaxis.set_major_formatter(ticker.PercentFormatter(1.0))
    panel.xaxis.set_major_locator(ticker.MaxNLocator(integer=True))
    panel.grid(alpha=0.25)
    panel.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))


def _said(name: str) -> str:
    return {"no_signal": "groups without signal"}.get(name, name.replace("_", " "))


def smoothed(values: Sequence[float], window: int = _WINDOW) -> list[float]:
    """The mean of the last `window` values at each place."""
    return [
        sum(values[max(0, i - window + 1) : i + 1]) / min(i + 1, window) for i in range(len(values))
    ]


def write_events(curves: Curves, folder: Path) -> None:
    """Write TensorBoard event files anew.

    Raises:
        ModuleNotFoundError: tensorboard or torch is not installed.
    """
    tensorboard: Any = importlib.import_module("torch.utils.tensorboard")
    shutil.rmtree(folder, ignore_errors=True)
    with tensorboard.SummaryWriter(str(folder)) as writer:
        for point in curves.points:
            writer.add_scalar("train/loss", point.loss, point.update)
            writer.add_scalar("train/learning_rate", point.learning_rate, point.update)
        for update, figures in curves.after:
            for name, value in figures.items():
                writer.add_scalar(f"round/{name.replace(' ', '_')}", value, update)
