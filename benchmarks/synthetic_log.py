"""A log that nobody typed: seeded, of any length, interleaved as many people's drafts are, and written in bulk.

For measuring and testing what reads the log. It goes past the write path: there is no current-task view with it.
"""

import random
from collections.abc import Iterable, Iterator
from uuid import UUID

import psycopg

from domain import chain
from domain.events import (
    AttachmentAdded,
    AttachmentRemoved,
    Cause,
    DraftCreated,
    DraftDiscarded,
    DraftExpired,
    DraftFieldChanged,
    DraftPublished,
    DraftRestored,
    Event,
    Recorded,
    TranscriptChanged,
)
from domain.task import Task, evolve
from domain.text import Edit
from service.store.codec import EventMapper

FIRST_MOMENT = 1_767_225_600_000_000
"""The beginning of 2026 in microseconds since 1970."""

_LETTERS = "etaoin shrdlu, ñß☃😀."
_TTL = 30 * 86_400


class SyntheticLog:
    """Events of `drafts` drafts at a time over `days` days; the same seed makes the same log.

    Times fall back a little from one draft to the next, as those of several writers do.
    """

    def __init__(self, seed: int, events: int, drafts: int = 64, days: float = 10) -> None:
        self._random = random.Random(seed)
        self._events = events
        self._tasks: list[Task | None] = [None] * drafts
        self._step = max(1, int(days * 86_400_000_000 / max(1, events)))

    def __iter__(self) -> Iterator[Recorded]:
        now = FIRST_MOMENT
        for _ in range(self._events):
            now += self._random.randint(0, 2 * self._step)
            place = self._random.randrange(len(self._tasks))
            task = self._tasks[place]
            if task is None or task.status == "open":
                task = None
                event = self._recorded(self._id(), 1, now, "create", DraftCreated(_TTL), self._id())
            else:
                at = max(task.updated_at, now - self._random.randint(0, 300_000))
                cause, data = self._happening(task)
                event = self._recorded(task.id, task.version + 1, at, cause, data, task.user_id)
            yield event
            self._tasks[place] = evolve(task, event)

    def _recorded(self, task_id: UUID, version: int, at: int, cause: Cause, data: Event, actor: UUID) -> Recorded:
        return Recorded(task_id, version, at, "system" if cause == "expire" else actor, str(self._id()), cause, data)

    def _happening(self, task: Task) -> tuple[Cause, Event]:
        if task.status != "draft":
            return "restore", DraftRestored(_TTL)
        chance = self._random.random()
        if chance < 0.85:
            return "autosave", DraftFieldChanged("description", self._edit(task.description, 5_000))
        if chance < 0.90:
            return "autosave", DraftFieldChanged("title", self._edit(task.title, 200))
        if chance < 0.92:
            return "transcript", TranscriptChanged(self._edit(task.transcript, 20_000))
        return self._rarer(task, chance)

    def _rarer(self, task: Task, chance: float) -> tuple[Cause, Event]:
        choose = self._random.choice
        if chance < 0.94:
            return "autosave", DraftFieldChanged("category", value=choose(["design", "code", "", "text"]))
        if chance < 0.955:
            return "autosave", DraftFieldChanged("task_type", value=choose(["logo", "page", ""]))
        if chance < 0.97:
            return "autosave", DraftFieldChanged("budget_usd", value=choose([5, 25, 99.5]))
        if chance < 0.98:
            return "autosave", DraftFieldChanged("requirements", value={"colour": choose(["red", "blue"])})
        if chance < 0.985 and task.attachments:
            return "attachment", AttachmentRemoved(task.attachments[0])
        if chance < 0.985:
            return "attachment", AttachmentAdded("https://example.org/a")
        if chance < 0.990:
            return "publish", DraftPublished()
        return ("discard", DraftDiscarded()) if chance < 0.996 else ("expire", DraftExpired())

    def _edit(self, text: str, limit: int) -> Edit:
        """Mostly a character at the end, sometimes a deletion; a text at its limit begins anew."""
        if len(text) >= limit:
            return Edit(0, len(text), "")
        if text and self._random.random() < 0.1:
            return Edit(len(text) - 1, 1, "")
        return Edit(len(text), 0, self._random.choice(_LETTERS))

    def _id(self) -> UUID:
        return UUID(int=self._random.getrandbits(128), version=4)


def write_log(database_url: str, events: Iterable[Recorded]) -> int:
    """Copy whole streams of events into the log, with their digests; returns how many."""
    mapper = EventMapper()
    heads: dict[UUID, bytes] = {}
    count = 0
    with psycopg.connect(database_url) as connection:
        columns = "originator_id, originator_version, topic, state, digest"
        with connection.cursor().copy(f"COPY draft_events ({columns}) FROM STDIN") as copy:
            for event in events:
                stored = mapper.to_stored_event(event)
                key = event.originator_id, event.originator_version, stored.topic
                digest = chain.digest(heads.get(key[0], chain.GENESIS), *key, stored.state)
                heads[key[0]] = digest
                copy.write_row((*key, stored.state, digest))
                count += 1
        connection.execute("SELECT pg_notify('draft_events', '')")
    return count
