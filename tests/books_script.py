"""Scripted models for books: one plans with the notes of a book, one writes beats."""

from __future__ import annotations

import os
import time
from pathlib import Path

from centerlm.models.base import Prompt, Sampling
from centerlm.models.scripted import ScriptedModel, prompt_text

center = ScriptedModel(
    {
        "Break the question": "1 [book] Who is present?\n2 [book] Which promises are open?\n",
        "Answer the question": "nothing",
    }
)


BEATS = (
    "Edith stood at the window of Marsh End, and she did not turn round when he came in. The lamp "
    'was low. "You will not go to-night," said Brandt. She looked at the water, and it had risen '
    "over the bank while they talked; his boat had gone with it. He sat down and took her hand. "
    "The old clock in the passage struck nine, and neither of them spoke until it had done. Then "
    "she told him about the desk, and what her father had said of hard men, and how the key had "
    "lain among her gloves all through the autumn. He listened with his head bent, as a man does "
    "who hears his own name read out by a judge. When she had finished he laughed.",
    "In the morning Captain Brandt went out to look for the boat, and she waited for him at the "
    "door. The flats were white. He came back at noon with wet hair and a broken oar, and he told "
    "her what he had seen: a lantern, far out, and nobody beside it. Edith put on her coat. There "
    "was bread on the table, and she cut it and gave him half, because it would be a long walk "
    "and the tide would not wait for either of them. They went by the upper path, where the stones "
    "were dry. Twice he stopped to listen. The second time she heard it too, thin and clear over "
    "the mud: a bell, such as drovers hang on a lame beast, coming slowly nearer.",
)
RISEN = (
    'Tobias Crane smiled at her from the boat. "I have come," said Tobias, and he stood up. '
    + BEATS[1]
)


def _write(prompt: Prompt, sampling: Sampling) -> str:
    """Writes beats; the first draft of the second has a dead man act."""
    text = prompt_text(prompt)
    if "Break the question" in text:
        return os.environ.get("CENTER_PLAN", "")
    if "You plan the next chapter" in text:
        return "1. Brandt keeps Edith from going out at night.\n2. The boat is looked for in vain."
    if "Say in one sentence" in text:
        return "Brandt looks for the boat in the morning."
    if "Brandt keeps Edith" in text:
        return BEATS[0]
    if (wait := os.environ.get("WAIT_AT_BEAT_2")) and not Path(wait).exists():
        Path(wait).touch()
        time.sleep(60)
    return BEATS[1] if "is dead and cannot act" in text else RISEN


writer = ScriptedModel(_write)
lazy = ScriptedModel(lambda prompt, sampling: "No.")
