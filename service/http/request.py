"""One HTTP request as the routes see it: its user, headers, query and body, and the write request made of them."""

import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from functools import lru_cache
from hashlib import sha256
from random import getrandbits
from typing import Any, NoReturn
from urllib.parse import parse_qsl
from uuid import UUID

import msgspec
from litestar.datastructures.headers import Accept
from msgspec.structs import replace

from domain.commands import Command, Metadata
from projections.current_task import Snapshot
from projections.times import moment_of, parse_rfc3339
from service.http.auth import UUID_TEXT, User
from service.http.headers import Header
from service.http.problems import Problem
from service.writing.requests import IdempotencyKey, WriteRequest

MAX_BODY = 256 * 1024
"""Bytes of a request's body."""

MAX_DRAINED = 2 * 1024 * 1024
"""Bytes that are read of a body that is refused for its size."""

MAX_VERSION = 2**63 - 1
"""The largest version or position: PostgreSQL's bigint."""

Receive = Callable[[], Awaitable[Any]]

TASKS = "/api/v1/tasks"
"""The path of the tasks."""

_TASK_PATH = re.compile(TASKS + r"/[^/]{36}\Z")
_TAG = re.compile(r'(?:W/)?"([0-9]{1,19})(?:-[a-z]{1,16})?"\Z')
_ENCODING_SUFFIX = re.compile(r'-(?:gzip|br|deflate|zstd)"\Z')
_KEY = re.compile(rb"[\x21-\x7e]{1,64}\Z")
_WHOLE = re.compile(r"-?[0-9]{1,100}\Z")


class Disconnected(Exception):
    """The client left before its request was complete."""


class Request:
    """One request. `now` is when it arrived, with its body if it has one, in microseconds since 1970, UTC.

    `known_user` is None without a token. `parameters` are those that the route's query may have, and whether more than
    once; None where any may stand.

    `response_headers` are those that the response has in addition to its own, whatever it is.
    """

    __slots__ = (
        "clock",
        "headers",
        "is_autosave",
        "known_user",
        "method",
        "now",
        "parameters",
        "path",
        "query_string",
        "receive",
        "request_id",
        "response_headers",
        "scope",
    )

    def __init__(self, scope: MutableMapping[str, Any], receive: Receive, clock: Callable[[], int]) -> None:
        self.scope = scope
        self.receive = receive
        self.clock = clock
        self.now = clock()
        self.parameters: Mapping[str, bool] | None = {}
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.query_string: bytes = scope["query_string"]
        self.headers = read_headers(scope["headers"])
        self.request_id = _request_id(self.headers.get(b"x-request-id"))
        self.known_user: User | None = None
        self.response_headers: list[Header] = [(b"x-request-id", self.request_id.encode())]
        self.is_autosave = self.method == "PATCH" and _TASK_PATH.match(self.path) is not None

    @property
    def user(self) -> User:
        """The user of the token. Raises the problem `unauthorized` where there is none."""
        if self.known_user is None:
            raise Problem("unauthorized")
        return self.known_user

    def require_scope(self, *scopes: str) -> None:
        """Raise the problem `forbidden` unless the token has one of the scopes."""
        if not self.user.scopes.intersection(scopes):
            raise Problem("forbidden", f"The token needs the scope {' or '.join(scopes)}.")

    def header(self, name: bytes) -> str | None:
        """A header's value, or None."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")

    def media_type(self) -> str:
        """The body's media type without parameters, in lower case; "" where none is given."""
        return (self.header(b"content-type") or "").partition(";")[0].strip().lower()

    async def body(self) -> bytes:
        """The complete body. Raises the problem `body-too-large`, and `Disconnected` where the client leaves."""
        length = self.headers.get(b"content-length", b"0").lstrip(b"0")
        if length.isdigit() and (len(length) > 10 or int(length) > MAX_BODY):
            await self._refuse_size(0)
        message = await self.receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        body: bytes = message.get("body", b"")
        while message.get("more_body") and len(body) <= MAX_BODY:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise Disconnected
            body += message.get("body", b"")
        if len(body) > MAX_BODY:
            await self._refuse_size(len(body) if message.get("more_body") else MAX_DRAINED)
        return body

    async def _refuse_size(self, received: int) -> NoReturn:
        """Read up to `MAX_DRAINED` bytes first: a client that is cut off while it sends never sees the response."""
        if b"expect" not in self.headers:
            while received < MAX_DRAINED:
                message = await self.receive()
                received += len(message.get("body", b""))
                if not message.get("more_body"):
                    break
        raise Problem("body-too-large")

    async def json_body(self, *media_types: str, optional: bool = False) -> bytes:
        """The body where its media type is one of those named; b"" where there is none and it is optional."""
        media_type = self.media_type()
        if media_type not in media_types and not (optional and media_type == "" and not self._has_body()):
            raise Problem("unsupported-media-type", f"Send {' or '.join(media_types)}.")
        if self.headers.get(b"content-encoding", b"identity").strip().lower() not in (b"", b"identity"):
            raise Problem("unsupported-media-type", "Send the body without Content-Encoding.")
        return await self.body()

    def _has_body(self) -> bool:
        return self.headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in self.headers

    def expected(self) -> tuple[int, ...] | None:
        """The versions that If-Match names: None without the header, () for `*`."""
        value = self.header(b"if-match")
        if value is None:
            return None
        if value.strip() == "*":
            return ()
        tags = [_TAG.match(tag.strip()) for tag in value.split(",")]
        if not all(tags):
            raise Problem("malformed-parameter", 'If-Match must be "<version>", a list of them, or *.')
        return tuple(int(tag[1]) for tag in tags if tag)

    def matches_none(self, tag: int | str) -> bool:
        """Whether If-None-Match leaves the representation `tag` to be sent (RFC 9110, weak comparison)."""
        value = self.header(b"if-none-match")
        if value is None:
            return True
        tags = {_ENCODING_SUFFIX.sub('"', tag.strip().removeprefix("W/")) for tag in value.split(",")}
        return "*" not in tags and f'"{tag}"' not in tags

    def preferred(self, *media_types: str) -> str:
        """The one of the media types that Accept prefers, the first where it names none of them (RFC 9110)."""
        best = Accept(self.header(b"accept") or "").best_match([*media_types], default=media_types[0])
        return best or media_types[0]

    def idempotency_key(self, body: bytes, status: int) -> IdempotencyKey | None:
        """The request's key, with the hash of method, target and body, for a success of `status`."""
        value = self.headers.get(b"idempotency-key")
        if value is None:
            return None
        if not _KEY.match(value):
            raise Problem("malformed-parameter", "Idempotency-Key must have 1 to 64 visible ASCII characters.")
        media_type = self.media_type().encode()
        request = b"\n".join((self.method.encode(), self.path.encode(), self.query_string, media_type, body))
        return IdempotencyKey(self.user.id, value.decode(), sha256(request).digest(), status)

    async def read_change(
        self, status: int, *media_types: str, optional: bool = False
    ) -> tuple[bytes, IdempotencyKey | None]:
        """The body and the key of a change that answers `status`; refused in the order of docs/api.md, Errors."""
        body = await (self.json_body(*media_types, optional=optional) if media_types else self.body())
        self.now = self.clock()
        self.query()
        key = self.idempotency_key(body, status)
        self.expected()
        return body, key

    async def read_task_change(
        self, task_id: str, status: int, *media_types: str
    ) -> tuple[UUID, bytes, IdempotencyKey | None]:
        """As `read_change`, with the id of the task from the path."""
        body, key = await self.read_change(status, *media_types)
        return parse_uuid(task_id, "task_id"), body, key

    def metadata(self) -> Metadata:
        """The user, the time and the condition; the request id is the Idempotency-Key where there is one."""
        key = self.header(b"idempotency-key")
        return Metadata(self.now, self.user.id, key or self.request_id, self.expected())

    def write_request(
        self,
        task_id: UUID,
        command: Command,
        key: IdempotencyKey | None,
        *,
        proven: Snapshot | None = None,
        precondition: Callable[[], None] | None = None,
    ) -> WriteRequest:
        """The command for the writer, in the user's name. A `precondition` takes the place of If-Match."""
        metadata = self.metadata()
        if precondition:
            metadata = replace(metadata, expected=None)
        return WriteRequest(task_id, command, metadata, key, proven, precondition)

    def query(self) -> "Query":
        """The query's parameters. Raises the problem `malformed-parameter`, also for one that is not declared."""
        return Query(self.query_string, self.parameters)


class Query:
    """The parameters of a query. `declared` are those that it may have, and whether more than once; None: any."""

    def __init__(self, query_string: bytes, declared: Mapping[str, bool] | None) -> None:
        try:
            pairs = parse_qsl(query_string.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=100)
        except ValueError:
            raise Problem("malformed-parameter", "The query is not UTF-8, percent-encoded.") from None
        self._values: dict[str, str] = {}
        for name, value in pairs:
            if "\0" in name + value:
                raise Problem("malformed-parameter", "The query contains U+0000.")
            if declared is None:
                self._values[name] = value
                continue
            if name not in declared:
                known = ", ".join(declared) or "none"
                raise Problem("malformed-parameter", f"There is no parameter {name[:64]!r} here: {known}.")
            if name not in self._values:
                self._values[name] = value
            elif declared[name]:
                self._values[name] += f",{value}"
            else:
                raise Problem("malformed-parameter", f"The parameter {name} is repeated.")

    def pairs(self) -> list[tuple[str, str]]:
        """All parameters; the values of one that was repeated are joined by commas."""
        return list(self._values.items())

    def text(self, name: str) -> str | None:
        """A parameter's text, None where it is absent."""
        return self._values.get(name)

    def required(self, name: str) -> str:
        """A parameter's text."""
        value = self._values.get(name)
        if value is None:
            raise Problem("malformed-parameter", f"The parameter {name} is required.")
        return value

    def whole(self, name: str, default: int, low: int, high: int) -> int:
        """A whole number from `low` to `high`."""
        text = self._values.get(name)
        if text is None:
            return default
        if not (text.isascii() and text.isdigit() and len(text) < 20) or not low <= int(text) <= high:
            raise Problem("malformed-parameter", f"{name} must be a whole number from {low} to {high}.")
        return int(text)

    def version(self, name: str) -> int | None:
        """A version, whether it exists or not; None where it is absent."""
        text = self._values.get(name)
        if text is None:
            return None
        if not _WHOLE.match(text):
            raise Problem("malformed-parameter", f"{name} must be a version, a whole number.")
        return max(0, min(int(text), MAX_VERSION))

    def choice(self, name: str, choices: tuple[str, ...]) -> str | None:
        """One of `choices`, None where it is absent."""
        text = self._values.get(name)
        if text is not None and text not in choices:
            raise Problem("malformed-parameter", f"{name} must be one of {', '.join(choices)}.")
        return text

    def moment(self, name: str) -> int | None:
        """A time in microseconds since 1970, None where it is absent."""
        text = self._values.get(name)
        if text is None:
            return None
        try:
            # A plus sign that was not percent-encoded has become a space.
            moment = parse_rfc3339(text.replace(" ", "+") if "T" in text.upper() else text)
            moment_of(moment)  # within the calendar in UTC, too
            return moment
        except (ValueError, OverflowError, msgspec.ValidationError):
            raise Problem("malformed-parameter", f"{name} must be an RFC 3339 date-time with an offset.") from None

    def identifier(self, name: str) -> UUID | None:
        """A uuid, None where it is absent."""
        text = self._values.get(name)
        return None if text is None else parse_uuid(text, name)


@lru_cache(maxsize=4096)
def parse_uuid(text: str, name: str) -> UUID:
    """A uuid in its canonical form, either case. Raises the problem `malformed-parameter`."""
    if not UUID_TEXT.match(text):
        raise Problem("malformed-parameter", f"{name} must be a uuid.")
    return UUID(text)


def read_headers(raw: list[Header]) -> dict[bytes, bytes]:
    """Headers by their lower-case name; one that is repeated becomes a list."""
    headers: dict[bytes, bytes] = {}
    for name, value in raw:
        headers[name] = headers[name] + b", " + value if name in headers else value
    return headers


def _request_id(given: bytes | None) -> str:
    """The client's X-Request-Id where it is a uuid, else a new one."""
    if given is not None and UUID_TEXT.match(given.decode("latin-1")):
        return given.decode("latin-1").lower()
    return _new_uuid()


def _new_uuid() -> str:
    """A random uuid (version 4) as text, made without a UUID object. It is not a secret."""
    digits = f"{getrandbits(128):032x}"
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"
