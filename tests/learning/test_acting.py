"""Examples of the acts: byte for byte the prompts of the running solver, targets it can read."""

from __future__ import annotations

from pathlib import Path

from centerlm.acts import AbsorbView, Note, PlanView
from centerlm.center import CenterLM
from centerlm.learning.acting import (
    absorbed,
    decision_examples,
    fold_examples,
    reading_examples,
    reask_examples,
)
from centerlm.learning.example import TrainingExample
from centerlm.learning.noting import NoteSet, Question
from centerlm.learning.offering import CardSet, card_sets, offers
from centerlm.learning.records import Decision, Fold, Reading, Reask, Text
from centerlm.library import Library
from centerlm.models.base import Prompt, Sampling
from centerlm.models.scripted import ScriptedModel
from centerlm.objective import Objective
from centerlm.plan import parse_plan
from centerlm.run import Options
from centerlm.solver import Solution, solve
from centerlm.sources.base import Card
from centerlm.sources.calculator.source import Calculator
from centerlm.sources.documents import Documents
from engine import act_of, finish, question_of

ROOT = "Where was the painter of Dawn born?"
PAINTER = "Who painted Dawn?"
BORN = "Where was Mira Holt born?"
PLANS = {
    ROOT: f"1 [center] {PAINTER}\n2 [documents] Where was #1 born?",
    PAINTER: f"1 [documents] {PAINTER}\n2 [documents] What else is said of Dawn?",
}
QUERY = "birthplace Mira Holt"
SHELF = Card("shelf", "novels")


def passages(prompt: Prompt) -> tuple[Text, ...]:
    """The notes of an absorb prompt."""
    lines = [line for line in prompt.messages[1].text.split("\n") if line.startswith("[")]
    parts = [line.partition("] ")[2].partition(": ") for line in lines]
    return tuple(Text(title, title, text) for title, _, text in parts)


class Script:
    """Plans by question; nothing at the first reading of the last step, then a re-ask."""

    def __init__(self) -> None:
        self.born = 0

    def __call__(self, prompt: Prompt, sampling: Sampling) -> str:
        del sampling
        question = question_of(prompt)
        match act_of(prompt):
            case "decompose":
                return PLANS[question]
            case "seek":
                return QUERY
            case _ if question == BORN:
                self.born += 1
                return "nothing" if self.born == 1 else "Old Selwick [1]"
            case _ if question == ROOT:
                return "Old Selwick [2]"
            case _:
                return "Mira Holt [1]"


def solved(folder: Path) -> tuple[Solution, ScriptedModel, Documents]:
    (folder / "a.md").write_text("# Dawn\n\nDawn was painted by Mira Holt. It is large.")
    (folder / "b.md").write_text("# Mira Holt\n\nMira Holt has her birthplace in Old Selwick.")
    library = Library.open(folder / "library", create=True, embedder=None)
    library.ingest([folder / "a.md", folder / "b.md"])
    documents = Documents(library)
    model = ScriptedModel(Script())
    work = solve(
        Objective(ROOT),
        center=CenterLM(model, examples=()),
        sources=[documents, Calculator()],
        options=Options(splits=False),
    )
    solution = finish(work)
    library.close()
    return solution, model, documents


def test_prompts_are_those_of_the_running_solver(tmp_path: Path) -> None:
    solution, model, documents = solved(tmp_path)
    assert (solution.answer, solution.status) == ("Old Selwick", "answered")
    cards = (documents.card, Calculator.card)
    as_named = CardSet(cards, {card.name: card.name for card in cards})
    decisions = [
        Decision("root", "made", ROOT, parse_plan(PLANS[ROOT])),
        Decision("child", "made", PAINTER, parse_plan(PLANS[PAINTER]), root=ROOT),
    ]
    notes: dict[str, tuple[Text, ...]] = {}
    for prompt in model.prompts:
        if act_of(prompt) == "absorb":
            notes.setdefault(question_of(prompt), passages(prompt))
    sets = [
        NoteSet(notes[asked], (Question(Reading(asked, "made", asked, said, ()), said, (1,)),))
        for asked, said in ((BORN, "Old Selwick"), ("What else is said of Dawn?", "Mira Holt"))
    ]
    folds = [
        Fold("child", "made", PAINTER, tuple((asked, "Mira Holt") for asked in
             (PAINTER, "What else is said of Dawn?")), "Mira Holt", (1,), root=ROOT),
        Fold("root", "made", ROOT, ((PAINTER, "Mira Holt"), (BORN, "Old Selwick")), "Old Selwick",
             (2,)),
    ]  # fmt: skip
    reask = Reask("born", "made", BORN, documents.card, (BORN,), QUERY, ROOT)
    examples = [
        *decision_examples(decisions, cards=[as_named], seed=5),
        *reading_examples(sets),
        *fold_examples(folds),
        *reask_examples([reask]),
    ]
    seen = set(model.prompts)
    without = [_without_experience(example.prompt) for example in examples]
    assert all(prompt in seen for prompt in without)
    assert {act_of(prompt) for prompt in seen} == {"decompose", "absorb", "seek"}
    assert {act_of(prompt) for prompt in without} == {"decompose", "absorb", "seek"}
    # all that was asked but the child's own first leaf, which asks the child's question again
    assert len(seen - set(without)) <= 2


def _without_experience(prompt: Prompt) -> Prompt:
    """The prompt without recalled lines: the solver of this test has no memory."""
    system, user = prompt.messages
    lines = [x for x in user.text.split("\n") if not x.startswith(("Helped before:", '- "'))]
    return Prompt((system, type(user)(user.role, "\n".join(lines))))


def test_recalled_lines_are_rendered_as_the_center_renders_them() -> None:
    center = CenterLM(ScriptedModel([]), examples=())
    plan = parse_plan("1 [documents] Who wrote Dawn?")
    decisions = [Decision(f"d{n}", "made", f"Q{n}?", plan, root="R?") for n in range(60)]
    cards = card_sets(1)
    examples = list(decision_examples(decisions, cards=cards, seed=2))
    views = [offer.view for offer in offers(decisions, cards=cards, seed=2)]
    assert [e.prompt for e in examples] == [center.decompose(view).prompt for view in views]
    assert any("Helped before:" in e.prompt.messages[1].text for e in examples)


def test_targets_are_what_the_center_reads() -> None:
    center = CenterLM(ScriptedModel([]), examples=())
    notes = (Note("a", "x"), Note("b", "y"))
    view = AbsorbView("Q?", notes)
    for answer, cited in (("Old Selwick", (2,)), ("yes", (1, 2)), (None, ())):
        read = center.read_absorb(absorbed(answer, cited), view, cut=False)
        assert (read.answer, read.cited) == (answer, cited)
    assert absorbed("x", (1, 2, 3, 4)) == "x [1] [2] [3]"
    plan = parse_plan("1 [documents] Who wrote Dawn?\n2 [center] About #1")
    card_set = CardSet((SHELF,), {"documents": SHELF.name})
    (example,) = decision_examples([Decision("d", "made", "Q?", plan)], cards=[card_set], seed=1)
    shown = PlanView("Q?", card_set.cards)
    said = center.read_plan(example.target, shown, cut=False)
    assert [step.sources for step in said.steps] == [("shelf",), ("center",)]


def test_questions_of_one_note_set_share_all_but_the_question() -> None:
    notes = (Text("1", "A", "x y"), Text("2", "B", "z"))
    asked = (
        Question(Reading("r:0", "made", "Who?", "x", ("1",)), "x", (1,)),
        Question(Reading("s:0", "made", "When?", "y", ("3",)), None, ()),
    )
    one, two = reading_examples([NoteSet(notes, asked)])
    start = one.prompt.messages[1].text.removesuffix("Who?")
    assert two.prompt.messages[1].text == f"{start}When?"
    assert one.prompt.messages[0] == two.prompt.messages[0]
    assert (one.target, two.target) == ("x [1]", "nothing")
    assert (one.id, two.id) == ("r:0", "s:0:absent")
    assert isinstance(one, TrainingExample)
    assert one.act == "absorb"
