"""Words that come again: how much likelier they are than usual after a text that just used them.

A cache of single words that decays (Kuhn and De Mori, 1990; Clarkson and Robinson, 1997), against
their shares in the book so far. Pure functions over words.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

HALF, SHARE = 300, 0.1
"""Words after which a use counts half, and how much of a word's chance its uses make up."""


def nats_saved(words: Sequence[str], seen: Sequence[str], usual: Mapping[str, int]) -> float:
    """How much more likely `words` are after `seen` than by how often the book uses them: the
    natural logarithm of one chance over the other. `usual` counts the words of the book.
    """
    uses: defaultdict[str, float] = defaultdict(float)
    for back, word in enumerate(reversed(seen)):
        uses[word] += 0.5 ** (back / HALF)
    used, total = sum(uses.values()), sum(usual.values())
    if not used or not total:
        return 0.0
    return sum(
        math.log1p(SHARE * (uses.get(word, 0.0) / used * total / (usual.get(word, 0) + 0.5) - 1))
        for word in words
    )
