"""The hops of composed questions, each a reading of its own, and what they come to together.

MuSiQue (Trivedi et al., 2022) gives sub-questions with their paragraphs and answers,
2WikiMultihopQA (Ho et al., 2020) evidence triples, asked here in several wordings, HotpotQA (Yang
et al., 2018) no single hops, only passages that look alike. A `Fold` is the level's own absorb: its
steps' questions and answers, and the whole question's answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from centerlm.learning.reading import Material, Shelf, mentions, read_records
from centerlm.learning.records import Fold, Text
from centerlm.learning.relations import relation_to_question

_REFERENCE = re.compile(r"#(\d+)")
_IN_BRACKETS = re.compile(r"\s*\([^)]*\)\s*$")

_WORDINGS: Mapping[str, tuple[str, ...]] = {
    "director": ("Who was the director of {}?", "Which director made {}?"),
    "country of citizenship": ("What nationality is {}?", "What is the nationality of {}?"),
    "date of birth": ("What is the date of birth of {}?", "On which day was {} born?"),
    "date of death": ("What is the date of death of {}?", "On which day did {} die?"),
    "place of birth": ("What is the birthplace of {}?", "In which place was {} born?"),
    "place of death": ("What is the place of death of {}?", "In which place did {} die?"),
    "country": ("In which country is {} located?", "{} is in what country?"),
    "country of origin": ("What is the country of origin of {}?", "Where was {} made?"),
    "publication date": ("When was {} released?", "When did {} come out?"),
    "father": ("Who was {}'s father?", "Whose child was {}, on the father's side?"),
    "mother": ("Who was {}'s mother?", "Who gave birth to {}?"),
    "spouse": ("Who was the husband or wife of {}?", "Whom did {} marry?"),
    "performer": ("Who sang or played {}?", "Which artist recorded {}?"),
    "composer": ("Who wrote the music of {}?", "Who was the composer of {}?"),
    "cause of death": ("What was the cause of {}'s death?", "How did {} die?"),
    "educated at": ("Where did {} study?", "Which school did {} go to?"),
    "award received": ("What award was given to {}?", "Which prize did {} win?"),
    "child": ("Who was a son or daughter of {}?", "Name a child of {}."),
    "founded by": ("Who was the founder of {}?", "Who set up {}?"),
    "publisher": ("Which publisher brought out {}?", "Who was the publisher of {}?"),
    "employer": ("For whom did {} work?", "Who was the employer of {}?"),
    "inception": ("When did {} begin?", "In which year was {} set up?"),
    "sibling": ("Who was {}'s brother or sister?", "Name a sibling of {}."),
}


def wordings(subject: str, relation: str) -> tuple[str, ...]:
    """Questions for the object of (subject, relation, ?): "X >> relation" first, then sentences."""
    written = f"{subject} >> {relation}"
    more = _WORDINGS.get(relation, (f"What is the {relation} of {{}}?",))
    asked = (written, relation_to_question(written), *(w.replace("{}", subject) for w in more))
    return tuple(dict.fromkeys(asked))


def as_question(text: str) -> str:
    """A sub-question as people write it: capital first, no space before the mark at its end."""
    text = " ".join(relation_to_question(text).split()).rstrip("?. ")
    return f"{text[:1].upper()}{text[1:]}?"


def read_musique(path: Path) -> Material:
    """MuSiQue's JSON Lines: each hop with its true earlier answers filled in, and the folds.

    A hop written "X >> relation" is asked so and as a sentence.

    Raises:
        InputError: the file cannot be read.
    """
    lacks = "it lacks an id, a question, an answer or steps"
    return read_records(path, _musique_record, lacks)


def _musique_record(shelf: Shelf, where: str, record: dict[str, Any]) -> list[Fold] | None:
    match record:
        case {
            "id": str(id_),
            "question": str(question),
            "answer": str(answer),
            "paragraphs": [*paragraphs],
            "question_decomposition": [*steps],
        } if steps:
            pass
        case _:
            return None
    held = [_add_paragraph(shelf, where, p) for p in paragraphs]
    hops = _musique_hops(steps, held)
    if hops is None:
        shelf.skip(where, "a step lacks its question, answer or paragraph", "malformed")
        return []
    for position, (asked, said, passages) in enumerate(hops, start=1):
        forms = dict.fromkeys(
            (" ".join(asked.split()) if ">>" in asked else "", as_question(asked))
        )
        for form, text in enumerate(filter(None, forms)):
            shelf.add_reading(
                f"{where}, step {position}",
                id=f"musique:{id_}:{position}:{form}",
                origin="musique",
                question=text,
                answer=said,
                passages=passages,
            )
    steps = [(as_question(asked), said) for asked, said, _ in hops]
    return chain_folds(f"musique:{id_}", "musique", question, steps, answer)


def _add_paragraph(shelf: Shelf, where: str, paragraph: Any) -> list[Text]:
    match paragraph:
        case {"title": str(title), "paragraph_text": str(text)} if text.strip():
            return shelf.add_text(title, text)
        case _:
            shelf.skip(where, "a paragraph has no title or no text", "malformed")
            return []


def _musique_hops(
    steps: Sequence[Any], held: Sequence[list[Text]]
) -> list[tuple[str, str, list[Text]]] | None:
    """Question with earlier answers filled in, answer and passages of each step."""
    hops: list[tuple[str, str, list[Text]]] = []
    for step in steps:
        match step:
            case {
                "question": str(asked),
                "answer": str(said),
                "paragraph_support_idx": int(place),
            } if 0 <= place < len(held):
                answers = {str(k): hop[1] for k, hop in enumerate(hops, start=1)}
                filled = _REFERENCE.sub(lambda m, a=answers: a.get(m[1], m[0]), asked)
                hops.append((filled, said, held[place]))
            case _:
                return None
    return hops


def chain_folds(
    id_: str, origin: str, objective: str, steps: Sequence[tuple[str, str]], answer: str
) -> list[Fold]:
    """The fold of a chain, resting on the last step that holds the answer.

    One chain in four has a second fold, without what holds the answer: there is none in it.
    """
    holding = [n for n, (_, said) in enumerate(steps, start=1) if mentions(said, answer)]
    if not holding or len(steps) < 2:
        return []
    folds = [Fold(id_, origin, objective, tuple(steps), answer, (holding[-1],))]
    rest = tuple(step for step in steps if not mentions(" ".join(step), answer))
    if rest and sum(map(ord, id_)) % 4 == 0 and not mentions(objective, answer):
        folds.append(Fold(f"{id_}:partial", origin, objective, rest, None, ()))
    return folds


def read_2wiki(path: Path) -> Material:
    """2WikiMultihopQA's JSON Lines: evidence triples asked in several wordings, and the folds.

    The passage of a triple is the context paragraph titled as its subject; the answer is the
    object as that paragraph spells it.

    Raises:
        InputError: the file cannot be read.
    """
    lacks = "it lacks an id, a question, a context or evidence"
    return read_records(path, _2wiki_record, lacks)


def _2wiki_record(shelf: Shelf, where: str, record: dict[str, Any]) -> list[Fold] | None:
    match record:
        case {
            "_id": str(id_),
            "type": str(kind),
            "question": str(question),
            "answer": str(answer),
            "context": [*context],
            "evidences": [*evidences],
        }:
            pass
        case _:
            return None
    held = _add_context(shelf, where, context)
    triples = [triple for item in evidences if (triple := _triple(item))]
    for subject, relation, said in triples:
        passages = held.get(subject.casefold()) or held.get(_plain(subject), [])
        asked = wordings(subject, relation)
        spot = f"{where}, {asked[0]}"
        if not passages:
            shelf.skip(spot, "no paragraph is titled so", "no paragraph")
            continue
        before = len(shelf.skipped)
        for form, text in enumerate(asked):
            shelf.add_reading(
                spot,
                id=f"2wiki:{subject}:{relation}:{said}:{form}",
                origin="2wiki",
                question=text,
                answer=said,
                passages=passages,
            )
        del shelf.skipped[before + 1 :]  # one triple is one record, however it is asked
    steps = [(relation_to_question(f"{s} >> {r}"), o) for s, r, o in triples]
    if kind in {"comparison", "bridge_comparison"}:
        return _comparison(f"2wiki:{id_}", question, steps, answer)
    return chain_folds(f"2wiki:{id_}", "2wiki", question, steps, answer)


def _triple(item: Any) -> tuple[str, str, str] | None:
    match item:
        case [str(subject), str(relation), str(said)]:
            return subject, relation, said
        case _:
            return None


def _comparison(
    id_: str, question: str, steps: Sequence[tuple[str, str]], answer: str
) -> list[Fold]:
    """The fold of two compared things; it rests on what is compared, the last two steps."""
    if len(steps) not in (2, 4):
        return []
    cited = (len(steps) - 1, len(steps))
    return [Fold(id_, "2wiki", question, tuple(steps), answer, cited)]


def _plain(title: str) -> str:
    """A title without what tells it apart: "John Waters (director)" and "John Waters" meet."""
    return _IN_BRACKETS.sub("", title).casefold()


def _add_context(shelf: Shelf, where: str, context: Sequence[Any]) -> dict[str, list[Text]]:
    """Put titled paragraphs on the shelf; passages by title, as written and in plain.

    A plain title that two paragraphs share names neither.
    """
    held: dict[str, list[Text]] = {}
    plain: dict[str, list[list[Text]]] = {}
    for item in context:
        match item:
            case [str(title), [*sentences]]:
                text = " ".join(str(s).strip() for s in sentences)
                passages = shelf.add_text(title, text) if text.strip() else []
                held[title.casefold()] = passages
                plain.setdefault(_plain(title), []).append(passages)
            case _:
                shelf.skip(where, "a paragraph of its context has no title or text", "malformed")
    return {k: v[0] for k, v in plain.items() if len(v) == 1} | held


def read_hotpot(path: Path) -> Material:
    """HotpotQA's JSON Lines: passages only. Its questions need two of them, and name no hops.

    Raises:
        InputError: the file cannot be read.
    """
    return read_records(path, _hotpot_record, "it has no context")


def _hotpot_record(shelf: Shelf, where: str, record: dict[str, Any]) -> list[Fold] | None:
    match record:
        case {"context": [*context]}:
            _add_context(shelf, where, context)
            return []
        case _:
            return None
