"""What holds in a world: families, works, places, organisations and lives, drawn at random."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from random import Random

from centerlm.learning.worlds.graph import Fact, Graph, Thing
from centerlm.learning.worlds.names import Names, words
from centerlm.learning.worlds.relations import relations
from centerlm.learning.worlds.wide import add_wide

_MONTHS = words(
    "January February March April May June July August September October November December"
)
_WORKS = ("film", "book", "song")
_OCCUPATIONS = words(
    "glassblower clockmaker botanist ferryman stonemason weaver typesetter cartographer baker "
    "beekeeper surgeon violinist architect translator shipwright brewer notary astronomer"
)
_INSTRUMENTS = words("violin harp lute flute organ cello zither oboe piano trumpet fiddle bassoon")
_FIRST_DAY = date(1780, 1, 1)


def make_graph(rng: Random, people: int, *, held_out: bool, wide: bool = False) -> Graph:
    """A world of `people` people and what goes with them; `held_out` relations only where asked.

    A `wide` one has more kinds of things, and half of the wide ones have years alone for dates.
    Call `index` once its facts are final.
    """
    graph = Graph(rng, Names(rng), coin=rng.choice("$$€£"))
    countries = [graph.add("country", graph.names.country()) for _ in range(3)]
    cities = [graph.add("city", graph.names.city()) for _ in range(max(7, people // 2))]
    persons = _families(graph, people)
    companies = [graph.add("company", graph.names.company()) for _ in range(max(3, people // 4))]
    schools = [graph.add("school", graph.names.school()) for _ in range(2)]
    works = _works(graph, persons)
    if wide:
        graph.wide, graph.years = True, rng.random() < 0.5
        add_wide(graph)
    graph.shadows = len(graph.things)
    shadows = _shadows(graph, persons, works, cities)
    _places(graph, countries, cities, persons)
    for thing in (*companies, *schools):
        _organisation(graph, thing, persons, cities)
    for thing in (*persons, *shadows["person"]):
        _life(graph, thing, persons, cities, countries, companies, schools)
    for thing in (*works, *shadows["work"]):
        _work(graph, thing, persons, companies)
    for thing in shadows["city"]:
        _city(graph, thing, persons)
        graph.link(thing, "country", rng.choice(countries))
    _thin_out(graph, held_out=held_out)
    return graph


def written_date(rng: Random, day: date) -> str:
    """A full date as one of two usual forms."""
    month = _MONTHS[day.month - 1]
    if rng.random() < 0.5:
        return f"{day.day} {month} {day.year}"
    return f"{month} {day.day}, {day.year}"


def date_aliases(day: date) -> tuple[str, ...]:
    month = _MONTHS[day.month - 1]
    return (f"{day.day} {month} {day.year}", f"{month} {day.day}, {day.year}", day.isoformat())


def _state_date(graph: Graph, thing: Thing, relation: str, day: date) -> None:
    if graph.years:
        graph.state(thing, relation, str(day.year))
        return
    written = written_date(graph.rng, day)
    graph.state(thing, relation, written, *(a for a in date_aliases(day) if a != written))


def _families(graph: Graph, people: int) -> list[Thing]:
    """Couples with one, two or three children, who marry in turn."""
    rng, names = graph.rng, graph.names
    persons: list[Thing] = []
    single: list[tuple[Thing, str]] = []
    sizes = [3, 2, 1]

    def add(woman: bool, family: str | None = None) -> Thing:
        thing = graph.add("person", names.person(woman=woman, family=family), woman=woman)
        persons.append(thing)
        return thing

    while len(persons) < people:
        woman = next((s for s in single if s[0].woman), None)
        man = next((s for s in single if not s[0].woman and s[1] != (woman or s)[1]), None)
        if woman and man and rng.random() < 0.7:
            mother, father = woman[0], man[0]
            single = [s for s in single if s not in (woman, man)]
        else:
            mother, father = add(True), add(False)
        graph.link(mother, "spouse", father)
        graph.link(father, "spouse", mother)
        family = father.name.split()[-1]
        count = sizes.pop(0) if sizes else rng.randint(1, 2)
        children = [add(rng.random() < 0.5, family) for _ in range(count)]
        single += [(child, family) for child in children]
        for child in children:
            graph.link(child, "father", father)
            graph.link(child, "mother", mother)
        if count == 1:
            graph.link(mother, "child", children[0])
            graph.link(father, "child", children[0])
        elif count == 2:
            graph.link(children[0], "sibling", children[1])
            graph.link(children[1], "sibling", children[0])
        else:
            graph.link(mother, "children", *children)
            graph.link(father, "children", *children)
    return persons


def _works(graph: Graph, persons: Sequence[Thing]) -> list[Thing]:
    """Some works of each kind; one writer of three or four books, whose list is a fact."""
    names, rng = graph.names, graph.rng
    works = [graph.add(kind, names.title()) for kind in _WORKS for _ in range(2)]
    for writer in rng.sample(list(persons), 2):
        books = [graph.add("book", names.title()) for _ in range(rng.randint(3, 4))]
        for book in books:
            graph.link(book, "author", writer)
        graph.link(writer, "books", *books)
        works += books
    return works


def _shadows(
    graph: Graph, persons: Sequence[Thing], works: Sequence[Thing], cities: Sequence[Thing]
) -> dict[str, list[Thing]]:
    """Near-namesakes: a person of the same family name, a title that shares a word, a city."""
    rng, names = graph.rng, graph.names
    people: list[Thing] = []
    for like in rng.sample(list(persons), 3):
        woman = rng.random() < 0.5
        name = names.person(woman=woman, family=like.name.split()[-1])
        people.append(graph.add("person", name, woman=woman))
    titled = [work for work in works if work.name.startswith("The ")]
    near = [graph.add(work.kind, names.title(like=work.name)) for work in titled[:3]]
    towns = [graph.add("city", f"New {like.name}") for like in rng.sample(list(cities), 1)]
    return {"person": people, "work": near, "city": towns}


def _places(
    graph: Graph, countries: Sequence[Thing], cities: Sequence[Thing], persons: Sequence[Thing]
) -> None:
    rng, names = graph.rng, graph.names
    members: dict[int, list[Thing]] = {country.id: [] for country in countries}
    for number, city in enumerate(cities):
        country = countries[number % 2] if number < 6 else rng.choice(list(countries))
        members[country.id].append(city)
        graph.link(city, "country", country)
        graph.link(city, "twin town", rng.choice([c for c in cities if c.id != city.id]))
        _city(graph, city, persons)
    for country in countries:
        mine = members[country.id]
        if mine:
            capital = rng.choice(mine)
            graph.link(country, "capital", capital)
            graph.link(capital, "capital of", country)
        if len(mine) >= 3:
            graph.link(country, "cities", *mine)
        graph.link(country, "head of state", rng.choice(list(persons)))
        graph.link(country, "prime minister", rng.choice(list(persons)))
        graph.state(country, "population", f"{rng.randint(900, 60_000) * 1000:,}")
        graph.state(country, "area", f"{rng.randint(20_000, 900_000):,} km²")
        graph.state(country, "currency", f"{names.currency()}")
        graph.state(country, "national flower", names.flower())


def _city(graph: Graph, city: Thing, persons: Sequence[Thing]) -> None:
    rng, names = graph.rng, graph.names
    graph.link(city, "mayor", rng.choice(list(persons)))
    graph.state(city, "population", f"{rng.randint(2_000, 900_000):,}")
    graph.state(city, "area", f"{rng.randint(20, 900)} km²")
    graph.state(city, "mineral", names.mineral())
    graph.state(city, "located on river", names.river())


def _organisation(
    graph: Graph, thing: Thing, persons: Sequence[Thing], cities: Sequence[Thing]
) -> None:
    rng = graph.rng
    graph.link(thing, "founded by", rng.choice(list(persons)))
    graph.link(thing, "headquarters location", rng.choice(list(cities)))
    graph.state(thing, "inception", str(rng.randint(1801, 1989)))
    if thing.kind == "company":
        graph.state(thing, "employees", f"{rng.randint(20, 9_000):,}")
        graph.link(thing, "chief executive", rng.choice(list(persons)))


def _life(
    graph: Graph,
    person: Thing,
    persons: Sequence[Thing],
    cities: Sequence[Thing],
    countries: Sequence[Thing],
    companies: Sequence[Thing],
    schools: Sequence[Thing],
) -> None:
    rng, names = graph.rng, graph.names
    born = _FIRST_DAY + timedelta(days=rng.randint(0, 60_000))
    _state_date(graph, person, "date of birth", born)
    for relation, things in (
        ("place of birth", cities),
        ("residence", cities),
        ("country of citizenship", countries),
        ("educated at", schools),
        ("employer", companies),
    ):
        graph.link(person, relation, rng.choice(list(things)))
    others = [p for p in persons if p.id != person.id]
    for relation in ("student of", "godparent", "biographer"):
        graph.link(person, relation, rng.choice(others))
    graph.state(person, "height", f"{rng.randint(146, 204)} cm")
    graph.state(person, "occupation", rng.choice(_OCCUPATIONS))
    graph.state(person, "instrument", rng.choice(_INSTRUMENTS))
    graph.state(person, "award received", names.award())
    if rng.random() < 0.7:
        _state_date(graph, person, "date of death", born + timedelta(days=rng.randint(8000, 32000)))
        graph.link(person, "place of death", rng.choice(list(cities)))
        graph.link(person, "place of burial", rng.choice(list(cities)))
        graph.state(person, "cause of death", names.disease())


def _work(graph: Graph, work: Thing, persons: Sequence[Thing], companies: Sequence[Thing]) -> None:
    rng = graph.rng
    day = date(1890, 1, 1) + timedelta(days=rng.randint(0, 45_000))
    _state_date(graph, work, "publication date", day)
    for relation in relations().values():
        if work.kind in relation.subjects and relation.object == "person":
            graph.link(work, relation.name, rng.choice(list(persons)))
        if work.kind in relation.subjects and relation.object == "company":
            graph.link(work, relation.name, rng.choice(list(companies)))
    if work.kind != "film":
        cents = rng.choice(("", "", ".50", ".20", ".75"))
        graph.state(work, "price", f"{graph.coin}{rng.randint(2, 60)}{cents}")


def _thin_out(graph: Graph, *, held_out: bool) -> None:
    """Leave out what is held out, and part of the rest: worlds do not say everything."""
    kept: Iterable[tuple[tuple[int, str], Fact]] = list(graph.facts.items())
    rng = graph.rng
    lists = {"books", "children", "cities"}
    for key, fact in kept:
        new = relations()[fact.relation].held_out
        own = {"father", "mother", "spouse"} | lists
        if (new and not held_out) or (fact.relation not in own and rng.random() < 0.22):
            del graph.facts[key]
