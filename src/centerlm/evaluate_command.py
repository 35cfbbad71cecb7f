"""What `centerlm evaluate` does, once its input is read: put the parts together, run, report."""

from __future__ import annotations

import asyncio
import hashlib
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import click
import msgspec

from centerlm import assembly as _assembly
from centerlm import config as _config
from centerlm import opening as _opening
from centerlm import places as _places
from centerlm.cluster import Cluster
from centerlm.errors import InputError
from centerlm.evaluate_worker import EvaluationOpener, keep_calls, open_centers
from centerlm.evaluation.harness import How, Outcome, check_weights, run_systems
from centerlm.evaluation.inspect_logs import FOLDER, check_inspect, write_logs
from centerlm.evaluation.memories import OWN, Memories
from centerlm.evaluation.results import printed, results_of
from centerlm.evaluation.scenarios import open_scenario
from centerlm.evaluation.scenarios.base import Opening, Scenario
from centerlm.evaluation.systems import Centers, System, named_systems
from centerlm.finding import clean_text
from centerlm.journal import SqliteJournal
from centerlm.memory import SeekingMemory
from centerlm.models.weights import file_sha256, write_atomically
from centerlm.printing import complain, print_json

PACKAGES = ("centerlm", "numpy", "onnxruntime", "tokenizers", "xllamacpp")
FREE = ("systems", "sets", "hashes", "limit", "trained", "command", "versions")
"""What may differ from run to run in one folder: the rest decides what its episodes are, and so
does the content of a file that both read.
"""


def run_evaluate(
    scenario: str,
    *,
    data: str | None,
    systems: str,
    sets: str | None,
    limit: int | None,
    out: Path,
    candidates: int,
    model: str | None,
    base_url: str | None,
    config: Path | None,
    budget: str | None,
    seed: int | None,
    no_vectors: bool,
    replay: Path | None,
    inspect: bool,
    trained: str | None,
    ray: str | None,
    as_json: bool,
) -> int:
    """Run what is not finished, then write `results.json` and the report into `out`.

    Raises:
        InputError: an option, the data or the weights cannot be used.
        EndpointError: a model stopped answering; the same command goes on.
    """
    if ray is not None and replay is not None:
        raise InputError("--replay asks no model, so it needs no --ray; leave one of them out")
    if inspect:
        check_inspect()
    chosen = named_systems(_names(systems))
    if limit is not None and limit < 1:
        raise InputError(f"--limit {limit} leaves no item to evaluate; give 1 or more")
    settings = _config.load_settings(config, model, base_url)
    options = _assembly.options_of(settings, seed)
    how = How(
        _assembly.budget_of(settings, budget),
        options,
        settings.evaluate.concurrency,
        settings.evaluate.calls,
        memories=Memories(out, embedder=None if no_vectors else "installed"),
    )
    how = _remembering(settings, config, how)
    if ray is not None:
        _check_elsewhere(chosen, how)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{out} cannot be written ({error.strerror}); choose another") from None
    opening = Opening(
        data,
        out,
        _names(sets or ""),
        limit,
        candidates,
        not no_vectors,
        options.seed,
        settings.evaluate.scorer,
        _silent if as_json else _tell,
        None if trained is None else _names(trained),
    )
    opened = open_scenario(scenario, opening)
    try:
        endpoints = _opening.Endpoints()
        centers = open_centers(settings, endpoints, out, replay=replay)
        check_weights(chosen, fragmentation=centers.fragmentation is not None)
        made = _about(opened, opening, chosen, centers, how)
        _check_same(out / "config.json", made)
        with closing(SqliteJournal(out / "journal.sqlite")) as journal:
            cluster = _cluster(ray, scenario, opening, settings, how) if ray is not None else None
            tell = _silent if as_json else _tell
            work = _run(opened, chosen, centers, endpoints, how, journal, cluster, tell)
            outcomes = asyncio.run(work)
            given = how.memory.problems if isinstance(how.memory, SeekingMemory) else ()
            for problem in (*how.memories.close(), *given):
                complain(f"warning: {problem}")
            return _report(opened, outcomes, made, out, as_json=as_json, inspect=inspect)
    except KeyboardInterrupt:
        complain("interrupted; what is finished is kept: run the same command to go on")
        return 130
    finally:
        opened.close()


def _remembering(settings: _config.Settings, config: Path | None, how: How) -> How:
    """With the memory that the settings give to all rows, which no item changes.

    Raises:
        InputError: it is not there, or cannot be used.
    """
    if settings.evaluate.memory is None:
        return how
    path = Path(settings.evaluate.memory).expanduser()
    if not path.is_file():
        raise InputError(f"there is no memory {path}; check [evaluate] memory")
    digest = file_sha256(path)
    project = settings.evaluate.memory_project or _places.project_of(settings, config)
    memory = SeekingMemory(path, project=project, embedder=how.memories.embedder, learns=False)
    return replace(how, memory=memory, remembers=digest)


def _check_elsewhere(systems: Sequence[System], how: How) -> None:
    """Refuse what only one process can do: to remember from item to item, and to read a memory."""
    if own := next((s.name for s in systems if s.remembers in OWN), None):
        raise InputError(f"{own} learns from item to item, in one process; leave out it or --ray")
    if how.memory is not None:
        raise InputError("[evaluate] memory is a file of this machine; leave out it or --ray")


def _names(text: str) -> tuple[str, ...]:
    """Names with commas between them."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


async def _run(
    scenario: Scenario,
    systems: tuple[System, ...],
    centers: Centers,
    endpoints: _opening.Endpoints,
    how: How,
    journal: SqliteJournal,
    cluster: Cluster | None,
    tell: Callable[[str], None],
) -> list[Outcome]:
    total = len(scenario.items) * len(systems)
    count = 0

    def told(outcome: Outcome) -> None:
        nonlocal count
        count += 1
        if outcome.kept:
            return
        value = outcome.scores.get(scenario.metric)
        shown = "" if value is None else f"{scenario.metric} {value:.2f}"
        tell(f"{count} of {total}: {outcome.system} {outcome.item.id} {shown}")

    try:
        if cluster is None:
            return await run_systems(scenario, systems, centers, journal, how, on_outcome=told)
        async with cluster:
            tell(f"{cluster.slots} episodes at a time, on Ray at {cluster.address}")
            return await run_systems(
                scenario,
                systems,
                centers,
                journal,
                replace(how, concurrency=cluster.slots),
                elsewhere=cluster.into(journal, keep_calls(journal.path.parent)),
                on_outcome=told,
            )
    finally:
        await endpoints.close()


def _cluster(
    address: str, scenario: str, opening: Opening, settings: _config.Settings, how: How
) -> Cluster:
    """Workers that open the same, one for as many processors as a model uses."""
    opener = EvaluationOpener(scenario, replace(opening, say=_silent), settings, how)
    return Cluster(
        address,
        opener,
        concurrency=how.concurrency,
        cpus=settings.center.threads,
        say=_tell,
    )


def _silent(line: str) -> None:
    del line


def _tell(line: str) -> None:
    """A line about what is going on; ids of a data set may hold anything."""
    click.echo(" ".join(clean_text(line).split()), err=True)


def _report(
    scenario: Scenario,
    outcomes: list[Outcome],
    about: Mapping[str, Any],
    out: Path,
    *,
    as_json: bool,
    inspect: bool,
) -> int:
    from centerlm.evaluation.report import write_report

    results = results_of(
        scenario.name, scenario.items, outcomes, scenario.baselines(), scenario.metric, about
    )
    results["warnings"] = [*scenario.warnings, *_echoed(outcomes)]
    write_atomically(out / "results.json", msgspec.json.format(msgspec.json.encode(results)))
    page = write_report(results, outcomes, out / "report")
    if inspect:
        write_logs(results, outcomes, out / FOLDER)
    if as_json:
        print_json(printed(results))
    else:
        for line in table_lines(results):
            click.echo(line)
        click.echo(f"report: {page}")
        if inspect:
            click.echo(f"logs: inspect view --log-dir {out / FOLDER}")
    for warning in results["warnings"]:
        complain(f"warning: {warning}")
    return 0


def table_lines(results: Mapping[str, Any]) -> list[str]:
    """One line a system: the main metric with its interval, n, calls and seconds an item."""
    metric = results["metric"]
    lines = [f"{results['scenario']}, {results['n']} items, {metric} with 95 % intervals"]
    for name, system in results["systems"].items():
        cell, n = system["metrics"].get(metric), system["n"]
        value = f"{cell['value']:.3f} ({cell['low']:.3f} to {cell['high']:.3f})" if cell else "-"
        usage, items = system["usage"], max(n, 1)
        lines.append(
            f"  {name:14} {value:24} n={n:<5} {usage['calls'] / items:6.1f} calls "
            f"{usage['seconds'] / items:7.1f} s an item"
        )
    return lines


def _echoed(outcomes: list[Outcome]) -> list[str]:
    echoed = {outcome.item.id for outcome in outcomes if outcome.echoed}
    if not echoed:
        return []
    return [
        f"for {len(echoed)} items a source gave the question itself (first: {min(echoed)}): "
        "look whether it holds the answers too"
    ]


def _about(
    scenario: Scenario,
    opening: Opening,
    systems: tuple[System, ...],
    centers: Centers,
    how: How,
) -> dict[str, Any]:
    """What decides the results, and how to get them again."""
    return {
        "data": Path(opening.data).name if opening.data else None,
        "hashes": dict(scenario.hashes),
        "sets": list(opening.sets),
        "systems": [system.name for system in systems],
        "limit": opening.limit,
        "trained": None if opening.trained is None else list(opening.trained),
        "seed": opening.seed,
        "candidates": opening.candidates,
        "vectors": opening.vectors,
        "budget": asdict(how.budget),
        "calls": how.calls,
        **({"memory": how.remembers} if how.remembers else {}),
        "model": centers.center.model.name,
        "identity": _short(centers.center.model.identity),
        "command": _command(),
        "versions": _versions(),
    }


def _short(identity: str) -> str:
    return hashlib.sha256(identity.encode()).hexdigest()[:16]


def _command() -> str:
    """The command as it can be shown: absolute paths are cut to their last part."""
    words = ["centerlm", *sys.argv[1:]]
    return " ".join(Path(word).name if Path(word).is_absolute() else word for word in words)


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _check_same(path: Path, about: Mapping[str, Any]) -> None:
    """Refuse a folder that holds an evaluation of something else; mark it as this one's.

    Raises:
        InputError: it does, or cannot be read.
    """
    mine = {name: value for name, value in about.items() if name not in FREE}
    hashes: dict[str, str] = about["hashes"]
    if path.is_file():
        try:
            before = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
            known = msgspec.convert(before.get("hashes", {}), dict[str, str])
        except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError):
            raise InputError(f"{path} is damaged; remove it, or choose another --out") from None
        changed = [
            f"content of {file}" for file in hashes if known.get(file, hashes[file]) != hashes[file]
        ]
        named = [name for name in {**before, **mine} if name not in ("hashes", *FREE)]
        changed += [name for name in named if before.get(name) != mine.get(name)]
        if changed:
            raise InputError(
                f"{path.parent} holds an evaluation with another {changed[0]}; choose another --out"
            )
        hashes = known | hashes
    write_atomically(path, msgspec.json.encode({**mine, "hashes": hashes}))
