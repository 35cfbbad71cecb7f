"""What an episode is worth: its answer, what it found, what it cited, its plan, what it cost."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import msgspec

from centerlm.episode import Episode
from centerlm.errors import PlanError
from centerlm.evaluation.items import Item, PassageKey, passage_key
from centerlm.evaluation.metrics import exact_match, normalise_answer, support_recall, token_f1
from centerlm.evaluation.plans import score_plan
from centerlm.events import Event, SeekFinished, SeekStarted
from centerlm.finding import Finding, finding_from_json
from centerlm.plan import parse_plan

BINARY = frozenset({"em", "success", "plan_graph", "valid_first", "choice", "choice_bare"})
"""Metrics that are right or wrong (0 or 1); those that begin with "success@" are too."""

_NUMBER = re.compile(r"(?:(?<!\w)[-\N{MINUS SIGN}])?\d[\d,]*(?:\.\d+)?(?:\s*/\s*\d+)?")


@dataclass(frozen=True, slots=True)
class Solved:
    """A finished episode, with the journal's content by hash."""

    name: str
    tree: Episode
    events: tuple[Event, ...]
    blob: Callable[[str], bytes]

    @property
    def answer(self) -> str | None:
        return self.tree.answer or None

    @property
    def finding(self) -> Finding | None:
        """The root's."""
        return self._finding(self.tree.finding) if self.tree.finding else None

    def findings(self, source: str | None = None) -> list[Finding]:
        """What sources gave, in order; of one source, or of all."""
        return [
            self._finding(event.finding)
            for event in self.events
            if isinstance(event, SeekFinished) and source in (None, event.source)
        ]

    def asked(self, source: str) -> list[tuple[str, Finding]]:
        """What a source was asked, and what it gave, in order."""
        texts = {
            (event.path, event.attempt): event.text
            for event in self.events
            if isinstance(event, SeekStarted) and event.source == source
        }
        return [
            (texts.get((event.path, event.attempt), ""), self._finding(event.finding))
            for event in self.events
            if isinstance(event, SeekFinished) and event.source == source
        ]

    @property
    def plan(self) -> str:
        return self.blob(self.tree.plan).decode() if self.tree.plan else ""

    def _finding(self, name: str) -> Finding:
        return finding_from_json(msgspec.json.decode(self.blob(name)))


def answer_scores(answer: str | None, item: Item) -> dict[str, float]:
    """Exact match and F1; numbers are compared as numbers, yes and no by the first word."""
    match item.objective.answer_type:
        case "number" if answer is not None and (golds := _numbers(item.accepted)):
            right = float(number_in(answer) in golds)
            return {"em": right, "f1": right}
        case "boolean" if answer is not None:
            first = normalise_answer(answer).split()[:1]
            accepted = {normalise_answer(gold) for gold in item.accepted}
            right = float(bool(first) and first[0] in accepted)
            return {"em": right, "f1": right}
        case _:
            return {
                "em": exact_match(answer, item.accepted),
                "f1": token_f1(answer, item.accepted),
            }


def _numbers(texts: Sequence[str]) -> list[Fraction]:
    """Those of the texts that have one."""
    return [number for text in texts if (number := number_in(text)) is not None]


def number_in(text: str) -> Fraction | None:
    """The last number of a text; None where there is none, or one of thousands of digits."""
    numbers = _NUMBER.findall(text)
    if not numbers:
        return None
    # In two parts, for a `Fraction` of "1.5/2" is an error.
    written = numbers[-1].replace(",", "").replace("\N{MINUS SIGN}", "-")
    over, _, under = written.partition("/")
    try:
        return Fraction(over) / Fraction(under or 1)
    except (ZeroDivisionError, ValueError):  # Python reads no integer of over 4,300 digits
        return None


def question_scores(
    item: Item, solved: Solved, *, most: int | None = None
) -> dict[str, float | None]:
    """All that can be said of one episode of a question; None where nothing can. Support counts
    the first `most` distinct passages of the episode (None: all).
    """
    scores: dict[str, float | None] = dict(answer_scores(solved.answer, item))
    keys: dict[str, PassageKey] = {}
    for finding in solved.findings():
        keys |= {p.id: passage_key(p.title, p.text) for p in finding.passages}
    scores["support_recall"] = scores["citation_precision"] = scores["plan_graph"] = None
    if item.support:
        scores["support_recall"] = support_recall(
            list(dict.fromkeys(keys.values()))[:most], item.support
        )
        root = solved.finding
        cited = {c.passage for c in root.citations if c.passage in keys} if root else set[str]()
        if cited:
            scores["citation_precision"] = sum(keys[c] in item.support for c in cited) / len(cited)
    if item.plan is not None and solved.plan:
        try:
            predicted = parse_plan(solved.plan)
        except PlanError:
            predicted = None
        scores["plan_graph"] = score_plan(item.objective.text, predicted, item.plan).graph
    return scores


def spent(episodes: Sequence[Solved]) -> dict[str, float]:
    """Calls, tokens, seconds and cost of an item, over its episodes."""
    usage = [solved.tree.usage for solved in episodes]
    trees = [solved.tree for solved in episodes]
    return {
        "calls": sum(u.calls for u in usage),
        "tokens": sum(u.tokens for u in usage),
        "seconds": round(sum(max(t.finished - t.started, 0.0) for t in trees), 3),
        "cost": sum(u.cost for u in usage),
    }


def echoes(item: Item, solved: Solved) -> bool:
    """Whether a source gave the question itself: then it may hold the answer beside it."""
    asked = normalise_answer(item.objective.text)
    if len(asked.split()) < 5:
        return False
    return any(
        asked in normalise_answer(text)
        for finding in solved.findings()
        for text in (finding.text, finding.answer or "", *(p.text for p in finding.passages))
    )


def values_of(scores: Sequence[Mapping[str, float | None]], name: str) -> list[float]:
    """The values of a metric where it has one."""
    return [value for each in scores if (value := each.get(name)) is not None]
