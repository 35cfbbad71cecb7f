"""The reference of the command line, made from its help.

python tests/cli_reference.py > docs/reference/cli.md
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import click

from centerlm.cli import cli

WIDTH = 88
INTRODUCTION = """\
# The command line

Made from the help of the commands by `python tests/cli_reference.py`. `centerlm COMMAND --help`
prints the same.

Answers, citations and JSON go to standard output; steps as they end, and what went wrong, to
standard error. On a terminal the steps are drawn as a tree while they run.

| exit code | meaning |
|---|---|
| 0 | answered, or done |
| 1 | anything less than an answer; the best so far is printed |
| 2 | bad input, or missing weights |
| 130 | interrupted (Ctrl-C); 143 terminated, 129 the terminal was closed. The episode can go on |
"""


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command by the words it is called with."""

    def walk(path: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
        yield path, command
        if isinstance(command, click.Group):
            for name, below in command.commands.items():
                yield from walk(f"{path} {name}", below)

    return walk("centerlm", cli)


def help_of(path: str, command: click.Command) -> str:
    settings = {"terminal_width": WIDTH, "help_option_names": ["-h", "--help"]}
    context = click.Context(command, info_name=path, **settings)
    return command.get_help(context).rstrip()


def reference() -> str:
    parts = [INTRODUCTION]
    parts += [
        f"## {path}\n\n```text\n{help_of(path, command)}\n```\n" for path, command in commands()
    ]
    return "\n".join(parts)


if __name__ == "__main__":
    sys.stdout.write(reference())
