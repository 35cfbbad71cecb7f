"""A small interpreter of GBNF (the grammar notation of llama.cpp): generate from it, recognise.

Knows what centerlm's grammars use: rules, literals, character classes, groups, alternatives and
the repetitions `? * + {n} {n,m}`. Written from llama.cpp's description of the notation, not from
centerlm's grammars, so that the two check each other.
"""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Literal:
    text: str


@dataclass(frozen=True, slots=True)
class Class:
    negated: bool
    ranges: tuple[tuple[str, str], ...]

    def has(self, character: str) -> bool:
        return self.negated != any(low <= character <= high for low, high in self.ranges)


@dataclass(frozen=True, slots=True)
class Name:
    name: str


@dataclass(frozen=True, slots=True)
class Repeat:
    of: Node
    low: int
    high: int | None


@dataclass(frozen=True, slots=True)
class Sequence:
    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    parts: tuple[Node, ...]


Node = Literal | Class | Name | Repeat | Sequence | Choice
Rules = dict[str, Node]

_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", '"': '"', "[": "[", "]": "]"}
_HEX = {"x": 2, "u": 4, "U": 8}
_WORD = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-")


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def take(self, wanted: str) -> bool:
        if self.text.startswith(wanted, self.at):
            self.at += len(wanted)
            return True
        return False

    def space(self, *, lines: bool) -> None:
        while self.peek() and self.peek() in (" \t\n" if lines else " \t"):
            self.at += 1

    def word(self) -> str:
        start = self.at
        while self.peek() in _WORD and self.peek():
            self.at += 1
        assert self.at > start, f"a name is missing at {self.text[start : start + 30]!r}"
        return self.text[start : self.at]

    def character(self) -> str:
        character = self.peek()
        assert character and character != "\n", "the grammar ends inside a literal or class"
        self.at += 1
        if character != "\\":
            return character
        kind = self.peek()
        self.at += 1
        if kind in _HEX:
            digits = self.text[self.at : self.at + _HEX[kind]]
            self.at += _HEX[kind]
            return chr(int(digits, 16))
        return _ESCAPES[kind]

    def rules(self) -> Rules:
        rules: Rules = {}
        self.space(lines=True)
        while self.peek():
            name = self.word()
            self.space(lines=False)
            assert self.take("::="), f"::= is missing after {name}"
            assert name not in rules, f"{name} is defined twice"
            rules[name] = self.choice(inside=False)
            assert not self.peek() or self.take("\n"), f"rubbish after rule {name}"
            self.space(lines=True)
        return rules

    def choice(self, *, inside: bool) -> Node:
        parts = [self.sequence(inside=inside)]
        while self.take("|"):
            parts.append(self.sequence(inside=inside))
        return parts[0] if len(parts) == 1 else Choice(tuple(parts))

    def sequence(self, *, inside: bool) -> Node:
        parts: list[Node] = []
        self.space(lines=inside)
        while (next_ := self.peek()) and next_ not in "|)\n":
            parts.append(self.repeated(inside=inside))
            self.space(lines=inside)
        assert parts, "an alternative is empty"
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    def repeated(self, *, inside: bool) -> Node:
        del inside
        node = self.atom()
        while True:
            if self.take("?"):
                node = Repeat(node, 0, 1)
            elif self.take("*"):
                node = Repeat(node, 0, None)
            elif self.take("+"):
                node = Repeat(node, 1, None)
            elif self.take("{"):
                end = self.text.index("}", self.at)
                low, comma, high = self.text[self.at : end].partition(",")
                self.at = end + 1
                node = Repeat(node, int(low), int(high) if high else None if comma else int(low))
            else:
                return node

    def atom(self) -> Node:
        if self.take('"'):
            text = ""
            while not self.take('"'):
                text += self.character()
            return Literal(text)
        if self.take("["):
            negated, ranges = self.take("^"), list[tuple[str, str]]()
            while not self.take("]"):
                low = self.character()
                dash = self.peek() == "-" and self.text[self.at + 1] != "]"
                self.at += dash
                ranges.append((low, self.character() if dash else low))
            return Class(negated, tuple(ranges))
        if self.take("("):
            node = self.choice(inside=True)
            assert self.take(")"), "a bracket is not closed"
            return node
        return Name(self.word())


def parse_grammar(text: str) -> Rules:
    """The rules of a grammar; fails an assertion where it is not one or names a missing rule."""
    rules = _Parser(text).rules()
    assert "root" in rules
    for node in rules.values():
        _check(node, rules)
    return rules


def _check(node: Node, rules: Rules) -> None:
    match node:
        case Name(name):
            assert name in rules, f"there is no rule {name}"
        case Repeat(of, _, _):
            _check(of, rules)
        case Sequence(parts) | Choice(parts):
            for part in parts:
                _check(part, rules)
        case _:
            pass


ODD = "#|[] \t0123456789eachABCxyz?!.,;:'\"\\/()<>{}-_éß\u0661\u00a0\u3000日本語😀\u0301²\u2603½"
"""Characters that a text may hold and that trip up readers of plans."""


def generate(rules: Rules, rng: random.Random, alphabet: str = ODD, name: str = "root") -> str:
    """A random string of the grammar. Characters of classes come from `alphabet`, now and then
    from all of Unicode.
    """
    out: list[str] = []

    def walk(node: Node) -> None:
        match node:
            case Literal(text):
                out.append(text)
            case Class():
                out.append(_member(node, rng, alphabet))
            case Name(other):
                walk(rules[other])
            case Sequence(parts):
                for part in parts:
                    walk(part)
            case Choice(parts):
                walk(rng.choice(parts))
            case Repeat(of, low, high):
                top = low + 5 if high is None else high
                few = min(top, low + 2)
                for _ in range(rng.choice((low, top, rng.randint(low, top), few))):
                    walk(of)

    walk(rules[name])
    return "".join(out)


def _member(node: Class, rng: random.Random, alphabet: str) -> str:
    if not node.negated:
        low, high = rng.choice(node.ranges)
        return chr(rng.randint(ord(low), ord(high)))
    while True:
        character = rng.choice(alphabet) if rng.random() < 0.97 else chr(rng.randrange(0x110000))
        surrogate = 0xD800 <= ord(character) <= 0xDFFF  # decoding yields UTF-8: none can come out
        if node.has(character) and not surrogate:
            return character


def accepts(rules: Rules, text: str, name: str = "root") -> bool:
    """Whether the whole text belongs to the grammar."""
    memo: dict[tuple[int, int], frozenset[int]] = {}

    def ends(node: Node, at: int) -> frozenset[int]:
        key = (id(node), at)
        if key not in memo:
            memo[key] = frozenset(_ends(node, at))
        return memo[key]

    def _ends(node: Node, at: int) -> set[int]:
        match node:
            case Literal(wanted):
                return {at + len(wanted)} if text.startswith(wanted, at) else set()
            case Class():
                return {at + 1} if at < len(text) and node.has(text[at]) else set()
            case Name(other):
                return set(ends(rules[other], at))
            case Choice(parts):
                return {end for part in parts for end in ends(part, at)}
            case Sequence(parts):
                places = {at}
                for part in parts:
                    places = {end for place in places for end in ends(part, place)}
                return places
            case Repeat(of, low, high):
                places, found, count = {at}, ({at} if low == 0 else set[int]()), 0
                while places and (high is None or count < high):
                    places = {end for place in places for end in ends(of, place)}
                    count += 1
                    if count >= low:
                        if places <= found:
                            break
                        found |= places
                return found

    return len(text) in ends(rules[name], 0)
