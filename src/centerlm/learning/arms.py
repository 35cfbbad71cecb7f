"""The arms that holistic training is compared with, made from the same records.

*Fragmentation*: question -> answer, of composed questions and of each of their parts. *Chain of
thought*: the plan, the parts' answers and the answer in one reply. Both see the passages that the
records have as notes, in the prompts of the absorb act, and none where there are none. A third,
`expert_examples`, is the training of a field expert on anyone's questions and answers.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from centerlm.acts import AbsorbView, Note
from centerlm.center import absorb_prompt
from centerlm.errors import InputError
from centerlm.learning.acting import absorbed, reading_examples
from centerlm.learning.example import TrainingExample
from centerlm.learning.guidance import Skipped
from centerlm.learning.material import Composed, Records
from centerlm.models.base import Message, Prompt

ANSWER = "Answer:"
"""Begins the last line of a chain of thought."""


def fragmentation(records: Records) -> list[TrainingExample]:
    """Questions and answers: composed ones, their parts, and single-hop ones with passages."""
    examples = list(_read(records))
    for composed in records.composed:
        notes = _notes(composed)
        target = _with_notes(composed.answer, composed)
        examples.append(_example(composed.objective, notes, target, composed, ""))
        examples += _parts(composed)
    return examples


def cot(records: Records) -> list[TrainingExample]:
    """Composed questions worked out in one reply; single-hop ones answered as they are."""
    composed = (_example(c.objective, _notes(c), chain(c), c, "") for c in records.composed)
    return [*_read(records), *composed]


def chain(composed: Composed) -> str:
    """The plan, each step with its answer where that is known, and the answer."""
    known = [answer for _, answer in composed.parts]
    lines = composed.plan.split("\n")
    if len(known) == len(lines):
        lines = [f"{line} = {answer}" for line, answer in zip(lines, known, strict=True)]
    else:
        lines += [f"{question} = {answer}" for question, answer in composed.parts]
    return "\n".join([*lines, f"{ANSWER} {_with_notes(composed.answer, composed)}"])


def _read(records: Records) -> Iterator[TrainingExample]:
    """The single-hop questions with their passages, as the absorb act has them."""
    for example in reading_examples(records.note_sets):
        yield TrainingExample("answer", example.prompt, example.target, example.id, example.origin)


def _parts(composed: Composed) -> Iterator[TrainingExample]:
    """The parts of a composed question; those that passages answer are among the readings."""
    if composed.notes:
        return
    for number, (question, answer) in enumerate(composed.parts, start=1):
        yield _example(question, (), answer, composed, f":{number}")


def _notes(composed: Composed) -> tuple[Note, ...]:
    return tuple(Note(text.title, text.text) for text in composed.notes)


def _with_notes(answer: str, composed: Composed) -> str:
    """A reply, with the numbers of the notes that hold the answer where there are notes."""
    if not composed.notes:
        return answer
    held = [n for n, text in enumerate(composed.notes, start=1) if answer in text.text]
    return absorbed(answer, held or range(1, len(composed.notes) + 1))


def _example(
    question: str, notes: Sequence[Note], target: str, composed: Composed, part: str
) -> TrainingExample:
    prompt = absorb_prompt(AbsorbView(question, tuple(notes)))
    return TrainingExample("answer", prompt, target, f"{composed.id}{part}", composed.origin)


def read_pairs(path: Path, field: str | None = None) -> tuple[list[TrainingExample], list[Skipped]]:
    """`expert_examples` of a JSONL file of `{"question", "answer"}`, of a `field` (by default the
    file's name); bad lines are listed.

    Raises:
        InputError: the file cannot be read, or holds no pair.
    """
    from centerlm.learning.lines import json_lines

    skipped: list[Skipped] = []
    pairs: list[tuple[str, str, str]] = []
    for number, row in json_lines(path, skipped):
        question, answer = row.get("question"), row.get("answer")
        if (
            isinstance(question, str)
            and isinstance(answer, str)
            and question.strip()
            and answer.strip()
        ):
            pairs.append((f"{path.stem}:{number}", question, answer))
        else:
            where = f"{path}, line {number}"
            skipped.append(Skipped(where, "it has no texts question and answer", "not a pair"))
    if not pairs:
        raise InputError(
            f"{path} has no line with a question and an answer; write "
            + json.dumps({"question": "...", "answer": "..."})
        )
    return list(expert_examples(pairs, origin=path.stem, field=field)), skipped


def expert_examples(
    pairs: Iterable[tuple[str, str, str]], *, origin: str, field: str | None = None
) -> Iterator[TrainingExample]:
    """(id, question, answer) as examples, in the prompt of the source `expert:FIELD`."""
    from centerlm.sources.expert import instruction_of

    system = Message("system", instruction_of(field or origin))
    for id_, question, answer in pairs:
        prompt = Prompt((system, Message("user", question)))
        yield TrainingExample("answer", prompt, answer, id_, origin)
