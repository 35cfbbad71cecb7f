"""Books through `Library.ingest`: what is stored, and what is said of those that are hard."""

from __future__ import annotations

from pathlib import Path

import pytest
from book_files import make_epub

from books_data import CHAPTERS, FILLER, GERMAN, PLAY, VERSE, chapters_html, novel
from centerlm.library import IngestReport, Library
from centerlm.library import observing as observing_module

pytest.importorskip("sentencex", reason="notes need sentencex, from the books extra")


def ingested(tmp_path: Path, name: str, data: bytes) -> tuple[Library, IngestReport]:
    path = tmp_path / name
    path.write_bytes(data)
    library = Library.open(tmp_path / "library", create=True, embedder=None)
    return library, library.ingest([path])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_a_novel_is_noted_beside_its_passages(tmp_path: Path, encoding: str) -> None:
    text = novel().replace("to-day", "to—day")
    library, report = ingested(tmp_path, "salt.txt", text.encode(encoding))
    with library:
        assert (report.problems, report.remarks) == ((), ())
        (book,) = library.books()
        assert (book.title, book.form, book.english) == ("salt", "prose", True)
        found = library.search("silver key promised", 1, mode="words")[0]
        assert found.title == "salt: CHAPTER I: The Letter"
        people = library.observations(book.document, kinds=["person"])
        edith = next(o for o in people if o.subject == "Edith Hollis")
        assert library.text(book.document, edith.start, edith.start + 12) == "Edith Hollis"
        # A reader of the first chapter knows nothing of the second.
        second = text.index("CHAPTER II. The Ferry\n\nIn the evening")
        known = library.observations(book.document, kinds=["death", "present"], before=second)
        assert {o.kind for o in known} == {"present"}
        assert library.observations(book.document, kinds=["death"])[0].subject == "Tobias Crane"


def test_text_is_given_back_as_it_stands(tmp_path: Path) -> None:
    text = novel()
    library, _ = ingested(tmp_path, "salt.txt", text.encode())
    with library:
        (book,) = library.books()
        start, end = text.index("CHAPTER II. The Ferry\n\nIn"), len(text)
        given = library.text(book.document, start, end)
        assert len(given) == end - start
        assert given.split() == text[start:end].split()
        inner = library.passages_of(book.document, start, start + 500)
        assert inner[0].text.startswith("CHAPTER II. The Ferry")


def test_an_epub_has_the_same_chapters(tmp_path: Path) -> None:
    library, report = ingested(tmp_path, "salt.epub", make_epub(chapters_html()))
    with library:
        assert report.problems == ()
        (book,) = library.books()
        told = [
            o.subject
            for o in library.observations(book.document, kinds=["chapter"])
            if o.data["kind"] == "chapter"
        ]
        assert told == [heading.replace(".", ":") for heading, _ in CHAPTERS]


def test_a_page_of_html_with_headings_of_its_own(tmp_path: Path) -> None:
    pages = "".join(
        f"<h2>{heading.partition('. ')[2]}</h2><p>{text}</p><p>{FILLER * 5}</p>"
        for heading, text in CHAPTERS
    )
    html = f"<title>Salt</title><h1>Salt</h1>{pages}"
    library, _ = ingested(tmp_path, "salt.html", html.encode())
    with library:
        (book,) = library.books()
        seen = library.observations(book.document, kinds=["chapter"])
        assert [o.subject for o in seen if o.data["number"]] == [
            "The Letter",
            "The Ferry",
            "Marsh End",
        ]


def test_observations_go_with_their_file(tmp_path: Path) -> None:
    library, _ = ingested(tmp_path, "salt.txt", novel().encode())
    with library:
        (tmp_path / "salt.txt").write_text("Another text.")
        library.ingest([tmp_path / "salt.txt"])
        assert library.books() == []


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        (
            "german.txt",
            f"Kapitel 1\n\n{GERMAN * 40}\n\nKapitel 2\n\n{GERMAN * 40}",
            "not in English",
        ),
        ("verse.txt", f"Canto 1\n\n{VERSE * 20}\nCanto 2\n\n{VERSE * 20}", "looks like a poem"),
        (
            "play.txt",
            f"ACT I\n\nSCENE 1\n\n{PLAY * 20}\nSCENE 2\n\n{PLAY * 20}",
            "looks like a play",
        ),
    ],
)
def test_what_is_no_english_prose_is_kept_and_told(
    tmp_path: Path, name: str, text: str, words: str
) -> None:
    library, report = ingested(tmp_path, name, text.encode())
    with library:
        assert report.problems == () and report.passages > 1
        assert len(report.remarks) == 1 and words in report.remarks[0]
        (book,) = library.books()
        told = library.observations(book.document, kinds=["chapter"])
        assert sum(o.data["kind"] == "chapter" for o in told) == 2
        assert library.observations(book.document, kinds=["voice"]) == []


@pytest.mark.parametrize("text", ["Two lines.\nNo book.", "word " * 900, "Chapter 1\n\nShort."])
def test_what_is_no_book_is_a_document_as_before(tmp_path: Path, text: str) -> None:
    library, report = ingested(tmp_path, "note.txt", text.encode())
    with library:
        assert (library.books(), report.remarks) == ([], ())
        assert report.passages >= 1


def test_a_long_text_without_chapters_is_one_chapter(tmp_path: Path) -> None:
    text = "\n\n".join(piece for _, piece in CHAPTERS) + f"\n\n{FILLER}" * 250
    library, _ = ingested(tmp_path, "salt.txt", text.encode())
    with library:
        (book,) = library.books()
        assert len(library.observations(book.document, kinds=["chapter"])) == 1
        assert library.observations(book.document, kinds=["person"], subject="Edith Hollis")


def test_what_is_longer_than_a_book_is_only_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observing_module, "MAX_BOOK_WORDS", 1_200)
    library, report = ingested(tmp_path, "all.txt", novel().encode())
    with library:
        assert "more than a book" in report.remarks[0] and "split" in report.remarks[0]
        assert library.books() == [] and library.search("silver key", mode="words")


def test_without_the_extra_a_book_is_searched_and_noted_when_the_extra_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "sentencex", None)
    library, report = ingested(tmp_path, "salt.txt", novel().encode())
    with library:
        assert "centerlm[books]" in report.remarks[0]
        cited = library.search("silver key", mode="words")
        again = library.ingest([tmp_path / "salt.txt"])
        assert (again.unchanged, again.remarks) == (1, report.remarks)
        monkeypatch.undo()
        assert library.ingest([tmp_path / "salt.txt"]).changed == 1
        assert [book.title for book in library.books()] == ["salt"]
        assert library.search("silver key", mode="words") == cited
        assert library.ingest([tmp_path / "salt.txt"]).unchanged == 1
