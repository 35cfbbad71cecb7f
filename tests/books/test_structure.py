from __future__ import annotations

import time
from itertools import pairwise

import pytest

from books_data import novel
from centerlm.books.structure import read_structure

WORDS = "Something happened on the road that day, and nobody could say what it was or why. " * 6


def headings(text: str, given: tuple[tuple[str, int], ...] = ()) -> list[str]:
    return [chapter.heading for chapter in read_structure(text, given).told]


def test_chapters_cover_the_text_and_the_table_of_contents_is_front_matter() -> None:
    text = novel()
    structure = read_structure(text)
    assert [c.heading for c in structure.told] == [
        "CHAPTER I: The Letter",
        "CHAPTER II: The Ferry",
        "CHAPTER III: Marsh End",
    ]
    assert structure.chapters[0].kind == "front"
    assert text[structure.told[0].start :].startswith("CHAPTER I. The Letter\n\nEdith")
    bounds = [(c.start, c.end) for c in structure.chapters]
    assert bounds[0][0] == 0 and bounds[-1][1] == len(text)
    assert all(end == start for (_, end), (start, _) in pairwise(bounds))
    assert structure.at(text.index("Tobias Crane sat")).number == 2


def test_stars_and_wide_gaps_cut_scenes() -> None:
    text = f"CHAPTER 1\n\n{WORDS}\n\n* * *\n\n{WORDS}\n\n\n\n\n{WORDS}\n\nCHAPTER 2\n\n{WORDS}"
    told = read_structure(text).told
    assert [len(chapter.scenes) for chapter in told] == [3, 1]
    assert all(text[s.start : s.end].strip().startswith("Something") for s in told[0].scenes)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (("CHAPTER I", "CHAPTER II"), ["CHAPTER I", "CHAPTER II"]),
        (("Chapter One", "Chapter Twenty-One"), ["Chapter One", "Chapter Twenty-One"]),
        (("CHAPTER THE FIRST", "CHAPTER THE LAST"), ["CHAPTER THE FIRST", "CHAPTER THE LAST"]),
        (("1", "2"), ["1", "2"]),
        (("I", "II."), ["I", "II"]),
        (("Letter 1", "Letter 2"), ["Letter 1", "Letter 2"]),
        (("PROLOGUE", "Epilogue"), ["PROLOGUE", "Epilogue"]),
        (("Kapitel 1", "Kapitel 2"), ["Kapitel 1", "Kapitel 2"]),
    ],
)
def test_headings_of_many_shapes(lines: tuple[str, str], expected: list[str]) -> None:
    assert headings(f"{lines[0]}\n\n{WORDS}\n\n{lines[1]}\n\n{WORDS}") == expected


def test_parts_name_their_chapters() -> None:
    text = f"BOOK ONE. The Sea\n\nCHAPTER I\n\n{WORDS}\n\nBOOK TWO\n\nCHAPTER I\n\n{WORDS}"
    assert headings(text) == ["BOOK ONE: The Sea, CHAPTER I", "BOOK TWO, CHAPTER I"]


def test_a_sentence_is_no_heading() -> None:
    text = f"{WORDS}\n\nChapter two was the worst of it.\n\n{WORDS}\n\nPart of the road was gone."
    assert headings(text) == [""]


def test_what_a_publisher_put_around_is_no_part_of_the_book() -> None:
    licence = "This is the licence of the file. " * 30
    text = (
        f"Some notice\n*** START OF THE PROJECT GUTENBERG EBOOK SALT ***\nCHAPTER 1\n\n{WORDS}\n\n"
        f"CHAPTER 2\n\n{WORDS}\n*** END OF THE PROJECT GUTENBERG EBOOK SALT ***\n{licence}"
    )
    structure = read_structure(text)
    assert [c.kind for c in structure.chapters] == ["front", "chapter", "chapter", "back"]
    assert "licence" not in text[structure.told[-1].start : structure.told[-1].end]


def test_headings_of_the_format_serve_where_the_text_has_none_of_its_own() -> None:
    text = f"Of Salt\n\n{WORDS}\n\nOf Water\n\n{WORDS}"
    given = (("Of Salt", 0), ("Of Water", text.index("Of Water")))
    assert headings(text, given) == ["Of Salt", "Of Water"]


@pytest.mark.parametrize("text", ["", "\n\n", "One line.", "CHAPTER I\n\nCHAPTER II\n"])
def test_texts_that_are_no_book_have_at_most_one_chapter(text: str) -> None:
    assert len(read_structure(text).told) <= 1


def test_the_time_grows_with_the_chapters_and_not_with_their_square() -> None:
    headed = (f"PART {i % 9 + 1}\n\nCHAPTER {i % 900 + 1}" for i in range(5_000))
    text = "".join(f"{head}\n\n{WORDS}\n\n" for head in headed)
    started = time.monotonic()
    assert len(read_structure(text).told) == 5_000
    assert time.monotonic() - started < 8
