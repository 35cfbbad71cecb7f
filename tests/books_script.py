"""A scripted center that plans for books: it asks the notes who is present and what is open."""

from __future__ import annotations

from centerlm.models.scripted import ScriptedModel

center = ScriptedModel(
    {
        "Break the question": "1 [book] Who is present?\n2 [book] Which promises are open?\n",
        "Answer the question": "nothing",
    }
)
