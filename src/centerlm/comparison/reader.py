"""The model that all arms of a comparison go on from: it reads, and was taught no plan."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from centerlm.learning.job import Job, Listener
from centerlm.learning.recipe import preset
from centerlm.learning.run_folder import RunFolder
from centerlm.learning.running import learn
from centerlm.learning.watching import Stop


def shared_reader(base: str, data: Path | None, out: Path, *, told: Listener, stop: Stop) -> Path:
    """The adapter (.gguf) of the run in `out`, by the preset `reader`: begun, gone on with, or read
    back. Its worlds are none that a comparison trains or tests on.

    Raises:
        InputError: `out` holds something else, or the base does not run on llama.cpp.
        StoppedError: it was stopped; the same call goes on.
    """
    recipe = replace(preset("reader"), base=base)
    begun = RunFolder(out).record.is_file()
    job = Job("absorb", recipe, out, data=data, given=not begun, resume=begun)
    return learn(job, listener=told, stop=stop).gguf["all"]
