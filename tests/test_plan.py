"""The plan language: reading, writing, checking, JSON."""

from __future__ import annotations

import json
import random
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from centerlm.errors import PlanError
from centerlm.plan import (
    MAX_STEPS,
    MAX_TEXT,
    Plan,
    Step,
    escape,
    fill,
    format_plan,
    is_source_name,
    make_plan,
    normalise,
    parse_plan,
    plan_from_json,
    plan_to_json,
    references,
)
from centerlm.reading import PlanReader
from plans import NAMES, near_plans, plans

SOURCES = ("documents", "calculator", "expert:history")

VAN_HOOK = """\
1 [documents] Which county is Van Hook Township in?
2 [documents] What is the seat of #1?
3 [documents | expert:history] In which year was #2 founded?
4 [calculator] 1998 - #3"""


def refused(text: str, **options: Any) -> PlanError:
    with pytest.raises(PlanError) as caught:
        parse_plan(text, **options)
    return caught.value


def test_a_plan_is_read_as_written() -> None:
    plan = parse_plan(VAN_HOOK, sources=SOURCES)
    assert plan.steps[2] == Step(
        3, ("documents", "expert:history"), "In which year was #2 founded?"
    )
    assert [step.needs for step in plan.steps] == [(), (1,), (2,), (3,)]
    assert [step.id for step in plan.ends] == [4]
    assert str(plan) == format_plan(plan) == VAN_HOOK


def test_each_and_references_are_dependencies() -> None:
    plan = parse_plan("1 [a] x\n2 [a] y\n3 [a | b each #1] When was #1 in #2 and #2 born?")
    assert plan.steps[2] == Step(3, ("a", "b"), "When was #1 in #2 and #2 born?", 1)
    assert plan.steps[2].needs == (1, 2)
    only_each = parse_plan("1 [a] x\n2 [a each #1] count the letters").steps[1]
    assert only_each.needs == (1,)


@pytest.mark.parametrize(
    "text",
    [
        "1 [a] x\n2 [b|a each #1] #1",
        "  1   [ a ]   x  \r\n\r\n\t2 [ b | a  each  #1 ]\t#1\r\n",
        "1[a]x\n\n2[b | a | b each #1]#1\n",
    ],
)
def test_spacing_blank_lines_and_repeated_names_do_not_matter(text: str) -> None:
    assert format_plan(parse_plan(text)) == "1 [a] x\n2 [b | a each #1] #1"


def test_center_needs_no_registration_and_each_is_a_name_too() -> None:
    plan = parse_plan("1 [center] x\n2 [each each #1] #1", sources=["each"])
    assert plan.steps[1] == Step(2, ("each",), "#1", 1)


def test_a_doubled_hash_is_a_literal_one() -> None:
    plan = parse_plan("1 [a] room ##1 in C##\n2 [a] ###1 of ####")
    assert [step.needs for step in plan.steps] == [(), (1,)]
    assert fill(plan.steps[0].text, {}) == "room #1 in C#"
    assert fill(plan.steps[1].text, {1: "#2 and ##"}) == "##2 and ## of ##"


@given(st.text(), st.integers(1, 9), st.text())
def test_filling_in_expands_once(text: str, k: int, answer: str) -> None:
    assert fill(escape(text), {}) == text
    assert fill(f"#{k} {escape(text)}", {k: answer}) == f"{answer} {text}"
    assert references(escape(text)) == ()


def test_duplicates_are_merged_and_references_follow() -> None:
    plan = parse_plan(
        "1 [a] x\n2 [a] x\n3 [b] of #2\n4 [b] of #1\n"
        "5 [a each #2] y #4\n6 [a each #1] y #3\n7 [c] #6"
    )
    assert str(plan) == "1 [a] x\n2 [b] of #1\n3 [a each #1] y #2\n4 [c] #3"
    unlike = parse_plan("1 [a] x\n2 [b] x\n3 [a | b] x\n4 [a] X")
    assert len(unlike.steps) == 4


# the text, line, column, and words that must stand in the message
WRONG = [
    ("", 1, 1, "empty"),
    (" \n\t\n", 3, 1, "empty"),
    ("What is it?", 1, 1, "write '1 [source] text'"),
    ("1 [documents] x\n\n  Then #1", 3, 3, "write '2 [source] text'"),
    ("2 [documents] x", 1, 1, "step 2 stands where step 1 belongs"),
    ("1 [documents] x\n1 [documents] y", 2, 1, "step 1 stands where step 2"),
    ("1 documents x", 1, 3, "brackets"),
    ("1 [documents x", 1, 3, "brackets"),
    ("1", 1, 2, "brackets"),
    ("1 [] x", 1, 4, "missing"),
    ("1 [documents | ] x", 1, 16, "missing"),
    ("1 [each #1] x", 1, 4, "missing"),
    ("1 [my docs] x", 1, 4, "not a source name"),
    ("1 [documents, a] x", 1, 4, "not a source name"),
    ("1 [documents | document] x", 1, 16, "did you mean documents?"),
    ("1 [zzz] x", 1, 4, "known: calculator, documents, expert:history, center"),
    ("1 [documents]", 1, 14, "no text"),
    ("1 [documents] " + "x" * 201, 1, 215, "201 characters"),
    ("1 [documents] a\tb", 1, 16, "U+0009"),
    ("1 [documents] a\u202eb", 1, 16, "U+202E"),
    ("1 [documents] a # b", 1, 17, "write #1 for a reference, ## for '#'"),
    ("1 [documents] #12345", 1, 15, "lone '#'"),
    ("1 [documents] x\n2 [documents] y ##2 #2", 2, 21, "refers to itself"),
    ("1 [documents] x\n2 [documents] #1 #3", 2, 18, "later step"),
    ("1 [documents] x\n2 [documents] #0", 2, 15, "no step"),
    ("1 [documents] x\n2 [documents each #2] y", 2, 19, "refers to itself"),
    ("1 [documents] x\n2 [documents] of #012 now", 2, 18, "later step"),
    ("\u0661 [documents] x", 1, 1, "starts with its number"),
]


@pytest.mark.parametrize(("text", "line", "column", "words"), WRONG)
def test_an_error_says_where_and_how_to_mend_it(
    text: str, line: int, column: int, words: str
) -> None:
    error = refused(text, sources=SOURCES)
    assert (error.line, error.column) == (line, column)
    assert words in str(error)
    assert error.hint
    assert str(error).startswith(f"line {line}, column {column}: ")
    assert "\n" not in str(error)


def test_only_ascii_digits_make_a_reference() -> None:
    plan = parse_plan("1 [a] x\n2 [a] the #1\u0663 of it")
    assert plan.steps[1].needs == (1,)
    assert fill(plan.steps[1].text, {1: "A"}) == "the A\u0663 of it"


def test_limits_on_steps_and_characters() -> None:
    longest = "\n".join(f"{k} [a] {'x' * (MAX_TEXT - 2)}{k:02}" for k in range(1, MAX_STEPS + 1))
    assert len(parse_plan(longest).steps) == MAX_STEPS
    error = refused(longest + f"\n{MAX_STEPS + 1} [a] more")
    assert error.line == MAX_STEPS + 1
    assert "more than 32 steps" in str(error)
    assert "more than 1 steps" in str(refused("1 [a] x\n2 [a] y", max_steps=1))


@given(plans())
def test_parse_undoes_format(plan: Plan) -> None:
    assert parse_plan(format_plan(plan)) == plan
    assert make_plan(plan.steps) == plan


@given(plans(), st.randoms(use_true_random=False))
def test_json_undoes_json_and_the_order_of_its_steps_does_not_matter(
    plan: Plan, rng: random.Random
) -> None:
    data = plan_to_json(plan)
    assert plan_from_json(json.dumps(data)) == plan
    rng.shuffle(data["steps"])
    shuffled = plan_from_json(data)
    assert Counter(_shape(shuffled)) == Counter(_shape(plan))


def _shape(plan: Plan) -> list[Any]:
    """Each step with what it rests on written out: the same for any numbering."""
    known: dict[int, str] = {}
    for step in plan.steps:
        each = "" if step.each is None else f" each ({known[step.each]})"
        known[step.id] = f"{step.sources}{each} {fill(step.text, known)}"
    return list(known.values())


def test_a_hundred_thousand_strings_raise_nothing_but_plan_errors() -> None:
    ends: Counter[str] = Counter()
    for text in near_plans(100_000):
        try:
            plan = parse_plan(text, sources=NAMES)
        except PlanError as error:
            ends["error"] += 1
            lines = text.split("\n")
            assert 1 <= error.line <= len(lines)
            assert 1 <= error.column <= len(lines[error.line - 1]) + 1
        else:
            ends["plan"] += 1
            assert parse_plan(format_plan(plan), sources=NAMES) == plan
    assert ends["plan"] > 1000
    assert ends["error"] > 50_000


def test_ten_thousand_strings_as_json_raise_nothing_but_plan_errors() -> None:
    for text in near_plans(10_000, seed=1):
        step = {"id": 1, "sources": [text], "text": text}
        for data in (text, {"steps": [step]}, {"steps": text}, {"steps": [{**step, "each": text}]}):
            with pytest.raises(PlanError):
                plan_from_json(data, sources=["documents"])


def step_json(**changes: Any) -> dict[str, Any]:
    return {"id": 1, "sources": ["a"], "text": "x", **changes}


@pytest.mark.parametrize(
    ("data", "line", "words"),
    [
        ("not json", 1, "not JSON"),
        ("[" * 100_000, 1, "not JSON"),
        ("1" * 5000, 1, "not JSON"),
        (None, 1, "no list 'steps'"),
        ([], 1, "no list 'steps'"),
        ({"steps": []}, 1, "no list 'steps'"),
        ({"steps": "x"}, 1, "no list 'steps'"),
        ({"steps": ["1 [a] x"]}, 1, "not complete"),
        ({"steps": [step_json(), {"id": 2, "text": "x"}]}, 2, "not complete"),
        ({"steps": [step_json(id="1")]}, 1, "not complete"),
        ({"steps": [step_json(id=True)]}, 1, "not a number"),
        ({"steps": [step_json(id=1.0)]}, 1, "not complete"),
        ({"steps": [step_json(sources=[])]}, 1, "not complete"),
        ({"steps": [step_json(sources="a")]}, 1, "not complete"),
        ({"steps": [step_json(sources=[1])]}, 1, "not a text"),
        ({"steps": [step_json(text=None)]}, 1, "not complete"),
        ({"steps": [step_json(text="x\n2 [b] y")]}, 1, "more than one line"),
        ({"steps": [step_json(text="x\ry")]}, 1, "U+000D"),
        ({"steps": [step_json(text="")]}, 1, "no text"),
        ({"steps": [step_json(each="1")]}, 1, "not a step id"),
        ({"steps": [step_json(each=True)]}, 1, "not a step id"),
        ({"steps": [step_json(each=0)]}, 1, "#0 refers to no step"),
        ({"steps": [step_json(), step_json(text="y")]}, 2, "two steps have id 1"),
        ({"steps": [step_json(), step_json(id=2, text="#3")]}, 2, "#3 refers to no step"),
        ({"steps": [step_json(text="#1")]}, 1, "depends on itself"),
        ({"steps": [step_json(text="#2"), step_json(id=2, text="#1")]}, 1, "depends on itself"),
        ({"steps": [step_json(sources=["a] y\n2 [a"])]}, 1, "not a source name"),
        ({"steps": [step_json(sources=["a] y"])]}, 1, "not a source name"),
        ({"steps": [step_json(sources=["b"])]}, 1, "unknown source 'b'"),
        ({"steps": [step_json(text="\ud800")]}, 1, "U+D800"),
        ({"steps": [step_json(id=k, text=f"x{k}") for k in range(1, 34)]}, 33, "more than 32"),
    ],
)
def test_wrong_json(data: Any, line: int, words: str) -> None:
    with pytest.raises(PlanError) as caught:
        plan_from_json(data, sources=["a"])
    assert caught.value.line == line
    assert words in str(caught.value)


def test_forward_references_in_json_are_put_into_order() -> None:
    data = {
        "steps": [
            {"id": 30, "sources": ["calculator"], "text": "#10 - #20"},
            {"id": 20, "sources": ["documents"], "text": "b", "each": 10},
            {"id": 10, "sources": ["documents"], "text": "a", "each": None},
            {"id": 5, "sources": ["documents"], "text": "a"},
        ]
    }
    plan = plan_from_json(data)
    assert str(plan) == "1 [documents] a\n2 [documents each #1] b\n3 [calculator] #1 - #2"


def test_plans_made_in_code_are_checked() -> None:
    assert str(make_plan([Step(1, ("a",), "x"), Step(2, ("a",), "x")])) == "1 [a] x"
    for step, words in [
        (Step(1, ("a",), "x\n2 [b] y"), "U+000A"),
        (Step(1, ("a] y\n2 [b",), "x"), "not a source name"),
        (Step(1, (), "x"), "missing"),
        (Step(2, ("a",), "x"), "step 2 stands"),
        (Step(1, ("a",), "x", each=-1), "not a source name"),
    ]:
        with pytest.raises(PlanError, match=words.replace("+", r"\+")):
            make_plan([step])
    with pytest.raises(PlanError, match="empty"):
        make_plan([])


@pytest.mark.parametrize("name", ["a", "expert:art-history", "mcp:srv.tool_2", "A" * 64])
def test_source_names(name: str) -> None:
    assert is_source_name(name)
    assert parse_plan(f"1 [{name}] x", sources=[name]).steps[0].sources == (name,)


@pytest.mark.parametrize("name", ["", "1a", "a b", "a]", "a|b", "é", "-a", "A" * 65, "a\n", "a#1"])
def test_no_source_names(name: str) -> None:
    assert not is_source_name(name)


def test_normalised_texts_are_equal_where_people_would_say_so() -> None:
    assert normalise('  Who  wrote "Emma"? ') == normalise("who wrote emma")
    assert normalise("C#") != normalise("C")


# --- reading while decoding


def read_in_pieces(text: str, cuts: list[int], sources: tuple[str, ...], **end: bool) -> PlanReader:
    reader = PlanReader(sources)
    places = [0, *sorted(cuts), len(text)]
    steps = [step for start, stop in pairwise(places) for step in reader.feed(text[start:stop])]
    steps += reader.finish(cut=end.get("cut", False))
    assert steps == reader.steps
    return reader


@given(plans(), st.data())
def test_any_pieces_give_the_steps_of_the_whole(plan: Plan, data: st.DataObject) -> None:
    text = format_plan(plan)
    if data.draw(st.booleans()):  # a plan that repeats steps, with blank lines
        lines = text.split("\n")
        again = lines[0].replace("1 ", f"{len(lines) + 1} ", 1)
        text = "\n\n".join([*lines, again, ""])
    cuts = data.draw(st.lists(st.integers(0, len(text)), max_size=20))
    names = tuple({name for step in plan.steps for name in step.sources})
    reader = read_in_pieces(text, cuts, names)
    assert reader.problem is None
    assert reader.plan() == parse_plan(text, sources=names) == plan


def test_near_plans_end_reading_where_parsing_fails() -> None:
    rng = random.Random(2)
    for text in near_plans(10_000, seed=2):
        cuts = [rng.randint(0, len(text)) for _ in range(rng.randint(0, 6))]
        reader = read_in_pieces(text, cuts, NAMES)
        try:
            plan = parse_plan(text, sources=NAMES)
        except PlanError as error:
            if reader.problem is None:
                assert "empty" in str(error)
                assert not reader.steps
            else:
                assert str(reader.problem) == str(error)
        else:
            assert reader.problem is None
            assert reader.plan() == plan


@given(plans(), st.data())
def test_a_cut_text_loses_its_last_line_only(plan: Plan, data: st.DataObject) -> None:
    text = format_plan(plan)
    text = text[: data.draw(st.integers(0, len(text)))]
    names = tuple({name for step in plan.steps for name in step.sources})
    reader = read_in_pieces(text, [], names, cut=True)
    assert reader.problem is None
    assert tuple(reader.steps) == plan.steps[: text.count("\n")]


def test_a_reader_without_a_step_says_why() -> None:
    reader = PlanReader(["a"])
    assert not reader.pending
    with pytest.raises(PlanError, match="empty"):
        reader.plan()
    assert reader.feed("\n1 [b] x\n1 [a] y\n") == []
    assert reader.pending
    with pytest.raises(PlanError, match="line 2, column 4: unknown source 'b'"):
        reader.plan()
