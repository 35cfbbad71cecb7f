"""Material: records on two sides that never mix, limits by origin, worlds as records."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from centerlm.errors import InputError
from centerlm.learning import material
from centerlm.learning.guidance import Guidance, Read, Skipped
from centerlm.learning.material import (
    Shelf,
    collect,
    examples_of,
    is_held,
    limited,
    record_id,
    skipped_by_kind,
    statistics,
)
from centerlm.learning.recipe import DataSection, Recipe, WorldsSection
from centerlm.learning.training import data_hash
from centerlm.learning.worlds import KINDS
from centerlm.plan import parse_plan

WORLDS = Recipe(
    data=DataSection(sets=(), held=0.4), worlds=WorldsSection(count=4, max_hops=2, people=8)
)


def say(what: str, done: int, of: int) -> None:
    del what, done, of


def guidance(n: int, by: str = "made") -> Guidance:
    plan = parse_plan(f"1 [documents] Who made thing {n}?\n2 [documents] When was #1 born?")
    return Guidance(
        f"r{n}", f"When was the maker of thing {n} born?", plan, by, answer="1900",
        answers={1: f"Maker {n}", 2: "1900"},
    )  # fmt: skip


def test_worlds_are_wholly_on_one_side() -> None:
    made = collect(WORLDS, None, say=say)
    sides = [
        {d.id.split("-s")[0] for d in side.decisions} | {f.id.split("-s")[0] for f in side.folds}
        for side in (made.train, made.held)
    ]
    assert sides[0]
    assert sides[1]
    assert not sides[0] & sides[1]
    read = {q.reading.id.split("-s")[0] for n in made.train.note_sets for q in n.questions}
    assert read <= sides[0]


def test_the_same_recipe_gives_the_same_examples() -> None:
    small = Recipe(
        data=DataSection(sets=(), held=0), worlds=WorldsSection(count=1, max_hops=2, people=8)
    )
    once = examples_of(collect(small, None, say=say).train, seed=0)
    again = examples_of(collect(small, None, say=say).train, seed=0)
    assert once == again
    assert {e.act for e in once} >= {"decompose", "absorb"}
    assert statistics(once)["worlds"]["absorb"] == sum(e.act == "absorb" for e in once)
    only = examples_of(collect(small, None, say=say).train, seed=0, acts=("absorb",))
    assert {e.act for e in only} == {"absorb"}


def towns(folder: Path) -> Path:
    """A data folder with paragraphs about towns, in SQuAD's format; two questions of each."""
    articles: list[dict[str, object]] = []
    for n, name in enumerate(("Arn", "Bel", "Cor", "Dun", "Esk", "Fal", "Gar", "Hul")):
        text = f"{name}ford lies on the river {name}a. It was founded in {1300 + 7 * n} by monks."
        asked = {
            f"Which river does {name}ford lie on?": f"the river {name}a",
            f"When was the town of {name}ford founded?": str(1300 + 7 * n),
        }
        questions: list[dict[str, object]] = []
        for q, a in asked.items():
            answer = {"text": a, "answer_start": text.find(a)}
            questions.append({"id": f"{n}-{len(questions)}", "question": q, "answers": [answer]})
        articles.append({"title": name, "paragraphs": [{"context": text, "qas": questions}]})
    (folder / "reading").mkdir()
    file = folder / "reading" / "xquad_en.json"
    file.write_text(json.dumps({"data": articles}), encoding="utf-8")
    return folder


def test_what_is_collected_is_what_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stored: making it faster changes nothing. By words, so that no weights are needed."""
    monkeypatch.setattr(material, "embedder", lambda: None)
    recipe = Recipe(
        data=DataSection(sets=("xquad",), held=0.3, atomic=4),
        worlds=WorldsSection(count=1, max_hops=2, people=6, templates=False, kinds=KINDS),
    )
    made = collect(recipe, towns(tmp_path), say=say)
    examples = examples_of(made.train, seed=0), examples_of(made.held, seed=1)
    assert {e.origin for some in examples for e in some} == {"xquad", "worlds"}
    assert [len(some) for some in examples] == [21, 262]
    assert [data_hash(some)[:16] for some in examples] == ["7cf248630ebe8126", "ad2c72728fcb5646"]


@pytest.mark.parametrize("absent", [0.0, 0.4])
def test_so_many_readings_have_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, absent: float
) -> None:
    monkeypatch.setattr(material, "embedder", lambda: None)
    recipe = Recipe(
        data=DataSection(sets=("xquad",), held=0, absent=absent),
        worlds=WorldsSection(count=1, max_hops=1, people=6, templates=False),
    )
    made = collect(recipe, towns(tmp_path), say=say)
    readings = [q for one in made.train.note_sets for q in one.questions]
    of_towns, of_worlds = (
        [q.answer is None for q in readings if (q.reading.origin == "xquad") is natural]
        for natural in (True, False)
    )
    assert abs(sum(of_towns) / len(of_towns) - absent) < 0.1
    assert abs(sum(of_worlds) / len(of_worlds) - absent) < 0.2


def test_guidance_gives_decisions_and_composed_questions() -> None:
    shelf = Shelf(Recipe(data=DataSection(held=0.5, recursion=0.0)))
    skipped = Skipped("file:3", "it is no JSON", "not json")
    shelf.add_read(Read(tuple(guidance(n) for n in range(40)), (skipped,)))
    made = shelf.collected()
    train, held = ({d.id for d in side.decisions} for side in (made.train, made.held))
    assert train
    assert held
    assert not train & held
    assert len(train | held) == 40
    assert {c.id for c in made.train.composed} == train
    assert not any(d.recursion for d in made.train.decisions)
    part = made.train.composed[0]
    assert part.parts[1] == (f"When was Maker {part.id[1:]} born?", "1900")
    assert made.skipped == (skipped,)
    assert len(made.ids) == len(made.questions) == 40


def test_limits_are_by_origin() -> None:
    items = [guidance(n, by) for n in range(10) for by in ("a", "b", "c")]
    chosen = limited(items, lambda one: one.by, {"a": 2, "other": 3}, 0)
    assert [sum(g.by == by for g in chosen) for by in "abc"] == [2, 3, 3]
    assert chosen == limited(items, lambda one: one.by, {"a": 2, "other": 3}, 0)
    assert limited(items, lambda one: one.by, {}, 0) != chosen


def test_a_record_stays_on_its_side_and_shares_are_met() -> None:
    ids = [f"r{n}" for n in range(4000)]
    held = [is_held(id_, 0.05, 1) for id_ in ids]
    assert 0.03 < sum(held) / len(ids) < 0.07
    assert all(is_held(i, 0.2, 1) for i, was in zip(ids, held, strict=True) if was)
    assert not any(is_held(id_, 0.0, 1) for id_ in ids)


@pytest.mark.parametrize(
    ("part", "record"),
    [
        ("musique:2hop__1_2:1:0", "2hop__1_2"),
        ("2hop__1_2", "2hop__1_2"),
        ("xquad:56beb:atomic", "56beb"),
        ("world-train-3-s3-q0-r1", "world-train-3-s3-q0-r1"),
    ],
)
def test_parts_of_a_record_are_of_one_record(part: str, record: str) -> None:
    assert record_id(part) == record


def test_own_guidance_with_bad_lines(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text(
        '{"objective": "Who?", "plan": "1 [documents] Who?", "by": "me"}\n'
        "nonsense\n"
        '{"objective": "Which?", "plan": "1 [oracle] Which?", "by": "me"}\n'
        '{"objective": "Loop?", "plan": {"steps": [{"id": 1, "sources": ["documents"], '
        '"text": "#2?"}, {"id": 2, "sources": ["documents"], "text": "#1?"}]}}\n',
        encoding="utf-8",
    )
    recipe = Recipe(
        data=DataSection(sets=(), guidance=(str(path),), held=0), worlds=WorldsSection(count=0)
    )
    made = collect(recipe, None, say=say)
    assert [d.objective for d in made.train.decisions] == ["Who?"]
    assert [s.where.rpartition(":")[2] for s in made.skipped] == ["2", "3", "4"]
    assert sum(map(len, skipped_by_kind(made.skipped).values())) == 3
    gone = msgspec.structs.replace(recipe, data=DataSection(sets=(), guidance=("none.jsonl",)))
    with pytest.raises(InputError, match=r"no file none\.jsonl; check \[data\] guidance"):
        collect(gone, None, say=say)


def test_own_questions_on_passages_are_readings_of_their_own(tmp_path: Path) -> None:
    asked = [("Who built the mill?", "Ada Brandt"), ("When was the mill built?", "1871")]
    context = "The mill at Elm was built by Ada Brandt in 1871."
    qas = [
        {"id": f"mine:{n}", "question": question, "answers": [{"text": answer, "answer_start": 0}]}
        for n, (question, answer) in enumerate(asked)
    ]
    path = tmp_path / "our mills.json"
    articles = [{"title": "The mill", "paragraphs": [{"context": context, "qas": qas}]}]
    path.write_text(json.dumps({"data": articles}), encoding="utf-8")

    data = DataSection(sets=(), squad=(str(path),), held=0, atomic=0, absent=0)
    made = collect(Recipe(data=data, worlds=WorldsSection(count=0)), None, say=say)
    read = [q for notes in made.train.note_sets for q in notes.questions]
    assert {(q.reading.question, q.answer) for q in read} == set(asked)
    assert {q.reading.origin for q in read} == {"our mills"}
    assert len({record_id(q.reading.id) for q in read}) == 2  # each is on a side of its own
    assert set(made.questions) == {question for question, _ in asked}  # checked against test sets

    few = msgspec.structs.replace(data, readings={"our mills": 1})
    made = collect(Recipe(data=few, worlds=WorldsSection(count=0)), None, say=say)
    assert len({q.reading.id for n in made.train.note_sets for q in n.questions}) == 1
    gone = msgspec.structs.replace(data, squad=("none.json",))
    with pytest.raises(InputError, match=r"no file none\.json; check \[data\] squad"):
        collect(Recipe(data=gone, worlds=WorldsSection(count=0)), None, say=say)
