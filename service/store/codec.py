"""How an event is stored: the bytes of its state, and the rows of the log."""

import base64
import re
from binascii import a2b_base64
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

import msgspec
from eventsourcing.persistence import Mapper, StoredEvent, Transcoder
from typing_extensions import override

from domain.events import SCHEMA, UPCASTS, VOCABULARY, Actor, Cause, Json, Recorded, Upcast

_CANONICAL_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")


class State(msgspec.Struct, frozen=True, array_like=True):
    """What `draft_events.state` holds, as compact JSON.

    `occurred_at` in microseconds since 1970; ids as `pack` makes them; `payload` the event's fields in order,
    those at the end that are null left out.
    """

    schema: int
    occurred_at: int
    actor: str
    request_id: str
    cause: Cause
    payload: list[Json]


def pack_uuid(value: UUID) -> str:
    """The 16 bytes in base64url without padding, 22 characters instead of 36."""
    return _pack(value.bytes)


def _pack(sixteen: bytes) -> str:
    return base64.urlsafe_b64encode(sixteen)[:22].decode()


@lru_cache(maxsize=4096)
def unpack_uuid(text: str) -> UUID:
    """The uuid that `pack_uuid` made the text from."""
    return UUID(hex=_unpack(text))


def _unpack(text: str) -> str:
    """32 hexadecimal digits."""
    return a2b_base64(text.replace("-", "+").replace("_", "/") + "==").hex()


def pack_request_id(request_id: str) -> str:
    """A request id in canonical uuid form as a blank and 22 characters; any other as it is.

    An Idempotency-Key has no blanks, so that the two cannot be confused.
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


class EventMapper(Mapper[UUID]):
    """ContentionLock recorded events into the library's stored events and back, older versions brought forward."""

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
        self._encoder = msgspec.json.Encoder()
        self._decoder = msgspec.json.Decoder(State)

    @override
    def to_stored_event(self, domain_event: Recorded) -> StoredEvent:  # type: ignore[override]
        """The stored form. The topic is the event's stored name, never a Python path."""
        name = type(domain_event.data).__name__
        payload = list(msgspec.structs.astuple(domain_event.data))
        while payload and payload[-1] is None:
            payload.pop()
        actor = domain_event.actor
        state = (
            self._schema[name],
            domain_event.occurred_at,
            actor if isinstance(actor, str) else pack_uuid(actor),
            pack_request_id(domain_event.request_id),
            domain_event.cause,
            payload,
        )
        return StoredEvent(
            domain_event.originator_id, domain_event.originator_version, name, self._encoder.encode(state)
        )

    @override
    def to_domain_event(self, stored_event: StoredEvent) -> Recorded:
        """The recorded event. Raises msgspec.DecodeError, ValueError or LookupError for what no mapper wrote."""
        name = stored_event.topic
        state = self._decoder.decode(stored_event.state)
        payload = state.payload
        for version in range(state.schema, self._schema[name]):
            payload = self._upcasts[name, version](payload)
        actor: Actor = "system" if state.actor == "system" else unpack_uuid(state.actor)
        assert isinstance(stored_event.originator_id, UUID)
        return Recorded(
            stored_event.originator_id,
            stored_event.originator_version,
            state.occurred_at,
            actor,
            unpack_request_id(state.request_id),
            state.cause,
            msgspec.convert(payload, VOCABULARY[name]),
        )


class StoredRow(NamedTuple):
    """One row of the log."""

    position: int
    stored: StoredEvent
    digest: bytes


class LogRow(NamedTuple):
    """An event as it is stored, without the task that it belongs to."""

    position: int
    version: int
    topic: str
    state: bytes
    digest: bytes
