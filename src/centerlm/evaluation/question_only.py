"""A classifier that sees the question alone: what the wording of yes-or-no questions gives away.

Logistic regression over words and pairs of words, by stochastic gradient descent; seeded, in plain
Python. A system that answers no better has not found anything out.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from centerlm.verify import words

EPOCHS, RATE, DECAY = 12, 0.1, 1e-4


@dataclass(frozen=True, slots=True)
class QuestionOnly:
    """Weights by feature, and the bias."""

    weights: dict[str, float]
    bias: float

    def says_yes(self, question: str) -> bool:
        """Its answer to a question."""
        return self.bias + sum(self.weights.get(f, 0.0) for f in features(question)) > 0


def features(question: str) -> list[str]:
    """The words of a question, and its pairs of neighbours, each once."""
    named = words(question)
    return list(dict.fromkeys([*named, *(f"{a} {b}" for a, b in pairwise(named))]))


def fit(questions: Sequence[tuple[str, bool]], *, seed: int = 0) -> QuestionOnly:
    """Train on questions and whether their answer is yes."""
    weights: dict[str, float] = {}
    bias = 0.0
    rows = [(features(question), float(yes)) for question, yes in questions]
    draw = random.Random(seed)
    for epoch in range(EPOCHS):
        draw.shuffle(rows)
        rate = RATE / (1 + epoch)
        for named, yes in rows:
            score = bias + sum(weights.get(f, 0.0) for f in named)
            error = yes - 1 / (1 + math.exp(-max(min(score, 30), -30)))
            bias += rate * error
            for f in named:
                old = weights.get(f, 0.0)
                weights[f] = old + rate * (error - DECAY * old)
    return QuestionOnly(weights, bias)
