"""Whether a noun phrase is asked for by "Who" or by "What", from its words. English; no model."""

from __future__ import annotations

import re

_HEAD_NOUN = re.compile(
    r"(\w+)(?= (?:of|who|whose|whom|that|which|where|when|in|to|with|for|at|from|around|behind|by"
    r"|\w+ed)\b|$)"
)
"""What a phrase is about: "mayor" in "the mayor of Elm" and in "Elm's mayor"."""
_PEOPLE = (
    "person man woman one father mother parent child son daughter spouse wife husband partner dad "
    "mum brother sister sibling kin offspring heir mayor president king queen head chief boss "
    "executive general citizen"
)
_THINGS = (
    "river number flower water employer publisher mater tender power order letter paper tower "
    "border chapter computer"
)
_PERSON = re.compile(
    rf"{_PEOPLE.replace(' ', '|')}|\w+(?:maker|man|woman|ist|ian|tor|hor)"
    rf"|(?!{_THINGS.replace(' ', '|')})\w+er",
    re.IGNORECASE,
)
"""Nouns for people: some common ones, and by their endings."""


def interrogative(phrase: str) -> str:
    """The word that suits the noun a phrase is about, "Who" or "What"; "What" where unknown."""
    noun = _HEAD_NOUN.search(phrase)
    return "Who" if noun and _PERSON.fullmatch(noun[1]) else "What"
