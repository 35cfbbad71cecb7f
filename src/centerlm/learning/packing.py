"""Packing training examples so that what they share is computed once.

Prompts of one act begin alike: the system message, the cards, often the very same notes. A packed
row lays its examples out as a prefix tree: a token sees its ancestors in the tree and nothing else,
at the position it has in its own example, so a row computes exactly what its examples would
compute one by one (tree attention; Miao et al. 2024, "SpecInfer", for decoding). Only tokens of
replies are trained. Pure: no torch, no tokenizer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

SHARE = 0.5
"""Examples are kept together where they share this part of the shorter prompt."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """An example as token ids: `prompt` of them are the prompt, the rest the reply.

    `weight` (0 or more) scales the loss of each of its reply's tokens. `act` is what batches are
    mixed by.
    """

    ids: tuple[int, ...]
    prompt: int
    act: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of tokens of a row that belongs to the same examples."""

    start: int
    end: int
    parent: int
    """Index of the segment this one continues; -1 for a beginning."""
    position: int
    """Position of its first token in its examples."""


@dataclass(frozen=True, slots=True)
class PackedRow:
    """A prefix tree of examples, flattened.

    After token `at[i]` the reply continues with token `targets[i]`, whose loss counts `weights[i]`.
    `plain` is how many tokens the examples have one by one, `examples` how many they are.
    """

    ids: tuple[int, ...]
    segments: tuple[Segment, ...]
    at: tuple[int, ...]
    targets: tuple[int, ...]
    weights: tuple[float, ...]
    plain: int
    examples: int

    @property
    def positions(self) -> list[int]:
        """Position ids, one a token."""
        return [
            segment.position + offset
            for segment in self.segments
            for offset in range(segment.end - segment.start)
        ]

    def visible(self, index: int) -> list[Segment]:
        """The segments that the tokens of segment `index` see, itself included."""
        seen: list[Segment] = []
        while index >= 0:
            seen.append(self.segments[index])
            index = self.segments[index].parent
        return seen


def pack_row(examples: Sequence[Tokens]) -> PackedRow:
    """One row of these examples, in any order; equal beginnings are kept once."""
    ordered = sorted(examples, key=lambda example: example.ids)
    builder = _Builder()
    previous: tuple[int, ...] = ()
    for example in ordered:
        builder.add(example, shared_prefix(previous, example.ids))
        previous = example.ids
    return builder.row(sum(len(e.ids) for e in examples), len(examples))


@dataclass(slots=True)
class _Builder:
    """The row so far, and the path of the last example: (segment, its start, its end) in it."""

    ids: list[int] = field(default_factory=list[int])
    segments: list[Segment] = field(default_factory=list[Segment])
    path: list[int] = field(default_factory=list[int])
    at: list[int] = field(default_factory=list[int])
    targets: list[int] = field(default_factory=list[int])
    weights: list[float] = field(default_factory=list[float])

    def add(self, example: Tokens, shared: int) -> None:
        """Append what `example` does not share with the one before; `shared` tokens it does."""
        self._keep(shared)
        if shared < len(example.ids):
            parent = self.path[-1] if self.path else -1
            start = len(self.ids)
            self.ids += example.ids[shared:]
            self.segments.append(Segment(start, len(self.ids), parent, shared))
            self.path.append(len(self.segments) - 1)
        places = self._places()
        for position in range(example.prompt, len(example.ids)):
            self.at.append(places[position - 1])
            self.targets.append(example.ids[position])
            self.weights.append(example.weight)

    def _keep(self, shared: int) -> None:
        """Shorten the path to `shared` tokens, splitting the segment it ends in."""
        while self.path and self.segments[self.path[-1]].position >= shared:
            self.path.pop()
        if not self.path:
            return
        last = self.path[-1]
        segment = self.segments[last]
        length = shared - segment.position
        if length >= segment.end - segment.start:
            return
        middle = segment.start + length
        self.segments[last] = Segment(segment.start, middle, segment.parent, segment.position)
        rest = len(self.segments)
        self.segments.append(Segment(middle, segment.end, last, shared))
        for index, other in enumerate(self.segments[:rest]):
            if other.parent == last:
                self.segments[index] = Segment(other.start, other.end, rest, other.position)

    def _places(self) -> list[int]:
        """Where in the row each token of the last example stands."""
        return [
            place
            for index in self.path
            for place in range(self.segments[index].start, self.segments[index].end)
        ]

    def row(self, plain: int, examples: int) -> PackedRow:
        order = sorted(range(len(self.segments)), key=lambda i: self.segments[i].start)
        new = {old: index for index, old in enumerate(order)} | {-1: -1}
        segments = tuple(
            Segment(s.start, s.end, new[s.parent], s.position)
            for s in (self.segments[i] for i in order)
        )
        return PackedRow(
            tuple(self.ids),
            segments,
            tuple(self.at),
            tuple(self.targets),
            tuple(self.weights),
            plain,
            examples,
        )


def shared_prefix(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens two sequences begin with in common."""
    length = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        length += 1
    return length


def families(examples: Iterable[Tokens], row_tokens: int) -> list[list[Tokens]]:
    """Examples that share much of their prompts, in groups whose tree fits a row.

    An example longer than a row is a group of its own.
    """
    groups: list[list[Tokens]] = []
    size = 0
    for example in sorted(examples, key=lambda e: (e.act, e.ids)):
        if groups:
            last = groups[-1][-1]
            shared = shared_prefix(last.ids, example.ids)
            more = len(example.ids) - shared
            close = shared >= SHARE * min(last.prompt, example.prompt)
            if last.act == example.act and close and size + more <= row_tokens:
                groups[-1].append(example)
                size += more
                continue
        groups.append([example])
        size = len(example.ids)
    return groups


def updates(
    examples: Sequence[Tokens],
    *,
    row_tokens: int,
    rows: int,
    mix: Mapping[str, float],
    seed: int,
) -> Iterator[list[PackedRow]]:
    """One pass over the examples: `rows` rows of at most `row_tokens` tokens for each update.

    Every row mixes the acts (`in_turn`) by `mix`, shares of examples (an act without one takes its
    share of the data), until the examples of an act run out. An example longer than a row is a row
    of its own.

    Raises:
        ValueError: no examples.
    """
    if not examples:
        raise ValueError("there are no examples to train on")
    update: list[PackedRow] = []
    row: list[Tokens] = []
    for group in in_turn(examples, row_tokens=row_tokens, mix=mix, seed=seed):
        if row and len(pack_row([*row, *group]).ids) > row_tokens:
            update.append(pack_row(row))
            row = []
            if len(update) == rows:
                yield update
                update = []
        row += group
    update.append(pack_row(row))
    yield update


def in_turn(
    examples: Sequence[Tokens], *, row_tokens: int, mix: Mapping[str, float], seed: int
) -> Iterator[list[Tokens]]:
    """All examples in groups that share much, the acts in turn: the next group is always of the
    act that lags most behind its share of `mix`. The order in an act is shuffled by `seed`.
    """
    random = Random(seed)
    waiting: dict[str, list[list[Tokens]]] = {}
    for group in families(examples, row_tokens):
        waiting.setdefault(group[0].act, []).append(group)
    for act in sorted(waiting):
        random.shuffle(waiting[act])
    counts = {act: sum(map(len, groups)) for act, groups in waiting.items()}
    shares = {act: mix.get(act) or counts[act] / len(examples) for act in waiting}
    taken = dict.fromkeys(waiting, 0)
    while any(waiting.values()):
        act = min((a for a in sorted(waiting) if waiting[a]), key=lambda a: taken[a] / shares[a])
        group = waiting[act].pop()
        taken[act] += len(group)
        yield group
