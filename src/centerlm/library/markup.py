"""HTML into text with its headings as sections, through selectolax.

Scripts, styles and other parts no reader sees are left out; blocks become paragraphs.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from centerlm.library.document import TextBuilder, one_line, safe_text

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

_UNSEEN = "script, style, noscript, template, svg, math, head, nav, iframe, object, form, [hidden]"
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
_SPACE = re.compile(r"[^\S\n]*\n\s*|[^\S\n]+")
_CLIMB = 64  # how far up a block is looked for: keeps deeply nested markup linear


def append_html(builder: TextBuilder, html: str) -> str:
    """Add the visible text of a page to `builder`; returns the page's own title, or ""."""
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(html)
    named = tree.css_first("title")
    title = one_line(named.text()) if named is not None else ""
    for node in tree.css(_UNSEEN):
        node.decompose()
    if tree.body is None:
        return title
    pieces: list[str] = []
    block: tuple[int, str] = (0, "")
    separator = ""

    def flush() -> None:
        nonlocal pieces
        text = _SPACE.sub(" ", safe_text("".join(pieces))).strip()
        pieces = []
        if not text:
            return
        if block[1] in _HEADINGS:
            builder.begin_section(text)
            title_of.append(text)
        builder.add(text, separator)

    title_of: list[str] = []
    for node in tree.body.traverse(include_text=True):
        if node.tag == "br":
            flush()
            separator = "\n"
        elif node.tag == "-text":
            owner = _block_of(node)
            if owner != block:
                flush()
                separator = _SEPARATORS[owner[1]]
                block = owner
            pieces.append(node.text_content or "")
    flush()
    return title or (title_of[0] if title_of else "")


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
