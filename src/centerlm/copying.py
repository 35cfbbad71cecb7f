"""Names that no note has: a small model makes one up that begins like the right one.

"Exchatham" is no slip of "Exeter" that could be mended from outside. The model knows where the
answer stands: under a grammar that lets only the notes' own words through, from a name on and one
after the other, it says "Exeter". Pure: no I/O, no model.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from centerlm.verify import contains, words

_WORD = re.compile(r"(?P<before>\W*)(?P<bare>.*?)(?P<after>\W*)")
_OPENERS = frozenset(
    words(
        "a after although among an and as at because before between both but by during each false "
        "for from he her here his how however i if in it its many most no not of on one or our she "
        "since so some such that the their then there these they this those though through to true "
        "under until we what when where which while who whose with yes you"
    )
)
"""Words that are in capitals where a sentence begins, and no names."""


def is_made_up(answer: str, notes: Sequence[str]) -> bool:
    """Whether an answer is a name that stands in none of the notes. Years and measures can be
    written otherwise than there, and are never.
    """
    name = answer[:1].isupper() and answer[:1].isalpha() and not re.search(r"\d", answer)
    if not name or not _OPENERS.isdisjoint(words(answer)[:1]):
        return False
    return not any(contains(note, answer) for note in notes)


def copied_rules(notes: Sequence[str]) -> str:
    """GBNF rules of `copied`, a run of words of one note that begins with a name; "" where no note
    has a name. The run ends without the punctuation after its last word.
    """
    rules: list[str] = []
    starts: dict[str, None] = {}
    for number, note in enumerate(notes):
        for rule, name, following in _rules_of(note, f"note{number}"):
            rules.append(rule)
            if name:
                starts[f"{json.dumps(name, ensure_ascii=False)}{following}"] = None
    return "\n".join([f"copied ::= {' | '.join(starts)}", *rules, ""]) if starts else ""


def _rules_of(note: str, prefix: str) -> Iterator[tuple[str, str, str]]:
    """For each word of a note its rule, the word where it is a name, and what may follow it."""
    said = note.split()
    for place, word in enumerate(said):
        match = _WORD.fullmatch(word)
        before, bare, after = match.groups() if match else ("", word, "")
        following = ""
        if place + 1 < len(said):
            gap = json.dumps(f"{after} ", ensure_ascii=False)
            following = f" ({gap} {prefix}-{place + 1})?"
        shown = json.dumps(before + bare, ensure_ascii=False)
        named = bare[:1].isupper() and bare.casefold() not in _OPENERS
        yield f"{prefix}-{place} ::= {shown}{following}", bare if named else "", following
