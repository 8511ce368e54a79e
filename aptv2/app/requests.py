"""What the page sends, read with bounds on its length and on the time it takes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request

from aptv2.errors import InputError

_MAX_REQUEST = 2**20  # bytes of a request that is no upload
_PATIENCE = 30.0  # seconds that a client may be silent
_SLOWEST = 1000.0  # bytes a second that it sends at least, after that


async def read_model(request: Request, kind: type[Any]) -> Any:
    """A request's JSON as a model.

    Raises
    ------
    InputError
        Where it is no such thing; it names the field.
    HTTPException
        Where it is too long.
    """
    content = b""
    async for chunk in in_time(request.stream()):
        content += chunk
        if len(content) > _MAX_REQUEST:
            raise HTTPException(413, "This request is too long; send less at once.")
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "request"
        raise InputError(f"{field}: {first['msg']}.") from error


async def in_time(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The chunks of a request.

    Raises
    ------
    HTTPException
        Where one is waited for too long, or all come too slowly.
    """
    began, received = time.monotonic(), 0
    while True:
        try:
            chunk = await asyncio.wait_for(anext(chunks), _PATIENCE)
        except StopAsyncIteration:
            return
        except asyncio.TimeoutError:
            raise HTTPException(408, "The request came too slowly; try again.") from None
        received += len(chunk)
        if received < _SLOWEST * (time.monotonic() - began - _PATIENCE):
            raise HTTPException(408, "The request came too slowly; try again.")
        yield chunk
