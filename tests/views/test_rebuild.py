"""`palimpsest rebuild`: the same tables again, with what belongs to them, filled from the log while writes go on."""

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
from psycopg import Connection

from domain.commands import AddAttachment, ChangeFields, ChangeTranscript, DiscardDraft
from service.postgres.server import programs
from service.proof.verify import verdicts
from service.store import locks
from service.store.connections import connect
from service.store.scan import tasks_of_log_and_view
from service.views.current_task import CurrentTask
from service.views.followed import VIEWS
from service.views.rebuild import Rebuildable, RebuildRefused, RebuildRunning, Rebuilt, rebuild
from service.views.shadow import CannotSwap
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

    rebuilt = rebuild(varied, CurrentTask())

    assert (rebuilt.tasks, rebuilt.repaired) == (2, [])
    assert rows(varied) == before


@contextmanager
def a_role(database: str) -> Iterator[str]:
    name = f"role_{uuid4().hex}"
    run_sql(database, f"CREATE ROLE {name}")
    yield name
    run_sql(database, f"REASSIGN OWNED BY {name} TO CURRENT_USER", f"DROP OWNED BY {name}", f"DROP ROLE {name}")


every_view = pytest.mark.parametrize("view", [CurrentTask(), *VIEWS], ids=lambda view: view.name)


def adornments(view: Rebuildable, analyst: str, owner: str) -> Iterator[str]:
    """Statements that give the tables of a view all that they can have."""
    columns = {"current_task": "version", "block": "block"}
    yield f"ALTER DEFAULT PRIVILEGES GRANT INSERT ON TABLES TO {analyst}"
    yield f"GRANT USAGE, CREATE ON SCHEMA {view.schema} TO {analyst}, {owner}"
    for name in view.tables:
        table = f"{view.schema}.{name}"
        column = columns.get(name, "typed" if name != "left_at" else "drafts")
        yield f"GRANT SELECT ON {table} TO {analyst} WITH GRANT OPTION"
        yield f"GRANT SELECT ({column}), UPDATE ({column}) ON {table} TO PUBLIC"
        yield f"ALTER TABLE {table} OWNER TO {owner}"
        yield f"REVOKE TRUNCATE ON {table} FROM {owner}"
        yield f"COMMENT ON TABLE {table} IS 'It''s a {name}.'"
        yield f"COMMENT ON COLUMN {table}.{column} IS 'One of them.'"
        yield f"ALTER TABLE {table} SET (fillfactor = 33, autovacuum_vacuum_scale_factor = 0.1)"
        yield f"ALTER TABLE {table} ADD CONSTRAINT any_value CHECK ({column} IS NOT NULL)"
        # LIKE would name these two the other way round.
        yield f"CREATE INDEX {name}_{column}_idx1 ON {table} ({column}) WHERE {column} IS NOT NULL"
        yield f"CREATE INDEX {name}_{column}_idx ON {table} ({column}) WITH (fillfactor = 44)"
        yield f'CREATE UNIQUE INDEX "Named USING {name}" ON {table} ({column}) WHERE {column} IS NULL'


@every_view
def test_everything_that_belongs_to_the_tables_is_the_same_again(varied: str, view: Rebuildable) -> None:
    with a_role(varied) as analyst, a_role(varied) as owner:
        run_sql(varied, *adornments(view, analyst, owner))
        before = schema(varied)

        rebuild(varied, view)
        rebuild(varied, view)

        assert before.count("any_value") == len(view.tables)
        assert schema(varied) == before


def test_toast_parameters_are_kept(varied: str) -> None:
    run_sql(varied, "ALTER TABLE current_task SET (toast.autovacuum_enabled = false)")
    before = schema(varied)

    rebuild(varied, CurrentTask())

    assert "toast.autovacuum_enabled" in before
    assert schema(varied) == before


def test_a_privilege_granted_during_the_rebuild_is_kept(varied: str) -> None:
    class Granting(CurrentTask):
        def fill(self, *arguments: Any) -> Rebuilt:
            run_sql(varied, f"GRANT SELECT ON current_task TO {analyst}")
            return super().fill(*arguments)

    with a_role(varied) as analyst:
        rebuild(varied, Granting())

        assert f"GRANT SELECT ON TABLE public.current_task TO {analyst}" in schema(varied)


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

    rebuilt = rebuild(varied, CurrentTask())

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
        rebuild(varied, CurrentTask())

    assert before is None or rows(varied) == before
    assert tables(varied) == names


def test_the_exit_code_is_0_for_success_1_for_a_broken_log_2_for_wrong_use(varied: str, tmp_path: Path) -> None:
    run_sql(varied, f"DELETE FROM current_task WHERE id = '{A}'")
    repaired = run_palimpsest(tmp_path, varied, "rebuild", "current_task")
    run_sql(varied, f"UPDATE current_task SET digest = '' WHERE id = '{A}'")
    refused = run_palimpsest(tmp_path, varied, "rebuild", "current_task")
    unknown = run_palimpsest(tmp_path, varied, "rebuild", "tomorrow")
    run_sql(varied, "CREATE VIEW mine AS SELECT * FROM moment.block")
    depended = run_palimpsest(tmp_path, varied, "rebuild", "moment")

    assert (repaired.returncode, refused.returncode, unknown.returncode) == (0, 1, 2), refused.stderr
    assert (depended.returncode, depended.stderr) == (
        2,
        "palimpsest: something depends on block: view mine depends on table moment.block\n",
    )
    assert f"repaired: task {A} version 8: view-missing" in repaired.stdout
    assert "2 tasks, 1 of them repaired" in repaired.stdout
    assert refused.stdout.startswith("FAILED: current_task is left as it was: task")


@every_view
@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        ("CREATE VIEW mine AS SELECT * FROM {table}", "view mine depends"),
        (
            "CREATE TRIGGER t BEFORE UPDATE ON {table} FOR EACH ROW"
            " EXECUTE FUNCTION suppress_redundant_updates_trigger()",
            "a trigger",
        ),
        ("ALTER TABLE {table} ENABLE ROW LEVEL SECURITY", "row security"),
        ("CREATE PUBLICATION p FOR TABLE {table}", "a publication"),
        (
            "CREATE STATISTICS s ON {columns} FROM {table}",
            "extended statistics",
        ),
    ],
)
def test_what_a_swap_would_lose_refuses_the_rebuild(varied: str, view: Rebuildable, extra: str, reason: str) -> None:
    columns = {"current_task": "id, version", "moment": "block, latest", "statistics": "day, field"}[view.name]
    run_sql(varied, extra.format(table=f"{view.schema}.{view.tables[-1]}", columns=columns))
    before = schema(varied)

    with pytest.raises(CannotSwap, match=f"{view.tables[-1]}.*{reason}"):
        rebuild(varied, view)

    assert schema(varied) == before


@every_view
def test_a_rebuild_that_fails_midway_leaves_everything_as_it_was(
    varied: str, view: Rebuildable, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(connection: Connection[Any], position: int) -> None:
        raise RuntimeError("midway")

    before = schema(varied), rows(varied)
    with monkeypatch.context() as patch:
        patch.setattr(view, "set_position", fail)
        with pytest.raises(RuntimeError, match="midway"):
            rebuild(varied, view)

    assert (schema(varied), rows(varied)) == before


@every_view
def test_what_a_killed_rebuild_left_is_dropped(varied: str, view: Rebuildable) -> None:
    before = schema(varied)
    run_sql(varied, f"CREATE SCHEMA {view.name}_shadow", f"CREATE TABLE {view.name}_shadow.{view.tables[0]} (n int)")

    rebuild(varied, view)

    assert schema(varied) == before


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_an_unreadable_event_refuses_the_rebuild_of_a_view_that_follows(varied: str, view: Rebuildable) -> None:
    run_sql(
        varied,
        "INSERT INTO draft_events (originator_id, originator_version, topic, state, digest)"
        " VALUES (gen_random_uuid(), 1, 'DraftCreated', 'nonsense', '')",
    )

    with pytest.raises(RebuildRefused, match="cannot be read"):
        rebuild(varied, view)


def test_one_rebuild_at_a_time(varied: str) -> None:
    with psycopg.connect(varied, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (locks.REBUILD,))
        with pytest.raises(RebuildRunning, match="another rebuild"):
            rebuild(varied, CurrentTask())


@every_view
def test_a_swap_waits_for_a_reader_and_lets_writers_write(varied: str, view: Rebuildable) -> None:
    with psycopg.connect(varied) as reader, ThreadPoolExecutor() as pool:
        reader.execute(f"SELECT count(*) FROM {view.schema}.{view.tables[-1]}".encode())
        rebuilding = pool.submit(rebuild, varied, view)
        for number in range(5):
            record(varied, (A, ChangeFields({"title": f"written {number}"})))
        assert not rebuilding.done()
        reader.rollback()
        assert rebuilding.result(60).position == 16

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
            rebuilt = [rebuild(database, CurrentTask()) for _ in range(4)]
        finally:
            done.set()
        versions = {task_id: version for one in typing for task_id, version in one.result(60).items()}

    assert [one.repaired for one in rebuilt] == [[]] * 4
    assert problems(database) == []
    assert versions.items() <= {str(row[0]): row[18] for row in rows(database)}.items()
