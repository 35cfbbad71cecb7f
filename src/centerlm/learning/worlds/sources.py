"""The sources of a world apart from its documents, to solve its questions with.

Experts answer with free text about the things they know, the user from what is theirs, the machine
by its hidden rule; distractors know nothing. What each says is fixed by the world.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from fractions import Fraction

from centerlm.errors import InputError, SourceError
from centerlm.finding import Finding, Status, Usage, Value, failed, nothing
from centerlm.learning.worlds.cards import ALWAYS
from centerlm.learning.worlds.measures import measure
from centerlm.learning.worlds.secrets import LARGEST, Machine, Secrets, privates
from centerlm.learning.worlds.world import World
from centerlm.sources.base import Card, Seek, Source
from centerlm.sources.experiment import Experiment, NamedExperiment
from centerlm.sources.person import Person
from centerlm.verify import contains, words

_PRONOUNS = {"my": "your", "i": "you", "am": "are"}


@dataclass(frozen=True, slots=True)
class WorldSource:
    """A card and what it answers. `answer` raises SourceError where the request cannot be met."""

    card: Card
    answer: Callable[[Seek], Finding]

    def bound(self, seek: Seek) -> Usage:
        del seek
        return Usage(calls=1, cost=self.card.price)

    async def seek(self, seek: Seek) -> Finding:
        try:
            return self.answer(seek)
        except SourceError as error:
            return failed(str(error), source=self.card.name)


def world_sources(world: World, *, names: Collection[str] | None = None) -> tuple[Source, ...]:
    """The world's sources but documents and calculator: all of them, or those named.

    Names of these two are passed over, so that the names of a question's cards may be given.

    Raises:
        InputError: a name that is no source of this world.
    """
    if unknown := sorted({*(names or ())} - {*world.cards}):
        raise InputError(
            f"{world.id} has no source {unknown[0]!r}; known: {', '.join(world.cards)}"
        )
    chosen = [n for n in world.cards if n not in ALWAYS and (names is None or n in names)]
    return tuple(_source(world, world.cards[name]) for name in chosen)


def _source(world: World, card: Card) -> Source:
    secrets = world.secrets
    if card.name == "person":

        async def ask(question: str) -> str | None:
            return private_answer(secrets, question)

        return Person(ask, knows=card.knows)
    if card.name == "experiment":
        return Experiment([machine_experiment(secrets.machine)], python=False, card=card)
    field = card.name.partition(":")[2]
    return WorldSource(card, lambda seek: _heard(secrets, card.name, field, seek))


def private_answer(secrets: Secrets, question: str) -> str | None:
    """What the user answers: None unless the question names something of theirs."""
    asked = words(question)
    for item in privates():
        if item.mine not in secrets.private:
            continue
        yours = [_PRONOUNS.get(word, word) for word in words(item.mine)]
        named = any(
            contains(" ".join(asked), " ".join(form)) for form in (words(item.asked), yours)
        )
        if named or contains(question, item.mine):
            return secrets.private[item.mine][0]
    return None


def _heard(secrets: Secrets, name: str, field: str, seek: Seek) -> Finding:
    """The reply about the first thing of the field that the request names."""
    for known in secrets.experts.values():
        if known.field == field and contains(seek.text, known.thing):
            text = known.reply.text
            return Finding(Status.FOUND, text=text, source=name, usage=Usage(calls=1))
    return nothing(f"{name} does not know", source=name)


def machine_experiment(machine: Machine) -> NamedExperiment:
    """The world's machine as something to try out: one whole number in, one out."""

    def run(arguments: tuple[Value, ...]) -> Value:
        number = _whole(arguments[0]) if len(arguments) == 1 else None
        if number is None or not 0 <= number <= LARGEST:
            raise SourceError(f"{machine.name} takes whole numbers from 0 to {LARGEST}")
        return machine.run(number)

    form = f"{machine.name}(number)"
    return NamedExperiment(machine.name, form, "what the machine gives", run)


def _whole(given: object) -> int | None:
    match given:
        case bool():
            return None
        case int():
            return given
        case Fraction() if given.denominator == 1:
            return given.numerator
        case str() if (value := measure(given)) and not value.unit:
            return value.number.numerator if value.number.denominator == 1 else None
        case _:
            return None
