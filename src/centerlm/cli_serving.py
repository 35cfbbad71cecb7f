"""`centerlm serve`, `centerlm mcp` and `centerlm studio`: answer programs, and people."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from centerlm.cli_options import FOLDER, common, journal_option, no_memory_option
from centerlm.errors import InputError


@click.command(short_help="Answer other programs in OpenAI's format.")
@common
@click.option("--host", metavar="HOST", help="Address to listen on [default: 127.0.0.1].")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    help="Port [default: 8321]; 0: any free one.",
)
@click.option("--workers", type=click.IntRange(1, 64), metavar="N", help="Processes [default: 1].")
@no_memory_option
@journal_option
def serve(**given: Any) -> int:
    """Answer other programs in OpenAI's chat format, until stopped; print the base URL.

    Other machines are served only where CENTERLM_TOKEN holds a token. What is accepted and not
    answered when the server ends goes on at its next start.

    \b
    Example:
      centerlm serve --library my-library --port 8321
    """
    from centerlm.serving.server import plan_of, serve

    return serve(plan_of(**_plain(given)))


@click.command(short_help="Answer MCP clients: solve, plan, search, ingest.")
@common
@click.option("--http", is_flag=True, help="Over HTTP, at /mcp, not standard input and output.")
@click.option("--host", metavar="HOST", help="As of serve, with --http.")
@click.option("--port", type=click.IntRange(0, 65535), metavar="PORT", help="As of serve.")
@click.option(
    "--root",
    "roots",
    type=FOLDER,
    multiple=True,
    metavar="DIR",
    help="Folder that documents may be ingested from; may be repeated.",
)
@no_memory_option
@journal_option
def mcp(http: bool, roots: tuple[Path, ...], **given: Any) -> int:
    """Serve the tools solve, plan, search and ingest to clients of the Model Context Protocol.

    A client starts this command and talks over its standard input and output.

    \b
    Examples:
      centerlm mcp --library my-library --root my-documents
      centerlm mcp --http --port 8321
    """
    from centerlm.serving.server import plan_of, serve, serve_stdio

    plan = plan_of(roots=tuple(map(str, roots)), mcp=True, **_plain(given))
    return serve(plan) if http else serve_stdio(plan)


@click.command(short_help="Ask, guide and watch in a browser.")
@common
@click.option("--host", metavar="HOST", help="As of serve.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    default=8322,
    show_default=True,
    help="Port; 0: any free one.",
)
@click.option(
    "--also",
    "libraries",
    type=FOLDER,
    multiple=True,
    metavar="DIR",
    help="A further library to choose from; may be repeated.",
)
@click.option(
    "--reports",
    type=FOLDER,
    default=Path(),
    metavar="DIR",
    help="Folder with reports of evaluate [default: this one].",
)
@no_memory_option
@journal_option
def studio(libraries: tuple[Path, ...], reports: Path, **given: Any) -> int:
    """Open pages to ask, guide, remember, learn and evaluate, until stopped; print their address.

    Only this machine is served, unless CENTERLM_TOKEN holds a token to sign in with. What is asked
    and not answered when the studio ends goes on at its next start.

    \b
    Example:
      centerlm studio --library my-library
    """
    from centerlm.serving.server import Studio, plan_of, serve

    if not reports.is_dir():
        raise InputError(
            f"there is no folder {reports} for --reports; centerlm evaluate makes one as its --out"
        )
    folders = tuple(str(path.resolve()) for path in libraries)
    plan = plan_of(studio=Studio(folders, str(reports.resolve())), workers=1, **_plain(given))
    return serve(plan)


def _plain(given: dict[str, Any]) -> dict[str, Any]:
    return {k: str(v) if isinstance(v, Path) else v for k, v in given.items()}
