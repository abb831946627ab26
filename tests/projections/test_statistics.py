"""The statistics view against a much simpler count (definitions in docs/analytics.md)."""

import random
from collections import Counter
from datetime import date
from uuid import UUID

import pytest

from benchmarks.synthetic_log import FIRST_MOMENT, SyntheticLog
from domain.events import DraftCreated, DraftFieldChanged, DraftPublished, Event, Recorded
from domain.task import Task, evolve
from domain.text import Edit
from projections.statistics import Changes, Day, Draft, day_of, fold


def view_of(events: list[Recorded], cuts: list[int]) -> Changes:
    """The view after taking in the events in batches that end at `cuts`."""
    drafts: dict[UUID, Draft] = {}
    days: dict[date, Counter[str]] = {}
    left: Counter[tuple[date, str]] = Counter()
    for begin, end in zip([0, *cuts], [*cuts, len(events)], strict=True):
        changes = fold(drafts, events[begin:end])
        drafts |= changes.drafts
        for day, counts in changes.days.items():
            days.setdefault(day, Counter()).update({name: getattr(counts, name) for name in Day.__struct_fields__})
        left.update(changes.left)
    return Changes(
        drafts,
        {day: Day(**counts) for day, counts in days.items() if any(counts.values())},
        Counter({key: count for key, count in left.items() if count}),
    )


def counted(events: list[Recorded]) -> tuple[dict[date, Counter[str]], Counter[tuple[date, str]]]:
    """The same figures by definition: every task replayed, every event looked at on its own."""
    days: dict[date, Counter[str]] = {}
    left: Counter[tuple[date, str]] = Counter()
    streams: dict[UUID, list[Recorded]] = {}
    for event in events:
        streams.setdefault(event.originator_id, []).append(event)
    for stream in streams.values():
        born = day_of(stream[0].occurred_at)
        task: Task | None = None
        reached = set()
        last = (born, "")
        for event in stream:
            task = evolve(task, event)
            name = type(event.data).__name__
            today = days.setdefault(day_of(event.occurred_at), Counter())
            cohort = days.setdefault(born, Counter())
            simple = {"DraftCreated": "created", "DraftPublished": "published", "DraftDiscarded": "discarded"}
            today.update([simple.get(name, "expired")] if name in simple or name == "DraftExpired" else [])
            if name in ("DraftFieldChanged", "TranscriptChanged", "AttachmentAdded", "AttachmentRemoved"):
                reached.add("typed")
                today["edits"] += 1
                cohort["their_edits"] += 1
                field = getattr(event.data, "field", "transcript" if name == "TranscriptChanged" else "attachments")
                last = (day_of(event.occurred_at), field)
            long_enough = max(len(task.description), len(task.transcript)) >= 20
            if long_enough and task.category and task.task_type and task.budget_usd:
                reached.add("publishable")
            if name == "DraftPublished":
                reached |= {"typed", "publishable", "became_open"}
        days[born].update(reached)
        if "became_open" not in reached:
            left[last] += 1
    return days, left


@pytest.mark.parametrize("seed", range(5))
def test_the_view_is_what_a_plain_count_comes_to_however_the_log_is_cut(seed: int) -> None:
    events = list(SyntheticLog(seed, 3000, drafts=20))
    chance = random.Random(seed)
    cuts = sorted(chance.sample(range(len(events)), 15))

    view = view_of(events, cuts)

    days, left = counted(events)
    assert view.left == left
    assert {
        day: {name: count for name in Day.__struct_fields__ if (count := getattr(counts, name))}
        for day, counts in view.days.items()
    } == {day: dict(+counts) for day, counts in days.items()}
    assert sum(left.values()) + sum(counts["became_open"] for counts in days.values()) == len(view.drafts)
    assert view == view_of(events, [])


ACTOR, TASK = UUID(int=1), UUID(int=2)


def recorded(version: int, data: Event, cause: str, at: int = FIRST_MOMENT) -> Recorded:
    return Recorded(TASK, version, at, ACTOR, "k", cause, data)  # type: ignore[arg-type]


def test_a_task_that_is_published_as_it_is_created_is_counted_apart() -> None:
    changes = fold({}, [recorded(1, DraftCreated(9), "create"), recorded(2, DraftPublished(), "publish")])

    assert changes.days[date(2026, 1, 1)] == Day(
        created=1, published=1, published_at_once=1, typed=1, publishable=1, became_open=1
    )
    assert changes.left == {}


def test_what_a_revert_or_a_creation_records_is_no_edit() -> None:
    text = DraftFieldChanged("title", Edit(0, 0, "a"))

    changes = fold(
        {}, [recorded(1, DraftCreated(9), "create"), recorded(2, text, "create"), recorded(3, text, "revert")]
    )

    assert changes.drafts[TASK].edits == 0
    assert changes.drafts[TASK].typed
    assert changes.left == {(date(2026, 1, 1), ""): 1}


def test_a_draft_is_left_on_the_day_of_its_last_edit() -> None:
    text = DraftFieldChanged("title", Edit(0, 0, "a"))
    before = fold({}, [recorded(1, DraftCreated(9), "create"), recorded(2, text, "autosave")])

    budget = recorded(3, DraftFieldChanged("budget_usd", value=5), "autosave", FIRST_MOMENT + 86_400_000_000)
    after = fold(before.drafts, [budget])

    assert before.left == {(date(2026, 1, 1), "title"): 1}
    assert after.left == {(date(2026, 1, 1), "title"): -1, (date(2026, 1, 2), "budget_usd"): 1}
