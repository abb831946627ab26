"""Waiting for a client, for so long and no longer.

All who wait are looked at once a second: a timer of its own for each request costs a tenth of an autosave's processor
time.
"""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

INTERVAL = 1.0
"""Seconds between two looks at who has waited for too long."""


class Patience:
    """What may take `seconds`, and up to `INTERVAL` more. `start` and `stop` it in the loop that uses it."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._since: dict[asyncio.Task[Any], float] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Look from now on."""
        self._loop = asyncio.get_running_loop()
        self._look()

    def stop(self) -> None:
        """Look no more."""
        if self._timer:
            self._timer.cancel()

    async def wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """The coroutine's result; one wait at a time in a task. Raises TimeoutError where it takes too long."""
        task = asyncio.current_task(self._loop)
        assert task is not None
        self._since[task] = time.monotonic()
        try:
            return await coroutine
        except asyncio.CancelledError:
            if task in self._since or task.uncancel() > 0:
                raise
            raise TimeoutError from None
        finally:
            self._since.pop(task, None)

    def _look(self) -> None:
        assert self._loop is not None
        deadline = time.monotonic() - self._seconds
        for task in [task for task, since in self._since.items() if since < deadline]:
            del self._since[task]
            task.cancel()
        self._timer = self._loop.call_later(INTERVAL, self._look)
