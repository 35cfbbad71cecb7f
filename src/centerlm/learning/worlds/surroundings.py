"""What a question may be a part of: in use, the inner parts of a long question are asked with the
whole of it beside them.

A center trained on questions of two hops meets parts of one hop only, and takes "part of a
question" for "needs no steps". So questions of worlds are also shown as parts of longer ones, made
by putting relations around them. Those are context alone: no plan or answer of them is learned.

How a question is worded must not give it away either. Parts are asked as "Who is the ...?", few
nested questions are; where seven of eight parts so worded were of one hop, a center asked a library
for parts of seven hops as they stood. So nested questions are worded as parts too.
"""

from __future__ import annotations

import re
from random import Random

from centerlm.learning.worlds.relations import ENTITIES, PEOPLE, relations, who_or_what

MOST = 6
"""Relations around a question: two hops and these are eight."""

_NESTED = re.compile(r"(Who|What) is (.+)\?")


def surrounded(question: str, rng: Random) -> str | None:
    """A longer question that `question` ("Who is ...?", "What is ...?") is the innermost part of.

    None for a question in another form: those are never the inner part of another. Relations and
    wordings held out for tests are left out.
    """
    match = _NESTED.fullmatch(question)
    if match is None:
        return None
    phrase, person = match[2], match[1] == "Who"
    left = rng.randint(1, MOST)
    while True:
        relation = rng.choice(
            [
                r
                for r in relations().values()
                if ("person" in r.subjects) == person
                and not (r.held_out or r.wide)
                and r.nesting
                and (left == 1 or r.object in ENTITIES)
            ]
        )
        left -= 1
        noun = rng.choice(relation.nesting)
        if not left:
            asks = [ask for ask in relation.train.asks if "{}'s" not in ask]
            whole = f"{who_or_what(relation.object)} {noun}?"
            return rng.choice([*asks, whole]).replace("{}", phrase)
        phrase, person = noun.replace("{}", phrase), relation.object in PEOPLE
