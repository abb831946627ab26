"""The commands (docs/api.md, Running): what they print, and how they end."""

import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import httpx
import jwt
import pytest

from service.cli.main import _announce
from service.settings import Settings
from tests.support.harness import PALIMPSEST, SECRET, Server, in_process

EC_PUBLIC_KEY = """-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEEVs/o5+uQbTjL3chynL4wXgUg2R9
q9UU8I5mEovUf86QZ7kOBIjJwqnzD1omageEHWwHdBO6B+dFabmdT9POxg==
-----END PUBLIC KEY-----
"""


def run(directory: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command as a shell starts it in a directory, with nothing set but what is given."""
    variables = {"PATH": os.environ["PATH"], **environment}
    return subprocess.run(
        [PALIMPSEST, *arguments], cwd=directory, env=variables, capture_output=True, text=True, timeout=60
    )


def test_serve_says_where_it_listens_where_the_data_is_and_how_to_get_a_token(server: Server) -> None:
    said = server.log.read_text()

    assert f"Listening on {server.url}\n" in said
    assert "Data in " in said
    assert "palimpsest token --sub " in said
    assert "#token=" not in said


def test_on_a_terminal_serve_gives_a_link_to_try(
    server: Server, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    _announce(Settings(auth_secret=SECRET))

    link = next(line for line in capsys.readouterr().out.splitlines() if "#token=" in line)
    token = link.partition("#token=")[2]
    response = httpx.get(f"{server.url}/api/v1/tasks", headers={"Authorization": f"Bearer {token}"})
    assert response.status_code == 200


def test_a_token_is_for_its_user_and_its_time(tmp_path: Path) -> None:
    user = str(uuid4())

    minted = in_process(
        tmp_path,
        "token",
        "--sub",
        user,
        "--scope",
        "audit analytics",
        "--ttl",
        "60",
        PALIMPSEST_AUTH_SECRET=SECRET,
        PALIMPSEST_AUTH_AUDIENCE="aud",
        PALIMPSEST_AUTH_ISSUER="iss",
    )

    claims = jwt.decode(minted.stdout.strip(), SECRET, algorithms=["HS256"], audience="aud", issuer="iss")
    assert (claims["sub"], claims["scope"], claims["exp"] - claims["iat"]) == (user, "audit analytics", 60)


def test_a_secret_is_generated_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    user = str(uuid4())
    for _ in range(2):
        assert in_process(tmp_path, "token", "--sub", user).returncode == 0

    secret = tmp_path / ".palimpsest" / "secret"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert len(secret.read_text()) >= 32
    token = in_process(tmp_path, "token", "--sub", user).stdout.strip()
    assert jwt.decode(token, secret.read_text(), algorithms=["HS256"])["sub"] == user


def test_tokens_are_not_minted_where_only_the_public_key_is_known(tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    key.write_text(EC_PUBLIC_KEY)

    refused = in_process(tmp_path, "token", "--sub", str(uuid4()), PALIMPSEST_AUTH_PUBLIC_KEY=str(key))

    assert refused.returncode == 2
    assert "cannot mint" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        (["serve"], {"PALIMPSEST_PORT": "eighty"}, "PALIMPSEST_PORT must be a whole number"),
        (["serve"], {"PALIMPSEST_HOST": "256.1.1.1"}, "PALIMPSEST_HOST"),
        (["serve"], {"PALIMPSEST_DATABASE_URL": "postgresql://x@127.0.0.1:1/x"}, "PALIMPSEST_DATABASE_URL"),
        (["serve"], {"PALIMPSEST_DATA_DIR": "/dev/null"}, "PALIMPSEST_DATA_DIR"),
        (["token", "--sub", "me"], {}, "not a valid UUID"),
        (["token", "--sub", str(uuid4()), "--scope", "all"], {}, "unknown scope all"),
        (["token", "--sub", str(uuid4()), "--ttl", "0"], {}, "--ttl"),
        (["fly"], {}, "No such command"),
    ],
)
def test_wrong_use_is_told_in_one_line_and_ends_with_2(
    tmp_path: Path, arguments: list[str], environment: dict[str, str], message: str
) -> None:
    # What `serve` sets up before it fails would stay in this process.
    refused = (run if arguments == ["serve"] else in_process)(tmp_path, *arguments, **environment)

    assert refused.returncode == 2, refused.stderr
    assert message in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_port_that_is_taken_is_told_before_anything_is_started(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = run(tmp_path, "serve", PALIMPSEST_PORT=str(port))

    assert refused.returncode == 2
    assert f"PALIMPSEST_PORT: cannot listen on 127.0.0.1 port {port}" in refused.stderr
    assert not (tmp_path / ".palimpsest" / "postgres").exists()


def test_settings_shows_every_variable_but_no_secret(tmp_path: Path) -> None:
    shown = in_process(tmp_path, "settings", PALIMPSEST_AUTH_SECRET=SECRET, PALIMPSEST_PORT="8123").stdout

    assert "PALIMPSEST_RATE_LIMIT" in shown
    assert "8123" in shown
    assert SECRET not in shown


def test_sql_runs_on_the_store_and_passes_its_arguments_on(server: Server) -> None:
    shown = server.run("sql", "--tuples-only", "--command", "SELECT 1 + 1 FROM current_task LIMIT 1")

    assert shown.stdout.strip() in ("", "2")
    assert server.run("sql", "--command", "SELECT nonsense", check=False).returncode == 1


def test_serve_ends_when_it_is_asked_to_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with Server(tmp_path) as server:
        assert server.process is not None
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(30) == 0
        assert not (tmp_path / "data" / "postgres" / "postmaster.pid").exists()
