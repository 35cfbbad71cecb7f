"""Passages about another subject than the one that a question asks about: they do not answer it.

A small model that is shown what the search found for "When did Ada Brandt die?" reads the day on
which somebody else died, where nothing tells Ada Brandt's. Only a plain question of one name
counts, and only passages that speak of their title. Pure: no I/O, no model. English.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from centerlm.acts import Note
from centerlm.verify import contains, words

OF_ANOTHER = "what it says is said of another"

_WORD = r"[^\W\d_a-z][\w'’.-]*"
_JOINED = r"(?: (?:(?:of|the|de|del|la|van|von|der) ){0,2}(?:" + _WORD + r"|\d+))*"
_NAME = re.compile(rf"(?<=[\s\"“]){_WORD}{_JOINED}")
_AFTER = re.compile(r"\s*(?:,| \().*")
"""What tells a title from others of the same name: "Elm (town)", "Elm, Norland"."""
_LINK = re.compile(r"\s(?:of|that|who|whom|whose|which|where)(?=\s)|(?<=\w)['’]s(?=\s)")
_ASKS = re.compile(r"^(?:\w+ )?(?:which|whom?|whose|where)\b", re.IGNORECASE)
_LABEL = re.compile(r"(?:which|what|an?|the)\s$", re.IGNORECASE)
_SMALL = frozenset(words("a an the of de del la van von der"))


def subject_of(question: str) -> str:
    """The one name that a plain question is about; "" where it has none or several, asks for a part
    of a part ("the mayor of the birthplace of Elm", "does the stadium of Elm hold"), or uses the
    name to say of what kind what it asks for is ("Which Norwegian composer").
    """
    named = list(_NAME.finditer(question))
    if len(named) != 1:
        return ""
    name = named[0][0].rstrip(".").removesuffix("'s").removesuffix("’s")
    before, after = question[: named[0].start()], question[named[0].start() + len(name) :]
    links = len(_LINK.findall(f"{_ASKS.sub('', before)}#{after}"))
    if links > 1 or (links and re.search(r"\w", after)):
        return ""
    kind = len(name.split()) == 1 and _LABEL.search(before) and after[:1] == " "
    return "" if kind else name


def is_of_another(subject: str, note: Note) -> bool:
    """Whether a note speaks of what its title names, and never of the subject."""
    title = words(_AFTER.sub("", note.title))
    if not note.title[:1].isupper() or not title or not set(title) <= set(words(note.text)):
        return False
    return not _names(f"{note.title} {note.text}", subject)


def all_of_another(question: str, notes: Iterable[Note]) -> bool:
    """Whether there are notes, each of another subject than the question's."""
    subject = subject_of(question)
    return bool(subject) and {is_of_another(subject, note) for note in notes} == {True}


def _names(text: str, name: str) -> bool:
    """Whether a text has a name, or the last and at least half of the words of a longer one."""
    if contains(text, name):
        return True
    said = [word for word in words(name) if word not in _SMALL]
    held = set(words(text)) & set(said)
    return bool(said) and said[-1] in held and 2 * len(held) >= len(set(said))
