"""The cards of a world's sources, worded anew in each world, and distractors beside them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cache
from importlib.resources import files
from random import Random
from types import MappingProxyType
from typing import Literal

from centerlm.learning.worlds.secrets import LARGEST, Secrets, fields
from centerlm.sources.base import Card

ALWAYS = ("documents", "calculator")
Offered = Literal["varied", "plain"]
"""How a world shows its sources: worded anew, with distractors beside those that a question needs,
or in the same words everywhere and alone.
"""


@cache
def _wordings() -> Mapping[str, tuple[str, ...]]:
    """What cards say, by "name" or "name new"; "new sources" holds the names of held-out ones."""
    path = files("centerlm.learning.worlds") / "wordings" / "cards.txt"
    found: dict[str, tuple[str, ...]] = {}
    late: list[str] = []
    below = False
    for line in path.read_text(encoding="utf-8").splitlines():
        if line == "new sources":
            below = True
        elif line and not line.startswith("#"):
            name, _, rest = line.partition(": ")
            found[name] = tuple(rest.split(" | "))
            if below:
                late.append(name)
    return MappingProxyType({**found, "new sources": tuple(late)})


def make_cards(
    secrets: Secrets, rng: Random, *, new: bool, cards: Offered = "varied"
) -> Mapping[str, Card]:
    """The cards of all sources of a world by name; with `new`, half are worded as none in training.

    Unless they are "plain", sources that no question of any world needs are among them.
    """
    plain = cards == "plain"
    wordings = _wordings()

    def knows(kind: str) -> str:
        if plain:
            return wordings[kind][0]
        late = wordings.get(f"{kind} new", ())
        return rng.choice(late if new and late and rng.random() < 0.5 else wordings[kind])

    machine = secrets.machine.name
    made = [
        Card("documents", knows("documents"), latency=0.02),
        Card("calculator", knows("calculator"), computes=True, typed=True, latency=0.001),
        Card("person", knows("person"), limits="slow", typed=True, shared=False, latency=30.0),
        Card(
            "experiment",
            knows("experiment").replace("{m}", machine),
            limits=f"whole numbers from 0 to {LARGEST}",
            computes=True,
            typed=True,
            latency=1.0,
        ),
    ]
    known = {known.field for known in secrets.experts.values()}
    for field in fields().values():
        if field.name in known:
            line = knows("expert").replace("{t}", field.things).replace("{f}", field.name)
            made.append(Card(field.source, line, price=0.001, latency=2.0))
    if plain:
        return MappingProxyType({card.name: card for card in made})
    late = wordings["new sources"]
    others = [n for n in wordings if " " not in n and n not in {*ALWAYS, *_OWN} and n not in late]
    made += [Card(name, knows(name)) for name in (*others, *(late if new else ()))]
    return MappingProxyType({card.name: card for card in made})


_OWN = ("person", "experiment", "expert")


def offered(
    cards: Mapping[str, Card], needed: Collection[str], rng: Random, *, least: int, alone: bool
) -> tuple[Card, ...]:
    """Cards for one question in random order: those it needs, documents and calculator, and, unless
    they are to be `alone`, `least` to 3 others.
    """
    names = list(dict.fromkeys((*ALWAYS, *needed)))
    others = [name for name in cards if name not in names]
    # Half of the distractors are sources that other questions of the world need.
    own = [name for name in others if name.partition(":")[0] in _OWN]
    wanted = rng.randint(least, 3)
    if alone:
        others.clear()
    chosen: list[str] = []
    while others and len(chosen) < wanted:
        pool = [n for n in own if n not in chosen] if rng.random() < 0.5 else []
        chosen.append(rng.choice(pool or [n for n in others if n not in chosen]))
    shown: Sequence[str] = [*names, *chosen]
    return tuple(cards[name] for name in rng.sample(list(shown), len(shown)))
