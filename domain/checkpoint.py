"""The digest of the whole log up to a position, block by block, and what a signature of it covers.

docs/proof.md is the specification. What signs, and where the bytes come from, is not known here.
"""

import hashlib
import struct
from collections.abc import Sequence

import msgspec

BLOCK = 1000
"""Events that one block of a new checkpoint covers."""

PREAMBLE = b"palimpsest checkpoint 1\n"
"""What every signed message begins with, so that no other message is taken for a checkpoint."""

_TWO = struct.Struct(">QQ")
_THREE = struct.Struct(">QQQ")


class Block(msgspec.Struct, frozen=True, array_like=True):
    """The events after the previous block, up to position `last`; `digest` in hex is of their records, joined."""

    last: int
    events: int
    digest: str


class Checkpoint(msgspec.Struct, frozen=True):
    """The log up to `position`, in blocks; `taken_at` in microseconds since 1970."""

    position: int
    taken_at: int
    blocks: Sequence[Block]

    @property
    def events(self) -> int:
        return sum(block.events for block in self.blocks)


def signed_message(checkpoint: Checkpoint) -> bytes:
    """The bytes that the signature is made over."""
    root = hashlib.sha256()
    for block in checkpoint.blocks:
        root.update(_TWO.pack(block.last, block.events) + bytes.fromhex(block.digest))
    numbers = _THREE.pack(checkpoint.position, checkpoint.events, checkpoint.taken_at)
    return PREAMBLE + numbers + root.digest()


def is_well_formed(checkpoint: Checkpoint) -> bool:
    """Whether the blocks follow one another and end at the position, with digests of the right length."""
    last = 0
    for block in checkpoint.blocks:
        if block.last <= last or block.events < 1 or not _is_digest(block.digest):
            return False
        last = block.last
    return last == checkpoint.position and 0 <= checkpoint.taken_at < 2**63 and last < 2**63


def _is_digest(text: str) -> bool:
    try:
        return len(bytes.fromhex(text)) == 32 and len(text) == 64 and text == text.lower()
    except ValueError:
        return False


class Digester:
    """Takes in records one after the other and gives the digest of those since the last time."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self.events = 0

    def take(self, record: bytes) -> None:
        """One more record, as docs/proof.md spells it."""
        self._hash.update(record)
        self.events += 1

    def block(self, last: int) -> Block:
        """The block of the records taken since the last one; begins the next."""
        done = Block(last, self.events, self._hash.hexdigest())
        self._hash = hashlib.sha256()
        self.events = 0
        return done
