"""Puzzles of PlanBench told with actions of other names, drawn anew each time, so that what is
learned or measured is not the names.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping

MAX_ACTIONS = 6
"""Of the plans that are guidance; longer ones are only asked."""
_SYLLABLES = ("ba", "dor", "fen", "gil", "ka", "lum", "mir", "no", "pel", "rus", "tav", "zo")


def new_names(plan: str, draw: random.Random) -> dict[str, str]:
    """A new word for each action that the plan names, and for its forms in words: "put down",
    "putting down" where it is that simple, "stacked".
    """
    old = dict.fromkeys(action.split()[0] for action in plan.split("; "))
    names: dict[str, str] = {}
    for action in old:
        word = "".join(draw.sample(_SYLLABLES, 2))
        while word in names.values():
            word = "".join(draw.sample(_SYLLABLES, 3))
        names[action] = word
        names[action.replace("-", " ")] = word
        verb, *rest = action.split("-")
        for ending in ("ing", "ed"):
            names[" ".join([verb + ending, *rest])] = word + ending
    return names


def rename(text: str, names: Mapping[str, str]) -> str:
    """The text with whole words replaced; a capital letter at the beginning stays one."""
    if not names:
        return text
    longest = sorted(names, key=len, reverse=True)
    pattern = re.compile(rf"\b(?:{'|'.join(map(re.escape, longest))})\b", re.IGNORECASE)

    def put(match: re.Match[str]) -> str:
        new = names[match[0].lower()]
        return new.capitalize() if match[0][0].isupper() else new

    return pattern.sub(put, text)
