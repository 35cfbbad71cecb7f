"""One of several options, chosen by how well what was observed speaks for it.

Every option is compared, by words and by meaning, with the observations of the seconds that the
question names, and with the question itself. A conditional logit (McFadden, 1974) weighs these
comparisons; its weights were fitted once, on the training side of NExT-QA, by
`benchmarks/media.py fit`, and are part of this package. Nothing is generated.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from centerlm.library.embed import Embedder
from centerlm.media.observation import Observation
from centerlm.options import options_of
from centerlm.verify import words

WEIGHTS, WORDS = "option_weights.json", "option_words.json"
RARE = 0.03
"""Share of videos that is taken for words that few or none of them have."""
FEATURES = (
    "words in all", "words in best", "rare words", "near best", "near five", "near all",
    "option near best", "option near all", "near the event", "words near the event",
    "near the question", "words of the question", "length", "unseen words",
)  # fmt: skip
"""The comparisons of an option, in the order of the weights."""
BLIND = frozenset({"near the question", "words of the question", "length"})
"""Those that see nothing of the medium."""
LEXICAL = frozenset({"words in all", "words in best", "rare words", "words near the event",
                     "words of the question", "length", "unseen words"})  # fmt: skip
CITED = 3
_SAME = 0.75  # of the words of a question, in a step that asks it
_EVENT = re.compile(r"\b(before|after|while|when|as)\b\s+(.+)$")
_PART = re.compile(r"\b(?:at|in|near|towards?) the (beginning|start|middle|end)\b")
_ENDINGS = ("ing", "ed", "es", "s")
_EMPTY_TEXT = """
a an the and or of to in on at with for from by is are was were be been his her their its he she it
they him them this that there what who why how when where which do does did image video showcases
captures appears possibly
"""
_EMPTY = frozenset(_EMPTY_TEXT.split())


@dataclass(frozen=True, slots=True)
class Material:
    """Observations made ready to be compared: the stems of each and of all, and a vector of each
    (one row each).
    """

    observations: tuple[Observation, ...]
    stems: tuple[frozenset[str], ...]
    words: frozenset[str]
    vectors: Any


def material(observations: Sequence[Observation], embedder: Embedder) -> Material:
    """All of a medium's observations, read once."""
    texts = tuple(frozenset(stems(o.text)) for o in observations)
    everything = frozenset(stem for each in texts for stem in each)
    vectors = embedder.embed([o.text for o in observations])
    return Material(tuple(observations), texts, everything, vectors)


@dataclass(frozen=True, slots=True)
class Chosen:
    """The option at `index`, how likely the weights hold it to be right, and the observations that
    speak for it most, in order of time.
    """

    index: int
    option: str
    confidence: float
    observations: tuple[Observation, ...]


def options_meant(text: str, objective: str) -> tuple[str, tuple[str, ...]] | None:
    """The root's question and options, where a step asks that question without them."""
    root = options_of(objective)
    if root is None:
        return None
    whole = set(stems(root[0]))
    return root if whole and len(whole & set(stems(text))) >= _SAME * len(whole) else None


def choose(
    question: str, options: Sequence[str], read: Material, embedder: Embedder
) -> Chosen | None:
    """The option that the observations speak for; None where nothing was observed."""
    if not read.observations:
        return None
    compared = compare(question, options, read, embedder)
    scores = [sum(w * x for w, x in zip(weights(), row, strict=True)) for row in compared.features]
    highest = max(scores)
    likely = [math.exp(score - highest) for score in scores]
    best = scores.index(highest)
    cited = sorted(compared.spoken[best], key=lambda o: o.start)
    return Chosen(best, options[best], likely[best] / sum(likely), tuple(cited))


@dataclass(frozen=True, slots=True)
class Compared:
    """`features` has a row for each option, `spoken` the observations nearest to it."""

    features: list[list[float]]
    spoken: list[list[Observation]]


def compare(question: str, options: Sequence[str], read: Material, embedder: Embedder) -> Compared:
    """The comparisons of every option, each less the mean of all options."""
    observations, texts, vectors = read.observations, read.stems, read.vectors
    everything = read.words
    asked = set(stems(question))
    shares = focus(question, read, embedder)
    near_event = [n for n, share in enumerate(shares) if share > 0.5] or list(range(len(texts)))
    made = embedder.embed([question, *(f"{question} {o}" for o in options), *options])
    both, alone = made[1 : 1 + len(options)], made[1 + len(options) :]
    rows: list[list[float]] = []
    spoken: list[list[Observation]] = []
    for number, option in enumerate(options):
        own = set(stems(option)) - asked or set(stems(option))
        size = len(own) or 1
        near = vectors @ both[number]
        of_option = vectors @ alone[number]
        focused = [float(near[n] + 0.5 * of_option[n] + 0.3 * shares[n]) for n in range(len(texts))]
        order = sorted(range(len(texts)), key=lambda n: -focused[n])
        said = set(stems(option))
        rare = {w: -math.log(common().get(w, RARE)) + 0.05 for w in said}
        ranked = sorted((float(v) for v in near), reverse=True)
        rows.append(
            [
                len(own & everything) / size,
                max((len(own & text) for text in texts), default=0) / size,
                sum(rare[w] for w in said & everything) / sum(rare.values()) if rare else 0.0,
                ranked[0],
                sum(ranked[:5]) / len(ranked[:5]),
                sum(ranked) / len(ranked),
                float(of_option.max()),
                float(of_option.mean()),
                max(float(near[n]) for n in near_event),
                max(len(own & texts[n]) for n in near_event) / size,
                float(made[0] @ alone[number]),
                len(set(stems(option)) & asked) / (len(stems(option)) or 1),
                math.log1p(len(option.split())),
                len(own - everything) / size,
            ]
        )
        spoken.append([observations[n] for n in order[:CITED]])
    means = [sum(column) / len(rows) for column in zip(*rows, strict=True)]
    centred = [[x - m for x, m in zip(row, means, strict=True)] for row in rows]
    return Compared(centred, spoken)


def focus(question: str, read: Material, embedder: Embedder) -> list[float]:
    """How much each observation belongs to the seconds that a question names, 0..1."""
    observations = read.observations
    line = question.lower()
    end = max((o.end for o in observations), default=0.0) or 1.0
    if part := _PART.search(line):
        at = {"middle": 0.5, "end": 1.0}.get(part[1], 0.0)
        return [max(1.0 - 2.5 * abs((o.start + o.end) / 2 / end - at), 0.0) for o in observations]
    event = _EVENT.search(line)
    if event is None or not observations:
        return [1.0] * len(observations)
    near = read.vectors @ embedder.embed([event[2]])[0]
    time = observations[int(near.argmax())].start
    width = max(0.15 * end, 3.0)
    shares: list[float] = []
    for o in observations:
        away = (o.start - time) / width
        if event[1] in ("after", "before"):
            later = away if event[1] == "after" else -away
            share = 1.0 - 0.3 * later if later > 0 else 0.5 + 2.0 * later
        else:
            share = 1.0 - abs(away)
        shares.append(max(share, 0.0))
    return shares


def stems(text: str) -> list[str]:
    """The words that say something, without their endings."""
    found: list[str] = []
    for word in words(text):
        if word in _EMPTY:
            continue
        ending = next((e for e in _ENDINGS if word.endswith(e) and len(word) - len(e) >= 3), "")
        stem = word[: len(word) - len(ending)] if ending else word
        found.append(stem[:-1] if len(stem) > 3 and stem[-1] == stem[-2] else stem.rstrip("e"))
    return found


@cache
def common() -> Mapping[str, float]:
    """Words (their stems) with the share of NExT-QA's training videos whose captions have them."""
    text = resources.files("centerlm.media").joinpath(WORDS).read_text("utf-8")
    return json.loads(text)["shares"]


@cache
def weights() -> tuple[float, ...]:
    """The fitted weights of `FEATURES`."""
    text = resources.files("centerlm.media").joinpath(WEIGHTS).read_text("utf-8")
    given: Mapping[str, float] = json.loads(text)["weights"]
    return tuple(given[name] for name in FEATURES)
