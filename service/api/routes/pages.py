"""The pages for people and their files, from the folder `service/web`."""

import re
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from service.api.context import Context
from service.api.replies import Reply
from service.api.routing import route
from service.http.headers import Header
from service.http.problems import Problem
from service.http.request import Call, parse_uuid

WEB = Path(__file__).parents[2] / "web"

HTML = "text/html; charset=utf-8"
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


@route("GET", "/")
async def compose_page(context: Context, call: Call) -> Reply:
    """Write a task, with autosave."""
    return _file(call, "compose/compose.html", HTML)


@route("GET", "/replay/{task_id:str}")
async def replay_page(context: Context, call: Call, task_id: str) -> Reply:
    """Watch the history of a task as a film."""
    parse_uuid(task_id, "task_id")
    return _file(call, "replay/replay.html", HTML)


@route("GET", "/analytics")
async def analytics_page(context: Context, call: Call) -> Reply:
    """The stream of events, and charts."""
    return _file(call, "analytics/analytics.html", HTML)


@route("GET", "/docs")
async def docs_page(context: Context, call: Call) -> Reply:
    """The OpenAPI document as a page."""
    return _file(call, "docs/docs.html", HTML)


@route("GET", f"/static/{PUBLISHED}")
async def autosave_module(context: Context, call: Call) -> Reply:
    """The autosave client."""
    return _file(call, PUBLISHED, MEDIA_TYPES[".js"])


@route("GET", "/static/{folder:str}/{file:str}")
async def static_file(context: Context, call: Call, folder: str, file: str) -> Reply:
    """A file of the pages."""
    media_type = MEDIA_TYPES.get(Path(file).suffix)
    if media_type is None or not _FOLDER.match(folder) or not _NAME.match(file):
        raise Problem("not-found")
    return _file(call, f"{folder}/{file}", media_type)


def page_reply(call: Call, body: bytes, media_type: str = HTML) -> Reply:
    """A body that caches ask about each time, so that an upgrade is seen at once."""
    tag = _tag(body)
    headers: list[Header] = [(b"etag", tag), (b"cache-control", b"no-cache")]
    if not call.matches_none(tag.decode().strip('"')):
        return Reply(304, headers)
    return Reply(200, [(b"content-type", media_type.encode()), *headers], body)


def _file(call: Call, name: str, media_type: str) -> Reply:
    path = WEB / name
    try:
        body = _content(path, path.stat().st_mtime_ns)
    except FileNotFoundError:
        raise Problem("not-found") from None
    return page_reply(call, body, media_type)


@lru_cache(maxsize=256)
def _content(path: Path, changed_at: int) -> bytes:
    """The bytes of a file, read again only when it has changed."""
    return path.read_bytes()


@lru_cache(maxsize=256)
def _tag(body: bytes) -> bytes:
    return b'"' + sha256(body).hexdigest()[:32].encode() + b'"'


ROUTES = [compose_page, replay_page, analytics_page, docs_page, autosave_module, static_file]
