"""`aptv2 app`."""

from __future__ import annotations

from typing import Annotated

import typer

HOST = typer.Option(help="Address to bind to; beyond 127.0.0.1, other machines reach it.")
PORT = typer.Option(help="Port; 0 takes a free one.", min=0, max=65535)
BROWSER = typer.Option("--browser/--no-browser", help="Open the page in the browser.")


def app(
    host: Annotated[str, HOST] = "127.0.0.1",
    port: Annotated[int, PORT] = 0,
    max_upload: Annotated[float, typer.Option(help="Largest video, in GB.", min=0.001)] = 4.0,
    keep: Annotated[
        float, typer.Option(help="Hours until an upload that nobody looks at is removed.", min=0.01)
    ] = 24.0,
    browser: Annotated[bool, BROWSER] = True,
) -> None:
    """Open a page on this computer: drop a video, find its animals, correct and download tracks.

    Nothing is sent to the internet. What was uploaded is removed when the page is ended.

    Example: [cyan]aptv2 app[/]
    """
    need_app()
    from aptv2.app.serve import serve
    from aptv2.app.workspace import GIGABYTE, Workspace

    workspace = Workspace(round(max_upload * GIGABYTE), keep * 3600)
    try:
        serve(workspace, host, port, browser, typer.echo)
    finally:
        workspace.close()


def need_app() -> None:
    """Check that the extra is there.

    Raises
    ------
    InputError
        Where it is not.
    """
    from importlib.util import find_spec

    from aptv2.errors import InputError

    if find_spec("starlette") is None or find_spec("uvicorn") is None:
        raise InputError("the page needs the extra 'app'; run pip install 'aptv2[app]'.")
