"""NExT-QA with captions as the source: features of options, their weights, floors, grounding.

Vectors of captions take longest; they are kept in the work folder, a file a video.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from centerlm.evaluation.grounding import grounding
from centerlm.evaluation.nextqa import NextQuestion, overlap_choices, read_nextqa, read_videos
from centerlm.evaluation.statistics import Interval
from centerlm.library.embed import Embedder, find_embedder
from centerlm.media.choosing import (
    BLIND,
    FEATURES,
    LEXICAL,
    RARE,
    Material,
    compare,
    material,
    stems,
    weights,
)
from centerlm.media.observation import Observation

L2, STEPS, RATE = 3.0, 3000, 0.5
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Rows:
    """Questions with the features of their options: (questions, options, features)."""

    questions: list[NextQuestion]
    features: Any
    cited: list[list[list[Observation]]]

    @property
    def answers(self) -> Any:
        return np.array([q.answer for q in self.questions])


@dataclass(slots=True)
class Kept:
    """An embedder whose vectors of many texts are kept in a folder."""

    embedder: Embedder
    folder: Path

    @property
    def name(self) -> str:
        return self.embedder.name

    def embed(self, texts: Sequence[str]) -> Any:
        return self.embedder.embed(texts)

    def read(self, name: str, observations: Sequence[Observation]) -> Material:
        at = self.folder / f"{name}.npy"
        if at.is_file():
            vectors = np.load(at)
            if len(vectors) == len(observations):
                return material(observations, _Known(vectors))
        made = material(observations, self.embedder)
        at.parent.mkdir(parents=True, exist_ok=True)
        np.save(at, made.vectors)
        return made


@dataclass(slots=True)
class _Known:
    vectors: Any
    name: str = "kept"

    def embed(self, texts: Sequence[str]) -> Any:
        del texts
        return self.vectors


def rows_of(
    data: Path, work: Path, *, train: bool, videos: int | None, thin: int, say: Say
) -> tuple[Rows, dict[str, Any]]:
    """The questions of the training or evaluation videos, with features, and the videos.

    `thin` keeps every so many-th caption; the features are kept in the work folder.
    """
    questions = read_nextqa(data, train=train)
    names = list(dict.fromkeys(q.video for q in questions))[:videos]
    questions = [q for q in questions if q.video in set(names)]
    seen = read_videos(data, names)
    embedder = Kept(find_embedder(), work / f"vectors-{thin}")
    features: list[list[list[float]]] = []
    cited: list[list[list[Observation]]] = []
    kept: list[NextQuestion] = []
    for number, name in enumerate(names):
        read = embedder.read(name, seen[name].observations[::thin])
        for q in (q for q in questions if q.video == name):
            compared = compare(q.question, q.options, read, embedder)
            features.append(compared.features)
            cited.append(compared.spoken)
            kept.append(q)
        if number % 10 == 9:
            say(f"{number + 1} of {len(names)} videos")
    return Rows(kept, np.array(features), cited), {n: seen[n] for n in names}


def fitted(rows: Rows, names: Sequence[str]) -> dict[str, float]:
    """Weights of a conditional logit over the options, with an L2 penalty, by gradient descent.

    Features are scaled to unit variance for the fit; the weights given are of the features as they
    are.
    """
    at = [FEATURES.index(name) for name in names]
    x = rows.features[:, :, at]
    scale = x.reshape(-1, len(at)).std(axis=0) + 1e-9
    scaled, answers = x / scale, rows.answers
    w = np.zeros(len(at))
    for _ in range(STEPS):
        likely = np.exp(scaled @ w)
        likely /= likely.sum(axis=1, keepdims=True)
        likely[np.arange(len(answers)), answers] -= 1
        slope = (scaled * likely[..., None]).sum(axis=(0, 1)) + L2 * w
        w -= RATE * slope / len(answers)
    return dict(zip(names, (float(v) for v in w / scale), strict=True))


def picks(rows: Rows, weights: Mapping[str, float]) -> list[int]:
    """The option of each question that the weights pick."""
    w = np.array([weights.get(name, 0.0) for name in FEATURES])
    return [int(n) for n in (rows.features @ w).argmax(axis=1)]


def write_words(data: Path, path: Path) -> None:
    """Write in how many of the training videos' captions each word is, where it is in many."""
    names = list(dict.fromkeys(q.video for q in read_nextqa(data, train=True)))
    counts: dict[str, int] = {}
    for seen in read_videos(data, names).values():
        for stem in set(stems(" ".join(dict.fromkeys(o.text for o in seen.observations)))):
            counts[stem] = counts.get(stem, 0) + 1
    least = 2 * RARE * len(names)
    shares = {w: round(min(n / len(names), 1.0), 3) for w, n in sorted(counts.items()) if n > least}
    about = "Words with the share of NExT-QA's training videos whose captions have them, by "
    told = {"about": f"{about}benchmarks/media.py fit", "videos": len(names), "shares": shares}
    path.write_text(json.dumps(told, indent=0) + "\n", encoding="utf-8")


def write_weights(rows: Rows, path: Path, videos: int, thin: int) -> None:
    """Fit all features and write the package's weights, with what they are from."""
    found = fitted(rows, FEATURES)
    right = [p == q.answer for p, q in zip(picks(rows, found), rows.questions, strict=True)]
    told = {
        "about": "Weights of centerlm.media.choosing.FEATURES: a conditional logit fitted on the "
        "training side of NExT-QA by benchmarks/media.py fit",
        "videos": videos,
        "captions": f"every {thin}. caption" if thin > 1 else "all captions",
        "questions": len(rows.questions),
        "right_in_training": round(sum(right) / len(right), 4),
        "weights": {name: round(value, 5) for name, value in found.items()},
    }
    path.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


def nextqa(data: Path, work: Path, *, limit: int | None, thin: int, say: Say) -> dict[str, Any]:
    """Every row that needs no language model: floors, the source, grounding."""
    train, _ = rows_of(data, work, train=True, videos=limit, thin=thin, say=say)
    dev, videos = rows_of(data, work, train=False, videos=limit, thin=thin, say=say)
    overlap = overlap_choices(dev.questions, videos)
    lexical = [name for name in FEATURES if name in LEXICAL]
    blind = [name for name in FEATURES if name in BLIND]
    chosen: dict[str, list[int]] = {
        "word overlap": [overlap[q.id] for q in dev.questions],
        "MiniLM similarity": picks(dev, {"near best": 1.0}),
        "logit on word features (200 videos)": picks(dev, fitted(train, lexical)),
        "logit on question and option alone": picks(dev, fitted(train, blind)),
        "the source": picks(dev, dict(zip(FEATURES, weights(), strict=True))),
    }
    by_video = _groups([q.video for q in dev.questions], [q.id for q in dev.questions])
    table: dict[str, Any] = {}
    for name, picked in chosen.items():
        right = {q.id: float(p == q.answer) for p, q in zip(picked, dev.questions, strict=True)}
        table[name] = {"all": _interval(right, by_video)}
        for kind in sorted({q.type for q in dev.questions}):
            ids = {q.id for q in dev.questions if q.type == kind}
            groups = [kept for group in by_video if (kept := [i for i in group if i in ids])]
            table[name][kind] = _interval(right, groups)
    source = {q.id: float(p == q.answer) for p, q in
              zip(chosen["the source"], dev.questions, strict=True)}  # fmt: skip
    floors = {name: {q.id: float(p == q.answer) for p, q in
                     zip(picked, dev.questions, strict=True)}
              for name, picked in chosen.items() if name != "the source"}  # fmt: skip
    gains = {
        name: _interval({i: source[i] - right[i] for i in source}, by_video)
        for name, right in floors.items()
    }
    return {
        "questions": len(dev.questions),
        "videos": len(videos),
        "types": {t: sum(q.type == t for q in dev.questions) for t in
                  sorted({q.type for q in dev.questions})},
        "captions_a_video": sum(len(v.observations) for v in videos.values()) / len(videos),
        "accuracy": table,
        "gain_over": gains,
        "grounding": _grounding(dev, chosen["the source"], videos),
    }  # fmt: skip


def _grounding(rows: Rows, picked: Sequence[int], videos: Mapping[str, Any]) -> dict[str, Any]:
    """IoP and IoU of what the source cites, and of a random span of the same length."""
    draw = random.Random(0)
    scores: dict[str, dict[str, float]] = {n: {} for n in ("iop", "iou", "random iop",
                                                           "random iou")}  # fmt: skip
    groups: dict[str, list[str]] = {}
    cited_seconds: list[float] = []
    for q, number, cited in zip(rows.questions, picked, rows.cited, strict=True):
        gold = [(a, b) for a, b in q.spans if b > a]
        if not gold:
            continue
        spans = [(o.start, o.end) for o in cited[number]]
        length = sum(b - a for a, b in spans)
        cited_seconds.append(length)
        start = draw.uniform(0, max(videos[q.video].info.seconds - length, 0.0))
        scores["iop"][q.id], scores["iou"][q.id] = grounding(spans, gold)
        chance = grounding([(start, start + length)], gold)
        scores["random iop"][q.id], scores["random iou"][q.id] = chance
        groups.setdefault(q.video, []).append(q.id)
    told = {name: _interval(each, list(groups.values())) for name, each in scores.items()}
    return {**told, "questions": len(cited_seconds),
            "seconds_cited": sum(cited_seconds) / max(len(cited_seconds), 1)}  # fmt: skip


def _groups(keys: Sequence[str], ids: Sequence[str]) -> list[list[str]]:
    found: dict[str, list[str]] = {}
    for key, id_ in zip(keys, ids, strict=True):
        found.setdefault(key, []).append(id_)
    return list(found.values())


def _interval(scores: Mapping[str, float], groups: Sequence[Sequence[str]]) -> list[float]:
    """The mean with its interval, whole videos resampled with all of their questions."""
    found = by_group(scores, groups)
    return [found.value, found.low, found.high]


def by_group(
    scores: Mapping[str, float],
    groups: Sequence[Sequence[str]],
    *,
    seed: int = 0,
    resamples: int = 2000,
) -> Interval:
    """The mean over all items with its bootstrap interval over groups."""
    draw = random.Random(seed)
    sums = [(sum(scores[i] for i in group), len(group)) for group in groups]
    value = sum(s for s, _ in sums) / sum(n for _, n in sums)
    means: list[float] = []
    for _ in range(resamples):
        drawn = draw.choices(sums, k=len(sums))
        means.append(sum(s for s, _ in drawn) / sum(n for _, n in drawn))
    means.sort()
    return Interval(value, means[int(0.025 * resamples)], means[int(0.975 * resamples)])
