"""Readers of every kind that tail a log while it is written, each noting the positions it was given, in order."""

import json
import shutil
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg
from psycopg import Connection

from service.store.connections import connect
from service.stream.export import export
from service.views.projector import Projector
from service.views.view import FollowingView, Positioned
from tests.support.harness import DEADLINE, Server

PAUSE = 0.005


class Tail(ABC):
    """A reader in a thread of its own. What it reads through may fail at any time: it goes on where it was."""

    def __init__(self) -> None:
        self.positions: list[int] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def name(self) -> str:
        return type(self).__name__

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def expected(self, log: list[tuple[int, str]]) -> list[int]:
        """The positions that it must have been given in the end."""
        return [position for position, _ in log]

    def _run(self) -> None:
        while not self._stopping.is_set():
            with suppress(httpx.TransportError, psycopg.Error):
                self.read()
            time.sleep(PAUSE)

    @property
    def last(self) -> int:
        return self.positions[-1] if self.positions else 0

    @abstractmethod
    def read(self) -> None:
        """Read on behind what it has."""


class HttpTail(Tail):
    """A reader over HTTP."""

    def __init__(self, server: Server) -> None:
        super().__init__()
        self.client = server.client(scope="analytics")

    def stop(self) -> None:
        super().stop()
        self.client.close()


class Pages(HttpTail):
    """JSON pages, from `next_after` to `next_after`."""

    after = 0
    params: dict[str, Any] = {"limit": 50}  # noqa: RUF012 (nobody changes it)

    def read(self) -> None:
        response = self.client.get("/api/v1/events", params={**self.params, "after": self.after})
        if response.status_code == 200:
            page = response.json()
            self.positions += [item["position"] for item in page["items"]]
            self.after = page["next_after"]


class FilteredPages(Pages):
    """Pages of one type: `next_after` alone says how far they have come."""

    params = {"limit": 3, "type": "DraftCreated"}  # noqa: RUF012

    def expected(self, log: list[tuple[int, str]]) -> list[int]:
        return [position for position, kind in log if kind == "DraftCreated"]


class Lines(HttpTail):
    """NDJSON, behind the last line that came whole."""

    def read(self) -> None:
        headers = {"Accept": "application/x-ndjson"}
        with self.client.stream("GET", "/api/v1/events", params={"after": self.last}, headers=headers) as response:
            if response.status_code == 200:
                for line in response.iter_lines():
                    self.positions.append(json.loads(line)["position"])


class CloudEvents(HttpTail):
    """Batches of CloudEvents, behind the last one's position."""

    def read(self) -> None:
        headers = {"Accept": "application/cloudevents-batch+json"}
        response = self.client.get("/api/v1/events", params={"after": self.last, "limit": 20}, headers=headers)
        if response.status_code == 200:
            self.positions += [item["position"] for item in response.json()]


class Live(HttpTail):
    """Server-sent events, resumed with the id of the last whole one; also after each second of silence."""

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self.client.timeout = httpx.Timeout(DEADLINE, read=1)

    def read(self) -> None:
        headers = {"Last-Event-ID": str(self.last)}
        with self.client.stream("GET", "/api/v1/events/stream", headers=headers) as response:
            if response.status_code != 200:
                return
            text = ""
            for piece in response.iter_text():
                *frames, text = (text + piece).split("\n\n")
                self.positions += [int(frame.split("\n")[0][4:]) for frame in frames if frame.startswith("id: ")]
                if self._stopping.is_set():
                    return


class Followed(Tail):
    """A view of the projector that keeps every position it is given."""

    def __init__(self, database: str) -> None:
        super().__init__()
        self._database = database
        with psycopg.connect(database) as connection:
            connection.execute("CREATE SCHEMA noted")
            connection.execute("CREATE TABLE noted.seen (n bigint GENERATED ALWAYS AS IDENTITY, position bigint)")
            connection.execute("INSERT INTO followed_view (name) VALUES ('noted')")

    class Noted(FollowingView):
        name = schema = "noted"
        tables = ("seen",)

        def apply(self, connection: Connection[Any], events: Sequence[Positioned]) -> None:
            rows = [(event.position,) for event in events]
            connection.cursor().executemany("INSERT INTO seen (position) VALUES (%s)", rows)

    def read(self) -> None:
        with connect(self._database) as connection:
            while not self._stopping.is_set():
                Projector(self._database, [self.Noted()], batch=40).catch_up(connection)
                rows = connection.execute("SELECT position FROM noted.seen ORDER BY n").fetchall()
                self.positions = [row[0] for row in rows]
                time.sleep(PAUSE)


class Exported(Tail):
    """An export that is made again and again into one directory."""

    def __init__(self, database: str, directory: Path) -> None:
        super().__init__()
        self._database = database
        self._directory = directory / f"export-{uuid4().hex}"

    def read(self) -> None:
        manifest = export(self._database, self._directory, "ndjson", redact=True)
        lines: list[int] = []
        for file in sorted(manifest.files, key=lambda file: file.first):
            text = (self._directory / file.path).read_text()
            lines += [json.loads(line)["position"] for line in text.splitlines()]
        self.positions = lines

    def stop(self) -> None:
        super().stop()
        shutil.rmtree(self._directory, ignore_errors=True)
