"""Small made-up sets in the official formats, and a scripted center that answers them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from centerlm.errors import ModelError
from centerlm.models.base import Prompt, Sampling
from centerlm.models.scripted import ScriptedModel

TOWNS = {"Norburg": "Ister", "Elmstad": "Lunda", "Tarnow": "Vessel"}


def musique(n: int, town: str, river: str) -> dict[str, Any]:
    """Two hops: where someone was born, and the river there."""
    return {
        "id": f"2hop__{n}",
        "question": f"Which river flows through the town where painter number {n} was born?",
        "answer": river,
        "answer_aliases": [f"River {river}"],
        "answerable": True,
        "paragraphs": [
            {"idx": 0, "title": f"Painter {n}", "is_supporting": True,
             "paragraph_text": f"Painter number {n} was born in {town} long ago."},
            {"idx": 1, "title": town, "is_supporting": True,
             "paragraph_text": f"{town} is a town; the river {river} flows through {town}."},
            {"idx": 2, "title": f"Hall {n}", "is_supporting": False,
             "paragraph_text": f"Hall number {n} is a hall without any painter."},
        ],
        "question_decomposition": [
            {"id": 1, "question": f"Where was painter number {n} born?", "answer": town,
             "paragraph_support_idx": 0},
            {"id": 2, "question": "Which river flows through #1?", "answer": river,
             "paragraph_support_idx": 1},
        ],
    }  # fmt: skip


def write_sets(folder: Path) -> Path:
    """musique and gsm8k dev files; a musique train file that shares a sub-question."""
    rows = [musique(n, t, r) for n, (t, r) in enumerate(TOWNS.items(), start=1)]
    write_lines(folder / "musique" / "dev.jsonl", rows)
    write_lines(folder / "musique" / "train.jsonl", [musique(9, "Faro", "Alva")])
    sums = [
        {
            "question": f"Ann has {n} pens and buys {n} more. How many has she?",
            "answer": f"She has <<{n}+{n}={2 * n}>>{2 * n}.\n#### {2 * n}",
        }
        for n in (3, 4)
    ]
    write_lines(folder / "gsm8k" / "dev.jsonl", sums)
    return folder


def write_lines(path: Path, rows: list[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n")
    return path


def say(prompt: Prompt, sampling: Sampling) -> str:
    """Plans painters' questions in two steps, sums in one, and reads notes."""
    del sampling
    system, text = prompt.messages[0].text, prompt.messages[-1].text
    asked = text.rsplit("Question: ", 1)[-1]
    if system.startswith("Answer the question by acting"):
        if len(prompt.messages) > 2:
            return "Thought: enough\nAction: finish[Ister]"
        return "Thought: look\nAction: documents[Which river flows through Norburg?]"
    if system.startswith("Break"):
        if match := re.search(r"painter number (\d+) was born", asked):
            return (f"1 [documents] Where was painter number {match[1]} born?\n"
                    "2 [documents] Which river flows through #1?\n")  # fmt: skip
        if match := re.search(r"Ann has (\d+) pens and buys (\d+)", asked):
            return f"1 [calculator] {match[1]} + {match[2]}\n"
        return ""
    if "Think step by step" in system:
        return "It is a river.\nAnswer: Ister"
    if match := re.search(r"number (\d+) born\?$", asked):
        found = re.search(rf"\[(\d+)\][^\n]*number {match[1]} was born in (\w+)", text)
        return f"{found[2]} [{found[1]}]" if found else "nothing"
    if match := re.search(r"flows through (\w+)\?$", asked):
        found = re.search(rf"\[(\d+)\][^\n]*the river (\w+) flows through {match[1]}", text)
        return f"{found[2]} [{found[1]}]" if found else "nothing"
    if found := re.search(r"\[(\d+)\] Which river flows through \w+\?: (\w+)", text):
        return f"{found[2]} [{found[1]}]"
    return "Ister" if not text.startswith("[1]") else "Ister [1]"


reads = ScriptedModel(say)


class Failing(ScriptedModel):
    """Answers so many calls, then none: an endpoint that dies. `left` may be set again."""

    left = 5

    async def complete(self, *given: Any, **more: Any) -> Any:
        if self.left <= 0:
            raise ModelError("http://localhost: the connection was refused", transient=True)
        self.left -= 1
        return await super().complete(*given, **more)


dies = Failing(say)


def _filtered(prompt: Prompt, sampling: Sampling) -> str:
    """As `say`, but of an endpoint whose filter takes the second painter amiss."""
    if "painter number 2" in prompt.messages[-1].text:
        raise ModelError("http://localhost withheld the answer (content filter)", withheld=True)
    return say(prompt, sampling)


filtered = ScriptedModel(_filtered)


def puzzle(prompt: Prompt, sampling: Sampling) -> str:
    """Proposes: wrongly while greedy, rightly when sampled."""
    system, text = prompt.messages[0].text, prompt.messages[-1].text
    if not system.startswith("Break"):
        return "yes"
    if text.endswith("Which step is next?"):
        liked = ("9 - 3", "2 + 10", "4 * 6", "2 * 12")
        step = next((one for one in liked if f"{one} (" in text), "none of them")
        return f"1 [experiment] {step}\n"
    if "Make 24" in text:
        right = sampling.temperature > 0
        return f"1 [experiment] make24({'(13 - 9) * (10 - 4)' if right else '13 + 9 + 10 + 4'})\n"
    return "1 [experiment] simulate(pick-up red; stack red blue)\n"


puzzled = ScriptedModel(puzzle)

mute = ScriptedModel(lambda prompt, sampling: "")
agrees = ScriptedModel(lambda prompt, sampling: "Yes.")


def _reader_of_both(prompt: Prompt, sampling: Sampling) -> str:
    """Plans puzzles and painters' questions, and reads notes."""
    told = puzzle(prompt, sampling) if "Make 24" in prompt.messages[-1].text else None
    return told or say(prompt, sampling)


puzzled_reader = ScriptedModel(_reader_of_both)
