"""Cards to practise choice with: libraries of many kinds, the calculator, and sources that the
questions of the data sets do not need. Data, and the functions that make cards of it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from random import Random

from centerlm.library import Stats
from centerlm.sources.base import Card
from centerlm.sources.documents import describe

ALIASES: Mapping[str, tuple[str, ...]] = {
    "documents": (
        "library", "archive", "shelf", "files", "texts", "corpus", "books", "articles", "wiki",
        "kb", "search", "pages", "reading_room", "papers",
    ),
    "calculator": (
        "calc", "math", "compute", "arithmetic", "sums", "reckoner", "numbers", "abacus",
    ),
    "person": ("user", "human", "ask_me", "owner", "customer"),
    "experiment": ("lab", "probe", "sandbox", "trial", "tester"),
}  # fmt: skip
"""Other names of well-known sources."""

OPAQUE = tuple(f"{word}{n}" for word in ("s", "src", "tool", "node") for n in range(1, 10))
"""Names that say nothing: only the card tells."""

_TITLES = (
    ("Charles Babbage", "Lake Ladoga", "Treaty of Tilsit", "Photosynthesis", "Antonio Salieri",
     "Iron bridge", "Ulan-Ude", "The Third Man", "Battle of Lissa", "Saffron"),
    ("Nosferatu", "The Wind Journeys", "Rififi", "Miroslav Janek", "Cléo from 5 to 7",
     "Harold Lloyd", "The Lodger", "Maria Falconetti", "Ivan Mosjoukine"),
    ("Minutes of the council, March", "Road works plan", "Budget 2019", "School catering contract",
     "Minutes of the council, April", "Tree register", "Petition on the weir"),
    ("Middlemarch", "Bleak House", "The Moonstone", "Kidnapped", "Cranford", "The Odd Women"),
    ("Ibuprofen leaflet", "Metformin leaflet", "Dosage in children", "Interactions of statins",
     "Guideline on hypertension", "Storage of vaccines"),
    ("Pump P-20 manual", "Safety data sheet: acetone", "Maintenance log", "Wiring of cabinet 4",
     "Spare parts", "Commissioning report"),
    ("River Teme", "Carpathians", "Port of Gävle", "Kuressaare", "Cape Agulhas", "Sulina",
     "Province of Sondrio", "Lake Toba", "Rakhine State"),
    ("Statutes of the society", "Lease of 12 Mill Lane", "Terms of supply", "Patent EP 1 204 442",
     "Judgment of 4 May", "Power of attorney"),
    ("Onion soup", "Rye sourdough", "Quince jelly", "Braised leeks", "Plum dumplings"),
    ("Mira Holt", "The Amber Coast", "Dunmere", "House of Ferrow", "Tarn Bridge", "Old Selwick"),
    ("Letters 1861-1863", "Letters 1864", "Diary of the voyage", "Ship's log", "Sketch book"),
    ("Season 1931", "FC Nordstern", "Ana Petrović (swimmer)", "Canal stadium", "Cup final"),
    ("Attention in language models", "Sparse retrieval", "A survey of planners", "Credit"),
    ("Symphony in D minor", "The Larks (band)", "Record of the year", "Clara Wieck", "Blue Hour"),
)  # fmt: skip

DISTRACTORS = (
    Card("expert:medicine", "answers questions of medicine from what it has learned",
         "questions of up to 7,936 tokens"),
    Card("expert:law", "answers questions of law from what it has learned",
         "questions of up to 3,840 tokens"),
    Card("expert:chess", "judges chess positions and names the best move"),
    Card("person", "what only the person in front of the screen can say", "slow", typed=True,
         shared=False),
    Card("experiment", "runs a Python program and gives what it prints", "no network, 10 seconds",
         typed=True, computes=True),
    Card("weather", "today's weather and the forecast for five days, by place"),
    Card("calendar", "the user's appointments of this year"),
    Card("web", "news of the last 24 hours", "nothing older"),
    Card("stocks", "share prices of this minute, by company"),
    Card("trains", "train times and platforms of today", "no history"),
    Card("video", "what is seen and heard in the attached recordings, with times"),
    Card("image", "what is seen in the attached pictures, and the text on them"),
    Card("translate", "translates a sentence between two languages"),
    Card("plan_check", "says whether a plan of moves reaches its goal in a puzzle", typed=True),
)  # fmt: skip
"""Sources that know nothing the questions of the data sets ask for."""


_SAYS = {
    "expert": "answers questions of {} from what it has learned",
    "mcp": "the tool {}",
    "audio": "what is heard in the attached recordings, with times",
    "known": "what was found out before and noted",
}
"""What other sources know, by the first part of their names."""


def documents_card(rng: Random) -> Card:
    """The card of a library, as the source `documents` describes itself: any kind, any size."""
    titles = list(rng.choice(_TITLES))
    if rng.random() < 0.3:
        titles += rng.choice(_TITLES)
    rng.shuffle(titles)
    files = 1 if rng.random() < 0.25 else rng.randint(2, 400)
    documents = len(titles) + rng.choice((0, rng.randint(1, 40_000)))
    stats = Stats(files, documents, documents * rng.randint(1, 6), 0, 0, tuple(titles))
    k = rng.choice((3, 5, 5, 5, 8, 10))
    limits = f"gives up to {k} passages of its documents; knows nothing else"
    return Card("documents", describe(stats), limits, latency=0.02)


def calculator_card() -> Card:
    """The calculator's own card."""
    from centerlm.sources.calculator.source import Calculator

    return Calculator.card


def book_card() -> Card:
    """The card of the notes on a book, as the source `book` shows it."""
    from centerlm.sources.book import book_card as made

    return made()


def cards_naming(names: Collection[str], rng: Random) -> tuple[Card, ...]:
    """A library, the calculator, and a card for each other source that is named, in any order."""
    cards = [documents_card(rng), calculator_card()]
    known = {card.name: card for card in (*DISTRACTORS, book_card())}
    for name in sorted(set(names) - {card.name for card in cards}):
        kind, _, rest = name.partition(":")
        says = _SAYS.get(kind, "answers what belongs to it").format(rest)
        cards.append(known.get(name) or Card(name, says))
    rng.shuffle(cards)
    return tuple(cards)
