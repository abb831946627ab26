"""`palimpsest verify` and `checkpoint`, and the verdict over HTTP: what they say and how they exit."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec
import psycopg
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.support.harness import Client, Server, run_palimpsest
from tests.support.recording import record_drafts

A = UUID("a0000000-0000-4000-8000-00000000000a")
B = UUID("b0000000-0000-4000-8000-00000000000b")

Palimpsest = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def url(new_database: Callable[[], str]) -> str:
    """A store with two drafts of three versions each."""
    database = new_database()
    record_drafts(database, {A: "ab", B: "cd"})
    return database


@pytest.fixture
def palimpsest(url: str, tmp_path: Path) -> Palimpsest:
    """Runs a command on that store."""
    return lambda *arguments: run_palimpsest(tmp_path, url, *arguments)


@pytest.fixture
def broken(url: str) -> Iterator[None]:
    """The second event of B is not what was recorded."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER TABLE draft_events DISABLE TRIGGER ALL")
        change = "UPDATE draft_events SET topic = %s WHERE originator_id = %s AND originator_version = 2"
        connection.execute(change, ("DraftBurnt", B))
        yield
        connection.execute(change, ("DraftFieldChanged", B))


def new_keys(folder: Path, name: str = "key") -> tuple[Path, Path]:
    """The PEM files of a new private key and of its public half."""
    key = Ed25519PrivateKey.generate()
    private, public = folder / f"{name}.pem", folder / f"{name}.public.pem"
    form = serialization
    private.write_bytes(key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo))
    return private, public


def test_a_whole_store_passes(palimpsest: Palimpsest) -> None:
    done = palimpsest("verify", "--all")

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("OK: 2 tasks, 6 events")


def test_a_whole_task_passes_and_its_head_is_told(palimpsest: Palimpsest) -> None:
    done = palimpsest("verify", str(A))

    assert done.returncode == 0
    assert done.stdout.startswith(f"OK: task {A}, 3 events, head ")


@pytest.mark.usefixtures("broken")
def test_the_verdict_names_task_version_and_fault_and_exits_with_1(palimpsest: Palimpsest) -> None:
    everything, broken, whole = (
        palimpsest("verify", "--all"),
        palimpsest("verify", str(B)),
        palimpsest("verify", str(A)),
    )

    line = f"FAILED: task {B} version 2: digest-mismatch: "
    assert (everything.returncode, broken.returncode, whole.returncode) == (1, 1, 0)
    assert everything.stdout.splitlines()[0].startswith(line)
    assert everything.stdout.splitlines()[1].startswith("FAILED: 1 of 2 tasks, 6 events")
    assert broken.stdout.startswith(line)


def test_a_checkpoint_is_signed_and_holds(palimpsest: Palimpsest, tmp_path: Path) -> None:
    private, public = new_keys(tmp_path)
    file = tmp_path / "checkpoint.json"

    taken = palimpsest("checkpoint", str(file), "--key", str(private))
    checked = palimpsest("verify", "--checkpoint", str(file), "--public-key", str(public))
    both = palimpsest("verify", "--all", "--checkpoint", str(file), "--public-key", str(public))

    assert taken.returncode == 0, taken.stderr
    assert (checked.returncode, both.returncode) == (0, 0), checked.stderr
    assert checked.stdout.startswith("OK: 6 events up to position 6 ")
    assert len(both.stdout.splitlines()) == 2


@pytest.fixture
def checkpoint(palimpsest: Palimpsest, tmp_path: Path) -> tuple[Path, Path]:
    """A checkpoint of the store, and the public key."""
    private, public = new_keys(tmp_path)
    file = tmp_path / "checkpoint.json"
    assert palimpsest("checkpoint", str(file), "--key", str(private)).returncode == 0
    return file, public


def test_later_events_do_not_break_a_checkpoint(
    palimpsest: Palimpsest, checkpoint: tuple[Path, Path], url: str
) -> None:
    file, public = checkpoint
    record_drafts(url, {uuid4(): "later"})

    done = palimpsest("verify", "--checkpoint", str(file), "--public-key", str(public))

    assert done.returncode == 0
    assert done.stdout.endswith("; 6 later ones are not covered\n")


def test_a_rewritten_log_fails_the_checkpoint(
    palimpsest: Palimpsest, checkpoint: tuple[Path, Path], request: pytest.FixtureRequest
) -> None:
    file, public = checkpoint
    request.getfixturevalue("broken")

    done = palimpsest("verify", "--checkpoint", str(file), "--public-key", str(public))

    assert done.returncode == 1
    assert done.stdout.startswith("FAILED: positions 1 to ")
    assert "log-rewritten" in done.stdout


def test_a_checkpoint_signed_by_another_key_fails(
    palimpsest: Palimpsest, checkpoint: tuple[Path, Path], tmp_path: Path
) -> None:
    _, other = new_keys(tmp_path, "other")

    done = palimpsest("verify", "--checkpoint", str(checkpoint[0]), "--public-key", str(other))

    assert (done.returncode, "signature-invalid" in done.stdout) == (1, True)


@pytest.mark.parametrize("change", ["position", "events", "taken_at", "blocks", "signature"])
def test_a_checkpoint_that_was_changed_fails(
    palimpsest: Palimpsest, checkpoint: tuple[Path, Path], change: str
) -> None:
    file, public = checkpoint
    content: dict[str, Any] = msgspec.json.decode(file.read_bytes())
    (last, events, digest), *_ = content["blocks"]
    if change in ("position", "events"):
        moved = [last + 1, events, digest] if change == "position" else [last, events + 1, digest]
        content.update({change: content[change] + 1, "blocks": [moved]})
    elif change == "taken_at":
        content["taken_at"] = "2020-01-01T00:00:00.000000Z"
    elif change == "blocks":
        content["blocks"] = [[last, events, "0" * 64]]
    else:
        content["signature"] = "AAAA"
    file.write_bytes(msgspec.json.encode(content))

    done = palimpsest("verify", "--checkpoint", str(file), "--public-key", str(public))

    assert (done.returncode, "signature-invalid" in done.stdout) == (1, True), done.stderr


def test_a_digest_in_capitals_is_no_checkpoint_of_ours(palimpsest: Palimpsest, checkpoint: tuple[Path, Path]) -> None:
    file, public = checkpoint
    content = msgspec.json.decode(file.read_bytes())
    content["blocks"][0][2] = content["blocks"][0][2].upper()
    file.write_bytes(msgspec.json.encode(content))

    done = palimpsest("verify", "--checkpoint", str(file), "--public-key", str(public))

    assert (done.returncode, "not a whole one" in done.stderr) == (2, True)


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b'{"format": "palimpsest-checkpoint-2"}', None])
def test_what_is_no_whole_checkpoint_is_wrong_use(
    palimpsest: Palimpsest, checkpoint: tuple[Path, Path], content: bytes | None
) -> None:
    file, public = checkpoint
    file.write_bytes(file.read_bytes()[:-20] if content is None else content)

    done = palimpsest("verify", "--checkpoint", str(file), "--public-key", str(public))

    assert (done.returncode, "not a whole one" in done.stderr) == (2, True)


def test_a_checkpoint_is_never_overwritten(
    palimpsest: Palimpsest, checkpoint: tuple[Path, Path], tmp_path: Path
) -> None:
    done = palimpsest("checkpoint", str(checkpoint[0]), "--key", str(tmp_path / "key.pem"))

    assert (done.returncode, "never overwritten" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["verify"], "nothing to verify: name a task"),
        (["verify", str(A), "--all"], "not both"),
        (["verify", str(uuid4())], "there is no task"),
        (["verify", "A"], "not a valid UUID"),
        (["verify", "--checkpoint", "x"], "go together"),
        (["verify", "--all", "--public-key", "x"], "go together"),
        (["verify", "--checkpoint", "none", "--public-key", "none"], "cannot be read"),
        (["checkpoint", "new.json"], "--key"),
        (["checkpoint", "new.json", "--key", "none"], "cannot be read"),
        (["checkpoint", "new.json", "--key", __file__], "not an Ed25519 private key"),
        (["verify", "--checkpoint", "none", "--public-key", __file__], "not an Ed25519 public key"),
    ],
)
def test_wrong_use_is_told_and_exits_with_2(palimpsest: Palimpsest, arguments: list[str], message: str) -> None:
    done = palimpsest(*arguments)

    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "command", [["verify", "--all"], ["replay", str(A)], ["checkpoint", "new.json", "--key", "key.pem"]]
)
def test_a_folder_without_a_store_is_told_and_left_as_it_is(command: list[str], tmp_path: Path) -> None:
    new_keys(tmp_path)

    done = run_palimpsest(tmp_path, "", *command)

    assert (done.returncode, "there is no store in" in done.stderr) == (2, True), done.stderr
    assert not (tmp_path / "data").exists()


def test_a_server_that_is_not_there_is_told_with_its_reason(tmp_path: Path) -> None:
    done = run_palimpsest(tmp_path, "postgresql://127.0.0.1:1/none", "verify", "--all")

    assert done.returncode == 2
    assert "Connection refused" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_over_http_a_whole_task_is_ok(client: Client) -> None:
    task_id = client.new_draft(description="Whole")

    verdict = client.get(f"/api/v1/tasks/{task_id}/verify").json()

    assert verdict == {"ok": True, "events": 2, "head": client.history(task_id)[-1]["digest"]}


def test_over_http_a_broken_task_is_told(server: Server, client: Client) -> None:
    task_id = client.new_draft(description="Whole")
    with psycopg.connect(server.environment["PALIMPSEST_DATABASE_URL"], autocommit=True) as connection:
        connection.execute("UPDATE current_task SET description = 'Other' WHERE id = %s", (task_id,))

    verdict = client.get(f"/api/v1/tasks/{task_id}/verify").json()

    assert (verdict["ok"], verdict["events"]) == (False, 2)
    assert (verdict["problem"]["version"], verdict["problem"]["code"]) == (2, "view-mismatch")
    assert "description" in verdict["problem"]["message"]


@pytest.mark.parametrize("damage", ["DELETE FROM current_task", "UPDATE current_task SET expires_at = 'infinity'"])
def test_over_http_a_task_without_its_row_is_still_told(server: Server, client: Client, damage: str) -> None:
    task_id = client.new_draft(description="Whole")
    path = f"/api/v1/tasks/{task_id}/verify"
    with psycopg.connect(server.environment["PALIMPSEST_DATABASE_URL"], autocommit=True) as connection:
        connection.execute(f"{damage} WHERE id = %s".encode(), (task_id,))

    with server.client(scope="audit") as auditor, server.client() as stranger:
        answers = [asker.get(path) for asker in (client, auditor, stranger)]

    assert [answer.status_code for answer in answers] == [200, 200, 404]
    assert answers[0].json() == answers[1].json()
    assert answers[0].json()["problem"]["code"] in ("view-missing", "view-unreadable")
