"""What `centerlm guide` does: edits of plans into a file of guidance, and looking at one."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path

import click

from centerlm.errors import InputError
from centerlm.learning.guidance import Read
from centerlm.printing import complain, print_json
from centerlm.upkeep import open_journal


def run_guide(
    *,
    journal: Path | None,
    clips: int | None,
    nextqa: Path | None,
    out: Path,
    check: Path | None,
    sources: tuple[str, ...],
    as_json: bool,
) -> int:
    """Exit code 0; with `check` 1 where lines were not used, 2 where none was."""
    if check is not None:
        return _check(check, sources, as_json)
    if clips is not None or nextqa is not None:
        return _videos(clips, nextqa, out, as_json)
    return _collect(journal, out, as_json)


def _videos(clips: int | None, nextqa: Path | None, out: Path, as_json: bool) -> int:
    from itertools import chain

    from centerlm.learning.guide import add_edits
    from centerlm.learning.video_guidance import clip_guidance, nextqa_guidance

    made = clip_guidance(clips) if clips is not None else ()
    read = nextqa_guidance(nextqa) if nextqa is not None else ()
    added = add_edits(chain(made, read), out)
    if as_json:
        print_json({"file": str(out), **asdict(added)})
    else:
        click.echo(f"{out}: {added.new} new, {added.there} there already")
    return 0


def _collect(journal: Path | None, out: Path, as_json: bool) -> int:
    from centerlm.learning.guide import Added, add_edits, edits_of

    store = open_journal(journal)
    if store is None and journal is not None:
        raise InputError(f"there is no journal {journal}; list episodes with: centerlm episodes")
    added = Added(0, 0)
    if store is not None:
        try:
            added = add_edits(edits_of(store), out)
        finally:
            store.close()
    if as_json:
        print_json({"file": str(out), **asdict(added)})
    elif added.new or added.there:
        click.echo(f"{out}: {added.new} new, {added.there} there already")
    else:
        click.echo('no edited plans yet; edit one with: centerlm solve "QUESTION" --review')
    return 0


def _check(path: Path, sources: Collection[str], as_json: bool) -> int:
    """Read a file of guidance, or the public sets of a data folder, and say what it gave."""
    from centerlm.learning.readers import read_guidance, read_own

    read = read_guidance(path) if path.is_dir() else read_own(path, sources=sources)
    _show(read, as_json)
    if path.is_dir():
        return 0
    for one in read.skipped:
        complain(f"{one.where}: {one.reason}")
    if not read.skipped and read.guidance:
        return 0
    return 1 if read.guidance else 2


def _show(read: Read, as_json: bool) -> None:
    from centerlm.learning.tally import statistics, tally

    if not as_json:
        from rich.console import Console

        Console().print(statistics(read))
        return
    counted = tally(read)
    print_json(
        {
            "plans": len(read.guidance),
            "sets": {by: asdict(one) for by, one in counted.sets.items()},
            "skipped": [
                {"where": one.where, "kind": one.kind, "reason": one.reason} for one in read.skipped
            ],
            "counts": dict(counted.counts),
        }
    )
