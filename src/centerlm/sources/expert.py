"""A language model of a professional field as a knowledge source, `expert:<field>`.

One model call a request; the answer is free text that the center absorbs. Knows only the protocol
of language models.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace

from centerlm.errors import InputError, ModelError
from centerlm.finding import Finding, Status, Usage, failed, found, nothing
from centerlm.models.base import LanguageModel, Message, Prompt, Sampling
from centerlm.sources.base import Card, Seek
from centerlm.sources.bounded import bounded_text
from centerlm.sources.naming import check_name

DEFAULT_MAX_TOKENS = 256
MAX_CHARACTERS = 20_000

_INSTRUCTION = (
    "You are an expert in {field}. Answer the question in at most three sentences, with the "
    "answer first. If you do not know, reply exactly: I don't know."
)
_DOES_NOT_KNOW = re.compile(
    r"\W*(?:"
    r"(?:i(?:'m| am)?|we)\s+(?:really\s+)?(?:don'?t know|do not know|am not sure|not sure|"
    r"have no (?:idea|information|knowledge)|can(?:not|'t) (?:answer|say|tell|determine))\b|"
    r"(?:unknown|not known|no information|none|n/a)\W*$)",
    re.IGNORECASE,
)
_BUT = re.compile(r"\b(?:but|however|though|although)\b", re.IGNORECASE)
_LONGEST_REFUSAL = 200


class Expert:
    """An expert of a field behind a language model.

    `knows` is the card's line. `max_tokens` (1 or more) bounds an answer; `instruction` replaces
    the system message. A `short` expert was trained on short answers (`centerlm learn expert`): it
    is asked the question alone, and the first line of its reply is the answer as it stands.
    """

    def __init__(
        self,
        field: str,
        model: LanguageModel,
        *,
        knows: str = "",
        limits: str = "",
        max_tokens: int = DEFAULT_MAX_TOKENS,
        temperature: float = 0.0,
        latency: float | None = None,
        instruction: str = "",
        short: bool = False,
    ) -> None:
        if max_tokens < 1:
            raise InputError(f"expert {field!r}: max_tokens={max_tokens}; give 1 or more")
        self._model = model
        self._sampling = Sampling(max_tokens=max_tokens, temperature=temperature, logprobs=True)
        self._instruction = instruction or instruction_of(field)
        self._short = short
        typical = model.price.cost(200, max_tokens)
        self.card = Card(
            check_name(f"expert:{field}"),
            knows or f"answers questions of {field} from what it has learned",
            limits=limits or f"questions of up to {model.context - max_tokens:,} tokens",
            price=typical,
            latency=latency,
        )

    def bound(self, seek: Seek) -> Usage:
        return self._bound(self._model.count(self._prompt(seek)))

    def _bound(self, tokens: int) -> Usage:
        most = self._sampling.max_tokens
        return Usage(1, tokens, most, cost=self._model.price.cost(tokens, most))

    async def seek(self, seek: Seek) -> Finding:
        name, model = self.card.name, self._model
        prompt = self._prompt(seek)
        tokens = model.count(prompt)
        if tokens + self._sampling.max_tokens > model.context:
            return failed(
                f"the question takes {tokens:,} tokens and the answer up to "
                f"{self._sampling.max_tokens:,}, more than the {model.context:,} of {model.name}",
                source=name,
            )
        attempt = Usage(1, tokens, cost=model.price.cost(tokens, 0))
        spent = attempt

        def before_retry() -> None:
            nonlocal spent
            seek.spend(attempt)
            spent += attempt

        try:
            reply = await model.complete(
                prompt,
                replace(self._sampling, seed=seek.seed),
                before_retry=before_retry,
            )
        except ModelError as error:
            return replace(failed(str(error), source=name), usage=spent)
        text = bounded_text(reply.text, MAX_CHARACTERS)[0].strip()
        if not text or says_it_does_not_know(text):
            return replace(nothing(f"{name} does not know", source=name), usage=reply.usage)
        given = (
            found(text.splitlines()[0].strip(), source=name)
            if self._short
            else Finding(Status.FOUND, text=text, source=name)
        )
        confidence = _confidence(reply.choices[0].logprobs)
        return replace(given, confidence=confidence, usage=reply.usage)

    def _prompt(self, seek: Seek) -> Prompt:
        question = seek.text
        if not self._short and seek.objective and seek.objective.strip() != seek.text.strip():
            question = f"{seek.text}\n\nThis is needed to find out: {seek.objective}"
        return Prompt((Message("system", self._instruction), Message("user", question)))


def instruction_of(field: str) -> str:
    """The system message of the expert of a field."""
    return _INSTRUCTION.format(field=field)


def says_it_does_not_know(text: str) -> bool:
    """Whether a short reply only declines ("I don't know."), without going on to answer."""
    if len(text) > _LONGEST_REFUSAL or _BUT.search(text):
        return False
    return _DOES_NOT_KNOW.match(text.replace("’", "'")) is not None


def _confidence(logprobs: tuple[float, ...] | None) -> float | None:
    """The geometric mean probability of the answer's tokens, 0..1."""
    if not logprobs:
        return None
    return min(1.0, math.exp(sum(logprobs) / len(logprobs)))
