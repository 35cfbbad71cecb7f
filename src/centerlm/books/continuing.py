"""Continuing a book as an objective: its plan, the prompts of its writer, and what is made of it.

Pure: text in, prompts and plans out. All text of the book and of the model goes into prompts as
quoted data, one piece a line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from centerlm.books.checking import Known, check, count_by, naming
from centerlm.books.prose import Voice, words_of
from centerlm.books.style import copied_runs, length_error
from centerlm.errors import InputError
from centerlm.finding import clean_text
from centerlm.models.base import Message, Prompt
from centerlm.plan import Plan, parse_plan

BEAT_WORDS = 400
"""A beat of up to so many words is written in one go (at most 500 are atomic)."""
MAX_BEATS = 10
LENGTHS = (50, BEAT_WORDS * MAX_BEATS)
BOOK, OUTLINE, WRITER, CHAPTER = "book", "outline", "writer", "chapter"
QUESTIONS = (
    "What happened lately?",
    "Who may come up next?",
    "Who is present at the end?",
    "Where is everybody?",
    "Which promises, plans and secrets are open?",
    "Who is dead?",
    "Who narrates, and in which tense?",
)
_ASKED = (
    "What has to be known to write what comes next in the book: who is present, where they are, "
    "and what is left open? The text ends: "
)
_TAIL_WORDS = 60
MAX_QUESTIONS = 6
_CONTINUE = re.compile(
    r"\s*(?:please )?(?:continue|go on with|carry on) (?:this|the|my) (?:book|novel|story|text)\b",
    re.IGNORECASE,
)
_BEAT = re.compile(r"^\s*(?:beat )?(\d{1,2})[.):]\s*(.+)$", re.IGNORECASE)
_END = re.compile(
    r"(?<!\bM)(?<!\b(?:Mr|Dr|St))(?<!\b(?:Mrs|Rev|Col|Gen))(?<!\bCapt)[.!?…][\"'”’)]*(?=\s|$)"
)


def asks_to_continue(objective: str) -> bool:
    """Whether an objective asks for the continuation of a book."""
    return _CONTINUE.match(objective) is not None


def needs_objective(before: str) -> str:
    """The objective of finding out what the continuation of a text has to know."""
    return _ASKED + " ".join(before[-12 * _TAIL_WORDS :].split()[-_TAIL_WORDS:])


def without_ending(objective: str) -> str:
    """`needs_objective` without the text in it; any other text as it is."""
    return "" if objective.startswith(_ASKED[:40]) else objective


def check_length(length: int) -> int:
    """The length, if it can be written.

    Raises:
        InputError: it is out of range.
    """
    least, most = LENGTHS
    if not least <= length <= most:
        raise InputError(
            f"a continuation of {length:,} words is not possible; give --length {least} to {most:,}"
        )
    return length


def beats_for(length: int) -> int:
    return max(1, -(-length // BEAT_WORDS))


def continuation_plan(length: int, answered: Sequence[str], why: str = "") -> Plan:
    """Find out what `answered` asks, plan the beats, write one after the other, put them together.

    `why` says in the step of the outline whose questions they are. A beat names the outline and the
    beat before it, which the engine waits for; what the writer sees of earlier beats comes with
    those references.
    """
    lines = [f"{i} [{BOOK}] {question}" for i, question in enumerate(answered, start=1)]
    outline = len(lines) + 1
    known = ", ".join(f"#{i}" for i in range(1, outline)) or "the text"
    beats = beats_for(length)
    told = f" ({why})" if why else ""
    lines.append(f"{outline} [{OUTLINE}] Plan {beats} beats of the next chapter from {known}{told}")
    written: list[int] = []
    for beat in range(1, beats + 1):
        after = f" after {' '.join(f'#{i}' for i in written)}" if written else ""
        lines.append(f"{len(lines) + 1} [{WRITER}] Write beat {beat} of #{outline}{after}")
        written.append(len(lines))
    parts = " ".join(f"#{i}" for i in written)
    lines.append(f"{len(lines) + 1} [{CHAPTER}] Put together {parts}")
    return parse_plan("\n".join(lines), sources=(BOOK, OUTLINE, WRITER, CHAPTER))


def questions_of(plan: Plan, answers: Callable[[str], bool]) -> list[str]:
    """The questions of a center's plan that can be asked of the notes on their own and that
    `answers` says they answer, each once.
    """
    asked = [step.text for step in plan.steps if step.sources[0] == BOOK and not step.needs]
    return [text for text in dict.fromkeys(asked) if answers(text)][:MAX_QUESTIONS]


def outline_prompt(notes: Sequence[str], tail: str, beats: int) -> Prompt:
    """Asks for one line a beat."""
    system = (
        f"You plan the next chapter of a novel. Write {beats} numbered lines, one event each, in "
        "order. Use only the people and places of the notes."
    )
    return Prompt((Message("system", system), Message("user", _shown(notes, tail))))


def outline_grammar(beats: int) -> str:
    """GBNF of so many numbered lines."""
    lines = ' "\\n" '.join(f'"{n}. " line' for n in range(1, beats + 1))
    return f"root ::= {lines}\nline ::= [A-Z] [^\\n\\r\\x00-\\x1f]{{20,160}}\n"


def read_outline(text: str, beats: int, spare: Sequence[str]) -> list[str]:
    """The beats of a reply; where there are too few, what is left open in the book (`spare`)."""
    found = [" ".join(m[2].split())[:200] for line in text.split("\n") if (m := _BEAT.match(line))]
    kept = list(dict.fromkeys(beat for beat in found if len(beat.split()) >= 3))[:beats]
    others = [f"Take up what is open: {line}"[:200] for line in spare]
    kept += [line for line in others if line not in kept][: beats - len(kept)]
    kept += ["The scene goes on from where the text ends."] * (beats - len(kept))
    return kept


def restate_prompt(beat: str, written: str) -> Prompt:
    """Asks what a beat has to do now that what it depends on is written."""
    system = "Say in one sentence what happens next, after what is written. Keep to the plan."
    user = f"Written: {_line(written, 600)}\nPlan: {_line(beat, 300)}\nNext:"
    return Prompt((Message("system", system), Message("user", user)))


def beat_prompt(
    goal: str, notes: Sequence[str], tail: str, voice: Voice, words: int, problems: Sequence[str]
) -> Prompt:
    """Asks for the prose of a beat; `problems` are those of the draft before this one."""
    manner = [
        f"in the {voice.person} person" if voice.person != "unclear" else "",
        f"in the {voice.tense} tense" if voice.tense != "unclear" else "",
    ]
    told = "".join(f", {part}" for part in manner if part)
    system = (
        f"You are the author of a novel and write on where the text ends{told}. "
        "Write prose only, in the author's manner, with the people of the notes."
    )
    asked = [_shown(notes, tail), f"Now write about {words} words: {_line(goal, 300)}"]
    asked += [f"Do not repeat this mistake: {_line(problem, 200)}" for problem in problems]
    return Prompt((Message("system", system), Message("user", "\n".join(asked))))


def _shown(notes: Sequence[str], tail: str) -> str:
    lines = [f"Note: {_line(note, 400)}" for note in notes if note.strip()]
    return "\n".join([*lines, f'The text ends: "{_line(tail, 1600, end=True)}"'])


def _line(text: str, limit: int, *, end: bool = False) -> str:
    line = " ".join(clean_text(text).split())
    if len(line) <= limit:
        return line
    return "…" + line[-limit:] if end else line[: limit - 1].rstrip() + "…"


def finished(draft: str, cut: bool) -> str:
    """The prose of a reply; one that was cut by its limit ends at its last whole sentence."""
    text = "\n\n".join(" ".join(p.split()) for p in clean_text(draft).split("\n") if p.strip())
    ends = [match.end() for match in _END.finditer(text)]
    return text[: ends[-1]] if cut and ends else text


@dataclass(frozen=True, slots=True)
class Beat:
    """A written beat: its goal when it was written, drafts it took, problems that are left."""

    goal: str
    text: str
    drafts: int
    problems: tuple[str, ...]


def report(texts: Sequence[str], known: Known, length: int) -> dict[str, Any]:
    """The consistency report of a whole continuation; plain data."""
    whole = "\n\n".join(texts)
    named = naming(whole, known)
    problems = [[p.sentence for p in check(text, known)] for text in texts]
    size = len(next(iter(known.runs), ()))
    return {
        "words": len(words_of(whole)),
        "length_error": round(length_error(whole, length), 3),
        "consistency": named.consistency,
        "introduced": sorted(set(named.introduced)),
        "unknown": sorted(set(named.unknown)),
        "longest_copy": max(copied_runs(whole, known.runs, size - 1), default=0) if size else 0,
        "problems": problems,
        "counts": count_by([p for text in texts for p in check(text, known)]),
    }
