"""Checkpoints: taken from the log, signed, kept in a file, and compared with the log again."""

import base64
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from psycopg import Connection

from domain.checkpoint import BLOCK, Block, Checkpoint, Digester, is_well_formed, signed_message
from projections.times import parse_rfc3339, rfc3339
from service.store.scan import records

FORMAT: Literal["palimpsest-checkpoint-1"] = "palimpsest-checkpoint-1"


class CheckpointError(Exception):
    """A file is not what it should be; the message is one line for the operator."""


class CheckpointFile(msgspec.Struct, frozen=True):
    """What a checkpoint's file holds, as JSON; the signature in base64."""

    format: Literal["palimpsest-checkpoint-1"]
    position: int
    events: int
    taken_at: str
    blocks: list[Block]
    signature: str


class Damage(msgspec.Struct, frozen=True):
    """A stretch of the log, by positions, that is not what was signed."""

    first: int
    last: int
    signed_events: int
    found_events: int


def take_checkpoint(
    connection: Connection[Any], position: int, taken_at: int, advance: Callable[[int], None]
) -> Checkpoint:
    """The checkpoint of the log up to `position`, in one pass; `taken_at` in microseconds since 1970."""
    blocks = []
    digester = Digester()
    last = 0
    for last, record in records(connection, position):
        digester.take(record)
        if digester.events == BLOCK:
            blocks.append(digester.block(last))
            advance(BLOCK)
    if digester.events:
        advance(digester.events)
        blocks.append(digester.block(last))
    return Checkpoint(last, taken_at, blocks)


def damages(connection: Connection[Any], checkpoint: Checkpoint, advance: Callable[[int], None]) -> Iterator[Damage]:
    """Every stretch in which the log is not what the checkpoint says, in one pass."""
    log = records(connection, checkpoint.position)
    following = next(log, None)
    first = 1
    for block in checkpoint.blocks:
        digester = Digester()
        while following and following[0] <= block.last:
            digester.take(following[1])
            following = next(log, None)
        found = digester.block(block.last)
        advance(found.events)
        if found != block:
            yield Damage(first, block.last, block.events, found.events)
        first = block.last + 1
    if following:  # only where nothing was signed: position 0
        yield Damage(following[0], checkpoint.position, 0, 1 + sum(1 for _ in log))


def is_signed(checkpoint: Checkpoint, signature: bytes, key: Ed25519PublicKey) -> bool:
    """Whether the signature is the key's, of this very checkpoint."""
    try:
        key.verify(signature, signed_message(checkpoint))
    except InvalidSignature:
        return False
    return True


def write_checkpoint(path: Path, checkpoint: Checkpoint, key: Ed25519PrivateKey) -> None:
    """Sign and write. Raises `CheckpointError` where the file exists: none is overwritten."""
    signature = base64.b64encode(key.sign(signed_message(checkpoint))).decode()
    file = CheckpointFile(
        FORMAT,
        checkpoint.position,
        checkpoint.events,
        rfc3339(checkpoint.taken_at),
        list(checkpoint.blocks),
        signature,
    )
    try:
        with path.open("xb") as target:
            target.write(msgspec.json.format(msgspec.json.encode(file), indent=1) + b"\n")
            target.flush()
            os.fsync(target.fileno())
    except FileExistsError:
        raise CheckpointError(f"{path} exists; a checkpoint is never overwritten") from None
    except OSError as error:
        raise CheckpointError(f"{path} cannot be written: {error.strerror}") from None


def read_checkpoint(path: Path) -> tuple[Checkpoint, bytes]:
    """The checkpoint of a file, and its signature, not checked yet. Raises `CheckpointError`."""
    try:
        file = msgspec.json.decode(path.read_bytes(), type=CheckpointFile)
        checkpoint = Checkpoint(file.position, parse_rfc3339(file.taken_at), file.blocks)
        signature = base64.b64decode(file.signature, validate=True)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, OverflowError):
        raise CheckpointError(f"{path} is no checkpoint, or not a whole one") from None
    if not is_well_formed(checkpoint) or checkpoint.events != file.events:
        raise CheckpointError(f"{path} is no checkpoint, or not a whole one")
    return checkpoint, signature


def read_private_key(path: Path) -> Ed25519PrivateKey:
    """An Ed25519 key from a PEM file without a passphrase. Raises `CheckpointError`."""
    key = _loaded(path, lambda data: load_pem_private_key(data, None))
    if not isinstance(key, Ed25519PrivateKey):
        raise CheckpointError(f"{path} is not an Ed25519 private key in PEM, without a passphrase")
    return key


def read_public_key(path: Path) -> Ed25519PublicKey:
    """An Ed25519 public key from a PEM file. Raises `CheckpointError`."""
    key = _loaded(path, load_pem_public_key)
    if not isinstance(key, Ed25519PublicKey):
        raise CheckpointError(f"{path} is not an Ed25519 public key in PEM")
    return key


def _loaded(path: Path, load: Callable[[bytes], object]) -> object:
    """What a PEM file holds, None where it is no key."""
    try:
        return load(path.read_bytes())
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None
