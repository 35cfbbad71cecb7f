"""The sources `image`, `audio` and `video`: questions answered from what was seen and heard.

Rules answer what they can exactly (counts, orders, times, colours, directions, what is written or
said); for all else the best passages of the medium are given, to be absorbed. Where nothing was
observed that a question needs, the span is looked at again with the processor that may know.
"""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from centerlm.errors import CenterError, MissingExtraError, MissingWeightsError
from centerlm.finding import (
    Finding,
    Passage,
    Status,
    Usage,
    Value,
    failed,
    format_value,
    nothing,
    short_answer,
)
from centerlm.library.document import one_line
from centerlm.library.embed import Embedder, find_embedder
from centerlm.media.again import MAX_SECONDS, hear_again, look_for_things, read_again
from centerlm.media.answering import Answer, answer, limited
from centerlm.media.choosing import Material, choose, material, options_meant
from centerlm.media.decode import Kind
from centerlm.media.matching import matching
from centerlm.media.observation import Observation, in_words
from centerlm.media.processing import Processed, labelled
from centerlm.media.queries import Query, read_query
from centerlm.options import options_of
from centerlm.sources.base import Card, Seek
from centerlm.sources.documents import cite
from centerlm.verify import words

_KNOWS = {
    "video": "what is seen, written and said in a video, and when: things that move, their "
    "colours and directions, text on the screen, speech",
    "audio": "what is said in a recording, and when",
    "image": "what is seen and written in a picture",
}


MAX_LOOKED = 8
"""Media that are looked at again for one question."""


@dataclass(slots=True)
class Media:
    """Pictures, recordings or videos as a knowledge source; `k` passages a request. One that
    `chooses` answers a question with options ("One of: ...") itself.
    """

    kind: Kind
    processed: Sequence[Processed]
    k: int = 5
    embedder: Embedder | None = None
    chooses: bool = True
    _material: dict[str, Material] = field(default_factory=dict[str, Material])
    _again: dict[tuple[str, str, float, float], tuple[Observation, ...]] = field(
        default_factory=dict[tuple[str, str, float, float], "tuple[Observation, ...]"]
    )

    @property
    def card(self) -> Card:
        names = ", ".join(one_line(p.path.name, 40) for p in self.processed[:5])
        return Card(
            name=self.kind,
            knows=f"{_KNOWS[self.kind]} ({names})",
            limits="answers how many, which, when, how long, what colour, which direction, what "
            "is written and what is said, before, after or while something; gives passages else",
            latency=0.1,
        )

    def bound(self, seek: Seek) -> Usage:
        """Looking costs one call and no tokens."""
        del seek
        return Usage(calls=1)

    async def seek(self, seek: Seek) -> Finding:
        """A typed answer where rules have one, else passages."""
        started = time.monotonic()
        if not seek.text.strip():
            return failed(f"an empty question was asked of the {self.kind}", source=self.kind)
        try:
            finding = await asyncio.to_thread(self._answer, seek.text, seek.objective)
        except CenterError as error:
            finding = failed(str(error), source=self.kind)
        return replace(finding, usage=Usage(calls=1, seconds=time.monotonic() - started))

    def _answer(self, text: str, objective: str) -> Finding:
        asked = options_of(text) or options_meant(text, objective)
        if asked is not None and (chosen := self._choose(*asked)) is not None:
            return chosen
        text, meant = self._meant(text)
        notes: list[Passage] = []
        told: list[Told] = []
        for number, one in enumerate(meant):
            query = read_query(text, one.info.seconds)
            look = number < MAX_LOOKED
            found = self._look_closer(query, one) if look else answer(query, one.observations)
            if found is not None:
                told.append((found, one))
                continue
            fit = matching(query.target, one.observations)
            if fit.note and not fit.things:
                notes.append(_note(fit.note, one))
        if told:
            return self._typed(*together(read_query(text, 0.0), told))
        passages = [p for one in meant for p in self._passages(text, one)]
        if not passages:
            reason = " ".join(p.text for p in notes) or "nothing observed fits the question"
            return nothing(reason, source=self.kind)
        best = sorted(passages, key=lambda p: -p.score)[: self.k]
        return Finding(
            Status.FOUND,
            passages=(*notes, *best),
            citations=tuple(cite(passage) for passage in best),
            source=self.kind,
        )

    def _meant(self, text: str) -> tuple[str, Sequence[Processed]]:
        """The question without the names of files in it, and the media that it names; else all."""
        low = text.lower()
        named = [one for one in self.processed if one.path.name.lower() in low]
        for one in named:
            text = re.sub(re.escape(one.path.name), " ", text, flags=re.IGNORECASE)
        return text, named or self.processed

    def _look_closer(self, query: Query, one: Processed) -> Answer | None:
        """The answer from what was observed; where that lacks what is asked for, from a closer
        look at the span: words read or heard again, things looked for in parts of the picture.
        """
        found = answer(query, one.observations)
        if query.wanted in ("text", "speech"):
            return found or self._again_in_words(query, one)
        if query.wanted == "passages" or not matching(query.target, one.observations).unseen:
            return found
        limit = limited(query, one.observations)
        start, end = limit.start, min(limit.end, one.info.seconds)
        try:
            things = self._once(one, "objects", start, end, look_for_things)
        except (MissingExtraError, MissingWeightsError) as error:
            return found and replace(found, note=f"{found.note}; {error}")
        seen = labelled([*one.observations, *things]) if things else one.observations
        return answer(query, seen)

    def _once(
        self,
        one: Processed,
        wanted: str,
        start: float,
        end: float,
        look: Callable[[Processed, float, float], tuple[Observation, ...]],
    ) -> tuple[Observation, ...]:
        """What a closer look gives, made once."""
        key = (one.sha256, wanted, start, end)
        if key not in self._again:
            self._again[key] = look(one, start, end) if one.path.is_file() else ()
        return self._again[key]

    def _typed(self, found: Answer, seen: Sequence[tuple[Observation, Processed]]) -> Finding:
        text = " ".join(in_words(o) for o, _ in seen[:20])
        return Finding(
            Status.FOUND,
            answer=short_answer(format_value(found.value)),
            value=found.value,
            text=f"{text} ({found.note})".strip() if found.note else text,
            citations=tuple(cite(passage_of(o, one)) for o, one in seen),
            confidence=found.confidence,
            source=self.kind,
        )

    def _again_in_words(self, query: Query, one: Processed) -> Answer | None:
        query = limited(query, one.observations)
        start, end = query.start, min(query.end, one.info.seconds)
        if query.event is not None or not 0 <= end - start <= MAX_SECONDS:
            return None
        look = read_again if query.wanted == "text" else hear_again
        return answer(query, self._once(one, query.wanted, start, end, look))

    def _passages(self, text: str, one: Processed) -> Iterable[Passage]:
        """The observations of the span that a question names, scored by words and by meaning."""
        query = limited(read_query(text, one.info.seconds), one.observations)
        asked = set(words(text))
        near = self._near(text, one)
        for number, o in enumerate(one.observations):
            if o.end < query.start - 0.15 or o.start > query.end + 0.15:
                continue
            shared = len(asked & set(words(in_words(o))))
            timed = 0.5 if query.start > 0 or query.end < math.inf else 0.0
            score = shared / (len(asked) or 1) + timed + (near[number] if near else 0.0)
            yield replace(passage_of(o, one), score=score)

    def _near(self, text: str, one: Processed) -> list[float]:
        """How near in meaning each observation is to the question; [] without the local extra."""
        if self.embedder is None or not one.observations:
            return []
        asked = self.embedder.embed([text])[0]
        return [float(near) for near in self._read(one, self.embedder).vectors @ asked]

    def _read(self, one: Processed, embedder: Embedder) -> Material:
        if one.sha256 not in self._material:
            self._material[one.sha256] = material(one.observations, embedder)
        return self._material[one.sha256]

    def _choose(self, question: str, options: Sequence[str]) -> Finding | None:
        """One of the options that a question gives, compared with what was observed."""
        if self.embedder is None or not self.chooses:
            return None
        embedder = self.embedder
        each = (
            (choose(question, options, self._read(one, embedder), embedder), one)
            for one in self.processed
        )
        made = [(chosen, one) for chosen, one in each if chosen is not None]
        if not made:
            return None
        chosen, one = max(made, key=lambda pair: pair[0].confidence)
        found = Answer(
            short_answer(chosen.option),
            chosen.observations,
            chosen.confidence,
            "the option that what was observed speaks for most",
        )
        return self._typed(found, _seen_in(found, one))


Told = tuple[Answer, Processed]


def together(
    query: Query, told: Sequence[Told]
) -> tuple[Answer, Sequence[tuple[Observation, Processed]]]:
    """One answer of those that several media give, and what it is from.

    Things are counted, and listed, over all of them; of other answers it is the first for which
    something was seen.
    """
    first, one = next((t for t in told if t[0].value and t[0].observations), told[0])
    counts = [found.value for found, _ in told if isinstance(found.value, Fraction)]
    counted = query.wanted == "count" and query.compared != "at once" and len(counts) == len(told)
    listed = query.wanted == "list" and query.target.place is None
    if len(told) == 1 or not (counted or listed):
        return first, _seen_in(first, one)
    seen = [pair for found, medium in told for pair in _seen_in(found, medium)]
    value: Value = sum(counts, Fraction(0))
    if listed:
        each = [f.value if isinstance(f.value, tuple) else (f.value,) for f, _ in told]
        value = tuple(item for items in each for item in items)
    files = ", ".join(f"{m.path.name}: {format_value(found.value)}" for found, m in told)
    notes = dict.fromkeys(found.note for found, _ in told if found.note and found.observations)
    sure = [found.confidence for found, _ in told if found.confidence is not None]
    note = "; ".join([f"of all files together; {files}", *notes])
    return Answer(value, tuple(o for o, _ in seen), min(sure, default=None), note), seen


def _seen_in(found: Answer, one: Processed) -> list[tuple[Observation, Processed]]:
    return [(o, one) for o in found.observations]


def _note(note: str, one: Processed) -> Passage:
    """What could not be told, as a passage, so that it is read with the others."""
    title = one_line(one.path.stem.replace("_", " ")) or "untitled"
    text = f"Not known: {note}."
    return Passage(id=f"{one.sha256[:8]}-note", text=text, title=title, file=str(one.path))


def passage_of(o: Observation, one: Processed) -> Passage:
    """An observation as a passage with its times."""
    return Passage(
        id=f"{one.sha256[:8]}-{o.kind}-{o.start:.2f}-{o.processor}",
        text=in_words(o),
        title=one_line(one.path.stem.replace("_", " ")) or "untitled",
        file=str(one.path),
        start=round(o.start, 2),
        end=round(o.end, 2),
        unit="seconds",
    )


def embedder_here() -> Embedder | None:
    """The embedder of this machine; None without the extra `local` or its weights."""
    try:
        return find_embedder()
    except (MissingExtraError, MissingWeightsError):
        return None


def media_sources(
    processed: Iterable[Processed], *, embedder: Embedder | None = None, chooses: bool = True
) -> list[Media]:
    """One source for each kind of medium there is, searched by meaning too where that can be.

    `embedder` is one to share; None opens one where its weights are there.
    """
    embedder = embedder or embedder_here()
    by_kind: dict[Kind, list[Processed]] = {}
    for one in processed:
        by_kind.setdefault(one.info.kind, []).append(one)
    return [Media(kind, ones, embedder=embedder, chooses=chooses) for kind, ones in by_kind.items()]
