"""A second verifier, written from docs/proof.md alone: the standard library, cryptography, and a way to read the log.

Nothing of the service is used to check; only to record the log and to take the checkpoint.
"""

import base64
import hashlib
import json
import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from tests.support.harness import run_palimpsest
from tests.support.recording import OWNER, record_drafts

TASKS = {UUID(int=number): f"text {number} e\u0301 😀" for number in range(3)}

LogRow = tuple[int, UUID, int, str, bytes, bytes]  # position, task, version, type, state, digest


def chains_hold(log: Iterable[LogRow]) -> bool:
    heads: dict[UUID, tuple[int, bytes]] = {}
    for _, task, version, kind, state, digest in log:
        before, previous = heads.get(task, (0, bytes(32)))
        name = kind.encode()
        covered = previous + task.bytes + version.to_bytes(8) + len(name).to_bytes(2) + name + state
        if version != before + 1 or digest != hashlib.sha256(covered).digest():
            return False
        heads[task] = version, digest
    return True


def descriptions(log: Iterable[LogRow]) -> dict[UUID, tuple[UUID, str]]:
    """Owner and description of each task."""
    found: dict[UUID, tuple[UUID, str]] = {}
    for _, task, _, kind, state, _ in log:
        _, _, actor, _, _, payload = json.loads(state)
        if kind == "DraftCreated":
            found[task] = UUID(bytes=base64.urlsafe_b64decode(actor + "==")), ""
        elif kind == "DraftFieldChanged" and payload[0] == "description":
            owner, text = found[task]
            at, cut, insert = payload[1]
            found[task] = owner, text[:at] + insert + text[at + cut :]
    return found


def record_of(row: LogRow) -> bytes:
    position, task, version, kind, state, digest = row
    fields = (position.to_bytes(8, signed=True), task.bytes, version.to_bytes(8), kind.encode(), state, digest)
    return b"\x00\x06" + b"".join(len(field).to_bytes(4) + field for field in fields)


def message_of(checkpoint: dict[str, Any]) -> bytes:
    moment = datetime.fromisoformat(checkpoint["taken_at"]) - datetime.fromisoformat("1970-01-01T00:00:00Z")
    root = hashlib.sha256()
    for last, events, digest in checkpoint["blocks"]:
        root.update(last.to_bytes(8) + events.to_bytes(8) + bytes.fromhex(digest))
    numbers = (checkpoint["position"], checkpoint["events"], moment // timedelta(microseconds=1))
    return b"palimpsest checkpoint 1\n" + b"".join(number.to_bytes(8) for number in numbers) + root.digest()


def checkpoint_holds(checkpoint: dict[str, Any], key: Ed25519PublicKey, log: list[LogRow]) -> bool:
    try:
        key.verify(base64.b64decode(checkpoint["signature"]), message_of(checkpoint))
    except InvalidSignature:
        return False
    start = -(2**63) - 1
    for last, events, digest in checkpoint["blocks"]:
        records = [record_of(row) for row in log if start < row[0] <= last]
        if len(records) != events or hashlib.sha256(b"".join(records)).hexdigest() != digest:
            return False
        start = last
    if not checkpoint["blocks"]:
        return checkpoint["position"] == 0 and not any(row[0] <= 0 for row in log)
    return start == checkpoint["position"]


def read_log(database: str) -> list[LogRow]:
    with psycopg.connect(database) as connection:
        return connection.execute(
            "SELECT notification_id, originator_id, originator_version, topic, state, digest"
            " FROM draft_events ORDER BY notification_id"
        ).fetchall()


@pytest.fixture
def log(database: str) -> list[LogRow]:
    record_drafts(database, TASKS)
    return read_log(database)


def test_the_chains_hold_and_lead_to_the_texts(log: list[LogRow]) -> None:
    assert chains_hold(log)
    assert descriptions(log) == {task: (OWNER, text) for task, text in TASKS.items()}


def test_a_changed_state_breaks_its_chain(log: list[LogRow]) -> None:
    position, task, version, kind, state, digest = log[5]
    log[5] = position, task, version, kind, state + b" ", digest

    assert not chains_hold(log)


def test_a_checkpoint_holds_until_the_log_is_touched(log: list[LogRow], database: str, tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    pem = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (tmp_path / "key.pem").write_bytes(key.private_bytes(*pem))

    done = run_palimpsest(tmp_path, database, "checkpoint", "taken.json", "--key", "key.pem")

    assert done.returncode == 0, done.stderr
    checkpoint = json.loads((tmp_path / "taken.json").read_text())
    assert checkpoint["format"] == "palimpsest-checkpoint-1"
    assert checkpoint["events"] == len(log)
    assert checkpoint_holds(checkpoint, key.public_key(), log)
    assert not checkpoint_holds(checkpoint, Ed25519PrivateKey.generate().public_key(), log)
    assert not checkpoint_holds({**checkpoint, "taken_at": "2026-01-01T00:00:00.000000Z"}, key.public_key(), log)
    assert not checkpoint_holds(checkpoint, key.public_key(), log[:-1])
    assert not checkpoint_holds(checkpoint, key.public_key(), [(10, *log[0][1:]), *log[1:]])
    assert not checkpoint_holds(checkpoint, key.public_key(), [(-1, *log[0][1:]), *log])


def test_a_checkpoint_of_an_empty_log_holds_and_covers_nothing_later(database: str, tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    pem = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (tmp_path / "key.pem").write_bytes(key.private_bytes(*pem))

    done = run_palimpsest(tmp_path, database, "checkpoint", "taken.json", "--key", "key.pem")
    record_drafts(database, TASKS)

    assert done.returncode == 0, done.stderr
    checkpoint = json.loads((tmp_path / "taken.json").read_text())
    assert (checkpoint["position"], checkpoint["blocks"]) == (0, [])
    log = read_log(database)
    assert checkpoint_holds(checkpoint, key.public_key(), log)
    assert not checkpoint_holds(checkpoint, key.public_key(), [(0, *log[0][1:]), *log])


def test_the_examples_of_the_specification_are_right() -> None:
    text = (Path(__file__).parents[2] / "docs" / "proof.md").read_text()
    task = UUID("3c90c3cc-0d44-4b50-8888-8dd25736052a")
    events = re.findall(r"    (Draft\w+)\n    (\[.*\])\n    ([0-9a-f]{64})\n", text)
    log = [
        (version, task, version, kind, state.encode(), bytes.fromhex(digest))
        for version, (kind, state, digest) in enumerate(events, 1)
    ]
    (block,) = re.findall(r"    block +([0-9a-f]{64})\n", text)
    (message,) = re.findall(r"    message +((?:[0-9a-f]+\s+)+)", text)
    (taken_at,) = re.findall(r"`(2026-\S+Z)`", text)

    records = b"".join(map(record_of, log))

    assert len(log) == 2
    assert chains_hold(log)
    assert len(records) == 394
    assert hashlib.sha256(records).hexdigest() == block
    checkpoint = {"position": 2, "events": 2, "taken_at": taken_at, "blocks": [[2, 2, block]]}
    assert message_of(checkpoint) == bytes.fromhex(message)
