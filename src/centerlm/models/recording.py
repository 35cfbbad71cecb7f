"""Recording what a model answers, and replaying it without the model.

The recording is a folder of small files, content-addressed: the key of a call is the SHA-256 of the
model's identity, the messages and the sampling with its seed. The first answer to a call is the one
that stays, also between processes, so a run replayed from its recording gets what it got.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import msgspec

from centerlm.errors import InputError, ModelError
from centerlm.models.base import (
    Constraint,
    Message,
    Price,
    Prompt,
    Reply,
    Sampling,
    most_tokens,
)
from centerlm.models.weights import write_atomically
from centerlm.models.wrapped import WrappedModel

FORMAT = 1


class _Card(msgspec.Struct, frozen=True):
    """What replaying needs to know of the recorded model."""

    format: int
    name: str
    identity: str
    constraint: Constraint
    context: int
    price: Price


class _Record(msgspec.Struct, frozen=True):
    """One call: what was asked, for people who read the file, how long it was, and the answer."""

    prompt: Prompt
    sampling: Sampling
    count: int
    reply: Reply


class Key(NamedTuple):
    """Where a call is recorded: one folder a prompt, in it one file for each way of sampling."""

    prompt: str
    sampling: str


def call_key(identity: str, prompt: Prompt, sampling: Sampling) -> Key:
    """The key of a call; equal exactly when identity, messages and sampling are."""
    return Key(_digest((FORMAT, identity, _encodable(prompt))), _digest(sampling))


@dataclass(frozen=True, slots=True)
class RecordingModel(WrappedModel):
    """A model whose answers are kept in `folder`; a call recorded before is not made again.

    A recorded answer comes with the usage of the call that made it, and its text as one piece.
    `on_used` is told of every file that an answer is in.
    """

    folder: Path | str
    on_used: Callable[[Path], object] | None = None
    _described: list[Path] = field(default_factory=list[Path], init=False, repr=False)
    """The card written by this object: none, or the one."""

    async def complete(
        self,
        prompt: Prompt,
        sampling: Sampling,
        *,
        on_text: Callable[[str], None] | None = None,
        before_retry: Callable[[], None] | None = None,
    ) -> Reply:
        """See `LanguageModel.complete`.

        Raises:
            ModelError: the model did not answer, or the answer cannot be stored.
        """
        path = _path(Path(self.folder), call_key(self.identity, prompt, sampling))
        record = _read(path)
        if record:
            self._told(path)
            return _tell(record.reply, on_text)
        reply = await self.model.complete(
            prompt, sampling, on_text=on_text, before_retry=before_retry
        )
        return self._store(path, _Record(_encodable(prompt), sampling, self.count(prompt), reply))

    def _store(self, path: Path, record: _Record) -> Reply:
        try:
            if not self._described:
                card = _Card(
                    FORMAT, self.name, self.identity, self.constraint, self.context, self.price
                )
                target = _card_path(Path(self.folder), self.identity)
                write_atomically(target, msgspec.json.encode(card))
                self._described.append(target)
            kept = _keep_first(path, record).reply
            self._told(path)
            return kept
        except OSError as error:
            raise ModelError(
                f"the answer of {self.name} cannot be stored in {self.folder} "
                f"({error.strerror}); free some space or record elsewhere"
            ) from None

    def _told(self, path: Path) -> None:
        if self.on_used is not None:
            self.on_used(path)
            self.on_used(_card_path(Path(self.folder), self.identity))


class ReplayModel:
    """The recorded model of `folder` with this `name` or `identity` (the only one, without both).

    Raises:
        InputError: the folder holds no recording, or not one of that name.
    """

    def __init__(
        self, folder: Path | str, *, name: str | None = None, identity: str | None = None
    ) -> None:
        self._folder = Path(folder)
        cards = [
            card
            for card in _cards(self._folder)
            if name in (None, card.name) and identity in (None, card.identity)
        ]
        if len(cards) != 1:
            known = ", ".join(sorted(card.name for card in _cards(self._folder)))
            raise InputError(
                f"{self._folder} has {len(cards)} recorded models"
                f"{f' named {name!r}' if name else ''}; name one of: {known or 'none is there'}"
            )
        self._card = cards[0]

    @property
    def name(self) -> str:
        return self._card.name

    @property
    def identity(self) -> str:
        return self._card.identity

    @property
    def constraint(self) -> Constraint:
        return self._card.constraint

    @property
    def context(self) -> int:
        return self._card.context

    @property
    def price(self) -> Price:
        return self._card.price

    def count(self, prompt: Prompt) -> int:
        """As the model counted; an upper bound (bytes) for a prompt that was not recorded."""
        folder = _path(self._folder, call_key(self.identity, prompt, Sampling(0))).parent
        for path in sorted(folder.glob("*.json")):
            if record := _read(path):
                return record.count
        return most_tokens(prompt)

    async def complete(
        self,
        prompt: Prompt,
        sampling: Sampling,
        *,
        on_text: Callable[[str], None] | None = None,
        before_retry: Callable[[], None] | None = None,
    ) -> Reply:
        """The recorded answer.

        Raises:
            ModelError: this call was not recorded.
        """
        del before_retry
        path = _path(self._folder, call_key(self.identity, prompt, sampling))
        record = _read(path)
        if record is None:
            raise ModelError(
                f"the recording {self._folder} of {self.name} has no answer to this call "
                f"({path.parent.name[:12]}); run it again with the model to record it"
            )
        return _tell(record.reply, on_text)

    async def close(self) -> None:
        pass


def _tell(reply: Reply, on_text: Callable[[str], None] | None) -> Reply:
    if on_text and reply.text:
        on_text(reply.text)
    return reply


def _encodable(prompt: Prompt) -> Prompt:
    """The prompt with lone surrogates, which JSON cannot hold, written out."""
    if all(message.text.isascii() for message in prompt.messages):
        return prompt
    return Prompt(
        tuple(
            Message(m.role, m.text.encode("utf-8", "backslashreplace").decode())
            for m in prompt.messages
        )
    )


def _digest(value: object) -> str:
    return hashlib.sha256(msgspec.json.encode(value, order="sorted")).hexdigest()


def _path(folder: Path, key: Key) -> Path:
    return folder / "calls" / key.prompt[:2] / key.prompt / f"{key.sampling}.json"


def _card_path(folder: Path, identity: str) -> Path:
    return folder / "models" / f"{_digest(identity)[:32]}.json"


def _cards(folder: Path) -> list[_Card]:
    cards: list[_Card] = []
    for path in sorted(folder.glob("models/*.json")):
        with suppress(msgspec.DecodeError, OSError):
            cards.append(msgspec.json.decode(path.read_bytes(), type=_Card))
    return cards


def _read(path: Path) -> _Record | None:
    """The record at `path`; None where there is none, or not a whole one."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Record)
    except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    except OSError as error:
        raise ModelError(f"the recording {path} cannot be read ({error.strerror})") from None


def _keep_first(path: Path, record: _Record) -> _Record:
    """Store `record`, unless another process stored one in the meantime: then that one counts."""
    fresh = path.with_suffix(f".{os.getpid()}-{id(record):x}.tmp")
    write_atomically(fresh, msgspec.json.encode(record))
    try:
        path.hardlink_to(fresh)
    except FileExistsError:
        if earlier := _read(path):
            return earlier
        # What is there is broken: a disk error, or a file system without atomic moves.
        fresh.replace(path)
    except OSError:
        # A file system without hard links: the last one counts.
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
    return record
