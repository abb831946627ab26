"""Events as Parquet: typed columns; those of text and of digests are not there where the export is redacted.

The only module that imports pyarrow, which the extra `analytics` installs.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from projections.history import Envelope
from projections.redaction import RedactedEnvelope

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


def write(path: Path, envelopes: Sequence[Envelope | RedactedEnvelope], redact: bool) -> None:
    """One file with these events."""
    columns = dict(zip(SCHEMA.names, zip(*map(_record, envelopes), strict=True), strict=True))
    fields = [field for field in SCHEMA if not (redact and field.name in _NOT_REDACTED)]
    arrays = [_array(columns[field.name], field.type) for field in fields]
    pq.write_table(pa.Table.from_arrays(arrays, schema=pa.schema(fields)), path, compression="zstd")


def _array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    if kind == _TIME:
        return pa.array(values, pa.string()).cast(_TIME)
    if kind == _NAME:
        return pa.array(values, pa.string()).dictionary_encode()
    return pa.array(values, kind)


def _record(row: Envelope | RedactedEnvelope) -> tuple[Any, ...]:
    """The event in the order of `SCHEMA`."""
    data = row.data
    edit, source = data.get("edit", {}), data.get("copied_from", {})
    return (
        row.position,
        str(row.task_id),
        row.version,
        row.type,
        row.schema,
        row.occurred_at,
        str(row.actor),
        row.request_id,
        row.cause,
        data.get("field"),
        edit.get("at"),
        edit.get("cut"),
        edit.get("insert"),
        len(edit["insert"]) if "insert" in edit else edit.get("insert_length"),
        msgspec.json.encode(data["value"]).decode() if "value" in data else None,
        data.get("value_bytes"),
        data.get("reference"),
        len(data["reference"]) if "reference" in data else data.get("reference_length"),
        data.get("ttl_seconds"),
        str(source["task_id"]) if source else None,
        source.get("version"),
        data.get("compute_budget"),
        getattr(row, "digest", None),
    )
