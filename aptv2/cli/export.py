"""`aptv2 export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def export(
    tracks: Annotated[Path, typer.Argument(help="A .tracks.json, or any annotations read here.")],
    to: Annotated[str, typer.Option(help="Format: coco (results), csv or mot.")],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="File to write.", show_default="beside TRACKS"),
    ] = None,
) -> None:
    """Write tracks in another format.

    Example: [cyan]aptv2 export out/clip.tracks.json --to mot[/]
    """
    import aptv2
    from aptv2.errors import InputError
    from aptv2.export import FORMATS

    if to not in FORMATS:
        raise InputError(f"--to {to}: there is no such format; choose from {', '.join(FORMATS)}")
    suffix, write = FORMATS[to]
    clip = tracks.name.removesuffix(".json").removesuffix(".tracks")
    output = output or tracks.with_name(clip + suffix)
    write(aptv2.read_annotations(tracks), output)
    typer.echo(f"Written: {output}")
