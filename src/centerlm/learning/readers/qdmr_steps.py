"""QDMR operations as steps of a plan.

Operations are read lazily: names and filters stay phrases until something needs their answer, so
that `return people ;return #1 that were killed ;return number of #2` becomes one question and one
count. What is gone through item by item becomes an `each` step.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from centerlm.learning.readers.common import CALCULATOR, Unusable, escape_others
from centerlm.learning.readers.phrases import (
    head,
    is_asked,
    is_bare,
    is_measure,
    is_plural,
    is_when,
    question,
    stem,
)
from centerlm.learning.readers.prose import computed, operand
from centerlm.plan import Step, references

MAX_LABEL = 60

_MOST = (
    "highest|largest|greatest|most|maximum|biggest|max|longest|"
    "more|greater|higher|larger|longer|bigger"
)
_LEAST = "lowest|smallest|least|minimum|fewest|min|shortest|less|lower|smaller|fewer|shorter"
_REFERENCE = re.compile(r"#(\d{1,4})(?!\d)")
_FILTERED = re.compile(r"#(\d+)\s+(?P<rest>.+)")
_WHERE = re.compile(
    rf"#(?P<items>\d+) where #(?P<values>\d+) (?:is |are )?(?:the )?(?P<what>{_MOST}|{_LEAST})"
)
_CONDITION = re.compile(r"#(?P<items>\d+) where #(?P<values>\d+) (?P<condition>[^#]+)")
_AGGREGATE = re.compile(r"(?:the )?(?P<what>[\w -]+?) of (?:the )?#(?P<of>\d+)")
_WHICH = re.compile(
    rf"which (?:is|are|was|were|happened|occurred|came) (?:the )?(?P<what>{_MOST}|{_LEAST}|first|"
    r"earlier|earliest|last|later|latest|second) of (?P<rest>#\d+(?:(?: ?,| and) ?#\d+)+)",
    re.IGNORECASE,
)
_LIST = re.compile(r"#\d+(?:(?: ?, ?(?:and )?| and )#\d+)+")
_UNIT = re.compile(r" in (?:years|dollars|yards|percent|points|miles|millions|terms of percent)\b")
_BOTH = re.compile(
    r"(?:(?P<what>.+?) )??(?P<in>in|of|between|from|are|is)? ?both (?:of )?"
    r"#(?P<one>\d+) and #(?P<other>\d+)"
)
_BESIDES = re.compile(r"#(?P<all>\d+) besides (?P<rest>.+)")
_PER_ITEM = re.compile(r"(?:the )?(?P<what>.+?) for each #(?P<items>\d+)")
_OF_ALL = re.compile(
    r"(?:the )?(?:first|second|third|fourth|fifth|last|\w+est|most|least)(?: \w+)? of #"
)
_SETS = re.compile(r"(?:union|intersection|difference|argmax|argmin|sort)\(")
_NUMBER_OF = re.compile(r"number of #(\d+)")
_DAYS = re.compile(r"days (?:between|from) #(?P<one>\d+) (?:and|to) #(?P<other>\d+)")
_SORTED = re.compile(r"#(?P<items>\d+) sorted by #(?P<values>\d+)")
_NAMED = re.compile(r"is #(\d+) (?P<name>[A-Z0-9][^#:,()]{0,60})")


@dataclass(frozen=True, slots=True)
class Operation:
    """One step of QDMR without its "return"; `kind` is the operator, in lower case."""

    kind: str
    text: str

    @property
    def needs(self) -> tuple[int, ...]:
        return tuple(int(k) for k in _REFERENCE.findall(self.text))


@dataclass(frozen=True, slots=True)
class _Phrase:
    """What an operation stands for: words, with references to steps that were built.

    `bare` phrases only name something. `each` is the step whose items it is about.
    """

    text: str
    bare: bool = False
    each: int | None = None
    call: bool = False
    """Whether `text` is a text of the calculator."""


def plan_steps(operations: Sequence[Operation], source: str) -> list[Step]:
    """The steps of a plan; questions go to `source`.

    Raises:
        Unusable: an operation cannot be said in the plan language.
    """
    for at, operation in enumerate(operations, start=1):
        if any(not 1 <= k < at for k in operation.needs):
            raise Unusable("malformed", f"step {at} refers to no earlier step")
    builder = _Builder(operations, source)
    for at, operation in enumerate(operations, start=1):
        builder.phrases[at] = builder.read(operation)
    builder.build(len(operations))
    return builder.steps


class _Builder:
    """Reads operations in order and builds a step when its answer is needed."""

    def __init__(self, operations: Sequence[Operation], source: str) -> None:
        self.operations = operations
        self.source = source
        self.phrases: dict[int, _Phrase] = {}
        self.steps: list[Step] = []
        self.numbers: dict[int, int] = {}
        self.lists = {
            int(match["items"])
            for operation in operations
            for pattern in (_WHERE, _SORTED, _PER_ITEM)
            if (match := pattern.fullmatch(operation.text))
        }
        self.readers: dict[str, Callable[[str], _Phrase]] = {
            "select": self._select,
            "project": self._project,
            "none": self._project,
            "filter": self._filter,
            "aggregate": self._aggregate,
            "group": self._group,
            "superlative": self._superlative,
            "comparative": self._comparative,
            "comparison": self._comparison,
            "arithmetic": self._arithmetic,
            "union": self._union,
            "intersection": self._intersection,
            "discard": self._discard,
            "boolean": self._boolean,
            "sort": self._sort,
        }

    def read(self, operation: Operation) -> _Phrase:
        reader = self.readers.get(operation.kind)
        if reader is None:
            raise Unusable("unknown operator", f"there is no operator {operation.kind!r}")
        return reader(escape_others(operation.text, len(self.phrases) + 1))

    # Building --------------------------------------------------------------------------------

    def build(self, k: int) -> int:
        """The number of the step that answers operation `k`, made now if it is not there."""
        if k not in self.numbers:
            phrase = self.phrases[k]
            if phrase.call:
                self._add(CALCULATOR, phrase.text)
            else:
                self._add(self.source, question(phrase.text), phrase.each)
            self.numbers[k] = len(self.steps)
        return self.numbers[k]

    def _add(self, source: str, text: str, each: int | None = None) -> int:
        self.steps.append(Step(len(self.steps) + 1, (source,), text, each))
        return len(self.steps)

    def _filled(self, text: str) -> str:
        """The text with bare phrases put in and every other reference to a built step."""

        def put(match: re.Match[str]) -> str:
            k = int(match[1])
            phrase = self.phrases[k]
            inline = phrase.bare and k not in self.lists and k not in self.numbers
            return phrase.text if inline else f"#{self.build(k)}"

        return _REFERENCE.sub(put, text)

    def _numbered(self, text: str) -> str:
        """The text with every reference to a built step."""
        return _REFERENCE.sub(lambda match: f"#{self.build(int(match[1]))}", text)

    def _is_list(self, k: int) -> bool:
        phrase = self.phrases[k]
        return not phrase.call and (k in self.lists or is_plural(phrase.text))

    def _words(self, k: int) -> str:
        """Operation `k` in words alone, without references."""
        return _REFERENCE.sub(lambda m: self._words(int(m[1])), self.operations[k - 1].text)

    def _label(self, k: int) -> str:
        """What a value is of: the thing counted or asked about."""
        operation = self.operations[k - 1]
        if operation.kind in ("aggregate", "project", "group") and len(operation.needs) == 1:
            k = operation.needs[0]
        return _cleaned(self._words(k))

    # Questions -------------------------------------------------------------------------------

    def _select(self, text: str) -> _Phrase:
        if _REFERENCE.search(text):
            return self._project(text)
        return _Phrase(text, bare=is_bare(text))

    def _project(self, text: str) -> _Phrase:
        if match := _DAYS.fullmatch(text):
            return self._called("days_between", match["one"], match["other"])
        if formula := operand(self._numbered(text)) if text.startswith("difference ") else None:
            return _Phrase(formula, call=True)
        needs = Operation("project", text).needs
        filled = self._filled(text)
        each = None
        of_all = _OF_ALL.match(text) is not None
        if len(needs) == 1 and self._is_list(needs[0]) and references(filled) and not of_all:
            each = self.numbers[needs[0]]
        return _Phrase(filled, each=each)

    def _filter(self, text: str) -> _Phrase:
        match = _FILTERED.fullmatch(text)
        if not match:
            return self._project(text)
        k, rest = int(match[1]), self._filled(match["rest"])
        phrase = self.phrases[k]
        if k in self.numbers or k in self.lists or phrase.call or phrase.text.startswith("#"):
            verb = re.sub(r"^(?:that|which|who) ", "", rest)
            return _Phrase(f"which of #{self.build(k)} {verb if verb != rest else 'are ' + rest}")
        return _Phrase(f"{phrase.text} {rest}", each=phrase.each)

    def _group(self, text: str) -> _Phrase:
        match = _PER_ITEM.fullmatch(text)
        if not match:
            raise Unusable("group", f"{text!r} is not for each of an earlier step")
        items, what = int(match["items"]), match["what"]
        counted = _NUMBER_OF.fullmatch(what)
        if counted:
            inner = self.operations[int(counted[1]) - 1]
            if inner.kind not in ("project", "filter") or inner.needs != (items,):
                raise Unusable("group", f"{text!r} counts what is not about each item")
            if inner.kind == "filter":
                raise Unusable("group", f"{text!r} counts a filter of its items")
            number = self.build(items)
            return _Phrase(f"how many {_REFERENCE.sub(f'#{number}', inner.text)}", each=number)
        if _REFERENCE.search(what) or re.match(r"(?:sum|average|difference)\b", what):
            raise Unusable("group", f"{text!r} has no call of the calculator")
        number = self.build(items)
        return _Phrase(f"{what} of #{number}", each=number)

    # Calls -----------------------------------------------------------------------------------

    def _called(self, name: str, *operations: str | int) -> _Phrase:
        arguments = ", ".join(f"#{self.build(int(k))}" for k in operations)
        return _Phrase(f"{name}({arguments})", call=True)

    def _aggregate(self, text: str) -> _Phrase:
        match = _AGGREGATE.fullmatch(text)
        if not match:
            return self._project(text)
        what, k = match["what"].casefold(), int(match["of"])
        phrase = self.phrases[k]
        if what == "number":
            if phrase.call or k in self.numbers or not (phrase.bare or is_measure(phrase.text)):
                return self._called("count", k)
            tail = " are there" if phrase.bare else ""
            return _Phrase(f"how many {_without_article(phrase.text)}{tail}", each=phrase.each)
        if what in ("sum", "total"):
            return self._called("sum", k)
        if what in ("average", "mean"):
            total, count = (
                self._add(CALCULATOR, f"{f}(#{self.build(k)})") for f in ("sum", "count")
            )
            return _Phrase(f"#{total} / #{count}", call=True)
        computed_number = phrase.call and not _SETS.match(phrase.text)
        if computed_number or phrase.each or is_measure(phrase.text):
            if re.fullmatch(_MOST, what):
                return self._called("max", k)
            if re.fullmatch(_LEAST, what):
                return self._called("min", k)
        return _Phrase(self._filled_aggregate(what, k))

    def _filled_aggregate(self, what: str, k: int) -> str:
        phrase = self.phrases[k]
        if (
            k in self.numbers
            or k in self.lists
            or phrase.call
            or phrase.each
            or is_asked(phrase.text)
        ):
            return f"the {what} of #{self.build(k)}"
        return f"the {what} of the {_without_article(phrase.text)}"

    def _superlative(self, text: str) -> _Phrase:
        match = _WHERE.fullmatch(text)
        if not match:
            raise Unusable("superlative", f"{text!r} has another form")
        items, values = int(match["items"]), int(match["values"])
        name = "argmax" if re.fullmatch(_MOST, match["what"]) else "argmin"
        one, other = self.build(items), self.build(values)
        if self.steps[other - 1].each != one:
            raise Unusable("superlative", f"#{values} is not a value of each item of #{items}")
        return _Phrase(f"{name}(#{one}, #{other})", call=True)

    def _comparative(self, text: str) -> _Phrase:
        if _WHERE.fullmatch(text):
            return self._superlative(text)
        match = _CONDITION.fullmatch(text)
        if not match:
            raise Unusable("filter by value", f"{text!r} compares with another step")
        items, values = int(match["items"]), int(match["values"])
        value, phrase = self.operations[values - 1], self.phrases[items]
        of = re.fullmatch(rf"(?:the )?(?P<what>[^#]+?) (?:of|for|in) (?:the )?#{items}", value.text)
        if value.kind != "project" or not of or phrase.call or items in self.numbers:
            raise Unusable("filter by value", f"{text!r} filters by a value that is computed")
        condition = re.sub(r"^(?:is|are|was|were) ", "", match["condition"].strip())
        return _Phrase(f"{phrase.text} with {of['what']} {condition}", each=phrase.each)

    def _comparison(self, text: str) -> _Phrase:
        match = _WHICH.fullmatch(text)
        if not match:
            raise Unusable("comparison", f"{text!r} compares in a way that has no call")
        what, rest = match["what"].lower(), [int(k) for k in _REFERENCE.findall(match["rest"])]
        last = re.fullmatch(rf"{_MOST}|last|later|latest|second", what) is not None
        dates = any(is_when(self.phrases[k].text) for k in rest)
        if dates or not re.fullmatch(f"{_MOST}|{_LEAST}", what):
            name = "later" if last else "earlier"
        else:
            name = "argmax" if last else "argmin"
        labels = [self._label(k) for k in rest]
        if len(set(labels)) < len(labels):
            labels = [_cleaned(self._words(k)) for k in rest]
        if len(set(labels)) < len(labels) or not all(labels):
            raise Unusable("comparison", f"what {text!r} compares cannot be told apart")
        pairs = [f"{label}: #{self.build(k)}" for label, k in zip(labels, rest, strict=True)]
        return _Phrase(f"{name}({', '.join(pairs)})", call=True)

    def _arithmetic(self, text: str) -> _Phrase:
        if listed := re.fullmatch(rf"(?:the )?sum of ({_LIST.pattern})", text):
            ks = _REFERENCE.findall(listed[1])
            return _Phrase(" + ".join(f"#{self.build(int(k))}" for k in ks), call=True)
        formula = operand(self._numbered(_UNIT.sub("", text)))
        if formula is None:
            raise Unusable("arithmetic", f"{text!r} has no call of the calculator")
        return _Phrase(formula, call=True)

    def _union(self, text: str) -> _Phrase:
        if not _LIST.fullmatch(text):
            raise Unusable("union", f"{text!r} is not a list of earlier steps")
        return self._called("union", *_REFERENCE.findall(text))

    def _intersection(self, text: str) -> _Phrase:
        match = _BOTH.fullmatch(text)
        if not match:
            raise Unusable("intersection", f"{text!r} has another form")
        what, one, other = match["what"] or "", int(match["one"]), int(match["other"])
        heads = [stem(head(self.phrases[k].text)) for k in (one, other)]
        same_kind = heads[0] == heads[1] and (not what or stem(head(what)) == heads[0])
        if _REFERENCE.search(what) or same_kind or what in ("what", "which", "where", "who"):
            return self._called("intersection", one, other)
        joint = match["in"] or "of"
        if joint in ("are", "is", "between"):
            raise Unusable("intersection", f"{text!r} has another form")
        numbers = [
            self._add(self.source, question(self._filled(f"{what} {joint} #{k}")))
            for k in (one, other)
        ]
        return _Phrase(f"intersection(#{numbers[0]}, #{numbers[1]})", call=True)

    def _discard(self, text: str) -> _Phrase:
        match = _BESIDES.fullmatch(text)
        if not match:
            raise Unusable("discard", f"{text!r} takes nothing away from an earlier step")
        rest = match["rest"]
        if _REFERENCE.search(rest) and not _REFERENCE.fullmatch(rest):
            raise Unusable("discard", f"{text!r} takes away a phrase that is no step")
        all_items = self.build(int(match["all"]))
        away = self._numbered(rest) if "#" in rest else f'"{_cleaned(rest)}"'
        return _Phrase(f"difference(#{all_items}, {away})", call=True)

    def _sort(self, text: str) -> _Phrase:
        match = _SORTED.fullmatch(text)
        if not match:
            raise Unusable("sort", f"{text!r} is not sorted by an earlier step")
        one, other = self.build(int(match["items"])), self.build(int(match["values"]))
        if self.steps[other - 1].each != one:
            raise Unusable("sort", f"{text!r} is sorted by a value that is not each item's")
        return _Phrase(f"sort(#{one}, #{other})", call=True)

    def _boolean(self, text: str) -> _Phrase:
        asked = re.sub(r"^if (?:the )?(#\d+) (is|are|was|were) ", r"\2 \1 ", text)
        asked = re.sub(r"^(?:are|was|were) ", "is ", asked)
        if asked.startswith("is #"):
            asked = self._numbered(asked)
            if calls := computed(asked, len(self.steps) + 1):
                for call in calls[:-1]:
                    self._add(CALCULATOR, call)
                return _Phrase(calls[-1], call=True)
            if match := _NAMED.fullmatch(asked):
                return _Phrase(f'same(#{match[1]}, "{match["name"]}")', call=True)
            return _Phrase(asked)
        said = self._filled(re.sub(r"^if ", "", text))
        return _Phrase(said if said != text and is_asked(said) else f"is it true that {said}")


def _cleaned(text: str) -> str:
    """The text as a label of a call: without signs that part arguments, at most 60 characters."""
    text = " ".join(re.sub(r'[#:;,()"“”\[\]]', " ", text).split())
    text = re.sub(r"^(?:when|where|what|who) (?:is|are|was|were|did|does|do) ", "", text)
    text = re.sub(r"^(?:the|a|an) ", "", text)
    return text if len(text) <= MAX_LABEL else text[:MAX_LABEL].rpartition(" ")[0]


def _without_article(text: str) -> str:
    return re.sub(r"^(?:the|a|an) ", "", text)
