"""Questions to a person on a page."""

from __future__ import annotations

import asyncio

from centerlm.sources.base import Seek
from centerlm.studio.desk import Desk, PagePerson


def test_a_question_does_not_wait_for_the_answer_to_one_of_another_episode() -> None:
    async def run() -> list[str]:
        desk = Desk()
        person = PagePerson(desk)
        keys = ["first/1/0", "second/1/0"]
        asked = [asyncio.create_task(person.seek(Seek("Which?", key=key))) for key in keys]
        for _ in range(20):
            await asyncio.sleep(0)
        assert list(desk.waiting) == keys
        for key in reversed(keys):
            desk.say(key, key)
        return [(await one).answer or "" for one in asked]

    assert asyncio.run(asyncio.wait_for(run(), 10)) == ["first/1/0", "second/1/0"]
