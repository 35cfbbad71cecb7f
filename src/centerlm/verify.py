"""Mechanical verification: what can be checked without a model is checked without one."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from centerlm.finding import Citation, Finding, Passage
from centerlm.objective import AnswerType

_WORD = re.compile(r"\w+")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9\"'(])|\n+")
_NUMBER = re.compile(r"\d")
_DATE = re.compile(r"\b\d{3,4}\b|\b\d{1,2}[./-]\d{1,2}\b")
_YES_NO = {"yes", "no", "true", "false"}
MAX_QUOTE = 300


def words(text: str) -> list[str]:
    """The words of a text, without case and accents."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return _WORD.findall("".join(c for c in plain if not unicodedata.combining(c)))


def contains(text: str, answer: str) -> bool:
    """Whether the words of the answer stand in the text, in order and side by side."""
    wanted = words(answer)
    return bool(wanted) and f" {' '.join(wanted)} " in f" {' '.join(words(text))} "


def quote(text: str, answer: str) -> str:
    """The first sentence that contains the answer, at most 300 characters; "" if none does."""
    for sentence in _SENTENCE_END.split(text):
        if contains(sentence, answer):
            return sentence.strip()[:MAX_QUOTE]
    return ""


def cite(passages: Sequence[Passage], cited: Sequence[int], answer: str) -> tuple[Citation, ...]:
    """Citations of the passages numbered `cited` (from 1).

    Where none of them contains the answer, the first passage that does is cited instead: the
    words decide, not the number that was written.
    """
    named = [passages[i - 1] for i in dict.fromkeys(cited) if 1 <= i <= len(passages)]
    if not any(contains(p.text, answer) for p in named):
        named = [p for p in passages if contains(p.text, answer)][:1] or named
    return tuple(
        Citation(
            passage=p.id,
            file=p.file,
            title=p.title,
            start=p.start,
            end=p.end,
            unit=p.unit,
            quote=quote(p.text, answer),
        )
        for p in named
    )


def why_unsupported(finding: Finding) -> str | None:
    """Why the citations do not carry the answer; None if they do or the answer is typed."""
    if not finding.found or finding.typed or not finding.answer:
        return None
    if finding.answer.casefold().rstrip(".") in _YES_NO:
        return None
    if any(c.quote for c in finding.citations):
        return None
    if contains(finding.text, finding.answer):
        return None
    return f"no cited passage contains {finding.answer!r}"


def why_wrong_type(answer: str, answer_type: AnswerType) -> str | None:
    """Why an answer is not of the expected type; None if it is."""
    match answer_type:
        case "number" if not _NUMBER.search(answer):
            return f"{answer!r} is not a number"
        case "date" if not _DATE.search(answer):
            return f"{answer!r} is not a date"
        case "boolean" if answer.casefold().strip(" .") not in _YES_NO:
            return f"{answer!r} is not yes or no"
        case _:
            return None
