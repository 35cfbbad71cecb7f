"""A scripted model for workers of a Ray cluster: it notes every call, and can kill its worker."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import evaluation_data
from centerlm.center import CenterLM
from centerlm.errors import ModelError
from centerlm.models.base import Prompt, Sampling
from centerlm.models.scripted import ScriptedModel

LOG, KILLED, MOST = "RAY_PARTS_LOG", "RAY_PARTS_KILLED", "RAY_PARTS_MOST"
FATAL = "Which river flows through Elmstad?"


def _noted(prompt: Prompt, sampling: Sampling) -> str:
    """As `evaluation_data.reads`; asked about Elmstad, its worker is killed the first time. After
    so many calls it answers no more.
    """
    text = prompt.messages[-1].text
    killed = os.environ.get(KILLED)
    if killed and FATAL in text and not Path(killed).exists():
        Path(killed).touch()
        time.sleep(0.3)  # what was finished before is on its way
        os.kill(os.getpid(), signal.SIGKILL)
    known = Path(os.environ[LOG])
    if known.exists() and len(known.read_text().splitlines()) >= int(os.environ.get(MOST, "999")):
        raise ModelError("the endpoint is down", transient=True)
    with known.open("a") as log:
        log.write(f"{os.getpid()} {json.dumps([m.text for m in prompt.messages])}\n")
    return evaluation_data.say(prompt, sampling)


noted = ScriptedModel(_noted)


def knows_the_world() -> CenterLM:
    """A center that knows the first world of a round; who answers is noted."""
    from centerlm.learning.experience_rounds import FIRST_SEED
    from centerlm.learning.worlds import make_world
    from learning.knowing import knowing

    model = knowing(make_world(FIRST_SEED + 10_000, max_hops=2, people=8).questions).model
    assert isinstance(model, ScriptedModel) and callable(model.script)
    script = model.script

    def say(prompt: Prompt, sampling: Sampling) -> str:
        with Path(os.environ[LOG]).open("a") as log:
            log.write(f"{os.getpid()}\n")
        return str(script(prompt, sampling))

    return CenterLM(ScriptedModel(say), examples=())
