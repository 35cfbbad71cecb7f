"""One training example: an act's prompt, exactly as the center is asked in use, and its reply.

Examples are made by the center's own rendering (`center.CenterLM` without shown examples), so
prompts are the same in training and in use. Data only: no I/O, no model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from centerlm.models.base import Prompt

Act = Literal["decompose", "seek", "absorb", "answer"]
"""`answer` is the target of the fragmentation and chain-of-thought arms: no act of the center."""


@dataclass(frozen=True, slots=True)
class TrainingExample:
    """A prompt and the reply to learn.

    `id` names the record it was made from and `origin` its data set ("musique", "worlds", ...).
    `weight` (0 or more) scales its loss.
    """

    act: Act
    prompt: Prompt
    target: str
    id: str
    origin: str
    weight: float = 1.0
