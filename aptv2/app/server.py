"""The server: its routes."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from aptv2.app.clips import Clip, pose_array
from aptv2.app.edits import Edit
from aptv2.app.finding import Box
from aptv2.app.guard import Guard
from aptv2.app.jobs import BusyError, Job
from aptv2.app.models import pose_networks, trackers
from aptv2.app.requests import in_time, read_model
from aptv2.app.results import TRACKS_SUFFIX
from aptv2.app.workspace import TooLargeError, Workspace
from aptv2.drawing.overlay import MIN_SCORE, NO_TRACK, OUTLINE, TRACK_COLOURS, parse_colour, tag_ink
from aptv2.errors import InputError
from aptv2.export import FORMATS, write, write_coco
from aptv2.reports.style import THEME
from aptv2.tables import PoseTable

TRACKS = "tracks"
"""The export that is no format of `aptv2 export`: the tracks as `aptv2 track` writes them."""
PAGE = Path(__file__).with_name("page")
_CLEAN_EVERY = 600.0  # seconds
_POLL = 0.05  # seconds


class Order(BaseModel):
    """Order for a clip: find its animals, or follow those in `boxes`."""

    model_config = ConfigDict(extra="forbid")

    boxes: list[Box] = Field(default=[], max_length=500)
    pose: str = "lite"
    tracker: str = "lite"
    flip_test: bool = False
    smooth: bool = False


class Where(BaseModel):
    """Frame in which to look for animals, counted from 0."""

    model_config = ConfigDict(extra="forbid")

    frame: int = Field(ge=0)


def create_app(
    workspace: Workspace, host: str = "127.0.0.1", token: str | None = None
) -> Starlette:
    """The server as an ASGI application, which closes the workspace at its end.

    Parameters
    ----------
    workspace
        Its clips.
    host, token
        See :class:`aptv2.app.guard.Guard`.
    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        cleaning = asyncio.create_task(_clean(workspace))
        try:
            yield
        finally:
            cleaning.cancel()
            await run_in_threadpool(workspace.close)

    clip = "/api/clips/{clip}"
    routes = [
        Route("/", _page),
        Route("/api/settings", _settings),
        Route("/api/clips", _upload, methods=["POST"]),
        Route(clip, _with_clip(_describe)),
        Route(clip, _with_clip(_remove), methods=["DELETE"]),
        Route(f"{clip}/first.jpg", _with_clip(_poster)),
        Route(f"{clip}/video.mp4", _with_clip(_video)),
        Route(f"{clip}/poses", _with_clip(_poses)),
        Route(f"{clip}/export/{{format}}", _with_clip(_export)),
        Route(f"{clip}/pose.mp4", _with_clip(_posed)),
        Route(f"{clip}/find", _with_clip(_find), methods=["POST"]),
        Route(f"{clip}/draw", _with_clip(_draw), methods=["POST"]),
        Route(f"{clip}/track", _with_clip(_track), methods=["POST"]),
        Route(f"{clip}/cancel", _with_clip(_cancel), methods=["POST"]),
        Route(f"{clip}/edits", _with_clip(_edit), methods=["POST"]),
        Route(f"{clip}/undo", _with_clip(_undo), methods=["POST"]),
        Route("/static/theme.css", _theme),
        Mount("/static", StaticFiles(directory=PAGE)),
    ]
    app = Starlette(
        routes=routes,
        middleware=[Middleware(Guard, host=host, token=token)],
        lifespan=lifespan,
        exception_handlers={InputError: _bad_input, HTTPException: _http_error},
    )
    app.state.workspace = workspace
    return app


async def _clean(workspace: Workspace) -> None:
    while True:
        await asyncio.sleep(_CLEAN_EVERY)
        workspace.remove_old()


Handler = Callable[[Request, Clip], Awaitable[Response]]


def _with_clip(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """A route of one clip; 404 where there is none."""

    async def handle(request: Request) -> Response:
        try:
            clip = request.app.state.workspace.get(request.path_params["clip"])
        except KeyError:
            raise HTTPException(404, "This clip has expired; upload it again.") from None
        return await handler(request, clip)

    return handle


async def _page(request: Request) -> Response:
    return FileResponse(PAGE / "index.html")


async def _theme(request: Request) -> Response:
    return Response(THEME, media_type="text/css")


async def _settings(request: Request) -> Response:
    workspace: Workspace = request.app.state.workspace
    return JSONResponse(
        {
            "poses": pose_networks(),
            "trackers": trackers(),
            "look": _look(),
            "formats": [{"name": name, "label": label} for name, label in _formats().items()],
            "maxBytes": workspace.max_bytes,
            "clips": [{"id": clip.id, "name": clip.name} for clip in workspace.clips.values()],
        }
    )


def _look() -> dict[str, Any]:
    """Colours and thresholds of the overlay video, for the page to draw alike."""
    colours = (*TRACK_COLOURS, NO_TRACK)
    return {
        "minScore": MIN_SCORE,
        "outline": OUTLINE,
        "noTrack": NO_TRACK,
        "tracks": TRACK_COLOURS,
        "tagInk": {colour: tag_ink(parse_colour(colour)) for colour in colours},
    }


def _formats() -> dict[str, str]:
    """Formats that can be downloaded, with a label each."""
    labels = {name: each.label for name, each in FORMATS.items() if each.available}
    return {TRACKS: "Tracks (JSON): what aptv2 track writes and aptv2 view opens", **labels}


async def _upload(request: Request) -> Response:
    workspace: Workspace = request.app.state.workspace
    length = request.headers.get("content-length", "")
    try:
        clip = await workspace.receive(
            request.query_params.get("name", ""),
            int(length) if length.isdecimal() else None,
            in_time(request.stream()),
        )
    except ClientDisconnect:
        return Response(status_code=499)
    except OSError as error:
        raise HTTPException(
            507, f"The upload cannot be saved: {error.strerror}; free some space and try again."
        ) from error
    return JSONResponse(clip.describe(), 201)


async def _describe(request: Request, clip: Clip) -> Response:
    return JSONResponse(clip.describe())


async def _remove(request: Request, clip: Clip) -> Response:
    request.app.state.workspace.remove(clip)
    return Response(status_code=204)


async def _poster(request: Request, clip: Clip) -> Response:
    return _file(clip.poster)


async def _video(request: Request, clip: Clip) -> Response:
    return _file(clip.proxy, media_type="video/mp4")


async def _posed(request: Request, clip: Clip) -> Response:
    return _file(clip.posed, "video/mp4", clip.posed.name)


async def _poses(request: Request, clip: Clip) -> Response:
    content = await run_in_threadpool(lambda: pose_array(clip.table).tobytes())
    return Response(content, media_type="application/octet-stream")


async def _export(request: Request, clip: Clip) -> Response:
    folder = Path(tempfile.mkdtemp(prefix="export-", dir=clip.folder))
    removal = BackgroundTask(shutil.rmtree, folder, ignore_errors=True)
    try:
        path = await run_in_threadpool(
            _write_export, clip.table, request.path_params["format"], folder, clip.name
        )
    except BaseException:
        await removal()
        raise
    return FileResponse(path, filename=path.name, background=removal)


def _write_export(table: PoseTable, format: str, folder: Path, stem: str) -> Path:
    """One file; a format of many becomes an archive."""
    if format == TRACKS:
        write_coco(table, path := folder / (stem + TRACKS_SUFFIX))
        return path
    path = write(table, format, folder, stem)
    if path.is_dir():
        return Path(shutil.make_archive(str(path), "zip", folder, path.name))
    return path


async def _track(request: Request, clip: Clip) -> Response:
    order = await read_model(request, Order)
    if not clip.uploaded:  # Its files are the user's, and would be written over.
        raise InputError(
            f"{clip.name} was opened with its tracks; drop its video on the page to track it again."
        )
    for chosen, known in ((order.pose, pose_networks()), (order.tracker, trackers())):
        if chosen not in known:
            raise InputError(f"Unknown network {chosen}; choose from {', '.join(known)}.")
    options = dict(order)
    title = "Following the animals" if order.boxes else "Finding the animals"
    return _begin(request, clip, Job(title, lambda report: clip.track(options, report)))


async def _find(request: Request, clip: Clip) -> Response:
    order = await read_model(request, Where)
    if clip.looking is not None:
        clip.looking.cancel()
    job = Job("Finding animals", lambda report: clip.find(order.frame, report))
    clip.looking = request.app.state.workspace.jobs.submit(job)
    while not job.over:
        await asyncio.sleep(_POLL)
        if await request.is_disconnected():
            job.cancel()
    if job.state != "done":
        raise InputError(job.error or "The search was cancelled.")
    return JSONResponse([box.model_dump() for box in job.result])


async def _draw(request: Request, clip: Clip) -> Response:
    return _begin(request, clip, Job("Drawing the video", clip.draw))


def _begin(request: Request, clip: Clip, job: Job) -> Response:
    """Queue work on a clip, whose first job prepares it and may still be running."""
    if any(not other.over for other in clip.jobs[1:]):
        raise HTTPException(409, f"{clip.name} is busy; wait, or cancel the work first.")
    clip.jobs.append(request.app.state.workspace.jobs.submit(job))
    return JSONResponse(clip.describe(), 202)


async def _cancel(request: Request, clip: Clip) -> Response:
    for job in clip.jobs[1:]:  # The first prepares the video, which is needed all the same.
        job.cancel()
    if clip.looking is not None:
        clip.looking.cancel()
    return JSONResponse(clip.describe())


async def _edit(request: Request, clip: Clip) -> Response:
    edit = await read_model(request, Edit)
    await run_in_threadpool(clip.edit, edit)
    return JSONResponse(clip.describe())


async def _undo(request: Request, clip: Clip) -> Response:
    await run_in_threadpool(clip.undo)
    return JSONResponse(clip.describe())


def _file(path: Path, media_type: str | None = None, filename: str | None = None) -> Response:
    if not path.is_file():
        raise HTTPException(404, "This is not ready yet; try again in a moment.")
    return FileResponse(path, media_type=media_type, filename=filename)


async def _bad_input(request: Request, error: Exception) -> Response:
    code = 413 if isinstance(error, TooLargeError) else 503 if isinstance(error, BusyError) else 400
    sentence = str(error)
    clip = request.app.state.workspace.clips.get(request.path_params.get("clip", ""))
    return _sentence(code, clip.plain(sentence) if clip else sentence)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _sentence(error.status_code, error.detail)


def _sentence(code: int, sentence: str) -> Response:
    # What was not read of the request is not worth reading: the connection ends.
    return JSONResponse(
        {"error": sentence}, code, {"connection": "close"} if code in (408, 413) else {}
    )
