"""A step that finds nothing: next alternative, one re-ask, split if depth allows, then nothing."""

from __future__ import annotations

from typing import Any

import pytest

from centerlm.center import PARTED
from centerlm.errors import ModelError
from centerlm.finding import Citation, Finding, Passage, Status, found
from centerlm.grammar import plan_grammar
from centerlm.learning.shown import question_of
from centerlm.models.base import Prompt, Sampling
from centerlm.objective import Budget
from centerlm.run import Options
from centerlm.sources.base import Seek
from centerlm.subjects import OF_ANOTHER
from engine import Asks, act_of, echo, prose, run, script, told

NOTHING = Finding(Status.NOTHING)
ALL = Options(reopens=0)


def test_the_order_is_alternatives_reask_split_nothing() -> None:
    sources = [prose("a"), prose("b"), prose("c")]
    said = script({"q": "1 [a | b] where", "where": "1 [c] sub"}, seek="in other words")
    outcome = run("q", said, sources, options=ALL, budget=Budget(depth=2))
    assert told(outcome) == [
        "decompose", "a: where", "b: where", "seek 1", "a: in other words", "decompose 1",
        "c: sub", "seek 1.1", "c: in other words",
    ]  # fmt: skip
    assert outcome.status("1") == "nothing"
    assert outcome.solution.status == "nothing"


def test_the_first_way_that_finds_ends_it() -> None:
    for wanted, expected in {
        "a: where": 2,
        "b: where": 3,
        "a: in other words": 5,
        "c: sub": 7,
    }.items():

        def reply(name: str, wanted: str = wanted) -> Any:
            return lambda seek: found("X") if f"{name}: {seek.text}" == wanted else NOTHING

        sources = [prose(name, reply(name)) for name in "abc"]
        said = script({"q": "1 [a | b] where", "where": "1 [c] sub"}, seek="in other words")
        outcome = run("q", said, sources, options=ALL, budget=Budget(depth=2))
        assert told(outcome)[-1] == wanted
        assert len(told(outcome)) == expected
        assert outcome.answer("1") == "X"
        assert outcome.solution.status == "answered"


def test_a_split_has_to_take_its_question_apart() -> None:
    """A grammar sees to it, in no word that a trained center was never shown; else a line does."""
    seen: list[tuple[str, bool, bool]] = []

    def say(prompt: Prompt, sampling: Sampling) -> str:
        if act_of(prompt) != "decompose":
            return "nothing"
        parted = sampling.grammar == plan_grammar(("a",), parted=True)
        seen.append((question_of(prompt), parted, PARTED in prompt.messages[-1].text))
        return "1 [a] where" if len(seen) == 1 else "1 [a] one\n2 [a] two"

    for constraint in ("gbnf", "none"):
        run("q", say, [prose("a")], options=ALL, budget=Budget(depth=2), constraint=constraint)
        assert seen == [("q", False, False), ("where", constraint == "gbnf", constraint == "none")]
        seen.clear()


def test_failed_is_the_same_without_the_reask() -> None:
    sources = [prose("a", lambda seek: Finding(Status.FAILED, reason="down")), prose("c")]
    said = script({"q": "1 [a] where", "where": "1 [c] sub"}, seek="in other words")
    outcome = run("q", said, sources, options=ALL, budget=Budget(depth=2))
    assert told(outcome)[:4] == ["decompose", "a: where", "decompose 1", "c: sub"]
    assert "seek 1" not in told(outcome)
    assert outcome.status("1") == "nothing"  # the split found nothing


def test_a_step_that_only_failed_ends_failed() -> None:
    source = prose("a", lambda seek: Finding(Status.FAILED, reason="down"))
    outcome = run("q", {"q": "1 [a] where"}, [source], options=ALL, budget=Budget(depth=1))
    assert (outcome.status("1"), outcome.reason("1")) == ("failed", "down")


def test_an_alternative_is_tried_after_a_failure() -> None:
    sources = [prose("a", lambda seek: Finding(Status.FAILED)), prose("b", lambda seek: found("X"))]
    outcome = run("q", {"q": "1 [a | b] where"}, sources)
    assert outcome.answer("1") == "X"
    node = outcome.solution.tree.nodes["1"]
    assert (node.source, node.tried) == ("b", ("a",))


@pytest.mark.parametrize("words", ["", "  ", "Where ?", '"where"', ModelError("down")])
def test_a_reask_in_the_same_words_or_none_is_not_made(words: Any) -> None:
    docs = prose("docs")
    options = Options(splits=False)
    outcome = run("q", script({"q": "1 [docs] where"}, seek=words), [docs], options=options)
    assert docs.texts == ["where"]
    assert outcome.status("1") == "nothing"


def test_there_is_one_reask_only() -> None:
    docs = prose("docs")
    run("q", script({"q": "1 [docs] w"}, seek="again"), [docs], options=Options(splits=False))
    assert docs.texts == ["w", "again"]


def test_options_switch_reask_and_split_off() -> None:
    docs = prose("docs")
    options = Options(reasks=False, splits=False)
    assert told(run("q", {"q": "1 [docs] w"}, [docs], options=options)) == ["decompose", "docs: w"]


def test_nothing_is_split_at_the_last_level() -> None:
    options = Options(reasks=False)
    outcome = run("q", {"q": "1 [d] w"}, [prose("d")], options=options, budget=Budget(depth=1))
    assert told(outcome) == ["decompose", "d: w"]


def test_people_and_writes_are_neither_asked_again_nor_split() -> None:
    for source in (
        Asks("p", {}, typed=False, shared=False),
        Asks("p", {}, typed=False, effect="write"),
    ):
        outcome = run("q", script({"q": "1 [p] w"}, seek="again"), [source], options=ALL)
        assert told(outcome) == ["decompose", "p: w"]


def test_only_free_text_and_passages_are_absorbed() -> None:
    typed = Asks("typed", echo)
    assert told(run("q", {"q": "1 [typed] a"}, [typed])) == ["decompose", "typed: a"]
    text = prose("text", lambda seek: "It is X.")
    outcome = run("q", script({"q": "1 [text] a"}, absorb="X [1]"), [text])
    assert told(outcome) == ["decompose", "text: a", "absorb 1"]
    assert outcome.solution.answer == "X"
    assert outcome.solution.status == "answered"


def test_passages_are_absorbed_with_a_citation_of_the_one_that_holds_the_answer() -> None:
    passages = (
        Passage("p1", "Nothing of use.", file="a.txt"),
        Passage("p2", "Intro. The seat is Bergen. End.", title="Seats", file="b.txt", start=10),
    )
    docs = prose("docs", lambda seek: Finding(Status.FOUND, passages=passages))
    outcome = run("q", script({"q": "1 [docs] a"}, absorb="Bergen [1]"), [docs])
    assert outcome.solution.answer == "Bergen"
    (citation,) = outcome.solution.finding.citations
    assert citation == Citation("p2", "b.txt", "Seats", 10, 0, "characters", "The seat is Bergen.")


def test_a_source_whose_text_does_not_say_has_found_nothing() -> None:
    docs = prose("docs", lambda seek: "It rains.")
    outcome = run("q", script({"q": "1 [docs] a"}, absorb="nothing"), [docs])
    assert (outcome.status("1"), outcome.solution.status) == ("nothing", "nothing")
    assert outcome.reason("1") == "what docs gave does not say"


def test_a_measure_that_is_no_number_of_things_is_read_over() -> None:
    passages = (Passage("p1", "It is 118 metres long and can take 900 passengers.", file="a.txt"),)
    docs = prose("docs", lambda seek: Finding(Status.FOUND, passages=passages))

    def outcome(second: str) -> Any:
        def say(prompt: Prompt, sampling: Sampling) -> str:
            if act_of(prompt) != "absorb":
                return "1 [docs] How many passengers can the Seabird take?"
            return "118 metres [1]" if "118" in prompt.messages[-1].text else second

        made = run("q", say, [docs], options=Options(splits=False, reasks=False))
        assert told(made)[2:] == ["absorb 1", "reread 1"]
        return made

    for second in ("92 m [1]", "nothing"):
        reason = outcome(second).reason("1")
        assert reason == "a number of things was asked for, not a measure: 118 metres"
    found = outcome("900 [1]")
    assert found.answer("1") == "900"
    (citation,) = found.solution.finding.citations
    assert citation.quote == "It is 118 metres long and can take 900 passengers."


def test_a_date_is_no_age() -> None:
    docs = prose("docs", lambda seek: "He was born in 1744 and died in 1812.")
    said = script({"q": "1 [docs] At what age did Ugo die?"}, absorb="1812 [1]")
    outcome = run("q", said, [docs], options=Options(splits=False, reasks=False))
    assert told(outcome)[2:] == ["absorb 1"]
    assert outcome.reason("1") == "an age was asked for, not a date: 1812"


def test_what_is_said_of_another_subject_is_no_answer() -> None:
    passages = (
        Passage("p1", "Thomas Pike died in 1644.", "Thomas Pike"),
        Passage("p2", "Ada Brandt was a painter. She died in 1812.", "Ada Brandt"),
        Passage("p3", "Wexley is a castle, where a captain died in 1701.", "Wexley"),
    )

    def outcome(*shown: Passage, second: str) -> Any:
        docs = prose("docs", lambda seek: Finding(Status.FOUND, passages=shown))

        def say(prompt: Prompt, sampling: Sampling) -> str:
            del sampling
            if act_of(prompt) != "absorb":
                return "1 [docs] When did Ada Brandt die?"
            return "1644 [1]" if "1644" in prompt.messages[-1].text else second

        return run("q", say, [docs], options=Options(splits=False, reasks=False))

    found = outcome(*passages, second="1812 [1]")
    assert told(found)[2:] == ["absorb 1", "reread 1"]
    assert found.answer("1") == "1812"
    (citation,) = found.solution.finding.citations
    assert (citation.passage, citation.quote) == ("p2", "She died in 1812.")
    assert outcome(*passages, second="nothing").reason("1").startswith(OF_ANOTHER)

    kin = Passage("p4", "The general of Elm died before Ada Brandt, in 1644.", "Elm")
    assert told(outcome(passages[0], kin, second=""))[2:] == ["absorb 1"]  # there it stands, too
    alone = outcome(passages[0], passages[2], second="1701 [1]")
    assert told(alone)[2:] == ["absorb 1"]
    assert alone.reason("1") == f"{OF_ANOTHER}: 1644"


def test_a_name_copied_with_a_slip_is_written_as_the_passage_has_it() -> None:
    passages = (Passage("p1", "The seat of the county is Bergenhus.", file="a.txt"),)
    docs = prose("docs", lambda seek: Finding(Status.FOUND, passages=passages))
    outcome = run("q", script({"q": "1 [docs] a"}, absorb="Bergenhuus [1]"), [docs])
    assert outcome.solution.answer == "Bergenhus"
    (citation,) = outcome.solution.finding.citations
    assert citation.quote == "The seat of the county is Bergenhus."


def test_an_absorb_call_that_fails_fails_the_step_only() -> None:
    said = script({"q": "1 [docs] a\n2 [typed] b"}, absorb=ModelError("the server is down"))
    outcome = run("q", said, [prose("docs", lambda seek: "x"), Asks("typed", echo)])
    assert (outcome.status("1"), outcome.reason("1")) == ("failed", "the server is down")
    assert outcome.status("2") == "found"


def test_one_final_typed_answer_is_the_level_s_answer_verbatim() -> None:
    sources = [Asks("docs", lambda seek: found("1950")), Asks("calc", lambda seek: found(1957))]
    outcome = run("q", {"q": "1 [docs] a\n2 [calc] #1 + 7"}, sources)
    assert (outcome.solution.answer, outcome.solution.finding.value) == ("1957", 1957)
    assert "absorb" not in outcome.acts()


def test_the_root_absorb_sees_partial_results() -> None:
    docs = Asks("docs", {"b": found("Oslo")})
    outcome = run("q", script({"q": "1 [docs] a\n2 [docs] b"}, absorb="Oslo [1]"), [docs])
    assert (outcome.solution.answer, outcome.solution.status) == ("Oslo", "partial")
    (prompt,) = outcome.prompts("absorb")
    assert prompt.messages[1].text == "[1] b: Oslo\nQuestion: q"


def test_a_child_is_not_answered_from_a_part_of_its_final_steps() -> None:
    docs = Asks("docs", {"b": found("Oslo")})
    plans = {"q": "1 [center] sub", "sub": "1 [docs] a\n2 [docs] b"}
    outcome = run("q", script(plans, absorb="Oslo [1]"), [docs])
    assert (outcome.status("1"), outcome.reason("1")) == ("nothing", "nothing (needs #1)")
    assert outcome.prompts("absorb") == []


def test_a_schema_source_gets_arguments_written_by_one_call() -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    got: list[Any] = []

    def reply(seek: Seek) -> Finding:
        got.append(seek.arguments)
        return found("mild")

    said = script({"q": "1 [weather] in Oslo"}, arguments='{"city": "Oslo"}')
    outcome = run("q", said, [Asks("weather", reply, schema=schema)])
    assert told(outcome) == ["decompose", "seek 1", "weather: in Oslo"]
    assert got == [{"city": "Oslo"}]
    for garbage in ("no", "{", "[1]", '{"a": ' * 5000, ""):
        said = script({"q": "1 [weather] in Oslo"}, arguments=garbage)
        outcome = run("q", said, [Asks("weather", reply, schema=schema)])
        assert outcome.status("1") == "failed"
        assert outcome.reason("1") == "no arguments for weather could be written"
