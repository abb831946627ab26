"""The digest chain of a task's events (docs/api.md, Proof).

It covers the stored bytes, so that it can be checked without understanding them.
"""

import hashlib
import struct
from uuid import UUID

GENESIS = bytes(32)
"""What stands for the previous digest before a task's first event."""

_VERSION = struct.Struct(">Q")
_LENGTH = struct.Struct(">H")


def digest(previous: bytes, task_id: UUID, version: int, type_name: str, state: bytes) -> bytes:
    """SHA-256 that binds one stored event to all before it, 32 bytes."""
    name = type_name.encode()
    return hashlib.sha256(
        b"".join((previous, task_id.bytes, _VERSION.pack(version), _LENGTH.pack(len(name)), name, state))
    ).digest()
