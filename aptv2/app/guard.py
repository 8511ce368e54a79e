"""Access to the server: for whoever has the token, as notebooks do it."""

from __future__ import annotations

import ipaddress
import secrets
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "aptv2_token_{port}"
"""Browsers send a cookie to every port of a machine, so each server has its own."""
_HEADERS = {
    # Nothing from elsewhere, no script in the page's text, and no frame around it.
    "content-security-policy": (
        "default-src 'self'; img-src 'self' blob:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}


class Guard:
    """Middleware that refuses what does not come from the page itself.

    A web site elsewhere can make a browser send requests here, under a name of its own that it
    lets point at this machine (DNS rebinding), or across sites. Both show in the headers.

    Parameters
    ----------
    app
        What is guarded.
    host
        The address that the server is bound to.
    token
        What everybody has to know who is let in, on this machine too: others may work on it. None
        lets everybody in.
    """

    def __init__(self, app: ASGIApp, host: str, token: str | None) -> None:
        self.app, self.host, self.token = app, host, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse with 403."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if refusal := self._refusal(scope, headers):
            await PlainTextResponse(refusal, 403)(scope, receive, send)
            return
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if self.token is not None and scope["path"] == "/" and self._is_token(given):
            # Into a cookie, and out of the address, which gets copied and kept in the history.
            response = RedirectResponse("/", 303)
            response.set_cookie(_name(scope), self.token, httponly=True, samesite="strict")
            await response(scope, receive, send)
            return
        if self.token is not None and not self._is_token(_cookie(headers, _name(scope))):
            await PlainTextResponse("Open the address that aptv2 printed, with its token.", 403)(
                scope, receive, send
            )
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        await self.app(scope, receive, send_guarded)

    def _refusal(self, scope: Scope, headers: Headers) -> str:
        """Reason to refuse a request; empty where there is none."""
        host = headers.get("host", "")
        if not self._knows(host):
            return "This name is not the page's own; open the address that aptv2 printed."
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            return "Requests from other sites are refused."
        opens_page = scope["method"] == "GET" and scope["path"] == "/"
        if headers.get("sec-fetch-site") in ("cross-site", "same-site") and not opens_page:
            return "Requests from other sites are refused."
        return ""

    def _knows(self, host: str) -> bool:
        """True if a Host header is a name of this server; a rebound name is no number."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name in ("localhost", self.host):
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return address.is_loopback or not is_loopback(self.host)

    def _is_token(self, given: str) -> bool:
        return secrets.compare_digest(given.encode(), (self.token or "").encode())


def is_loopback(host: str) -> bool:
    """Whether an address or name is this machine's own, which no other machine reaches."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _name(scope: Scope) -> str:
    return COOKIE.format(port=(scope.get("server") or ("", 0))[1])


def _cookie(headers: Headers, name: str) -> str:
    try:
        cookie = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return ""
    return cookie.value if cookie else ""
