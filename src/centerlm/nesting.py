"""Slips in taking a nested question apart: the half of a plan that is right gives the other.

A plan that takes the outermost link off a nested question says all of the question's words, each
once: the rest of the question in its first step, what is asked of that in its second. A small model
that copies a long rest leaves a link out, or goes round in one ("the father of the father of ...").
The question and either step say what the other has to be. And it takes apart what is not nested:
where the rest is a name, to ask who or what that is leads away from the question. Pure: no I/O, no
model.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

from centerlm.errors import PlanError
from centerlm.finding import clean_text
from centerlm.interrogative import interrogative
from centerlm.options import options_of
from centerlm.plan import CENTER, MAX_TEXT, Plan, Step, escape
from centerlm.verify import words

_REST = "#1"
_HEAD = re.compile(r"(?:who|what|which|where|when) (?:is|was|are|were) ", re.IGNORECASE)
_SMALL = frozenset(
    words(
        "a an and are at by did do does for from had has have he her his in into is it its "
        "of on or s she that the their them they this to was were what when where which who "
        "whom whose with"
    )
)
"""Words that say nothing of what is asked for."""
_LINKS = frozenset(words("of s who whom whose that which"))
"""Words that join a part of a question to the next."""
_ASKS_AGAIN = "step 1 asks the whole question again"
_ALIKE = 0.5
"""Above this share of its own words a step is about the rest, with slips in it."""


def is_nest(steps: tuple[Step, ...]) -> bool:
    """Whether these are two steps, the first for `[center]`, the second about what it finds."""
    return (
        len(steps) == 2
        and steps[0].sources == (CENTER,)
        and steps[1].each is None
        and steps[1].needs == (1,)
        and steps[1].text.count(_REST) == 1
    )


def mend(steps: tuple[Step, ...], question: str) -> tuple[Step, ...]:
    """The steps of a plan with a slip mended; as they are where there is none to be seen.

    Only two steps are looked at, the first for `[center]`: where the second stands in the question
    around some rest, a first step that says mostly words of this rest, yet not all of them as
    often, asks for the rest. Where the first stands in the question, a second that says again
    a word of the first says what remains. What puts it in words that are not the question's, or
    adds such words, stays. A first step that asks who or what a name is, of which the second then
    asks the question, is left out, and so is one that asks the whole question: it is one step. And
    so are steps that all ask again what gives options to choose from (see `repeats`).
    """
    if repeats(steps, question):
        whole = escape(" ".join(clean_text(question).split()))
        return (replace(steps[0], text=whole if len(whole) <= MAX_TEXT else steps[0].text),)
    head = _HEAD.match(steps[0].text) if is_nest(steps) else None
    if head is None:
        return steps
    asked = _bare(" ".join(clean_text(question).split()))  # no step may hold the rest
    for mended in (
        _with_rest(steps, head, asked),
        _with_frame(steps, head, asked),
        _without_first(steps, asked),
    ):
        if mended and all(len(step.text) <= MAX_TEXT for step in mended):
            return mended
    return steps


def repeats(steps: tuple[Step, ...], question: str) -> bool:
    """Whether each step asks a question with options ("...? One of: this; that") again, as a small
    model does that copies a long one: cut short, and then once more with other slips.
    """
    choice = options_of(clean_text(question))
    asked = words(choice[0]) if choice else []
    if not asked or not steps or CENTER in steps[0].sources:
        return False
    return all(not step.needs and words(step.text)[: len(asked)] == asked for step in steps)


def why_unparted(steps: tuple[Step, ...], question: str) -> str:
    """Why a plan is none that answers the question part by part; "" where nothing says so."""
    if asks_again(steps, question):
        return _ASKS_AGAIN
    return "step 1 leaves out part of the question" if leaves_out(steps, question) else ""


def parted(plan: Plan, question: str) -> Plan:
    """The plan, unless all it does is hand the question on as it is.

    Raises:
        PlanError: it does.
    """
    if asks_again(plan.steps, question):
        raise PlanError(_ASKS_AGAIN, hint="ask for its parts, one a line")
    return plan


def asks_again(steps: tuple[Step, ...], question: str) -> bool:
    """Whether the only step hands the whole question on to `[center]`, as what needs steps of its
    own: those are asked for here.
    """
    if len(steps) != 1 or steps[0].sources != (CENTER,):
        return False
    asked = _content(question)
    return bool(asked) and _content(steps[0].text) == asked


def leaves_out(steps: tuple[Step, ...], question: str) -> bool:
    """Whether the first step is the question with a link left out that stands inside it ("the
    mayor of Elm" of "the mayor of the birthplace of Elm"), and no other goes on from it: what is
    asked is something else.
    """
    if not steps or steps[0].needs or any(steps[0].id in step.needs for step in steps):
        return False
    asked, said = words(question), words(steps[0].text)
    missing = (Counter(asked) - Counter(said)).keys()
    if not (missing & _LINKS and missing - _SMALL):
        return False
    whole, kept = (tuple(w for w in text if w not in _SMALL) for text in (asked, said))
    rest = iter(whole)
    return (kept[:1], kept[-1:]) == (whole[:1], whole[-1:]) and all(w in rest for w in kept)


def _with_rest(steps: tuple[Step, ...], head: re.Match[str], asked: str) -> tuple[Step, ...] | None:
    first, second = steps
    before, _, after = (part.replace("##", "#") for part in _bare(second.text).partition(_REST))
    if not _content(before + after):
        return None
    around = re.fullmatch(f"{re.escape(before)}(.+){re.escape(after)}", asked, re.IGNORECASE)
    if around is None:
        return None
    said, rest = _content(first.text[head.end() :]), _content(around[1])
    if said >= rest and said.keys() <= _content(asked).keys() and _is_name(around[1]):
        return _alone(second, asked)
    own = said.keys() & rest.keys()
    more = said >= rest and not said.keys() <= _content(asked).keys()
    if said == rest or more or len(own) <= _ALIKE * len(said):
        return None
    asks = f"{interrogative(around[1])} {head[0].split()[1]}"
    return (replace(first, text=f"{asks} {escape(around[1])}?"), second)


def _with_frame(
    steps: tuple[Step, ...], head: re.Match[str], asked: str
) -> tuple[Step, ...] | None:
    first, second = steps
    rest = _bare(first.text[head.end() :]).replace("##", "#")
    if not _content(rest) or not second.text.endswith("?"):  # not a formula
        return None
    found = list(re.finditer(rf"(?<!\w){re.escape(rest)}(?!\w)", asked, re.IGNORECASE))
    if len(found) != 1:
        return None
    before, after = asked[: found[0].start()], asked[found[0].end() :]
    frame, said = _content(before + after), _content(second.text.replace(_REST, ""))
    twice = (said - frame).keys()  # the question's words, said of the rest already
    if not frame or not twice or not said.keys() <= _content(asked).keys():
        return None
    return (first, replace(second, text=f"{escape(before)}{_REST}{escape(after)}?"))


def _without_first(steps: tuple[Step, ...], asked: str) -> tuple[Step, ...] | None:
    first, second = steps
    if _content(first.text) != _content(asked) or not second.text.endswith("?"):
        return None
    return _alone(second, asked)


def _alone(second: Step, asked: str) -> tuple[Step, ...]:
    """The whole question, asked of the sources of the second step."""
    return (replace(second, id=1, text=f"{escape(asked)}?"),)


def _is_name(text: str) -> bool:
    """Whether it is a name, as far as capitals and quotation marks tell: "Ada Brandt", "The Lord of
    the Rings". (An answer in the question of a part is quoted.)
    """
    bare = text.strip('"')
    if len(bare) == len(text) - 2 and '"' not in bare:
        return True
    said = [word for word in text.split() if word.casefold() not in _SMALL]
    return bool(said) and all(word[0].isupper() or word[0].isdigit() for word in said)


def _bare(text: str) -> str:
    return text.rstrip(" ?.")


def _content(text: str) -> Counter[str]:
    """How often a text says which words, those that say nothing apart."""
    return Counter(word for word in words(text) if word not in _SMALL)
