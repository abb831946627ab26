"""The stored form of an event, and a row of the log: as bytes (`LogRow`), and decoded (`LoggedEvent`)."""

import base64
import re
import struct
from binascii import a2b_base64
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

import msgspec
from eventsourcing.persistence import Mapper, StoredEvent, Transcoder
from typing_extensions import override

from domain.errors import HistoryCorrupt
from domain.events import SCHEMA, UPCASTS, VOCABULARY, Actor, Cause, Json, Recorded, Upcast

UNREADABLE = (ValueError, LookupError, TypeError, AssertionError, AttributeError, RecursionError, struct.error)
"""What decoding and evolving raise for events that no command can have recorded."""

_CANONICAL_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")


class LogRow(NamedTuple):
    """A row of `draft_events` as it is stored; the digest has 32 bytes."""

    position: int
    task_id: UUID
    version: int
    topic: str
    state: bytes
    digest: bytes


class LoggedEvent(NamedTuple):
    """A row of `draft_events`, decoded."""

    position: int
    event: Recorded
    digest: bytes


class State(msgspec.Struct, frozen=True, array_like=True):
    """What `draft_events.state` holds, as compact JSON.

    `occurred_at` in microseconds since 1970; ids as `pack_uuid` and `pack_request_id` write them; `payload` the event's
    fields in order, without the nulls at the end.
    """

    schema: int
    occurred_at: int
    actor: str
    request_id: str
    cause: Cause
    payload: list[Json]


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(State).decode


def encode_state(event: Recorded, schema: dict[str, int] = SCHEMA) -> bytes:
    """The stored bytes of an event, without its task, version and type."""
    payload = list(msgspec.structs.astuple(event.data))
    while payload and payload[-1] is None:
        payload.pop()
    actor = event.actor
    return _encode(
        (
            schema[type(event.data).__name__],
            event.occurred_at,
            actor if isinstance(actor, str) else pack_uuid(actor),
            pack_request_id(event.request_id),
            event.cause,
            payload,
        )
    )


def decode_event(
    task_id: UUID,
    version: int,
    topic: str,
    state: bytes,
    schema: dict[str, int] = SCHEMA,
    upcasts: dict[tuple[str, int], Upcast] = UPCASTS,
) -> Recorded:
    """The event of a stored row, brought forward from an older schema. Raises one of `UNREADABLE`."""
    stored = _decode(state)
    payload = stored.payload
    for number in range(stored.schema, schema[topic]):
        payload = upcasts[topic, number](payload)
    actor: Actor = "system" if stored.actor == "system" else unpack_uuid(stored.actor)
    return Recorded(
        task_id,
        version,
        stored.occurred_at,
        actor,
        unpack_request_id(stored.request_id),
        stored.cause,
        msgspec.convert(payload, VOCABULARY[topic]),
    )


def recorded(row: LogRow) -> Recorded:
    """The event of a row. Raises `HistoryCorrupt` for bytes that no command recorded."""
    try:
        return decode_event(row.task_id, row.version, row.topic, row.state)
    except UNREADABLE:
        raise HistoryCorrupt(row.version, "event-unreadable", "The stored event cannot be read.") from None


def logged(row: LogRow) -> LoggedEvent:
    """The row, decoded. Raises `HistoryCorrupt` as `recorded` does."""
    return LoggedEvent(row.position, recorded(row), row.digest)


class EventMapper(Mapper[UUID]):
    """The `eventsourcing` library's mapper over the stored form. Topics are the events' names, never Python paths."""

    def __init__(
        self,
        transcoder: Transcoder | None = None,
        compressor: None = None,
        cipher: None = None,
        *,
        schema: dict[str, int] = SCHEMA,
        upcasts: dict[tuple[str, int], Upcast] = UPCASTS,
    ) -> None:
        self._schema = schema
        self._upcasts = upcasts

    @override
    def to_stored_event(self, domain_event: Recorded) -> StoredEvent:  # type: ignore[override]
        """The stored form of an event."""
        return StoredEvent(
            domain_event.originator_id,
            domain_event.originator_version,
            type(domain_event.data).__name__,
            encode_state(domain_event, self._schema),
        )

    @override
    def to_domain_event(self, stored_event: StoredEvent) -> Recorded:
        """The recorded event. Raises one of `UNREADABLE`."""
        task_id = stored_event.originator_id
        assert isinstance(task_id, UUID)
        return decode_event(
            task_id,
            stored_event.originator_version,
            stored_event.topic,
            stored_event.state,
            self._schema,
            self._upcasts,
        )


def pack_uuid(value: UUID) -> str:
    """The 16 bytes in base64url without padding: 22 characters instead of 36."""
    return _pack(value.bytes)


@lru_cache(maxsize=4096)
def unpack_uuid(text: str) -> UUID:
    """The uuid that `pack_uuid` made the text from."""
    return UUID(hex=_unpack(text))


def pack_request_id(request_id: str) -> str:
    """A request id in canonical uuid form as a blank and 22 characters; any other as it is.

    An Idempotency-Key has no blanks, so the two cannot be confused.
    """
    if _CANONICAL_UUID.match(request_id):
        return " " + _pack(bytes.fromhex(request_id.replace("-", "")))
    return request_id


def unpack_request_id(text: str) -> str:
    """The request id that `pack_request_id` made the text from."""
    if not text.startswith(" "):
        return text
    digits = _unpack(text[1:])
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _pack(sixteen: bytes) -> str:
    return base64.urlsafe_b64encode(sixteen)[:22].decode()


def _unpack(text: str) -> str:
    """32 hexadecimal digits."""
    return a2b_base64(text.replace("-", "+").replace("_", "/") + "==").hex()
