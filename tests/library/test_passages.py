from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from centerlm.library.document import Document, Section
from centerlm.library.passages import Span, count_words, cut


def texts(document: Document, spans: list[Span]) -> list[str]:
    return [document.text[span.start : span.end] for span in spans]


def test_a_short_document_is_one_passage() -> None:
    document = Document("Sea", "  The sea is wide.\n\nIt is deep. \n")
    assert texts(document, cut(document)) == ["The sea is wide.\n\nIt is deep."]


def test_a_long_paragraph_is_cut_between_sentences_into_like_sizes() -> None:
    sentence = "Dr. J. Smith saw No. 7 of the 3.5 m boats."
    document = Document("Sea", " ".join([sentence] * 30))
    pieces = texts(document, cut(document, max_words=60))
    assert all(piece.endswith("boats.") and piece.startswith("Dr.") for piece in pieces)
    assert " ".join(pieces) == document.text
    sizes = [count_words(piece) for piece in pieces]
    assert max(sizes) <= 60
    assert min(sizes) >= 30


def test_paragraph_ends_are_preferred() -> None:
    first = " ".join(["one"] * 45) + "."
    second = " ".join(["two"] * 30) + ". " + " ".join(["three"] * 20) + "."
    document = Document("Sea", f"{first}\n\n{second}")
    assert texts(document, cut(document, max_words=55)) == [first, second]


def test_sections_are_never_mixed_and_bare_headings_are_left_out() -> None:
    text = "Before.\n# A\n# B\nIn b.\n----\n"
    starts = [text.index("# A"), text.index("# B"), text.index("----")]
    sections = (
        Section("A", starts[0], starts[1]),
        Section("B", starts[1], starts[2]),
        Section("C", starts[2], len(text)),
    )
    document = Document("Sea", text, sections=sections)
    spans = cut(document)
    assert texts(document, spans) == ["Before.", "# B\nIn b."]
    assert [span.heading for span in spans] == ["", "B"]


def test_text_without_spaces_is_bounded_too() -> None:
    document = Document("Sea", "海" * 5000)
    pieces = texts(document, cut(document, max_words=20))
    assert "".join(pieces) == document.text
    assert max(map(len, pieces)) <= 20 * 12


words = st.text(alphabet='ab.!? \n\u00e9海"A1', max_size=400)


@settings(max_examples=200, deadline=None)
@given(text=words, limit=st.integers(10, 40))
def test_passages_are_exact_ordered_bounded_and_complete(text: str, limit: int) -> None:
    document = Document("t", text)
    spans = cut(document, max_words=limit)
    at = 0
    for span in spans:
        piece = text[span.start : span.end]
        assert span.start >= at
        assert text[at : span.start].strip() == ""
        assert piece == piece.strip() != ""
        assert count_words(piece) <= limit
        at = span.end
    if spans:
        assert text[at:].strip() == ""
    else:
        assert not any(c.isalnum() for c in text)
