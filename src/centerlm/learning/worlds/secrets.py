"""What no document of a world says: what experts know, what the user knows, and a hidden rule.

Experts know one thing about things that documents only name (the remedy for a disease). The user
knows what is theirs. A machine turns a number into another by a rule that can only be tried out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from random import Random

from centerlm.learning.records import Text
from centerlm.learning.worlds.forms import read_blocks
from centerlm.learning.worlds.graph import Graph
from centerlm.learning.worlds.names import Names, words

LARGEST = 100
"""The largest number the machine takes; the least is 0."""

_MONTHS = words("January February March April May June July August September October November")
_METALS = words("copper silver tin bronze nickel brass zinc iron gold lead steel")
_COLOURS = words("red blue green white black yellow purple orange grey brown violet pink")


@dataclass(frozen=True, slots=True)
class Field:
    """A field of expertise. `link` is the relation by which documents name its things."""

    name: str
    link: str
    things: str
    asks: tuple[str, ...]
    new_asks: tuple[str, ...]
    says: tuple[str, ...]
    new_says: tuple[str, ...]
    answer: str
    held_out: bool

    @property
    def source(self) -> str:
        return f"expert:{self.name}"


@dataclass(frozen=True, slots=True)
class Private:
    """Something only the user knows, as the user says it and as the user is asked."""

    kind: str
    mine: str
    asked: str
    new: bool


@dataclass(frozen=True, slots=True)
class Known:
    """An expert's knowledge of one thing: the short answer, and the text that gives it."""

    field: str
    thing: str
    answer: str
    reply: Text


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine and its hidden rule: `slope` * number + `base`, for numbers 0..`LARGEST`."""

    name: str
    slope: int
    base: int

    def run(self, number: int) -> int:
        return self.slope * number + self.base


@dataclass(frozen=True, slots=True)
class Secrets:
    """`experts` by (field, thing); `private` by what the user says: the answer, and the id of the
    thing it names.
    """

    experts: Mapping[tuple[str, str], Known]
    private: Mapping[str, tuple[str, int | None]]
    machine: Machine

    @property
    def replies(self) -> tuple[Text, ...]:
        """What experts say, as texts."""
        return tuple(known.reply for known in self.experts.values())


def make_secrets(graph: Graph, rng: Random, *, prefix: str, new: bool) -> Secrets:
    """Secrets about the things of a graph; ids of replies begin with `prefix`."""
    experts: dict[tuple[str, str], Known] = {}
    for field in fields().values():
        if field.held_out and not new:
            continue
        for fact in graph.ending.get(field.link, ()):
            if (field.name, fact.answer) in experts:
                continue
            answer = _ANSWERS[field.answer](rng, graph.names)
            says = field.new_says if new and rng.random() < 0.5 else field.says
            text = rng.choice(says).replace("{s}", fact.answer).replace("{o}", answer)
            reply = Text(f"{prefix}-x{len(experts)}", field.source, text[:1].upper() + text[1:])
            experts[field.name, fact.answer] = Known(field.name, fact.answer, answer, reply)
    private: dict[str, tuple[str, int | None]] = {}
    for item in privates():
        if item.new and not new:
            continue
        if item.kind == "money":
            private[item.mine] = (f"{graph.coin}{rng.randint(70, 400)}", None)
        else:
            thing = rng.choice(graph.of_kind(item.kind))
            private[item.mine] = (thing.name, thing.id)
    machine = Machine(graph.names.machine(), rng.randint(2, 9), rng.randint(1, 60))
    return Secrets(experts, private, machine)


@cache
def fields() -> Mapping[str, Field]:
    """The fields of expertise by name."""
    return {field.name: field for field in (_field(*block) for block in read_blocks("experts.txt"))}


@cache
def privates() -> tuple[Private, ...]:
    """Everything a user may know."""
    made: list[Private] = []
    new = False
    for line in _text("person.txt").splitlines():
        if line == "new":
            new = True
        elif line and not line.startswith("#"):
            kind, _, rest = line.partition(": ")
            mine, _, asked = rest.partition(" / ")
            made.append(Private(kind, mine, asked, new))
    return tuple(made)


def _text(name: str) -> str:
    return (files("centerlm.learning.worlds") / "wordings" / name).read_text(encoding="utf-8")


def _field(head: str, parts: Mapping[str, tuple[str, ...]]) -> Field:
    name, _, rest = head.removesuffix(" ! held out").partition(": ")
    link, _, answer = rest.partition(" -> ")
    (things,) = parts["things"]
    asks, new_asks, says, new_says = (parts[key] for key in ("ask", "new ask", "say", "new say"))
    held_out = head.endswith(" ! held out")
    return Field(name, link, things, asks, new_asks, says, new_says, answer, held_out)


_ANSWERS: Mapping[str, Callable[[Random, Names], str]] = {
    "remedy": lambda rng, names: f"{names.machine()} {rng.choice(('root', 'leaf', 'bark', 'oil'))}",
    "hardness": lambda rng, names: f"{rng.randint(2, 19) / 2:g}",
    "month": lambda rng, names: rng.choice(_MONTHS),
    "metal": lambda rng, names: rng.choice(_METALS),
    "fish": lambda rng, names: f"{names.machine()} {rng.choice(('trout', 'perch', 'eel', 'pike'))}",
    "colour": lambda rng, names: rng.choice(_COLOURS),
}
