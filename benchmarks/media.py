"""Pictures, sound and video: what processors see, what sources answer, what the center makes of it.

    python benchmarks/media.py fit --data DATA --work runs/media            # option weights
    python benchmarks/media.py nextqa,clips,truth,questions,speed --data DATA --work runs/media
    python benchmarks/media.py centers --data DATA --work runs/media --items 60

DATA holds `nextqa` and `sample_videos`. Parts are kept in --work, one file each: the same command
goes on where it stopped (--again measures anew), and every call writes the page from all parts that
there are. Processed clips are kept in the data folder, by content. `centers`
runs the systems of `centerlm evaluate` with the local model. On one core: fit 25 minutes, nextqa
15, clips 15, truth 3, questions 3, speed 20; centers with 60 items of each set one to two hours.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from centerlm.errors import InputError
from centerlm.media.choosing import WEIGHTS, WORDS
from media_report import PARTS, write_report
from options import add_data, add_files, names_of, parser_of
from reporting import command_line, main_of

HERE = Path(__file__).resolve().parent
FITTED = HERE.parent / "src" / "centerlm" / "media" / WEIGHTS
SYSTEMS = {
    "own": "direct,retrieve,holistic",
    "clips": "direct,retrieve,holistic,oracle-plan",
    "clips-script": "direct,retrieve,holistic,oracle-plan",
    "nextqa": "retrieve,holistic",
    "nextqa-read": "direct,retrieve,holistic",
}
KNOWN = ("fit", *PARTS)


@dataclass(frozen=True, slots=True)
class Arguments:
    """`videos` limits NExT-QA, `thin` keeps every so many-th caption, `items` is of each set that
    the centers are measured on, `questions` of each split of generated clips.
    """

    parts: tuple[str, ...]
    data: Path
    work: Path
    videos: int | None
    thin: int
    items: int
    questions: int
    again: bool
    out: Path
    name: str
    more: tuple[str, ...]


def parse_arguments(argv: Sequence[str]) -> Arguments:
    parser = parser_of(__doc__)
    parser.add_argument("parts", type=names_of(KNOWN, "part"), help=", ".join(KNOWN))
    add_data(parser)
    parser.add_argument("--work", type=Path, required=True, help="keeps the parts")
    parser.add_argument("--videos", type=int, help="of NExT-QA, training and evaluation each")
    parser.add_argument(
        "--thin", type=int, default=1, help="every so many-th caption (%(default)s)"
    )
    parser.add_argument("--items", type=int, default=60, help="of a set, centers (%(default)s)")
    parser.add_argument("--questions", type=int, default=40, help="of a split (%(default)s)")
    parser.add_argument("--again", action="store_true", help="measure parts that are kept")
    parser.add_argument("--config", type=Path, help="as of centerlm evaluate")
    parser.add_argument("--model", help="as of centerlm evaluate")
    parser.add_argument("--fragmentation", action="store_true", help="also; it needs --config")
    add_files(parser, "media")
    given = vars(parser.parse_args(argv))
    more: list[str] = []
    for name in ("config", "model"):
        if (value := given.pop(name)) is not None:
            more += [f"--{name}", str(value)]
    if given.pop("fragmentation"):
        more.append("fragmentation")
    if min(given["thin"], given["items"], given["questions"]) < 1:
        parser.error("--thin, --items and --questions are 1 or more")
    return Arguments(**given, more=tuple(more))


def say(line: str) -> None:
    print(line, file=sys.stderr)


def run(arguments: Arguments) -> Path:
    """Measure the parts asked for, then write the page from all that there are.

    Raises:
        InputError: an evaluation could not be run.
    """
    arguments.work.mkdir(parents=True, exist_ok=True)
    for part in arguments.parts:
        started = time.monotonic()
        say(f"{part}: begun")
        path = arguments.work / f"{part}.json"
        if not arguments.again and _made(path) == _settings(arguments):
            say(f"{part}: there already")
            continue
        found = _fit(arguments) if part == "fit" else _measured(part, arguments)
        told = {
            "settings": _settings(arguments),
            "found": found,
            "command": command_line(),
            "seconds": round(time.monotonic() - started),
            "load": round(os.getloadavg()[0], 1),
        }
        data = msgspec.json.format(msgspec.json.encode(told))
        path.write_bytes(data)
    return write_report(arguments.work, arguments.out, arguments.name)


def _settings(arguments: Arguments) -> dict[str, Any]:
    names = ("videos", "thin", "items", "questions", "more")
    settings = {name: getattr(arguments, name) for name in names}
    return msgspec.json.decode(msgspec.json.encode(settings))


def _made(path: Path) -> dict[str, Any] | None:
    """The settings of a part that is kept."""
    return msgspec.json.decode(path.read_bytes()).get("settings") if path.is_file() else None


def _fit(arguments: Arguments) -> dict[str, int]:
    from media_nextqa import rows_of, write_weights, write_words

    write_words(arguments.data / "nextqa", FITTED.with_name(WORDS))
    rows, videos = rows_of(
        arguments.data / "nextqa",
        arguments.work,
        train=True,
        videos=arguments.videos,
        thin=arguments.thin,
        say=say,
    )
    write_weights(rows, FITTED, len(videos), arguments.thin)
    say(f"{FITTED}: written")
    return {"videos": len(videos), "questions": len(rows.questions)}


def _measured(part: str, arguments: Arguments) -> Any:
    from media_truth import asked_alone, detecting, hearing, reading, steps_answered

    clips = arguments.data / "sample_videos"
    match part:
        case "nextqa":
            from media_nextqa import nextqa

            return nextqa(
                arguments.data / "nextqa",
                arguments.work,
                limit=arguments.videos,
                thin=arguments.thin,
                say=say,
            )
        case "clips":
            return steps_answered(arguments.work, arguments.questions, say)
        case "truth":
            return {"reading": reading(10), "hearing": hearing(), "detecting": detecting(clips)}
        case "questions":
            return asked_alone(HERE / "clip_questions.jsonl", clips)
        case "speed":
            from media_speed import measure

            return measure(clips / "car-detection.mp4", arguments.work)
        case _:
            return {name: _evaluated(name, arguments) for name in SYSTEMS}


def _evaluated(name: str, arguments: Arguments) -> dict[str, Any]:
    """The results of `centerlm evaluate video` on a set; gone on with where it stopped."""
    systems = SYSTEMS[name]
    more = [word for word in arguments.more if word != "fragmentation"]
    if "fragmentation" in arguments.more and name == "nextqa-read":
        systems += ",fragmentation"
    out = arguments.work / f"evaluated-{name}"
    words = ["evaluate", "video", "--set", name, "--system", systems, "--out", str(out)]
    if name not in ("clips", "clips-script"):
        words += ["--data", str(_own(arguments) if name == "own" else arguments.data)]
    words += ["--limit", str(arguments.items), *more]
    say(f"centerlm {' '.join(words)}")
    done = subprocess.run([sys.executable, "-m", "centerlm", *words], stdout=2, check=False)
    if done.returncode == 130:
        raise KeyboardInterrupt
    if done.returncode:
        raise InputError(f"the evaluation of {name} ended with {done.returncode}; see above")
    return msgspec.json.decode((out / "results.json").read_bytes())


def _own(arguments: Arguments) -> Path:
    """The questions on the real clips beside the clips."""
    folder = arguments.work / "own"
    folder.mkdir(exist_ok=True)
    for path in (arguments.data / "sample_videos").glob("*.mp4"):
        link = folder / path.name
        if not link.is_symlink():
            link.symlink_to(path.resolve())
    return Path(shutil.copy(HERE / "clip_questions.jsonl", folder))


if __name__ == "__main__":
    sys.exit(main_of(parse_arguments, run))
