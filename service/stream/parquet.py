"""Events as Parquet: typed columns; those of text and of digests are not there where the export is redacted.

The only module that imports pyarrow, which the extra `analytics` installs.
"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from domain.events import SCHEMA as SCHEMA_VERSIONS
from projections.history import data_of
from projections.redaction import redacted_data, redacted_request_id
from service.store.codec import LoggedEvent

_NAME = pa.dictionary(pa.int32(), pa.string())
_TIME = pa.timestamp("us", tz="UTC")

SCHEMA = pa.schema(
    [
        pa.field("position", pa.int64(), nullable=False),
        pa.field("task_id", pa.string(), nullable=False),
        pa.field("version", pa.int64(), nullable=False),
        pa.field("type", _NAME, nullable=False),
        pa.field("schema", pa.int16(), nullable=False),
        pa.field("occurred_at", _TIME, nullable=False),
        pa.field("actor", pa.string(), nullable=False),
        pa.field("request_id", pa.string(), nullable=False),
        pa.field("cause", _NAME, nullable=False),
        ("field", _NAME),
        ("edit_at", pa.int32()),
        ("edit_cut", pa.int32()),
        ("edit_insert", pa.string()),
        ("edit_insert_length", pa.int32()),
        ("value", pa.string()),
        ("value_bytes", pa.int32()),
        ("reference", pa.string()),
        ("reference_length", pa.int32()),
        ("ttl_seconds", pa.int64()),
        ("copied_from_task_id", pa.string()),
        ("copied_from_version", pa.int64()),
        ("compute_budget", pa.float64()),
        ("digest", pa.string()),
    ]
)
"""The columns; `value` is JSON text. Lengths are there in a whole export too."""

_NOT_REDACTED = ("edit_insert", "reference", "digest")
"""Columns that only a whole export has."""

_NONE: dict[str, Any] = {}
_encode = msgspec.json.Encoder().encode


def write(path: Path, rows: Sequence[LoggedEvent], redact: bool) -> None:
    """One file with these events."""
    columns = _columns(rows, redact)
    fields = [field for field in SCHEMA if not (redact and field.name in _NOT_REDACTED)]
    arrays = [_array(columns[field.name], field.type) for field in fields]
    pq.write_table(pa.Table.from_arrays(arrays, schema=pa.schema(fields)), path, compression="zstd")


def _array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    if kind == _NAME:
        return pa.array(values, pa.string()).dictionary_encode()
    return pa.array(values, kind)


def _columns(rows: Sequence[LoggedEvent], redact: bool) -> dict[str, list[Any]]:
    """The values by the names of `SCHEMA`, a column at a time: no object is made of an event but its data."""
    events = [row.event for row in rows]
    types = [type(event.data).__name__ for event in events]
    data = [data_of(event.data) for event in events]
    request_ids = [event.request_id for event in events]
    if redact:
        data = list(map(redacted_data, types, data))
        request_ids = list(map(redacted_request_id, request_ids))
    edits = [each.get("edit", _NONE) for each in data]
    sources = [each.get("copied_from", _NONE) for each in data]
    return {
        "position": [row.position for row in rows],
        "task_id": [_text(event.originator_id) for event in events],
        "version": [event.originator_version for event in events],
        "type": types,
        "schema": [SCHEMA_VERSIONS[name] for name in types],
        "occurred_at": [event.occurred_at for event in events],
        "actor": [_text(event.actor) for event in events],
        "request_id": request_ids,
        "cause": [event.cause for event in events],
        "field": [each.get("field") for each in data],
        "edit_at": [each.get("at") for each in edits],
        "edit_cut": [each.get("cut") for each in edits],
        "edit_insert": [each.get("insert") for each in edits],
        "edit_insert_length": [_length(each, "insert") for each in edits],
        "value": [_encode(each["value"]).decode() if "value" in each else None for each in data],
        "value_bytes": [each.get("value_bytes") for each in data],
        "reference": [each.get("reference") for each in data],
        "reference_length": [_length(each, "reference") for each in data],
        "ttl_seconds": [each.get("ttl_seconds") for each in data],
        "copied_from_task_id": [str(each["task_id"]) if each else None for each in sources],
        "copied_from_version": [each.get("version") for each in sources],
        "compute_budget": [each.get("compute_budget") for each in data],
        "digest": [row.digest.hex() for row in rows],
    }


def _length(data: dict[str, Any], name: str) -> int | None:
    """The length of a text that is there, or that was when it was left out."""
    return len(data[name]) if name in data else data.get(f"{name}_length")


@lru_cache(maxsize=4096)
def _text(value: UUID | str) -> str:
    """Neighbouring events share their tasks and actors."""
    return str(value)
