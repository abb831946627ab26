"""Responses that are sent in pieces: to readers who are slow, who leave, and whose response breaks off."""

import asyncio
from collections.abc import AsyncGenerator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from service.api.streaming import StreamedResponse, sender_of
from service.http.request import Request

REQUEST = cast(Request, SimpleNamespace(path="/somewhere", request_id="1"))


class Connection:
    """What the server gives the application: the client takes `room` messages, and leaves when `gone` is set."""

    def __init__(self, room: int = 100) -> None:
        self.sent: list[Any] = []
        self._room = room
        self.gone = asyncio.Event()

    async def receive(self) -> Any:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        if len(self.sent) == self._room:
            await asyncio.Event().wait()
        self.sent.append(message)

    @property
    def is_whole(self) -> bool:
        return bool(self.sent) and self.sent[-1].get("more_body") is False


async def respond(connection: Connection, pieces: AsyncGenerator[bytes, None], send_timeout: float = 20) -> None:
    respond = sender_of(StreamedResponse(200, [], pieces, send_timeout), REQUEST)
    await respond({}, connection.receive, connection.send)  # type: ignore[arg-type, typeddict-item]


class Pieces:
    """An endless body that knows how much of it was asked for, and whether it was closed."""

    def __init__(self, pause: float = 0) -> None:
        self.asked = 0
        self.closed = False
        self._pause = pause

    async def make(self) -> AsyncGenerator[bytes, None]:
        try:
            while True:
                self.asked += 1
                yield b"piece"
                await asyncio.sleep(self._pause)
        finally:
            self.closed = True


def test_a_whole_body_is_sent_to_its_end() -> None:
    async def run() -> None:
        async def pieces() -> AsyncGenerator[bytes, None]:
            yield b"one"
            yield b"two"

        connection = Connection()
        await respond(connection, pieces())
        assert [message.get("body") for message in connection.sent] == [None, b"one", b"two", b""]
        assert connection.is_whole

    asyncio.run(run())


def test_a_slow_reader_is_dropped_and_nothing_is_made_for_it_ahead() -> None:
    async def run() -> None:
        pieces, connection = Pieces(), Connection(room=4)
        await respond(connection, pieces.make(), send_timeout=0.05)
        assert pieces.asked == 4
        assert pieces.closed
        assert not connection.is_whole

    asyncio.run(run())


def test_a_reader_that_leaves_is_noticed_while_there_is_nothing_to_send() -> None:
    async def run() -> None:
        pieces, connection = Pieces(pause=1000), Connection()
        asyncio.get_running_loop().call_later(0.05, connection.gone.set)
        async with asyncio.timeout(5):
            await respond(connection, pieces.make())
        assert pieces.closed
        assert not connection.is_whole

    asyncio.run(run())


def test_a_body_that_fails_is_cut_off_and_never_looks_whole() -> None:
    async def run() -> None:
        async def pieces() -> AsyncGenerator[bytes, None]:
            yield b"one"
            raise OSError("the store is gone")

        connection = Connection()
        with pytest.raises(OSError, match="the store is gone"):
            await respond(connection, pieces())
        assert not connection.is_whole

    asyncio.run(run())
