"""Starting the server: where it is bound to, and for how long it runs."""

from __future__ import annotations

import secrets
import socket
import webbrowser
from collections.abc import Callable
from contextlib import suppress

import uvicorn

from aptv2.app.guard import is_loopback
from aptv2.app.server import create_app
from aptv2.app.workspace import Workspace
from aptv2.errors import InputError

_MOST_CONNECTIONS = 200


def serve(
    workspace: Workspace,
    host: str = "127.0.0.1",
    port: int = 0,
    browser: bool = True,
    report: Callable[[str], object] = print,
) -> None:
    """Serve the page until Ctrl-C.

    Parameters
    ----------
    workspace
        Its clips.
    host
        The address to bind to. Only who opens the page with its token is let in.
    port
        0 takes a free one.
    browser
        Whether to open the page in the user's browser.
    report
        Takes the sentences for the user.

    Raises
    ------
    InputError
        Where the address cannot be bound to.
    """
    token = secrets.token_urlsafe(16)
    bound = _bind(host, port)
    name = f"[{host}]" if ":" in host else host
    address = f"http://{name}:{bound.getsockname()[1]}/"
    if not is_loopback(host):
        report(
            f"Warning: {host} is open to other machines; whoever has this address can use the "
            "page, and its traffic is not encrypted."
        )
    address += f"?token={token}"
    report(f"The page is at {address} (Ctrl-C stops it).")
    config = uvicorn.Config(
        create_app(workspace, host, token),
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=3,
        limit_concurrency=_MOST_CONNECTIONS,
    )
    if browser:
        webbrowser.open(address)
    with bound, suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[bound])


def _bind(host: str, port: int) -> socket.socket:
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(
            f"--host {host} --port {port}: cannot be used ({reason}); choose another."
        ) from error
