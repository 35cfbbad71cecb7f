"""Note sets: what the real library finds, gold shuffled or gone, nothing asked falsely."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from centerlm.errors import InputError
from centerlm.learning.noting import NoteSet, Search, noted, pool
from centerlm.learning.reading import mentions, windows
from centerlm.learning.records import Reading, Text
from centerlm.library import Library

NAMES = [
    f"{a}{b}" for a in ("Tor", "Mir", "Sel", "Dun", "Kal", "Bre") for b in ("ana", "wick", "mo")
]
CITIES = ("Ostby", "Lund", "Garth", "Pelham", "Roskeld", "Ivry")


def person(n: int) -> tuple[Text, tuple[Reading, ...]]:
    name, city, year = NAMES[n], CITIES[n % len(CITIES)], 1800 + n
    (text,) = windows(name, f"{name} was a painter. She was born in {city} in {year}.")
    return text, (
        Reading(f"{name}:place:0", "made", f"Where was {name} born?", city, (text.id,)),
        Reading(f"{name}:place:1", "made", f"{name} >> place of birth", city, (text.id,)),
        Reading(f"{name}:year:0", "made", f"In which year was {name} born?", str(year), (text.id,)),
    )


TEXTS = tuple(person(n)[0] for n in range(len(NAMES)))
READINGS = tuple(reading for n in range(len(NAMES)) for reading in person(n)[1])


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Search]:
    with pool(TEXTS, tmp_path_factory.mktemp("pool"), embedder=None) as search:
        yield search


@pytest.fixture(scope="module")
def sets(search: Search) -> list[NoteSet]:
    return list(noted(READINGS, TEXTS, search, seed=1, absent=0.25))


def test_the_pool_finds_passages_by_their_ids(search: Search) -> None:
    assert search("Where was Torana born?", 3)[0] == TEXTS[0].id
    assert len(search("painter born", 50)) == len(TEXTS)


def test_every_reading_is_answered_from_a_note_that_holds_it(sets: list[NoteSet]) -> None:
    answered: Counter[str] = Counter()
    for made in sets:
        assert 1 <= len(made.notes) <= 5
        assert len({note.id for note in made.notes}) == len(made.notes)
        for question in made.questions:
            if question.answer is None:
                continue
            answered[question.reading.id] += 1
            assert question.answer == question.reading.answer
            for n in question.cited:
                assert made.notes[n - 1].id in question.reading.passages
                assert question.answer in made.notes[n - 1].text
            assert question.cited
    assert set(answered) == {reading.id for reading in READINGS}
    assert max(answered.values()) <= 5


def test_what_the_notes_do_not_hold_is_in_no_note(sets: list[NoteSet]) -> None:
    missing = 0
    for made in sets:
        for question in made.questions:
            if question.answer is None:
                missing += 1
                assert not question.cited
                assert not any(
                    mentions(f"{note.title} {note.text}", question.reading.answer or "?")
                    for note in made.notes
                )
    total = sum(len(made.questions) for made in sets)
    assert 0.1 < missing / total < 0.5


def test_all_questions_of_the_shown_passages_are_asked_together(sets: list[NoteSet]) -> None:
    first = next(made for made in sets if len(made.notes) <= 3)
    shown = {note.id for note in first.notes}
    held = {r.id for r in READINGS if r.passages[0] in shown}
    assert held == {q.reading.id for q in first.questions if q.answer is not None}
    assert sum(len(made.questions) for made in sets) / len(sets) >= 3


def test_passages_stand_as_the_search_ranks_them_but_in_a_quarter_of_the_sets(
    search: Search,
) -> None:
    made = [m for seed in range(25) for m in noted(READINGS, TEXTS, search, seed=seed, absent=0)]
    ranked = {tuple(search(r.question, k)) for r in READINGS for k in (2, 3, 4, 5)}
    as_ranked = [
        tuple(note.id for note in one.notes) in ranked for one in made if len(one.notes) > 3
    ]
    assert 0.6 < sum(as_ranked) / len(as_ranked) < 0.9
    assert {n for one in made for q in one.questions for n in q.cited} == {1, 2, 3, 4, 5}


def test_a_share_of_the_sets_has_lost_its_own_passage(search: Search) -> None:
    readings = tuple(r for r in READINGS if r.id.endswith("place:0"))

    def sets_of(absent: float) -> int:
        made = [
            m for seed in range(8) for m in noted(readings, TEXTS, search, seed=seed, absent=absent)
        ]
        return len(made)

    with_gold = sets_of(0)
    share = 1 - with_gold / sets_of(0.4)
    assert 0.2 < share < 0.6


@pytest.mark.parametrize("absent", [0.0, 0.15, 0.4])
def test_a_share_of_the_questions_has_no_answer(search: Search, absent: float) -> None:
    asked = [
        question.answer is None
        for seed in range(8)
        for made in noted(READINGS, TEXTS, search, seed=seed, absent=absent)
        for question in made.questions
    ]
    assert len(asked) > 100
    assert abs(sum(asked) / len(asked) - absent) < 0.05


def test_equal_seeds_give_equal_sets(search: Search) -> None:
    one = list(noted(READINGS, TEXTS, search, seed=3, absent=0.25))
    assert one == list(noted(READINGS, TEXTS, search, seed=3, absent=0.25))
    assert one != list(noted(READINGS, TEXTS, search, seed=4, absent=0.25))


def test_a_passage_that_search_misses_is_shown_nevertheless() -> None:
    others = [text.id for text in TEXTS[1:]]
    reading = READINGS[0]
    made = list(noted([reading], TEXTS, lambda _, k: others[:k], seed=1, absent=0, ks=(3,)))
    assert TEXTS[0] in made[0].notes
    assert len(made[0].notes) == 3


def test_a_question_without_a_passage_is_asked_of_what_is_found(search: Search) -> None:
    reading = Reading("x:0", "made", "Who painted Torana?", None, ())
    made = list(noted([reading], TEXTS, search, seed=1, absent=0.25))
    assert [(q.reading, q.answer, q.cited) for q in made[0].questions] == [(reading, None, ())]


def test_a_reading_of_an_unknown_passage_is_refused(search: Search) -> None:
    reading = Reading("x:0", "made", "Who?", "Lund", ("gone",))
    with pytest.raises(InputError, match="reading x:0 names passage gone"):
        list(noted([reading], TEXTS, search, seed=1, absent=0.25))


@pytest.mark.parametrize("bad", [{"absent": 1.0}, {"ks": ()}, {"ks": (0,)}, {"most": 0}])
def test_impossible_settings_are_refused(search: Search, bad: dict[str, object]) -> None:
    with pytest.raises(InputError, match="note sets need"):
        list(noted(READINGS, TEXTS, search, seed=1, **{"absent": 0.25, **bad}))  # pyright: ignore[reportArgumentType]


def test_the_pool_is_kept_and_follows_its_texts(tmp_path: Path) -> None:
    with pool(TEXTS[:3], tmp_path, embedder=None) as search:
        assert len(search("painter", 9)) == 3
    with pool(TEXTS[2:5], tmp_path, embedder=None) as search:
        assert set(search("painter", 9)) == {text.id for text in TEXTS[2:5]}


def test_what_is_searched_ahead_is_what_is_found_and_is_searched_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [f"Who is the mother of person {n}?" for n in range(4)]
    with pool(TEXTS, tmp_path, embedder=None) as search:
        wanted = {(q, k): search(q, k) for k in (13, 5, 1, 20) for q in asked}
    searches: list[str] = []
    real = Library.search

    def counted(self: Library, query: str, k: int = 5) -> object:
        searches.append(query)
        return real(self, query, k)

    monkeypatch.setattr(Library, "search", counted)
    told: list[tuple[int, int]] = []
    with pool(
        TEXTS, tmp_path, embedder=None, asked=[*asked, *asked], say=lambda *done: told.append(done)
    ) as search:
        assert {(q, k): search(q, k) for k in (13, 5, 1) for q in asked} == {
            key: found for key, found in wanted.items() if key[1] < 20
        }
        assert sorted(searches) == asked
        assert [search(q, 20) for q in asked] == [wanted[q, 20] for q in asked]
    assert told == [(n, 4) for n in range(1, 5)]


def test_a_text_longer_than_a_passage_is_refused(tmp_path: Path) -> None:
    long = Text("x", "Long", " ".join(["One more sentence stands here."] * 60))
    with pytest.raises(InputError, match="windowed"), pool([long], tmp_path, embedder=None):
        pass
