"""What the fake model says, and the source that is asked, in the benchmark of serving."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

from centerlm.models.base import Prompt, Sampling
from centerlm.sources.function import source

NUMBERS = 3


def model(prompt: Prompt, sampling: Sampling) -> str:
    """A plan of one step to `lookup`, then the note as the answer."""
    del sampling
    question = prompt.messages[-1].text.rpartition("Question: ")[2].strip()
    if prompt.messages[0].text.startswith("Break the question"):
        return f"1 [lookup] {question}\n"
    return f"the answer to {question} [1]"


@source
async def lookup(question: str) -> dict[str, str]:
    """Knows the answer to every question, as text; notes each request in LOOKUP_LOG."""
    if path := os.environ.get("LOOKUP_LOG"):
        with Path(path).open("a") as log:  # noqa: ASYNC230 - a line, and the benchmark's own
            log.write(question + "\n")
    if Random(question).random() < float(os.environ.get("LOOKUP_FAULTS", "0")):
        raise RuntimeError("out of order")
    return {"note": f"the answer to {question}"}
