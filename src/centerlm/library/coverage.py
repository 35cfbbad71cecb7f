"""How much of a question a passage covers: the measure that settles between close candidates.

A passage near in meaning may lack the very name asked for, and BM25 rewards a passage that repeats
one word of it. Coverage is the share of the question's words, each by its rarity, that the passage
or its title has at all; a title that stands in the question word for word counts besides.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping

_TERM = re.compile(r"[^\W_]+")
_ASIDE = re.compile(r"\([^)]*\)")


def rarity(counts: Mapping[str, int], passages: int) -> dict[str, float]:
    """The weight of each term of a question: more, the fewer of the passages have it."""
    return {
        form: math.log(1 + passages / (1 + count))
        for term, count in counts.items()
        for form in forms(term)
    }


def covered(weights: Mapping[str, float], title: str, text: str) -> float:
    """Share (0..1) of the weights whose terms stand in the title or the text."""
    total = sum(weights.values())
    if not total:
        return 0.0
    present = set(forms(f"{title} {text}"))
    return sum(weight for term, weight in weights.items() if term in present) / total


def names(question: list[str], title: str) -> bool:
    """Whether the title, without what is in brackets, stands in the question's forms in a row."""
    wanted = forms(_ASIDE.sub(" ", title)) or forms(title)
    width = len(wanted)
    return bool(wanted) and any(
        question[at : at + width] == wanted for at in range(len(question) - width + 1)
    )


def forms(text: str) -> list[str]:
    """Words in lower case without accents and plural s, in order."""
    if not text.isascii():
        text = "".join(
            c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)
        )
    return [
        word[:-1] if len(word) > 3 and word.endswith("s") else word
        for word in _TERM.findall(text.lower())
    ]
