"""`aptv2 export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def export(
    tracks: Annotated[Path, typer.Argument(help="A .tracks.json, or any annotations read here.")],
    to: Annotated[
        str,
        typer.Option(help="csv, parquet, dlc, dlc-csv, slp, nwb, coco, coco-keypoints, mot, yolo."),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", help="File (for yolo, folder) to write.", show_default="beside TRACKS"
        ),
    ] = None,
    video: Annotated[
        Path | None,
        typer.Option(help="The video of TRACKS.", show_default="the one beside them"),
    ] = None,
) -> None:
    """Write tracks or labels in the format of another tool.

    Labels of several videos become a file each, _VIDEO added to its name, in mot and nwb.

    Example: [cyan]aptv2 export out/clip.tracks.json --to slp --video clip.mp4[/]
    """
    from dataclasses import replace

    import aptv2
    from aptv2.datasets.records import check_there
    from aptv2.errors import InputError
    from aptv2.export import check_free, find_format
    from aptv2.export.formats import write_files
    from aptv2.files import check_target

    found = find_format(to, "--to")
    clip = (tracks.name if tracks.is_dir() else tracks.stem).removesuffix(".tracks")
    output = output or tracks.with_name(clip + found.suffix)
    check_free(output, found)
    if not found.folder:
        check_target(output)
    table = aptv2.read_annotations(tracks)
    if video is not None:
        check_there(video)
        table = replace(table, root=video)
    if output.resolve() == tracks.resolve():
        raise InputError(f"{output} is what is to be read; give another name with -o.")
    for path in write_files(table, found, output):
        typer.echo(f"Written: {path}")
