"""Hops of composed questions: earlier answers filled in, relations in words, folds that hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from centerlm.learning.hops import as_question, read_2wiki, read_hotpot, read_musique, wordings
from centerlm.learning.reading import Material


def written(path: Path, *records: Any) -> Path:
    path.write_text("\n".join(json.dumps(record) for record in records), "utf-8")
    return path


def musique(**changed: Any) -> dict[str, Any]:
    return {
        "id": "2hop__1_2",
        "question": "Where was the painter of The Grey Harbour born?",
        "answer": "Old Selwick",
        "paragraphs": [
            {"title": "Selwick", "paragraph_text": "Nobody is born in Selwick."},
            {"title": "The Grey Harbour", "paragraph_text": "It was painted by Mira Holt."},
            {"title": "Mira Holt", "paragraph_text": "Holt was born in old Selwick ."},
        ],
        "question_decomposition": [
            {"question": "who painted The Grey Harbour ?", "answer": "Mira Holt",
             "paragraph_support_idx": 1},
            {"question": "#1 >> place of birth", "answer": "Old Selwick",
             "paragraph_support_idx": 2},
        ],
    } | changed  # fmt: skip


def answers(read: Material) -> list[tuple[str, str | None, str]]:
    titles = {text.id: text.title for text in read.texts}
    return [(r.question, r.answer, titles[r.passages[0]]) for r in read.readings]


def test_musique_hops_are_asked_with_true_earlier_answers(tmp_path: Path) -> None:
    read = read_musique(written(tmp_path / "m.jsonl", musique()))
    assert answers(read) == [
        ("Who painted The Grey Harbour?", "Mira Holt", "The Grey Harbour"),
        ("Mira Holt >> place of birth", "old Selwick", "Mira Holt"),
        ("Where was Mira Holt born?", "old Selwick", "Mira Holt"),
    ]
    assert len(read.texts) == 3
    fold = read.folds[0]
    assert fold.steps == (
        ("Who painted The Grey Harbour?", "Mira Holt"),
        ("Where was Mira Holt born?", "Old Selwick"),
    )
    assert (fold.objective, fold.answer, fold.cited) == (musique()["question"], "Old Selwick", (2,))


def test_a_quarter_of_the_chains_also_lack_their_answer(tmp_path: Path) -> None:
    records = [musique(id=f"2hop__{n}") for n in range(8)]
    folds = read_musique(written(tmp_path / "m.jsonl", *records)).folds
    partial = [fold for fold in folds if fold.answer is None]
    assert len(folds) - len(partial) == 8
    assert len(partial) == 2
    assert all(fold.steps == folds[0].steps[:1] and not fold.cited for fold in partial)


def test_malformed_records_are_named_and_the_rest_is_used(tmp_path: Path) -> None:
    bad_place = musique()["question_decomposition"]
    bad_place[1]["paragraph_support_idx"] = 7
    file = written(
        tmp_path / "m.jsonl",
        musique(question_decomposition=bad_place),
        musique(question_decomposition="x"),
        [1],
        musique(),
    )
    read = read_musique(file)
    assert len(read.readings) == 3
    assert {(s.where.rpartition(" ")[2], s.kind) for s in read.skipped} == {
        ("1", "malformed"),
        ("2", "malformed"),
        ("3", "not json"),
    }


def wiki(**changed: Any) -> dict[str, Any]:
    return {
        "_id": "w1",
        "type": "compositional",
        "question": "When was the director of Dawn born?",
        "answer": "4 May 1901",
        "context": [
            ["Dawn (1931 film)", ["Dawn is a film.", " It was directed by Mira Holt."]],
            ["Mira Holt", ["Mira Holt (born 4 May 1901) was a painter."]],
        ],
        "evidences": [
            ["Dawn", "director", "mira holt"],
            ["Mira Holt", "date of birth", "4 May 1901"],
        ],
    } | changed


def test_2wiki_triples_are_asked_in_several_wordings(tmp_path: Path) -> None:
    read = read_2wiki(written(tmp_path / "w.jsonl", wiki()))
    assert answers(read) == [
        *((q, "Mira Holt", "Dawn (1931 film)") for q in wordings("Dawn", "director")),
        *((q, "4 May 1901", "Mira Holt") for q in wordings("Mira Holt", "date of birth")),
    ]
    assert {"Dawn >> director", "Who directed Dawn?"} <= {r.question for r in read.readings}
    assert read.folds[0].cited == (2,)


def test_2wiki_comparisons_rest_on_what_is_compared(tmp_path: Path) -> None:
    record = wiki(
        type="bridge_comparison",
        question="Which film has the older director, Dawn or Dusk?",
        answer="Dawn",
        evidences=[
            ["Dawn", "director", "Mira Holt"],
            ["Dusk", "director", "Jo Tarn"],
            ["Mira Holt", "date of birth", "4 May 1901"],
            ["Jo Tarn", "date of birth", "1920"],
        ],
    )
    read = read_2wiki(written(tmp_path / "w.jsonl", record))
    assert [(fold.answer, fold.cited, len(fold.steps)) for fold in read.folds] == [
        ("Dawn", (3, 4), 4)
    ]
    assert [skip.kind for skip in read.skipped] == ["no paragraph", "no paragraph"]


def test_a_title_that_two_paragraphs_share_names_neither(tmp_path: Path) -> None:
    record = wiki()
    record["context"].append(["Dawn (1950 film)", ["Directed by Mira Holt again."]])
    read = read_2wiki(written(tmp_path / "w.jsonl", record))
    assert {title for _, _, title in answers(read)} == {"Mira Holt"}


def test_a_triple_that_its_passage_does_not_hold_is_skipped_once(tmp_path: Path) -> None:
    record = wiki(evidences=[["Mira Holt", "spouse", "Jo Tarn"]])
    read = read_2wiki(written(tmp_path / "w.jsonl", record))
    assert not read.readings
    assert [skip.kind for skip in read.skipped] == ["not in passage"]


def test_hotpot_gives_passages_only(tmp_path: Path) -> None:
    record = {"question": "Which?", "answer": "Dawn", "context": wiki()["context"]}
    read = read_hotpot(written(tmp_path / "h.jsonl", record, {"question": "x"}))
    odd = read_hotpot(
        written(tmp_path / "o.jsonl", {"context": [["Dawn"], 3, ["Dusk", ["Late."]]]})
    )
    assert ([t.title for t in odd.texts], len(odd.skipped)) == (["Dusk"], 2)
    assert [text.title for text in read.texts] == ["Dawn (1931 film)", "Mira Holt"]
    assert not read.readings
    assert [skip.kind for skip in read.skipped] == ["malformed"]


def test_sub_questions_are_written_as_questions() -> None:
    assert as_question("who  was it ?") == "Who was it?"
    assert as_question("Dawn >> director") == "Who directed Dawn?"
    assert wordings("Dawn", "colour")[-1] == "What is the colour of Dawn?"
