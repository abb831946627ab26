"""The pages for people and their files, from the folder `service/web`."""

import re
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from service.api.context import Context
from service.api.openapi.operation import CACHED, CONDITIONAL, HTML, NOT_MODIFIED, PAGE, Answer, Content, Operation
from service.api.responses import Response
from service.api.routing import route
from service.http.headers import Header
from service.http.problems import Problem
from service.http.request import Request, parse_uuid

WEB = Path(__file__).parents[2] / "web"

MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
"""The files that `/static` serves, by the end of their name."""

PUBLISHED = "autosave.js"
"""The file whose address `/static/autosave.js` is documented for other frontends; it imports the folder's."""

_FOLDER = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}\Z")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}(?:\.[a-z0-9]{1,16}){1,3}\Z")


@route(Operation("GET", "/", "Pages", "Write a task, with autosave", PAGE, ("not-found",), CONDITIONAL, public=True))
async def compose_page(context: Context, request: Request) -> Response:
    """Write a task, with autosave."""
    return _file(request, "compose/compose.html", HTML)


@route(
    Operation(
        "GET",
        "/replay/{task_id}",
        "Pages",
        "Watch the history of a task as a film",
        PAGE,
        ("malformed-parameter", "not-found"),
        ("task_id", *CONDITIONAL),
        public=True,
    )
)
async def replay_page(context: Context, request: Request, task_id: str) -> Response:
    """Watch the history of a task as a film."""
    parse_uuid(task_id, "task_id")
    return _file(request, "replay/replay.html", HTML)


@route(
    Operation(
        "GET", "/analytics", "Pages", "The stream of events, and charts", PAGE, ("not-found",), CONDITIONAL, public=True
    )
)
async def analytics_page(context: Context, request: Request) -> Response:
    """The stream of events, and charts."""
    return _file(request, "analytics/analytics.html", HTML)


@route(Operation("GET", "/docs", "Pages", "This document, as a page", PAGE, parameters=CONDITIONAL, public=True))
async def docs_page(context: Context, request: Request) -> Response:
    """The OpenAPI document as a page."""
    return _file(request, "docs/docs.html", HTML)


_FILE = (
    Answer(200, "The file.", CACHED, (Content("Text", ("file",), "*/*"),)),
    Answer(304, NOT_MODIFIED, CACHED),
)


@route(
    Operation(
        "GET",
        f"/static/{PUBLISHED}",
        "Pages",
        "The autosave client, a module for any frontend",
        _FILE,
        ("not-found",),
        CONDITIONAL,
        public=True,
    )
)
async def autosave_module(context: Context, request: Request) -> Response:
    """The autosave client."""
    return _file(request, PUBLISHED, MEDIA_TYPES[".js"])


@route(
    Operation(
        "GET",
        "/static/{folder}/{file}",
        "Pages",
        "A file of the pages",
        _FILE,
        ("not-found",),
        ("folder", "file", *CONDITIONAL),
        public=True,
    )
)
async def static_file(context: Context, request: Request, folder: str, file: str) -> Response:
    """A file of the pages."""
    media_type = MEDIA_TYPES.get(Path(file).suffix)
    if media_type is None or not _FOLDER.match(folder) or not _NAME.match(file):
        raise Problem("not-found")
    return _file(request, f"{folder}/{file}", media_type)


def page_response(request: Request, body: bytes, media_type: str = HTML) -> Response:
    """A body that caches ask about each time, so that an upgrade is seen at once."""
    tag = _tag(body)
    headers: list[Header] = [(b"etag", tag), (b"cache-control", b"no-cache")]
    if not request.matches_none(tag.decode().strip('"')):
        return Response(304, headers)
    return Response(200, [(b"content-type", media_type.encode()), *headers], body)


def _file(request: Request, name: str, media_type: str) -> Response:
    path = WEB / name
    try:
        body = _content(path, path.stat().st_mtime_ns)
    except FileNotFoundError:
        raise Problem("not-found") from None
    return page_response(request, body, media_type)


@lru_cache(maxsize=256)
def _content(path: Path, changed_at: int) -> bytes:
    """The bytes of a file, read again only when it has changed."""
    return path.read_bytes()


@lru_cache(maxsize=256)
def _tag(body: bytes) -> bytes:
    return b'"' + sha256(body).hexdigest()[:32].encode() + b'"'
