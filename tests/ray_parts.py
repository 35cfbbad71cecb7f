"""A scripted model for workers of a Ray cluster: it notes every call, and can kill its worker."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import evaluation_data
from centerlm.models.base import Prompt, Sampling
from centerlm.models.scripted import ScriptedModel

LOG, KILLED = "RAY_PARTS_LOG", "RAY_PARTS_KILLED"
FATAL = "Which river flows through Elmstad?"


def _noted(prompt: Prompt, sampling: Sampling) -> str:
    """As `evaluation_data.reads`; asked about Elmstad, its worker is killed the first time."""
    text = prompt.messages[-1].text
    killed = os.environ.get(KILLED)
    if killed and FATAL in text and not Path(killed).exists():
        Path(killed).touch()
        time.sleep(0.3)  # what was finished before is on its way
        os.kill(os.getpid(), signal.SIGKILL)
    with Path(os.environ[LOG]).open("a") as log:
        log.write(f"{os.getpid()} {json.dumps([m.text for m in prompt.messages])}\n")
    return evaluation_data.say(prompt, sampling)


noted = ScriptedModel(_noted)
