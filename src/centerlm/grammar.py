"""Grammars that constrain decoding to the plan language, made from the registered sources.

GBNF for llama.cpp, JSON schema for API models. Whatever whole lines the GBNF emits parse and
validate: references point back, sources exist, and characters a line and steps a plan are bounded
(unbounded, a small untrained model repeats itself to the token limit).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from centerlm.plan import CENTER, FORBIDDEN

PLAN_STEPS = 10
"""Steps a decoded plan may have; larger ones are split with [center]."""
MAX_ALTERNATIVES = 3

# A text is blocks of exactly 8 plain characters, or up to 7 and a reference with the character
# after it (never a digit: "#1" and "2" must not become "#12"). Blocks make the grammar
# unambiguous, so decoding keeps few parse states, and bound the length: 17 * 11 + 10 < MAX_TEXT.
_BLOCK = 8
_BLOCKS = 17

_CLASS = FORBIDDEN.replace(r"\ud800-\udfff", "")


def plan_grammar(
    sources: Sequence[str], *, max_steps: int = PLAN_STEPS, parted: bool = False
) -> str:
    """GBNF of plans over these sources (`center` only if it is among them), 1..max_steps lines.

    With `parted` at least two lines, the first of them for `center` where that may be named: what
    a question is about has parts of its own then.
    """
    names = " | ".join(json.dumps(name) for name in sources)
    first = json.dumps(CENTER) if parted and CENTER in sources else "sources"
    rules = [
        "root ::= plan1",
        f"source ::= {names}",
        f'sources ::= source (" | " source){{0,{MAX_ALTERNATIVES - 1}}}',
        f"plain ::= [^#{_CLASS}]",
        f"first ::= [^# {_CLASS}]",
        f"after ::= [^#0-9{_CLASS}]",
        f"block ::= plain{{{_BLOCK}}}",
        f"rest ::= plain{{0,{_BLOCK - 1}}}",
    ]
    for k in range(1, max_steps + 1):
        more = f' ("\\n" plan{k + 1})' if k < max_steps else ""
        optional = "?" if more and not (parted and k == 1) else ""
        rules.append(f"plan{k} ::= step{k}{more}{optional}")
        if k == 1:
            rules.append(f'step1 ::= "1 [" {first} "] " first block{{0,{_BLOCKS}}} rest')
            continue
        refs = " | ".join(f'"#{j}"' for j in range(1, k))
        rules += [
            f"ref{k} ::= {refs}",
            f'each{k} ::= " each " ref{k}',
            f"item{k} ::= block | rest ref{k} after",
            f"start{k} ::= first | ref{k} after",
            f'step{k} ::= "{k} [" sources each{k}? "] " '
            f"(start{k} item{k}{{0,{_BLOCKS - 1}}} rest ref{k}? | ref{k})",
        ]
    return "\n".join(rules) + "\n"


def plan_schema(
    sources: Sequence[str], *, max_steps: int = PLAN_STEPS, parted: bool = False
) -> dict[str, Any]:
    """JSON schema of the object that `plan_from_json` reads, in the strict subset servers take;
    with `parted` of at least two steps.
    """
    step: dict[str, Any] = {
        "type": "object",
        "properties": {
            "id": {"type": "integer"},
            "sources": {
                "type": "array",
                "items": {"type": "string", "enum": list(sources)},
                "minItems": 1,
                "maxItems": MAX_ALTERNATIVES,
            },
            "each": {"type": ["integer", "null"]},
            "text": {"type": "string"},
        },
        "required": ["id", "sources", "each", "text"],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {
            "steps": {
                "type": "array",
                "items": step,
                "minItems": 2 if parted else 1,
                "maxItems": max_steps,
            }
        },
        "required": ["steps"],
        "additionalProperties": False,
    }


def with_center(sources: Sequence[str]) -> tuple[str, ...]:
    """The names a plan may use when recursion is allowed."""
    return (*sources, CENTER)
