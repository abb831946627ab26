"""A wire between the service and PostgreSQL that breaks when a batch is being committed, before, during or after."""

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

_COMMITTING = b"append_events\x00"
"""What the message that runs the prepared statement holds, and no other."""

BEFORE, DURING, AFTER = "before it arrived", "while it was carried out", "after it was committed"


class BreakingWire:
    """Forwards bytes, and cuts the connection at a share of the commits."""

    def __init__(self, target: Path, share: float) -> None:
        self._target = target
        self._chance = random.Random(7)
        self.share = share
        self.cuts: Counter[str] = Counter()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        server_reader, server_writer = await asyncio.open_unix_connection(str(self._target))
        cut_answer = asyncio.Event()
        tasks = [
            asyncio.create_task(self._to_server(reader, server_writer, cut_answer)),
            asyncio.create_task(self._to_client(server_reader, writer, cut_answer)),
        ]
        with suppress(asyncio.CancelledError):  # the end of the test
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        for side in (writer, server_writer):
            side.close()

    async def _to_server(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, cut_answer: asyncio.Event
    ) -> None:
        while data := await reader.read(1 << 20):
            if _COMMITTING in data and self._chance.random() < self.share:
                when = self._chance.choice((BEFORE, DURING, AFTER))
                self.cuts[when] += 1
                if when == BEFORE:
                    return
                if when == AFTER:
                    cut_answer.set()
                writer.write(data)
                await writer.drain()
                if when == DURING:
                    return
            else:
                writer.write(data)
                await writer.drain()

    @staticmethod
    async def _to_client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, cut_answer: asyncio.Event) -> None:
        while data := await reader.read(1 << 20):
            if cut_answer.is_set():
                return
            writer.write(data)
            await writer.drain()


@contextmanager
def breaking_wire(database_url: str, directory: Path, share: float) -> Iterator[tuple[str, BreakingWire]]:
    """The URL of a store behind such a wire, and the wire. `database_url` names a Unix socket."""
    parts = urlsplit(database_url)
    query = parse_qs(parts.query)
    socket = f".s.PGSQL.{query['port'][0]}"
    wire = BreakingWire(Path(query["host"][0]) / socket, share)
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_unix_server(wire.serve, str(directory / socket)))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        host = str(directory).replace("/", "%2F")
        yield f"postgresql://palimpsest@{parts.path}?host={host}&port={query['port'][0]}", wire
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0.05))
        loop.close()
