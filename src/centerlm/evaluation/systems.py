"""The systems that every scenario can run: one model, the same sources and budget, another way.

All of them are the same engine with something replaced, so that what differs between two rows of a
table is what their names say.
"""

from __future__ import annotations

import difflib
import hashlib
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from centerlm.acts import Absorbed, AbsorbView, Asked, PlanView, Request, SeekView
from centerlm.errors import InputError, PlanError
from centerlm.evaluation.items import Item
from centerlm.evaluation.iterated import iterated
from centerlm.evaluation.memories import Remembers
from centerlm.evaluation.oracle import OracleCenter
from centerlm.evaluation.react import react_level
from centerlm.evaluation.stepping import StepExperience
from centerlm.evaluation.stepwise import Stepped, stepwise
from centerlm.finding import Finding, Passage, Status, Usage
from centerlm.learning.arms import ANSWER
from centerlm.levels import solve_level
from centerlm.models.base import LanguageModel, Message, Prompt, Sampling
from centerlm.objective import Objective
from centerlm.plan import Plan, make_plan
from centerlm.planning import is_leaf
from centerlm.protocols import Center
from centerlm.reading import PlanReader
from centerlm.run import Options
from centerlm.solver import Descend
from centerlm.sources.base import Card, Seek, Source
from centerlm.sources.documents import cite

COT_TOKENS = 256
_COT = "Think step by step, then write a last line: Answer: and the answer in a few words."


@dataclass(frozen=True, slots=True)
class Centers:
    """The center that is evaluated; `fragmentation` and `cot` are the same base model with weights
    trained so, where there are any.
    """

    center: Center
    fragmentation: Center | None = None
    cot: Center | None = None


@dataclass(frozen=True, slots=True)
class Arranged:
    """A system put together for one item."""

    objective: Objective
    center: Center
    sources: Sequence[Source]
    options: Options
    descend: Descend = solve_level


@dataclass(frozen=True, slots=True)
class Setting:
    """What a system may use for an item. `main` is the source that "single-source" has."""

    item: Item
    centers: Centers
    sources: Sequence[Source]
    main: str
    objective: Objective
    options: Options


@dataclass(frozen=True, slots=True)
class System:
    """A name, what it is in one line, and how it is put together; None: not for this item.

    `remembers` says what its plans may recall: see `evaluation.memories`.
    """

    name: str
    about: str
    arrange: Callable[[Setting], Arranged | None]
    remembers: Remembers = "given"


def named_systems(names: Sequence[str]) -> tuple[System, ...]:
    """The systems of these names, in order.

    Raises:
        InputError: there is no such system (a close one is offered), or one is named twice.
    """
    found: dict[str, System] = {}
    for name in names:
        if name not in SYSTEMS:
            close = difflib.get_close_matches(name, SYSTEMS, n=1)
            hint = f"did you mean {close[0]!r}? " if close else ""
            raise InputError(f"there is no system {name[:80]!r}; {hint}known: {', '.join(SYSTEMS)}")
        if name in found:
            raise InputError(f"the system {name!r} is named twice; name it once")
        found[name] = SYSTEMS[name]
    if not found:
        raise InputError(f"no system is named; give --system with any of: {', '.join(SYSTEMS)}")
    return tuple(found.values())


def _direct(setting: Setting) -> Arranged:
    return _arranged(setting, sources=(), depth=0)


def _cot(setting: Setting) -> Arranged | None:
    """Trained chains see the passages of one search, as they did in training; others see none."""
    if setting.centers.cot is not None:
        return _arranged(setting, center=TrainedChain(setting.centers.cot), depth=0)
    return _arranged(setting, sources=(), depth=0, center=CotCenter(setting.centers.center))


def _react(setting: Setting) -> Arranged:
    return replace(_arranged(setting), descend=react_level)


def _retrieve(setting: Setting) -> Arranged | None:
    if not any(is_leaf(source.card) for source in setting.sources):
        return None
    return _arranged(setting, depth=0)


def _iterate(setting: Setting) -> Arranged | None:
    made = _retrieve(setting)
    return None if made is None else replace(made, descend=iterated())


def _stepwise(setting: Setting) -> Arranged | None:
    for source in setting.sources:
        if isinstance(source, Stepped):
            return _stepped(setting, source, None)
    return None


def _experienced(setting: Setting) -> Arranged | None:
    for source in setting.sources:
        if isinstance(source, Stepped) and (experience := source.stepping.experience()):
            return _stepped(setting, source, experience)
    return None


def _stepped(setting: Setting, source: Stepped, experience: StepExperience | None) -> Arranged:
    descend = stepwise(source.card.name, source.stepping, experience)
    return replace(_arranged(setting), descend=descend)


def _fragmentation(setting: Setting) -> Arranged:
    trained = setting.centers.fragmentation
    if trained is None:
        raise InputError(
            "the system fragmentation needs weights trained so: run centerlm learn fragmentation, "
            'and name the adapter in centerlm.toml: [evaluate] fragmentation = "FILE.gguf"'
        )
    return _arranged(setting, center=trained, depth=0)


def _flat(setting: Setting) -> Arranged:
    return _planned(setting, depth=1)


def _holistic(setting: Setting) -> Arranged:
    return _planned(setting)


def _oracle_plan(setting: Setting) -> Arranged | None:
    if not setting.item.plans:
        return None
    told = OracleCenter(setting.centers.center, setting.item.plans)
    return _planned(setting, center=told)


def _oracle_finding(setting: Setting) -> Arranged | None:
    """The search finds the paragraphs that the question needs, whatever it is asked."""
    support = setting.item.support
    searched = next((s for s in setting.sources if is_leaf(s.card)), None)
    if not support or searched is None:
        return None
    titles, texts = zip(*sorted(support), strict=True)
    found = Facts(texts, searched.card, titles)
    return _planned(setting, sources=[found if s is searched else s for s in setting.sources])


def _oracle_answers(setting: Setting) -> Arranged | None:
    item = setting.item
    if not item.plans or not item.answers:
        return None
    told = OracleCenter(setting.centers.center, item.plans, item.answers)
    return _planned(setting, center=told)


def _random_source(setting: Setting) -> Arranged:
    seed = f"{setting.options.seed} {setting.item.id}"
    return _planned(setting, center=RandomSources(setting.centers.center, seed))


def _single_source(setting: Setting) -> Arranged:
    kept = [source for source in setting.sources if source.card.name == setting.main]
    return _planned(setting, sources=kept)


def _gold_facts(setting: Setting) -> Arranged | None:
    if not setting.item.facts:
        return None
    return _arranged(setting, sources=[Facts(setting.item.facts)], depth=0)


def _shuffled_facts(setting: Setting) -> Arranged | None:
    if not setting.item.foreign_facts:
        return None
    return _arranged(setting, sources=[Facts(setting.item.foreign_facts)], depth=0)


def _planned(
    setting: Setting,
    *,
    center: Center | None = None,
    sources: Sequence[Source] | None = None,
    depth: int | None = None,
) -> Arranged:
    """With all ways to go on: asking again, splitting, re-opening."""
    made = _arranged(setting, center=center, sources=sources, depth=depth)
    return replace(made, options=setting.options)


def _arranged(
    setting: Setting,
    *,
    center: Center | None = None,
    sources: Sequence[Source] | None = None,
    depth: int | None = None,
) -> Arranged:
    budget = setting.objective.budget
    depth = budget.depth if depth is None else min(depth, budget.depth)
    return Arranged(
        objective=replace(setting.objective, budget=replace(budget, depth=depth)),
        center=center or setting.centers.center,
        sources=setting.sources if sources is None else sources,
        options=replace(setting.options, reasks=False, splits=False, reopens=0),
    )


SYSTEMS: dict[str, System] = {
    system.name: system
    for system in (
        System("direct", "the model alone answers the question", _direct),
        System("cot", "the model alone thinks step by step, then answers", _cot),
        System("react", "one action at a time, each decided from all that was seen", _react),
        System("retrieve", "one search with the question, then the answer", _retrieve),
        System("iterate", "searches again with the question and the last answer", _iterate),
        System("fragmentation", "one search, weights trained on single answers", _fragmentation),
        System("flat", "the center plans once, without recursion", _flat),
        System("holistic", "the center plans, and hands parts on to itself", _holistic),
        System("holistic-no-memory", "as holistic, recalling nothing", _holistic, "nothing"),
        System(
            "holistic+memory",
            "as holistic, with experience of earlier items",
            _holistic,
            "experience",
        ),
        System("holistic+web", "as holistic, knowing what earlier items found", _holistic, "web"),
        System("stepwise", "the center chooses every step of a proposal", _stepwise),
        System(
            "stepwise-experienced",
            "as stepwise, among steps of the kinds that led to success on other puzzles",
            _experienced,
        ),
        System("oracle-plan", "as holistic, given the right plan", _oracle_plan),
        System("oracle-finding", "as holistic, searches find what is needed", _oracle_finding),
        System(
            "oracle-answers",
            "as holistic, given the right plan and the answers of all its steps but the last",
            _oracle_answers,
        ),
        System("random-source", "as holistic, each step sent to a random source", _random_source),
        System("single-source", "as holistic, with one source only", _single_source),
        System("gold-facts", "facts people wrote for the question, then the answer", _gold_facts),
        System("shuffled-facts", "facts of another question, then the answer", _shuffled_facts),
    )
}


@dataclass(frozen=True, slots=True)
class Delegating:
    """A center that does all as `center` does."""

    center: Center

    @property
    def model(self) -> LanguageModel:
        return self.center.model

    def decompose(self, view: PlanView) -> Request:
        return self.center.decompose(view)

    def repair(self, view: PlanView, text: str, error: PlanError) -> Request:
        return self.center.repair(view, text, error)

    def reader(self, view: PlanView) -> PlanReader | None:
        return self.center.reader(view)

    def read_plan(self, text: str, view: PlanView, *, cut: bool) -> Plan:
        return self.center.read_plan(text, view, cut=cut)

    def seek(self, view: SeekView) -> Request:
        return self.center.seek(view)

    def read_seek(self, text: str, view: SeekView) -> Asked | None:
        return self.center.read_seek(text, view)

    def absorb(self, view: AbsorbView) -> Request:
        return self.center.absorb(view)

    def read_absorb(self, text: str, view: AbsorbView, *, cut: bool) -> Absorbed:
        return self.center.read_absorb(text, view, cut=cut)


@dataclass(frozen=True, slots=True)
class TrainedChain(Delegating):
    """A center whose answers are chains that end with "Answer:", as the arm `cot` is trained."""

    def absorb(self, view: AbsorbView) -> Request:
        request = self.center.absorb(view)
        return Request(request.prompt, Sampling(max_tokens=COT_TOKENS))

    def read_absorb(self, text: str, view: AbsorbView, *, cut: bool) -> Absorbed:
        worked, mark, last = text.rpartition(ANSWER)
        lines = [line for line in text.splitlines() if line.strip()]
        answer = last if mark else (lines[-1] if lines else worked)
        return self.center.read_absorb(answer.strip(), view, cut=cut and not mark)


@dataclass(frozen=True, slots=True)
class CotCenter(TrainedChain):
    """A center that is asked to think step by step (Kojima et al., NeurIPS 2022)."""

    def absorb(self, view: AbsorbView) -> Request:
        user = self.center.absorb(view).prompt.messages[-1]
        prompt = Prompt((Message("system", _COT), user))
        return Request(prompt, Sampling(max_tokens=COT_TOKENS))


@dataclass(frozen=True, slots=True)
class RandomSources(Delegating):
    """A center whose plans are its own, but each step's source is drawn from those offered."""

    seed: str = field(default="")

    def reader(self, view: PlanView) -> None:
        del view

    def read_plan(self, text: str, view: PlanView, *, cut: bool) -> Plan:
        plan = self.center.read_plan(text, view, cut=cut)
        names = [card.name for card in view.cards]
        if not names:
            return plan
        draw = random.Random(hashlib.sha256(f"{self.seed} {view.objective}".encode()).digest())
        return make_plan([replace(s, sources=(draw.choice(names),)) for s in plan.steps])


@dataclass(frozen=True, slots=True)
class Facts:
    """True sentences as the only source: what reading is worth when finding is perfect."""

    facts: tuple[str, ...]
    card: Card = Card("facts", "true sentences about the question")  # noqa: RUF009 - frozen
    titles: tuple[str, ...] = ()

    def bound(self, seek: Seek) -> Usage:
        del seek
        return Usage(calls=1)

    async def seek(self, seek: Seek) -> Finding:
        del seek
        titles = self.titles or ("",) * len(self.facts)
        passages = tuple(
            Passage(f"fact-{n}", fact, title=title)
            for n, (title, fact) in enumerate(zip(titles, self.facts, strict=True), start=1)
        )
        return Finding(
            Status.FOUND,
            passages=passages,
            citations=tuple(map(cite, passages)),
            source=self.card.name,
        )
