"""A center that is told part of the truth: given plans, and given answers of given questions.

For "oracle plan" and "oracle answer" systems: the engine, the sources and all other acts are the
real ones, so what is measured is the value of knowing the plan, or the earlier answers. A given
reply costs no tokens, but the engine counts it as a call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from centerlm.acts import Absorbed, AbsorbView, Asked, PlanView, Request, SeekView
from centerlm.errors import PlanError
from centerlm.finding import Usage, short_answer
from centerlm.models.base import (
    Choice,
    LanguageModel,
    Message,
    Prompt,
    Reply,
    Sampling,
)
from centerlm.models.wrapped import WrappedModel
from centerlm.plan import Plan, fill, format_plan, normalise, parse_plan
from centerlm.protocols import Center
from centerlm.reading import PlanReader

_MAX_TOKENS = 1


def filled_answers(plan: Plan, answers: Mapping[int, str]) -> dict[str, str]:
    """What `OracleCenter` needs to give steps of `plan` their true answers.

    `answers` are those of the steps that are to be told (step id -> answer); keys of the result are
    these steps' texts as the engine fills them in. Steps that go through a list (`each`) are not
    among them.

    Raises:
        KeyError: a step that is to be told refers to one that is not.
    """
    short = {id_: short_answer(answer) for id_, answer in answers.items()}
    return {
        normalise(fill(step.text, {k: short[k] for k in step.needs})): short[step.id]
        for step in plan.steps
        if step.id in answers and step.each is None
    }


def earlier_answers(plan: Plan, answers: Mapping[int, str]) -> dict[str, str]:
    """As `filled_answers`, for all steps but the last whose answers, and those of what they need,
    are known.
    """
    told: dict[int, str] = {}
    for step in plan.steps[:-1]:
        if step.id in answers and all(k in told for k in step.needs):
            told[step.id] = answers[step.id]
    return filled_answers(plan, told)


@dataclass(frozen=True, slots=True)
class OracleCenter:
    """`center` with given plans and answers.

    `plans` are by objective. `answers` are by normalised text (`plan.normalise`) of what is asked:
    a filled-in step, or an objective whose last absorb is told too; they hold in the whole tree, so
    where the same words have two answers, give each question a center of its own.
    """

    center: Center
    plans: Mapping[str, Plan] = field(default_factory=dict[str, Plan])
    answers: Mapping[str, str] = field(default_factory=dict[str, str])
    model: LanguageModel = field(init=False)

    def __post_init__(self) -> None:
        replies = {_prompt("plan", text): format_plan(p) for text, p in self.plans.items()}
        replies |= {_prompt("answer", text): answer for text, answer in self.answers.items()}
        object.__setattr__(self, "model", OracleModel(self.center.model, replies))

    def decompose(self, view: PlanView) -> Request:
        if view.objective in self.plans:
            return _given("plan", view.objective)
        return self.center.decompose(view)

    def repair(self, view: PlanView, text: str, error: PlanError) -> Request:
        if view.objective in self.plans:
            return _given("plan", view.objective)
        return self.center.repair(view, text, error)

    def reader(self, view: PlanView) -> PlanReader | None:
        return None if view.objective in self.plans else self.center.reader(view)

    def read_plan(self, text: str, view: PlanView, *, cut: bool) -> Plan:
        if view.objective in self.plans:
            return parse_plan(text, sources=[card.name for card in view.cards])
        return self.center.read_plan(text, view, cut=cut)

    def seek(self, view: SeekView) -> Request:
        return self.center.seek(view)

    def read_seek(self, text: str, view: SeekView) -> Asked | None:
        return self.center.read_seek(text, view)

    def absorb(self, view: AbsorbView) -> Request:
        key = normalise(view.objective)
        return _given("answer", key) if key in self.answers else self.center.absorb(view)

    def read_absorb(self, text: str, view: AbsorbView, *, cut: bool) -> Absorbed:
        answer = self.answers.get(normalise(view.objective))
        return (
            Absorbed(answer) if answer is not None else self.center.read_absorb(text, view, cut=cut)
        )


@dataclass(frozen=True, slots=True)
class OracleModel(WrappedModel):
    """`model`, but the prompts in `replies` are answered from there, at no cost."""

    replies: Mapping[Prompt, str]

    @property
    def identity(self) -> str:
        return f"oracle+{self.model.identity}"

    def count(self, prompt: Prompt) -> int:
        return 0 if prompt in self.replies else self.model.count(prompt)

    async def complete(
        self,
        prompt: Prompt,
        sampling: Sampling,
        *,
        on_text: Callable[[str], None] | None = None,
        before_retry: Callable[[], None] | None = None,
    ) -> Reply:
        """See `LanguageModel.complete`.

        Raises:
            ModelError: a prompt that is not given, and the model did not answer it.
        """
        given = self.replies.get(prompt)
        if given is None:
            return await self.model.complete(
                prompt, sampling, on_text=on_text, before_retry=before_retry
            )
        return Reply((Choice(given),), Usage(calls=1), "oracle")


def _prompt(kind: str, text: str) -> Prompt:
    """A prompt that no center renders: its first line names the oracle."""
    return Prompt((Message("system", f"oracle {kind}"), Message("user", text)))


def _given(kind: str, text: str) -> Request:
    return Request(_prompt(kind, text), Sampling(max_tokens=_MAX_TOKENS))
