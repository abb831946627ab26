"""The live feed: one listener on the database in each process, and any number of readers of what it hears.

A run of the log is fetched and decoded once for all readers, and encoded once for each of the two ways of seeing
it. Readers pull: each knows its position and asks for what follows, so that a slow one holds nothing but a number.
What is recent is kept within a budget; a reader that lags further reads the log itself, in
blocks that it shares with others.
"""

import asyncio
import logging
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import AsyncGenerator
from typing import Any

import msgspec
import psycopg
from psycopg import AsyncConnection

from projections.history import Envelope, envelope, one_line
from projections.redaction import redacted
from service.store.codec import LogRow, recorded
from service.store.connections import open_connection
from service.store.log import CHUNK, EventLog, Filters, read_last_position, read_rows

log = logging.getLogger(__name__)

HEARTBEAT = 10.0
"""Seconds of silence after which a reader is sent a comment."""

POLL = 1.0
"""Seconds after which the log is polled without a notification."""

RECENT_BYTES = 8 * 1024 * 1024
"""Stored bytes of recent events that are kept for readers."""

KEPT_BLOCKS = 16
"""Blocks of older events that are kept for readers who catch up side by side."""

MAX_RUNS = 64
"""Recent runs that a reader who lags a little is sent in one piece."""

GATHER = 0.004
"""Seconds between two looks at the log while it grows, so that many saves are one piece for each reader."""

RECONNECT_PAUSE = 0.2
"""Seconds between two attempts to reach the database."""

_encode = msgspec.json.Encoder().encode


class Run:
    """The events after position `after` up to `upto`, and the frames that stand for them."""

    def __init__(self, after: int, upto: int, rows: list[LogRow]) -> None:
        self.after = after
        self.upto = upto
        self.size = sum(len(row.state) + 500 for row in rows)
        self._envelopes = [envelope(row.position, recorded(row), row.digest) for row in rows]
        self._frames: dict[bool, bytes] = {}

    def frames(self, after: int, redact: bool) -> bytes:
        """The server-sent events after `after`, ready to be sent."""
        if after > self.after:
            return b"".join(_frame(item, redact) for item in self._envelopes if item.position > after)
        if redact not in self._frames:
            self._frames[redact] = b"".join(_frame(item, redact) for item in self._envelopes)
        return self._frames[redact]


def _frame(item: Envelope, redact: bool) -> bytes:
    body = one_line(_encode(redacted(item) if redact else item))
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (item.position, item.type.encode(), body)


class FeedBroken(Exception):
    """The log holds what cannot be read; its readers are let go."""


class Feed:
    """What readers of one process follow. It listens while there are any."""

    def __init__(self, database_url: str, event_log: EventLog, heartbeat: float = HEARTBEAT) -> None:
        self._database_url = database_url
        self._log = event_log
        self._heartbeat = heartbeat
        self._recent: list[Run] = []
        self._size = 0
        self._blocks: OrderedDict[int, asyncio.Task[Run]] = OrderedDict()
        self._head: int | None = None
        self._changed = asyncio.Event()
        self._listener: asyncio.Task[None] | None = None
        self._broken = False
        self._closed = False
        self.readers = 0

    async def read(self, after: int, redact: bool) -> AsyncGenerator[bytes, None]:
        """Server-sent events after `after`, and a comment at least every heartbeat, until the feed is closed.

        Raises `FeedBroken` where the log cannot be read.
        """
        clock = asyncio.get_running_loop().time
        self._enter()
        try:
            yield b": palimpsest\n\n"
            silent_after = clock() + self._heartbeat
            while not self._closed:
                if self._broken:
                    raise FeedBroken
                if self._head is None or after >= self._head:
                    if await self._news(silent_after):
                        continue
                    frames = b": nothing new\n\n"
                else:
                    runs = self._recent_runs(after) or [await self._older_run(after, self._head)]
                    frames = b"".join(run.frames(after, redact) for run in runs)
                    after = max(after, runs[-1].upto)
                if frames:
                    yield frames
                    silent_after = clock() + self._heartbeat
        finally:
            self._leave()

    def close(self) -> None:
        """Let every reader end, and take no more."""
        self._closed = True
        self._wake()
        if self._listener:
            self._listener.cancel()

    def _enter(self) -> None:
        self.readers += 1
        if self.readers == 1 and not self._closed:
            self._broken = False
            self._listener = asyncio.create_task(self._listen(), name="feed")

    def _leave(self) -> None:
        self.readers -= 1
        if self.readers == 0 and self._listener:
            self._listener.cancel()
            self._listener = None
            self._recent.clear()
            self._blocks.clear()
            self._size = 0
            self._head = None

    async def _news(self, until: float) -> bool:
        """Wait until something changes; False when nothing did."""
        try:
            async with asyncio.timeout_at(until):
                await self._changed.wait()
        except TimeoutError:
            return False
        return True

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def _recent_runs(self, after: int) -> list[Run]:
        """The recent runs that follow `after`, at most `MAX_RUNS`; none where `after` is older."""
        place = bisect_right(self._recent, after, key=lambda run: run.after) - 1
        return self._recent[place : place + MAX_RUNS] if place >= 0 else []

    async def _older_run(self, after: int, head: int) -> Run:
        """The block of positions that `after` lies in, up to the head."""
        number = after // CHUNK
        block = self._blocks.get(number)
        if block is None:
            begin = number * CHUNK
            end = min(begin + CHUNK, head)
            block = asyncio.create_task(self._load(begin, end))
            if end == begin + CHUNK:
                self._blocks[number] = block
                if len(self._blocks) > KEPT_BLOCKS:
                    self._blocks.popitem(last=False)
        try:
            return await asyncio.shield(block)
        except Exception:
            self._blocks.pop(number, None)
            raise

    async def _load(self, after: int, upto: int) -> Run:
        return Run(after, upto, [row async for chunk in self._log.rows(after, upto, Filters()) for row in chunk])

    async def _listen(self) -> None:
        """Follow the log while there are readers; a lost connection is made again."""
        while True:
            try:
                async with await open_connection(self._database_url) as connection:
                    await connection.execute("LISTEN draft_events")
                    await self._follow(connection)
            except (psycopg.Error, OSError, TimeoutError) as error:
                log.warning("the feed lost the store: %s", error)
            except Exception:
                log.exception("the feed cannot read the log")
                self._broken = True
                self._wake()
                return
            await asyncio.sleep(RECONNECT_PAUSE)

    async def _follow(self, connection: AsyncConnection[Any]) -> None:
        head = self._head
        if head is None:
            self._head = head = await read_last_position(connection)
            self._wake()
        clock = asyncio.get_running_loop().time
        while True:
            rows = await read_rows(connection, head)
            looked = clock()
            if rows:
                run = Run(head, rows[-1].position, rows)
                self._append(run)
                head = run.upto
            if len(rows) < CHUNK:
                async for _ in connection.notifies(timeout=POLL, stop_after=1):
                    pass
                await asyncio.sleep(max(0.0, looked + GATHER - clock()))

    def _append(self, run: Run) -> None:
        self._recent.append(run)
        self._size += run.size
        if self._size > RECENT_BYTES:
            self._forget_half()
        self._head = run.upto
        self._wake()

    def _forget_half(self) -> None:
        keep = len(self._recent)
        size = 0
        while keep > 1 and size <= RECENT_BYTES // 2:
            keep -= 1
            size += self._recent[keep].size
        del self._recent[:keep]
        self._size = size
