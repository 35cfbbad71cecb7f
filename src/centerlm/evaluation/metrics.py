"""How right an answer is, and how much of the needed support was found.

Answers are compared as in SQuAD (Rajpurkar et al., 2016, section 6.1) and, with aliases, MuSiQue
(Trivedi et al., 2022): without case, punctuation, articles and extra space; the best of all
accepted answers counts. Pure functions over texts and sets; all scores are in 0..1.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Collection, Hashable, Iterable

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalise_answer(text: str) -> str:
    """Lower case, ASCII punctuation and English articles removed, single spaces."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def exact_match(answer: str | None, accepted: Iterable[str]) -> float:
    """1.0 where the normalised answer equals one of the accepted ones, else 0.0.

    None, no answer, equals nothing.
    """
    if answer is None:
        return 0.0
    normal = normalise_answer(answer)
    return float(any(normal == normalise_answer(gold) for gold in accepted))


def token_f1(answer: str | None, accepted: Iterable[str]) -> float:
    """The best F1 between the words of the answer and those of an accepted one, as bags.

    Where one of the two has no words left after normalising, 1.0 if the other has none either,
    else 0.0. None, no answer, scores 0.0.
    """
    if answer is None:
        return 0.0
    words = Counter(normalise_answer(answer).split())
    return max((_f1(words, Counter(normalise_answer(g).split())) for g in accepted), default=0.0)


def _f1(words: Counter[str], gold: Counter[str]) -> float:
    if not words or not gold:
        return float(words == gold)
    common = (words & gold).total()
    return 2 * common / (words.total() + gold.total())


def support_recall(found: Collection[Hashable], support: Collection[Hashable]) -> float:
    """The share of the supporting passages that were found; 1.0 where none is needed."""
    needed = set(support)
    return len(needed & set(found)) / len(needed) if needed else 1.0


def all_found(found: Collection[Hashable], support: Collection[Hashable]) -> float:
    """1.0 where every supporting passage was found, else 0.0."""
    return float(set(support) <= set(found))
