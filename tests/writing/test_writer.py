"""The writer decides a batch while the one before is being committed: what it built on may not come to be."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from domain.commands import ChangeFields, Metadata
from service.proof.verify import verdicts
from service.store.connections import connect
from service.store.scan import tasks_of_log_and_view
from service.writing import writer as writing
from service.writing.append import append
from service.writing.batch import TaskWrites
from service.writing.requests import Committed, WriteRequest
from service.writing.writer import Writer
from tests.support.recording import OWNER, START, new_draft, record

Append = Callable[[Any, Sequence[TaskWrites]], Awaitable[set[UUID]]]


def titled(task_id: UUID, title: str) -> WriteRequest:
    return WriteRequest(task_id, ChangeFields({"title": title}), Metadata(START, OWNER, f"request-{title}"))


def in_order(database: str, task_id: UUID, appending: Append, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What becomes of three changes: the second and third are handed in while the first is in the hands of `appending`.

    The writer remembers the task before, so that it decides all three at once.
    """

    async def main() -> list[Any]:
        writer = Writer(database)
        await writer.start()
        try:
            await writer.submit(titled(task_id, "remembered"))
            later: list[Awaitable[Any]] = []

            async def first_time(connection: Any, groups: Sequence[TaskWrites]) -> set[UUID]:
                monkeypatch.setattr(writing, "append", append)
                later.extend(writer.submit(titled(task_id, title)) for title in ("second", "third"))
                return await appending(connection, groups)

            monkeypatch.setattr(writing, "append", first_time)
            first = await asyncio.gather(writer.submit(titled(task_id, "first")), return_exceptions=True)
            return [*first, *await asyncio.gather(*later, return_exceptions=True)]
        finally:
            await writer.stop()

    return asyncio.run(main())


def states(results: list[Any]) -> list[tuple[int, str] | type[BaseException]]:
    return [(r.task.version, r.task.title) if isinstance(r, Committed) else type(r) for r in results]


def all_is_proven(database: str) -> bool:
    with connect(database, connect_timeout=10) as connection:
        return all(verdict.ok for verdict in verdicts(tasks_of_log_and_view(connection), lambda _: None))


def test_what_was_decided_meanwhile_follows(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    task_id = uuid4()
    record(database, (task_id, new_draft()))

    results = in_order(database, task_id, append, monkeypatch)

    assert states(results) == [(3, "first"), (4, "second"), (5, "third")]
    assert all_is_proven(database)


def test_a_task_that_another_process_changed_meanwhile_is_decided_again(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    task_id = uuid4()
    record(database, (task_id, new_draft()))

    async def lose(connection: Any, groups: Sequence[TaskWrites]) -> set[UUID]:
        await asyncio.to_thread(record, database, (task_id, ChangeFields({"category": "c"})))
        return await append(connection, groups)

    results = in_order(database, task_id, lose, monkeypatch)

    # Their event stands at the very version on which the second was decided.
    assert sorted(result.task.version for result in results) == [4, 5, 6]
    assert {result.task.category for result in results} == {"c"}
    assert all_is_proven(database)


@pytest.mark.parametrize(
    ("error", "first"),
    [
        (RuntimeError("a defect"), RuntimeError),
        (psycopg.errors.DiskFull("no room"), writing.StoreUnavailable),
        (psycopg.errors.DataException("a value"), psycopg.errors.DataException),
    ],
)
def test_nothing_builds_on_a_batch_that_failed(
    database: str, monkeypatch: pytest.MonkeyPatch, error: Exception, first: type[Exception]
) -> None:
    task_id = uuid4()
    record(database, (task_id, new_draft()))

    async def fail(_connection: Any, _groups: Sequence[TaskWrites]) -> set[UUID]:
        await asyncio.to_thread(record, database, (task_id, ChangeFields({"category": "c"})))
        raise error

    results = in_order(database, task_id, fail, monkeypatch)

    assert states(results) == [first, (4, "second"), (5, "third")]
    assert all_is_proven(database)
