"""What was typed is in no log and in no answer but to those who may read it, whatever goes wrong with it."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from service.logs import failure_of, safe_message
from service.postgres.server import embedded_server
from tests.support import quoting_service
from tests.support.harness import DEADLINE, Server, wait_until

CANARY = "unmistakable-words-of-a-person"
DEFECTS = ("raises", "converts", "encodes", "task", "thread", "unraisable")


class ClumsyServer(Server):
    """A service with the defects of `quoting_service`."""

    def start(self) -> "ClumsyServer":
        slots = self.log.parent / "slots"
        slots.mkdir()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, quoting_service.__file__],
                env={**self.environment, "PYTHONPATH": str(Path(__file__).parents[2]), "SLOTS": str(slots)},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        wait_until(self._is_ready, "the clumsy service is ready")
        return self


@pytest.fixture
def clumsy(database: str, tmp_path: Path) -> ClumsyServer:
    return ClumsyServer(tmp_path, PALIMPSEST_DATABASE_URL=database, PALIMPSEST_LOG_LEVEL="debug")


def failures(log: Path) -> list[dict[str, object]]:
    """The lines of the log that show an exception."""
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    return [line for line in lines if "exception" in line]


def test_no_defect_brings_what_was_typed_into_the_log_or_the_answer(clumsy: ClumsyServer) -> None:
    with clumsy, clumsy.client() as client:
        task = client.new_draft()
        told_ids = []
        for category in DEFECTS:
            response = client.patch(f"/api/v1/tasks/{task}", json={"title": CANARY, "category": category})
            if category in ("raises", "converts", "encodes"):
                assert response.status_code == 500
                assert CANARY not in response.text
                told_ids.append(response.json()["instance"].removeprefix("urn:uuid:"))
            else:
                assert response.status_code == 200
        wait_until(lambda: len(failures(clumsy.log)) >= len(DEFECTS), "every defect is in the log")
        response = client.get("/api/v1/tasks", headers={"X-Fail": CANARY})
        assert response.status_code == 500
        assert response.headers["content-type"] == "application/problem+json"
        assert CANARY not in response.text
        wait_until(lambda: len(failures(clumsy.log)) > len(DEFECTS), "that of the outermost layer, too")
    log = clumsy.log.read_text()
    for raised in ("ValueError", "ValidationError", "UnicodeEncodeError", "ExceptionGroup", "KeyError"):
        assert f'"exc_type": "{raised}"' in log
    assert '"name": "fail"' in log
    assert {line.get("request_id") for line in failures(clumsy.log)} >= set(told_ids)
    assert CANARY not in log


def test_a_row_that_the_store_refuses_is_not_in_the_log_or_the_answer(
    new_store: Callable[[Path], Path], tmp_path: Path
) -> None:
    """PostgreSQL quotes the whole row in its DETAIL. Its own log is looked at, too."""
    data = new_store(tmp_path / "data")
    with (
        embedded_server(data) as url,
        Server(tmp_path, PALIMPSEST_DATA_DIR=str(data), PALIMPSEST_LOG_LEVEL="debug") as server,
        server.client() as client,
        psycopg.connect(url, autocommit=True) as connection,
    ):
        task = client.new_draft()
        path = f"/api/v1/tasks/{task}"
        connection.execute("ALTER TABLE current_task ADD CONSTRAINT no_title CHECK (title = '')")
        with pytest.raises(psycopg.errors.CheckViolation, match=CANARY):  # so it would, if it were asked
            connection.execute(f"UPDATE current_task SET title = '{CANARY}'".encode())
        response = client.patch(path, json={"title": CANARY})
        assert response.status_code == 500
        assert CANARY not in response.text
        connection.execute("ALTER TABLE current_task DROP CONSTRAINT no_title")

        connection.execute("CREATE UNIQUE INDEX one_title ON current_task (title)")
        other = client.new_draft(title=CANARY)
        response = client.patch(path, json={"title": CANARY})
        assert response.status_code == 500, other
        assert CANARY not in response.text
        connection.execute("DROP INDEX one_title")

        assert client.get(path).json()["title"] == ""
        assert client.patch(path, json={"title": CANARY}).status_code == 200
    log = server.log.read_text()
    assert "23514 current_task no_title" in log
    assert "23505 current_task one_title" in log
    assert CANARY not in log
    store_log = (data / "postgres.log").read_text()
    assert "no_title" in store_log
    assert "one_title" in store_log
    assert CANARY not in store_log


def test_what_is_asked_for_in_a_query_is_not_in_the_log(shared_server: Callable[..., Server]) -> None:
    server = shared_server(PALIMPSEST_LOG_LEVEL="debug")
    with server.client() as client:
        task = client.new_draft()
        attachments = f"/api/v1/tasks/{task}/attachments"
        assert client.post(attachments, json={"reference": CANARY}).status_code == 200
        assert client.request("DELETE", attachments, params={"reference": CANARY}).status_code == 200
        assert client.get("/api/v1/tasks", params={"q": CANARY, "category": CANARY}).status_code == 200
        assert client.get("/api/v1/tasks", params={"limit": CANARY}).status_code == 400
        assert client.put(f"/api/v1/tasks/{task}/transcript", json={"text": CANARY, CANARY: CANARY}).status_code == 422
        assert client.patch(f"/api/v1/tasks/{task}", content=f'{{"title": "{CANARY}').status_code == 415
    wait_until(lambda: '"status": 415' in server.log.read_text(), "the last request is in the log")
    assert CANARY not in server.log.read_text()


def test_of_an_error_of_the_store_code_names_and_message_are_safe_message(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE probe (word text PRIMARY KEY CHECK (word <> ''))")
        connection.execute("INSERT INTO probe VALUES (%s)", (CANARY,))
        with pytest.raises(psycopg.errors.UniqueViolation) as twice:
            connection.execute("INSERT INTO probe VALUES (%s)", (CANARY,))
        with pytest.raises(psycopg.errors.DataError) as no_number:
            connection.execute("SELECT %s::text::int", (CANARY,))
    assert CANARY in str(twice.value)
    assert safe_message(twice.value) == (
        '23505 probe probe_pkey: duplicate key value violates unique constraint "probe_pkey"'
    )
    assert CANARY in str(no_number.value)
    assert safe_message(no_number.value) == "22P02"


def test_a_message_that_names_no_value_is_safe_message() -> None:
    with pytest.raises(OSError, match="/nowhere") as missing:
        Path("/nowhere").read_text()
    assert safe_message(missing.value) == "[Errno 2] No such file or directory: '/nowhere'"
    with pytest.raises(psycopg.OperationalError) as unreachable:
        psycopg.connect("postgresql://a:password@127.0.0.1:1/x", connect_timeout=2)
    assert "Connection refused" in safe_message(unreachable.value)
    assert "password@" not in safe_message(unreachable.value)
    assert safe_message(ValueError(CANARY)) == ""


def test_nor_does_a_terminal_show_it() -> None:
    ours, theirs = pty.openpty()
    failing = f"""
import logging
from service.logs import configure_logs
configure_logs("info")
text = {CANARY!r}[::-1][::-1]
try:
    raise ValueError(text)
except ValueError as error:
    logging.exception("it went wrong: %s", error)
raise KeyError(text)
"""
    ended = subprocess.run([sys.executable, "-c", failing], stderr=theirs, check=False, timeout=DEADLINE)
    shown = os.read(ours, 65536).decode()
    assert ended.returncode == 1
    assert "it went wrong: ValueError" in shown
    assert "KeyError" in shown
    assert "<string>:7" in shown
    assert CANARY not in shown


def test_a_failure_that_leads_back_to_itself_ends() -> None:
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__cause__ = second, first
    assert [part["exc_type"] for part in failure_of(first)] == ["ValueError", "ValueError"]


@pytest.mark.parametrize("logger", ["asyncio", "uvicorn.error"])
def test_of_a_message_that_writes_an_exception_out_the_first_line_is_logged(logger: str) -> None:
    program = (
        "import logging; from service.logs import configure_logs; configure_logs('info');"
        f"logging.getLogger({logger!r}).error('it failed\\nTraceback\\nValueError: {CANARY}')"
    )
    shown = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=DEADLINE, check=True
    )

    assert "it failed" in shown.stderr
    assert CANARY not in shown.stderr
