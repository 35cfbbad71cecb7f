"""Facts about countries and chemical elements, read from two small packages.

`countryinfo` (MIT) and `periodictable` (public domain) are pinned; their files are parsed as data.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

from centerlm.demo.packages import PinnedPackage, fetch_members

COUNTRYINFO = PinnedPackage(
    "countryinfo",
    "1.0.1",
    "b02f6f534f0a3b9cdc73fba7e08f247e39826acfa54bf080f8e4eba812066350",
    ("countryinfo/data/*.json",),
)
PERIODICTABLE = PinnedPackage(
    "periodictable",
    "2.1.0",
    "e9155d2bf5ac10050abeff2f99096d4f04312c0c8a6bb432e28744367c5064b3",
    ("periodictable/mass.py", "periodictable/density.py"),
)


@dataclass(frozen=True, slots=True)
class Country:
    """`area` in square kilometres; `neighbours` share a land border with it, by name."""

    name: str
    capital: str
    region: str
    area: Fraction
    population: int
    neighbours: tuple[str, ...]
    demonym: str
    calling_code: str
    domain: str
    currency: str
    provinces: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Element:
    """`mass` in unified atomic mass units; `density` in g/cm³, "" where it is of no solid."""

    name: str
    symbol: str
    number: int
    mass: str
    density: str


@dataclass(frozen=True, slots=True)
class Facts:
    countries: Mapping[str, Country]
    elements: Mapping[str, Element]


def load_facts(cache: Path | None = None) -> Facts:
    """The facts of both packages; raises InputError as `fetch_members` does."""
    countries = read_countries(fetch_members(COUNTRYINFO, cache))
    elements = read_elements(fetch_members(PERIODICTABLE, cache))
    return Facts(countries, elements)


def read_countries(members: Mapping[str, bytes]) -> dict[str, Country]:
    """Countries with a capital, area and population, by name."""
    records = [cast("dict[str, Any]", json.loads(members[name])) for name in sorted(members)]
    names = {r["ISO"]["alpha3"]: str(r["name"]) for r in records if "alpha3" in r.get("ISO", {})}
    countries = (_country(record, names) for record in records)
    return {country.name: country for country in countries if country is not None}


def _country(record: Mapping[str, Any], names: Mapping[str, str]) -> Country | None:
    capital, area, population = (record.get(key) for key in ("capital", "area", "population"))
    if not (isinstance(capital, str) and capital and area and population and record.get("region")):
        return None
    return Country(
        name=record["name"],
        capital=capital,
        region=record.get("subregion") or record["region"],
        area=Fraction(str(area)),
        population=int(population),
        neighbours=tuple(names[code] for code in _texts(record, "borders") if code in names),
        demonym=record.get("demonym") or "",
        calling_code=next(iter(_texts(record, "callingCodes")), ""),
        domain=next(iter(_texts(record, "tld")), ""),
        currency=next(iter(_texts(record, "currencies")), ""),
        provinces=tuple(_texts(record, "provinces")),
    )


def _texts(record: Mapping[str, Any], key: str) -> list[str]:
    return [str(item) for item in cast("list[Any]", record.get(key) or [])]


_MASS = re.compile(r"^(\d+)\t([A-Z][a-z]?)\t([a-z]+)\t\s*([\d.]+)", re.MULTILINE)
_DENSITY = re.compile(
    r'^    ([A-Z][a-z]?)=(?:([\d.]+)|\(([\d.]+), "(?!T=-|calc|est)[^"]*"\)),', re.MULTILINE
)


def read_elements(members: Mapping[str, bytes]) -> dict[str, Element]:
    """Chemical elements that have a standard atomic weight, by name."""
    text = {Path(name).stem: content.decode("latin-1") for name, content in members.items()}
    densities = {m[1]: m[2] or m[3] for m in _DENSITY.finditer(text["density"])}
    table = text["mass"].partition('element_mass = """')[2].partition('"""')[0]
    return {
        m[3]: Element(m[3], m[2], int(m[1]), m[4].rstrip("."), densities.get(m[2], ""))
        for m in _MASS.finditer(table.replace("\\\n", ""))
    }
