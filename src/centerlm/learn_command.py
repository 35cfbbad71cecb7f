"""What `centerlm learn` does around a run: recipe, progress, Ctrl-C, and the tables at the end."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from centerlm.errors import InputError, StoppedError
from centerlm.printing import complain, print_json
from centerlm.stopping import handled_by

if TYPE_CHECKING:
    from centerlm.evaluation.worlds import HopAccuracy
    from centerlm.learning.job import Job, Learned, Listener
    from centerlm.learning.watching import Progress

PAPER = "paper"
"""The preset that is no recipe: the controlled comparison."""
_EVERY = 10
"""Seconds between lines of progress where there is no terminal to draw on."""


def run_learn(
    stage: str,
    *,
    data: tuple[Path, ...],
    out: Path,
    field: str | None,
    config: Path | None,
    preset: Any,
    base: str | None,
    start: Path | None,
    replay: Path | None,
    match: Path | None,
    resume: bool,
    force: bool,
    ray: str | None,
    as_json: bool,
) -> int:
    import msgspec

    if preset == PAPER:
        others: dict[str, object] = {
            "--config": config,
            "--start": start,
            "--replay": replay,
            "--match": match,
            "--force": force,
            "--ray": ray,
        }
        return run_paper(
            stage,
            data=data,
            out=out,
            base=base,
            refused=[name for name, value in others.items() if value],
            resume=resume,
            as_json=as_json,
        )
    from centerlm.learning.job import Job
    from centerlm.learning.recipe import Recipe, load_recipe
    from centerlm.learning.recipe import preset as preset_of
    from centerlm.learning.run_folder import RunFolder
    from centerlm.learning.running import learn, replayed_recipe

    if resume and not RunFolder(out).begun:
        raise InputError(_nothing(out, "run"))
    if replay is not None and preset is not None:
        raise InputError("--replay takes the recipe of that run; change it with --config")
    given = bool(config or preset or base or match or replay) or not resume
    usual = preset_of(preset or "default") if replay is None else replayed_recipe(replay)
    recipe: Recipe = load_recipe(config, usual)
    if base is not None:
        recipe = msgspec.structs.replace(recipe, base=base)
    folder, pairs = _data(stage, data)
    if field is not None:
        _check_field(stage, field)
    if stage == "expert" and not pairs and not resume:
        raise InputError(
            "an expert learns questions and answers; name JSON lines of them with --data FILE"
        )
    job = Job(
        stage,
        recipe,
        out,
        data=folder,
        start=start,
        replay=replay,
        match=match,
        pairs=pairs,
        field=field,
        given=given,
        resume=resume,
        force=force,
        ray=ray,
    )
    _quiet()
    stopper = Stopper()
    try:
        with stopper.heeding(), progress(stopper) as listener:
            learned = learn(job, listener=listener, stop=stopper.asked)
            report = _evaluated(job, learned, listener)
    except StoppedError as error:
        complain(f"{error}; {_again(job)}")
        return 128 + stopper.signals[0] if stopper.signals else error.exit_code
    show(learned, report, as_json=as_json, field=_field(job))
    return 0


def run_paper(
    stage: str,
    *,
    data: tuple[Path, ...],
    out: Path,
    base: str | None,
    refused: Sequence[str],
    resume: bool,
    as_json: bool,
) -> int:
    """The controlled comparison from nothing to its page and figure, in one folder.

    Raises:
        InputError: an option has no meaning here, or the folder holds something else.
    """
    from centerlm.comparison.reader import shared_reader
    from centerlm.comparison.running import RECORD, base_of, compare
    from centerlm.comparison.settings import paper
    from centerlm.learning.data_sets import missing
    from centerlm.learning.recipe import preset

    if stage != "all" or refused:
        what = f"the stage {stage}" if stage != "all" else refused[0]
        raise InputError(
            f"--preset {PAPER} trains all arms by its own recipe, so {what} has no meaning; write: "
            f"centerlm learn all --preset {PAPER} --out DIR"
        )
    folder, _ = _data(stage, data)
    if folder and not resume and (lacking := missing(folder, preset("reader").data.sets)):
        raise InputError(
            f"{folder} has no {', no '.join(lacking.values())}; put that there, or leave out --data"
        )
    reader = out / "reader"
    begun = (out / RECORD).is_file() or reader.is_dir()
    if resume and not begun:
        raise InputError(_nothing(out, "comparison"))
    if begun and not resume:
        raise InputError(f"{out} already holds a comparison; go on with --resume, or name another")
    if not begun and out.is_dir() and any(out.iterdir()):
        raise InputError(f"{out} is not empty; name a new folder for the comparison")
    _quiet()
    comparison = paper(base)
    base_of(comparison)  # what cannot be compared is not trained either
    command = f"centerlm learn all --preset {PAPER}"
    stopper = Stopper()
    try:
        with stopper.heeding(), progress(stopper) as told:
            start = shared_reader(comparison.base, folder, reader, told=told, stop=stopper.asked)
            comparison = replace(comparison, start=start)
            page = compare(comparison, out, out, PAPER, command, told=told, stop=stopper.asked)
    except StoppedError as error:
        complain(f"{error}; go on with: {command} --out {shlex.quote(str(out))} --resume")
        return 128 + stopper.signals[0] if stopper.signals else error.exit_code
    if as_json:
        report = json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))
        figure = str(page.with_suffix(".svg"))
        print_json({"page": str(page), "figure": figure, "primary": report["primary"]})
        return 0
    click.echo(page.read_text(encoding="utf-8"))
    click.echo(f"page: {page}\nfigure: {page.with_suffix('.svg')}")
    return 0


def _quiet() -> None:
    """The libraries that train say nothing of their own: the run has its own lines.

    Raises:
        MissingExtraError: the extra `train` is not installed; said before anything is made.
    """
    from centerlm.learning.row_trainer import load

    for module in ("torch", "peft", "safetensors"):
        load(module)
    logging = load("transformers.utils.logging")
    logging.set_verbosity_error()
    logging.disable_progress_bar()


def _data(stage: str, data: tuple[Path, ...]) -> tuple[Path | None, tuple[Path, ...]]:
    """The data folder, and the files of an expert."""
    if stage == "expert":
        if bad := next((path for path in data if not path.is_file()), None):
            raise InputError(f"there is no file {bad}; give JSON lines of question and answer")
        return None, data
    if len(data) > 1:
        raise InputError(
            "--data names one folder, with a folder a data set; only expert takes more"
        )
    if data and not data[0].is_dir():
        raise InputError(f"there is no data folder {data[0]}; check the path")
    return (data[0] if data else None), ()


def _check_field(stage: str, field: str) -> None:
    """Refuse a field that no expert has, or that no plan could name."""
    from centerlm.sources.naming import check_name

    if stage != "expert":
        raise InputError(f"--field names an expert's field; {stage} has none")
    check_name(f"expert:{field}")


def _nothing(out: Path, what: str) -> str:
    return f"{out} holds no {what} to go on with; check --out, or begin one without --resume"


def _again(job: Job) -> str:
    from centerlm.learning.run_folder import RunFolder

    if not RunFolder(job.out).begun:
        return "nothing was begun yet: give the same command again"
    ray = f" --ray {shlex.quote(job.ray)}" if job.ray else ""
    out = shlex.quote(str(job.out))
    return f"go on with: centerlm learn {job.stage} --out {out} --resume{ray}"


@dataclass(slots=True)
class Stopper:
    """The signals that end a run: the first one at the next good place, a second one at once.

    `gentle` says that the run asks (`asked`) often enough for the first signal to be heeded soon.
    """

    signals: list[int] = field(default_factory=list[int])
    gentle: bool = False
    tell: Callable[[str], None] = field(default=lambda line: None)

    def asked(self) -> bool:
        """Whether the run should end; asking also says that it is heeded."""
        self.gentle = True
        return bool(self.signals)

    @contextmanager
    def heeding(self) -> Generator[None]:
        """Take the signals over."""

        def stop(number: int, frame: FrameType | None) -> None:
            del frame
            self.signals.append(number)
            if len(self.signals) > 1 or not self.gentle:
                raise KeyboardInterrupt
            self.tell("stopping after this row; once more stops at once")

        with handled_by(stop):
            yield


@contextmanager
def progress(stopper: Stopper) -> Generator[Listener]:
    """A bar with the time left on a terminal, a line now and then elsewhere; on standard error."""
    import time

    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    from centerlm.learning.job import Listener

    console = Console(stderr=True, soft_wrap=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[figures]}"),
    )
    drawn = console.is_terminal and not console.is_dumb_terminal
    with Progress(*columns, console=console, transient=True, disable=not drawn) as bar:
        task = bar.add_task("", total=None, figures="")
        said = ""
        last = 0.0

        def line(text: str) -> None:
            console.print(text, markup=False, highlight=False)

        def phase(what: str, done: int, of: int) -> None:
            nonlocal said
            stopper.gentle = False
            bar.update(task, description=what, completed=done, total=of or None, figures="")
            if not drawn and what != said:
                line(what)
            said = what

        def update(now: Progress) -> None:
            nonlocal last
            figures = f"loss {now.loss:.3f}  {now.tokens / max(now.seconds, 1e-9):,.0f} tokens/s"
            bar.update(task, completed=now.update, total=now.updates, figures=figures)
            soon = time.monotonic() - last < _EVERY
            if not drawn and (not soon or now.update == now.updates):
                last = time.monotonic()
                line(f"update {now.update} of {now.updates}  {figures}{_left(now)}")

        stopper.tell = line
        yield Listener(phase, update, line)


def _left(now: Progress) -> str:
    """About how long the rest takes, by the speed so far in this process."""
    done = now.done
    if not done or now.update == now.updates:
        return ""
    minutes = now.seconds / done * (now.updates - now.update) / 60
    return f"  about {minutes:.0f} min left" if minutes >= 1.5 else "  about a minute left"


def _evaluated(job: Job, learned: Learned, listener: Listener) -> list[HopAccuracy]:
    """Accuracy by hops on fresh worlds through the real solver, at the end of `learn all`."""
    from centerlm.learning.run_result import gguf_base

    recipe = learned.recipe
    questions = recipe.worlds.tested
    base = gguf_base(recipe.base)
    if job.stage != "all" or not questions or not learned.gguf or base is None:
        return []
    from importlib.util import find_spec

    if find_spec("xllamacpp") is None:
        listener.line(
            "no accuracy by hops: xllamacpp is not installed (pip install 'centerlm[local]')"
        )
        return []
    from centerlm.evaluation.worlds import accuracy_by_hops, worlds_to_test
    from centerlm.learning.policy import policy
    from centerlm.learning.problems import resumable, run_async

    hops = range(1, max(recipe.worlds.max_hops, 3) + 1)
    listener.phase("making fresh worlds", 0, 0)
    asked = worlds_to_test(hops, questions)
    done = 0

    def count(rollout: object) -> None:
        nonlocal done
        del rollout
        done += 1
        listener.phase("solving questions of fresh worlds", done, len(asked))

    async def measure() -> list[HopAccuracy]:
        center = policy(base, learned.gguf)
        try:
            folder = job.out / "evaluation"
            return await accuracy_by_hops(center, asked, folder, on_rollout=count)
        finally:
            await center.model.close()

    listener.phase("solving questions of fresh worlds", 0, len(asked))
    with resumable(job.out):
        return run_async(measure())


def show(
    learned: Learned,
    report: Sequence[HopAccuracy],
    *,
    as_json: bool,
    field: str | None = None,
) -> None:
    """Print what was learned from, how it went, and where the result is; `field` is an expert's."""
    data = {
        "folder": str(learned.folder),
        "adapter": str(learned.adapter),
        "gguf": {part: str(path) for part, path in learned.gguf.items()},
        "base": learned.base,
        "examples": learned.statistics,
        "skipped": learned.skipped,
        "rounds": [
            {"scores": r.scores, "kept": r.kept, "updates": r.updates, "tokens": r.tokens}
            for r in learned.rounds
        ],
        "accuracy": [asdict(row) for row in report],
    }
    if as_json:
        print_json(data)
        return
    from rich.console import Console

    console = Console()
    console.print(statistics_table(learned))
    if report:
        console.print(accuracy_table(report))
    click.echo(f"adapter: {learned.adapter}")
    for part, path in learned.gguf.items():
        click.echo(f"for llama.cpp ({part}): {path}")
        if field is not None:
            click.echo(
                f'use it in centerlm.toml with: [experts.{field}] adapter = "{path}", short = true'
            )
        elif part in ("all", "plan"):
            click.echo(
                f'use it in centerlm.toml with: [center] adapter = "{path}", examples = false'
            )


def _field(job: Job) -> str | None:
    """The field of an expert as a key of TOML; None where the run is none's."""
    from centerlm.learning.run_folder import RunFolder, read_json

    if job.stage != "expert":
        return None
    record = read_json(RunFolder(job.out).record) or {}
    name = str(record.get("field") or Path(record["pairs"][0]).stem)
    return name if re.fullmatch(r"[\w-]+", name, flags=re.ASCII) else f'"{name}"'


def statistics_table(learned: Learned) -> Any:
    """Examples by origin and act, and what was left out by kind."""
    from rich.table import Table

    acts = sorted({act for row in learned.statistics.values() for act in row})
    table = Table(title="what it learned from", title_justify="left")
    table.add_column("origin")
    for act in acts:
        table.add_column(act, justify="right")
    for origin, row in learned.statistics.items():
        table.add_row(origin, *(f"{row.get(act, 0):,}" for act in acts))
    for kind, count in learned.skipped.items():
        table.add_row(f"left out: {kind}", f"{count:,}", *[""] * (len(acts) - 1))
    return table


def accuracy_table(report: Sequence[HopAccuracy]) -> Any:
    """Right answers by hops on fresh worlds, with 95 % intervals."""
    from rich.table import Table

    table = Table(title="right answers on fresh worlds, by hops", title_justify="left")
    for column in ("hops", "questions", "right", "95 % interval"):
        table.add_column(column, justify="right")
    for row in report:
        share = row.share
        interval = f"{share.low:.1%} - {share.high:.1%}"
        table.add_row(str(row.hops), str(row.n), f"{row.right / row.n:.1%}", interval)
    return table
