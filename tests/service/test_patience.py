"""Waiting for a client: for so long and no longer, and a wait that somebody else ends is not taken for that."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from service import patience
from service.patience import Patience


async def _after(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "done"


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "INTERVAL", 0.01)


def _run(seconds: float, use: Coroutine[Any, Any, str], cancel_after: float | None = None) -> str:
    async def main() -> str:
        waits = Patience(seconds)
        waits.start()
        try:
            task = asyncio.create_task(waits.wait(use))
            if cancel_after is not None:
                await asyncio.sleep(cancel_after)
                task.cancel()
            return await task
        finally:
            waits.stop()

    return asyncio.run(main())


def test_what_comes_in_time_is_returned() -> None:
    assert _run(1.0, _after(0.02)) == "done"


def test_what_takes_too_long_is_ended() -> None:
    with pytest.raises(TimeoutError):
        _run(0.02, _after(60))


def test_a_wait_that_is_cancelled_is_cancelled() -> None:
    with pytest.raises(asyncio.CancelledError):
        _run(1.0, _after(60), cancel_after=0.02)


def test_the_task_goes_on_after_a_wait_that_was_ended() -> None:
    async def twice(waits: Patience) -> str:
        with pytest.raises(TimeoutError):
            await waits.wait(_after(60))
        return await waits.wait(_after(0.001))

    async def main() -> str:
        waits = Patience(0.02)
        waits.start()
        try:
            return await asyncio.create_task(twice(waits))
        finally:
            waits.stop()

    assert asyncio.run(main()) == "done"
