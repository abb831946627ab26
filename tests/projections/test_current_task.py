"""The rows of the current-task view: what is sent for a change."""

from uuid import UUID, uuid4

from domain.commands import ChangeFields, Command, Content, CreateDraft, Metadata, decide
from projections.current_task import ALWAYS, NAMES, Snapshot, row_of
from projections.times import rfc3339

USER = UUID("3c90c3cc-0d44-4b50-8888-8dd25736052a")
START = 1_790_000_000_000_000


def after(head: Snapshot | None, command: Command, now: int = START) -> Snapshot:
    task_id = head.task.id if head else uuid4()
    _, task = decide(head.task if head else None, task_id, command, Metadata(now, USER, "request"))
    return Snapshot(task, bytes(32))


def test_a_new_row_has_every_column() -> None:
    row = row_of(after(None, CreateDraft(60, Content({"title": "T"}))))

    assert row.keys() == {*NAMES, "sweep_at"}


def test_the_row_of_a_change_has_what_changed_and_what_belongs_to_every_change() -> None:
    base = after(None, CreateDraft(60, Content({"title": "T", "description": "long"})))

    row = row_of(after(base, ChangeFields({"title": "T2"}), START + 1), base)

    assert row.keys() == {*ALWAYS, "title", "digest"}
    assert row["title"] == "T2"


def test_a_change_at_the_time_of_the_one_before_still_has_its_times() -> None:
    base = after(None, CreateDraft(60, Content({})))

    row = row_of(after(base, ChangeFields({"title": "T"}), START - 5), base)

    assert row["updated_at"] == rfc3339(base.task.updated_at)
    assert row["expires_at"] == rfc3339(base.task.expires_at)


def test_a_value_that_went_back_to_null_is_sent_as_null() -> None:
    base = after(None, CreateDraft(60, Content({"brand_kit_id": USER})))

    row = row_of(after(base, ChangeFields({"brand_kit_id": None})), base)

    assert row["brand_kit_id"] is None
