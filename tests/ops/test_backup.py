"""Backups are taken while people type, restored to a moment, and their chains verified (docs/operations.md)."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from service.postgres.server import embedded_server, programs
from service.store.codec import recorded
from tests.fault.conftest import start_faults  # noqa: F401 (a fixture)
from tests.support.evidence import history
from tests.support.faults import Faults
from tests.support.harness import wait_until, with_database
from tests.support.recorder import Recorder, Save

ROOT = Path(__file__).parents[2]
BACKUP = ROOT / "ops" / "backup.sh"


def environment(faults: Faults) -> dict[str, str]:
    return {**faults.server.environment, "PYTHON": sys.executable, "PYTHONPATH": str(ROOT)}


def backup(faults: Faults, *arguments: str | Path) -> None:
    done = subprocess.run([BACKUP, *arguments], env=environment(faults), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def found(url: str, saves: list[Save]) -> set[str]:
    """The keys of those saves that are in a store."""
    with psycopg.connect(url) as connection:
        rows = [row for task_id in {save.task_id for save in saves} for row in history(connection, task_id)]
    return {recorded(row).request_id for row in rows} & {save.key for save in saves}


def test_a_backup_taken_under_load_is_restored_to_a_moment(
    start_faults: Callable[..., Faults],  # noqa: F811
    tmp_path: Path,
) -> None:
    faults = start_faults(workers=1)
    archive, base, restored = tmp_path / "archive", tmp_path / "base", tmp_path / "restored"
    receiver = subprocess.Popen([BACKUP, "archive", archive], env=environment(faults), stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: list(archive.glob("*.partial")), "the log is being archived")
        with Recorder(faults.server, 4, tasks=4) as recorder:
            time.sleep(1)
            backup(faults, "base", base)
            time.sleep(1)
            before = recorder.acknowledged
            time.sleep(0.2)
            moment = datetime.now(UTC)
            time.sleep(1)
        after = [save for person in recorder.people for save in person.saves[-1:]]
        with psycopg.connect(faults.database_url, autocommit=True) as connection:
            connection.execute("SELECT pg_switch_wal()")
        wait_until(
            lambda: max(archive.iterdir()).name > current_segment(faults.database_url), "all of it is in the archive"
        )
    finally:
        receiver.terminate()
        receiver.wait()
    faults.server.stop()

    backup(faults, "restore", base, archive, restored, moment.isoformat().replace("+00:00", "Z"))
    verified = subprocess.run(
        [str(Path(sys.executable).with_name("palimpsest")), "verify", "--all"],
        env={**environment(faults), "PALIMPSEST_DATA_DIR": str(restored)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert verified.returncode == 0, verified.stdout + verified.stderr
    with embedded_server(restored) as url:
        assert found(url, before) == {save.key for save in before}
        assert found(url, after) == set()


def current_segment(url: str) -> str:
    """The segment of the write-ahead log in which the last commit is."""
    with psycopg.connect(url) as connection:
        (name,) = connection.execute("SELECT pg_walfile_name(pg_current_wal_lsn())").fetchone() or [""]
    return str(name)


def test_a_dump_taken_under_load_is_one_moment_of_the_log(
    start_faults: Callable[..., Faults],  # noqa: F811
    tmp_path: Path,
) -> None:
    faults = start_faults(workers=1)
    dump = tmp_path / "dump"
    with Recorder(faults.server, 4, tasks=4) as recorder:
        time.sleep(1)
        before = recorder.acknowledged
        subprocess.run(
            [programs() / "pg_dump", "--format=custom", f"--file={dump}", f"--dbname={faults.database_url}"], check=True
        )
        time.sleep(1)
    with psycopg.connect(faults.database_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE restored")
    url = with_database(faults.database_url, "restored")
    subprocess.run([programs() / "pg_restore", "--exit-on-error", f"--dbname={url}", dump], check=True)
    verified = subprocess.run(
        [str(Path(sys.executable).with_name("palimpsest")), "verify", "--all"],
        env={**os.environ, "PALIMPSEST_DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert found(url, before) == {save.key for save in before}
