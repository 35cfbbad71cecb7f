"""PDDL puzzles: what a sequence of actions leads to, and whether a plan is valid.

Read and validated by `unified-planning` (Micheli et al., SoftwareX 2025). For what is tried many
times, the actions are grounded once into sets of facts; the last word on a plan is the library's
own validator. PlanBench (Valmeekam et al., NeurIPS 2023) gives puzzles with names for people.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any, cast

from centerlm.errors import InputError, MissingExtraError, SourceError
from centerlm.finding import Finding, Value, found, nothing
from centerlm.learning.readers.common import read_bytes
from centerlm.sources.experiment import NamedExperiment

NAME = "simulate"
MAX_ACTIONS = 60
ROLLOUT = 40
"""Actions of a random walk: more than any plan of the sets needs."""

_FILLER = re.compile(r"\b(?:the|block|object|from|on|top|of|another|to|onto)\b")
_SPLIT = re.compile(r"[;,\n]|\)\s*\(")

Facts = frozenset[str]


@dataclass(frozen=True, slots=True)
class Action:
    """A grounded action: what it needs, adds and takes away."""

    name: str
    needs: Facts
    adds: Facts
    takes: Facts


@dataclass(frozen=True, slots=True)
class PddlPuzzle:
    """A problem: its first state, its goal, and its actions by name ("stack a b").

    `names` are the objects by the names people use for them; `problem` is the library's own, and
    `own` its name of each action that is called something else here (see `renamed`).
    """

    start: Facts
    goal: Facts
    actions: Mapping[str, Action]
    names: Mapping[str, str]
    problem: Any = field(repr=False, compare=False)
    own: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def kinds(self) -> tuple[str, ...]:
        """The actions without their objects, in order of their names."""
        return tuple(sorted({name.split()[0] for name in self.actions}))

    def words(self, name: str) -> str:
        """An action or a fact with its objects by the names people use."""
        shown = {inner: name for name, inner in self.names.items()}
        first, *objects = name.split()
        return " ".join([first, *(shown.get(one, one) for one in objects)])

    def renamed(self, words: Mapping[str, str]) -> PddlPuzzle:
        """The same puzzle with actions called by other words, of one word each."""
        actions: dict[str, Action] = {}
        for action in self.actions.values():
            first, *objects = action.name.split()
            name = " ".join([words.get(first, first), *objects])
            actions[name] = replace(action, name=name)
        own = {words.get(kind, kind): self.own.get(kind, kind) for kind in self.kinds}
        return replace(self, actions=actions, own=own)

    def read(self, text: str) -> list[str]:
        """The actions of a text, with `;` or line ends between them, in PDDL or in words.

        Raises:
            SourceError: one is no action of this puzzle, or there are too many.
        """
        parts = [part for part in _SPLIT.split(text) if part.strip(" ().")]
        if not parts:
            raise SourceError("there is no action; write actions with ; between them")
        if len(parts) > MAX_ACTIONS:
            raise SourceError(f"{len(parts)} actions are too many; at most {MAX_ACTIONS}")
        return [self._action(part) for part in parts]

    def _action(self, text: str) -> str:
        words = text.casefold().translate({ord(c): " " for c in "().'\"`"})
        words = re.sub(r"\b(pick|put) (up|down)\b", r"\1-\2", " ".join(words.split()))
        words = re.sub(r"^\d+\s+", "", words)
        first, *objects = _FILLER.sub(" ", words).split() or [""]
        named = " ".join([first, *(self.names.get(word, word) for word in objects)])
        if named not in self.actions:
            raise SourceError(f"{' '.join(text.split())[:60]!r} is no action here")
        return named

    def run(self, actions: Sequence[str]) -> tuple[Facts, int, Facts]:
        """The state after the actions, how many could be done, and what the next one lacks."""
        state = self.start
        for number, name in enumerate(actions):
            action = self.actions[name]
            if lacking := action.needs - state:
                return state, number, lacking
            state = (state - action.takes) | action.adds
        return state, len(actions), frozenset()

    def reaches(self, actions: Sequence[str]) -> bool:
        """Whether all actions can be done and the goal then holds, by the grounded actions."""
        state, _, lacking = self.run(actions)
        return not lacking and self.goal <= state

    def right(self, answer: str) -> bool:
        """Whether a plan is valid: by the grounded actions, and by the library's validator."""
        try:
            actions = self.read(answer)
        except SourceError:
            return False
        return self.reaches(actions) and validate(self, actions)

    def valid(self, answer: str) -> bool:
        """Whether all actions of a plan can be done, wherever they lead."""
        try:
            return not self.run(self.read(answer))[2]
        except SourceError:
            return False

    def length(self, answer: str) -> int:
        """How many actions a plan has.

        Raises:
            SourceError: it is no plan.
        """
        return len(self.read(answer))

    def propose(self, draw: random.Random) -> str:
        """A random walk: applicable actions, uniformly, until the goal holds or it is long."""
        state, done = self.start, list[str]()
        while not self.goal <= state and len(done) < ROLLOUT:
            open_ = [a for a in self.actions.values() if a.needs <= state]
            if not open_:
                break
            action = draw.choice(open_)
            state = (state - action.takes) | action.adds
            done.append(action.name)
        return "; ".join(done)

    def tried(self, draw: random.Random) -> bool:
        """Whether one random walk reaches the goal."""
        return self.reaches(self.propose(draw).split("; "))

    def experiment(self) -> NamedExperiment:
        """The simulator: says what a sequence of actions leads to; it proposes nothing."""
        told = self.words

        def run(arguments: tuple[Value, ...]) -> Finding:
            actions = self.read("; ".join(map(str, arguments)))
            state, done, lacking = self.run(actions)
            if lacking:
                needs = ", ".join(sorted(map(told, lacking)))
                return nothing(f"action {done + 1}, {told(actions[done])}, needs: {needs}")
            facts = ", ".join(sorted(map(told, state)))
            missing = ", ".join(sorted(map(told, self.goal - state)))
            after = f"still needed: {missing}" if missing else "the goal is reached"
            return found("; ".join(map(told, actions)), text=f"{after}; then: {facts}")

        return NamedExperiment(
            NAME, f"{NAME}(action; action; ...)", "says what a sequence of actions leads to", run
        )


def load_pddl(domain: Path, problem: Path, names: Mapping[str, str] | None = None) -> PddlPuzzle:
    """A STRIPS problem, grounded.

    Raises:
        MissingExtraError: `unified-planning` is not installed.
        InputError: a file is missing or no PDDL, or uses more than STRIPS.
    """
    reader = _reader()
    for path in (domain, problem):
        if not path.is_file():
            raise InputError(f"{path} does not exist; give the instances of PlanBench beside it")
    try:
        parsed: Any = reader.parse_problem(str(domain), str(problem))
    except Exception as error:  # noqa: BLE001 - the library's parser raises whatever it meets
        raise InputError(f"{problem} is no PDDL: {' '.join(str(error).split())[:200]}") from None
    actions: dict[str, Action] = {}
    for schema in parsed.actions:
        choices = [list(parsed.objects(p.type)) for p in schema.parameters]
        for chosen in product(*choices):
            bound = {p.name: o.name for p, o in zip(schema.parameters, chosen, strict=True)}
            action = _ground(schema, bound, problem)
            actions[action.name] = action
    start = {_fact(f, {}) for f, v in parsed.initial_values.items() if v.is_true()}
    goal = {_fact(f, {}) for g in parsed.goals for f in _conjuncts(g, problem)}
    return PddlPuzzle(frozenset(start), frozenset(goal), actions, dict(names or {}), parsed)


def validate(puzzle: PddlPuzzle, actions: Sequence[str]) -> bool:
    """Whether a plan is valid by the library's own validator."""
    _reader()
    from unified_planning.engines import SequentialPlanValidator, ValidationResultStatus  # pyright: ignore
    from unified_planning.plans import ActionInstance, SequentialPlan  # pyright: ignore

    problem = puzzle.problem
    steps: list[Any] = []
    for name in actions:
        first, *objects = name.split()
        arguments = tuple(problem.object(o) for o in objects)
        action = problem.action(puzzle.own.get(first, first))
        steps.append(ActionInstance(action, _expressions(problem, arguments)))
    result = cast("Any", SequentialPlanValidator)().validate(problem, SequentialPlan(steps))
    return bool(result.status == ValidationResultStatus.VALID)


def _expressions(problem: Any, objects: Sequence[Any]) -> tuple[Any, ...]:
    manager = problem.environment.expression_manager
    return tuple(manager.ObjectExp(o) for o in objects)


def _reader() -> Any:
    try:
        from unified_planning.io import PDDLReader  # pyright: ignore
        from unified_planning.shortcuts import get_environment  # pyright: ignore
    except ImportError:
        raise MissingExtraError("unified-planning", "eval") from None
    cast("Any", get_environment)().credits_stream = None
    return cast("Any", PDDLReader)()


def _ground(schema: Any, bound: Mapping[str, str], where: Path) -> Action:
    needs = {_fact(f, bound) for p in schema.preconditions for f in _conjuncts(p, where)}
    adds: set[str] = set()
    takes: set[str] = set()
    for effect in schema.effects:
        if effect.is_conditional() or not effect.value.is_bool_constant():
            raise InputError(
                f"{where} has effects beyond STRIPS; only facts that become true or not"
            )
        (adds if effect.value.is_true() else takes).add(_fact(effect.fluent, bound))
    name = " ".join([schema.name, *bound.values()])
    return Action(name, frozenset(needs), frozenset(adds), frozenset(takes - adds))


def _conjuncts(expression: Any, where: Path) -> list[Any]:
    if expression.is_fluent_exp():
        return [expression]
    if expression.is_and():
        return [f for part in expression.args for f in _conjuncts(part, where)]
    if expression.is_true():
        return []
    raise InputError(f"{where} has conditions beyond STRIPS; only facts and their conjunctions")


def _fact(expression: Any, bound: Mapping[str, str]) -> str:
    names: list[str] = []
    for argument in expression.args:
        if argument.is_object_exp():
            names.append(argument.object().name)
        else:
            names.append(bound[argument.parameter().name])
    return " ".join([expression.fluent().name, *names])


@dataclass(frozen=True, slots=True)
class PlanBenchTask:
    """A task of PlanBench: its words, a puzzle, and a plan that solves it."""

    id: str
    question: str
    puzzle: PddlPuzzle
    plan: str


def read_planbench(
    folder: Path, limit: Sequence[int] | None = None
) -> list[tuple[int, Mapping[str, Any]]]:
    """The instances of a domain's `task_1_plan_generation.json`, by their numbers.

    Raises:
        InputError: it is missing, or of another format.
    """
    path = folder / "task_1_plan_generation.json"
    try:
        whole: Any = json.loads(read_bytes(path))
        rows = {int(row["instance_id"]): row for row in whole["instances"]}
        if len(rows) < len(whole["instances"]):
            raise ValueError("two instances have one instance_id")
        for row in rows.values():
            if not all(isinstance(row[name], str) for name in ("query", "ground_truth_plan")):
                raise TypeError("a query or ground_truth_plan is no text")
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is not of PlanBench ({type(error).__name__}: {error})") from None
    kept = rows if limit is None else {n: rows[n] for n in limit if n in rows}
    return sorted(kept.items())


def planbench_task(folder: Path, number: int, row: Mapping[str, Any]) -> PlanBenchTask:
    """One instance, with its PDDL from the folder `instances` beside the domain's.

    Raises:
        MissingExtraError: `unified-planning` or `pyyaml` is not installed.
        InputError: a file is missing or cannot be used.
    """
    try:
        import yaml  # pyright: ignore[reportMissingModuleSource]
    except ImportError:
        raise MissingExtraError("pyyaml", "eval") from None
    path = folder / "config.yaml"
    try:
        config: Any = yaml.safe_load(read_bytes(path))
        encoded: dict[str, str] = config["encoded_objects"]
        base = folder.parent / "instances"
        instance = base / config["instance_dir"] / str(config["instances_template"]).format(number)
        domain = base / config["domain_file"]
        names = {_short(name): inner for inner, name in encoded.items()}
    except (yaml.YAMLError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path} is no configuration of PlanBench: {error}") from None
    puzzle = load_pddl(domain, instance, names)
    intro, _, rest = str(row["query"]).partition("[STATEMENT]")
    statement = rest.rpartition("[STATEMENT]")[2] or rest
    asked = statement.partition("My plan is")[0]
    lines = [line for line in str(row["ground_truth_plan"]).splitlines() if line.strip()]
    plan = "; ".join(line.strip(" ()") for line in lines)
    try:
        puzzle.read(plan)
    except SourceError as error:
        raise InputError(f"the plan of instance {number} of {folder} is not one: {error}") from None
    example = ", ".join(sorted({line.strip(" ()").split()[0] for line in lines}))
    question = (
        f"{' '.join(intro.split())} {' '.join(asked.split())} What is the plan? Write its actions "
        f"with ; between them, each as its name and its objects (names here: {example})."
    )
    return PlanBenchTask(f"{folder.name}-{number}", question, puzzle, plan)


def _short(name: str) -> str:
    """ "red block" is called red, "object a" a, as the gold plans do."""
    words = name.split()
    return words[0] if words[-1] == "block" else words[-1]
