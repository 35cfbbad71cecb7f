"""Credit at every node of an episode: what each act of the center was worth.

From the folded episode and gold answers alone; pure, no I/O. A node is the root (path "") or a
step or item below it. With x_own, x_children, cost and spread in 0..1, a node's act is worth

    total = w_own x_own + w_children x_children - x_own (w_cost cost + w_diversity spread)

so cost and diversity count only where the node is right, and no cost turns a right node below a
wrong one (`Weights` refuses weights that could). Credit at every node of a recursive tree follows
RAO (recursive agent optimisation); gating cost by correctness, ToolOrchestra, whose released cost
term has the sign turned round.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from centerlm.episode import Episode, Node
from centerlm.errors import InputError
from centerlm.evaluation.metrics import exact_match, token_f1
from centerlm.events import CallFinished, Event
from centerlm.finding import Usage
from centerlm.plan import CENTER, normalise

CreditedAct = Literal["decompose", "seek", "absorb", "each"]
"""`each` is a step run once for every item of a list: it has items and no model call."""

F1_GATE = 0.6


@dataclass(frozen=True, slots=True)
class Gold:
    """What is known to be right in an episode.

    `answers` are the accepted answers of the root. `questions` are accepted answers by
    sub-question (compared without case, spacing and closing punctuation): a node that asks one of
    them is right or wrong by it, and right with no answer where none is accepted (`()`).
    `findings` are accepted answers of the gold decomposition's steps, each with its aliases: a
    node whose question is not known is right if its answer is one of them; that it is none says
    nothing.

    Raises:
        InputError: no answer of the root is given.
    """

    answers: tuple[str, ...]
    questions: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    findings: tuple[tuple[str, ...], ...] = ()

    def __post_init__(self) -> None:
        if not self.answers:
            raise InputError("credit needs an accepted answer of the objective; give at least one")


@dataclass(frozen=True, slots=True)
class Scale:
    """Spending at which half of a part's cost is charged: cost(u) = u / (u + scale), in 0..1.

    Units: calls of models and sources, prompt and completion tokens, seconds summed over calls,
    money of the price tables. All above 0.
    """

    calls: float = 16.0
    tokens: float = 8000.0
    seconds: float = 60.0
    money: float = 0.1


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each term counts; all 0 or more.

    `own` must exceed `children` + `cost` + `diversity`: then every right node is worth more than
    every wrong one (see `credit`). `parts` are the relative weights of calls, tokens, seconds and
    money in the cost. `inherited` (0 or more, below 1) is the own success of a node that has an
    answer about which gold says nothing, below a right node.

    Raises:
        InputError: a weight is negative, or a right node could be worth less than a wrong one.
    """

    own: float = 1.0
    children: float = 0.5
    cost: float = 0.2
    diversity: float = 0.1
    inherited: float = 0.5
    parts: tuple[float, float, float, float] = (0.4, 0.4, 0.1, 0.1)
    scale: Scale = field(default_factory=Scale)

    def __post_init__(self) -> None:
        scale = (self.scale.calls, self.scale.tokens, self.scale.seconds, self.scale.money)
        weights = (self.own, self.children, self.cost, self.diversity, *self.parts)
        if not (all(w >= 0 for w in weights) and sum(self.parts) > 0 and all(s > 0 for s in scale)):
            raise InputError("weights of credit are 0 or more, their scales and sum of parts above")
        if not 0 <= self.inherited < 1:
            raise InputError(f"the weight inherited={self.inherited:g} is not in 0..1 (1 excluded)")
        if not self.own > self.children + self.cost + self.diversity:
            raise InputError(
                f"with own={self.own:g} a wrong answer could be worth more than a right one; give "
                f"own more than children + cost + diversity "
                f"({self.children + self.cost + self.diversity:g})"
            )


@dataclass(frozen=True, slots=True)
class NodeCredit:
    """What one act at one node was worth.

    `own` in 0..1 is the node's own success and `children` in 0..1 the mean of its children's;
    `cost` in 0..w_cost and `diversity` in 0..w_diversity are what is subtracted, 0 where the node
    is wrong. `total` = w_own own + w_children children - cost - diversity, in
    0..w_own + w_children.
    """

    path: str
    act: CreditedAct
    own: float
    children: float
    cost: float
    diversity: float
    total: float

    @property
    def right(self) -> bool:
        """Whether gold says that the node is right; one that inherits success is not."""
        return self.own == 1.0


def credit(
    tree: Episode,
    gold: Gold,
    weights: Weights | None = None,
    *,
    acts: Collection[tuple[str, str]] = (),
    choices: Mapping[str, int] | None = None,
) -> tuple[NodeCredit, ...]:
    """The credit of every node of an episode, the root first, then by path.

    Each node has one `NodeCredit` for what it is: "decompose" (the root, a [center] step, a split),
    "each" (a list's items) or "seek" (a source was asked). `acts` are (path, act) of model calls
    that were made (`acts_of`): they add "absorb", and "seek" where a split node also asked.

    - own: 1 right, 0 wrong; by `Gold` EM or F1 >= 0.6, also where the root is wrong; what gold does
      not know is `inherited` below a node that is right, 0 below one that is wrong, and 0 without
      an answer. The last step of a right root is right where it gave that very answer.
    - children: the mean, never the sum, of the success of the node's steps or items. That of a
      child is its own, times its own children's where it has any: a plan gains nothing by hiding
      failures one level down. A node without children, and an absorb, takes its own success
      instead, so that splitting gains nothing.
    - cost: own x w_cost x the weighted mean of u / (u + scale) over calls, tokens, seconds, money;
      u is what the whole subtree spent for decompose and each, the node alone for seek and absorb.
    - diversity: own x w_diversity x share, where share in 0..1 is how many of the *other* choices
      took the same source: (n_same - 1) / (n - 1), 0 for a single choice. `choices` counts first
      choices of sources over a group or batch that holds this episode (`source_choices`); None:
      those of this episode. For decompose and each, the mean over all steps below; 0 for absorb.
    """
    weights = weights or Weights()
    root = Node("", status=tree.status, answer=tree.answer, children=tree.roots)
    root.usage = _root_usage(tree)
    questions = {normalise(text): accepted for text, accepted in gold.questions.items()}
    counts = source_choices((tree,)) if choices is None else choices
    judge = _Judge(gold, questions, weights.inherited)
    own = dict(judge.tree(root))
    asked: dict[str, set[str]] = {}
    for path, act in acts:
        asked.setdefault(path, set()).add(act)
    credited: list[NodeCredit] = []
    for node in _walk(root):
        kind = _kind(node)
        for act in _acts(kind, asked.get(node.path, set())):
            whole = act in ("decompose", "each")
            parts = [_success(child, own) for child in node.children] if whole else []
            usage = _spent(node) if whole else node.usage
            spread = 0.0 if act == "absorb" else _spread(node, counts, whole=whole)
            credited.append(_weigh(node.path, act, own[node.path], parts, usage, spread, weights))
    return tuple(credited)


def is_right(answer: str | None, accepted: Iterable[str]) -> bool:
    """The gate of correctness: an exact match, or a token F1 of at least 0.6."""
    accepted = tuple(accepted)
    return exact_match(answer, accepted) == 1.0 or token_f1(answer, accepted) >= F1_GATE


def acts_of(events: Iterable[Event]) -> frozenset[tuple[str, str]]:
    """Path and act of every model call that was answered."""
    return frozenset((e.path, e.act) for e in events if isinstance(e, CallFinished) and e.reply)


def source_choices(trees: Iterable[Episode]) -> Counter[str]:
    """How often the plans of these episodes named each source first; [center] is no source."""
    return Counter(
        chosen for tree in trees for node in tree.nodes.values() if (chosen := _chosen(node))
    )


def normalised_cost(usage: Usage, weights: Weights) -> float:
    """The weighted mean of u / (u + scale) over calls, tokens, seconds and money; in 0..1."""
    scale, parts = weights.scale, weights.parts
    spent = (usage.calls, usage.tokens, usage.seconds, usage.cost)
    scales = (scale.calls, scale.tokens, scale.seconds, scale.money)
    costs = (part * (u / (u + s)) for part, u, s in zip(parts, spent, scales, strict=True))
    return min(sum(costs) / sum(parts), 1.0)


def _weigh(
    path: str,
    act: CreditedAct,
    own: float,
    parts: list[float],
    usage: Usage,
    spread: float,
    weights: Weights,
) -> NodeCredit:
    children = sum(parts) / len(parts) if parts else own
    cost = own * weights.cost * normalised_cost(usage, weights)
    diversity = own * weights.diversity * spread
    total = weights.own * own + weights.children * children - cost - diversity
    return NodeCredit(path, act, own, children, cost, diversity, total)


def _success(node: Node, own: Mapping[str, float]) -> float:
    """The success of a child, in 0..1: its own, times the mean of its children's."""
    if not node.children:
        return own[node.path]
    below = sum(_success(child, own) for child in node.children) / len(node.children)
    return own[node.path] * below


@dataclass(frozen=True, slots=True)
class _Judge:
    gold: Gold
    questions: Mapping[str, tuple[str, ...]]
    inherited: float

    def tree(self, root: Node) -> Iterator[tuple[str, float]]:
        """Path and own success of every node, from the root down."""
        right = is_right(root.answer or None, self.gold.answers)
        yield "", float(right)
        last = max(root.children, key=_number, default=None)
        for child in root.children:
            yield from self._below(child, right, last=right and child is last)

    def _below(self, node: Node, above: bool, *, last: bool = False) -> Iterator[tuple[str, float]]:
        """`above` is the verdict of the nearest node above that gold knows; `last` is the last
        step of a right root.
        """
        verdict = self._verdict(node)
        if verdict is None and last and is_right(node.answer, self.gold.answers):
            verdict = True
        if verdict is None:
            yield node.path, self.inherited if above and _has_answer(node) else 0.0
        else:
            yield node.path, float(verdict)
        for child in node.children:
            yield from self._below(child, above if verdict is None else verdict)

    def _verdict(self, node: Node) -> bool | None:
        accepted = self.questions.get(normalise(node.text)) if node.text else None
        if accepted is not None:
            if not accepted:
                return node.status == "nothing"
            return _has_answer(node) and is_right(node.answer, accepted)
        if _has_answer(node) and any(is_right(node.answer, one) for one in self.gold.findings):
            return True
        return None


def _has_answer(node: Node) -> bool:
    return node.status == "found" and bool(node.answer)


def _walk(node: Node) -> Iterator[Node]:
    yield node
    for child in sorted(node.children, key=_number):
        yield from _walk(child)


def _number(node: Node) -> int:
    """The number of a step or item within its level."""
    return int(node.path.rpartition(".")[2])


def _kind(node: Node) -> CreditedAct:
    """Steps of a plan have a line, items of a list have none."""
    if node.children:
        return "decompose" if any(child.line for child in node.children) else "each"
    return "decompose" if not node.path or node.sources == (CENTER,) else "seek"


def _acts(kind: CreditedAct, asked: set[str]) -> list[CreditedAct]:
    acts: list[CreditedAct] = [kind]
    if kind != "decompose" and "decompose" in asked:
        acts.append("decompose")
    if kind != "seek" and "seek" in asked:
        acts.append("seek")
    if "absorb" in asked:
        acts.append("absorb")
    return acts


def _spent(node: Node) -> Usage:
    return sum((_spent(child) for child in node.children), node.usage)


def _root_usage(tree: Episode) -> Usage:
    """What the root itself spent: all of the episode less what its nodes did."""
    below = sum((node.usage for node in tree.nodes.values()), Usage())
    whole = tree.usage
    return Usage(
        max(whole.calls - below.calls, 0),
        max(whole.prompt_tokens - below.prompt_tokens, 0),
        max(whole.completion_tokens - below.completion_tokens, 0),
        max(whole.seconds - below.seconds, 0.0),
        max(whole.cost - below.cost, 0.0),
    )


def _chosen(node: Node) -> str:
    """The source a plan named first for this step; "" for items, [center] and what never began."""
    first = node.sources[0] if node.line and node.sources else ""
    return "" if first == CENTER else first


def _spread(node: Node, counts: Mapping[str, int], *, whole: bool) -> float:
    all_ = sum(counts.values())
    asked = [n for n in _walk(node) if n is not node] if whole else [node]
    chosen = [c for n in asked if (c := _chosen(n))]
    if all_ <= 1 or not chosen:
        return 0.0
    shares = [max(counts.get(name, 0) - 1, 0) / (all_ - 1) for name in chosen]
    return sum(shares) / len(shares)
