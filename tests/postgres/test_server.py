"""The embedded PostgreSQL, started and stopped for real, also when those who use it are killed."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest

from service.postgres.server import EmbeddedError, embedded_server, programs
from service.postgres.watchdog import supervised
from tests.support.harness import wait_until

psutil = pytest.importorskip("psutil", reason="psutil, which the embedded server's wheel depends on, is missing")

USER_OF_THE_SERVER = """
import sys
from pathlib import Path
import psycopg
from service.postgres.server import embedded_server

with embedded_server(Path(sys.argv[1])) as url:
    try:
        print(url, flush=True)
        sys.stdin.read()
    except KeyboardInterrupt:
        with psycopg.connect(url) as connection:
            print(connection.execute("SELECT 'still there'").fetchone()[0], flush=True)
"""


@contextmanager
def another_process_using(data_dir: Path) -> Iterator[subprocess.Popen[str]]:
    """Has entered when given; leaves when its input is closed; ends with the block at the latest."""
    with subprocess.Popen(
        [sys.executable, "-c", USER_OF_THE_SERVER, str(data_dir)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Tests that run in the background of a shell ignore SIGINT, and so would what they start.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline().startswith("postgresql://")
        try:
            yield process
        finally:
            process.stdin.close()


@contextmanager
def bystander(*, user: int | None = None, close_fds: bool = True) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "600"], user=user, close_fds=close_fds) as process:
        try:
            yield process
        finally:
            process.kill()


def postgres_processes(data_dir: Path) -> set[int]:
    pgdata = str(data_dir.resolve() / "postgres")
    found = psutil.process_iter(["pid", "name", "cwd"])
    return {process.pid for process in found if process.info["name"] == "postgres" and process.info["cwd"] == pgdata}


def postmaster(data_dir: Path) -> int:
    return int((data_dir / "postgres" / "postmaster.pid").read_text().split()[0])


def write(url: str, word: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS word (word text)")
        connection.execute("INSERT INTO word VALUES (%s)", [word])


def answers(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True


def read(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        return [word for (word,) in connection.execute("SELECT word FROM word ORDER BY word")]


@pytest.fixture
def data_dir(new_store: Callable[[Path], Path], tmp_path: Path) -> Path:
    """A data directory in which nothing runs, for tests of what comes after its creation."""
    return new_store(tmp_path / "data")


def test_what_was_written_is_there_at_the_next_start(tmp_path: Path) -> None:
    data_dir = tmp_path / "new" / "data"
    with embedded_server(data_dir) as url:
        write(url, "kept")
        assert postgres_processes(data_dir)
    assert not postgres_processes(data_dir)

    with embedded_server(data_dir) as url:
        assert read(url) == ["kept"]


def test_it_is_durable_and_speaks_utf_8_in_utc(tmp_path: Path) -> None:
    expected = {
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
        "data_checksums": "on",
        "server_encoding": "UTF8",
        "TimeZone": "UTC",
    }
    with embedded_server(tmp_path) as url, psycopg.connect(url) as connection:
        shown: dict[str, str] = dict(connection.execute("SELECT name, setting FROM pg_settings").fetchall())
        locale = connection.execute("SELECT datlocale FROM pg_database WHERE datname = current_database()").fetchone()
    assert {name: shown[name] for name in expected} == expected
    assert locale == ("C.UTF-8",)


def test_it_is_reached_by_nobody_but_its_account(tmp_path: Path) -> None:
    with embedded_server(tmp_path) as url, psycopg.connect(url) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
        directory = Path(connection.info.host)
        assert directory.stat().st_mode & 0o777 == 0o700
        assert directory.stat().st_uid == psutil.Process(postmaster(tmp_path)).uids().real


def test_the_last_who_leaves_stops_it(data_dir: Path) -> None:
    with another_process_using(data_dir) as other:
        with embedded_server(data_dir) as url:
            write(url, "by the second")
            started = postmaster(data_dir)
        assert postmaster(data_dir) == started
        assert started in postgres_processes(data_dir)

        with embedded_server(data_dir) as url:
            assert other.stdin is not None
            other.stdin.close()
            assert other.wait(30) == 0
            assert postmaster(data_dir) == started
            assert read(url) == ["by the second"]
    assert not postgres_processes(data_dir)


def test_those_who_come_at_the_same_time_share_one(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool, ExitStack() as crowd:
        list(pool.map(lambda _: crowd.enter_context(another_process_using(tmp_path)), range(4)))
        started = postmaster(tmp_path)
        assert started in postgres_processes(tmp_path)
        with embedded_server(tmp_path):
            assert postmaster(tmp_path) == started
    assert not postgres_processes(tmp_path)


def test_after_its_owner_was_killed_it_is_adopted_and_stopped(data_dir: Path) -> None:
    with another_process_using(data_dir) as owner:
        left_behind = postmaster(data_dir)
        owner.kill()
        owner.wait()
    assert left_behind in postgres_processes(data_dir)

    with embedded_server(data_dir):
        assert postmaster(data_dir) == left_behind
    assert not postgres_processes(data_dir)


def test_after_the_server_was_killed_what_was_committed_is_there(data_dir: Path) -> None:
    with embedded_server(data_dir) as url:
        write(url, "before")
        os.kill(postmaster(data_dir), signal.SIGKILL)
        with embedded_server(data_dir) as url_after:
            assert read(url_after) == ["before"]
    assert not postgres_processes(data_dir)


@pytest.mark.parametrize("length", ["short", "long" * 30])
def test_while_it_is_supervised_a_server_that_dies_comes_back_under_its_url(
    new_store: Callable[[Path], Path], tmp_path: Path, length: str
) -> None:
    with embedded_server(new_store(tmp_path / length)) as url, supervised(tmp_path / length):
        for word in ("a", "b", "c"):
            write(url, word)
            died = postmaster(tmp_path / length)
            os.kill(died, signal.SIGKILL)
            wait_until(lambda died=died: answers(url) and postmaster(tmp_path / length) != died, "it is back")
        assert read(url) == ["a", "b", "c"]
    assert not postgres_processes(tmp_path / length)


def test_a_server_that_the_operator_restarted_is_used_and_stopped(data_dir: Path) -> None:
    with embedded_server(data_dir) as url, supervised(data_dir):
        before = postmaster(data_dir)
        account = (data_dir / "postgres").stat()
        subprocess.run(
            [programs() / "pg_ctl", "restart", "-m", "immediate", "-w", "-D", data_dir.resolve() / "postgres"],
            user=account.st_uid,
            group=account.st_gid,
            extra_groups=[],
            cwd="/",
            env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
            check=True,
            stdout=subprocess.DEVNULL,
        )
        restarted = postmaster(data_dir)
        assert restarted != before
        for _ in range(20):
            write(url, "word")
        assert postmaster(data_dir) == restarted
    wait_until(lambda: not postgres_processes(data_dir), "the server stops")


def test_a_fork_while_it_is_started_again_does_not_keep_it_from_stopping(data_dir: Path) -> None:
    with ExitStack() as forks, embedded_server(data_dir) as url, supervised(data_dir):
        died = postmaster(data_dir)
        os.kill(died, signal.SIGKILL)
        while not answers(url):
            child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(600,))
            child.start()
            forks.callback(child.kill)
            time.sleep(0.02)
    assert not postgres_processes(data_dir)


def test_a_user_may_leave_after_the_server_was_killed(data_dir: Path) -> None:
    with embedded_server(data_dir):
        os.kill(postmaster(data_dir), signal.SIGKILL)
    assert not postgres_processes(data_dir)


def test_a_pid_file_that_names_somebody_else_is_overlooked(data_dir: Path) -> None:
    with embedded_server(data_dir) as url:
        write(url, "before")
        pid_file = data_dir / "postgres" / "postmaster.pid"
        lines = pid_file.read_text().splitlines(keepends=True)
        account = pid_file.stat()
    with bystander(user=account.st_uid) as innocent:
        for name in ("postmaster.pid", ".s.PGSQL.5432.lock"):
            stale = data_dir / "postgres" / name
            stale.write_text("".join([f"{innocent.pid}\n", *lines[1:]]))
            os.chown(stale, account.st_uid, account.st_gid)

        with embedded_server(data_dir) as url:
            assert read(url) == ["before"]
        assert not postgres_processes(data_dir)
        assert innocent.poll() is None


def test_a_pid_file_that_was_cut_short_is_overlooked(data_dir: Path) -> None:
    with embedded_server(data_dir):
        pass
    (data_dir / "postgres" / "postmaster.pid").touch()
    os.utime(data_dir / "postgres" / "postmaster.pid", (0, 0))

    with embedded_server(data_dir) as url:
        write(url, "it runs")


def test_a_creation_that_was_interrupted_is_begun_again(tmp_path: Path) -> None:
    unfinished = tmp_path / "postgres.new"
    unfinished.mkdir()
    (unfinished / "PG_VERSION").write_text("18\n")

    with embedded_server(tmp_path) as url:
        write(url, "it runs")
    assert not unfinished.exists()


def test_a_path_too_long_for_a_socket_will_do(tmp_path: Path) -> None:
    data_dir = tmp_path / ("long" * 30)
    with embedded_server(data_dir) as url, psycopg.connect(url) as connection:
        directory = Path(connection.info.host)
        assert directory.stat().st_mode & 0o777 == 0o700
        assert not directory.is_relative_to(data_dir)
        with another_process_using(data_dir):
            pass
    assert not directory.exists()


def test_a_path_with_unusual_characters_will_do(tmp_path: Path) -> None:
    with embedded_server(tmp_path / 'a, b & "quoted" entwürfe = all?') as url:
        write(url, "it runs")


def test_ctrl_c_reaches_the_user_and_not_the_server(data_dir: Path) -> None:
    with another_process_using(data_dir) as user:
        assert user.stdout is not None
        os.killpg(user.pid, signal.SIGINT)
        assert user.stdout.readline() == "still there\n"
        assert user.wait(30) == 0
    assert not postgres_processes(data_dir)


def test_a_child_of_a_user_does_not_keep_it_running(data_dir: Path) -> None:
    with ExitStack() as children:
        with embedded_server(data_dir):
            children.enter_context(bystander(close_fds=False))
        assert not postgres_processes(data_dir)
        with embedded_server(data_dir) as url:
            write(url, "it runs")
        assert not postgres_processes(data_dir)


def test_a_start_that_takes_too_long_is_given_up_and_leaves_nothing(tmp_path: Path) -> None:
    with (
        pytest.raises(EmbeddedError, match="gave up waiting for PostgreSQL"),
        embedded_server(tmp_path, start_timeout=0),
    ):
        pass
    assert not postgres_processes(tmp_path)


def test_a_server_that_dies_says_why(data_dir: Path) -> None:
    with embedded_server(data_dir):
        pass
    (data_dir / "postgres" / "global" / "pg_control").rename(data_dir / "pg_control")

    with pytest.raises(EmbeddedError, match="could not find the database system") as refusal, embedded_server(data_dir):
        pass
    assert "\n" not in str(refusal.value)


def test_another_major_version_is_refused(data_dir: Path) -> None:
    with embedded_server(data_dir):
        pass
    (data_dir / "postgres" / "PG_VERSION").write_text("17\n")

    with pytest.raises(EmbeddedError, match="is of PostgreSQL 17, this release runs 18"), embedded_server(data_dir):
        pass


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(EmbeddedError, match=r"file.* (is not a directory|Not a directory)"), embedded_server(path):
            pass


def test_a_directory_without_permission_is_refused(tmp_path: Path) -> None:
    parent = Path("/sys") if os.geteuid() == 0 else tmp_path  # where not even root may write
    if parent == tmp_path:
        tmp_path.chmod(0o500)
    with pytest.raises(EmbeddedError, match=r"not permitted|denied"), embedded_server(parent / "palimpsest"):
        pass


def test_a_cluster_beside_other_files_is_refused_and_they_stay(tmp_path: Path) -> None:
    other = tmp_path / "postgres" / "other"
    other.mkdir(parents=True)
    with pytest.raises(EmbeddedError, match="not empty"), embedded_server(tmp_path):
        pass
    assert other.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only for root does the server run as somebody else")
@pytest.mark.parametrize("path", ["", os.environ.get("PATH", os.defpath)], ids=["chmod", "setfacl where there is one"])
def test_root_may_keep_it_below_a_private_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setenv("PATH", path)
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    with embedded_server(private / "data") as url:
        write(url, "it runs")
        assert psutil.Process(postmaster(private / "data")).uids().real != 0
    assert private.stat().st_mode & 0o007 in (0o000, 0o001)
    assert (private / "data" / "postgres").stat().st_mode & 0o077 == 0


def test_the_programs_are_those_of_its_version() -> None:
    for program in ("psql", "pg_dump"):
        printed = subprocess.run([programs() / program, "--version"], capture_output=True, text=True, check=True)
        assert " 18." in printed.stdout
