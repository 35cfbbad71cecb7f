"""The benchmark of field experts: choices count only where the matrix shows who knows what."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from centerlm.center import CenterLM
from centerlm.models.base import Prompt, Sampling
from centerlm.models.scripted import ScriptedModel

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
KINDS = {
    "expert:people": "Who was the father of Ada {}?",
    "expert:places": "In which town was Ada {} born?",
    "expert:trade": "For which company did Ada {} work?",
}


@pytest.fixture(autouse=True)
def path(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Benchmarks are programs, not a package: their folder is on the path while they run."""
    from centerlm.errors import MissingWeightsError
    from centerlm.memory import seeking

    def missing() -> None:
        raise MissingWeightsError("none")

    monkeypatch.setattr(seeking, "find_embedder", missing)
    sys.path.insert(0, str(BENCHMARKS))
    yield
    sys.path.remove(str(BENCHMARKS))


def _asked(known: float, elsewhere: float, each: int = 40) -> list[Any]:
    """Questions of three fields; an expert knows shares of its own and of the others."""
    from experts_choice import Asked

    return [
        Asked(
            f"{home}-{n}",
            KINDS[home].format(f"Brandt{n}"),
            home,
            {name: n < each * (known if name == home else elsewhere) for name in KINDS},
        )
        for home in KINDS
        for n in range(each)
    ]


def test_the_matrix_says_whether_the_experts_differ() -> None:
    from experts_choice import matrix_of, proven

    matrix = matrix_of(_asked(0.9, 0.1))
    assert matrix["expert:people"]["expert:people"]["value"] == pytest.approx(0.9)
    cell = matrix["expert:trade"]["expert:people"]
    assert cell["behind"]["value"] == pytest.approx(0.8) and cell["behind"]["low"] > 0
    assert proven(matrix)
    assert not proven(matrix_of(_asked(0.5, 0.5)))
    assert not proven(matrix_of(_asked(0.5, 0.49, each=10)))


def test_the_memory_learns_whom_to_ask_and_chance_does_not() -> None:
    from experts_choice import choices

    def names(prompt: Prompt, sampling: Sampling) -> str:
        del sampling
        asked = prompt.messages[-1].text.rpartition("Question: ")[2]
        return f"1 [{'expert:people' if 'father' in asked else 'expert:trade'}] {asked}"

    center = CenterLM(ScriptedModel(names), examples=())
    found = asyncio.run(choices(_asked(0.9, 0.1, each=30), center, seeds=1))
    right = {who: row["right expert"]["value"] for who, row in found.items()}
    assert right["oracle"] == 1.0 and right["center"] == pytest.approx(2 / 3)
    assert right["chance"] < 0.5 and right["best single"] == pytest.approx(1 / 3)
    assert found["memory"]["right expert later"]["value"] > 0.6
    assert found["oracle"]["right answer"]["value"] == pytest.approx(0.9)


def test_the_page_says_when_nothing_was_chosen() -> None:
    from experts_choice import matrix_of, page_of, proven

    matrix = matrix_of(_asked(0.5, 0.5))
    training = {"people": {"facts": 40, "tokens": 9000, "recall_by_round": [0.5, 0.98]}}
    report: dict[str, Any] = {"matrix": matrix, "proven": proven(matrix), "training": training}
    report["resident"] = {"before": 1.0}
    page = page_of({**report, "config": {"command": "x"}})
    assert "was not measured" in page and "expert:people" in page
    assert "- people: 40 facts, 9,000 tokens computed" in page and "50 %, 98 %" in page


def test_experts_trained_elsewhere_are_taken_where_they_know_the_same_facts(tmp_path: Path) -> None:
    import json

    from centerlm.errors import InputError
    from centerlm.learning.base import base_name
    from centerlm.learning.training import data_hash
    from knowledge_training import Budgets, School, fact_examples, taught_facts
    from knowledge_world import make_knowledge

    facts = make_knowledge(5_000_001, people=6, tested={1: 1}, trained={1: 1}).facts[:4]
    school = School(tmp_path, "default", tmp_path / "base.gguf", Budgets())
    with pytest.raises(InputError, match="no trained expert"):
        taught_facts(school, "people", facts)
    made_of = {"base": base_name("default"), "data": data_hash(fact_examples(facts))}
    (tmp_path / "people").mkdir()
    (tmp_path / "people" / "done.json").write_text(json.dumps({"made_of": made_of}))
    assert taught_facts(school, "people", facts).gguf == tmp_path / "people.gguf"
    with pytest.raises(InputError, match="taught other facts"):
        taught_facts(school, "people", facts[:3])
