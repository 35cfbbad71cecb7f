"""What wide worlds have beside people, works, places and organisations: paintings and museums,
ships, bridges, lakes, mountains, bands, newspapers, and teams with their stadiums.

Who has met few kinds of things takes others for them. Each wide world has some of these kinds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from centerlm.learning.worlds.graph import Graph, Thing

KINDS_OF_A_WORLD = 4


def add_wide(graph: Graph) -> None:
    """Add things of a few kinds and what holds of them, to a graph that has its people, cities,
    countries and companies.
    """
    for kind in graph.rng.sample(sorted(_MADE), KINDS_OF_A_WORLD):
        for _ in range(graph.rng.randint(2, 3)):
            _MADE[kind](graph)


def _painting(graph: Graph) -> None:
    painting = graph.add("painting", graph.names.title())
    museums = graph.of_kind("museum")
    museum = graph.rng.choice(museums) if len(museums) > 1 else _museum(graph)
    graph.link(painting, "painter", _any(graph, "person"))
    graph.link(painting, "museum", museum)
    _year(graph, painting, "year of painting")


def _museum(graph: Graph) -> Thing:
    museum = graph.add("museum", graph.names.of_kind("museum"))
    _building(graph, museum)
    graph.link(museum, "curator", _any(graph, "person"))
    graph.state(museum, "visitors", f"{graph.rng.randint(8, 900) * 500:,}")
    return museum


def _stadium(graph: Graph) -> Thing:
    stadium = graph.add("stadium", graph.names.of_kind("stadium"))
    _building(graph, stadium)
    graph.state(stadium, "seats", f"{graph.rng.randint(8, 900) * 100:,}")
    return stadium


def _bridge(graph: Graph) -> None:
    bridge = graph.add("bridge", graph.names.of_kind("bridge"))
    _building(graph, bridge)
    _metres(graph, bridge, "length", 40, 1900)


def _building(graph: Graph, thing: Thing) -> None:
    graph.link(thing, "location", _any(graph, "city"))
    graph.link(thing, "architect", _any(graph, "person"))
    _year(graph, thing, "opening")


def _ship(graph: Graph) -> None:
    ship = graph.add("ship", graph.names.title())
    graph.link(ship, "owner", _any(graph, "company"))
    graph.link(ship, "builder", _any(graph, "company"))
    graph.link(ship, "home port", _any(graph, "city"))
    graph.state(ship, "passengers", f"{graph.rng.randint(4, 180) * 10:,}")
    _metres(graph, ship, "length", 30, 320)
    _year(graph, ship, "launch")


def _lake(graph: Graph) -> None:
    lake = graph.add("lake", graph.names.of_kind("lake"))
    graph.link(lake, "lies in", _any(graph, "country"))
    unit = graph.rng.choice(("km²", "square kilometres"))
    graph.state(lake, "surface", f"{graph.rng.randint(12, 9000):,} {unit}")
    _metres(graph, lake, "depth", 6, 480)


def _mountain(graph: Graph) -> None:
    mountain = graph.add("mountain", graph.names.of_kind("mountain"))
    graph.link(mountain, "lies in", _any(graph, "country"))
    graph.link(mountain, "first climber", _any(graph, "person"))
    _metres(graph, mountain, "elevation", 400, 7900)


def _band(graph: Graph) -> None:
    band = graph.add("band", graph.names.title())
    graph.link(band, "singer", _any(graph, "person"))
    graph.link(band, "formed in", _any(graph, "city"))
    graph.link(band, "label", _any(graph, "company"))
    _year(graph, band, "formation")


def _team(graph: Graph) -> None:
    team = graph.add("team", graph.names.of_kind("team"))
    graph.link(team, "ground", _stadium(graph))
    graph.link(team, "coach", _any(graph, "person"))
    graph.link(team, "captain", _any(graph, "person"))
    _year(graph, team, "formation")


def _newspaper(graph: Graph) -> None:
    newspaper = graph.add("newspaper", graph.names.of_kind("newspaper"))
    graph.link(newspaper, "editor", _any(graph, "person"))
    graph.link(newspaper, "owner", _any(graph, "company"))
    graph.link(newspaper, "published in", _any(graph, "city"))
    _year(graph, newspaper, "formation")


_MADE: Mapping[str, Callable[[Graph], object]] = {
    "band": _band,
    "bridge": _bridge,
    "lake": _lake,
    "mountain": _mountain,
    "newspaper": _newspaper,
    "painting": _painting,
    "ship": _ship,
    "team": _team,
}


def _any(graph: Graph, kind: str) -> Thing:
    return graph.rng.choice(graph.of_kind(kind))


def _year(graph: Graph, thing: Thing, relation: str) -> None:
    graph.state(thing, relation, str(graph.rng.randint(1801, 2015)))


def _metres(graph: Graph, thing: Thing, relation: str, least: int, most: int) -> None:
    unit = graph.rng.choice(("m", "metres"))
    graph.state(thing, relation, f"{graph.rng.randint(least, most):,} {unit}")
