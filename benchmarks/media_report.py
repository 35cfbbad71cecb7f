"""The page of benchmarks/media.py: what each part found, and every miss on the real clips."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from reporting import percent, table, versions, write

PARTS = ("nextqa", "clips", "truth", "questions", "speed", "centers")
AIMS = {"in": 90, "deeper": 80}
WHY = {
    "car-02": "processor (colour): the pale blue car is overexposed, its saturation is 6 %, and it "
    "is called white",
    "car-10": "processor (colour): as car-02",
    "car-17": "processor (colour): the right car is given, and called white",
    "car-18": "processor (colour): no track is blue, so the two cannot be compared",
    "car-20": "processor (colour): no track is blue; nothing is answered rather than the other car",
    "car-21": "processor (colour): as car-20",
    "bottle-12": "rules: they know no removal with two hands",
    "bottle-13": "processor (detector): it has no class for hands, and says so",
    "bottle-14": "processor (detector): it has no class for caps; a bottle is no cap",
    "bottle-15": "processor (detector): it has no class for sleeves or arms",
    "bottle-18": "rules: how long a thing is away is not computed",
    "bottle-20": "rules: who does something is left to the passages",
}
"""Why a question is missed by the source alone, found by looking at what was observed."""


def write_report(work: Path, out: Path, name: str) -> Path:
    """Write the page and the JSON of the parts that are in the work folder; the page's path."""
    parts: dict[str, Any] = {}
    for part in PARTS:
        path = work / f"{part}.json"
        if path.is_file():
            parts[part] = msgspec.json.decode(path.read_bytes())
    lines = ["# Pictures, sound and video", ""]
    tell = {"nextqa": _nextqa, "clips": _clips, "truth": _truth, "questions": _questions,
            "speed": _speed, "centers": _centers}  # fmt: skip
    for part, told in parts.items():
        lines += [*tell[part](told["found"]), ""]
    lines += ["## How", "", "```", *dict.fromkeys(p["command"] for p in parts.values()), "```", ""]
    lines += [
        f"- {part}: {told['seconds']} s, load of the machine {told['load']}"
        for part, told in parts.items()
    ]
    packages = ("av", "faster-whisper", "ioutrack", "opencv-python-headless", "rapidocr", "numpy")
    told = versions(packages)
    lines += [f"- versions: {', '.join(f'{name} {v}' for name, v in told.items())}"]
    lines += [f"- not measured yet: {', '.join(p for p in PARTS if p not in parts) or 'nothing'}"]
    return write(out, name, {"parts": parts, "versions": told}, "\n".join(lines) + "\n")


def _share(found: Sequence[float] | None, sign: str = "") -> str:
    if found is None:
        return ""
    return percent(dict(zip(("value", "low", "high"), found, strict=True)), sign=sign)


def _nextqa(found: Mapping[str, Any]) -> Iterator[str]:
    yield "## NExT-QA, captions as the source"
    yield ""
    yield (
        f"{found['questions']} questions on {found['videos']} evaluation videos "
        f"({found['captions_a_video']:.0f} captions each). Intervals by resampling whole videos. "
        "Chance is 20 %. For comparison, on the whole of the set: VideoAgent with GPT-4 71.3 %, "
        "reading 8.2 frames a question. The source compares every caption with each option, and "
        "hands on three; no language model is called."
    )
    yield ""
    kinds = ["all", *found["types"]]
    yield from table(
        ["%", *(f"{k} ({found['types'].get(k, found['questions'])})" for k in kinds)],
        [[name, *(_share(row.get(k)) for k in kinds)] for name, row in found["accuracy"].items()],
    )
    yield ""
    yield "Gain of the source over each floor, in points:"
    yield ""
    yield from (f"- {name}: {_share(gain, '+')}" for name, gain in found["gain_over"].items())
    seen = found["grounding"]
    yield ""
    yield (
        f"Grounding, {seen['questions']} questions with marked spans, {seen['seconds_cited']:.1f} "
        "s cited each (a random span has the same length):"
    )
    yield ""
    yield from table(
        ["%", "mIoP", "mIoU"],
        [
            ["what the source cites", _share(seen["iop"]), _share(seen["iou"])],
            ["a random span", _share(seen["random iop"]), _share(seen["random iou"])],
        ],
    )


def _clips(found: Mapping[str, Any]) -> Iterator[str]:
    yield "## Generated clips: the steps of the right plans"
    yield ""
    yield (
        "The plan is given, so only seeing (and reading, hearing) is measured, not planning. "
        "Sentences are spoken by that of 18 voices of espeak-ng of which the recogniser heard most "
        "words in ten others."
    )
    yield ""
    splits = list(next(iter(found.values())))
    yield from table(
        ["%", *(f"{s} (aim {AIMS[s]})" if s in AIMS else s for s in splits)],
        [[seen, *(percent(row[s]) for s in splits)] for seen, row in found.items()],
    )
    yield ""
    yield "By what a question needs, right of all:"
    yield ""
    needs = list(
        dict.fromkeys(n for row in found.values() for s in splits for n in row[s]["by_need"])
    )
    yield from table(
        ["right", *splits],
        [
            [f"{seen}, {need}", *(_right_of(row[s]["by_need"].get(need)) for s in splits)]
            for seen, row in found.items()
            for need in needs
        ],
    )
    yield ""
    for seen, row in found.items():
        for split, cell in row.items():
            for missed in cell["missed"]:
                yield f"- {seen}, {split}: {missed}"


def _right_of(cell: Mapping[str, Any] | None) -> str:
    return f"{cell['right']} of {cell['n']}" if cell else ""


def _truth(found: Mapping[str, Any]) -> Iterator[str]:
    yield "## Processors against known truth"
    yield ""
    yield "Six random letters and digits, rendered; noise is the most a channel is changed by:"
    yield ""
    yield from table(
        ["letters, pixels", "noise", "texts", "read whole", "letters right, %", "errors"],
        [
            [str(r["size"]), str(r["noise"]), str(r["texts"]), str(r["right"]),
             f"{100 * r['letters']:.1f}", "; ".join(r["errors"])]
            for r in found["reading"]
        ],
    )  # fmt: skip
    yield ""
    yield "Sentences spoken by espeak-ng, a synthetic voice:"
    yield ""
    yield from table(
        ["words a minute", "sentences", "word error rate, %", "errors"],
        [
            [str(r["words_a_minute"]), str(r["sentences"]),
             f"{100 * r['word_error_rate']:.1f}", "; ".join(r["errors"])]
            for r in found["hearing"]
        ],
    )  # fmt: skip
    yield ""
    yield "Objects:"
    yield ""
    yield from table(
        ["what", "n", "right", "errors"],
        [
            [r["what"], str(r["n"]), str(r["right"]), "; ".join(r["errors"])]
            for r in found["detecting"]
        ],
    )


def _questions(found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield "## Questions on the real clips, the source alone"
    yield ""
    right = sum(row["right"] for row in found)
    yield (
        f"{right} of {len(found)} right ({100 * right / len(found):.0f} %; aim 70). Each question "
        "is asked of the source `video` as it stands, without a center. The questions were written "
        "before anything was run; the rules for things that stand, and for yes and no, were "
        "written after a first run had been read (14 of 43), so this is no figure for clips that "
        "were never seen."
    )
    yield ""
    videos = sorted({row["id"].partition("-")[0] for row in found})
    for video in videos:
        rows = [row for row in found if row["id"].startswith(video)]
        yield f"- {video}: {sum(r['right'] for r in rows)} of {len(rows)}"
    yield ""
    yield from table(
        ["missed", "question", "gold", "given", "why"],
        [
            [r["id"], r["question"], r["gold"], str(r["given"])[:80],
             WHY.get(r["id"], "not looked into")]
            for r in found if not r["right"]
        ],
    )  # fmt: skip


def _speed(found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield "## Speed and memory"
    yield ""
    yield (
        "768 x 432 pixels, 12.5 frames a second, with sound, looped; every row is a process of its "
        "own with nothing cached; all processors but labels and pose. Over 20 minutes only key "
        "frames are looked at."
    )
    yield ""
    yield from table(
        ["file", "processor seconds for each second of video", "wall, s", "peak memory, MB"],
        [
            [r["file"], f"{r['cpu'] / r['length']:.3f}", f"{r['seconds']:.1f}",
             f"{r['peak_mb']:.0f}"]
            for r in found
        ],
    )  # fmt: skip
    each = {row["file"]: row["cpu"] / row["length"] for row in found}
    full = next((v for name, v in each.items() if name.endswith("s, every frame")), None)
    if full is not None:
        yield ""
        yield (
            "Every frame decoded and seen by every processor takes "
            + ", ".join(
                f"{full / v:.0f} times as long as {name}"
                for name, v in each.items()
                if "every frame" not in name
            )
            + " (aim: 5)."
        )


def _centers(found: Mapping[str, Any]) -> Iterator[str]:
    yield "## With the center"
    yield ""
    yield (
        "`centerlm evaluate video`: `direct` sees no video (the blind row), `retrieve` asks the "
        "source the question as it stands and absorbs, `holistic` plans, `oracle-plan` is given "
        "the right plan, `fragmentation` is `retrieve` with weights trained on single answers. In "
        "`nextqa` the source chooses among the options, in `nextqa-read` the center reads captions."
    )
    for name, results in found.items():
        yield ""
        yield f"### {name}, {results['n']} questions"
        yield ""
        systems = results["systems"]
        yield from table(
            ["system", "right, %", "IoP, %", "IoU, %", "calls each", "observations read each"],
            [_system(system, told) for system, told in systems.items()],
        )


def _system(name: str, told: Mapping[str, Any]) -> list[str]:
    metrics, n = told["metrics"], max(told["n"], 1)
    read = metrics.get("observations_read")
    return [
        name,
        percent(metrics.get("em")),
        percent(metrics.get("iop")),
        percent(metrics.get("iou")),
        f"{told['usage']['calls'] / n:.1f}",
        f"{read['value']:.1f}" if read else "",
    ]
