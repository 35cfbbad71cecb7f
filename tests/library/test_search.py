from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from word_embedder import WordEmbedder

from centerlm.errors import InputError, LibraryError, MissingWeightsError
from centerlm.finding import clean_text
from centerlm.library import Library
from centerlm.library.search import Weights, by_words, fuse
from centerlm.library.terms import affordable, count_terms, frequency, query_terms

TEXTS = {
    "Van Hook Township": "A township of Mountrail County, North Dakota, with few people.",
    "Mountrail County": "Stanley is the county seat. The county was founded in 1909.",
    "Port Blair": "The capital of the Andaman Islands; its harbour is busy.",
    "Café de Flore": "A coffee house in Paris where writers met.",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    docs = tmp_path / "docs"
    docs.mkdir()
    for title, text in TEXTS.items():
        (docs / f"{title}.txt").write_text(text)
    with Library.open(tmp_path / "library", create=True, embedder=None) as library:
        library.ingest([docs])
    return tmp_path / "library"


def test_passages_can_be_cited(folder: Path) -> None:
    with Library.open(folder, embedder=None) as library:
        (best, *_) = library.search("Who lives in Van Hook Township?")
        assert best.title == "Van Hook Township"
        text = Path(best.file).read_text()
        assert text[int(best.start) : int(best.end)] == best.text
        assert best.unit == "characters"
        assert best.score > 0
        again = library.search("Van Hook")[0]
        assert again.id == best.id
        assert len({p.id for p in library.search("county harbour coffee", 10)}) == 4


def test_accents_and_word_forms_do_not_matter(folder: Path) -> None:
    with Library.open(folder, embedder=None) as library:
        assert library.search("cafes flore")[0].title == "Café de Flore"
        assert library.search("COUNTIES founding")[0].title == "Mountrail County"


def test_vectors_find_what_words_rank_low(
    folder: Path, tmp_path: Path, embedder: WordEmbedder
) -> None:
    with Library.open(folder, embedder=embedder) as library:
        assert library.search("harbour")  # no vectors yet: by words
        with pytest.raises(LibraryError, match="no vectors"):
            library.search("harbour", mode="meaning")
        library.ingest([tmp_path / "docs"])
        meaning = library.search("busy harbour capital", mode="meaning")
        assert meaning[0].title == "Port Blair"
        assert len(meaning) == 4
        hybrid = library.search("busy harbour capital", 2)
        assert hybrid[0].title == "Port Blair"
        assert 0 < hybrid[0].score <= 1
        assert hybrid[0].score > hybrid[1].score


def test_an_ingest_elsewhere_is_seen(folder: Path, tmp_path: Path, embedder: WordEmbedder) -> None:
    with Library.open(folder, embedder=embedder) as asked:
        asked.ingest([tmp_path / "docs"])
        assert asked.search("zebra stripes", mode="meaning")[0].score < 0.5
        (tmp_path / "docs" / "Zebra.txt").write_text("A zebra has stripes.")
        with Library.open(folder, embedder=embedder) as other:
            other.ingest([tmp_path / "docs"])
        assert asked.search("zebra stripes", mode="meaning")[0].title == "Zebra"


def test_without_the_model_the_note_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise MissingWeightsError("no model; run: centerlm models get embeddings")

    monkeypatch.setattr("centerlm.library.library.find_embedder", missing)
    with Library.open(folder) as library:
        assert "by words only" in library.note
        assert "centerlm models get embeddings" in library.note
        assert library.search("harbour")[0].title == "Port Blair"
        with pytest.raises(LibraryError, match="by words only"):
            library.search("harbour", mode="meaning")


@pytest.mark.parametrize("query", ["", "  \n", "\x00\u200b"])
def test_an_empty_search(folder: Path, query: str) -> None:
    with Library.open(folder, embedder=None) as library, pytest.raises(InputError, match="empty"):
        library.search(query)


@pytest.mark.parametrize("k", [0, -1, 1001])
def test_too_many_or_few(folder: Path, k: int) -> None:
    with Library.open(folder, embedder=None) as library, pytest.raises(InputError, match="1,000"):
        library.search("harbour", k)


@pytest.mark.parametrize(
    "query",
    [
        'harbour" OR title:"',
        "harbour NEAR(x y) AND NOT *",
        "title: harbour",
        "^harbour -capital + {a b}",
        "harbour\x00; DROP TABLE passages",
        "harbour " * 10_000,
        "\ud800 harbour",
        "harbour OR",
    ],
)
def test_a_question_is_never_syntax(folder: Path, query: str) -> None:
    with Library.open(folder, embedder=None) as library:
        assert library.search(query)[0].title == "Port Blair"
        assert library.stats().passages == 4


def test_no_words_in_common(folder: Path) -> None:
    with Library.open(folder, embedder=None) as library:
        assert library.search("xylophone") == []
        assert library.search("?!.") == []


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(query=st.text(min_size=1, max_size=80))
def test_any_text_can_be_asked(folder: Path, query: str) -> None:
    with Library.open(folder, embedder=None) as library:
        if clean_text(query).strip():
            library.search(query)
        else:
            with pytest.raises(InputError):
                library.search(query)


def test_function_words_count_only_when_alone() -> None:
    assert query_terms("Where is the Harbour of the harbour?") == ["harbour"]
    assert query_terms("Who is she?") == ["who", "is", "she"]


def test_work_is_bounded_by_the_rarest_words(folder: Path) -> None:
    with Library.open(folder, embedder=None) as library:
        connection = library._store.connection()
        assert frequency(connection, "counties") == 2
        assert frequency(connection, "nowhere") == 0
        counts = count_terms(connection, ["county", "stanley", "nowhere"])
        assert counts == {"county": 2, "stanley": 1, "nowhere": 0}
        assert affordable(counts, 2) == ["stanley"]
        assert affordable(counts, 3) == ["stanley", "county"]
        assert affordable({"county": 2}, 1) == ["county"]
        bounded = by_words(connection, "county stanley harbour", 9, Weights(), rows=2)
        assert len(bounded.scores) == 2


def test_fusion_weighs_words_and_meaning() -> None:
    weights = Weights(words=0.5, meaning=0.5)
    ranked = fuse({1: 10.0, 2: 5.0}, {1: 0.2, 2: 0.9, 3: 0.8}, weights)
    assert [passage for passage, _ in ranked] == [2, 1, 3]
    assert [round(score, 2) for _, score in ranked] == [0.7, 0.6, 0.4]
    assert fuse({}, {}, weights) == []
