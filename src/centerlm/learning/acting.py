"""Records of learning as training examples, in the very prompts the center is asked in use.

Pure: the prompts come from `center`, the replies are written as the center's grammars let them
through. Examples of equal prompt beginnings (source cards, notes) stand beside each other, because
trainers share them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from centerlm.acts import AbsorbView, Note, SeekView
from centerlm.center import absorb_prompt, plan_prompt, seek_prompt
from centerlm.learning.example import TrainingExample
from centerlm.learning.noting import NoteSet
from centerlm.learning.offering import CardSet, Offer, offers
from centerlm.learning.records import Decision, Fold, Reask
from centerlm.plan import format_plan

MAX_CITED = 3


def decision_examples(
    decisions: Iterable[Decision],
    *,
    cards: Sequence[CardSet],
    seed: int,
    aliases: bool = True,
    experience: bool = True,
) -> Iterator[TrainingExample]:
    """Decompose examples, those of the same cards beside each other.

    A decision that brings no cards gets one of `cards` that has all its plan's sources; with
    `aliases`, part of those that bring their own get alias names. These are used in prompt and plan
    alike. With `experience`, part of the prompts say what is remembered of sources.

    Raises:
        InputError: no card set has the sources of a plan.
    """
    for offer in offers(decisions, cards=cards, seed=seed, aliases=aliases, experience=experience):
        yield decision_example(offer)


def decision_example(offer: Offer) -> TrainingExample:
    return TrainingExample(
        "decompose",
        plan_prompt(offer.view),
        format_plan(offer.plan),
        offer.decision.id,
        offer.decision.origin,
    )


def absorbed(answer: str | None, cited: Iterable[int]) -> str:
    """The reply of the absorb act: "nothing", or the answer and the numbers of its notes."""
    if answer is None:
        return "nothing"
    return " ".join([answer, *(f"[{n}]" for n in tuple(cited)[:MAX_CITED])])


def reading_examples(note_sets: Iterable[NoteSet]) -> Iterator[TrainingExample]:
    """Absorb examples of passages, those of one note set beside each other."""
    for note_set in note_sets:
        notes = tuple(Note(text.title, text.text) for text in note_set.notes)
        for question in note_set.questions:
            reading = question.reading
            yield TrainingExample(
                "absorb",
                absorb_prompt(AbsorbView(reading.question, notes)),
                absorbed(question.answer, question.cited),
                reading.id if question.answer is not None else f"{reading.id}:absent",
                reading.origin,
            )


def fold_examples(folds: Iterable[Fold]) -> Iterator[TrainingExample]:
    """Absorb examples of a level's own answered steps."""
    for fold in folds:
        notes = tuple(Note(question, answer) for question, answer in fold.steps)
        view = AbsorbView(fold.objective, notes, fold.root)
        target = absorbed(fold.answer, fold.cited)
        yield TrainingExample("absorb", absorb_prompt(view), target, fold.id, fold.origin)


def reask_examples(reasks: Iterable[Reask]) -> Iterator[TrainingExample]:
    """Seek examples: another query after one that did not help."""
    for reask in reasks:
        view = SeekView(reask.objective, reask.card, reask.root, reask.asked)
        yield TrainingExample("seek", seek_prompt(view), reask.query, reask.id, reask.origin)
