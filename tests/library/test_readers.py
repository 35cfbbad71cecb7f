from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from pathlib import Path

import pytest

from centerlm.library.document import Document, Problem
from centerlm.library.readers import read_file


def read(path: Path, content: bytes | str) -> Document:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    items = list(read_file(path))
    assert len(items) == 1
    assert isinstance(items[0], Document), items[0]
    return items[0]


def problem(path: Path, content: bytes | None = None, *, max_bytes: int = 200_000_000) -> str:
    if content is not None:
        path.write_bytes(content)
    items = list(read_file(path, max_bytes=max_bytes))
    assert len(items) == 1
    assert isinstance(items[0], Problem), items[0]
    assert "\n" not in items[0].reason
    assert path.name in items[0].reason
    return items[0].reason


def test_text_takes_its_title_from_the_file_name(tmp_path: Path) -> None:
    document = read(tmp_path / "Port_Blair.txt", "A harbour.\r\nIt rains.\r\n")
    assert document.title == "Port Blair"
    assert document.text == "A harbour.\nIt rains.\n"
    assert document.file == str(tmp_path / "Port_Blair.txt")
    assert len(document.sha256) == 64


@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252", "latin-1"],
)
def test_any_usual_encoding_is_told(tmp_path: Path, encoding: str) -> None:
    text = (
        "Zoë's café — no, Zoë's “crème brûlée” – costs 5 £."
        if "8" in encoding
        else "Zoë: café 5 £."
    )
    if encoding == "cp1252":
        text = "Zoë's café costs “5 €”."
    assert read(tmp_path / "a.txt", text.encode(encoding)).text == text


def test_bytes_without_meaning_in_windows_1252_are_latin_1(tmp_path: Path) -> None:
    assert read(tmp_path / "a.txt", b"caf\xe9 \x9d!").text == "café !"


def test_control_and_bidirectional_characters_are_removed(tmp_path: Path) -> None:
    document = read(tmp_path / "a.txt", "one\x0cpage \x1b[31mred \u202egnp.exe\u202c\u200b")
    assert document.text == "one\npage [31mred gnp.exe"


def test_markdown_has_sections_that_stand_in_its_text(tmp_path: Path) -> None:
    text = "Preface.\n\n# Sea\n\nWater.\n\n```\n# no heading\n```\n\n## Fish ##\n\nSwim.\n"
    document = read(tmp_path / "a.md", text)
    assert document.text == text
    assert document.title == "Sea"
    assert [s.heading for s in document.sections] == ["Sea", "Fish"]
    assert document.text[document.sections[0].start :].startswith("# Sea")
    assert document.text[document.sections[1].start : document.sections[1].end] == (
        "## Fish ##\n\nSwim.\n"
    )


def test_marks_that_close_a_heading_of_markdown_are_none_of_its_words(tmp_path: Path) -> None:
    document = read(tmp_path / "a.md", "# About C#\n\none\n\n## Two ##  \n\ntwo\n")
    assert document.title == "About C#"
    assert [s.heading for s in document.sections] == ["About C#", "Two"]


@pytest.mark.parametrize("filler", [" ", "\t", "#", " #"])
def test_a_long_line_of_markdown_takes_no_time(tmp_path: Path, filler: str) -> None:
    started = time.monotonic()
    read(tmp_path / "a.md", "# a" + filler * 4_000 + "b\n\ntext")
    assert time.monotonic() - started < 5


def test_html_gives_visible_text_with_blocks_apart(tmp_path: Path) -> None:
    page = """<html><head><title> The  Sea </title><style>p{}</style></head><body>
    <nav>menu</nav><h1>Sea</h1><p>Salt <b>wa</b>ter.<br>Deep.</p><script>evil()</script>
    <table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table><h2>Fish</h2><p>Swim</p>"""
    document = read(tmp_path / "a.html", page)
    assert document.title == "The Sea"
    assert document.text == "Sea\n\nSalt water.\nDeep.\n\na b\nc\n\nFish\n\nSwim"
    assert [s.heading for s in document.sections] == ["Sea", "Fish"]


def test_html_believes_its_declared_charset(tmp_path: Path) -> None:
    page = '<meta charset="koi8-r"><p>Москва'
    assert read(tmp_path / "a.html", page.encode("koi8-r")).text == "Москва"
    wrong = '<meta charset="no-such-code"><p>Zoë'
    assert read(tmp_path / "b.html", wrong).text == "Zoë"


def test_latin_1_of_a_page_has_the_quotation_marks_of_windows(tmp_path: Path) -> None:
    page = '<meta charset="ISO-8859-1"><p>“Don’t,” said Zoë — once.'
    assert read(tmp_path / "a.html", page.encode("cp1252")).text == "“Don’t,” said Zoë — once."


def test_an_xml_declaration_names_the_charset_too(tmp_path: Path) -> None:
    page = '<?xml version="1.0" encoding="iso-8859-2"?><html><body><p>Żółw</p></body></html>'
    assert read(tmp_path / "a.xhtml", page.encode("iso-8859-2")).text == "Żółw"


@pytest.mark.parametrize("name", ["undefined", "idna", "unicode_escape", "utf-16", "utf-7", "hex"])
def test_a_charset_that_a_page_cannot_be_in_is_not_believed(tmp_path: Path, name: str) -> None:
    page = f'<meta charset="{name}"><p>Zoë at C:\\new + more+AGE-'
    for text in (page, page + "."):  # of even and of odd length
        assert read(tmp_path / "a.html", text).text.startswith("Zoë at C:\\new + more+AGE-")


XHTML = (
    '<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><head>{}</head>'
    "<body><h1>One{}</h1><p>Said a > b.</p></body></html>"
)


@pytest.mark.parametrize("empty", ["<title/>", '<script src="a.js" />', "<style type='text/css'/>"])
def test_an_empty_element_of_xhtml_swallows_nothing(tmp_path: Path, empty: str) -> None:
    page = XHTML.format(empty, "<a id='x'/><iframe src='y'/><br/>")
    assert read(tmp_path / "a.xhtml", page).text == "One\n\nSaid a > b."
    assert read(tmp_path / "b.html", page).text == "One\n\nSaid a > b."


def test_a_form_around_a_page_hides_only_what_one_fills_in(tmp_path: Path) -> None:
    page = (
        "<body><form action=x><h1>Sea</h1><p>Salt water.</p><select><option>red</select>"
        "<textarea>write here</textarea><button>Send</button></form>"
    )
    assert read(tmp_path / "a.html", page).text == "Sea\n\nSalt water."


def test_deeply_nested_html_is_read_in_time(tmp_path: Path) -> None:
    page = "<div>" * 20_000 + "<b>x</b>" * 20_000 + "end"
    assert read(tmp_path / "a.html", page).text.endswith("end")


def test_json_lines_hold_a_document_a_line(tmp_path: Path) -> None:
    path = tmp_path / "many.jsonl"
    lines = [
        json.dumps({"title": "A", "text": "one"}),
        "{not json",
        json.dumps({"text": "two"}),
        json.dumps(["x"]),
        json.dumps({"title": 3, "text": "three"}),
        "",
        json.dumps({"title": "E", "text": "  "}),
        "[" * 100_000,
    ]
    path.write_text("\n".join(lines))
    items = list(read_file(path))
    documents = [item for item in items if isinstance(item, Document)]
    assert [(d.title, d.text, d.position) for d in documents] == [
        ("A", "one", 0),
        ("many, line 3", "two", 2),
    ]
    assert isinstance(items[-1], Problem)
    assert "5 lines" in items[-1].reason
    assert "line 2, 4, 5, 7, 8" in items[-1].reason


def test_missing(tmp_path: Path) -> None:
    assert "does not exist" in problem(tmp_path / "no.txt")


@pytest.mark.parametrize("content", [b"", b" \n\t "])
def test_empty(tmp_path: Path, content: bytes) -> None:
    assert "is empty" in problem(tmp_path / "a.txt", content)


ALMOST_UTF_16 = b"\x00A" * 50 + b"\xd8\x00" + b"\x00B" * 50


@pytest.mark.parametrize(
    "content",
    [b"\x7fELF\x02\x01\x00\x00" * 50, bytes(range(1, 32)) * 50, ALMOST_UTF_16],
)
def test_binary(tmp_path: Path, content: bytes) -> None:
    assert "binary data" in problem(tmp_path / "a.txt", content)


def test_text_that_belies_its_byte_order_mark(tmp_path: Path) -> None:
    assert "save it as UTF-8" in problem(tmp_path / "a.txt", b"\xef\xbb\xbfcaf\xe9")


def test_a_2_gb_file_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "huge.txt"
    with path.open("wb") as file:
        file.truncate(2_000_000_000)
    assert "2,000 MB, more than the limit of 200 MB" in problem(path)


def test_a_fifo_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    assert "is not a file" in problem(tmp_path / "pipe.txt")


def test_a_loop_of_links(tmp_path: Path) -> None:
    (tmp_path / "a.txt").symlink_to(tmp_path / "b.txt")
    (tmp_path / "b.txt").symlink_to(tmp_path / "a.txt")
    assert "cannot be read" in problem(tmp_path / "a.txt")


def test_unreadable() -> None:
    folder = Path(tempfile.mkdtemp())
    path = folder / "secret.txt"
    path.write_text("secret")
    folder.chmod(0o755)
    path.chmod(0)
    root = os.geteuid() == 0
    try:
        if root:  # nothing is unreadable to root
            os.seteuid(65534)
        assert "may not be read" in problem(path)
    finally:
        if root:
            os.seteuid(0)
        shutil.rmtree(folder)
