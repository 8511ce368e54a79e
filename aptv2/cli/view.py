"""`aptv2 view`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aptv2.cli.app import BROWSER, HOST, PORT, need_app


def view(
    results: Annotated[
        Path, typer.Argument(help="A .tracks.json, the folder it is in, or other annotations.")
    ],
    video: Annotated[
        Path | None,
        typer.Option(help="Its video, or folder of images.", show_default="look beside RESULTS"),
    ] = None,
    rerun: Annotated[
        Path | None,
        typer.Option(help="Write a Rerun recording (.rrd) in place of opening the page."),
    ] = None,
    host: Annotated[str, HOST] = "127.0.0.1",
    port: Annotated[int, PORT] = 0,
    browser: Annotated[bool, BROWSER] = True,
) -> None:
    """Look at tracks over their video, and correct them; nothing is computed.

    Corrections are saved as NAME.edited1.tracks.json beside RESULTS; the original stays.

    Example: [cyan]aptv2 view out/clip.tracks.json --video clip.mp4[/]
    """
    if rerun is not None:
        from aptv2.app.recording import write_recording
        from aptv2.app.results import read_result

        table, source = read_result(results, video)
        write_recording(table, rerun, source)
        typer.echo(f"Written: {rerun}")
        return
    need_app()
    from aptv2.app.serve import serve
    from aptv2.app.workspace import Workspace

    workspace = Workspace()
    try:
        workspace.open_result(results, video)
        serve(workspace, host, port, browser, typer.echo)
    finally:
        workspace.close()
