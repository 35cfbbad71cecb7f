"""The forms of a recalled experience: a line that says which source answered what kind of question,
and how often; one that says which other words found something; and one that says what is known
already. Memory writes them, training shows the first, the center reads all as data.
"""

from __future__ import annotations

from centerlm.finding import short_answer, shortened

MAX_LIKE = 120
MAX_QUERY = 85


def experience_line(source: str, found: int, asked: int, like: str) -> str:
    """`documents answered 9 of 10 like: When was Ada Brandt born?`

    `found` (0 to `asked`) counts the questions answered; `like` is one of the kind.
    """
    return f"{source} answered {found} of {asked} like: {_shortened(like)}"


def query_line(query: str, like: str) -> str:
    """`asking Van Hook county seat found: What is the seat of Van Hook?`"""
    return f"asking {_shortened(query, MAX_QUERY)} found: {_shortened(like, MAX_QUERY)}"


def known_line(question: str, claim: str) -> str:
    """`known already: When was Ada Brandt born? 1901`"""
    return f"known already: {_shortened(question, MAX_QUERY)} {_shortened(claim, MAX_QUERY)}"


def _shortened(text: str, limit: int = MAX_LIKE) -> str:
    return shortened(short_answer(text), limit)
