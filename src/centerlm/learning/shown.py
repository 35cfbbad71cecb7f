"""What a rendered prompt shows, read back: its question, its notes, and it without shown examples.

The inverse of the templates in `center`, for prompts that the journal kept. Text of notes is on one
line in them, so nothing in it can pass for a line of the template.
"""

from __future__ import annotations

import re

from centerlm.models.base import Prompt

_NOTE = re.compile(r"\[\d+\] (.*)")
_QUESTION = "Question: "


def plain_prompt(prompt: Prompt) -> Prompt:
    """The prompt as a trained center gets it: the system message and what is asked.

    A request to repair a plan becomes the request for the plan.
    """
    users = [m for m in prompt.messages if m.role == "user"]
    asked = next(
        (m for m in reversed(users) if m.text.rpartition("\n")[2].startswith(_QUESTION)), users[-1]
    )
    return Prompt((prompt.messages[0], asked))


def question_of(prompt: Prompt) -> str:
    """The question of the last line of what is asked."""
    return plain_prompt(prompt).messages[1].text.rpartition("\n")[2].removeprefix(_QUESTION)


def notes_of(prompt: Prompt) -> tuple[str, ...]:
    """The notes shown, in order, each as `title: text`."""
    lines = plain_prompt(prompt).messages[1].text.split("\n")[:-1]
    return tuple(match[1] for line in lines if (match := _NOTE.fullmatch(line)))
