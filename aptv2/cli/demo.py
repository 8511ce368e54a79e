"""`aptv2 demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aptv2.cli.track import track


def demo(
    video: Annotated[
        str | None,
        typer.Argument(help="Video to track.", show_default="a clip of a cat, made on the spot"),
    ] = None,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the results.")] = Path(
        "demo"
    ),
) -> None:
    """Run the whole pipeline once, on a sample clip or a video of your own.

    Example: [cyan]aptv2 demo -o demo[/]
    """
    if video is None:
        from aptv2.inference.demo import make_demo_clip

        video = str(make_demo_clip(output / "chelsea.mp4"))
    track([video], output)
