"""A question to a medium, read: what it is about, when, and what is wanted of it.

Plain rules over English words, so that counting, ordering and durations are exact: what they do not
understand is left to search. The question is data; it names no file and no processor.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

Wanted: TypeAlias = Literal[
    "count", "list", "when", "duration", "colour", "direction", "enters", "leaves", "text",
    "speech", "passages",
]  # fmt: skip
Relation: TypeAlias = Literal["before", "after", "while"]
Moment: TypeAlias = Literal["start", "end"]

COLOURS = {
    "red": "red", "orange": "orange", "yellow": "yellow", "green": "green", "cyan": "cyan",
    "blue": "blue", "purple": "purple", "violet": "purple", "pink": "pink", "white": "white",
    "grey": "grey", "gray": "grey", "silver": "grey", "black": "black",
}  # fmt: skip
SHAPES = {"circle": "circle", "disc": "circle", "ball": "circle", "square": "square",
          "rectangle": "rectangle", "triangle": "triangle"}  # fmt: skip
DIRECTIONS = {"up": "up", "upwards": "up", "down": "down", "downwards": "down", "left": "left",
              "leftwards": "left", "right": "right", "rightwards": "right"}  # fmt: skip
_ANY = {"object", "thing", "shape", "item", "something", "anything", "one", "it"}
_ORDER = {"first": 0, "second": 1, "third": 2, "fourth": 3, "fifth": 4, "last": -1}
_STOP = frozenset(
    {
        *("a", "an", "and", "any", "are", "at", "be", "been", "clip", "colour", "color", "come"),
        *("comes", "did", "do", "does", "drive", "drives", "enter", "enters", "for", "from", "has"),
        *("have", "how", "in", "is", "leave", "leaves", "list", "long", "many", "move", "moves"),
        *("moving", "of", "on", "one", "pass", "passes", "picture", "recording", "screen", "seen"),
        *("shown", "stay", "stays", "that", "the", "there", "through", "to", "video", "visible"),
        *("was", "were", "what", "when", "where", "which", "who", "with", "appear", "appears"),
        *("whole", "scene", "direction", "edge", "all", "disappear", "disappears", "second"),
        *("seconds", "time", "same", "everything", "cross", "crosses", "frame", "drives", "by"),
    }
)
_NUMBER = r"(\d+(?:\.\d+)?)"
_UNIT = r"\s*(?:s|sec|secs|second|seconds)\b"
_BETWEEN = re.compile(
    rf"\b(?:between|from)\s+{_NUMBER}(?:{_UNIT})?\s+(?:and|to)\s+{_NUMBER}{_UNIT}"
)
_AT = re.compile(rf"\bat\s+(?:second\s+)?{_NUMBER}(?:{_UNIT})?")
_CLOCK = re.compile(rf"\b(before|after|until|since)\s+{_NUMBER}{_UNIT}")
_WITHIN = re.compile(rf"\b(?:in|during) the (first|last)\s+{_NUMBER}{_UNIT}")
_RELATION = re.compile(r"\b(before|after|while|during|when|until)\s+(?:the\s+|a\s+|an\s+)?(.+)$")
_ENDING = re.compile(r"\b(?:leaves?|left|disappears?|disappeared|gone|is gone|ends?|stops?)\b")
_WORD = re.compile(r"[a-z]+")


@dataclass(frozen=True, slots=True)
class Target:
    """What a question is about. `nouns` are words for it that are no colour, shape or order."""

    colour: str = ""
    shape: str = ""
    direction: str = ""
    place: int | None = None
    nouns: tuple[str, ...] = ()
    any: bool = False

    @property
    def empty(self) -> bool:
        return not (self.colour or self.shape or self.nouns or self.any)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that another thing is before, after or beside: a target, or words."""

    relation: Relation
    target: Target
    words: str
    moment: Moment


@dataclass(frozen=True, slots=True)
class Query:
    """A question, read. `start` and `end` are the seconds it is limited to."""

    text: str
    wanted: Wanted
    target: Target
    start: float = 0.0
    end: float = math.inf
    event: Event | None = None


def read_query(text: str, seconds: float) -> Query:
    """Read a question to a medium of this many seconds."""
    line = " ".join(text.lower().replace("?", " ").split())
    start, end, line = _times(line, seconds)
    wanted = _wanted(line)
    event: Event | None = None
    match = _RELATION.search(line)
    if match and not (match[1] == "when" and match.start() == 0):
        relation: Relation = "before" if match[1] in ("before", "until") else (
            "after" if match[1] == "after" else "while"
        )  # fmt: skip
        moment: Moment = "end" if _ENDING.search(match[2]) else "start"
        event = Event(relation, read_target(match[2]), match[2], moment)
        line = line[: match.start()]
    return Query(text, wanted, read_target(line), start, end, event)


def read_target(line: str) -> Target:
    """What a part of a question is about."""
    words = _WORD.findall(line.lower())
    colour = next((COLOURS[w] for w in words if w in COLOURS), "")
    shape = next((SHAPES[_one(w)] for w in words if _one(w) in SHAPES), "")
    # "up or down" asks, "moving up" says.
    ways = [DIRECTIONS[w] for w in words if w in DIRECTIONS]
    direction = ways[0] if len(ways) == 1 and re.search(r"\bmov(?:e|es|ing)\b", line) else ""
    place = next((_ORDER[w] for w in words if w in _ORDER), None)
    nouns = tuple(
        _one(w)
        for w in words
        if w not in _STOP
        and w not in COLOURS
        and _one(w) not in SHAPES
        and w not in _ORDER
        and _one(w) not in _ANY
        and w not in DIRECTIONS
        and w not in ("or", "light", "dark", "large", "small", "big", "top", "bottom")
    )
    return Target(colour, shape, direction, place, nouns, any(_one(w) in _ANY for w in words))


def _one(word: str) -> str:
    """A noun in the singular, as far as an ending tells."""
    if word.endswith(("ches", "shes", "xes", "sses", "buses")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


def _times(line: str, seconds: float) -> tuple[float, float, str]:
    """The span that is named in seconds, and the question without it."""
    start, end = 0.0, math.inf
    if m := _BETWEEN.search(line):
        start, end = float(m[1]), float(m[2])
        return start, end, line[: m.start()] + line[m.end() :]
    if m := _WITHIN.search(line):
        if m[1] == "first":
            end = float(m[2])
        else:
            start = max(seconds - float(m[2]), 0.0)
        return start, end, line[: m.start()] + line[m.end() :]
    if m := _CLOCK.search(line):
        if m[1] in ("before", "until"):
            end = float(m[2])
        else:
            start = float(m[2])
        return start, end, line[: m.start()] + line[m.end() :]
    if m := _AT.search(line):
        at = float(m[1])
        return at, at, line[: m.start()] + line[m.end() :]
    if m := re.search(r"\bat the (beginning|start|end)\b", line):
        at = max(seconds - 0.2, 0.0) if m[1] == "end" else 0.0
        return at, at, line[: m.start()] + line[m.end() :]
    return start, end, line


def _wanted(line: str) -> Wanted:
    if re.search(r"\bhow many\b|\bnumber of\b|^count\b", line):
        return "count"
    if re.match(r"when\b|at what time\b|at which second\b", line):
        return "when"
    if re.match(r"how long\b", line):
        return "duration"
    if re.search(r"\b(?:what|which) colou?r\b", line):
        return "colour"
    if re.search(r"\b(?:say|says|said|speaks?|spoken|hear|heard|voice|speaker)\b", line):
        return "speech"
    if re.search(r"\b(?:text|words?|written|reads?|sign|card|caption|title|letters?)\b", line):
        return "text"
    if re.search(r"\b(?:at |from )?(?:which|what) edge\b", line):
        return "leaves" if re.search(r"\bleaves?\b|\bexits?\b", line) else "enters"
    if re.search(r"\b(?:which|what) direction\b|\bmoves? (?:\w+) or \w+", line):
        return "direction"
    if re.match(r"(?:which|what|list|name)\b", line):
        return "list"
    return "passages"
