"""The stored form of events: golden payloads, and how older versions are read."""

import json
from pathlib import Path
from uuid import UUID

import pytest
from eventsourcing.persistence import StoredEvent
from hypothesis import given
from hypothesis import strategies as st

from domain.events import (
    SCHEMA,
    VOCABULARY,
    AttachmentAdded,
    AttachmentRemoved,
    CopiedFrom,
    DraftCreated,
    DraftDiscarded,
    DraftExpired,
    DraftFieldChanged,
    DraftPublished,
    DraftRestored,
    Event,
    Json,
    Recorded,
    TranscriptChanged,
)
from domain.text import Edit
from service.store.codec import EventMapper, pack_request_id, unpack_request_id

GOLDEN = Path(__file__).parent.parent / "golden" / "events.ndjson"
"""One stored event a line, `[topic, state]`, of every version there ever was. Never edited, only added to."""

TASK = UUID("a988a781-2c2f-4c72-8563-e82c292251a9")
USER = UUID("3c90c3cc-0d44-4b50-8888-8dd25736052a")
OTHER = UUID("0e57cb61-a0de-48b2-a5bf-3dfb8c289c55")

EXPECTED: list[tuple[str, str, Event]] = [
    ("create", "1cb7e1d8-47f6-44eb-81ff-62f97cdfceda", DraftCreated(2592000)),
    ("duplicate", "k", DraftCreated(60, CopiedFrom(OTHER, 7))),
    ("autosave", "1cb7e1d8-47f6-44eb-81ff-62f97cdfceda", DraftFieldChanged("description", Edit(11, 2, 'ü"😀\n'))),
    ("autosave", "k", DraftFieldChanged("budget_usd", value=151.5)),
    ("autosave", "k", DraftFieldChanged("requirements", value={"b": [1, True, None], "a": {"c": "d"}})),
    ("revert", "k", DraftFieldChanged("brand_kit_id", value="3c90c3cc-0d44-4b50-8888-8dd25736052a")),
    ("revert", "k", DraftFieldChanged("brand_kit_id")),
    ("transcript", "k", TranscriptChanged(Edit(0, 3, ""))),
    ("attachment", "k", AttachmentAdded("https://example.com/a")),
    ("attachment", "k", AttachmentRemoved("key")),
    ("publish", "k", DraftPublished(1.01)),
    ("publish", "k", DraftPublished()),
    ("discard", "k", DraftDiscarded()),
    ("expire", "k", DraftExpired()),
    ("restore", "k", DraftRestored(60)),
]


def recorded(version: int, cause: str, request_id: str, data: Event) -> Recorded:
    actor = "system" if cause == "expire" else USER
    return Recorded(TASK, version, 1_790_000_000_123_456, actor, request_id, cause, data)  # type: ignore[arg-type]


def golden() -> list[tuple[str, str]]:
    return [tuple(json.loads(line)) for line in GOLDEN.read_text().splitlines()]


@pytest.mark.parametrize("number", range(len(EXPECTED)))
def test_a_golden_payload_is_read_as_the_event_that_it_was(number: int) -> None:
    topic, state = golden()[number]

    event = EventMapper().to_domain_event(StoredEvent(TASK, number + 1, topic, state.encode()))

    assert event == recorded(number + 1, *EXPECTED[number])


@pytest.mark.parametrize("number", range(len(EXPECTED)))
def test_events_are_written_as_the_golden_payloads_of_today(number: int) -> None:
    stored = EventMapper().to_stored_event(recorded(number + 1, *EXPECTED[number]))

    assert (stored.topic, stored.state.decode()) == golden()[number]


def test_every_event_in_every_version_has_a_golden_payload() -> None:
    covered = {(topic, json.loads(state)[0]) for topic, state in golden()}

    assert covered == {(name, version) for name in VOCABULARY for version in range(1, SCHEMA[name] + 1)}


def test_a_payload_of_an_older_version_is_brought_forward_step_by_step() -> None:
    def days_to_seconds(payload: list[Json]) -> list[Json]:
        return [payload[0] * 86400]

    def add_source(payload: list[Json]) -> list[Json]:
        return [*payload, None]

    mapper = EventMapper(
        schema={**SCHEMA, "DraftCreated": 3},
        upcasts={("DraftCreated", 1): days_to_seconds, ("DraftCreated", 2): add_source},
    )
    packed = EventMapper().to_stored_event(recorded(1, "create", "k", DraftCreated(30)))
    old, newer, newest = (
        StoredEvent(TASK, 1, "DraftCreated", packed.state.replace(b"[1,", b"[%d," % schema).replace(b"[30]", payload))
        for schema, payload in ((1, b"[30]"), (2, b"[2592000]"), (3, b"[2592000,null]"))
    )

    assert {mapper.to_domain_event(stored).data for stored in (old, newer, newest)} == {DraftCreated(2592000)}
    assert mapper.to_stored_event(recorded(1, "create", "k", DraftCreated(5))).state.startswith(b"[3,")


@given(st.uuids().map(str) | st.uuids().map(lambda u: str(u).upper()) | st.text("abcdef0123456789-~!", max_size=40))
def test_a_request_id_comes_back_as_it_was(request_id: str) -> None:
    assert unpack_request_id(pack_request_id(request_id)) == request_id
