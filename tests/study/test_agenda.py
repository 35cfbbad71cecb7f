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
        agenda.visited(subject.name, finds.get(subject.name, []) if subject.visits == 0 else [], 4)
    return order


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
    agenda.visited("Norburg", ["Ister", "Ada Brandt", "Bo Hill", "Ulm"], 4)
    again = agenda.next()
    assert again is not None and again.name == "Norburg"
    agenda.visited("Norburg", ["Cy Dell"], 4)
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
    agenda.visited("Norburg", ["Ister"], 4, asked)
    agenda.visited("Norburg", [], 4)
    assert list(dict.fromkeys(_order(agenda, {}, 4)))[:2] == ["Ister", "Carl Brandt"]
