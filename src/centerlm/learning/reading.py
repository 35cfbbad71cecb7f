"""Natural passages and the single-hop questions asked of them: material for the absorb act.

Readers of data sets give `Material`: passages cut as a library cuts them (at most 120 words), the
readings whose short answer stands in one of them word for word, and what was left out and why.
Here are SQuAD files (Rajpurkar et al., 2016) and QED (Lamm et al., 2021); `hops` reads multi-hop
sets. Passages with the same title and words are one passage, whatever file they come from.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from centerlm.errors import InputError
from centerlm.evaluation.metrics import normalise_answer
from centerlm.learning.guidance import Skipped
from centerlm.learning.lines import json_lines, json_object
from centerlm.learning.records import Fold, Reading, Text
from centerlm.library.document import Document
from centerlm.library.passages import MAX_WORDS, cut

MAX_ANSWER_WORDS = 12
_MAX_ANSWER = 119  # what the grammar of the absorb act lets through


@dataclass(frozen=True, slots=True)
class Material:
    """What a reader gave. Every passage a reading names is among `texts`, and holds its answer."""

    texts: tuple[Text, ...] = ()
    readings: tuple[Reading, ...] = ()
    folds: tuple[Fold, ...] = ()
    skipped: tuple[Skipped, ...] = ()


def joined(materials: Iterable[Material]) -> Material:
    """One of many: texts and readings of the same id once, the first counts."""
    texts: dict[str, Text] = {}
    readings: dict[str, Reading] = {}
    folds: dict[str, Fold] = {}
    skipped: list[Skipped] = []
    for material in materials:
        for text in material.texts:
            texts.setdefault(text.id, text)
        for reading in material.readings:
            readings.setdefault(reading.id, reading)
        for fold in material.folds:
            folds.setdefault(fold.id, fold)
        skipped += material.skipped
    return Material(
        tuple(texts.values()), tuple(readings.values()), tuple(folds.values()), tuple(skipped)
    )


@dataclass(slots=True)
class Shelf:
    """Material being put together by a reader."""

    texts: dict[str, Text] = field(default_factory=dict[str, Text])
    readings: dict[str, Reading] = field(default_factory=dict[str, Reading])
    skipped: list[Skipped] = field(default_factory=list[Skipped])

    def add_text(self, title: str, text: str) -> list[Text]:
        """Put a paragraph on the shelf; the passages it is cut into."""
        passages = windows(title, text)
        for passage in passages:
            self.texts[passage.id] = passage
        return passages

    def add_reading(
        self,
        where: str,
        *,
        id: str,  # noqa: A002 - the field it fills
        origin: str,
        question: str,
        answer: str,
        passages: Iterable[Text],
    ) -> None:
        """Put a reading on the shelf, or note why not.

        Of several passages that hold the answer the one that has most words of the question
        counts: the paragraph was named by people, its pieces were not.
        """
        question = " ".join(question.split())
        holding = [(p, said) for p in passages if (said := spelled(answer, p.text)) is not None]
        if not question or not answer.strip():
            self.skip(where, "it has no question or no answer", "incomplete")
        elif not holding:
            self.skip(
                where, f"the passage does not hold the answer {answer!r:.80}", "not in passage"
            )
        elif len(answer.split()) > MAX_ANSWER_WORDS or len(answer) > _MAX_ANSWER or "[" in answer:
            self.skip(where, f"the answer {answer!r:.80} is not short", "long answer")
        else:
            words = set(normalise_answer(question).split())
            gold, said = max(
                holding, key=lambda h: len(words & set(normalise_answer(h[0].text).split()))
            )
            self.readings[id] = Reading(id, origin, question, said, (gold.id,))

    def skip(self, where: str, reason: str, kind: str) -> None:
        self.skipped.append(Skipped(where, reason, kind))

    def material(self) -> Material:
        return Material(
            tuple(self.texts.values()), tuple(self.readings.values()), (), tuple(self.skipped)
        )


Record = Callable[[Shelf, str, dict[str, Any]], "list[Fold] | None"]
"""Puts a record of a file on the shelf, with where it stands, and gives its folds; None: no record
of that kind."""


def read_records(path: Path, record_of: Record, lacks: str) -> Material:
    """The material of a JSON Lines file; records of another kind are skipped, for what they lack.

    Raises:
        InputError: the file cannot be read.
    """
    shelf = Shelf()
    folds: list[Fold] = []
    for number, record in json_lines(path, shelf.skipped):
        where = f"{path}, line {number}"
        made = record_of(shelf, where, record)
        if made is None:
            shelf.skip(where, lacks, "malformed")
        else:
            folds += made
    return replace(shelf.material(), folds=tuple(folds))


def windows(title: str, text: str) -> list[Text]:
    """A paragraph as the passages a library makes of it: whole where it has at most 120 words,
    else cut at sentence ends. Ids depend on title and words alone.
    """
    title, text = " ".join(title.split()), " ".join(text.split())
    found: list[Text] = []
    for span in cut(Document(title, text), max_words=MAX_WORDS):
        piece = text[span.start : span.end]
        digest = hashlib.sha256(f"{title}\0{piece}".encode("utf-8", "replace")).hexdigest()
        found.append(Text(digest[:16], title, piece))
    return found


def windowed(texts: Iterable[Text], readings: Iterable[Reading]) -> Material:
    """Documents of any length as passages, and the readings with the passages that hold their
    answers. Short documents stay as they are, with their ids.
    """
    pieces: dict[str, list[Text]] = {}
    for text in texts:
        cuts = windows(text.title, text.text)
        short = len(cuts) == 1 and cuts[0].text == " ".join(text.text.split())
        pieces[text.id] = [text] if short else cuts
    kept: list[Reading] = []
    skipped: list[Skipped] = []
    for reading in readings:
        gold: list[str] = []
        for id_ in reading.passages:
            cuts = pieces.get(id_, [])
            if len(cuts) == 1:
                gold.append(cuts[0].id)
            elif reading.answer is not None:
                gold += [p.id for p in cuts if mentions(p.text, reading.answer)]
        if reading.answer is not None and not gold:
            skipped.append(Skipped(reading.id, "no piece of it holds the answer", "not in passage"))
        else:
            kept.append(
                Reading(reading.id, reading.origin, reading.question, reading.answer, tuple(gold))
            )
    all_pieces = {piece.id: piece for cuts in pieces.values() for piece in cuts}
    return Material(tuple(all_pieces.values()), tuple(kept), (), tuple(skipped))


def mentions(text: str, answer: str) -> bool:
    """Whether a text holds an answer: without case, punctuation and articles, whole words."""
    normal = normalise_answer(answer)
    return f" {normal} " in f" {normalise_answer(text)} " if normal else answer in text


def spelled(answer: str, text: str) -> str | None:
    """The answer as it stands in the text, whole words, case and spaces aside; None if it does not.

    The spelling of the text counts: the absorb act copies.
    """
    words = r"\s+".join(re.escape(part) for part in answer.split())
    if not words:
        return None
    pattern = rf"(?<!\w){words}(?!\w)"
    match = re.search(pattern, text) or re.search(pattern, text, re.IGNORECASE)
    return " ".join(match[0].split()) if match else None


def read_squad(path: Path, *, origin: str = "xquad") -> Material:
    """A file in the SQuAD format: titled paragraphs, each with questions and answer spans.

    Raises:
        InputError: the file cannot be read or has no "data".
    """
    shelf = Shelf()
    articles = json_object(path).get("data")
    if not isinstance(articles, list):
        raise InputError(f'{path} has no list "data"; give a file in the SQuAD format')
    for number, paragraph, title in _squad_paragraphs(cast("list[Any]", articles)):
        match paragraph:
            case {"context": str(context), "qas": [*questions]}:
                pass
            case _:
                shelf.skip(f"{path}: paragraph {number}", "no context or no qas", "malformed")
                continue
        passages = shelf.add_text(title, context)
        for item in questions:
            match item:
                case {
                    "id": str(id_),
                    "question": str(question),
                    "answers": [{"text": str(answer), "answer_start": int(start)}, *_],
                }:
                    held = _around(passages, context, start) or passages
                    shelf.add_reading(
                        f"{path}: question {id_}",
                        id=f"{origin}:{id_}:0",
                        origin=origin,
                        question=question,
                        answer=answer,
                        passages=held,
                    )
                case _:
                    where = f"{path}: paragraph {number}"
                    shelf.skip(where, "a question lacks id, text or answer span", "malformed")
    return shelf.material()


def read_own_squad(path: Path) -> Material:
    """A user's file in the SQuAD format, each question a record of its own; raises as `read_squad`.

    Its readings are of an origin by the file's name without its ending.
    """
    read = read_squad(path, origin=path.stem)
    readings = [replace(one, id=re.sub(r"[^\w.-]+", "-", one.id)) for one in read.readings]
    return replace(read, readings=tuple(readings))


def _squad_paragraphs(articles: Iterable[Any]) -> Iterator[tuple[int, Any, str]]:
    """Paragraphs with their numbers (from 1) and titles; an article that is none gives itself."""
    number = 0
    for article in articles:
        match article:
            case {"paragraphs": [*paragraphs]}:
                title = str(cast("dict[str, Any]", article).get("title") or "")
            case _:
                title, paragraphs = "", [article]
        for paragraph in paragraphs:
            number += 1
            yield number, paragraph, title.replace("_", " ")


def _around(passages: list[Text], context: str, start: int) -> list[Text]:
    """The passage that a character of the paragraph falls into."""
    words = len(context[:start].split())
    for passage in passages:
        words -= len(passage.text.split())
        if words < 0:
            return [passage]
    return []


_TIDY = tuple(
    (re.compile(pattern), put)
    for pattern, put in (
        (r"``\s*|\s*''", '"'),
        (r"\s+--\s+", " – "),
        (r"(?<=[^\W\d]) - (?=[^\W\d])", "-"),
        (r"\s+(?=[.,;:!?%)\]])", ""),
        (r"(?<=[(\[$£€#])\s+", ""),
        (r"\s+(?='(?:s|re|ve|ll|d|m)\b)", ""),
        (r"\s+(?=n't\b)", ""),
    )
)


def untokenised(text: str) -> str:
    """Text of a tokenised corpus as people write it: "Ada , of Rome ( Italy )" becomes
    "Ada, of Rome (Italy)".
    """
    for pattern, put in _TIDY:
        text = pattern.sub(put, text)
    return " ".join(text.split())


def read_qed(path: Path) -> Material:
    """QED's JSON Lines: natural questions, a Wikipedia paragraph, an answer span.

    Half of the questions are written as sentences, half stay as they were typed.

    Raises:
        InputError: the file cannot be read.
    """
    shelf = Shelf()
    for number, record in json_lines(path, shelf.skipped):
        where = f"{path}, line {number}"
        match record:
            case {
                "example_id": int(id_),
                "question_text": str(question),
                "title_text": str(title),
                "paragraph_text": str(paragraph),
            }:
                pass
            case _:
                shelf.skip(where, "it lacks an id, a question, a title or a paragraph", "malformed")
                continue
        passages = shelf.add_text(untokenised(title), untokenised(paragraph))
        answers = sorted(_qed_answers(record), key=len)
        if not answers:
            shelf.skip(where, "it has no answer of one piece", "no single answer")
            continue
        said = untokenised(answers[0])
        if id_ % 2:
            question = question[:1].upper() + question[1:].rstrip("?. ") + "?"
        shelf.add_reading(
            where,
            id=f"qed:{id_}:0",
            origin="qed",
            question=question,
            answer=said,
            passages=passages,
        )
    return shelf.material()


def _qed_answers(record: Mapping[str, Any]) -> list[str]:
    """Answers of one piece: the annotated one, else those of the question's own raters."""
    match record:
        case {"annotation": {"answer": [{"paragraph_reference": {"string": str(said)}}]}}:
            return [said]
        case {"original_nq_answers": [*alternatives]}:
            return [said for alternative in alternatives for said in _one_piece(alternative)]
        case _:
            return []


def _one_piece(spans: Any) -> list[str]:
    match spans:
        case [{"string": str(said)}]:
            return [said]
        case _:
            return []
