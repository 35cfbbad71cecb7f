"""Labels of a calculation that were copied with a slip: the question has them right.

A choice between things calls them by labels, "argmax(Tall Oak: #1, Elm: #2)", and the label of the
best is the answer. A small model that copies one can begin it twice ("T Tall Oak"), add a word
("Elm School") or leave one out ("Oak"). What of it stands in the question is the name, with the
words of the name beside it there. Pure: no I/O, no model.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from centerlm.plan import Step
from centerlm.verify import contains

_CHOICE = re.compile(r"\s*(?:earlier|later|argmin|argmax|sort)\s*\(.*\)\s*", re.DOTALL)
_LABEL = re.compile(r"(?<=[(,])(\s*)([^#:()]+?)(?=\s*:\s*#(\d+))")
_WITHIN = r"(?<!^)\b(?:is|was|are|were) (?:the )?[\"“]?"
"""What stands before a name that is a part of a description ("whose capital is Elm")."""


def with_labels(step: Step, question: str) -> Step:
    """The step, its labels as the question has them where they do not stand in it as they are.

    Of a label, the longest run of its words that the question has counts, if a name or a number is
    in it and it is no part of another label; a part of a longer name is the whole name.
    """
    if not _CHOICE.fullmatch(step.text):
        return step
    labels = [match[2] for match in _LABEL.finditer(step.text)]
    mended = [_named(label, question) for label in labels]
    parts = [one for one in mended if sum(contains(other, one) for other in mended) > 1]
    if mended == labels or parts:
        return step
    new = iter(mended)
    return replace(step, text=_LABEL.sub(lambda match: match[1] + next(new), step.text))


def with_found(step: Step, before: Sequence[Step], question: str) -> Step:
    """The step, with "#1" for each label that only says how the thing is found.

    Of "the country whose capital is Elm, or Norland" the choice is between what was found, the
    answer of a step that asks with "Elm", and Norland; of "which film, Elm or Oak, has the older
    director" between Elm and Oak, whatever was found with them. `before` are the steps before it.
    """
    if not _CHOICE.fullmatch(step.text):
        return step
    steps = {one.id: one for one in before}

    def mended(match: re.Match[str]) -> str:
        value = steps.get(int(match[3]))
        found = steps.get(value.needs[0]) if value and len(value.needs) == 1 else None
        if found is None or not contains(found.text, match[2]):
            return match[0]
        return f"{match[1]}#{found.id}" if _describes(match[2], question) else match[0]

    return replace(step, text=_LABEL.sub(mended, step.text))


def _describes(label: str, question: str) -> bool:
    """Whether the question has a name only within descriptions of what is meant."""
    name = rf"(?<!\w){re.escape(label)}(?!\w)"
    within = rf"{_WITHIN}{name}|{name}['’]s\b"
    everywhere = len(re.findall(name, question, re.IGNORECASE))
    return 0 < everywhere == len(re.findall(within, question, re.IGNORECASE))


def _named(label: str, question: str) -> str:
    if contains(question, label):
        return _whole(label, question)
    said = label.split()
    runs = (
        " ".join(said[start : start + length])
        for length in range(len(said) - 1, 0, -1)
        for start in range(len(said) - length + 1)
    )
    names = (run for run in runs if any(w[0].isupper() or w[0].isdigit() for w in run.split()))
    found = next((run for run in names if len(run) > 1 and contains(question, run)), None)
    return label if found is None else _whole(found, question)


def _whole(label: str, question: str) -> str:
    """The name that a label is a part of wherever the question has it; else the label."""
    if not label[:1].isupper():
        return label
    word = r"[^\W\d_a-z](?:[\w-]|\.(?=\w)|['’](?!s\b)|['’]s(?= [^\W\d_a-z]))*\.?"
    # The first word of a question is in capitals whether it is of a name or not.
    name = rf"(?:(?<!^)\b{word} )*\b{re.escape(label)}\b(?: {word})*"
    found = {match[0].rstrip(".") for match in re.finditer(name, question)}
    return found.pop() if len(found) == 1 else label
