"""Expert iteration: which acts of which episodes are learned, and in which words."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from centerlm.acts import AbsorbView, Note, PlanView
from centerlm.center import CenterLM, absorb_prompt, plan_prompt
from centerlm.journal import MemoryJournal
from centerlm.learning.expert import Harvest, harvest
from centerlm.learning.rollouts import Question, RolloutSettings, rollouts
from centerlm.models.base import Sampling
from centerlm.models.scripted import ScriptedModel
from centerlm.objective import Objective
from centerlm.plan import parse_plan
from centerlm.run import Options
from learning.town import (
    MOTHER_BORN,
    PLAN,
    TEACHER,
    TEACHER_QUESTION,
    Town,
    center,
    question,
    read,
    says,
)

PLAIN = Options(reasks=False, splits=False, reopens=0)
SETTINGS = RolloutSettings(k=2, options=PLAIN)
LONG = "1 [documents] Who is the mother of Ada Holt?\n2 [documents] When was #1 born?"


def tried(
    model: ScriptedModel,
    *questions: Question,
    settings: RolloutSettings = SETTINGS,
    left: int | None = None,
    shown: CenterLM | None = None,
) -> Harvest:
    by, journal = shown or center(model), MemoryJournal()
    asked = questions or (question(),)
    groups = asyncio.run(
        rollouts(asked, by, lambda q: [Town()], settings, journal=journal, left=left)
    )
    return harvest(groups, by, journal)


def test_right_plans_and_readings_are_learned_in_the_words_of_use() -> None:
    done = tried(says(lambda asked, sampling: PLAN))
    assert dict(done.kinds) == {"decompose": 1, "absorb": 2, "fold": 1}
    assert (done.right, done.episodes) == (2, 2)
    targets = {(e.act, e.target) for e in done.examples}
    assert targets == {
        ("decompose", PLAN),
        ("absorb", "Bea Holt [2]"),
        ("absorb", "1921 [2]"),
    }
    plan = next(e for e in done.examples if e.act == "decompose")
    assert plan.prompt == plan_prompt(PlanView(MOTHER_BORN, (Town.card,)))
    fold = next(e for e in done.examples if "Ada" in e.prompt.messages[1].text[:60])
    assert fold.origin == "expert"


def test_examples_shown_to_an_untrained_model_are_not_learned() -> None:
    model = says(lambda asked, sampling: PLAN)
    done = tried(model, shown=CenterLM(model))
    prompts = [c.prompt for c in model.calls if len(c.prompt.messages) > 2]
    assert prompts
    assert all(len(e.prompt.messages) == 2 for e in done.examples)
    plan = next(e for e in done.examples if e.act == "decompose")
    assert plan.prompt == plan_prompt(PlanView(MOTHER_BORN, (Town.card,)))


def test_a_right_step_is_learned_though_the_root_is_wrong() -> None:
    wrong = says(lambda asked, sampling: PLAN, absorb=lambda user: _wrong_at_the_end(user))
    done = tried(wrong)
    assert done.right == 0
    assert {e.target for e in done.examples} == {"Bea Holt [2]"}


def _wrong_at_the_end(user: str) -> str:
    return read(user) if "Who is the mother" in user.rpartition("Question: ")[2] else "1850 [1]"


def test_of_two_plans_that_work_the_better_one_is_learned() -> None:
    """The longer way round costs more; greedy first, then one sample of each."""

    def plan(asked: str, sampling: Sampling) -> str:
        return PLAN if sampling.temperature else PLAN + "\n3 [documents] When was #1 born, though?"

    done = tried(says(plan))
    assert done.right == 2
    assert [e.target for e in done.examples if e.act == "decompose"] == [PLAN]


def test_a_plan_that_hands_on_its_own_question_is_not_learned() -> None:
    def plan(asked: str, sampling: Sampling) -> str:
        return PLAN if sampling.temperature else f"1 [center] {MOTHER_BORN}"

    only = RolloutSettings(k=1, options=PLAIN)
    done = tried(says(lambda asked, sampling: f"1 [center] {asked}"), settings=only)
    assert "decompose" not in done.kinds
    both = tried(says(plan))
    assert [e.target for e in both.examples if e.act == "decompose"] == [PLAN]


def test_asking_a_source_the_whole_question_is_no_plan_where_one_is_known() -> None:
    """The source happens to say it; for an atomic question the same plan is right."""
    lucky = says(lambda asked, sampling: f"1 [documents] {asked}", absorb=lambda user: "1921 [1]")
    assert "decompose" not in tried(lucky).kinds
    text, plan = "When was Bea Holt born?", "1 [documents] When was Bea Holt born?"
    atomic = replace(question("q5"), objective=Objective(text), plans={text: parse_plan(plan)})
    right = tried(says(lambda asked, sampling: plan), atomic)
    assert [e.target for e in right.examples if e.act == "decompose"] == [plan]


def test_yes_by_luck_teaches_no_plan() -> None:
    """The root is right by guessing; the step it rests on is not."""
    yes = replace(question(answer="yes"), gold=replace(question().gold, answers=("yes",)))
    wrong = "1 [documents] Who is Zed?\n2 [documents] Who is the teacher of Zed?"
    model = says(lambda asked, sampling: wrong, absorb=lambda user: "yes [1]")
    done = tried(model, yes)
    assert done.right == 2
    assert "decompose" not in done.kinds


def test_an_answer_no_note_holds_is_not_learned_and_a_wrong_citation_is_mended() -> None:
    def absorb(user: str) -> str:
        return read(user).replace("[2]", "[1]")

    done = tried(says(lambda asked, sampling: PLAN, absorb=absorb))
    passages = {e.target for e in done.examples if "Register" in e.prompt.messages[1].text}
    assert passages == {"Bea Holt [2]", "1921 [2]"}
    bare = replace(question(), gold=replace(question().gold, questions={}))
    guess = says(
        lambda asked, sampling: "1 [documents] Who is Zed?", absorb=lambda user: "1921 [1]"
    )
    assert dict(tried(guess, bare).kinds).get("absorb") is None


def test_words_that_found_it_are_learned_only_where_they_did() -> None:
    """The plan asks in words the source does not know; the re-ask finds it."""
    plan = "1 [documents] Ada Holt mother?\n2 [documents] When was #1 born?"
    settings = RolloutSettings(k=1, options=Options(reasks=True, splits=False, reopens=0))
    done = tried(says(lambda asked, sampling: plan), settings=settings)
    seeks = [e for e in done.examples if e.act == "seek"]
    assert [e.target for e in seeks] == ["Who is the mother of Ada Holt?"]
    assert "Asked: Ada Holt mother?" in seeks[0].prompt.messages[1].text
    lost = tried(
        says(lambda asked, sampling: plan, absorb=lambda user: "nothing"), settings=settings
    )
    assert not [e for e in lost.examples if e.act == "seek"]


def test_what_the_oracle_told_is_not_learned() -> None:
    done = tried(says(lambda asked, sampling: "1 [documents] Who is Zed?"), left=1)
    assert dict(done.kinds) == {"absorb": 1, "fold": 1}
    assert {e.target for e in done.examples} == {"1921 [2]"}
    assert all("oracle" not in e.prompt.messages[0].text for e in done.examples)


def test_groups_without_signal_are_counted() -> None:
    """All episodes of the first question are right; of the second, the greedy one is wrong."""

    def plan(asked: str, sampling: Sampling) -> str:
        if "mother" in asked:
            return PLAN
        return TEACHER if sampling.temperature else "1 [documents] Who is Zed?"

    done = tried(says(plan), question(), TEACHER_QUESTION)
    assert (done.groups, done.episodes) == (2, 4)
    assert (done.silent, done.right) == (1, 3)


def test_the_fold_of_a_level_is_learned_as_it_is_asked() -> None:
    done = tried(says(lambda asked, sampling: PLAN))
    notes = (
        Note("Who is the mother of Ada Holt?", "Bea Holt"),
        Note("When was Bea Holt born?", "1921"),
    )
    wanted = absorb_prompt(AbsorbView(MOTHER_BORN, notes))
    assert [e.target for e in done.examples if e.prompt == wanted] == ["1921 [2]"]


def test_plans_of_the_town_parse() -> None:
    read_all: Callable[[str], object] = parse_plan
    assert read_all(PLAN) and read_all(TEACHER)
