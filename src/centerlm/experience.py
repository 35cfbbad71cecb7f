"""The one form of a recalled experience: a line that says which source answered what kind of
question, and how often. Memory writes it, training shows it, the center reads it as data.
"""

from __future__ import annotations

from centerlm.finding import short_answer

MAX_LIKE = 120


def experience_line(source: str, found: int, asked: int, like: str) -> str:
    """`documents answered 9 of 10 like: When was Ada Brandt born?`

    `found` (0 to `asked`) counts the questions answered; `like` is one of the kind.
    """
    like = short_answer(like)
    if len(like) > MAX_LIKE:
        like = like[: MAX_LIKE - 1].rstrip() + "…"
    return f"{source} answered {found} of {asked} like: {like}"
