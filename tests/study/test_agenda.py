"""The agenda of a study: outward from the topic, along what was found, until nothing is left."""

from __future__ import annotations

from centerlm.study.agenda import Agenda


def _order(agenda: Agenda, finds: dict[str, list[str]], visits: int) -> list[str]:
    order: list[str] = []
    for _ in range(visits):
        subject = agenda.next()
        if subject is None:
            break
        order.append(subject.name)
        claims = finds.get(subject.name, []) if subject.visits == 0 else []
        agenda.visited(subject.name, _found(subject.name, *claims), 4)
    return order


def _found(subject: str, *claims: str) -> list[tuple[str, str]]:
    """What a visit found about a subject."""
    return [(f"What belongs to {subject}?", claim) for claim in claims]


def test_it_goes_outward_from_the_topic_along_what_was_found() -> None:
    agenda = Agenda()
    agenda.begin(["Norburg"])
    finds = {
        "Norburg": ["the Ister", "Ada Brandt"],
        "Ister": ["Lake Sarn"],
        "Ada Brandt": ["July 13, 1901"],
    }
    order = _order(agenda, finds, 9)
    assert list(dict.fromkeys(order)) == ["Norburg", "Ister", "Ada Brandt", "Lake Sarn"]
    assert agenda.open == 0


def test_a_subject_is_asked_about_for_as_long_as_that_finds_much() -> None:
    agenda = Agenda()
    agenda.begin(["Norburg"])
    agenda.visited("Norburg", _found("Norburg", "Ister", "Ada Brandt", "Bo Hill", "Ulm"), 4)
    again = agenda.next()
    assert again is not None and again.name == "Norburg"
    agenda.visited("Norburg", _found("Norburg", "Cy Dell"), 4)
    onward = agenda.next()
    assert onward is not None and onward.name == "Ister"


def test_what_many_findings_lead_to_comes_before_what_one_does() -> None:
    agenda = Agenda()
    agenda.begin(["A Street", "B Street", "C Street"])
    finds = {
        "A Street": ["Ada Brandt"],
        "B Street": ["Bo Hill"],
        "C Street": ["Bo Hill lives here"],
    }
    assert _order(agenda, finds, 5)[3:] == ["Bo Hill", "Ada Brandt"]


def test_a_subject_that_teaches_nothing_twice_is_done_with() -> None:
    agenda = Agenda()
    agenda.begin(["Norburg"])
    assert _order(agenda, {}, 9) == ["Norburg", "Norburg"]
    assert agenda.next() is None


def test_subjects_of_one_name_are_one_and_weigh_more() -> None:
    agenda = Agenda()
    agenda.begin(["Ulm", "Norburg", "norburg"])
    first = agenda.next()
    assert first is not None and (first.name, first.weight) == ("Norburg", 2.0)
    assert agenda.open == 2


def test_an_empty_agenda_has_nothing() -> None:
    assert Agenda().next() is None


def test_what_was_asked_and_not_found_leads_on_too_but_less() -> None:
    agenda = Agenda()
    agenda.begin(["Norburg"])
    asked = ["Who is the brother of Carl Brandt?", "Which river flows through Norburg?"]
    agenda.visited("Norburg", _found("Norburg", "Ister"), 4, asked)
    agenda.visited("Norburg", [], 4)
    assert list(dict.fromkeys(_order(agenda, {}, 4)))[:2] == ["Ister", "Carl Brandt"]


def test_what_a_passage_says_of_something_else_neither_holds_the_study_nor_leads_it_on() -> None:
    agenda = Agenda()
    agenda.begin(["Ada Brandt"])
    found = [("Who painted Grey Harbour?", "Bo Hill"), ("Who taught Ada Brandt?", "Cy Dell")]
    found += [("Where is Ulm?", "Eastland"), ("Who runs Ulm?", "Di Voss")]
    agenda.visited("Ada Brandt", found, 4)
    onward = agenda.next()
    assert onward is not None and onward.name == "Cy Dell"
    assert set(agenda.subjects) == {"ada brandt", "cy dell"}


def test_a_finding_that_names_the_subject_leads_to_what_was_asked_about() -> None:
    agenda = Agenda()
    agenda.begin(["Ada Brandt"])
    agenda.visited("Ada Brandt", [("Who painted The Grey Harbour?", "Brandt")], 4)
    assert [s.name for s in agenda.subjects.values()] == ["Ada Brandt", "Grey Harbour"]


def test_unread_passages_of_its_own_keep_a_study_at_a_subject_for_a_while() -> None:
    agenda = Agenda()
    agenda.begin(["Ada Brandt"])
    agenda.visited("Ada Brandt", _found("Ada Brandt", "Cy Dell"), 4, more=True)
    again = agenda.next()
    assert again is not None and again.name == "Ada Brandt"
    for _ in range(3):
        agenda.visited("Ada Brandt", _found("Ada Brandt", "Bo Hill"), 4, more=True)
    onward = agenda.next()
    assert onward is not None and onward.name != "Ada Brandt"
