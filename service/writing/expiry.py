"""The minutely sweep: drafts past their life are recorded as expired, old idempotency keys are removed.

Every process asks each minute; the store lets one of them do it.
"""

import asyncio
import logging
from collections.abc import Callable
from uuid import uuid4

from domain.commands import ExpireDraft, Metadata
from domain.errors import Refusal
from service.store.tasks import Store
from service.writing.requests import WriteRequest
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
    """Record the expiry of every draft past its life; returns how many. Removes old idempotency keys."""
    expired = 0
    while overdue := await store.overdue(clock()):
        for task_id in overdue:
            metadata = Metadata(clock(), "system", str(uuid4()))
            try:
                await writer.submit(WriteRequest(task_id, ExpireDraft(), metadata))
                expired += 1
            except Refusal as refusal:
                log.error("a draft cannot be expired: %s", refusal, extra={"task_id": str(task_id)})
    await store.forget_keys(KEEP_KEYS_HOURS)
    return expired
