"""`palimpsest rebuild current_task`: the same table again, made from the log, while writes go on."""

import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from domain.commands import AddAttachment, ChangeFields, ChangeTranscript, DiscardDraft
from service.postgres.server import programs
from service.proof.verify import verdicts
from service.store.connections import connect
from service.store.scan import tasks_of_log_and_view
from service.views.rebuild_current_task import RebuildRefused, rebuild_current_task
from service.views.swap import CannotSwap
from tests.support.harness import Client, Server, run_palimpsest
from tests.support.recording import new_draft, record, record_drafts

A = UUID("a0000000-0000-4000-8000-00000000000a")
B = UUID("b0000000-0000-4000-8000-00000000000b")


def run_sql(database: str, *statements: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def rows(database: str) -> list[tuple[Any, ...]]:
    """The view, but for the time of the next sweep, which may be any up to the end of the draft's life."""
    with psycopg.connect(database) as connection:
        found = connection.execute("SELECT * FROM current_task ORDER BY id").fetchall()
        late = connection.execute(
            "SELECT FROM current_task WHERE sweep_at > expires_at OR (sweep_at IS NULL) <> (status <> 'draft')"
        )
        assert late.fetchall() == []
    return [row[:-1] for row in found]


def tables(database: str) -> list[str]:
    with psycopg.connect(database) as connection:
        return [row[0] for row in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]


def problems(database: str) -> list[tuple[UUID, str]]:
    with connect(database, connect_timeout=10) as connection:
        found = list(verdicts(tasks_of_log_and_view(connection), lambda steps: None))
    return [(verdict.task_id, verdict.problem.code) for verdict in found if verdict.problem]


def schema(database: str) -> str:
    """All that pg_dump knows of the database but its rows."""
    dump = [str(programs() / "pg_dump"), "--schema-only", "--restrict-key=same", database]
    return subprocess.run(dump, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def varied(database: str) -> str:
    """A store with values in every column."""
    record(
        database,
        (A, new_draft(title="T", requirements={"z": [1.5, None, "😀"], "a": {}}, brand_kit_id=uuid4(), budget_usd=5.5)),
        (A, ChangeTranscript('said \\ "so"')),
        (A, AddAttachment('a "quoted", {braced} \\ reference')),
        (A, AddAttachment("second")),
        (B, new_draft(description="e\u0301")),
        (B, DiscardDraft()),
    )
    return database


def test_the_rows_are_the_same_again(varied: str) -> None:
    before = rows(varied)

    rebuilt = rebuild_current_task(varied)

    assert (rebuilt.tasks, rebuilt.repaired) == (2, [])
    assert rows(varied) == before


@contextmanager
def a_role(database: str) -> Iterator[str]:
    name = f"reader_{uuid4().hex}"
    run_sql(database, f"CREATE ROLE {name}")
    yield name
    run_sql(database, f"DROP OWNED BY {name}", f"DROP ROLE {name}")


def test_the_schema_is_the_same_again(varied: str) -> None:
    with a_role(varied) as role:
        run_sql(
            varied,
            f"GRANT SELECT ON current_task TO {role} WITH GRANT OPTION",
            "GRANT SELECT (id, version), UPDATE (title) ON current_task TO PUBLIC",
            "COMMENT ON TABLE current_task IS 'One row a task.'",
            "CREATE INDEX named_oddly ON current_task (lower(category)) WHERE status = 'open'",
            "ALTER TABLE current_task ADD CONSTRAINT any_version CHECK (version > 0)",
            "ALTER TABLE current_task SET (toast.autovacuum_enabled = true)",
        )
        before = schema(varied)

        rebuild_current_task(varied)
        rebuild_current_task(varied)

        assert "named_oddly" in before
        assert "any_version" in before
        assert schema(varied) == before


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        ("DELETE FROM current_task WHERE id = '{A}'", "view-missing"),
        ("UPDATE current_task SET description = 'x', user_id = '{B}' WHERE id = '{A}'", "view-mismatch"),
        ("UPDATE current_task SET expires_at = 'infinity' WHERE id = '{A}'", "view-unreadable"),
        (
            "UPDATE current_task SET version = 2, digest = (SELECT digest FROM draft_events"
            " WHERE originator_id = '{A}' AND originator_version = 2) WHERE id = '{A}'",
            "log-ahead-of-view",
        ),
    ],
)
def test_a_spoilt_row_is_made_good(varied: str, damage: str, code: str) -> None:
    before = rows(varied)
    run_sql(varied, damage.format(A=A, B=B))

    rebuilt = rebuild_current_task(varied)

    assert [(verdict.task_id, verdict.problem and verdict.problem.code) for verdict in rebuilt.repaired] == [(A, code)]
    assert rows(varied) == before
    assert problems(varied) == []


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (
            "DELETE FROM draft_events WHERE originator_id = '{B}' AND originator_version = 3",
            f"{B} version 3: log-behind",
        ),
        ("DELETE FROM draft_events WHERE originator_id = '{B}'", f"{B} version 1: log-behind-view"),
        (
            "DELETE FROM draft_events WHERE originator_id = '{B}' AND originator_version = 3;"
            "UPDATE current_task SET expires_at = 'infinity' WHERE id = '{B}'",
            f"{B} version 3: log-behind-view",
        ),
        ("UPDATE draft_events SET state = '' WHERE originator_id = '{B}'", f"{B} version 1: digest-mismatch"),
        ("UPDATE current_task SET digest = sha256('') WHERE id = '{B}'", f"{B} version 3: head-mismatch"),
        ("UPDATE current_task SET version = 2 WHERE id = '{B}'", f"{B} version 2: head-mismatch"),
    ],
)
def test_the_view_is_left_as_it_was_where_the_log_is_not_whole(
    varied: str, tmp_path: Path, damage: str, told: str
) -> None:
    run_sql(varied, "ALTER TABLE draft_events DISABLE TRIGGER ALL", *damage.format(B=B).split(";"))
    before, names = rows(varied) if "infinity" not in damage else None, tables(varied)

    with pytest.raises(RebuildRefused, match=told):
        rebuild_current_task(varied)

    assert before is None or rows(varied) == before
    assert tables(varied) == names


def test_a_refusal_exits_with_1_and_success_with_0(varied: str, tmp_path: Path) -> None:
    run_sql(varied, f"DELETE FROM current_task WHERE id = '{A}'")
    repaired = run_palimpsest(tmp_path, varied, "rebuild", "current_task")
    run_sql(varied, f"UPDATE current_task SET digest = '' WHERE id = '{A}'")
    refused = run_palimpsest(tmp_path, varied, "rebuild", "current_task")
    unknown = run_palimpsest(tmp_path, varied, "rebuild", "tomorrow")

    assert (repaired.returncode, refused.returncode, unknown.returncode) == (0, 1, 2), refused.stderr
    assert f"repaired: task {A} version 8: view-missing" in repaired.stdout
    assert "2 tasks, 1 of them repaired" in repaired.stdout
    assert refused.stdout.startswith("FAILED: current_task is left as it was: task")


@pytest.mark.parametrize(
    ("extra", "told"),
    [
        ("CREATE VIEW titles AS SELECT title FROM current_task", "view titles depends"),
        (
            "CREATE TRIGGER t BEFORE UPDATE ON current_task EXECUTE FUNCTION suppress_redundant_updates_trigger()",
            "a trigger",
        ),
        ("ALTER TABLE current_task ENABLE ROW LEVEL SECURITY", "row security"),
    ],
)
def test_nothing_that_hangs_on_the_table_is_lost(varied: str, extra: str, told: str) -> None:
    run_sql(varied, extra.replace("current_task EXECUTE", "current_task FOR EACH ROW EXECUTE"))
    names = tables(varied)

    with pytest.raises(CannotSwap, match=told):
        rebuild_current_task(varied)

    assert tables(varied) == names


def test_one_rebuild_at_a_time(varied: str) -> None:
    with psycopg.connect(varied, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(7018115368)")
        with pytest.raises(RebuildRefused, match="another rebuild"):
            rebuild_current_task(varied)


def test_what_a_broken_off_rebuild_left_is_cleared_away(varied: str) -> None:
    run_sql(varied, "CREATE TABLE current_task_beside (left_over text)")

    assert rebuild_current_task(varied).tasks == 2
    assert "current_task_beside" not in tables(varied)


def test_a_swap_waits_for_a_reader_and_lets_writers_write(varied: str) -> None:
    with psycopg.connect(varied) as reader, ThreadPoolExecutor() as pool:
        reader.execute("SELECT count(*) FROM current_task")
        rebuilding = pool.submit(rebuild_current_task, varied)
        for number in range(5):
            record(varied, (A, ChangeFields({"title": f"written {number}"})))
        assert not rebuilding.done()
        reader.rollback()
        assert rebuilding.result(60).tasks == 2

    assert problems(varied) == []


def test_writes_go_on_while_the_view_is_rebuilt(start_server: Callable[..., Server]) -> None:
    server = start_server()
    database = server.environment["PALIMPSEST_DATABASE_URL"]
    record_drafts(database, {uuid4(): "some that nobody changes meanwhile" for _ in range(20)})
    done = Event()

    def type_on(client: Client) -> dict[str, int]:
        """Types into two drafts and creates some more; the last version of each as the service told it."""
        versions = {}
        drafts = [client.new_draft(), client.new_draft()]
        number = 0
        while not done.is_set():
            for task_id in drafts:
                number += 1
                answer = client.patch(f"/api/v1/tasks/{task_id}", json={"description": "x" * (number % 300)})
                assert answer.status_code == 200, answer.text
                versions[task_id] = int(answer.headers["etag"].strip('"'))
                assert client.get(f"/api/v1/tasks/{task_id}").status_code == 200
            versions[client.new_draft(title="new")] = 2
        return versions

    with ExitStack() as closing, ThreadPoolExecutor() as pool:
        clients = [closing.enter_context(server.client()) for _ in range(3)]
        typing = [pool.submit(type_on, client) for client in clients]
        try:
            rebuilt = [rebuild_current_task(database) for _ in range(4)]
        finally:
            done.set()
        versions = {task_id: version for one in typing for task_id, version in one.result(60).items()}

    assert [one.repaired for one in rebuilt] == [[]] * 4
    assert problems(database) == []
    assert versions.items() <= {str(row[0]): row[18] for row in rows(database)}.items()
