"""The minutely sweep: drafts past their life are recorded as expired, old idempotency keys are removed.

Every process asks each minute; the store lets one of them do it.
"""

import asyncio
import logging
from collections.abc import Callable
from uuid import UUID, uuid4

from domain.commands import ExpireDraft, Metadata
from service.store.errors import StoreUnavailable
from service.store.tasks import Store
from service.writing.requests import Overloaded, WriteRequest
from service.writing.writer import Writer

log = logging.getLogger(__name__)

INTERVAL = 60
"""Seconds between two sweeps."""

KEEP_KEYS_HOURS = 25
"""Hours for which an idempotency key is kept at least: a day, and one for clocks."""


class Sweep:
    """The sweep of one process."""

    def __init__(self, store: Store, writer: Writer, clock: Callable[[], int]) -> None:
        self._store = store
        self._writer = writer
        self._clock = clock
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Sweep once a minute from now on."""
        self._task = asyncio.create_task(self._work(), name="sweep")

    async def stop(self) -> None:
        """Sweep no more."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _work(self) -> None:
        while True:
            try:
                if await self._store.claim_job("sweep", INTERVAL - 1):
                    await sweep(self._store, self._writer, self._clock)
            except Exception as error:  # the next minute tries again, and says so again
                log.warning("the sweep failed: %s", error)
            await asyncio.sleep(INTERVAL)


async def sweep(store: Store, writer: Writer, clock: Callable[[], int]) -> int:
    """Record the expiry of every draft past its life; returns how many. Removes old idempotency keys.

    A draft that cannot be expired is logged and left for the next sweep: each is tried once.
    """
    expired = 0
    last: UUID | None = None
    while overdue := await store.overdue(clock(), last):
        for task_id in overdue:
            metadata = Metadata(clock(), "system", str(uuid4()))
            try:
                await writer.submit(WriteRequest(task_id, ExpireDraft(), metadata))
                expired += 1
            except (StoreUnavailable, Overloaded):
                raise
            except Exception as error:
                log.error("a draft cannot be expired: %s", error, extra={"task_id": str(task_id)})
        last = overdue[-1]
    await store.forget_keys(KEEP_KEYS_HOURS)
    return expired
