"""`centerlm adapter`: trained adapters between torch's form and llama.cpp's, and their mean."""

from __future__ import annotations

from pathlib import Path

import click

from centerlm.cli_options import FILE, FOLDER
from centerlm.errors import InputError


@click.group(short_help="Turn trained adapters into other forms, or into one.")
def adapter() -> None:
    """Turn trained adapters into the forms that other programs read.

    \b
    Examples:
      centerlm adapter export runs/a/adapter --gguf center.gguf
      centerlm adapter import center.gguf --out center-peft
      centerlm adapter mean runs/a/adapter runs/b/adapter --out runs/ab
    """


@adapter.command("export", short_help="Write a PEFT adapter as GGUF, or merged.")
@click.argument("peft", type=FOLDER)
@click.option("--gguf", type=FILE, metavar="FILE", help="Write a LoRA for llama.cpp here.")
@click.option("--merged", type=FOLDER, metavar="DIR", help="Write base and adapter as one here.")
@click.option(
    "--base",
    metavar="BASE",
    default="default",
    show_default=True,
    help="What it was trained on: default, a GGUF file, a folder, a hub name.",
)
@click.option("--notes", metavar="TEXT", help="What it was trained on, kept in the GGUF file.")
@click.option(
    "--dtype",
    type=click.Choice(["float32", "bfloat16", "float16"]),
    metavar="DTYPE",
    default="float32",
    show_default=True,
    help="Of merged weights: float32, bfloat16 or float16.",
)
def adapter_export(
    peft: Path, gguf: Path | None, merged: Path | None, base: str, notes: str | None, dtype: str
) -> None:
    """Write the PEFT adapter in the folder PEFT as a LoRA for llama.cpp, or merged with its base.

    Merged weights are a folder of safetensors that vLLM, Ollama and others read.

    \b
    Examples:
      centerlm adapter export runs/a/adapter --gguf center.gguf
      centerlm adapter export runs/a/adapter --merged center --dtype bfloat16
    """
    from centerlm.learning.adapters import merge, to_gguf
    from centerlm.models.lora import read_lora

    if (gguf is None) == (merged is None):
        raise InputError("say what to write: either --gguf FILE or --merged DIR")
    if merged is not None:
        merge(peft, merged, base=base, dtype=dtype)
        size = sum(file.stat().st_size for file in merged.iterdir())
        click.echo(f"{merged}: merged weights, {dtype}, {size / 1e6:.1f} MB")
    if gguf is not None:
        lora = read_lora(to_gguf(peft, gguf, base=_gguf(base), notes=notes))
        ranks = "/".join(str(r) for r in sorted({rank for _, rank, _ in lora.shapes.values()}))
        click.echo(
            f"{gguf}: LoRA of rank {ranks} on {len(lora.shapes)} matrices, "
            f"{gguf.stat().st_size / 1e6:.1f} MB"
        )


@adapter.command("import", short_help="Write a GGUF adapter as PEFT.")
@click.argument("file", type=FILE)
@click.option("--out", type=FOLDER, metavar="DIR", required=True, help="Folder to write.")
@click.option("--base", type=FILE, metavar="FILE", help="GGUF base of another tool's adapter.")
def adapter_import(file: Path, out: Path, base: Path | None) -> None:
    """Write the GGUF LoRA FILE as a PEFT folder, which transformers, TRL and vLLM load.

    \b
    Example:
      centerlm adapter import center.gguf --out center-peft
    """
    from centerlm.learning.adapters import to_peft

    to_peft(file, out, base=base)
    click.echo(f"{out}: PEFT adapter")


@adapter.command("mean", short_help="Write the mean of PEFT adapters.")
@click.argument("peft", type=FOLDER, nargs=-1, required=True)
@click.option("--out", type=FOLDER, metavar="DIR", required=True, help="Folder to write.")
def adapter_mean(peft: tuple[Path, ...], out: Path) -> None:
    """Write the mean of the weights of PEFT adapters as a PEFT folder.

    It is of runs that went on from the same adapter, on several cores or machines at once: it often
    does better than each of them, and training goes on from it.

    \b
    Examples:
      centerlm adapter mean runs/a/adapter runs/b/adapter --out runs/ab
      centerlm adapter export runs/ab --gguf center.gguf
    """
    from centerlm.learning.averaging import mean

    mean(peft, out)
    click.echo(f"{out}: the mean of {len(peft)} adapters")


def _gguf(base: str) -> Path:
    """The GGUF file that llama.cpp will run the adapter on."""
    from centerlm.models.weights import find

    if base == "default":
        return find("default")
    if not base.endswith(".gguf"):
        raise InputError(
            f"llama.cpp runs an adapter on a GGUF file, and {base!r} is none; give the base's GGUF "
            "file as --base"
        )
    return Path(base).expanduser()
