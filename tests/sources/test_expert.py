"""Experts over any language model: prompt, bound, retries, refusals."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from centerlm.errors import InputError, ModelError, OutOfBudgetError
from centerlm.finding import Finding, Status, Usage
from centerlm.models.base import Choice, Constraint, Price, Prompt, Reply, Sampling
from centerlm.sources.base import Seek
from centerlm.sources.expert import Expert, says_it_does_not_know

PRICE = Price(prompt=1.0, completion=2.0, call=0.001)


@dataclass
class PlainModel:
    """The smallest language model: one answer, `retries` failed attempts before it."""

    answer: str
    retries: int = 0
    error: ModelError | None = None
    logprobs: tuple[float, ...] | None = None
    context: int = 4096
    name: str = "plain"
    identity: str = "plain"
    constraint: Constraint = "none"
    price: Price = PRICE
    prompts: list[Prompt] = field(default_factory=list[Prompt])
    samplings: list[Sampling] = field(default_factory=list[Sampling])

    def count(self, prompt: Prompt) -> int:
        return sum(len(m.text.split()) for m in prompt.messages)

    async def complete(
        self,
        prompt: Prompt,
        sampling: Sampling,
        *,
        on_text: Callable[[str], None] | None = None,
        before_retry: Callable[[], None] | None = None,
    ) -> Reply:
        self.prompts.append(prompt)
        self.samplings.append(sampling)
        for _ in range(self.retries):
            if before_retry is not None:
                before_retry()
        if self.error is not None:
            raise self.error
        usage = Usage(1 + self.retries, self.count(prompt), 7, cost=0.01)
        return Reply((Choice(self.answer, logprobs=self.logprobs),), usage)

    async def close(self) -> None: ...


def ask(model: PlainModel, seek: Seek) -> Finding:
    return asyncio.run(Expert("history", model).seek(seek))


def test_one_call_of_free_text() -> None:
    model = PlainModel("It was 1066.\x00", logprobs=(math.log(0.5), math.log(0.5)))
    finding = ask(model, Seek("When was Hastings?", objective="Who won at Hastings?", seed=5))
    assert (finding.status, finding.text, finding.answer) == (Status.FOUND, "It was 1066.", None)
    assert not finding.typed and finding.source == "expert:history"
    assert finding.confidence == pytest.approx(0.5)
    assert finding.usage == Usage(1, model.count(model.prompts[0]), 7, cost=0.01)
    system, user = model.prompts[0].messages
    assert "history" in system.text
    assert user.text.startswith("When was Hastings?") and "Who won at Hastings?" in user.text
    assert model.samplings[0].seed == 5 and model.samplings[0].max_tokens == 256


def test_a_short_expert_is_asked_the_question_alone_and_answers_as_it_stands() -> None:
    model = PlainModel("Norwick\nas everyone knows", logprobs=(0.0,))
    expert = Expert("places", model, short=True)
    seek = Seek("Where was Ada born?", objective="Who governs the birthplace of Ada?")
    finding = asyncio.run(expert.seek(seek))
    assert (finding.answer, finding.value, finding.text) == ("Norwick", "Norwick", "")
    assert finding.typed and finding.confidence == 1.0
    assert model.prompts[0].messages[1].text == "Where was Ada born?"
    refusing = Expert("places", PlainModel("I don't know."), short=True)
    assert asyncio.run(refusing.seek(seek)).status is Status.NOTHING


def test_the_bound_covers_the_call() -> None:
    model = PlainModel("x")
    bound = Expert("history", model, max_tokens=100).bound(Seek("one two three"))
    asyncio.run(Expert("history", model, max_tokens=100).seek(Seek("one two three")))
    tokens = model.count(model.prompts[0])
    assert bound == Usage(1, tokens, 100, cost=model.price.cost(tokens, 100))


def test_each_retry_is_one_more_call_with_the_same_input() -> None:
    spent: list[Usage] = []
    model = PlainModel("x", retries=2)
    ask(model, Seek("q", spend=spent.append))
    tokens = model.count(model.prompts[0])
    assert spent == [Usage(1, tokens, cost=model.price.cost(tokens, 0))] * 2


def test_a_retry_past_the_budget_ends_the_call() -> None:
    def spend(more: Usage) -> None:
        raise OutOfBudgetError("no calls left")

    with pytest.raises(OutOfBudgetError):
        ask(PlainModel("x", retries=1), Seek("q", spend=spend))


def test_a_model_that_does_not_answer_fails() -> None:
    model = PlainModel("", retries=2, error=ModelError("the endpoint is down"))
    finding = ask(model, Seek("q"))
    assert (finding.status, finding.reason) == (Status.FAILED, "the endpoint is down")
    tokens = model.count(model.prompts[0])
    assert (finding.usage.calls, finding.usage.prompt_tokens) == (3, 3 * tokens)


@pytest.mark.parametrize("answer", ["", "  ", "I don't know.", "Sorry", "I’m not sure."])
def test_not_knowing_is_nothing(answer: str) -> None:
    expected = Status.FOUND if answer == "Sorry" else Status.NOTHING
    assert ask(PlainModel(answer), Seek("q")).status is expected


@pytest.mark.parametrize(
    ("text", "declines"),
    [
        ("I do not know the answer to that.", True),
        ("Unknown.", True),
        ("I cannot answer this.", True),
        ("I don't know the day, but it was in 1850.", False),
        ("None of the kings was French.", False),
        ("Unknown Pleasures is an album of Joy Division.", False),
        ("I know it: 1850.", False),
    ],
)
def test_what_counts_as_declining(text: str, declines: bool) -> None:
    assert says_it_does_not_know(text) is declines


def test_a_question_past_the_context_is_not_sent() -> None:
    model = PlainModel("x", context=280)
    finding = ask(model, Seek("word " * 500))
    assert finding.status is Status.FAILED and "more than the 280" in finding.reason
    assert model.prompts == []


def test_a_long_answer_is_cut() -> None:
    assert len(ask(PlainModel("y" * 10**6), Seek("q")).text) == 20_000


@pytest.mark.parametrize("name", ["", "two words", "a|b"])
def test_a_field_that_no_plan_could_name(name: str) -> None:
    with pytest.raises(InputError):
        Expert(name, PlainModel("x"))
