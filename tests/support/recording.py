"""Tasks recorded as the service does it, by its own writer, straight into a database."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

from domain.commands import ChangeFields, Command, Content, CreateDraft, Metadata
from service.writing.requests import WriteRequest
from service.writing.writer import Writer

START = 1_795_000_000_000_000
"""The time of the first event, in microseconds since 1970; each command comes a second later."""

OWNER = UUID("0e000000-0000-4000-8000-000000000001")


def new_draft(**fields: object) -> CreateDraft:
    return CreateDraft(3600, Content(fields))


def typed(text: str, field: str = "description") -> list[Command]:
    """The autosaves of a text that is typed letter by letter."""
    return [ChangeFields({field: text[:end]}) for end in range(1, len(text) + 1)]


def record(database: str, *orders: tuple[UUID, Command], owner: UUID = OWNER) -> None:
    """Carry out the commands, one after the other."""
    asyncio.run(_record(database, orders, owner))


async def _record(database: str, orders: Sequence[tuple[UUID, Command]], owner: UUID) -> None:
    writer = Writer(database)
    await writer.start()
    try:
        for number, (task_id, command) in enumerate(orders):
            metadata = Metadata(START + number * 1_000_000, owner, f"request-{number}")
            await writer.submit(WriteRequest(task_id, command, metadata))
    finally:
        await writer.stop()


def record_drafts(database: str, drafts: dict[UUID, str]) -> None:
    """One draft for each id, its description typed letter by letter, the drafts taking turns."""
    streams = {task_id: [new_draft(), *typed(text)] for task_id, text in drafts.items()}
    longest = max(map(len, streams.values()), default=0)
    record(
        database,
        *(
            (task_id, stream[turn])
            for turn in range(longest)
            for task_id, stream in streams.items()
            if turn < len(stream)
        ),
    )
