"""PDF and EPUB, whole and broken."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from book_files import make_epub, make_pdf
from pypdf import PdfReader, PdfWriter

from centerlm.errors import LibraryError
from centerlm.library.document import Document, Problem
from centerlm.library.readers import parse


def document(data: bytes, name: str) -> Document:
    (item,) = parse(data, name)
    assert isinstance(item, Document)
    assert not isinstance(item, Problem)
    return item


def refusal(data: bytes, name: str) -> str:
    with pytest.raises(LibraryError) as raised:
        list(parse(data, name))
    assert name in str(raised.value)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_pdf_has_a_section_a_page() -> None:
    book = document(make_pdf("The first page.", "The second page."), "book.pdf")
    assert book.text == "The first page.\n\nThe second page."
    assert [s.heading for s in book.sections] == ["page 1", "page 2"]
    assert book.title == "book"
    assert book.text[book.sections[1].start : book.sections[1].end].strip() == "The second page."


def encrypted(password: str) -> bytes:
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(make_pdf("Secret."))))
    writer.encrypt(user_password=password, owner_password="owner", algorithm="RC4-128")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def test_pdf_with_a_password_is_refused() -> None:
    assert "protected by a password" in refusal(encrypted("hidden"), "locked.pdf")


def test_pdf_with_only_an_owner_password_is_read() -> None:
    assert document(encrypted(""), "open.pdf").text == "Secret."


def test_pdf_without_text_is_taken_for_a_scan() -> None:
    assert "may be a scan" in refusal(make_pdf(""), "scan.pdf")


@pytest.mark.parametrize(
    "data",
    [
        b"%PDF-1.4\nnothing else",
        b"no pdf at all",
        make_pdf("x")[:120],
        make_pdf("x").replace(b"/Pages 2 0 R", b"/Pages 9 0 R"),
        make_pdf("x").replace(b"/Kids [4 0 R]", b"/Kids [2 0 R]"),
    ],
)
def test_pdf_that_is_damaged(data: bytes) -> None:
    assert "bad.pdf" in refusal(data, "bad.pdf")


def test_pdf_with_a_damaged_page_keeps_the_others_and_names_it() -> None:
    whole = make_pdf("One is whole.", "Two is not.", "Three is whole.")
    book, problem = parse(whole.replace(b"50 700 Td (Two", b"<< 700 Td (Two"), "hurt.pdf")
    assert isinstance(book, Document)
    assert book.text == "One is whole.\n\nThree is whole."
    assert [s.heading for s in book.sections] == ["page 1", "page 3"]
    assert isinstance(problem, Problem)
    assert problem.reason.startswith("hurt.pdf is damaged on page 2, which was left out")


def test_pdf_whose_only_page_is_damaged_is_no_scan() -> None:
    data = make_pdf("One.", "").replace(b"50 700 Td (One", b"<< 700 Td (One")
    assert "is not a whole PDF (PdfStreamError)" in refusal(data, "hurt.pdf")


def test_epub_with_a_damaged_chapter_is_read_without_it() -> None:
    chapters = {
        "a.xhtml": "<h1>I</h1><p>Ebb.",
        "b.xhtml": "<p>" + "".join(map(chr, range(63, 120))),
        "c.xhtml": "<p>Up.",
    }
    data = bytearray(make_epub(chapters))
    at = data.index(b"OPS/b.xhtml") + 20
    data[at : at + 10] = b"\xff" * 10
    book, problem = parse(bytes(data), "hurt.epub")
    assert isinstance(book, Document) and book.text == "I\n\nEbb.\n\nUp."
    assert isinstance(problem, Problem)
    left_out = "hurt.epub is damaged at its part OPS/b.xhtml, which was left out; get a whole copy"
    assert problem.reason == left_out
    missing = make_epub(chapters, href=lambda name: name.replace("b.", "gone."))
    assert [type(each) for each in parse(missing, "hurt.epub")] == [Document, Problem]
    noise = make_epub(chapters | {"b.xhtml": "\x00\x01\x02" * 99})
    assert [type(each) for each in parse(noise, "hurt.epub")] == [Document, Problem]


def test_epub_is_read_in_the_order_of_its_spine() -> None:
    data = make_epub({"one two.xhtml": "<h1>Tide</h1><p>Low.</p>", "b.xhtml": "<p>High.</p>"})
    book = document(data, "sea.epub")
    assert book.title == "The Sea Book"
    assert book.text == "Tide\n\nLow.\n\nHigh."
    assert [s.heading for s in book.sections] == ["Tide"]


def test_epub_hrefs_may_be_quoted() -> None:
    data = make_epub({"one two.xhtml": "<p>Low."}, href=lambda n: n.replace(" ", "%20") + "#x")
    assert document(data, "sea.epub").text == "Low."


@pytest.mark.parametrize("href", ["../../etc/passwd", "/etc/passwd", "%2e%2e/%2e%2e/secret"])
def test_epub_that_points_outside_is_refused(href: str) -> None:
    data = make_epub({"a.xhtml": "<p>x"}, href=lambda _: href)
    assert "outside of itself" in refusal(data, "bad.epub")


def test_epub_that_unpacks_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("centerlm.library.epub.MAX_UNPACKED_BYTES", 1_000_000)
    data = make_epub({"a.xhtml": "<p>" + "0" * 600_000, "b.xhtml": "<p>" + "0" * 600_000})
    assert len(data) < 10_000
    assert "unpacks to more than" in refusal(data, "bomb.epub")


def test_epub_that_is_locked_by_its_seller_is_refused() -> None:
    lock = '<encryption><CipherReference URI="OPS/a.xhtml"/></encryption>'
    data = make_epub({"a.xhtml": "<p>x"}, extra={"META-INF/encryption.xml": lock})
    assert "DRM" in refusal(data, "locked.epub")


def test_epub_whose_locked_parts_are_quoted_is_told_from_one_with_locked_fonts() -> None:
    def lock(uri: str) -> dict[str, str]:
        part = f'<e:EncryptedData xmlns:e="x"><e:CipherReference URI="{uri}"/></e:EncryptedData>'
        return {"META-INF/encryption.xml": f"<encryption>{part}</encryption>"}

    page = {"a b.xhtml": "<p>Salt water."}
    assert "DRM" in refusal(make_epub(page, extra=lock("OPS/a%20b.xhtml")), "locked.epub")
    fonts = make_epub(page, extra=lock("OPS/a%20b.xhtml.otf"))
    assert document(fonts, "fonts.epub").text == "Salt water."


def test_epub_with_entities_is_refused() -> None:
    data = make_epub(
        {"a.xhtml": "<p>x"},
        extra={"OPS/book.opf": '<!DOCTYPE x [<!ENTITY a "b">]><package>&a;</package>'},
    )
    assert "XML entities" in refusal(data, "bad.epub")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"no archive", "not an EPUB"),
        (make_epub({"a.xhtml": "<p>x"})[:300], "not an EPUB"),
        (make_epub({"a.xhtml": "<p>x"}, href=lambda _: "gone.xhtml"), "lacks its part"),
        (make_epub({}), "holds no text"),
        (make_epub({"a.xhtml": "<p>x"}, extra={"OPS/book.opf": "<open"}), "no valid XML"),
        (make_epub({"a.xhtml": "<p>x"}, extra={"META-INF/container.xml": "<c/>"}), "no package"),
    ],
)
def test_epub_that_is_damaged(data: bytes, words: str) -> None:
    assert words in refusal(data, "bad.epub")


def test_epub_with_damaged_bytes_is_refused() -> None:
    data = bytearray(make_epub({"a.xhtml": "<p>" + "".join(map(chr, range(40, 120))) * 3}))
    at = data.index(b"OPS/a.xhtml") + 20
    data[at : at + 10] = b"\xff" * 10
    assert "bad.epub is damaged" in refusal(bytes(data), "bad.epub")


def test_reading_opens_no_file_by_what_a_book_says(tmp_path: Path) -> None:
    outside = tmp_path / "secret.xhtml"
    outside.write_text("<p>secret")
    data = make_epub({"a.xhtml": "<p>x"}, href=lambda _: str(outside))
    assert "outside of itself" in refusal(data, "bad.epub")
