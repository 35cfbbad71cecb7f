"""The processor `speech`: what is said, by faster-whisper, with the times of its words.

Stretches of silence are never given to the model: Whisper is known to invent words for them.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from centerlm.media.decode import RATE, Sound
from centerlm.media.loading import load, version_of
from centerlm.media.observation import Observation

WEIGHTS = "speech"
SILENT = 1e-3
"""Root mean square below which a stretch is silence."""


class Speech:
    """Hears the sound of one medium. `model` is a folder of Whisper weights in CTranslate2 form;
    None takes the pinned ones.
    """

    name = "speech"

    def __init__(self, model: Path | None = None) -> None:
        """Raises MissingWeightsError where the pinned weights are not on this machine."""
        self._folder = model or weights_folder()
        self.version = f"1+faster-whisper-{version_of('faster-whisper')}-{self._folder.name}"
        self._model: Any = None
        self._done: list[Observation] = []

    def hear(self, sound: Sound) -> None:
        """The next stretch of sound."""
        numpy = load("numpy")
        samples = sound.samples
        if len(samples) < RATE // 10 or math.sqrt(float(numpy.square(samples).mean())) < SILENT:
            return
        if self._model is None:
            self._model = load("faster_whisper").WhisperModel(
                str(self._folder), device="cpu", compute_type="int8", cpu_threads=1
            )
        segments, _ = self._model.transcribe(
            samples,
            language="en",
            beam_size=1,
            word_timestamps=True,
            vad_filter=True,
            condition_on_previous_text=False,
        )
        for segment in segments:
            words = list(segment.words or [])
            if not segment.text.strip():
                continue
            start = float(words[0].start if words else segment.start)
            end = float(words[-1].end if words else segment.end)
            self._done.append(
                Observation(
                    sound.start + start,
                    sound.start + end,
                    "speech",
                    segment.text.strip(),
                    min(math.exp(float(segment.avg_logprob)), 1.0),
                    processor=self.name,
                    version=self.version,
                )
            )

    def end(self) -> list[Observation]:
        """All that was heard, in order."""
        return self._done


def weights_folder() -> Path:
    """The folder of the pinned weights.

    Raises:
        MissingWeightsError: they are not on this machine, or not whole.
    """
    from centerlm.models.weights import find, weights

    paths = [find(WEIGHTS, file.name) for file in weights(WEIGHTS).files]
    return paths[0].parent
