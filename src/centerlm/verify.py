"""Mechanical verification: what can be checked without a model is checked without one."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher

from centerlm.finding import Citation, Finding, Passage
from centerlm.objective import AnswerType

_WORD = re.compile(r"\w+")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9\"'(])|\n+")
_NUMBER = re.compile(r"\d")
_DATE = re.compile(r"\b\d{3,4}\b|\b\d{1,2}[./-]\d{1,2}\b")
_YES_NO = {"yes", "no", "true", "false"}
MAX_QUOTE = 300
_SLIP = 0.88
"""From this likeness on (0 to 1) words are the same but for a slip in copying: a letter of nine."""
_ODD = 0.6
"""The same for one word of a name whose other words are right ("Huber Selpin" for "Herbert")."""


def words(text: str) -> list[str]:
    """The words of a text, without case and accents."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return _WORD.findall("".join(c for c in plain if not unicodedata.combining(c)))


def contains(text: str, answer: str) -> bool:
    """Whether the words of the answer stand in the text, in order and side by side."""
    wanted = words(answer)
    return bool(wanted) and f" {' '.join(wanted)} " in f" {' '.join(words(text))} "


def as_written(answer: str, texts: Sequence[str]) -> str:
    """An answer that was copied with a slip, as the texts write it; else the answer as it is.

    A small model that copies a rare name can miss a letter of it ("Maribet" for "Maribert"). Where
    no text has the answer, the most alike of as many words of one counts, the first of equals;
    figures have to be the same. A name of which all words but one are those of one name of the
    texts is that name.
    """
    length, figures = len(answer.split()), re.findall(r"\d", answer)
    if not words(answer) or any(contains(text, answer) for text in texts):
        return answer
    best, found, names = _SLIP, answer, set[str]()
    matcher = SequenceMatcher(None, b=answer.casefold(), autojunk=False)
    for span in (span for text in texts for span in _spans(text, length)):
        if re.findall(r"\d", span) != figures:
            continue
        matcher.set_seq1(span.casefold())
        if matcher.quick_ratio() > best and (alike := matcher.ratio()) > best:
            best, found = alike, span
        if _same_name(answer, span):
            names.add(span)
    return names.pop() if found == answer and len(names) == 1 else found


def _same_name(one: str, other: str) -> bool:
    """Whether names of as many words differ in one that begins alike, of four letters or more."""
    ours, theirs = one.split(), other.split()
    if not 2 <= len(ours) == len(theirs) or not all(w[:1].isupper() for w in (*ours, *theirs)):
        return False
    odd = [(a.casefold(), b.casefold()) for a, b in zip(ours, theirs, strict=True) if a != b]
    if len(odd) != 1 or len(min(odd[0], key=len)) < 4 or odd[0][0][0] != odd[0][1][0]:
        return False
    return SequenceMatcher(None, *odd[0], autojunk=False).ratio() >= _ODD


def _spans(text: str, length: int) -> Iterable[str]:
    """All runs of so many words of a text, without the punctuation around them."""
    parts = text.split()
    for start in range(len(parts) - length + 1):
        yield " ".join(parts[start : start + length]).strip(".,;:!?\"'“”‘’()[]")


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
