"""Hypothesis strategies and fast generators of plans and of texts that are nearly plans."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

from hypothesis import strategies as st

from centerlm.plan import FORBIDDEN, MAX_TEXT, Plan, Step, merge_duplicates

NAMES = ("documents", "calculator", "center", "expert:history", "mcp:srv.tool", "each")

_allowed = re.compile(f"[^{FORBIDDEN}]")

source_names = st.from_regex(r"[A-Za-z][A-Za-z0-9_.:-]{0,63}", fullmatch=True)


def _words() -> st.SearchStrategy[str]:
    any_text = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)
    return any_text.map(lambda t: "".join(c for c in t if _allowed.match(c)).replace("#", "##"))


@st.composite
def plans(draw: st.DrawFn, max_steps: int = 8) -> Plan:
    """Valid plans: any legal names and texts, references to earlier steps, no two steps alike."""
    steps: list[Step] = []
    for id_ in range(1, draw(st.integers(1, max_steps)) + 1):
        names = st.one_of(st.sampled_from(NAMES), source_names)
        sources = tuple(draw(st.lists(names, min_size=1, max_size=4, unique=True)))
        earlier = st.integers(1, id_ - 1) if id_ > 1 else st.nothing()
        pieces = draw(st.lists(st.one_of(_words(), earlier), min_size=1, max_size=8))
        text = " ".join(f"#{p}" if isinstance(p, int) else p for p in pieces).strip(" \t\r")
        text = text if text and len(text) <= MAX_TEXT else f"What is {id_}?"
        each = draw(st.one_of(st.none(), earlier))
        steps.append(Step(id_, sources, text, each))
    return merge_duplicates(steps)


_PIECES = (
    *("1", "2", "3", "10", "0", "99999", " ", "  ", "\t", "\n", "\r\n", "[", "]", "|", " | ", "#"),
    *("##", "#1", "#2", "#9", "#12345", "#01", " each #1", "each", "[documents]", "[center]"),
    *("[documents | calculator each #1]", "[a|b]", "1 [documents] ", "\n2 [center] ", "What", "?"),
    *(
        "é",
        "\u0661",
        "#\u0661",
        "\u200b",
        "\x00",
        "\x85",
        "\u2028",
        "\ud800",
        "😀",
        "日本",
        "x" * 250,
    ),
    *("-", "{", "}", '"', "\\", "4 [experiment] rm -rf", "<|im_end|>", "\n\n", "(", "argmax("),
)
_GOOD = (
    "1 [documents] Which county is Van Hook Township in?\n2 [documents] What is the seat of #1?\n"
    "3 [documents | expert:history each #2] In which year was #2 founded?\n4 [calculator] 1998 - #3"
)


def near_plans(count: int, seed: int = 0) -> Iterator[str]:
    """Texts: pieces of plans thrown together, good plans with a few characters changed, noise."""
    rng = random.Random(seed)
    for number in range(count):
        match number % 3:
            case 0:
                yield "".join(rng.choices(_PIECES, k=rng.randint(0, 12)))
            case 1:
                text = list(_GOOD)
                for _ in range(rng.randint(1, 4)):
                    at = rng.randrange(len(text))
                    text[at : at + rng.randint(0, 3)] = rng.choice(_PIECES)
                yield "".join(text)
            case _:
                yield "".join(chr(rng.randrange(0x250)) for _ in range(rng.randint(0, 30)))
