"""What leaves the service for `analytics` (docs/api.md, Events)."""

from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.events import (
    VOCABULARY,
    AttachmentAdded,
    AttachmentRemoved,
    CopiedFrom,
    DraftCreated,
    DraftDiscarded,
    DraftFieldChanged,
    DraftPublished,
    DraftRestored,
    Event,
    Recorded,
    TranscriptChanged,
)
from domain.text import Edit
from projections import redaction
from projections.history import Envelope, envelope
from projections.redaction import RedactedEnvelope, redacted

TASK, ACTOR, REQUEST, BRAND = (UUID(int=number) for number in (1, 2, 3, 4))
SECRET = "verborgen-☃"


def envelope_of(data: Event, request_id: str = str(REQUEST)) -> Envelope:
    return envelope(7, Recorded(TASK, 3, 1_000_000, ACTOR, request_id, "autosave", data), b"\xab" * 32)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (DraftCreated(60), {"ttl_seconds": 60}),
        (
            DraftCreated(60, CopiedFrom(ACTOR, 4)),
            {"ttl_seconds": 60, "copied_from": {"task_id": ACTOR, "version": 4}},
        ),
        (
            DraftFieldChanged("title", Edit(1, 2, "né☃😀")),
            {"field": "title", "edit": {"at": 1, "cut": 2, "insert_length": 4}},
        ),
        (
            DraftFieldChanged("description", Edit(0, 0, "")),
            {"field": "description", "edit": {"at": 0, "cut": 0, "insert_length": 0}},
        ),
        (DraftFieldChanged("requirements", value={"é": 1}), {"field": "requirements", "value_bytes": 8}),
        (DraftFieldChanged("requirements", value={}), {"field": "requirements", "value_bytes": 2}),
        (DraftFieldChanged("category", value="design"), {"field": "category", "value": "design"}),
        (DraftFieldChanged("task_type", value="logo"), {"field": "task_type", "value": "logo"}),
        (DraftFieldChanged("budget_usd", value=12.5), {"field": "budget_usd", "value": 12.5}),
        (DraftFieldChanged("experimentation", value=0), {"field": "experimentation", "value": 0}),
        (DraftFieldChanged("brand_kit_id", value=str(BRAND)), {"field": "brand_kit_id", "value": str(BRAND)}),
        (DraftFieldChanged("brand_kit_id"), {"field": "brand_kit_id", "value": None}),
        (TranscriptChanged(Edit(3, 1, "said")), {"edit": {"at": 3, "cut": 1, "insert_length": 4}}),
        (AttachmentAdded("https://example.org/é"), {"reference_length": 21}),
        (AttachmentRemoved("key"), {"reference_length": 3}),
        (DraftPublished(3.5), {"compute_budget": 3.5}),
        (DraftPublished(), {"compute_budget": None}),
        (DraftDiscarded(), {}),
        (DraftRestored(9), {"ttl_seconds": 9}),
    ],
)
def test_data_is_redacted_as_the_contract_lists(event: Event, expected: dict[str, Any]) -> None:
    assert redacted(envelope_of(event)).data == expected


def test_every_event_type_has_a_rule() -> None:
    assert redaction._RULES.keys() == VOCABULARY.keys()


def test_an_event_type_without_a_rule_is_refused() -> None:
    unknown = msgspec.structs.replace(envelope_of(DraftDiscarded()), type="Invented", data={"text": SECRET})

    with pytest.raises(LookupError):
        redacted(unknown)


def test_a_redacted_envelope_is_the_envelope_without_its_digest() -> None:
    whole = envelope_of(DraftDiscarded())

    shown = msgspec.to_builtins(redacted(whole))

    assert {**shown, "digest": whole.digest} == msgspec.to_builtins(whole)
    assert "digest" not in RedactedEnvelope.__struct_fields__


def test_a_text_that_was_once_recorded_whole_would_not_get_out_either() -> None:
    assert redacted(envelope_of(DraftFieldChanged("title", value=SECRET))).data == {"field": "title", "value_bytes": 15}


ID = "0b2f7c1e-5d0a-4f6e-9c3b-1a2b3c4d5e6f"


@pytest.mark.parametrize("key", ["my-secret-words", ID.upper(), f"{ID}x", "", ID.replace("-", "")])
def test_a_request_id_of_the_clients_making_is_left_out(key: str) -> None:
    assert redacted(envelope_of(DraftDiscarded(), key)).request_id == ""


def test_a_request_id_that_is_a_uuid_stays() -> None:
    assert redacted(envelope_of(DraftDiscarded())).request_id == str(REQUEST)


words = st.text(alphabet="ÄÖÜ☃😀", min_size=1, max_size=50)


@given(
    words.flatmap(
        lambda text: st.sampled_from(
            [
                DraftFieldChanged("title", Edit(0, 0, text)),
                DraftFieldChanged("description", Edit(5, 2, text)),
                DraftFieldChanged("requirements", value={text: [text, {text: text}]}),
                TranscriptChanged(Edit(0, 9, text)),
                AttachmentAdded(text),
                AttachmentRemoved(text),
            ]
        )
    )
)
def test_no_typed_character_and_no_digest_gets_out(event: Event) -> None:
    sent = msgspec.json.encode(redacted(envelope_of(event, "ÄÖÜ-key"))).decode()

    assert not set("ÄÖÜ☃😀") & set(sent)
    assert "ab" * 32 not in sent
