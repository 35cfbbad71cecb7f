"""The processor `captioner`: frames described by a model that the user names.

Either a vision-language model behind an OpenAI-compatible endpoint, which is sent frames as JPEG,
or a model of the hub run here. A description is kept in the data folder by what was looked at and
by whom, so a stopped or failing run asks for nothing twice. What a model says is data.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Any, Protocol

from centerlm.errors import ConfigError, ModelError
from centerlm.finding import clean_text
from centerlm.media.loading import load
from centerlm.media.observation import Observation
from centerlm.media.sampling import Sample
from centerlm.models.base import Message, Prompt, Sampling
from centerlm.models.openai import OpenAIModel
from centerlm.models.weights import home, write_atomically

EVERY = 5.0
SIDE = 512
MAX_TOKENS = 80
MAX_CHARACTERS = 600
PROMPT = "Describe in one sentence what this frame of a video shows: who, what, where, doing what."


class Describes(Protocol):
    """A model that says in words what a picture shows."""

    @property
    def identity(self) -> str: ...

    def describe(self, jpeg: bytes) -> str:
        """Raises ModelError where it cannot."""
        ...


class Captioner:
    """Describes the sampled frames of one medium, `every` seconds at most and where it changes."""

    name = "captioner"

    def __init__(self, model: Describes, *, every: float = EVERY) -> None:
        self.version = f"1+{model.identity}+{every:g}"
        self._model = model
        self._every = every
        self._next = 0.0
        self._told: list[Observation] = []

    def see(self, sample: Sample) -> None:
        """The next sampled frame.

        Raises:
            ModelError: the model gave no description.
        """
        time = sample.frame.time
        if self._told:
            self._told[-1] = replace(self._told[-1], end=time)
        if time < self._next or (sample.still and self._told):
            return
        self._next = time + self._every - 1e-3
        text = self._described(jpeg_of(sample.frame.pixels, SIDE))
        if not text:
            return
        self._told.append(
            Observation(time, time, "caption", text, processor=self.name, version=self.version)
        )

    def end(self) -> list[Observation]:
        """All descriptions, in order; each until the next."""
        return self._told

    def _described(self, jpeg: bytes) -> str:
        key = hashlib.sha256(f"{self.version} {PROMPT} ".encode() + jpeg).hexdigest()
        kept = home() / "media" / "captions" / key[:2] / f"{key}.txt"
        if kept.is_file():
            return kept.read_text("utf-8")
        said = " ".join(clean_text(self._model.describe(jpeg)).split())[:MAX_CHARACTERS]
        with suppress(OSError):  # that nothing can be kept is said where the whole is
            write_atomically(kept, said.encode())
        return said


class EndpointDescriber:
    """A vision-language model of an OpenAI-compatible endpoint: frames go there, nowhere else."""

    def __init__(self, model: OpenAIModel) -> None:
        self._model = replace(model, constraint="none")
        self._thread = ThreadPoolExecutor(1, "captions")
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def identity(self) -> str:
        return self._model.identity

    def describe(self, jpeg: bytes) -> str:
        """One sentence on the picture.

        Raises:
            ModelError: the endpoint failed, also when asked again.
        """
        # Its own thread: a loop may be running in this one.
        return self._thread.submit(self._ask, jpeg).result()

    def _ask(self, jpeg: bytes) -> str:
        self._loop = self._loop or asyncio.new_event_loop()
        return self._loop.run_until_complete(self._complete(jpeg))

    async def _complete(self, jpeg: bytes) -> str:
        url = f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
        content = [
            {"type": "text", "text": PROMPT},
            {"type": "image_url", "image_url": {"url": url}},
        ]
        messages = [{"role": "user", "content": content}]
        model = replace(self._model, extra={**self._model.extra, "messages": messages})
        try:
            prompt = Prompt((Message("user", PROMPT),))
            reply = await model.complete(prompt, Sampling(max_tokens=MAX_TOKENS))
        finally:
            await model.close()
        return reply.text


class HubDescriber:
    """An image-to-text model of the hub (or a folder), run here by transformers: BLIP, GIT,
    SmolVLM and others of their kind.
    """

    def __init__(self, name: str) -> None:
        self.identity = f"transformers:{name}"
        self._name = name
        self._loaded: tuple[Any, Any] | None = None

    def describe(self, jpeg: bytes) -> str:
        """One sentence on the picture.

        Raises:
            MissingExtraError: transformers or torch is not installed.
            ModelError: the model cannot be had, or is of another kind.
        """
        from io import BytesIO

        torch, pillow = load("torch", extra="train"), load("PIL.Image")
        processor, model = self._load()
        picture = pillow.open(BytesIO(jpeg)).convert("RGB")
        if getattr(processor, "chat_template", None):
            turn = [{"type": "image", "image": picture}, {"type": "text", "text": PROMPT}]
            given = processor.apply_chat_template(
                [{"role": "user", "content": turn}],
                add_generation_prompt=True,
                tokenize=True,
                return_dict=True,
                return_tensors="pt",
            )
        else:
            given = processor(images=picture, return_tensors="pt")
        with torch.inference_mode():
            made = model.generate(**given, max_new_tokens=MAX_TOKENS, do_sample=False)
        if "input_ids" in given:
            made = made[:, given["input_ids"].shape[1] :]
        return str(processor.batch_decode(made, skip_special_tokens=True)[0])

    def _load(self) -> tuple[Any, Any]:
        if self._loaded is None:
            transformers = load("transformers", extra="train")
            try:
                self._loaded = (
                    transformers.AutoProcessor.from_pretrained(self._name),
                    transformers.AutoModelForImageTextToText.from_pretrained(self._name).eval(),
                )
            # A true boundary: the hub's client, the file readers and torch raise what they like.
            except Exception as error:  # noqa: BLE001
                raise ModelError(
                    f"the captioner {self._name} cannot be loaded ({str(error)[:200]}); give the "
                    "name of an image-to-text model of the hub, or a folder with one"
                ) from None
        return self._loaded


def jpeg_of(pixels: Any, side: int) -> bytes:
    """An RGB picture as JPEG, its longer side at most `side` pixels."""
    cv2 = load("cv2")
    height, width = pixels.shape[:2]
    scale = min(side / max(height, width), 1.0)
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    done, data = cv2.imencode(".jpg", small[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
    if not done:
        raise ModelError("a frame could not be written as JPEG")
    return bytes(data)


def captioner_of(
    spec: str, open_endpoint: Callable[[str], OpenAIModel], *, every: float = EVERY
) -> Callable[[], Captioner]:
    """What makes captioners for "openai:NAME" or "transformers:NAME".

    Raises:
        ConfigError: the name is of another kind.
    """
    kind, _, name = spec.partition(":")
    if not name or kind not in ("openai", "transformers"):
        raise ConfigError(
            f"{spec!r} names no captioner; write openai:NAME (with base_url) or transformers:NAME"
        )
    model = EndpointDescriber(open_endpoint(name)) if kind == "openai" else HubDescriber(name)
    return lambda: Captioner(model, every=every)
