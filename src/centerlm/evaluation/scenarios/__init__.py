"""The scenarios: what is asked, of which sources, and how it is scored."""

from __future__ import annotations

import difflib
from collections.abc import Callable

from centerlm.errors import InputError
from centerlm.evaluation.scenarios.base import Opening, Scenario


def open_scenario(name: str, opening: Opening) -> Scenario:
    """The scenario of this name, its data read.

    Raises:
        InputError: there is none of that name (a close one is offered), or its data cannot be used.
    """
    if name not in SCENARIOS:
        close = difflib.get_close_matches(name, SCENARIOS, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise InputError(f"there is no scenario {name[:80]!r}; {hint}known: {', '.join(SCENARIOS)}")
    return SCENARIOS[name](opening)


def _ood_qa(opening: Opening) -> Scenario:
    from centerlm.evaluation.scenarios.ood_qa import open_ood_qa

    return open_ood_qa(opening)


def _strategy(opening: Opening) -> Scenario:
    from centerlm.evaluation.scenarios.strategy import open_strategy

    return open_strategy(opening)


def _video(opening: Opening) -> Scenario:
    from centerlm.evaluation.scenarios.video import open_video

    return open_video(opening)


def _book(opening: Opening) -> Scenario:
    from centerlm.evaluation.scenarios.book import open_book

    return open_book(opening)


SCENARIOS: dict[str, Callable[[Opening], Scenario]] = {
    "ood_qa": _ood_qa,
    "strategy": _strategy,
    "video": _video,
    "book": _book,
}
