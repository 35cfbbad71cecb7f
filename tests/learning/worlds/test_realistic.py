"""Passages as templates: nothing of the real world is left, and what they state is recorded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from centerlm.errors import InputError
from centerlm.learning.worlds import make_world, templates
from centerlm.learning.worlds.realistic import make_template
from centerlm.verify import contains

FILM = (
    "Tin Harvest (1931) is a 1931 Norwegian comedy film directed by Ola Brekke and starring Ida "
    "Moen. It was shot near Lillesund. It was released in May 1932."
)
LIFE = (
    "Ola Brekke (3 May 1899 – 12 June 1961) was a Norwegian painter. He kept many dogs. Brekke "
    'called his house "The Ark". His father was a smith.'
)


def test_names_dates_and_adjectives_of_a_passage_become_slots() -> None:
    film = make_template("director", "Tin Harvest", "Ola Brekke", FILM)
    assert film is not None
    assert film.kind == "film"
    assert film.text == (
        "⟦SUBJECT⟧ is a comedy film directed by ⟦OBJECT⟧ and starring ⟦NAME1⟧. "
        "It was shot near ⟦PLACE2⟧."
    )
    life = make_template("date of birth", "Ola Brekke", "3 May 1899", LIFE)
    assert life is not None
    assert life.woman is False
    assert life.text == (
        '⟦SUBJECT⟧⟦LIFE⟧ was a painter. He kept many dogs. ⟦SHORT⟧ called his house "⟦TITLE1⟧".'
    )


@pytest.mark.parametrize(
    ("relation", "subject", "object_", "text"),
    [
        ("producer", "Tin Harvest", "Ola Brekke", FILM),
        ("director", "Tin Harvest", "Nils Dahl", FILM),
        ("director", "Tin Harvest", "Ola Brekke", "Tin Harvest was directed by Ola Brekke."),
        ("date of birth", "Ola Brekke", "1899", LIFE),
        ("mother", "Ola Brekke", "Ida Moen", "Ola Brekke, son of Ida Moen, died in Lillesund."),
        ("country", "Lillesund", "Norway", "Lillesund is a town in Norway."),
    ],
)
def test_a_passage_that_cannot_be_replaced_safely_is_not_used(
    relation: str, subject: str, object_: str, text: str
) -> None:
    assert make_template(relation, subject, object_, text) is None


def written(folder: Path) -> Path:
    """Train files in the official formats, with passages made up here."""
    wiki = {
        "evidences": [
            ["Tin Harvest", "director", "Ola Brekke"],
            ["Ola Brekke", "date of birth", "3 May 1899"],
        ],
        "context": [
            ["Tin Harvest (film)", FILM.replace(". ", ".| ").split("|")],
            ["Ola Brekke", [LIFE]],
        ],
    }
    musique = {
        "paragraphs": [{"paragraph_text": "Slow Rain is a song performed by Ida Moen."}],
        "question_decomposition": [
            {"question": "Slow Rain >> performer", "answer": "Ida Moen", "paragraph_support_idx": 0}
        ],
    }
    for name, record in (("2wikimultihopqa", wiki), ("musique", musique)):
        (folder / name).mkdir()
        line = json.dumps(record) + "\n"
        (folder / name / "train.jsonl").write_text(line, encoding="utf-8")
        (folder / name / "dev.jsonl").write_text("never read\n", encoding="utf-8")
    return folder


def test_worlds_write_documents_from_passages(tmp_path: Path) -> None:
    found = templates(written(tmp_path))
    assert [t.relation for t in found] == ["director", "date of birth", "performer"]
    made = make_world(4, passages=found)
    texts = {text.id: text for text in made.documents}
    whole = " ".join(text.text for text in made.documents)
    for real in ("Tin Harvest", "Brekke", "Moen", "Lillesund", "Norwegian", "1931", "Ark", "⟦"):
        assert real not in whole
    began = [text for text in made.documents if "was a painter. He kept many dogs." in text.text]
    assert len(began) >= 3
    assert "is a comedy film directed by" in whole
    assert "is a song performed by" in whole
    for text in made.documents:
        assert 30 <= len(text.text.split()) <= 90
    for key, fact in made.graph.facts.items():
        for id_ in made.where[key]:
            assert contains(texts[id_].text, fact.answer)
    assert make_world(4, passages=found) == made


def test_missing_and_broken_files_are_said_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no passages at .*: give the folder that holds 2wiki"):
        templates(tmp_path)
    written(tmp_path)
    path = tmp_path / "musique" / "train.jsonl"
    path.write_text(path.read_text(encoding="utf-8") + "[1]\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"train\.jsonl, line 2 is not a record of 2Wiki"):
        templates(tmp_path)
