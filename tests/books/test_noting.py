from __future__ import annotations

import pytest

from books_data import FILLER, GERMAN, PLAY, VERSE, novel
from centerlm.books.entities import Entity
from centerlm.books.noting import Notes, observe, overall_voice, take_notes
from centerlm.books.prose import form_of, is_english, paragraphs, sentences, speech, voice
from centerlm.books.structure import read_structure

pytest.importorskip("sentencex", reason="notes need sentencex, from the books extra")


def noted(text: str) -> Notes:
    return take_notes(text, read_structure(text))


def entity(notes: Notes, name: str) -> Entity:
    return next(e for e in notes.entities if name in e.names)


def test_people_and_places_with_their_other_names() -> None:
    text = novel()
    notes = noted(text)
    edith = entity(notes, "Edith")
    assert edith.name == "Edith Hollis" and edith.kind == "person" and edith.gender == "female"
    assert "Miss Hollis" in edith.names and "Mr Hollis" not in edith.names
    assert entity(notes, "Brandt") is entity(notes, "Captain Brandt")
    assert entity(notes, "Mr Hollis").gender == "male"
    assert {e.name for e in notes.of("place")} >= {"Thornby Hall", "Marsh End", "Widow Lane"}
    assert not {"The", "Nobody", "There"} & {name for e in notes.entities for name in e.names}
    first, last = edith.first, edith.last
    assert text[first.start : first.end] == "Edith Hollis"
    assert last.start == text.rindex("Edith smiled")
    assert text.count("Brandt") == len(entity(notes, "Brandt").mentions)


def test_names_end_with_their_sentence_and_before_the_title_of_another() -> None:
    # Spoken aloud, two sentences are one for whoever splits sentences.
    text = novel().replace(
        "\n\nTHE END",
        ' "Say no more, Edith. Captain Brandt knows it. That is all, Edith. Tobias Crane knows." '
        'To Miss Hollis Captain Brandt was a stranger. "So be it, Mr. W. Crane."\n\nTHE END',
    )
    notes = noted(text)
    assert entity(notes, "Edith").name == "Edith Hollis"
    assert entity(notes, "Brandt").names == entity(noted(novel()), "Brandt").names
    names = {name for e in notes.entities for name in e.names}
    assert not names & {"Edith Captain Brandt", "Edith Tobias Crane", "Miss Hollis Captain Brandt"}


def test_a_name_in_capitals_is_the_name() -> None:
    shouted = " EDITH. I heard it. Then MR. HOLLIS rose, and EDITH HOLLIS with her; EDITH knew."
    notes = noted(novel().replace("\n\nTHE END", f"{shouted * 3}\n\nTHE END"))
    people = {e.name: len(e.mentions) for e in notes.of("person")}
    before = {e.name: len(e.mentions) for e in noted(novel()).of("person")}
    assert people.keys() == before.keys()
    assert people["Edith Hollis"] == before["Edith Hollis"] + 9
    assert people["Mr Hollis"] == before["Mr Hollis"] + 3


def test_whoever_is_spoken_to_is_not_the_he_who_speaks() -> None:
    spoken = ' "Stay, Edith," he said, and took his hat. "Yes, Edith," he said. Miss Hollis went.'
    text = novel().replace("\n\nTHE END", spoken * 8 + "\n\nTHE END")
    edith = entity(noted(text), "Edith")
    assert edith.gender == "female" and "Miss Hollis" in edith.names


def test_who_was_where_and_who_is_dead() -> None:
    text = novel()
    notes = noted(text)
    told = [(w.person, w.place) for w in notes.whereabouts]
    assert told[-1] == ("Edith Hollis", "Marsh End")
    assert ("Mr Hollis", "Widow Lane") in told
    assert [d.person for d in notes.deaths] == ["Tobias Crane"]
    assert text[notes.deaths[0].start :].startswith("Tobias Crane had died")


def test_the_dead_who_act_afterwards_were_not_dead() -> None:
    alive = " Tobias smiled. Tobias said nothing. Tobias went out." * 2
    text = novel().replace("\n\nTHE END", f"{alive}\n\nTHE END")
    assert noted(text).deaths == ()


def test_the_dead_who_speak_afterwards_were_not_dead() -> None:
    alive = ' "I am here," said Tobias. "Where?" asked Edith. "Here," replied Tobias Crane.'
    assert noted(novel().replace("\n\nTHE END", f"{alive}\n\nTHE END")).deaths == ()


@pytest.mark.parametrize(
    "told",
    [
        "If Captain Brandt were dead, she could not live.",
        "Captain Brandt was no more dead than she was.",
        "Captain Brandt was dead tired, and went to bed.",
        "Captain Brandt was dead against it.",
    ],
)
def test_what_speaks_of_death_and_tells_of_none(told: str) -> None:
    notes = noted(novel().replace("\n\nTHE END", f" {told}\n\nTHE END"))
    assert [d.person for d in notes.deaths] == ["Tobias Crane"]


@pytest.mark.parametrize("told", ["was no more.", "was dead; nobody spoke.", "lay dead."])
def test_a_death_is_told_in_several_ways(told: str) -> None:
    notes = noted(novel().replace("\n\nTHE END", f" Captain Brandt {told}\n\nTHE END"))
    assert [d.person for d in notes.deaths] == ["Tobias Crane", "Captain Brandt"]


def test_the_death_of_a_king_is_not_that_of_his_namesake() -> None:
    told = " It stood empty from the death of Tobias VI. to that of Edith II of Marsh End."
    notes = noted(
        novel().replace("Tobias Crane had died", "Tobias slept").replace("\n\nTHE END", told * 2)
    )
    assert [d.person for d in notes.deaths] == ["Tobias VI"]
    assert "Tobias VI" not in entity(notes, "Tobias Crane").names


def test_a_promise_is_open_until_it_is_kept() -> None:
    promises = [t for t in noted(novel()).threads if t.sort == "promise"]
    assert len(promises) == 1 and promises[0].open
    assert set(promises[0].people) == {"Captain Brandt"}
    kept = (
        "At last Edith gave Captain Brandt the silver key, as she had promised, and told him why "
        "she had brought it to Marsh End before the winter."
    )
    text = novel().replace("\n\nTHE END", f"\n\n{kept}\n\nTHE END")
    first = next(t for t in noted(text).threads if t.sort == "promise")
    assert not first.open and first.closed > text.index("outside, and she thought")


def test_the_narrator() -> None:
    assert overall_voice(noted(novel())).tense == "past"
    first = "I went down to the quay, and my hands were cold. I saw the boat, and I was glad. " * 8
    assert (voice(first).person, voice(first).tense) == ("first", "past")
    now = (
        "She walks to the quay and her hands are cold. She sees the boat. It is his. He waits. " * 8
    )
    assert (voice(now).person, voice(now).tense) == ("third", "present")
    spoken = '"I am I, and I see my own hands," he said. She was cold. ' * 12
    assert voice(spoken).person == "third"
    assert voice("Rain.").person == "unclear"


def test_observations_stand_where_they_say() -> None:
    text = novel()
    structure = read_structure(text)
    seen = list(observe(text, structure, take_notes(text, structure)))
    assert {o.kind for o in seen} == {
        *(
            "book",
            "chapter",
            "person",
            "place",
            "present",
            "whereabouts",
            "death",
            "thread",
            "voice",
        )
    }
    assert all(0 <= o.start < o.end <= len(text) for o in seen)
    there = [(o.subject, o.data["chapter"], o.data["scene"]) for o in seen if o.kind == "present"]
    assert ("Tobias Crane", 2, 1) in there and ("Tobias Crane", 2, 2) in there
    assert not [t for t in there if t[0] == "Tobias Crane" and t[1] == 3]


@pytest.mark.parametrize(
    ("text", "form"), [(FILLER * 20, "prose"), (VERSE * 8, "verse"), (PLAY * 8, "script")]
)
def test_forms(text: str, form: str) -> None:
    assert form_of(text) == form


def test_another_language_is_told_and_nothing_is_made_up() -> None:
    assert is_english(FILLER) and not is_english(GERMAN * 10)
    notes = noted(GERMAN * 40)
    assert not notes.english and notes.entities == () and notes.threads == ()


def test_sentences_are_spans_and_keep_abbreviations_whole() -> None:
    text = (
        'Mr. Hollis sat down.  "Come," said he. "It is late!" Then\nthey went.\n\nA new one began.'
    )
    found = [text[s.start : s.end] for s in sentences(text)]
    assert found[0] == "Mr. Hollis sat down."
    assert found[-1] == "A new one began."


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("One line\nof a paragraph.\n\nAnother.", 2),
        ("\n".join(["A long paragraph on one line of its own. " * 5] * 3), 3),
        ("    An indented one\nthat goes on.\n    Another one.", 2),
    ],
)
def test_paragraphs_of_three_shapes(text: str, count: int) -> None:
    assert len(paragraphs(text)) == count


def test_speech_ends_with_its_paragraph() -> None:
    text = 'He said, "I never closed this.\n\nShe left. "Stay," he cried. It was\' late.'
    assert [text[s.start : s.end] for s in speech(text)] == ['"I never closed this.', '"Stay,"']
    curly = "“One,” he said, “and two.” Then quiet."
    assert [curly[s.start : s.end] for s in speech(curly)] == ["“One,”", "“and two.”"]
