"""Question sets in their official formats, told by what their records hold; and anyone's JSONL.

MuSiQue, HotpotQA, 2WikiMultihopQA, StrategyQA and GSM8K as they are published, from a file, a
folder, or the hub. A record of one's own is `{"id", "question", "answer"}`, where `answer` is a
text or a list of accepted ones, and may have `passages` (`title`, `text`, `supports`), `plan` (in
the plan language), `facts`, `type` and `domain`.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from centerlm.errors import InputError, MissingExtraError, PlanError
from centerlm.evaluation.items import Item, Paragraph, passage_key
from centerlm.learning.lines import is_whole, names_half
from centerlm.learning.readers.common import read_bytes
from centerlm.learning.readers.gsm8k import question_id
from centerlm.objective import ANSWER_TYPES, MAX_OBJECTIVE_CHARACTERS, AnswerType, Objective
from centerlm.plan import parse_plan

Record = Mapping[str, Any]

HUB = "hub:"
FOLDERS = {
    "musique": "musique",
    "2wiki": "2wikimultihopqa",
    "hotpotqa": "hotpotqa",
    "strategyqa": "strategyqa",
    "gsm8k": "gsm8k",
}
"""The sets by name, and the folder of each in a folder of data."""
_NAMES = ("{part}.jsonl", "{part}.json", "*_{part}.json*", "*_{part}_*.json*", "*-{part}-*.json*")
_PARTS = {"dev": ("dev", "validation", "test"), "train": ("train",)}


def find_file(folder: Path, part: str = "dev") -> Path | None:
    """The file of a part of a set in its folder, under the names it is published with."""
    for name in _PARTS[part]:
        for pattern in _NAMES:
            if files := sorted(folder.glob(pattern.format(part=name))):
                return files[0]
    return None


def read_records(path: Path) -> list[tuple[str, Record]]:
    """The records of a JSONL or JSON file, each with where it stands.

    Raises:
        InputError: it is missing, no JSON, or holds anything but records.
    """
    data = read_bytes(path)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8 text; convert it first") from None
    rows: list[tuple[str, Any]] = []
    if path.suffix == ".json" and text.lstrip().startswith("["):
        try:
            whole: Any = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path} is not JSON: {error}") from None
        rows = [(f"{path}: record {n}", row) for n, row in enumerate(whole, start=1)]
    elif path.suffix == ".csv":
        try:
            table = list(csv.DictReader(io.StringIO(text)))
        except csv.Error as error:
            raise InputError(f"{path} is no table: {error}") from None
        rows = [(f"{path}:{n}", row) for n, row in enumerate(table, start=2)]
    else:
        for number, line in enumerate(text.split("\n"), start=1):
            if not line.strip():
                continue
            try:
                rows.append((f"{path}:{number}", json.loads(line)))
            except (ValueError, RecursionError) as error:
                raise InputError(f"{path}:{number} is not JSON: {error}") from None
    halves = names_half(text)
    for where, row in rows:
        if not isinstance(row, dict):
            raise InputError(f"{where} is no record; write one JSON object a line")
        if halves and not is_whole(row):
            raise InputError(
                f"{where} holds half a character (such as \\ud83d alone); mend it first"
            )
    return cast("list[tuple[str, Record]]", rows)


def hub_records(name: str, part: str = "dev") -> list[tuple[str, Record]]:
    """The records of a set on the Hugging Face hub, fetched by `datasets`: NAME or NAME/CONFIG.

    Raises:
        MissingExtraError: `datasets` is not installed.
        InputError: it cannot be had from there.
    """
    try:
        import datasets  # pyright: ignore[reportMissingTypeStubs]
    except ImportError:
        raise MissingExtraError("datasets", "eval") from None
    parts = name.split("/")
    repository, config = "/".join(parts[:2]), "/".join(parts[2:]) or None
    load = cast("Any", datasets).load_dataset
    wanted = _PARTS[part]
    try:
        whole: Any = load(repository, config)
        split = next((s for s in wanted if s in whole), None)
        if split is None:
            raise InputError(
                f"{HUB}{name} has no part {' or '.join(wanted)}; it has {', '.join(whole)}"
            )
        rows: list[Record] = [dict(row) for row in whole[split]]
    except InputError:
        raise
    except Exception as error:  # noqa: BLE001 - a network, a server and anyone's loading code
        told = " ".join(str(error).split())[:200]
        raise InputError(f"{HUB}{name} cannot be had ({type(error).__name__}: {told})") from None
    return [(f"{HUB}{name}: record {n}", row) for n, row in enumerate(rows, start=1)]


def read_items(rows: Sequence[tuple[str, Record]], name: str = "") -> list[Item]:
    """The items of records in any of the formats; `name` is that of sets of one's own.

    Raises:
        InputError: a record is of no known format, or lacks what its format needs.
    """
    return [_item(where, row, name) for where, row in rows]


def set_of(row: Record) -> str:
    """Which set a record comes from, by what it holds; "" for one's own."""
    if "question_decomposition" in row and "paragraphs" in row:
        return "musique"
    if "evidences" in row and "context" in row:
        return "2wiki"
    if "supporting_facts" in row and "context" in row:
        return "hotpotqa"
    if "qid" in row and "question" in row:
        return "strategyqa"
    answer = row.get("answer")
    if isinstance(answer, str) and "####" in answer:
        return "gsm8k"
    return ""


def _item(where: str, row: Record, name: str) -> Item:
    read = {
        "musique": _musique,
        "2wiki": _hotpotqa,
        "hotpotqa": _hotpotqa,
        "strategyqa": _strategyqa,
        "gsm8k": _gsm8k,
        "": _own,
    }[set_of(row)]
    try:
        with as_published(where, set_of(row)):
            item = read(row, name)
    except PlanError as error:
        raise InputError(f"{where}: its plan is not one: {error}") from None
    check_answered(where, item.accepted)
    return item


def check_answered(where: str, accepted: Sequence[str]) -> None:
    """Refuse the record that stands at `where` if it has no answer, or an empty one.

    Raises:
        InputError: it is so.
    """
    if not accepted or not all(answer.strip() for answer in accepted):
        raise InputError(f"{where} has no answer; nothing can be scored without one")


@contextmanager
def as_published(where: str, name: str) -> Generator[None]:
    """Read parts of the record that stands at `where`, of the set `name` ("": one's own).

    Raises:
        InputError: they are not there, or in another form.
    """
    try:
        yield
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{where} is not a record of {name or 'questions and answers'} "
            f"({type(error).__name__}: {error}); give the set as it was published"
        ) from None


def _objective(question: Any, kind: AnswerType = "any") -> Objective:
    if not isinstance(question, str) or not question.strip():
        raise ValueError("its question is no text")
    if len(question) > MAX_OBJECTIVE_CHARACTERS:
        raise ValueError("its question is too long")
    if kind not in ANSWER_TYPES:
        raise ValueError(f"an answer_type is one of {', '.join(ANSWER_TYPES)}")
    return Objective(" ".join(question.split()), answer_type=kind)


def _texts(*values: Any) -> tuple[str, ...]:
    """Answers as texts; None is no answer, not the word."""
    if any(isinstance(value, bool | list | dict) for value in values):
        raise TypeError("an answer is a text, a number, or a list of them")
    return tuple("" if value is None else str(value) for value in values)


def _facts(row: Record) -> tuple[str, ...]:
    """The facts of a record."""
    facts: Any = row.get("facts") or ()
    if isinstance(facts, str):
        raise TypeError("its facts are no list of texts")
    return tuple(map(str, facts))


def _said(answer: bool) -> tuple[str, ...]:
    """Yes or no, in the words that are taken for it."""
    return ("yes", "true") if answer else ("no", "false")


def evidences_of(row: Record) -> Sequence[Any]:
    """The triples of a record of 2WikiMultihopQA; some copies hold them as text."""
    evidences: Any = row.get("evidences") or ()
    return json.loads(evidences) if isinstance(evidences, str) else evidences


def _musique(row: Record, name: str) -> Item:
    del name
    if row.get("answerable") is False:
        raise ValueError("it is not answerable; use the answerable part of the set")
    paragraphs = tuple(Paragraph(p["title"], p["paragraph_text"]) for p in row["paragraphs"])
    steps = row["question_decomposition"]
    support = frozenset(
        passage_key(p["title"], p["paragraph_text"])
        for p in row["paragraphs"]
        if p.get("is_supporting")
    )
    last = str(steps[-1]["question"]).partition(" >> ")[2] if steps else ""
    return Item(
        id=str(row["id"]),
        data_set="musique",
        objective=_objective(row["question"]),
        accepted=_texts(row["answer"], *row.get("answer_aliases", ())),
        support=support,
        paragraphs=paragraphs,
        splits={"hops": str(len(steps)), "relation": last or "other words"},
    )


def _hotpotqa(row: Record, name: str) -> Item:
    """HotpotQA and 2WikiMultihopQA, as published or as on the hub."""
    del name
    context, facts = row["context"], row["supporting_facts"]
    if isinstance(context, str):  # some copies hold JSON as text
        context, facts = json.loads(context), json.loads(facts)
    pairs = list(_pairs(context, "sentences", "content"))
    named = {title for title, _ in _pairs(facts, "sent_id")}
    texts = [(t, " ".join(str(s).strip() for s in sentences)) for t, sentences in pairs]
    evidences = evidences_of(row)
    hops = evidences or named
    last = {"relation": str(evidences[-1][1])} if evidences else {}
    return Item(
        id=str(row.get("_id") or row["id"]),
        data_set=set_of(row),
        objective=_objective(row["question"]),
        accepted=_texts(row["answer"]),
        support=frozenset(passage_key(t, text) for t, text in texts if t in named),
        paragraphs=tuple(Paragraph(t, text) for t, text in texts),
        splits={"hops": str(len(hops)), "type": str(row.get("type", "unknown")), **last},
    )


def _pairs(pairs: Any, *names: str) -> Iterator[tuple[str, Any]]:
    """(title, what belongs to it), of a list of pairs or of columns."""
    if isinstance(pairs, Mapping):
        columns = cast("Mapping[str, list[Any]]", pairs)
        name = next((n for n in names if n in columns), names[0])
        yield from zip(map(str, columns["title"]), columns[name], strict=True)
    else:
        for pair in pairs:
            yield str(pair[0]), pair[1]


def _strategyqa(row: Record, name: str) -> Item:
    del name
    if not isinstance(row["answer"], bool):
        raise TypeError("its answer is neither true nor false")
    return Item(
        id=str(row["qid"]),
        data_set="strategyqa",
        objective=_objective(row["question"], "boolean"),
        accepted=_said(row["answer"]),
        facts=_facts(row),
        splits={"hops": str(len(row.get("decomposition", ())) or "unknown")},
    )


def _gsm8k(row: Record, name: str) -> Item:
    del name
    worked, _, final = str(row["answer"]).rpartition("####")
    return Item(
        id=question_id(row["question"]),
        data_set="gsm8k",
        objective=_objective(row["question"], "number"),
        accepted=(final.strip(),),
        splits={"hops": str(worked.count("<<"))},
    )


def own_question(row: Record) -> tuple[Objective, tuple[str, ...]]:
    """The question of a record of one's own, and its accepted answers; read it `as_published`.

    Raises:
        KeyError, TypeError, ValueError: there is none, or it is in another form.
    """
    answer = row.get("answers", row.get("answer"))
    if answer is None:
        raise ValueError("it has no answer")
    if isinstance(answer, bool):
        accepted, kind = _said(answer), "boolean"
    else:
        accepted = (
            _texts(*cast("list[Any]", answer)) if isinstance(answer, list) else _texts(answer)
        )
        kind = "any"
    return _objective(row["question"], row.get("answer_type", kind)), accepted


def _own(row: Record, name: str) -> Item:
    objective, accepted = own_question(row)
    passages = row.get("passages", ())
    if any(not isinstance(p[name], str) for p in passages for name in ("title", "text")):
        raise TypeError("a passage needs the texts title and text")
    plan = parse_plan(row["plan"]) if row.get("plan") else None
    return Item(
        id=str(row.get("id") or question_id(row["question"])),
        data_set=name or "own",
        objective=objective,
        accepted=accepted,
        plans={objective.text: plan} if plan else {},
        support=frozenset(passage_key(p["title"], p["text"]) for p in passages if p.get("supports"))
        or None,
        paragraphs=tuple(Paragraph(p["title"], p["text"]) for p in passages),
        facts=_facts(row),
        splits={k: str(row[k]) for k in ("hops", "type", "domain", "relation") if k in row},
    )
