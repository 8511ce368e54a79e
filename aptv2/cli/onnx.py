"""`aptv2 weights export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def export(
    source: Annotated[
        str, typer.Argument(help="A network's name, a name of the list, or a weights file.")
    ],
    destination: Annotated[Path, typer.Argument(help="The .onnx file to write.")],
    onnx: Annotated[bool, typer.Option("--onnx", help="Write ONNX, the one format there is.")],
    expert: Annotated[
        str | None,
        typer.Option(help="Which network of a ViTPose++: ap10k, apt36k, coco, …"),
    ] = None,
) -> None:
    """Write a pose network as ONNX, for batches of any size, once its heatmaps equal torch's.

    `aptv2 track --pose` and `aptv2 test` take the file in place of a network; so does any other
    program that runs ONNX: what it has to know is in the file's metadata, under "aptv2".

    Example: [cyan]aptv2 weights export lite lite.onnx --onnx[/]
    """
    from aptv2.models.onnx_export import export_weights

    network, difference = export_weights(source, destination, expert)
    typer.echo(
        f"Written: {destination} ({network}); on random pictures its heatmaps differ from torch's "
        f"by at most {difference:.0e} of their standard deviation"
    )
