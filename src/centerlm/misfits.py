"""Answers that are not of the kind that their question asks for: they are no answers.

A small model that reads "It is 118 metres long and can take 900 passengers" may say "118 metres" to
"How many passengers?", and a year to "How old was ...?". Only what question and answer both make
plain counts. Pure: no I/O, no model.
"""

from __future__ import annotations

import re

NO_AGE = "an age was asked for, not a date"
NO_TIME = "a length of time was asked for, not when it was"
NO_COUNT = "a number of things was asked for, not a measure"

_MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"
_YEAR = r"(?<![\d.,])(?:1\d{3}|20\d{2})(?![\d,]|\.\d)"
_DATE = re.compile(rf"\b(?:{_MONTHS})\b.*{_YEAR}|{_YEAR}(?!\s*(?:year|day|month|week)s?\b)")
_AGE = re.compile(r"(?:how old|(?:at |in )?what age|at which age)\b", re.IGNORECASE)
_COUNT = re.compile(
    r"(?:(?:\w+ )?how many|what (?:is|was|are) the (?:\w+ )?number of) (.+)", re.IGNORECASE
)
_UNIT = (
    r"(?:square |cubic )?(?:(?:kilo|centi|milli)?met(?:re|er)s?|miles?|feet|foot|inches)(?!\w)"
    r"|(?:(?:kilo)?grams?|tonnes?|pounds?|lit(?:re|er)s?|hectares?|acres?)(?!\w)"
    r"|(?:[kcm]?m[²³2]?|km/h|kg|ha|°[CF]|percent|per cent)(?!\w)|%"
)
_MEASURED = re.compile(
    rf"(?:about |over |some |nearly )?[\d.,]+\s*({_UNIT})(?: (?:long|high|tall|deep|wide|large))?",
    re.IGNORECASE,
)
_TIMES = re.compile(r"years?|months?|weeks?|days?|centur(?:y|ies)|decades?", re.IGNORECASE)


def misfit(question: str, answer: str) -> str:
    """Why the answer cannot be one to the question; "" where nothing says so."""
    asked = question.strip()
    if _AGE.match(asked) and _DATE.search(answer):
        return NO_AGE
    count = _COUNT.match(asked)
    if count is None:
        return ""
    measured = _MEASURED.fullmatch(answer.strip())
    if measured and not _said(count[1], measured[1]):
        return NO_COUNT
    if _TIMES.match(count[1]) and len(re.findall(_YEAR, answer)) > 1:
        return NO_TIME
    return ""


def without(text: str, answer: str) -> str:
    """The text with an ellipsis for the words of an answer, wherever it has them."""
    words = r"\s+".join(re.escape(word) for word in answer.split())
    return re.sub(rf"(?<!\w){words}(?!\w)", "…", text, flags=re.IGNORECASE) if words else text


def _said(things: str, unit: str) -> bool:
    """Whether what is counted is itself a unit, or the question names that of the answer."""
    return bool(re.match(_UNIT, things)) or unit.casefold() in things.casefold().split()
