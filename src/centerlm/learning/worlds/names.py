"""Names of fictional people, places, organisations and works, made of syllables.

Each world draws from one `Names`, which never gives a name twice, nor one that holds another: a
name in a text always means one thing. Sounds are loosely English, Slavic, Nordic, Romance or of no
known land.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random


@dataclass(frozen=True, slots=True)
class Sounds:
    """Syllables of a flavour: how names begin, and how those of each kind end."""

    starts: tuple[str, ...]
    middles: tuple[str, ...]
    men: tuple[str, ...]
    women: tuple[str, ...]
    families: tuple[str, ...]
    cities: tuple[str, ...]
    countries: tuple[str, ...]


def words(text: str) -> tuple[str, ...]:
    """The words of a text."""
    return tuple(text.split())


def _sounds(*lines: str) -> Sounds:
    return Sounds(*map(words, lines))


ENGLISH = _sounds(
    "Al Bran Ced Dal El Far Gar Hal Har Kem Lan Mar Nor Os Per Rad Sel Tam Wil Win Thorn Ash Bexl",
    "a e i o er an in or el",
    "ric win bert den fred ley mund ton ard wyn",
    "wyn la tha lyn etta ina isa belle ora da",
    "field wick worth by ham more well stead wright shaw combe grove",
    "bury ford mouth ton chester bridge leigh haven minster port",
    "land mark shire wold reach mere",
)
SLAVIC = _sounds(
    "Bor Dra Zor Mil Vel Rad Stan Lub Kras Gor Ves Yar Bog Tver Dob Mir Pav Ond Jar Svet",
    "o i a e isla omi eni imi o",
    "mir slav dan rad zan bor vit gost jan",
    "mira slava dana ka nika ina ora va lena",
    "ovic enko ski ov ek sky arin anek ulin",
    "grad ov itsa nik ava ice pol novo sk",
    "ovia avia esia onia ija",
)
NORDIC = _sounds(
    "Ar Bjor Ei Frey Gun Hak Ing Jor Kol Lei Odd Ran Sig Sten Thor Ulf Vig Yng Sol Tor",
    "a e i u ge ve ri al",
    "nar rik vald mund leif stein gar bjorn kell",
    "dis hild run borg veig frid laug a unn",
    "sen sson dahl berg lund strand vik holm gaard",
    "vik fjord borg havn sund stad dal nes",
    "heim mark oya gard land",
)
ROMANCE = _sounds(
    "Al Bel Cor Dam Est Fio Gal Isa Lau Mat Nar Or Pie Ros Sal Tib Val Vit Cel Ren",
    "a e i o ur en am or an",
    "rio nzo dro tino ldo sco vio lmo dero",
    "ria nza tina lda sca via lia drea netta",
    "etti ardi ano elli oni ares uco anti eira",
    "ona ello arra izza ente agna alto ese",
    "agna aria ola ezia antia",
)
STRANGE = _sounds(
    "Qua Xan Zeb Ith Ul Ome Ky Vash Tol Nek Ayo Ixi Oru Phal Sho Tza Uma Wey Yal Zho",
    "a e i o u ae io an om ur",
    "rak bek tor nu zil mok dan gis",
    "ra li shi mei nua sel thi vae",
    "kande ruma thar boru zhen quill dano vash omir",
    "karra bad dur shan polis meth zar tan",
    "stan ara ium esh oria",
)
FLAVOURS = (ENGLISH, SLAVIC, NORDIC, ROMANCE, STRANGE)

_ADJECTIVES = words(
    "Salt Silver Hollow Winter Crimson Quiet Broken Amber Northern Burning Distant Paper Glass "
    "Last Golden Hidden Iron Velvet Wandering Frozen Blue Second Empty Crooked Pale Singing "
    "Forgotten Copper Restless Painted Narrow Long Drowned Bitter Wooden Scarlet"
)
_NOUNS = words(
    "Orchard Harbour Lantern Staircase Meadow Clock Bridge Mirror Garden Voyage Letter Tower "
    "Window Orchestra Ferry Shepherd Candle Museum Island Carriage Feather Kettle Compass Violin "
    "Sparrow Railway Mountain Needle Chapel Fountain Cellar Beacon Comet Quarry Umbrella"
)
_TITLES = ("The {} {}", "The {} {}", "{} {}", "A {} {}", "Beyond the {} {}")
_BUSINESS = (
    *("Press", "House", "Books", "& Sons", "Works", "Pictures", "Company", "Mills"),
    *("Brothers", "Foundry", "Shipping", "Trading Company"),
)
_LEARNING = ("College", "Academy", "Institute", "University", "School of Arts", "Lyceum")
_WIDE = {
    "museum": ("Museum", "Gallery", "Museum of Art", "Collection"),
    "stadium": ("Stadium", "Arena", "Park", "Ground"),
    "bridge": ("Bridge", "Viaduct", "Crossing"),
    "team": ("Rovers", "Wanderers", "United", "Athletic", "Harriers"),
    "newspaper": ("Courier", "Gazette", "Tribune", "Herald", "Observer"),
}
_BEFORE = {"lake": "Lake", "mountain": "Mount"}
_DISEASES = ("fever", "pox", "ague", "cough", "palsy", "rot", "flux", "wasting")
_PRIZES = ("Medal", "Prize", "Cross", "Star", "Ribbon", "Cup")
_FLOWERS = ("lily", "rose", "orchid", "thistle", "bell", "poppy", "daisy", "aster")
_MINERALS = ("ite", "ine", "spar", "ore")


@dataclass(slots=True)
class Names:
    """The names of one world, drawn from `rng`."""

    rng: Random
    taken: set[str] = field(default_factory=set[str])
    _words: set[str] = field(default_factory=set[str])

    def person(self, *, woman: bool, family: str | None = None) -> str:
        """A first name and a family name; `family` keeps the latter."""
        sounds = self._flavour()
        ends = sounds.women if woman else sounds.men
        for _ in range(50):
            first = self._make(sounds, ends)
            last = family or self._make(self._flavour(), sounds.families)
            if first != last and self._take(f"{first} {last}", first):
                return f"{first} {last}"
        return self._fallback("Person")

    def city(self) -> str:
        return self._one_word(lambda s: s.cities)

    def country(self) -> str:
        return self._one_word(lambda s: s.countries)

    def title(self, like: str = "") -> str:
        """A work's title; `like` gives one that shares a word with it."""
        for _ in range(50):
            adjective, noun = self.rng.choice(_ADJECTIVES), self.rng.choice(_NOUNS)
            if like:
                words = like.split()
                if self.rng.random() < 0.5:
                    adjective = words[1]
                else:
                    noun = words[-1]
            form = "The {} {}" if like else self.rng.choice(_TITLES)
            title = form.format(adjective, noun)
            if self._take(title):
                return title
        return self._fallback("The Work")

    def company(self) -> str:
        return self._compound(_BUSINESS)

    def school(self) -> str:
        return self._compound(_LEARNING)

    def award(self) -> str:
        return self._compound(_PRIZES)

    def disease(self) -> str:
        return self._compound(_DISEASES)

    def flower(self) -> str:
        return self._compound(_FLOWERS)

    def river(self) -> str:
        return self._compound(("River",))

    def mineral(self) -> str:
        return self._one_word(lambda _: _MINERALS).lower()

    def currency(self) -> str:
        return self._one_word(lambda _: ("mark", "in", "el", "ar", "o")).lower()

    def of_kind(self, kind: str) -> str:
        """A name that says what it is of: "Lake Ardal", "Hallworth Bridge"."""
        if kind in _BEFORE:
            return f"{_BEFORE[kind]} {self._one_word(lambda s: s.cities)}"
        return self._compound(_WIDE[kind])

    def machine(self) -> str:
        """A short lower-case word, for what is called by name."""
        return self._one_word(lambda _: ("o", "ex", "ix", "um", "a")).lower()

    def _flavour(self) -> Sounds:
        return self.rng.choice(FLAVOURS)

    def _make(self, sounds: Sounds, ends: Sequence[str]) -> str:
        start, end = self.rng.choice(sounds.starts), self.rng.choice(ends)
        middle = self.rng.choice(sounds.middles) if self.rng.random() < 0.6 else ""
        if start[-1] not in "aeiouy" and not middle and end[0] not in "aeiouy":
            middle = self.rng.choice(("a", "e", "i", "o", ""))
        word = start + middle + end
        while "aaa" in word or "iii" in word:
            word = word.replace("aaa", "aa").replace("iii", "i")
        return word

    def _one_word(self, ends: Callable[[Sounds], Sequence[str]]) -> str:
        for _ in range(50):
            sounds = self._flavour()
            word = self._make(sounds, ends(sounds))
            if self._take(word):
                return word
        return self._fallback("Place")

    def _compound(self, ends: Sequence[str]) -> str:
        for _ in range(50):
            sounds = self._flavour()
            name = f"{self._make(sounds, sounds.families)} {self.rng.choice(ends)}"
            if self._take(name):
                return name
        return self._fallback("House")

    def _take(self, name: str, *words: str) -> bool:
        """Whether the name is free: no other holds it, nor it another."""
        if any(name in other or other in name for other in self.taken):
            return False
        if any(word in self._words for word in words):
            return False
        self._words.update(words)
        self.taken.add(name)
        return True

    def _fallback(self, word: str) -> str:
        name = f"{word} {len(self.taken) + 1}"
        self.taken.add(name)
        return name
