"""Options and types of options that several commands have."""

from __future__ import annotations

from pathlib import Path

import click

FILE = click.Path(path_type=Path, dir_okay=False)
FOLDER = click.Path(path_type=Path, file_okay=False)

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
