"""A town of three people for tests of rollouts: sources, questions, and a model that reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from centerlm.center import CenterLM
from centerlm.finding import Finding, Passage, Status, Usage
from centerlm.learning.credit import Gold
from centerlm.learning.rollouts import Known, Question
from centerlm.models.base import Prompt, Sampling
from centerlm.models.scripted import ScriptedModel
from centerlm.objective import Objective
from centerlm.plan import normalise, parse_plan
from centerlm.sources.base import Card, Seek

FACTS = {
    "Who is the mother of Ada Holt?": "Bea Holt",
    "Who is the teacher of Ada Holt?": "Cal Moor",
    "When was Bea Holt born?": "1921",
    "When was Cal Moor born?": "1899",
}
PLAN = "1 [documents] Who is the mother of Ada Holt?\n2 [documents] When was #1 born?"
TEACHER = PLAN.replace("mother", "teacher")
MOTHER_BORN = "When was the mother of Ada Holt born?"
TEACHER_BORN = "When was the teacher of Ada Holt born?"


def known_from(answers: Mapping[str, Sequence[str]]) -> Known:
    """What a table of sub-questions and accepted answers knows; case and closing marks aside."""
    table = {normalise(asked): tuple(accepted) for asked, accepted in answers.items()}
    return lambda asked: table.get(normalise(asked))


KNOWN = known_from({asked: (answer,) for asked, answer in FACTS.items()})


class Town:
    """Passages of the town: the right one for a question of `FACTS`, beside one that is not."""

    card = Card("documents", "passages about the people of a town")

    def __init__(self) -> None:
        self.asked: list[str] = []

    def bound(self, seek: Seek) -> Usage:
        del seek
        return Usage(calls=1)

    async def seek(self, seek: Seek) -> Finding:
        self.asked.append(seek.text)
        answer = FACTS.get(seek.text)
        passages = [Passage("p0", "The town lies by a river.", "Guide")]
        if answer is not None:
            subject = seek.text.rstrip("?")
            passages.append(Passage("p1", f"{subject}: {answer}.", "Register"))
        return Finding(Status.FOUND, passages=tuple(passages), usage=Usage(calls=1))


def question(
    id_: str = "q1", text: str = MOTHER_BORN, answer: str = "1921", plan: str = PLAN
) -> Question:
    """A question of two hops with all that is known of it."""
    steps = parse_plan(plan).steps
    first = steps[0].text
    second = f"When was {FACTS[first]} born?"
    return Question(
        id_,
        Objective(text),
        Gold(
            (answer,),
            {asked: (a,) for asked, a in FACTS.items()},
            findings=((FACTS[first],), (answer,)),
        ),
        world="town",
        records=frozenset({f"{id_}:plan"}),
        plans={text: parse_plan(plan)},
        findings=((first, FACTS[first]), (second, answer)),
    )


TEACHER_QUESTION = question("q2", TEACHER_BORN, "1899", TEACHER)

Plans = Callable[[str, Sampling], str]


def says(plan: Plans, *, absorb: Callable[[str], str] | None = None) -> ScriptedModel:
    """A model that plans as told, and reads the last note that holds a fact ("nothing" if none)."""

    def say(prompt: Prompt, sampling: Sampling) -> str:
        user = prompt.messages[-1].text
        asked = user.rpartition("Question: ")[2]
        if prompt.messages[0].text.startswith("Break"):
            return plan(asked, sampling)
        if prompt.messages[0].text.startswith("This did not help"):
            return "Who is the mother of Ada Holt?"
        if absorb is not None:
            return absorb(user)
        return read(user)

    return ScriptedModel(say)


def read(user: str) -> str:
    """The fact in the notes, cited."""
    notes = [line for line in user.split("\n") if line.startswith("[")]
    for number, note in reversed(list(enumerate(notes, start=1))):
        for fact in ("1921", "1899", "Bea Holt", "Cal Moor"):
            if note.rstrip(".").endswith(fact):
                return f"{fact} [{number}]"
    return "nothing"


def center(model: ScriptedModel) -> CenterLM:
    return CenterLM(model, examples=())
