"""HTML into text with its headings as sections, through selectolax.

Scripts, styles and other parts no reader sees are left out; blocks become paragraphs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from centerlm.library.document import TextBuilder, one_line, safe_text

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

# A form may be around a whole page: what is left out is what one fills in.
_UNSEEN = """
script, style, noscript, template, svg, math, head, nav, iframe, object, button, select, textarea,
[hidden]
"""
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
# What stands before a block's text. Inline elements are in no block of their own.
_BLOCKS = """
address article aside blockquote body dd details div dl dt fieldset figcaption figure footer h1 h2
h3 h4 h5 h6 header hr main ol p pre section summary table ul
"""
_SEPARATORS = {
    **dict.fromkeys(_BLOCKS.split(), "\n\n"),
    **dict.fromkeys(("li", "tr", "br"), "\n"),
    **dict.fromkeys(("td", "th"), " "),
}
_WIDTH = ("", " ", "\n", "\n\n")
_SPACE = re.compile(r"\s+")
_XHTML = re.compile(
    r"""<\?xml\s|<html\b[^>]{0,500}\bxmlns\s*=\s*["']http://www\.w3\.org/1999/xhtml"""
)
_EMPTY = re.compile(r"""<([A-Za-z][\w:.-]*)((?:\s+[\w:.-]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*/>""")
_VOID_TEXT = """
area base br col embed hr img input link meta source track wbr
"""
_VOID = frozenset(_VOID_TEXT.split())
_CLIMB = 64  # how far up a block is looked for: keeps deeply nested markup linear


def append_html(builder: TextBuilder, html: str) -> str:
    """Add the visible text of a page to `builder`; returns the page's own title, or ""."""
    from selectolax.lexbor import LexborHTMLParser

    if _XHTML.search(html[:2048]):
        html = _EMPTY.sub(_closed, html)
    tree = LexborHTMLParser(html)
    named = tree.css_first("title")
    title = one_line(named.text()) if named is not None else ""
    for node in tree.css(_UNSEEN):
        node.decompose()
    if tree.body is None:
        return title
    headings: list[str] = []
    for tag, separator, text in _blocks(tree.body):
        if tag in _HEADINGS:
            builder.begin_section(text)
            headings.append(text)
        builder.add(text, separator)
    return title or (one_line(headings[0]) if headings else "")


def _closed(match: re.Match[str]) -> str:
    """An empty element of XHTML with a closing tag. To HTML "<title/>" opens a title, and all that
    follows is in it.
    """
    name = match[1]
    return match[0] if name.lower() in _VOID else f"<{name}{match[2]}></{name}>"


def _blocks(body: LexborNode) -> Iterator[tuple[str, str, str]]:
    """Tag, separator and text of each stretch of text that is in one block, in order."""
    pieces: list[str] = []
    block = (0, "body")
    before, opened = "", ""  # separators: before the pieces held, and of what was opened since
    for node in body.traverse(include_text=True):
        tag = node.tag or ""
        if tag == "-text":
            owner = _block_of(node)
            if owner != block or opened:
                if text := _join(pieces):
                    yield block[1], before, text
                    before = ""
                pieces = []
                before = max(before, opened or _SEPARATORS[owner[1]], key=_WIDTH.index)
                block, opened = owner, ""
            pieces.append(node.text_content or "")
        elif separator := _SEPARATORS.get(tag):
            # Where several open at one place (a row with its cells) the widest counts.
            opened = max(opened, separator, key=_WIDTH.index)
    if text := _join(pieces):
        yield block[1], before, text


def _join(pieces: list[str]) -> str:
    return _SPACE.sub(" ", safe_text("".join(pieces))).strip()


def _block_of(node: LexborNode) -> tuple[int, str]:
    """Identity and tag of the nearest block around a text; the body stands in beyond the limit."""
    parent = node.parent
    for _ in range(_CLIMB):
        if parent is None:
            break
        tag = parent.tag or ""
        if tag in _SEPARATORS:
            return parent.mem_id, tag
        parent = parent.parent
    return 0, "body"
