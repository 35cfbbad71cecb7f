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
    "speech", "whether", "choice", "passages",
]  # fmt: skip
Relation: TypeAlias = Literal["before", "after", "while"]
Moment: TypeAlias = Literal["start", "end"]
Change: TypeAlias = Literal["", "comes", "goes"]
Order: TypeAlias = Literal["", "first", "last", "longest", "only"]
Compared: TypeAlias = Literal["", "direction", "colour", "longer", "shorter", "at once"]

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
        *("away", "back", "down", "put", "puts", "taken", "take", "takes", "removed", "placed"),
        *("only", "ever", "still", "remain", "remains", "remaining", "stand", "stands", "standing"),
        *(
            "side",
            "than",
            "more",
            "longer",
            "shorter",
            "once",
            "least",
            "never",
            "left",
            "set",
            "again",
        ),
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
GOES = re.compile(
    r"\b(?:leaves?|disappears?|disappeared|gone|vanish(?:es|ed)?|ends?|stops?|exits?)\b"
    r"|\b(?:tak(?:en|es?) away|remov(?:ed?|es)|lift(?:ed|s)?|picked up|tak(?:en|es?) out)\b"
    r"|\b(?:has|have|had) left\b|\bleft$"
)
COMES = re.compile(r"\b(?:appears?|comes?|enters?|arrives?|starts?|begins?)\b")
_TAKEN = re.compile(
    r"\btak(?:en|es?) (?:\w+ )?away\b|\bremov(?:ed?|es)\b|\blift(?:ed|s)?\b|\bpicked up\b"
    r"|\btak(?:en|es?) out\b"
)
_PUT = re.compile(r"\bputs? (?:\w+ )?(?:down|back|in)\b|\b(?:placed|set down|returned)\b")
_REMAIN = re.compile(r"\b(?:are|is) (?:still )?(?:left|there)\b|\bremain(?:s|ing)?\b")
_SAME_TIME = re.compile(
    r"\b(?:at the same time as|at the same moment as|together with|at once with)\b"
)
_AT_ONCE = re.compile(r"\b(?:at the same time|at the same moment|at once|at a time|together)\b")
_OPTIONS = re.compile(r",\s*((?:[^,]+,\s*)*[^,]+?),?\s+or\s+(.+)$")
_YES_NO = re.compile(r"(?:is|are|was|were|do|does|did|has|have|can)\b")
_PLACES = {"left": "left", "leftmost": "left", "right": "right", "rightmost": "right",
           "middle": "middle", "central": "middle", "centre": "middle", "center": "middle",
           "upper": "upper", "lower": "lower"}  # fmt: skip
_PLACE = re.compile(
    rf"(?<!are )(?<!is )(?<!has )(?<!have )(?<!had )\b({'|'.join(_PLACES)})\s+"
    r"(?!and\b|or\b|edge\b|the\b|at\b|in\b|before\b|after\b)[a-z]+"
)
_PART_OF = re.compile(r"\b([a-z]+) of (?:the|a|an|his|her|its|their)\b")
_NO_PART = frozenset({"number", "kind", "sort", "type", "colour", "color"})
_DOES = re.compile(
    r"(?:who|what) (?:takes?|puts?|lifts?|removes?|moves?|carr(?:y|ies)|is|are|was|were|does|do|did"
    r"|happens?|happened|kind|type|sort)\b"
    r"(?!.*\b(?:texts?|words?|says?|said|written|voice|speaker|colou?r|direction|edge)\b)"
)
_THERE = re.compile(
    r"\b(?:there|visible|shown|seen|stays?|cross(?:es)?|pass(?:es)?|drives?|moves?|in the picture"
    r"|on the screen)\b"
)
_MANY = {"one": 1, "two": 2, "three": 3, "four": 4, "1": 1, "2": 2, "3": 3, "4": 4}
_WORD = re.compile(r"[a-z]+")


@dataclass(frozen=True, slots=True)
class Target:
    """What a question is about. `place` is its place in order of time, `where` in the picture.
    `nouns` are words for it that are no colour, shape or order.
    """

    colour: str = ""
    shape: str = ""
    direction: str = ""
    place: int | None = None
    where: str = ""
    nouns: tuple[str, ...] = ()
    any: bool = False

    @property
    def empty(self) -> bool:
        return not (self.colour or self.shape or self.nouns or self.any or self.where)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that another thing is before, after or beside: a target, or words."""

    relation: Relation
    target: Target
    words: str
    moment: Moment
    change: Change = ""


@dataclass(frozen=True, slots=True)
class Query:
    """A question, read. `start` and `end` are the seconds it is limited to, of `seconds` in all.

    `change` asks for things that come or go, `remain` for those that are there at the end of the
    event. Of `options` (with their words) the `order` picks one; `other` is compared with the
    target by `compared`; `many` is the number that "more than" names.
    """

    text: str
    wanted: Wanted
    target: Target
    start: float = 0.0
    end: float = math.inf
    event: Event | None = None
    seconds: float = math.inf
    change: Change = ""
    remain: bool = False
    options: tuple[tuple[Target, str], ...] = ()
    order: Order = ""
    other: Target | None = None
    compared: Compared = ""
    many: int = 0


def read_query(text: str, seconds: float) -> Query:
    """Read a question to a medium of this many seconds."""
    line = " ".join(text.lower().replace("?", " ").split())
    start, end, line = _times(line, seconds)
    line, options = _options(line)
    wanted = _wanted(line, bool(options))
    line = _SAME_TIME.sub("while", line)
    compared: Compared = ""
    other: Target | None = None
    if wanted == "whether":
        line, compared, other = _compared(line)
    elif wanted == "count" and _AT_ONCE.search(line):
        compared = "at once"
    event: Event | None = None
    match = _RELATION.search(line)
    if match and not (match[1] == "when" and match.start() == 0):
        relation: Relation = "before" if match[1] in ("before", "until") else (
            "after" if match[1] == "after" else "while"
        )  # fmt: skip
        changed = _change(match[2])
        moment: Moment = "end" if GOES.search(match[2]) else "start"
        event = Event(relation, read_target(match[2]), match[2], moment, changed)
        line = line[: match.start()]
    return Query(
        text,
        wanted,
        read_target(line),
        start,
        end,
        event,
        seconds,
        change=_change(line),
        remain=wanted == "count" and bool(_REMAIN.search(line)) and event is not None,
        options=options,
        order=_order(line) if options else "",
        other=other,
        compared=compared,
        many=_more_than(line),
    )


def read_target(line: str) -> Target:
    """What a part of a question is about."""
    line = line.lower()
    part = _PART_OF.search(line)
    if part and not {part[1], _one(part[1])} & (_STOP | _ANY | SHAPES.keys() | _NO_PART):
        line = line[: part.end(1)]  # the cap of a bottle is no bottle
    words = _WORD.findall(line)
    colour = next((COLOURS[w] for w in words if w in COLOURS), "")
    shape = next((SHAPES[_one(w)] for w in words if _one(w) in SHAPES), "")
    # "up or down" asks, "moving up" says.
    ways = [DIRECTIONS[w] for w in words if w in DIRECTIONS]
    moves = re.search(r"\bmov(?:e|es|ing)\b", line)
    direction = ways[0] if len(ways) == 1 and moves else ""
    side = None if moves else _PLACE.search(line)
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
        and w not in _PLACES
        and w not in ("or", "light", "dark", "large", "small", "big", "top", "bottom")
    )
    where = _PLACES[side[1]] if side else ""
    any_ = any(_one(w) in _ANY for w in words)
    return Target(colour, shape, direction, place, where, nouns, any_)


def _options(line: str) -> tuple[str, tuple[tuple[Target, str], ...]]:
    """The question without the things it gives to choose from, and these."""
    match = _OPTIONS.search(line)
    if match is None or not re.match(r"which\b|what\b|who\b", line):
        return line, ()
    named = [part for part in (*match[1].split(","), match[2]) if part.strip()]
    named = [re.sub(r"^(?:the|a|an)\s+", "", part.strip()) for part in named]
    options = tuple(
        (read_target(f"{name} side" if name in _PLACES else name), name) for name in named
    )
    if all(target.empty for target, _ in options):
        return line, ()
    return line[: match.start()], options


def _compared(line: str) -> tuple[str, Compared, Target | None]:
    """The question without what is compared, how, and with what."""
    if match := re.search(r"\b(longer|shorter)\b.*?\bthan\s+(.+)$", line):
        way: Compared = "longer" if match[1] == "longer" else "shorter"
        if not re.match(rf"{_NUMBER}|ten\b|five\b", match[2]):
            return line[: match.start()], way, read_target(match[2])
    if match := re.search(r"\b(?:in|of|have) the same (direction|colou?r)\b", line):
        same: Compared = "direction" if match[1] == "direction" else "colour"
        one, _, two = line[: match.start()].partition(" and ")
        if two:
            return one, same, read_target(two)
    if _AT_ONCE.search(line) and re.search(r"\bmore than \w+", line):
        return line, "at once", None
    return line, "", None


def _more_than(line: str) -> int:
    match = re.search(r"\bmore than (\w+)", line)
    return _MANY.get(match[1], 0) if match else 0


def _change(line: str) -> Change:
    """Whether things are asked for that are put down or taken away.

    What comes into the picture and leaves it is followed; what stands is only there or not.
    """
    if _PUT.search(line):
        return "comes"
    return "goes" if _TAKEN.search(line) else ""


def _order(line: str) -> Order:
    if re.search(r"\bonly\b", line):
        return "only"
    if re.search(r"\blonge(?:r|st)\b", line):
        return "longest"
    return "last" if re.search(r"\b(?:last|later|latest)\b", line) else "first"


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


def _is_there(line: str) -> bool:
    """Whether a question is about things being there, coming or going: not about what they do."""
    return any(p.search(line) for p in (COMES, GOES, _PUT, _TAKEN, _THERE))


def _wanted(line: str, options: bool) -> Wanted:
    if options:
        return "choice"
    if _DOES.match(line) or re.search(r"\bhow (?:many times|often)\b", line):
        return "passages"
    if re.search(r"\bhow many\b|\bnumber of\b|^count\b", line):
        return "count"
    if re.match(r"(?:does|do|did|is|are|was) (?:any\w*|some\w*|there)\b", line):
        return "whether"
    if re.match(r"when\b|at what time\b|at which second\b", line):
        return "when" if _is_there(line) else "passages"
    if re.match(r"how long\b", line):
        return "duration" if _is_there(line) else "passages"
    if re.search(r"\b(?:what|which) (?:is the )?colou?r\b", line):
        return "colour"
    if re.search(r"\b(?:say|says|said|speaks?|spoken|hear|heard|voice|speaker)\b", line):
        return "speech"
    if re.search(r"\b(?:text|words?|written|reads?|sign|card|caption|title|letters?)\b", line):
        return "text"
    if re.search(r"\b(?:at |from )?(?:which|what) edge\b", line):
        return "leaves" if re.search(r"\bleaves?\b|\bexits?\b", line) else "enters"
    if re.search(r"\b(?:which|what) direction\b|\bmoves? (?:\w+) or \w+", line):
        return "direction"
    if _YES_NO.match(line) and " or " not in line:
        return "whether"
    if re.match(r"(?:which|what|list|name)\b", line):
        return "list"
    return "passages"
