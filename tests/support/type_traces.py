"""Type recorded sessions into a running service, one PATCH an edit, and check every answer (`make traces`).

Prints the rate and what an edit costs to store. The recordings are looked for in PALIMPSEST_TRACES.
"""

import sys
import time
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
from rich.console import Console
from rich.progress import track

from service.postgres.server import embedded_server
from tests.support.fold import fold, view
from tests.support.harness import Client, Server
from tests.support.typed_sessions import Edit, recorded, texts, traces_folder

RECORDINGS = ("clownschool_flat.json.gz", "json-crdt-blog-post.json.gz")
READY = {"title": "Typed", "category": "writing", "task_type": "article", "budget_usd": 50}


def type_into(client: Client, task_id: str, edits: Iterable[Edit]) -> int:
    """Save the description after each edit of an empty draft; returns how many edits changed it.

    After each the answer holds the text, at a version that is one more where the text is another one.
    """
    text, changed = "", 0
    for edit in edits:
        before, text = text, edit.apply(text)
        response = client.patch(f"/api/v1/tasks/{task_id}", json={"description": text})
        changed += text != before
        assert response.status_code == 200, response.text
        assert response.json()["description"] == text
        assert response.headers["etag"] == f'"{1 + changed}"'
    return changed


def check_history(client: Client, task_id: str, edits: list[Edit]) -> None:
    """One event an edit that changed something, which add up to each text and to the view."""
    history = client.history(task_id)
    states = fold(history)
    typed = texts(edits)
    assert [state["description"] for state in states] == [
        text for number, text in enumerate(typed) if number == 0 or text != typed[number - 1]
    ]
    assert {event["cause"] for event in history[1:]} == {"autosave"}
    assert view(states[-1]) == client.get(f"/api/v1/tasks/{task_id}").json()


def publish(client: Client, task_id: str) -> None:
    """Set the other fields and publish, which replays all of it."""
    assert client.patch(f"/api/v1/tasks/{task_id}", json=READY).status_code == 200
    response = client.post(f"/api/v1/tasks/{task_id}/publish")
    assert response.status_code == 200, response.text
    assert response.json()["status"] == "open"


def stored_bytes(database_url: str) -> int:
    """Bytes that the log takes on disk, its indexes with it."""
    with psycopg.connect(database_url) as connection:
        row = connection.execute("SELECT pg_total_relation_size('draft_events')").fetchone()
    assert row is not None
    size: int = row[0]
    return size


def main() -> None:
    """Type every recording whole, up to the length of a description."""
    console = Console()
    missing = [name for name in RECORDINGS if not (traces_folder() / name).exists()]
    if missing:
        sys.exit(f"PALIMPSEST_TRACES: {' and '.join(missing)} not found in {traces_folder()}")
    with (
        TemporaryDirectory() as directory,
        embedded_server(Path(directory) / "data") as url,
        Server(Path(directory), PALIMPSEST_DATABASE_URL=url) as server,
        server.client() as client,
    ):
        for name in RECORDINGS:
            edits = recorded(traces_folder() / name)
            task_id = client.new_draft()
            before, start = stored_bytes(url), time.perf_counter()
            typing = track(edits, name, console=console, disable=not console.is_terminal)
            changed = type_into(client, task_id, typing)
            seconds, size = time.perf_counter() - start, stored_bytes(url) - before
            check_history(client, task_id, edits)
            publish(client, task_id)
            print(
                f"{name}: {len(edits)} edits, {changed} events, {len(edits) / seconds:.0f} edits/s,"
                f" {size / len(edits):.0f} bytes an edit, {len(texts(edits)[-1])} characters"
            )


if __name__ == "__main__":
    main()
