"""What is drawn of an episode: whole and clean, and never higher than the screen while it runs."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from centerlm import screen
from centerlm.episode import Episode, fold
from centerlm.events import (
    CallFinished,
    EpisodeFinished,
    EpisodeStarted,
    Event,
    SeekStarted,
    StepFinished,
    StepJoined,
    StepPlanned,
    StepReopened,
    StepStarted,
)
from centerlm.finding import Usage

EVIL = "red\x1b[2J\x1b]0;title\x07\u202e[bold]not markup[/bold]"


def _started(path: str, text: str, *sources: str) -> list[Event]:
    sources = sources or ("documents",)
    line = f"1 [{' | '.join(sources)}] {text}"
    return [
        StepPlanned(path=path, line=line, at=0),
        StepStarted(path=path, text=text, sources=sources, at=1),
    ]


def _ended(path: str, status: str = "found", **fields: object) -> StepFinished:
    given = {"answer": "Paris", "source": "documents"} if status == "found" else {}
    return StepFinished(path=path, status=status, at=2.5, **(given | fields))  # type: ignore[arg-type]


def _tall(steps: int = 12, children: int = 4, running: str = "7.3") -> list[Event]:
    """A tree of more lines than any screen here has; one leaf is running."""
    events: list[Event] = [EpisodeStarted(question="A tall question?", settings="")]
    for n in range(1, steps + 1):
        events += _started(str(n), f"What is part {n}?", "center")
        for m in range(1, children + 1):
            events += _started(f"{n}.{m}", f"What is piece {m} of {n}?")
            if f"{n}.{m}" != running:
                events.append(_ended(f"{n}.{m}"))
        if str(n) != running.partition(".")[0]:
            events.append(_ended(str(n)))
    return events


def _console(width: int = 100, height: int = 24) -> Console:
    return Console(file=io.StringIO(), width=width, height=height, force_terminal=True)


def _text(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", console.file.getvalue())


def _drawn(events: list[Event], width: int = 100, *, folded: bool = False) -> str:
    console = _console(width)
    console.print(screen.draw(fold(events), folded=folded))
    return _text(console)


def test_a_step_shows_status_source_question_answer_citation_and_cost() -> None:
    drawn = _drawn(
        [
            EpisodeStarted(question="Where?", settings=""),
            *_started("1", "Where is it?"),
            CallFinished(path="1", act="absorb", attempt=0, usage=Usage(1, 100, 20)),
            _ended("1", cites=("Norburg",)),
        ]
    )
    assert drawn.splitlines()[0].strip() == "Where?"
    assert "✓ 1 [documents] Where is it?" in drawn
    assert "→ Paris  (Norburg)  1.5 s, 120 tokens" in drawn


@pytest.mark.parametrize(
    ("events", "shows"),
    [
        ([StepPlanned(path="1", line="1 [a | b] Who?")], "· 1 [a | b] Who?"),
        (_started("1", "Who?"), "● 1 [documents] Who?"),
        (
            [*_started("1", "Who?"), SeekStarted(path="1", source="documents", attempt=0, text="")],
            "● 1 [documents …] Who?",
        ),
        ([*_started("1", "Who?"), _ended("1", "nothing", reason="none")], "→ nothing: none"),
        ([*_started("1", "Who?"), _ended("1", "out_of_budget")], "$ 1 [documents] Who?"),
        ([*_started("1", "Who?"), StepJoined(path="1", to="2.1"), _ended("1")], "= 2.1"),
        ([*_started("1", "Who?"), _ended("1"), StepReopened(path="1", reason="")], "re-opened"),
    ],
)
def test_every_state_of_a_step_is_seen(events: list[Event], shows: str) -> None:
    assert shows in _drawn(events)


@pytest.mark.parametrize("width", [40, 60, 200])
def test_text_of_models_and_sources_is_shown_as_text(width: int) -> None:
    events = [
        EpisodeStarted(question=EVIL, settings=""),
        *_started("1", EVIL),
        _ended("1", answer=EVIL, cites=(EVIL,), reason=EVIL),
    ]
    drawn = _drawn(events, width) + screen.plain_tree(fold(events))
    assert "\x1b" not in drawn and "\x07" not in drawn and "\u202e" not in drawn
    assert "[bold]not" in drawn
    assert max(map(len, _drawn(events, width).splitlines())) <= width


def test_long_texts_are_cut_to_a_line_with_an_ellipsis() -> None:
    assert screen.one_line("a\n\tb  c") == "a b c"
    assert len(screen.one_line("x" * 500)) == 90
    assert screen.one_line("x" * 500).endswith("…")


def test_wrapped_lines_stay_under_their_step() -> None:
    drawn = _drawn([*_started("1", "word " * 30), _ended("1", answer="answer " * 20)], 50)
    lines = drawn.splitlines()
    assert len(lines) >= 5
    below = lines[next(n for n, line in enumerate(lines) if "→" in line) :]
    assert all(line.startswith("        ") for line in below)


def test_steps_are_in_order_of_their_numbers() -> None:
    events = [e for n in (10, 9, 2, 1) for e in _started(str(n), f"Part {n}?")]
    order = re.findall(r"● (\d+) ", _drawn(events))
    assert order == ["1", "2", "9", "10"]
    assert re.findall(r"● (\d+) ", screen.plain_tree(fold(events))) == order


def test_folding_hides_what_is_below_ended_steps_only() -> None:
    folded = _drawn(_tall(), folded=True)
    assert "(+" not in folded and "+4 steps" in folded
    assert "✓ 6.1" not in folded and "● 7.3" in folded and "✓ 7.1" in folded


@pytest.mark.parametrize("height", [8, 16, 24])
@pytest.mark.parametrize("running", ["1.1", "7.3", "12.4"])
def test_while_it_runs_the_drawing_fits_and_shows_what_runs(height: int, running: str) -> None:
    console = _console(60, height)
    fitted = screen._Fitted(fold(_tall(40, 4, running)))  # pyright: ignore[reportPrivateUsage]
    console.print(fitted)
    lines = _text(console).rstrip("\n").splitlines()
    assert len(lines) <= height - 1
    assert lines[0].strip() == "A tall question?"
    assert any(f"● {running}" in line for line in lines)
    fitted.whole = True
    console = _console(60, height)
    console.print(fitted)
    assert _text(console).count("✓") == 40 * 5 - 2


def test_the_live_tree_ends_with_the_whole_tree_once() -> None:
    console = _console(60, 16)
    with screen.live_tree(console) as show:
        for event in [*_tall(), _ended("7.3"), _ended("7")]:
            show(event)
    text = _text(console)
    assert text.count("piece 4 of 12?") == 1
    assert "lines above" not in text.rsplit("A tall question?", 1)[1]


def test_the_live_tree_gives_the_cursor_back_after_an_error() -> None:
    console = _console()
    with pytest.raises(RuntimeError), screen.live_tree(console):
        raise RuntimeError
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().rstrip().endswith("\x1b[?25h")


def test_plain_lines_are_one_a_step_as_it_ends() -> None:
    out = io.StringIO()
    with screen.plain_lines(out) as show:
        for event in [
            EpisodeStarted(question="Where?", settings=""),
            *_started("1", "Where is it?"),
            _ended("1", cites=("Norburg",)),
            EpisodeFinished(status="answered", answer="Paris"),
        ]:
            show(event)
    assert out.getvalue() == ("Where?\n✓ 1 [documents] Where is it? -> Paris  (Norburg)  1.5 s\n")


def test_plain_lines_survive_a_reader_that_goes_away() -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    with screen.plain_lines(Gone()) as show:
        show(EpisodeStarted(question="Where?", settings=""))


def test_an_empty_episode_can_be_drawn() -> None:
    assert screen.plain_tree(Episode()) == ""
    assert _drawn([]).strip() == ""
