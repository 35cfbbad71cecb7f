"""Noun phrases of QDMR as the questions people ask. Rules of thumb over English; pure.

"actor that played in Salt" becomes "Which actor played in Salt?", "capital of #1" becomes "What is
the capital of #1?".
"""

from __future__ import annotations

import re

_WH = re.compile(r"(?:who|what|where|when|which|how|why|whose|whom)\b", re.IGNORECASE)
_ASKED = re.compile(
    _WH.pattern + r"|(?:is|are|was|were|do|does|did|has|have|had|can|could|will|would)\s",
    re.IGNORECASE,
)
_CLAUSE = re.compile(r"\b(?:who|that|which|whose|where|when|what|how)\b", re.IGNORECASE)
_ARTICLE = re.compile(r"(?:the|a|an)\s+", re.IGNORECASE)
_DETERMINED = re.compile(
    r"(?:the|a|an|any|all|some|each|his|her|its|their|this|that|these|those|#\d+)\b|[^\s]*'s\b|#",
    re.IGNORECASE,
)
_AFTER_HEAD = re.compile(
    r"\s+(?:of|that|who|which|whose|where|when|in|on|at|by|for|from|with|to|between|during|"
    r"over|under|after|before|than|as|into|against|#\d+)\b|,"
)
_SUBJECT_CLAUSE = re.compile(
    r"(?:(?:the|a|an)\s+)?(?P<head>[^#,]{2,60}?)\s+(?:who|that|which)\s+"
    r"(?P<rest>(?:is|are|was|were|has|have|had|can|could|will|would|won|made|wrote|led|held|took|"
    r"began|ran|got|lost|sang|gave|did not|[a-z]+(?:ed|[^s'\W]s))\s+.+)"
)
_PEOPLE = re.compile(
    r"(?:\w+ )*(?:actor|actress|author|artist|brother|sister|father|mother|son|daughter|wife|"
    r"husband|person|player|president|director|writer|singer|spouse|king|queen|leader|governor|founder|"
    r"inventor|owner|composer|architect|mayor|coach|quarterback|man|woman|child|parent)",
    re.IGNORECASE,
)
_PLURALS = {"people", "men", "women", "children", "parents", "media", "wives"}
_MEASURES = {
    "yards", "points", "percent", "percentage", "percentages", "years", "months", "days", "miles",
    "number", "numbers", "amount", "amounts", "population", "populations", "size", "sizes", "age",
    "ages", "area", "areas", "length", "lengths", "height", "heights", "dollars", "cost", "costs",
    "price", "prices", "distance", "distances", "elevation", "elevations", "score", "scores",
    "date", "dates", "year", "longness", "density", "densities", "rate", "value", "income",
    "francs", "times", "stories", "total", "totals", "weight", "gdp", "revenue",
}  # fmt: skip


def question(phrase: str, *, plural: bool | None = None) -> str:
    """The phrase as a question; one that is a question stays, with a capital and a mark."""
    phrase = phrase.strip().rstrip("?. ")
    if _ASKED.match(phrase):
        return f"{phrase[:1].upper()}{phrase[1:]}?"
    if match := _SUBJECT_CLAUSE.fullmatch(phrase):
        return f"Which {match['head']} {match['rest']}?"
    many = is_plural(phrase) if plural is None else plural
    who = "Who" if _PEOPLE.fullmatch(head(phrase)) else "What"
    verb = "are" if many else "is"
    article = "" if _DETERMINED.match(phrase) or phrase[:1].isupper() else "the "
    return f"{who} {verb} {article}{phrase}?"


def is_asked(phrase: str) -> bool:
    """Whether it is a question already."""
    return _ASKED.match(phrase) is not None


def head(phrase: str) -> str:
    """The words before what modifies them: "border countries" of "border countries of #1"."""
    phrase = _ARTICLE.sub("", phrase.strip(), count=1)
    match = _AFTER_HEAD.search(phrase)
    return (phrase[: match.start()] if match else phrase).strip()


def is_plural(phrase: str) -> bool:
    """Whether the head noun is in the plural, as far as its ending says."""
    if _WH.match(phrase):
        return False
    last = head(phrase).casefold().rpartition(" ")[2]
    return last in _PLURALS or (
        last.endswith("s") and not last.endswith(("ss", "us", "is")) and len(last) > 3
    )


def is_measure(phrase: str) -> bool:
    """Whether its head is something measured, so that its value is a number or a date."""
    return is_when(phrase) or head(phrase).casefold().rpartition(" ")[2] in _MEASURES


def is_when(phrase: str) -> bool:
    """Whether its value is a date."""
    first, last = phrase.casefold().partition(" ")[0], head(phrase).casefold().rpartition(" ")[2]
    return first == "when" or last in ("date", "dates", "year", "day")


def is_bare(phrase: str) -> bool:
    """Whether it only names something ("california", "the first half"): nothing to be found out."""
    if _CLAUSE.search(phrase):
        return False
    bare = _ARTICLE.sub("", phrase.strip(), count=1)
    return bare[:1].isupper() or _AFTER_HEAD.search(bare) is None


def stem(noun: str) -> str:
    """The last word of a head without its plural ending, to tell whether two heads are the same."""
    word = noun.casefold().rpartition(" ")[2]
    return word[:-3] + "y" if word.endswith("ies") else word.removesuffix("s")
