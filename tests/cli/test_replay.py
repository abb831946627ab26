"""`palimpsest replay`: the past in a terminal, as text and as JSON."""

import os
import pty
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from uuid import UUID, uuid4

import msgspec
import pytest

from domain.commands import ChangeFields, DiscardDraft
from projections.times import rfc3339
from tests.support.harness import PALIMPSEST, run_palimpsest
from tests.support.recording import START, new_draft, record, typed

TASK = UUID("a0000000-0000-4000-8000-00000000000a")
EVIL = "\x1b]0;owned\x07\x9b31m"

Palimpsest = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def url(new_database: Callable[[], str]) -> str:
    """A store with one draft: three letters, a title that would change the terminal's, discarded."""
    database = new_database()
    commands = [new_draft(), *typed("a😀e\u0301"), ChangeFields({"title": EVIL}), DiscardDraft()]
    record(database, *((TASK, command) for command in commands))
    return database


@pytest.fixture
def replay(url: str, tmp_path: Path) -> Palimpsest:
    return lambda *arguments: run_palimpsest(tmp_path, url, "replay", *arguments)


def test_each_event_is_a_line(replay: Palimpsest) -> None:
    done = replay(str(TASK))

    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert [int(line.split()[0]) for line in lines] == [1, 2, 3, 4, 5, 6, 7]
    assert '{"field":"description","edit":{"at":1,"cut":0,"insert":"😀"}}' in lines[2]
    assert "\x1b" not in done.stdout


def test_each_event_is_an_envelope_with_json(replay: Palimpsest) -> None:
    events = [msgspec.json.decode(line) for line in replay(str(TASK), "--json").stdout.splitlines()]

    assert [event["version"] for event in events] == [1, 2, 3, 4, 5, 6, 7]
    assert events[2]["data"] == {"field": "description", "edit": {"at": 1, "cut": 0, "insert": "😀"}}


@pytest.mark.parametrize(("version", "text"), [(1, ""), (2, "a"), (3, "a😀"), (5, "a😀e\u0301")])
def test_a_version_is_printed_as_it_stood(replay: Palimpsest, version: int, text: str) -> None:
    printed = replay(str(TASK), "--version", str(version))
    as_json = msgspec.json.decode(replay(str(TASK), "--version", str(version), "--json").stdout)

    assert printed.stdout.endswith(f"version:         {version}\n\n{text}\n")
    assert (as_json["description"], as_json["status"]) == (text, "draft")


def test_a_time_is_printed_as_it_stood_then(replay: Palimpsest) -> None:
    moment = START + 2_500_000

    printed = msgspec.json.decode(replay(str(TASK), "--at", rfc3339(moment), "--json").stdout)
    later = msgspec.json.decode(replay(str(TASK), "--at", "2099-01-01T00:00:00Z", "--json").stdout)

    assert printed["description"] == "a😀"
    assert later["status"] == "discarded"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([str(uuid4())], "there is no task"),
        ([str(TASK), "--version", "0"], "no version 0"),
        ([str(TASK), "--version", "8"], "no version 8: its last is 7"),
        ([str(TASK), "--at", "2001-01-01T00:00:00Z"], f"did not exist then: it was created at {rfc3339(START)}"),
        ([str(TASK), "--at", "yesterday"], "RFC 3339"),
        ([str(TASK), "--at", "2027-01-01T00:00:00"], "RFC 3339"),
        ([str(TASK), "--at", "2027-01-01T00:00:00Z", "--version", "1"], "not both"),
        ([str(TASK), "--speed", "0"], "--speed"),
        ([str(TASK), "--speed", "nan"], "--speed"),
        ([str(TASK), "--speed", "2", "--version", "1"], "--speed is for playing"),
        (["x"], "not a valid UUID"),
    ],
)
def test_wrong_use_is_told_and_exits_with_2(replay: Palimpsest, arguments: list[str], message: str) -> None:
    done = replay(*arguments)

    assert (done.returncode, message in done.stderr) == (2, True), done.stderr
    assert "Traceback" not in done.stderr


def played(url: str, directory: Path, speed: str) -> str:
    """What a terminal of 24 rows and 100 columns is sent while a draft is played, without colours."""
    here, there = pty.openpty()
    process = subprocess.Popen(
        [PALIMPSEST, "replay", str(TASK), "--speed", speed],
        env={**os.environ, "PALIMPSEST_DATABASE_URL": url, "TERM": "xterm", "COLUMNS": "100", "LINES": "24"},
        cwd=directory,
        stdout=there,
        stderr=there,
    )
    os.close(there)
    seen = b""
    try:
        while chunk := os.read(here, 65536):
            seen += chunk
    except OSError:  # the other end is closed
        pass
    os.close(here)
    text = seen.decode()
    assert process.wait(30) == 0, text
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def test_a_terminal_shows_the_text_grow_and_never_obeys_it(url: str, tmp_path: Path) -> None:
    text = played(url, tmp_path, speed="100")

    assert "7/7" in text
    assert "a😀" in text
    assert "\x1b]0;" not in text
    assert "status: discarded" in text


def test_a_terminal_shows_that_part_of_a_long_text_which_is_being_typed(
    new_database: Callable[[], str], tmp_path: Path
) -> None:
    url = new_database()
    lines = "".join(f"line {number}\n" for number in range(200))
    ends = [lines, lines + "the end", "the start\n" + lines + "the end"]
    record(url, *((TASK, command) for command in [new_draft(), *(ChangeFields({"description": end}) for end in ends)]))

    text = played(url, tmp_path, speed="4")

    pictures = text.split("\u256d")
    assert max(picture.count("\n") for picture in pictures) < 24
    assert "the start" in pictures[-1]
    assert "line 199" not in pictures[-1]
    assert any("the end" in picture and "line 199" in picture and "status: draft" in picture for picture in pictures)
