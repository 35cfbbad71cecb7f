"""The environment for TRL: tools of the sources, a reward gated by correctness."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import pytest

from centerlm.errors import InputError
from centerlm.learning.trl_environment import environment
from centerlm.sources.base import Card
from centerlm.sources.calculator import Calculator
from engine import Asks
from scripted_rollouts import documents


def tools(made: type) -> dict[str, Any]:
    """What TRL makes tools of: public functions but for its own two."""
    members = inspect.getmembers(made, predicate=inspect.isfunction)
    own = ("reset", "get_reward")
    return {n: f for n, f in members if n not in own and not n.startswith("_")}


def test_every_source_is_a_documented_tool() -> None:
    made = tools(environment([documents(), Calculator()]))
    assert set(made) == {"ask_documents", "ask_calculator", "answer"}
    utils = pytest.importorskip("transformers.utils", reason="needs the extra train")
    for name, function in made.items():
        schema = utils.get_json_schema(function)["function"]
        assert schema["name"] == name and schema["description"]
        assert len(schema["parameters"]["required"]) == 1


def test_a_right_answer_is_rewarded_and_the_less_the_more_was_asked() -> None:
    made = environment([documents(), Calculator()])

    def reward(asked: int, answer: str | None) -> float:
        rollout: Any = made()
        rollout.reset(prompt=[], answers=["Norwick"])
        for _ in range(asked):
            said = asyncio.run(rollout.ask_documents("Where was Ada born?"))
            assert "Ada was born in Norwick." in said
        if answer is not None:
            rollout.answer(answer)
        return rollout.get_reward()

    assert reward(1, "Oslo") == reward(0, "Oslo") == reward(1, None) == 0
    assert 1 >= reward(0, "norwick") > reward(1, "Norwick.") > reward(9, "Norwick") >= 0.8


def test_sources_answer_as_in_a_solve_and_a_rollout_begins_anew() -> None:
    rollout: Any = environment([documents(), Calculator()])()
    rollout.reset(answers="650")
    assert asyncio.run(rollout.ask_calculator("400 + 250")) == "650"
    assert asyncio.run(rollout.ask_documents("Who is it?")).startswith("nothing")
    rollout.answer("650")
    assert rollout.get_reward() > 0.8
    rollout.reset(answers="7")
    assert rollout.get_reward() == 0
    with pytest.raises(InputError, match="has no answers"):
        rollout.reset(prompt=[])


def test_sources_that_cannot_be_tools_are_refused() -> None:
    with pytest.raises(InputError, match="two sources would be the tool ask_a_b"):
        environment([Asks("a-b", {}), Asks("a.b", {})])

    class Written:
        card = Card("mail", "sends mail", effect="write")

    with pytest.raises(InputError, match="mail takes arguments or writes"):
        environment([Written()])  # pyright: ignore[reportArgumentType]
