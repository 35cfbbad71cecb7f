"""What each operation of the calculator gives for its arguments.

Selecting operations (`argmax(A: #1, B: #2)`) give back labels, ordering ones need values of one
kind, set operations compare texts without case, accents and punctuation.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal, TypeAlias

from centerlm.errors import SourceError
from centerlm.finding import Quantity, Value, enumerated, format_value, named_items
from centerlm.sources.base import Binding
from centerlm.sources.calculator import algebra
from centerlm.sources.calculator.calls import Argument, Call, Item, read_argument
from centerlm.sources.calculator.dates import Moment
from centerlm.sources.calculator.units import convert_number, parse_unit
from centerlm.sources.calculator.values import (
    Measure,
    as_moment,
    as_value,
    measure,
    reading_of,
    text_key,
)


@dataclass(frozen=True, slots=True)
class Computed:
    """A result, and what the reader should know about how it came about.

    `skipped` counts the items that had no answer and were left out.
    """

    value: Value
    notes: tuple[str, ...] = ()
    skipped: int = 0


Order: TypeAlias = Literal["less", "equal", "greater"]
MAX_TEXTS = 1000


def compute_call(call: Call, values: Mapping[int, Binding]) -> Computed:
    """Carry out one call.

    Raises:
        SourceError: its arguments do not fit the operation.
    """
    if call.name == "convert":
        return _convert(call, values)
    arguments = [read_argument(text, values) for text in call.arguments]
    result = _OPERATIONS[call.name](arguments)
    skipped = result.skipped or sum(argument.skipped for argument in arguments)
    if not skipped:
        return result
    note = f"{skipped} item{'s' if skipped > 1 else ''} without an answer left out"
    return Computed(result.value, (*result.notes, note), skipped)


def _convert(call: Call, values: Mapping[int, Binding]) -> Computed:
    if len(call.arguments) != 2:
        raise SourceError("convert needs a quantity and a unit, e.g. convert(#1, km)")
    item = read_argument(call.arguments[0], values).one()
    target = call.arguments[1].strip("\"' ").removeprefix("to ")
    unit = parse_unit(target, any_unit=True)
    if unit is None:
        raise SourceError(f"{target!r} is not a unit I know")
    measured = measure(item.value, item.name)
    if not isinstance(measured, Quantity) and isinstance(item.value, str):
        # A unit outside the table ("1 furlong") reads as a noun until a conversion asks for it.
        reading = reading_of(item.value, strict=True)
        measured = reading.measure if reading else measured
    return Computed(algebra.convert(measured, unit, item.name))


def _two(arguments: list[Argument], name: str) -> tuple[Item, Item]:
    items = _all_items(arguments)
    if len(items) != 2:
        raise SourceError(f"{name} needs two values, not {len(items)}")
    return items[0], items[1]


def _all_items(arguments: list[Argument]) -> list[Item]:
    return [item for argument in arguments for item in argument.items]


def _some_items(arguments: list[Argument]) -> list[Item]:
    items = _all_items(arguments)
    if not items:
        raise SourceError(f"{', '.join(a.text for a in arguments)} has no answer to work on")
    return items


def _check_reading(items: list[Item]) -> None:
    """Refuse more texts than can be read in a few dozen milliseconds."""
    texts = sum(isinstance(item.value, str) for item in items)
    if texts > MAX_TEXTS:
        raise SourceError(f"{texts:,} texts are more than the {MAX_TEXTS:,} it reads at once")


# Comparing ---------------------------------------------------------------------------------------


def _measures(items: list[Item], *, dates: bool = False) -> list[Measure]:
    """The items' measures, all of one kind: numbers, quantities in the first one's unit, or dates.

    A bare year stands with dates as a year; otherwise kinds do not mix.
    """
    _check_reading(items)
    found = [item.measure() for item in items]
    if dates or any(isinstance(m, Moment) for m in found):
        return [as_moment(m, i.name) for m, i in zip(found, items, strict=True)]
    first = found[0]
    if not isinstance(first, Quantity):
        for other, item in zip(found, items, strict=True):
            if isinstance(other, Quantity):
                raise SourceError(_only_one_unit(item, items[0]))
        return found
    same_unit: list[Measure] = []
    for other, item in zip(found, items, strict=True):
        if not isinstance(other, Quantity):
            raise SourceError(_only_one_unit(items[0], item))
        same_unit.append(Quantity(convert_number(other.number, other.unit, first.unit), first.unit))
    return same_unit


def _only_one_unit(with_unit: Item, without: Item) -> str:
    return (
        f"{with_unit.name} is {format_value(with_unit.value)!r} but {without.name} is "
        f"{format_value(without.value)!r}, without a unit"
    )


def _order(left: Measure, right: Measure) -> Order:
    if isinstance(left, Moment) and isinstance(right, Moment):
        if left.last < right.first:
            return "less"
        if left.first > right.last:
            return "greater"
        if (left.first, left.last) == (right.first, right.last):
            return "equal"
        raise SourceError(f"{left} and {right} overlap, so which comes first is not known")
    one, other = _number(left), _number(right)
    return "less" if one < other else "greater" if one > other else "equal"


def _number(item: Measure) -> Fraction:
    if isinstance(item, Quantity):
        return item.number
    if isinstance(item, Fraction):
        return item
    raise SourceError(f"the date {item} cannot be compared with a number")


def _compare(arguments: list[Argument]) -> Computed:
    left, right = _measures(list(_two(arguments, "compare")))
    return Computed(_order(left, right))


def _same(arguments: list[Argument]) -> Computed:
    items = _all_items(arguments)
    if len(items) < 2:
        raise SourceError(f"same needs at least two values, not {len(items)}")
    _check_reading(items)
    return Computed(all(_equal(items[0], item) for item in items[1:]))


def _equal(left: Item, right: Item) -> bool:
    if isinstance(left.value, bool) or isinstance(right.value, bool):
        return _truth(left.value) == _truth(right.value)
    if text_key(left.value) == text_key(right.value) and text_key(left.value):
        return True
    one, other = reading_of(left.value), reading_of(right.value)
    if one is None or other is None:
        return False
    if one.noun and other.noun and one.noun != other.noun:
        return False
    try:
        first, second = _measures([left, right])
    except SourceError:
        return False  # of different kinds, e.g. 5 km and 5 kg: not the same
    return _order(first, second) == "equal"


def _truth(value: Value) -> bool | str:
    words = {"yes": True, "true": True, "no": False, "false": False}
    return value if isinstance(value, bool) else words.get(text_key(value), text_key(value))


# Selecting ---------------------------------------------------------------------------------------


def _candidates(arguments: list[Argument]) -> tuple[list[Item], int]:
    """The labelled values to choose from, and how many pairs had no answer.

    Two unlabelled lists are labels and values, in the same order; the first may be a text that
    enumerates as many.
    """
    if len(arguments) == 2 and arguments[1].listed:
        arguments = [_opened(arguments[0], arguments[1]), arguments[1]]
    pair = len(arguments) == 2 and all(a.listed and not a.labelled for a in arguments)
    if not pair:
        return _some_items(arguments), 0
    labels, numbers = arguments
    sizes = [len(a.items) + a.skipped for a in arguments]
    if sizes[0] != sizes[1]:
        raise SourceError(
            f"{labels.text} has {sizes[0]} items and {numbers.text} has {sizes[1]}, "
            "so they cannot be paired"
        )
    by_place = {item.place: item.value for item in labels.items}
    items = [
        Item(item.value, by_place[item.place], item.name, item.place)
        for item in numbers.items
        if item.place in by_place
    ]
    if not items:
        raise SourceError(f"{numbers.text} has no answer to work on")
    return items, sizes[0] - len(items)


def _opened(labels: Argument, values: Argument) -> Argument:
    """Labels that are one text, as the parts it enumerates where there are as many as values."""
    if labels.listed or labels.labelled or len(labels.items) != 1:
        return labels
    text = labels.items[0].value
    parts = named_items(text) if isinstance(text, str) else ()
    if len(parts) != len(values.items) + values.skipped:
        return labels
    items = tuple(Item(part, None, labels.text, place) for place, part in enumerate(parts, 1))
    return replace(labels, items=items, listed=True)


def _select(arguments: list[Argument], wanted: Order, *, dates: bool, name: str) -> Computed:
    items, skipped = _candidates(arguments)
    if len(items) < 2 and not any(a.listed for a in arguments):
        raise SourceError(f"{name} needs at least two values, not {len(items)}")
    best = _best(_measures(items, dates=dates), wanted)
    chosen = [items[at].label if items[at].label is not None else items[at].value for at in best]
    if len(chosen) == 1:
        return Computed(chosen[0], (), skipped)
    return Computed(tuple(chosen), (f"{len(chosen)} are equal",), skipped)


def _best(measures: list[Measure], wanted: Order) -> list[int]:
    """Places of the extreme values; several where they are equal.

    A pair of dates whose order is not known matters only where one of them may be the extreme.
    """
    if isinstance(measures[0], Moment):
        return _best_moments([m for m in measures if isinstance(m, Moment)], wanted)
    numbers = [_number(m) for m in measures]
    extreme = min(numbers) if wanted == "less" else max(numbers)
    return [at for at, number in enumerate(numbers) if number == extreme]


def _best_moments(moments: list[Moment], wanted: Order) -> list[int]:
    if wanted == "less":
        top = min(moments, key=lambda m: m.last)
        rivals = [at for at, m in enumerate(moments) if m.first <= top.last]
    else:
        top = max(moments, key=lambda m: m.first)
        rivals = [at for at, m in enumerate(moments) if m.last >= top.first]
    for at in rivals:
        _order(moments[at], top)  # raises where the two overlap without being equal
    return rivals


def _selecting(name: str, wanted: Order, *, dates: bool) -> Callable[[list[Argument]], Computed]:
    return lambda arguments: _select(arguments, wanted, dates=dates, name=name)


def _extreme(wanted: Order) -> Callable[[list[Argument]], Computed]:
    def operation(arguments: list[Argument]) -> Computed:
        measures = _measures(_some_items(arguments))
        return Computed(as_value(measures[_best(measures, wanted)[0]]))

    return operation


def _sort(arguments: list[Argument]) -> Computed:
    items, skipped = _candidates(arguments)
    _check_reading(items)
    if all(item.label is None and reading_of(item.value) is None for item in items):
        return Computed(tuple(sorted((item.value for item in items), key=text_key)), (), skipped)
    measures = _measures(items)
    places = sorted(range(len(items)), key=lambda at: _sort_key(measures[at]))
    for before, after in itertools.pairwise(places):
        _order(measures[before], measures[after])  # raises where dates overlap
    chosen = [items[at].label if items[at].label is not None else items[at].value for at in places]
    return Computed(tuple(chosen), (), skipped)


def _sort_key(item: Measure) -> tuple[Fraction, ...]:
    if isinstance(item, Moment):
        return tuple(Fraction(part) for part in (*item.first, *item.last))
    return (_number(item),)


# Counting and sets -------------------------------------------------------------------------------


def _listed(argument: Argument) -> tuple[list[Item], tuple[str, ...]]:
    """The items of an argument, where one text that enumerates ("A, B and C") is its parts."""
    if argument.listed or len(argument.items) != 1:
        return list(argument.items), ()
    item = argument.items[0]
    parts = _enumerated(item.value) if isinstance(item.value, str) else ()
    if len(parts) < 2:
        return [item], ()
    items = [Item(part, None, item.name) for part in parts]
    return items, (f"{argument.text} was read as {len(parts)} items",)


def _enumerated(text: str) -> tuple[str, ...]:
    """What a text enumerates, unless it reads as one value."""
    parts = enumerated(text)
    return parts if "," not in text or reading_of(text[:100]) is None else ()


def _count(arguments: list[Argument]) -> Computed:
    total, notes = 0, ()
    for argument in arguments:
        items, note = _listed(argument)
        total += len(items)
        notes += note
    return Computed(Fraction(total), notes)


def _sum(arguments: list[Argument]) -> Computed:
    measures = _measures(_some_items(arguments))
    total = measures[0]
    for item in measures[1:]:
        total = algebra.apply("+", total, item)
    return Computed(as_value(total))


def _sets(
    name: str, keep: Callable[[list[set[str]], str], bool]
) -> Callable[[list[Argument]], Computed]:
    def operation(arguments: list[Argument]) -> Computed:
        if len(arguments) < 2:
            raise SourceError(f"{name} needs at least two lists, not {len(arguments)}")
        lists: list[list[Item]] = []
        notes: tuple[str, ...] = ()
        for argument in arguments:
            items, note = _listed(argument)
            lists.append(items)
            notes += note
        _check_reading([item for items in lists for item in items])
        keyed = [[(_key(item.value), item.value) for item in items] for items in lists]
        sets = [{key for key, _ in items} for items in keyed]
        chosen: dict[str, Value] = {}
        for key, value in (pair for items in keyed for pair in items):
            if keep(sets, key):
                chosen.setdefault(key, value)
        return Computed(tuple(chosen.values()), notes)

    return operation


def _key(value: Value) -> str:
    if not isinstance(value, bool) and (reading := reading_of(value)) is not None:
        return f"{format_value(as_value(reading.measure))} {reading.noun}"
    return text_key(value)


def _days_between(arguments: list[Argument]) -> Computed:
    left, right = _measures(list(_two(arguments, "days_between")), dates=True)
    if not isinstance(left, Moment) or not isinstance(right, Moment):
        raise SourceError("days_between needs two dates")
    return Computed(Fraction(abs((left.as_date() - right.as_date()).days)))


def _years_between(arguments: list[Argument]) -> Computed:
    left, right = _measures(list(_two(arguments, "years_between")), dates=True)
    if not isinstance(left, Moment) or not isinstance(right, Moment):
        raise SourceError("years_between needs two dates or years")
    early, late = sorted((left, right), key=lambda moment: moment.first)
    years = late.year - early.year
    if early.day and late.day and late.first[1:] < early.first[1:]:
        years -= 1  # the last one is not over
    return Computed(Fraction(years))


_OPERATIONS: Mapping[str, Callable[[list[Argument]], Computed]] = {
    "compare": _compare,
    "same": _same,
    "earlier": _selecting("earlier", "less", dates=True),
    "later": _selecting("later", "greater", dates=True),
    "argmin": _selecting("argmin", "less", dates=False),
    "argmax": _selecting("argmax", "greater", dates=False),
    "min": _extreme("less"),
    "max": _extreme("greater"),
    "sort": _sort,
    "count": _count,
    "sum": _sum,
    "union": _sets("union", lambda sets, key: True),
    "intersection": _sets("intersection", lambda sets, key: all(key in s for s in sets)),
    "difference": _sets(
        "difference", lambda sets, key: key in sets[0] and all(key not in s for s in sets[1:])
    ),
    "days_between": _days_between,
    "years_between": _years_between,
}
