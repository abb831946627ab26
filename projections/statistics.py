"""The statistics view as a fold: what each draft adds up to, and what a run of events changes in the counts of days.

The definitions are in docs/analytics.md. Days are UTC. No text is kept, only lengths: the view holds nothing that
`analytics` may not see.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import date
from uuid import UUID

import msgspec

from domain.events import (
    AttachmentAdded,
    AttachmentRemoved,
    DraftCreated,
    DraftDiscarded,
    DraftExpired,
    DraftFieldChanged,
    DraftPublished,
    Event,
    Recorded,
    TranscriptChanged,
)
from projections.times import moment_of

EDITING = frozenset({"autosave", "transcript", "attachment"})
"""The causes that are a person's editing; not what a creation, a copy, a revert or publishing recorded."""

PUBLISHABLE_LENGTH = 20
"""Characters of description or transcript with which a draft counts as publishable.

Part of the definition and no setting: a view does not change with what a setting says later.
"""


class Draft(msgspec.Struct):
    """What the fold remembers of a draft; times in microseconds since 1970."""

    task_id: UUID
    created_at: int
    published_at: int | None = None
    edits: int = 0
    last_edit_at: int | None = None
    last_field: str = ""
    description_length: int = 0
    transcript_length: int = 0
    has_category: bool = False
    has_task_type: bool = False
    has_budget: bool = False
    typed: bool = False
    publishable: bool = False

    @property
    def left_at(self) -> tuple[date, str] | None:
        """The day and the field of the last edit, while the draft is not published."""
        if self.published_at is not None:
            return None
        moment = self.created_at if self.last_edit_at is None else self.last_edit_at
        return day_of(moment), self.last_field


class Day(msgspec.Struct):
    """What is added to the counts of one day."""

    created: int = 0
    published: int = 0
    published_at_once: int = 0
    discarded: int = 0
    expired: int = 0
    edits: int = 0
    their_edits: int = 0
    typed: int = 0
    publishable: int = 0
    became_open: int = 0


class Changes(msgspec.Struct):
    """What a run of events changes in the view: drafts as they are now, and what is to be added to the counts."""

    drafts: dict[UUID, Draft]
    days: dict[date, Day]
    left: Counter[tuple[date, str]]


def fold(known: dict[UUID, Draft], events: Iterable[Recorded]) -> Changes:
    """The changes that `events` make, `known` being the drafts among theirs that came before; it is not changed."""
    drafts: dict[UUID, Draft] = {}
    days: dict[date, Day] = {}
    for event in events:
        task_id = event.originator_id
        draft = drafts.get(task_id)
        if draft is None:
            before = known.get(task_id)
            draft = msgspec.structs.replace(before) if before else Draft(task_id, event.occurred_at)
            drafts[task_id] = draft
        _count(_day(days, event.occurred_at), draft, event)
        _apply(draft, event)
    left: Counter[tuple[date, str]] = Counter()
    for task_id, draft in drafts.items():
        before = known.get(task_id)
        _count_cohort(_day(days, draft.created_at), before, draft)
        if before is not None and before.left_at is not None:
            left[before.left_at] -= 1
        if draft.left_at is not None:
            left[draft.left_at] += 1
    return Changes(drafts, days, Counter({key: count for key, count in left.items() if count}))


def day_of(moment: int) -> date:
    """The day, in UTC, of a time in microseconds since 1970."""
    return moment_of(moment).date()


def _day(days: dict[date, Day], moment: int) -> Day:
    return days.setdefault(day_of(moment), Day())


def _is_edit(event: Recorded) -> bool:
    return event.cause in EDITING and _touched(event.data) != ""


def _touched(data: Event) -> str:
    """The name of the content that an event changes, "" for none."""
    if isinstance(data, DraftFieldChanged):
        return data.field
    if isinstance(data, TranscriptChanged):
        return "transcript"
    return "attachments" if isinstance(data, AttachmentAdded | AttachmentRemoved) else ""


def _count(day: Day, draft: Draft, event: Recorded) -> None:
    """Count what happened on the day of the event."""
    data = event.data
    if isinstance(data, DraftCreated):
        day.created += 1
    elif isinstance(data, DraftPublished):
        day.published += 1
        day.published_at_once += event.occurred_at == draft.created_at
    elif isinstance(data, DraftDiscarded):
        day.discarded += 1
    elif isinstance(data, DraftExpired):
        day.expired += 1
    elif _is_edit(event):
        day.edits += 1


def _count_cohort(day: Day, before: Draft | None, after: Draft) -> None:
    """Count, on the day of its creation, how far a draft has come."""
    day.their_edits += after.edits - (before.edits if before else 0)
    day.typed += after.typed - (before.typed if before else False)
    day.publishable += after.publishable - (before.publishable if before else False)
    was_open = before is not None and before.published_at is not None
    day.became_open += (after.published_at is not None) - was_open


def _apply(draft: Draft, event: Recorded) -> None:
    data = event.data
    touched = _touched(data)
    if touched:
        draft.typed = True
        _measure(draft, data)
        if _is_edit(event):
            draft.edits += 1
            draft.last_edit_at = event.occurred_at
            draft.last_field = touched
    elif isinstance(data, DraftPublished):
        draft.published_at = event.occurred_at
        draft.typed = True
    draft.publishable = draft.publishable or draft.published_at is not None or _is_complete(draft)


def _measure(draft: Draft, data: Event) -> None:
    """Follow the lengths and the presence of what publishing asks for."""
    if isinstance(data, TranscriptChanged):
        draft.transcript_length = max(0, draft.transcript_length - data.edit.cut + len(data.edit.insert))
    elif isinstance(data, DraftFieldChanged):
        if data.field == "description" and data.edit is not None:
            draft.description_length = max(0, draft.description_length - data.edit.cut + len(data.edit.insert))
        elif data.field == "category":
            draft.has_category = bool((data.value or "").strip())
        elif data.field == "task_type":
            draft.has_task_type = bool((data.value or "").strip())
        elif data.field == "budget_usd":
            draft.has_budget = bool(data.value)


def _is_complete(draft: Draft) -> bool:
    content = max(draft.description_length, draft.transcript_length)
    return content >= PUBLISHABLE_LENGTH and draft.has_category and draft.has_task_type and draft.has_budget
