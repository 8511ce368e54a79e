"""`aptv2 weights`: a command a function."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aptv2.cli.onnx import export

if TYPE_CHECKING:
    from aptv2.weights.download import Progress

weights = typer.Typer(
    name="weights",
    help="List, fetch, inspect and convert weights of networks.",
    no_args_is_help=True,
)


@weights.command("list")
def list_(
    network: Annotated[
        str | None, typer.Argument(help="Only those of one network.", show_default="all")
    ] = None,
) -> None:
    """Show the weights that are known, and which of them are on this computer.

    AP is what was published, in percent: on APTv2's val where nothing else is said. MB is the size
    of the file that `pull` or `convert` writes.

    Example: [cyan]aptv2 weights list hrnet_w32[/]
    """
    from aptv2.models import registry
    from aptv2.weights.cache import weights_path
    from aptv2.weights.registry import DATA_PAGE, listed

    if network is not None:
        registry.spec(network)
    rows = [("name", "trained on", "started from", "AP", "MB", "licence", "from", "here")]
    for name, entry in listed().items():
        if network in (None, entry.network):
            ap = "-" if entry.ap is None else f"{entry.ap:.1f}"
            ap += "" if entry.ap_of == "val" else f" {entry.ap_of}"
            here = "yes" if entry.embedded or weights_path(name).is_file() else "-"
            where = entry.host if entry.url else f"{entry.page} (by hand)"
            where = "this package" if entry.embedded else where
            trained_on = f"{registry.spec(entry.network).title}, {entry.data}"
            size = "-" if entry.size is None else f"{entry.size:g}"
            licence = entry.licence or "-"
            rows.append((name, trained_on, entry.start, ap, size, licence, where, here))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        typer.echo("  ".join(cells).rstrip())
    if network is None:
        typer.echo(f"APTv2 itself, images and annotations: {DATA_PAGE} (by hand)")


@weights.command()
def pull(
    name: Annotated[
        str, typer.Argument(help="A name of the list, or OWNER/REPO of the Hugging Face hub.")
    ],
) -> None:
    """Fetch published weights, check them, and put them where they are found by name.

    Example: [cyan]aptv2 weights pull hrnet_w32-ap10k[/]
    """
    from aptv2.models.convert import pull

    with _shown(name) as progress:
        path = pull(name, progress)
    typer.echo(f"Here: {path}")


@weights.command()
def convert(
    source: Annotated[
        str, typer.Argument(help="A checkpoint, a Hugging Face folder, or OWNER/REPO of the hub.")
    ],
    destination: Annotated[
        Path | None,
        typer.Argument(help="The .safetensors file to write.", show_default="by --as"),
    ] = None,
    expert: Annotated[
        str | None,
        typer.Option(help="Which network of a ViTPose++: ap10k, apt36k, coco, …"),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("--as", help="What it is, a name of the list: then it is found by that."),
    ] = None,
) -> None:
    """Turn a checkpoint of another project into a file of this one, every number as it was.

    Example: [cyan]aptv2 weights convert vitpose+_base.pth vitpose_b.safetensors --expert ap10k[/]
    """
    from aptv2.models.convert import convert_weights

    with _shown(source) as progress:
        path = convert_weights(source, destination, expert, name, progress)
    typer.echo(f"Written: {path}")


@weights.command()
def inspect(
    source: Annotated[
        str, typer.Argument(help="A weights file, a Hugging Face folder, or a name of the list.")
    ],
    network: Annotated[
        str | None,
        typer.Option(help="The network to compare it with.", show_default="the nearest"),
    ] = None,
) -> None:
    """Show the tensors of a weights file, its network, and what does not fit that network.

    Works for files that no network here can use. What it prints is what a report of such a file
    should hold.

    Example: [cyan]aptv2 weights inspect ViTTrack.pth --network vittrack_b[/]
    """
    from aptv2.models.inspection import inspect_weights

    found = inspect_weights(source, network)
    numbers = sum(math.prod(shape) for _, shape, _ in found.tensors)
    typer.echo(f"{found.path}: {len(found.tensors)} tensors, {numbers:,} numbers")
    typer.echo(f"Looks like: {found.said}")
    if found.fit is None:
        typer.echo(f"Fits: no tensor fits {network or 'any network of this package'}")
    else:
        typer.echo(f"Fits: {found.fit}")
        for heading, names in (
            ("Missing", found.fit.missing),
            ("Left over", found.fit.unexpected),
            ("Of another shape", [_shapes(*each) for each in found.fit.misshapen]),
        ):
            if names:
                typer.echo(f"{heading}:\n" + "\n".join(f"  {name}" for name in names))
    typer.echo("Holds:")
    width = max((len(name) for name, _, _ in found.tensors), default=0)
    for name, shape, dtype in found.tensors:
        typer.echo(f"  {name.ljust(width)}  {'x'.join(map(str, shape)) or 'scalar'}  {dtype}")


def _shapes(name: str, own: tuple[int, ...], wanted: tuple[int, ...]) -> str:
    return f"{name}  {'x'.join(map(str, own))}, not {'x'.join(map(str, wanted))}"


weights.command()(export)


@contextmanager
def _shown(name: str) -> Iterator[Progress]:
    """A progress bar for a download, which appears with its first bytes."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

    columns = ("{task.description}", BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, visible=False)
        yield lambda have, total: bar.update(task, completed=have, total=total, visible=True)
