"""Options that several benchmarks have, said once."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from platformdirs import user_cache_dir


def parser_of(doc: str | None) -> argparse.ArgumentParser:
    """A parser that tells the first paragraph of a benchmark's docstring."""
    return argparse.ArgumentParser(
        description=(doc or "").split("\n\n")[0], epilog="More: the top of this file."
    )


def add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="folder with the sets")


def add_centers(parser: argparse.ArgumentParser) -> None:
    """--center, once or more, into `centers`."""
    parser.add_argument(
        "--center",
        action="append",
        required=True,
        dest="centers",
        help="untrained, few-shot, or an adapter's .gguf file; give it again for more",
    )


def add_cache(parser: argparse.ArgumentParser, keeps: str) -> None:
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path(user_cache_dir("centerlm")) / "benchmarks",
        help=f"keeps {keeps} (%(default)s)",
    )


def add_worlds(parser: argparse.ArgumentParser, *, worlds: int) -> None:
    """What is measured on generated worlds: --work, --center, --worlds, --people and --words."""
    parser.add_argument("--work", type=Path, required=True, help="folder that keeps everything")
    parser.add_argument(
        "--center", default="oracle", help="oracle, untrained, few-shot or an adapter"
    )
    parser.add_argument("--worlds", type=int, default=worlds, help="(%(default)s)")
    parser.add_argument("--people", type=int, default=40, help="people of a world, 6 to 200")
    parser.add_argument("--words", action="store_true", help="search by words only, no vectors")


def add_files(parser: argparse.ArgumentParser, name: str) -> None:
    """--out and --name: where the results are written."""
    parser.add_argument("--out", type=Path, default=Path("docs/results"), help="(%(default)s)")
    parser.add_argument("--name", default=name, help="of the files written (%(default)s)")


def add_speed(parser: argparse.ArgumentParser, *, threads: int = 1) -> None:
    """--slots and --threads of the local model."""
    parser.add_argument("--slots", type=int, default=4, help="calls at once (%(default)s)")
    parser.add_argument("--threads", type=int, default=threads, help="of llama.cpp (%(default)s)")


def hops_in(text: str) -> tuple[int, ...]:
    """Numbers of hops, each once, in order: of "1-8" or "1,2,4,8"."""
    first, _, last = text.partition("-")
    try:
        hops = range(int(first), int(last) + 1) if last else [int(h) for h in text.split(",")]
    except ValueError:
        hops = []
    if not hops or min(hops) < 1 or max(hops) > 8:
        raise argparse.ArgumentTypeError(f"{text}: hops are 1 to 8, as 1-8 or 1,2,4,8")
    return tuple(sorted(set(hops)))


def names_of(known: Sequence[str], what: str) -> Callable[[str], tuple[str, ...]]:
    """What reads names of `known`, commas between them."""

    def read(text: str) -> tuple[str, ...]:
        names = text.split(",")
        if unknown := [name for name in names if name not in known]:
            raise argparse.ArgumentTypeError(
                f"no {what} {unknown[0]!r}; known: {', '.join(dict.fromkeys(known))}"
            )
        return tuple(names)

    return read
