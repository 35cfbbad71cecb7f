"""PDDL puzzles: the grounded simulator agrees with the library's validator; what people write."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from centerlm.errors import InputError, SourceError
from centerlm.evaluation.pddl import PddlPuzzle, load_pddl, planbench_task, read_planbench, validate
from centerlm.evaluation.renaming import new_names, rename
from centerlm.finding import Finding, Status
from planbench_data import PLAN, planbench

pytest.importorskip("unified_planning")


@pytest.fixture(scope="module")
def puzzle(tmp_path_factory: pytest.TempPathFactory) -> PddlPuzzle:
    folder = planbench(tmp_path_factory.mktemp("pddl"))
    ((number, row),) = read_planbench(folder)
    task = planbench_task(folder, number, row)
    assert "Goal: all." in task.question and "Example" not in task.question
    assert task.puzzle.right(task.plan)
    return task.puzzle


@pytest.mark.parametrize(
    ("plan", "valid", "right"),
    [
        (PLAN, True, True),
        ("(take b)\n(put b a)\n(take c)\n(put c b)", True, True),
        ("1. take the blue block; put the blue block on top of the red block", True, False),
        ("put blue red", False, False),
        ("take blue; take green", False, False),
        ("take violet", False, False),
        ("", False, False),
        ("; ".join(["take blue", "put blue red"] * 40), False, False),
    ],
)
def test_plans_are_read_run_and_judged(
    puzzle: PddlPuzzle, plan: str, valid: bool, right: bool
) -> None:
    assert (puzzle.valid(plan), puzzle.right(plan)) == (valid, right)


def test_the_simulator_says_what_happens_and_what_is_missing(puzzle: PddlPuzzle) -> None:
    simulate = puzzle.experiment().run
    done = simulate(("take blue", "put blue red"))
    assert isinstance(done, Finding) and done.value == "take blue; put blue red"
    assert "still needed: below blue green" in done.text and "free blue" in done.text
    further = simulate((done.value, "take green", "put green blue"))
    assert isinstance(further, Finding) and "the goal is reached" in further.text
    stuck = simulate(("take blue", "take green"))
    assert isinstance(stuck, Finding)
    assert (stuck.status, stuck.reason) == (Status.NOTHING, "action 2, take green, needs: hand")
    with pytest.raises(SourceError, match="no action here"):
        simulate(("fly",))


def test_random_walks_agree_with_the_librarys_validator(puzzle: PddlPuzzle) -> None:
    draw = random.Random(3)
    reached: set[bool] = set()
    for _ in range(40):
        actions = puzzle.propose(draw).split("; ")[: draw.choice((2, 4, 40))]
        assert puzzle.reaches(actions) == validate(puzzle, actions)
        reached.add(puzzle.reaches(actions))
    assert reached == {True, False}


def test_other_names_are_told_in_all_forms_of_the_old() -> None:
    names = new_names("pick-up a; stack a b", random.Random(0))
    assert set(names) >= {"pick-up", "pick up", "picking up", "stack", "stacking", "stacked"}
    assert (
        rename("Pick up a, then stack", {"pick up": "zoba", "stack": "kano"}) == "Zoba a, then kano"
    )


def test_a_puzzle_under_other_names_is_the_same_puzzle(puzzle: PddlPuzzle) -> None:
    assert puzzle.kinds == ("put", "take")
    words = new_names("; ".join(puzzle.kinds), random.Random(1))
    other = puzzle.renamed(words)
    plan = rename(PLAN, words)
    assert plan.startswith(f"{words['take']} blue; {words['put']} blue red")
    assert puzzle.right(PLAN) and not puzzle.right(plan)
    assert other.right(plan) and not other.right(PLAN)
    assert (other.length(plan), other.valid(PLAN)) == (4, False)
    told = other.experiment().run((plan,))
    assert told.answer == plan
    first = plan.split("; ")[1]
    assert other.experiment().run((first,)).reason == f"action 1, {first}, needs: held blue"
    assert other.tried(random.Random(3)) == puzzle.tried(random.Random(3))


def test_what_is_no_puzzle_is_refused(tmp_path: Path) -> None:
    folder = planbench(tmp_path)
    domain = folder.parent / "instances" / "shelf" / "domain.pddl"
    with pytest.raises(InputError, match="does not exist"):
        load_pddl(domain, folder / "none.pddl")
    bad = tmp_path / "bad.pddl"
    bad.write_text("(define (problem")
    with pytest.raises(InputError, match="is no PDDL"):
        load_pddl(domain, bad)
    (folder / "task_1_plan_generation.json").write_text('{"instances": [{"instance_id": 1}]}')
    with pytest.raises(InputError, match="is not of PlanBench"):
        read_planbench(folder)


def _row(**other: object) -> dict[str, object]:
    return {"instance_id": 7, "query": "[STATEMENT]Go.", "ground_truth_plan": "(take b)", **other}


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([_row(), _row()], "two instances have one instance_id"),
        ([_row(ground_truth_plan=None)], "ground_truth_plan is no text"),
    ],
)
def test_instances_that_cannot_be_told_apart_or_asked_are_refused(
    tmp_path: Path, rows: list[dict[str, object]], told: str
) -> None:
    folder = planbench(tmp_path)
    (folder / "task_1_plan_generation.json").write_text(json.dumps({"instances": rows}))
    with pytest.raises(InputError, match=f"is not of PlanBench .*{told}"):
        read_planbench(folder)


@pytest.mark.parametrize("plan", ["", "(fly red)"])
def test_a_plan_that_is_none_is_told_with_its_instance(tmp_path: Path, plan: str) -> None:
    folder = planbench(tmp_path)
    with pytest.raises(InputError, match=r"the plan of instance 7 of .*shelf is not one"):
        planbench_task(folder, 7, _row(ground_truth_plan=plan))


@pytest.mark.parametrize("encoded", ["[1]", '{"a": ""}', "3"])
def test_names_of_objects_in_another_form_are_told(tmp_path: Path, encoded: str) -> None:
    folder = planbench(tmp_path)
    config = (folder / "config.yaml").read_text().partition("encoded_objects")[0]
    (folder / "config.yaml").write_text(f"{config}encoded_objects: {encoded}\n")
    with pytest.raises(InputError, match="is no configuration of PlanBench"):
        planbench_task(folder, 7, _row())
