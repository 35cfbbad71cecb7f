"""The grammars of the plan language: what they emit is a plan, and plans are what they accept."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from centerlm.errors import MissingWeightsError, PlanError
from centerlm.grammar import PLAN_STEPS, plan_grammar, plan_schema, with_center
from centerlm.models.weights import find
from centerlm.plan import parse_plan, plan_from_json
from centerlm.reading import PlanReader
from gbnf import Rules, accepts, generate, parse_grammar
from plans import source_names

SOURCE_SETS = (
    ("documents",),
    ("documents", "calculator", "center"),
    ("center",),
    ("mcp:srv.tool", "expert:art-history", "a", "a-b", "each"),
    ("x" * 64, "Y" * 64, "z" * 64, "center"),
    tuple(f"tool_{k}.run" for k in range(40)),
)


def test_a_grammar_reader_reads_the_notation() -> None:
    rules = parse_grammar('root ::= a{2,3} ("-" | [^a-c\\n] )? "\\"x"+\na ::= [0-9]\n')
    for text in ('12"x', '123-"x"x', '12z"x'):
        assert accepts(rules, text)
    for text in ("12", '1"x', '12b"x', '12\n"x', '12"x-'):
        assert not accepts(rules, text)
    rng = random.Random(0)
    assert all(accepts(rules, generate(rules, rng)) for _ in range(200))


@pytest.mark.parametrize("sources", SOURCE_SETS)
@pytest.mark.parametrize("max_steps", [1, 2, PLAN_STEPS, 32])
def test_whatever_the_grammar_emits_is_a_plan(sources: tuple[str, ...], max_steps: int) -> None:
    rules = parse_grammar(plan_grammar(sources, max_steps=max_steps))
    rng, steps = random.Random(max_steps), 0
    for _ in range(500 if max_steps < 32 else 100):
        text = generate(rules, rng)
        plan = parse_plan(text, sources=sources, max_steps=max_steps)
        steps = max(steps, text.count("\n") + 1)
        assert {name for step in plan.steps for name in step.sources} <= set(sources)
        assert all(len(line) < 200 + 3 * 70 for line in text.split("\n"))
    assert steps == max_steps or max_steps == 32


@pytest.mark.parametrize("sources", SOURCE_SETS)
def test_a_parted_plan_has_two_steps_the_first_for_the_center(sources: tuple[str, ...]) -> None:
    rules, rng = parse_grammar(plan_grammar(sources, parted=True)), random.Random(1)
    for _ in range(200):
        first, *more = parse_plan(generate(rules, rng), sources=sources).steps
        assert more
        assert first.sources == ("center",) or "center" not in sources
    assert accepts(rules_of(*sources), f"1 [{sources[0]}] a")
    assert not accepts(rules, f"1 [{sources[0]}] a")


@pytest.mark.parametrize("max_steps", [2, PLAN_STEPS])
def test_whole_lines_of_a_cut_text_are_a_plan(max_steps: int) -> None:
    rules = parse_grammar(plan_grammar(("documents", "center"), max_steps=max_steps))
    rng = random.Random(9)
    for _ in range(1500):
        text = generate(rules, rng)
        text = text[: rng.randrange(len(text) + 1)]
        reader = PlanReader(("documents", "center"))
        reader.feed(text)
        reader.finish(cut=True)
        assert reader.problem is None
        if "\n" in text:
            assert reader.plan() == parse_plan(text.rpartition("\n")[0])
        else:
            assert not reader.steps


@given(st.lists(source_names, min_size=1, max_size=6, unique=True), st.integers(0, 2**32))
def test_any_legal_source_names_will_do(sources: list[str], seed: int) -> None:
    rules = parse_grammar(plan_grammar(sources))
    rng = random.Random(seed)
    for _ in range(20):
        parse_plan(generate(rules, rng), sources=sources, max_steps=PLAN_STEPS)


GOOD = """\
1 [documents] Which county is Van Hook Township in?
2 [documents] What is the seat of #1?
3 [documents | expert:history] In which year was #2 founded?
4 [calculator] 1998 - #3
---
1 [documents] Who painted The Grey Harbour?
---
1 [documents] Which lakes are in Norland?
2 [documents each #1] How deep is #1?
3 [calculator] argmax(#1, #2)
---
1 [center] Find out who built the Tallow Bridge, and for what price
2 [center] #1
3 [calculator] convert(#2, "km")
---
1 [documents] Wer gründete 日本語学校?
2 [expert:history | documents | center each #1] #1: why?
3 [calculator] union(#1, #2)
4 [calculator] days_between(#1, #3) + 1
5 [documents] Is the year #4 before or after the founding of #2 in #1?"""


def rules_of(*sources: str) -> Rules:
    return parse_grammar(plan_grammar(sources))


@pytest.mark.parametrize("text", GOOD.split("\n---\n"))
def test_good_plans_are_accepted(text: str) -> None:
    rules = rules_of("documents", "calculator", "expert:history", "center")
    parse_plan(text)
    assert accepts(rules, text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2 [documents] x",
        "1 [documents]  x",
        "1 [documents] ",
        "1 [center] x",
        "1 [documents] of #1",
        "1 [documents] x\n3 [documents] y",
        "1 [documents] x\n2 [documents] of #2",
        "1 [documents each #1] x",
        "1 [documents] x\n2 [documents] of #12",
        "1 [documents] a\u202eb",
        "1 [documents] a\u2028b",
        "1 [documents] " + "x" * 200,
        "1 [documents] x\n",
        "\n".join(f"{k} [documents] x{k}" for k in range(1, PLAN_STEPS + 2)),
    ],
)
def test_what_is_no_plan_is_not_accepted(text: str) -> None:
    assert not accepts(rules_of("documents"), text)


def test_center_is_added_by_name() -> None:
    assert with_center(("a", "b")) == ("a", "b", "center")


# --- JSON schema


def of_schema(schema: dict[str, Any], rng: random.Random) -> Any:
    """A random value of a schema in the subset `plan_schema` uses."""
    if "enum" in schema:
        return rng.choice(schema["enum"])
    kind = schema["type"]
    if isinstance(kind, list):
        kind = rng.choice(cast("list[str]", kind))
    match kind:
        case "object":
            assert set(schema["required"]) == set(schema["properties"])
            return {name: of_schema(part, rng) for name, part in schema["properties"].items()}
        case "array":
            count = rng.randint(schema["minItems"], schema["maxItems"])
            return [of_schema(schema["items"], rng) for _ in range(count)]
        case "integer":
            return rng.choice((0, 1, 2, 3, 4, -1, 10**30))
        case "string":
            return rng.choice(("Who is #1?", "x", "What is #2 of #3?", "", "#", "a\nb", "y", "z"))
        case "null":
            return None
        case _:
            raise AssertionError(f"unexpected {kind}")


def test_what_fits_the_schema_is_read_or_refused_with_a_reason() -> None:
    rng, plans = random.Random(4), 0
    schema = plan_schema(("documents", "mcp:srv.tool"), max_steps=4)
    for _ in range(5000):
        data = of_schema(schema, rng)
        try:
            plan = plan_from_json(json.dumps(data), sources=("documents", "mcp:srv.tool"))
        except PlanError as error:
            assert 1 <= error.line <= 4
            assert error.hint
        else:
            plans += 1
            assert 1 <= len(plan.steps) <= 4
    assert plans > 200


def test_the_schema_is_in_the_subset_that_servers_take() -> None:
    def closed(schema: dict[str, Any]) -> None:
        if schema["type"] == "object":
            assert schema["additionalProperties"] is False
            for part in schema["properties"].values():
                closed(part)
        if schema["type"] == "array":
            closed(schema["items"])

    schema = plan_schema(("documents",))
    closed(schema)
    assert schema["properties"]["steps"]["maxItems"] == PLAN_STEPS
    assert json.loads(json.dumps(schema)) == schema


# --- llama.cpp


def weights() -> Path:
    try:
        return find("default")
    except MissingWeightsError as error:
        pytest.skip(str(error))


@pytest.mark.local
def test_llama_cpp_takes_the_grammar_and_samples_plans() -> None:
    xllamacpp = pytest.importorskip("xllamacpp", reason="the local extra is not installed")
    params = xllamacpp.CommonParams()
    params.model.path = str(weights())
    params.n_ctx, params.n_parallel, params.cpuparams.n_threads = 512, 1, 1
    params.verbosity = -1
    server = xllamacpp.Server(params)
    sources = ("documents", "mcp:srv.tool", "expert:art-history", "center")
    system = "Break the question into steps: number [source] text."
    for seed in range(4):
        reply = server.handle_chat_completions(
            {
                "messages": [
                    {"role": "system", "content": system},
                    {"role": "user", "content": "In which year was the painter's school founded?"},
                ],
                "grammar": plan_grammar(sources, max_steps=3),
                "temperature": 1.5,
                "seed": seed,
                "max_tokens": 72,
            }
        )
        choice = reply["choices"][0]
        reader = PlanReader(sources)
        reader.feed(choice["message"]["content"])
        reader.finish(cut=choice["finish_reason"] == "length")
        assert reader.problem is None, choice
        if choice["finish_reason"] != "length":
            assert reader.steps
