"""Files from the web: checked, resumable, and there in one piece or not at all."""

from __future__ import annotations

import hashlib
import http.client
import re
import shutil
import warnings
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from ssl import SSLError
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from aptv2.errors import InputError
from aptv2.weights.files import LARGEST

Progress = Callable[[int, int | None], None]
"""Takes the bytes that are here and the bytes of the whole; None where that is not known."""

_CHUNK = 1 << 20
_TIMEOUT = 30.0  # seconds without a byte
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


def download(
    url: str,
    path: Path,
    checksums: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> str:
    """Fetch a file, going on where an earlier attempt broke off.

    What has come stays in `PATH.part` until the file is complete and its checksum right.

    Parameters
    ----------
    url
        An https address.
    path
        Where to.
    checksums
        What the file's SHA-256 has to begin with, hexadecimal, by who says so. The Hugging Face
        hub states one of its own, which is compared too. Where nobody does, a warning says so.
    progress
        Called after each piece.

    Returns
    -------
    str
        The checksum of the file.

    Raises
    ------
    InputError
        Where the address cannot be reached, the transfer breaks off, or what came is not what
        was to come.
    """
    part = path.with_name(path.name + ".part")
    redirects = _Redirects(url)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _fetch(url, part, redirects, progress)
        found = file_checksum(part)
        known = dict(checksums or {})
        if redirects.checksum:
            known["the hub"] = redirects.checksum
        for who, wanted in known.items():
            if not found.startswith(wanted):
                part.unlink()
                raise InputError(
                    f"{url}: the file's checksum begins with {found[: len(wanted)]}, but {who} "
                    f"says {wanted}; it was damaged or replaced, and is not kept."
                )
        part.replace(path)
        _version_note(part).unlink(missing_ok=True)
    except HTTPError as error:
        reason = " ".join(str(error.reason).split())
        raise InputError(f"{url}: the server answers {error.code} ({reason}).") from None
    except (URLError, http.client.HTTPException, ConnectionError, TimeoutError, SSLError) as error:
        cause = error.reason if isinstance(error, URLError) else error
        raise InputError(
            f"{url}: cannot be reached ({cause or type(error).__name__}); check the connection "
            "and run the command again."
        ) from None
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}.") from None
    if not known:
        warnings.warn(
            f"{url}: nobody says what the file's checksum should be; it is {found}", stacklevel=2
        )
    return found


def file_checksum(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


class _Redirects(HTTPRedirectHandler):
    """Follows redirects to https alone, and notes what the hub says of the file on the way."""

    max_redirections = 5

    def __init__(self, url: str) -> None:
        self.origin = url
        self.checksum = ""
        _check_address(url, url)

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> Request | None:
        _check_address(newurl, self.origin)
        self.note(headers)
        return super().redirect_request(req, fp, code, msg, headers, newurl)

    def note(self, headers: Any) -> None:
        """Keep the SHA-256 that the Hugging Face hub gives of large files."""
        stated = (headers.get("X-Linked-ETag") or "").strip('"')
        if re.fullmatch(r"[0-9a-f]{64}", stated):
            self.checksum = stated


def _check_address(url: str, origin: str) -> None:
    """Refuse anything but https; a server on this machine may go without."""
    where, first = urlsplit(url), urlsplit(origin)
    local = {where.hostname, first.hostname} <= _LOOPBACK
    if where.scheme != "https" and not (where.scheme == "http" and local):
        said = f"{origin}: sends us on to {url}, which" if url != origin else f"{url}:"
        raise InputError(f"{said} is no https address; not followed.")


def _version_note(part: Path) -> Path:
    """The file that says which version of a file `part` is the beginning of."""
    return part.with_name(part.name + ".version")


def _fetch(url: str, part: Path, redirects: _Redirects, progress: Progress | None) -> None:
    """Bring `part` to its full length."""
    opener = build_opener(redirects)
    headers = {"User-Agent": f"aptv2/{version('aptv2')}"}
    note = _version_note(part)
    have = part.stat().st_size if part.is_file() and note.is_file() else 0
    # Where the file has changed since, the server sends all of it.
    resume = {"Range": f"bytes={have}-", "If-Range": note.read_text()} if have else {}
    try:
        answer = opener.open(Request(url, headers=headers | resume), timeout=_TIMEOUT)
    except HTTPError as error:
        if not have or error.code != http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        answer = opener.open(Request(url, headers=headers), timeout=_TIMEOUT)
    with answer:
        redirects.note(answer.headers)
        if not answer.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            have = 0
        total = _length(url, answer, have, part.parent)
        validator = answer.headers.get("ETag") or answer.headers.get("Last-Modified") or "W/"
        if validator.startswith("W/"):  # a weak one says nothing of the single bytes
            note.unlink(missing_ok=True)
        else:
            note.write_text(validator)
        with part.open("ab" if have else "wb") as file:
            while chunk := answer.read(_CHUNK):
                have += len(chunk)
                if have > (total or LARGEST):
                    raise InputError(f"{url}: sends more than {total or LARGEST} bytes; stopped.")
                file.write(chunk)
                if progress:
                    progress(have, total)
    if total is not None and have < total:
        raise InputError(
            f"{url}: broke off after {have} of {total} bytes; run the command again, it goes on "
            "from there."
        )


def _length(url: str, answer: Any, have: int, folder: Path) -> int | None:
    """Bytes of the whole file, if there is room for it."""
    stated = answer.headers.get("Content-Length", "")
    if not stated.isdigit():
        return None
    total = have + int(stated)
    if total > LARGEST:
        raise InputError(f"{url}: says it has {total} bytes, more than any weights; not fetched.")
    if total - have > shutil.disk_usage(folder).free:
        raise InputError(f"{folder}: has no room for the {total} bytes of {url}")
    return total
