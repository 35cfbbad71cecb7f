"""Short articles in prose about countries and chemical elements.

The wording varies from article to article, so that a reader has to read, not to match.
"""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

from centerlm.demo.facts import Country, Element, Facts, load_facts
from centerlm.errors import InputError
from centerlm.finding import format_number


def build_demo_library(folder: Path, cache: Path | None = None) -> list[Path]:
    """Write the articles as Markdown files into `folder`, and give their paths in order.

    Raises:
        InputError: a package cannot be fetched, or the folder cannot be written.
    """
    return write_articles(load_facts(cache), folder)


def write_articles(facts: Facts, folder: Path) -> list[Path]:
    """One Markdown file a country and element; raises InputError where it cannot be written."""
    written: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for at, country in enumerate(facts.countries.values()):
            written.append(_write(folder, country.name, country_article(country, at)))
        for at, element in enumerate(facts.elements.values()):
            written.append(_write(folder, element.name.capitalize(), element_article(element, at)))
    except OSError as error:
        raise InputError(f"the demo's articles cannot be written to {folder}: {error}") from None
    return written


def _write(folder: Path, title: str, text: str) -> Path:
    slug = re.sub(r"[^\w]+", "_", title).strip("_")
    file = folder / f"{slug}.md"
    file.write_text(f"# {title}\n\n{text}\n", encoding="utf-8")
    return file


def country_article(country: Country, variant: int) -> str:
    """A few sentences on a country; `variant` chooses among ways of saying the same."""
    c = country
    area, people = format_area(c.area), f"{c.population:,}"
    sentences = [
        _pick(
            variant,
            f"{c.name} is a country or territory in {c.region}. Its capital is {c.capital}.",
            f"{c.name} lies in {c.region}. The capital of {c.name} is {c.capital}.",
            f"{c.capital} is the capital of {c.name}, which lies in {c.region}.",
        ),
        _pick(
            variant // 3,
            f"It covers an area of {area} and has a population of {people} people.",
            f"The area of {c.name} is {area}. About {people} people live there.",
            f"With an area of {area}, {c.name} is home to {people} inhabitants.",
        ),
    ]
    if c.neighbours:
        border = "a land border" if len(c.neighbours) == 1 else "land borders"
        sentences.append(
            _pick(
                variant // 2,
                f"{c.name} has {border} with {listed(c.neighbours)}.",
                f"It borders {listed(c.neighbours)}.",
            )
        )
    else:
        sentences.append(f"{c.name} has no land border with another country.")
    if c.demonym:
        sentences.append(f"Something or somebody from {c.name} is called {c.demonym}.")
    if c.provinces:
        most = listed(c.provinces[:3])
        count = len(c.provinces)
        sentences.append(f"It is divided into {count} provinces or regions, among them {most}.")
    if c.currency:
        sentences.append(f"The code of its currency is {c.currency}.")
    if c.calling_code and c.domain:
        sentences.append(
            f"Telephone numbers begin with +{c.calling_code}, internet addresses end in {c.domain}."
        )
    return " ".join(sentences)


def element_article(element: Element, variant: int) -> str:
    """A few sentences on a chemical element; `variant` chooses among ways of saying the same."""
    e = element
    name = e.name.capitalize()
    sentences = [
        _pick(
            variant,
            f"{name} is a chemical element with the symbol {e.symbol} and atomic number "
            f"{e.number}.",
            f"{name}, whose symbol is {e.symbol}, is the chemical element with atomic number "
            f"{e.number}.",
        ),
        f"An atom of {e.name} has {e.number} proton{'s' if e.number > 1 else ''} in its nucleus.",
        _pick(
            variant // 2,
            f"The standard atomic weight of {e.name} is {e.mass}.",
            f"Its standard atomic weight is {e.mass}.",
        ),
    ]
    if e.density:
        sentences.append(f"The density of {e.name} is {e.density} grams per cubic centimetre.")
    return " ".join(sentences)


def format_area(area: Fraction) -> str:
    whole = f"{int(area):,}" if area.denominator == 1 else format_number(area)
    return f"{whole} square kilometres"


def _pick(variant: int, *sentences: str) -> str:
    return sentences[variant % len(sentences)]


def listed(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
