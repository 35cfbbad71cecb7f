"""Questions that a small model makes of passages, as `[data] squad` takes them.

    python benchmarks/made_questions.py --data DATA --work runs/made --reader READER.gguf
        --out asked.json

An asker is trained on what people asked of training passages: shown one, it writes an answer, then
the question. It then asks of other training passages (MuSiQue, 2WikiMultihopQA, HotpotQA). Kept is
a question whose passage is among the first five that a search for it finds in all of them, and
that the reader, a center's adapter, answers with the same words ("roundtrip consistency": Alberti
et al. 2019, "Synthetic QA Corpora Generation with Roundtrip Consistency"). Everything is kept
below --work: the same command goes on where it stopped. A core that multiplies bfloat16 takes about
25 minutes to train, and 2 seconds a passage.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from centerlm.acts import AbsorbView, Note
from centerlm.center import CenterLM
from centerlm.errors import InputError
from centerlm.evaluation.metrics import token_f1
from centerlm.learning import hops
from centerlm.learning.adapters import to_gguf
from centerlm.learning.base import base_name, load_base
from centerlm.learning.example import TrainingExample
from centerlm.learning.noting import pool
from centerlm.learning.reading import (
    MAX_ANSWER_WORDS,
    Material,
    joined,
    read_qed,
    read_squad,
    spelled,
)
from centerlm.learning.records import Reading, Text
from centerlm.learning.train_settings import TrainSettings
from centerlm.learning.training import train
from centerlm.memory.kinds import mask
from centerlm.models.base import LanguageModel, Message, Prompt, Sampling
from centerlm.models.transformers import PlainEncoder
from centerlm.models.weights import find, write_atomically
from centerlm.verify import contains
from centers import CenterSpec, open_center
from options import add_data, parser_of
from reporting import command_line, config_lines, main_of, versions
from telling import Telling

ASK = "Ask something that the passage answers: write the answer, then the question."
DRAWN = 3
"""Questions drawn for a passage."""
FIRST = 5
"""The passage of a question is among so many that are found."""
ALIKE = 0.7
"""Token F1 from which the reader says the same."""
OF_A_PATTERN = 25
"""Questions that differ in names and numbers alone, at most: an asker has its favourites."""
MOST_OF_2WIKI = 700
"""Its single hops are of few patterns."""

WORDS = range(4, 31)
"""Words of a question."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """`tokens` train the asker, which then asks of so many `passages`."""

    data: Path
    work: Path
    out: Path
    reader: Path
    passages: int
    tokens: int
    seed: int
    threads: int


@dataclass(frozen=True, slots=True)
class Asked:
    """A question made of a passage, and the answer as the passage spells it."""

    passage: Text
    question: str
    answer: str


def parse_arguments(argv: Sequence[str]) -> Arguments:
    parser = parser_of(__doc__)
    add_data(parser)
    parser.add_argument("--work", type=Path, required=True, help="keeps the asker and all replies")
    parser.add_argument("--out", type=Path, required=True, help="the file of questions")
    parser.add_argument("--reader", type=Path, required=True, help="an adapter's .gguf file")
    parser.add_argument("--passages", type=int, default=1_700, help="(%(default)s)")
    parser.add_argument("--tokens", type=int, default=400_000, help="of training (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="(%(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="(%(default)s)")
    arguments = Arguments(**vars(parser.parse_args(argv)))
    if min(arguments.passages, arguments.tokens) < 1:
        parser.error("--passages and --tokens are 1 or more")
    return arguments


def ask_prompt(passage: Text) -> Prompt:
    """How the asker is shown a passage, in training and after it."""
    shown = f"{passage.title}: {passage.text}"
    return Prompt((Message("system", ASK), Message("user", shown)))


def asker_examples(material: Material, rng: Random) -> list[TrainingExample]:
    """What people asked, one wording of each answer of a passage."""
    texts = {text.id: text for text in material.texts}
    readings = [r for r in material.readings if r.answer is not None and ">>" not in r.question]
    rng.shuffle(readings)
    met: set[tuple[str, str | None]] = set()
    taken: Counter[str] = Counter()
    examples: list[TrainingExample] = []
    for reading in readings:
        asked = (reading.passages[0], reading.answer)
        if asked in met or (reading.origin == "2wiki" and taken["2wiki"] == MOST_OF_2WIKI):
            continue
        met.add(asked)
        taken[reading.origin] += 1
        examples.append(_example(reading, texts[reading.passages[0]]))
    return examples


def _example(reading: Reading, passage: Text) -> TrainingExample:
    target = f"{reading.answer}\n{reading.question}"
    return TrainingExample("answer", ask_prompt(passage), target, reading.id, reading.origin)


def asked_of(passage: Text, reply: str) -> Asked | None:
    """What a reply asks; None where it is not an answer that the passage holds, of the length of
    one, and a question that does not give it away.
    """
    lines = [line.strip() for line in reply.split("\n") if line.strip()]
    if len(lines) != 2:
        return None
    answer, question = spelled(lines[0], passage.text), lines[1]
    if answer is None or len(answer.split()) > MAX_ANSWER_WORDS or "[" in answer:
        return None
    asks = question.endswith("?") and len(question.split()) in WORDS
    return Asked(passage, question, answer) if asks and not contains(question, answer) else None


def not_too_alike(asked: Iterable[Asked]) -> list[Asked]:
    """The first `OF_A_PATTERN` of each pattern; of a passage each question once."""
    patterns: Counter[str] = Counter()
    met: set[tuple[str, str]] = set()
    kept: list[Asked] = []
    for one in asked:
        question = (one.passage.id, one.question.casefold())
        pattern = mask(one.question)
        if question in met or patterns[pattern] == OF_A_PATTERN:
            continue
        met.add(question)
        patterns[pattern] += 1
        kept.append(one)
    return kept


def squad_of(asked: Iterable[Asked]) -> dict[str, Any]:
    """The questions in the SQuAD format."""
    articles: dict[str, dict[str, Any]] = {}
    for number, one in enumerate(asked, start=1):
        passage = one.passage
        paragraph: dict[str, Any] = {"context": passage.text, "qas": []}
        article = {"title": passage.title, "paragraphs": [paragraph]}
        span = {"text": one.answer, "answer_start": max(passage.text.find(one.answer), 0)}
        articles.setdefault(passage.id, article)["paragraphs"][0]["qas"].append(
            {"id": f"made{number}", "question": one.question, "answers": [span]}
        )
    return {"data": list(articles.values())}


def material_of(data: Path) -> Material:
    """What people asked of training passages.

    Raises:
        InputError: a set is missing.
    """
    return joined(
        [
            read_squad(data / "reading/xquad_en.json"),
            read_qed(data / "reading/qed_dev.jsonl"),
            hops.read_musique(data / "musique/train.jsonl"),
            hops.read_2wiki(data / "2wikimultihopqa/train.jsonl"),
        ]
    )


def passages_of(data: Path, rng: Random) -> list[Text]:
    """Training passages of 25 words and more, in any order; raises as `material_of`."""
    material = joined(
        [
            hops.read_musique(data / "musique/train.jsonl"),
            hops.read_2wiki(data / "2wikimultihopqa/train.jsonl"),
            hops.read_hotpot(data / "hotpotqa/train.jsonl"),
        ]
    )
    passages = [text for text in material.texts if len(text.text.split()) >= 25]
    rng.shuffle(passages)
    return passages


def trained_asker(arguments: Arguments) -> Path:
    """The asker's adapter for llama.cpp; raises as `training.train`."""
    folder = arguments.work / "asker"
    gguf = folder / "asker.gguf"
    if gguf.is_file():
        return gguf
    examples = asker_examples(material_of(arguments.data), Random(arguments.seed))
    model, tokenizer = load_base()
    settings = TrainSettings(
        learning_rate=8e-4,
        max_tokens=arguments.tokens,
        row_tokens=768,
        rows=1,
        seed=arguments.seed,
        dtype="auto",
        compile="auto",
        threads=arguments.threads,
        save_every=100,
    )
    with Telling() as progress:
        bar = progress.add_task("updates of the asker", total=None)
        trained = train(
            examples,
            model,
            PlainEncoder(tokenizer),
            folder,
            settings,
            base=base_name(),
            mix={"answer": 1.0},
            resume=(folder / "run.json").is_file(),
            on_progress=lambda p: progress.update(bar, completed=p.update, total=p.updates),
        )
    return to_gguf(trained.folder, gguf, base=find("default"), notes="asks of passages")


async def asked_by(model: LanguageModel, passages: Sequence[Text]) -> list[Asked]:
    """What the asker asks of each passage."""
    found: list[Asked] = []
    with Telling() as progress:
        bar = progress.add_task("passages", total=len(passages))
        for passage in passages:
            seed = int(passage.id[:6], 16)
            sampling = Sampling(60, temperature=0.9, top_p=0.95, n=DRAWN, seed=seed)
            reply = await model.complete(ask_prompt(passage), sampling)
            whole = (choice.text for choice in reply.choices if choice.finish != "length")
            found += [one for text in whole if (one := asked_of(passage, text)) is not None]
            progress.advance(bar)
    return not_too_alike(found)


async def is_read(center: CenterLM, one: Asked) -> bool:
    """Whether the reader answers the question from its passage as the asker did."""
    view = AbsorbView(one.question, (Note(one.passage.title, one.passage.text),))
    request = center.absorb(view)
    reply = await center.model.complete(request.prompt, request.sampling)
    absorbed = center.read_absorb(reply.text, view, cut=reply.cut)
    return token_f1(absorbed.answer, [one.answer]) >= ALIKE


async def made(arguments: Arguments) -> tuple[list[Asked], dict[str, int]]:
    """The questions that are kept, and how many were left after each test; raises as
    `trained_asker`.
    """
    cache, threads = arguments.work / "replies", arguments.threads
    passages = passages_of(arguments.data, Random(arguments.seed))
    asker = open_center(CenterSpec("asker", trained_asker(arguments)), cache, threads=threads)
    asked = await asked_by(asker.model, passages[: arguments.passages])
    await asker.model.close()
    questions = [one.question for one in asked]
    with pool(passages, arguments.work / "pool", asked=questions) as search:
        found = [one for one in asked if one.passage.id in search(one.question, FIRST)]
    reader = open_center(CenterSpec("reader", arguments.reader), cache, threads=threads)
    with Telling() as progress:
        bar = progress.add_task("questions read", total=len(found))
        kept: list[Asked] = []
        for one in found:
            kept += [one] if await is_read(reader, one) else []
            progress.advance(bar)
    await reader.model.close()
    return kept, {"asked": len(asked), "found_again": len(found), "read_alike": len(kept)}


def run(arguments: Arguments) -> Path:
    """Write the questions; returns the page that tells of them, below --work.

    Raises:
        InputError: none is kept, or the file cannot be written.
        CenterError: something is missing; the message says what to do.
    """
    kept, counts = asyncio.run(made(arguments))
    if not kept:
        raise InputError("no question is kept; give more --passages, or another --reader")
    text = json.dumps(squad_of(kept), ensure_ascii=False, indent=1)
    try:
        write_atomically(arguments.out, text.encode())
    except OSError as error:
        raise InputError(f"{arguments.out} cannot be written ({error.strerror})") from None
    config = {"command": command_line(), **counts, "seed": arguments.seed, "versions": versions()}
    page = arguments.work / "made-questions.md"
    examples = [f"- {one.question} {one.answer}" for one in kept[:20]]
    page.write_text("\n".join(["# Made questions", "", *examples, *config_lines(config), ""]))
    return page


if __name__ == "__main__":
    sys.exit(main_of(parse_arguments, run))
