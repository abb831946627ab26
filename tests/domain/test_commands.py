"""What each command records, and when it is refused (docs/api.md, Lifecycle)."""

from uuid import UUID, uuid4

import pytest

from domain.commands import (
    AddAttachment,
    ChangeFields,
    ChangeTranscript,
    Command,
    Content,
    CreateDraft,
    DiscardDraft,
    ExpireDraft,
    Metadata,
    PublishDraft,
    RemoveAttachment,
    RestoreDraft,
    RevertDraft,
    content_of,
    decide,
)
from domain.errors import (
    AlreadyExists,
    Invalid,
    NotADraft,
    NotPublishable,
    NotRestorable,
    Refusal,
    VersionMismatch,
)
from domain.events import (
    AttachmentAdded,
    AttachmentRemoved,
    DraftCreated,
    DraftDiscarded,
    DraftExpired,
    DraftFieldChanged,
    DraftPublished,
    DraftRestored,
    Recorded,
    TranscriptChanged,
)
from domain.publishing import PublishRules
from domain.task import MICROSECONDS, Task, evolve
from domain.text import Edit

USER = UUID("3c90c3cc-0d44-4b50-8888-8dd25736052a")
TTL = 1000
START = 1_790_000_000_000_000
RULES = PublishRules(20)
READY = {"category": "design", "task_type": "logo", "budget_usd": 100, "description": "A description to bid on."}


class Draft:
    """A task under test, and the events of its last command."""

    def __init__(self, **fields: object) -> None:
        self.id = uuid4()
        self.now = START
        self.task: Task | None = None
        self.log: list[Recorded] = []
        self.do(CreateDraft(TTL, Content(fields)))

    def do(self, command: Command, expected: tuple[int, ...] | None = None) -> list[Recorded]:
        metadata = Metadata(self.now, USER, "request", expected)
        events, after = decide(self.task, self.id, command, metadata)
        for event in events:
            self.task = evolve(self.task, event)
            self.log.append(event)
        assert self.task == after
        return events

    def refuses(self, command: Command, refusal: type[Refusal], expected: tuple[int, ...] | None = None) -> Refusal:
        with pytest.raises(refusal) as refused:
            self.do(command, expected)
        return refused.value

    @property
    def state(self) -> Task:
        assert self.task is not None
        return self.task


def data(events: list[Recorded]) -> list[object]:
    return [event.data for event in events]


def test_a_new_draft_has_its_life_and_its_owner_recorded() -> None:
    draft = Draft()

    assert data(draft.log) == [DraftCreated(TTL)]
    assert draft.state.user_id == USER
    assert draft.state.expires_at == START + TTL * MICROSECONDS


def test_creating_a_task_that_exists_is_refused() -> None:
    Draft().refuses(CreateDraft(TTL, Content({})), AlreadyExists)


def test_each_field_that_really_changes_is_one_event_in_the_order_of_the_contract() -> None:
    draft = Draft(title="a")

    events = draft.do(ChangeFields({"budget_usd": 5, "title": "ab", "category": "", "experimentation": 0.3}))

    assert data(events) == [DraftFieldChanged("title", Edit(1, 0, "b")), DraftFieldChanged("budget_usd", value=5)]
    assert [event.originator_version for event in events] == [3, 4]
    assert {event.cause for event in events} == {"autosave"}


def test_null_goes_back_to_the_value_of_a_new_draft() -> None:
    draft = Draft(budget_usd=5, experimentation=1, title="a", requirements={"a": 1})

    draft.do(ChangeFields(dict.fromkeys(("budget_usd", "experimentation", "title", "requirements"))))

    assert (draft.state.budget_usd, draft.state.experimentation, draft.state.title, draft.state.requirements) == (
        0,
        0.3,
        "",
        {},
    )


def test_requirements_are_compared_as_json() -> None:
    draft = Draft(requirements={"a": 1, "b": True})

    assert draft.do(ChangeFields({"requirements": {"b": True, "a": 1.0}})) == []
    assert len(draft.do(ChangeFields({"requirements": {"b": 1, "a": 1}}))) == 1


def test_a_merge_patch_is_merged_and_checked_after_merging() -> None:
    draft = Draft(requirements={"a": {"b": 1, "c": 2}})

    draft.do(ChangeFields({"requirements": {"a": {"b": None}}}, merge=True))
    assert draft.state.requirements == {"a": {"c": 2}}

    draft.do(ChangeFields({"requirements": {"x": "y" * 10_000}}, merge=True))
    refusal = draft.refuses(ChangeFields({"requirements": {"z": "y" * 10_000}}, merge=True), Invalid)
    assert isinstance(refusal, Invalid)
    assert refusal.violations[0].code == "too_large"


def test_every_change_renews_the_life_and_time_never_runs_backwards() -> None:
    draft = Draft()
    draft.now = START + 5
    draft.do(ChangeFields({"title": "a"}))
    draft.now = START - 100

    event = draft.do(ChangeFields({"title": "ab"}))[0]

    assert event.occurred_at == START + 5
    assert draft.state.expires_at == START + 5 + TTL * MICROSECONDS


@pytest.mark.parametrize(
    "command",
    [
        ChangeFields({"title": "b"}),
        ChangeFields({}),
        ChangeTranscript("b"),
        AddAttachment("b"),
        RemoveAttachment("b"),
        PublishDraft(RULES),
        RevertDraft(Content({})),
    ],
)
def test_only_a_draft_can_be_changed(command: Command) -> None:
    published, discarded, overdue = Draft(**READY), Draft(), Draft()
    published.do(PublishDraft(RULES))
    discarded.do(DiscardDraft())
    overdue.now += TTL * MICROSECONDS

    for draft in (published, discarded, overdue):
        draft.refuses(command, NotADraft)
        draft.refuses(command, NotADraft, expected=(999,))  # 409 comes before 412


def test_a_command_for_another_version_is_refused_even_where_it_changes_nothing() -> None:
    draft = Draft()

    refusal = draft.refuses(ChangeFields({}), VersionMismatch, expected=(2, 3))

    assert isinstance(refusal, VersionMismatch)
    assert refusal.current_version == 1
    assert draft.do(ChangeFields({}), expected=(7, 1)) == []
    assert draft.do(ChangeFields({}), expected=()) == []


def test_the_transcript_is_recorded_as_an_edit_and_removed_by_an_empty_one() -> None:
    draft = Draft()

    assert data(draft.do(ChangeTranscript("hello"))) == [TranscriptChanged(Edit(0, 0, "hello"))]
    assert draft.do(ChangeTranscript("hello")) == []
    assert data(draft.do(ChangeTranscript(""))) == [TranscriptChanged(Edit(0, 5, ""))]


def test_attachments_are_added_at_the_end_once_and_removed() -> None:
    draft = Draft()

    assert data(draft.do(AddAttachment("a"))) == [AttachmentAdded("a")]
    assert draft.do(AddAttachment("a")) == []
    assert draft.do(RemoveAttachment("b")) == []
    draft.do(AddAttachment("b"))
    assert draft.state.attachments == ("a", "b")
    assert data(draft.do(RemoveAttachment("a"))) == [AttachmentRemoved("a")]
    assert draft.state.attachments == ("b",)


def test_the_21st_attachment_is_refused() -> None:
    draft = Draft()
    for number in range(20):
        draft.do(AddAttachment(str(number)))

    draft.refuses(AddAttachment("20"), Invalid)
    assert draft.do(AddAttachment("19")) == []


def test_a_discarded_draft_stays_discarded() -> None:
    draft = Draft()

    assert data(draft.do(DiscardDraft())) == [DraftDiscarded()]
    assert draft.do(DiscardDraft()) == []


def test_a_restored_draft_has_a_new_life() -> None:
    draft = Draft()
    draft.do(DiscardDraft())
    draft.now += 5

    assert data(draft.do(RestoreDraft(2000))) == [DraftRestored(2000)]
    assert draft.state.status == "draft"
    assert draft.state.expires_at == draft.now + 2000 * MICROSECONDS


def test_restoring_an_overdue_draft_records_its_expiry_first() -> None:
    draft = Draft()
    draft.now += TTL * MICROSECONDS

    events = draft.do(RestoreDraft(TTL))

    assert data(events) == [DraftExpired(), DraftRestored(TTL)]
    assert [event.actor for event in events] == ["system", USER]


def test_a_draft_and_a_published_task_are_not_restorable() -> None:
    draft = Draft(**READY)
    draft.refuses(RestoreDraft(TTL), NotRestorable)
    draft.do(PublishDraft(RULES))
    draft.refuses(RestoreDraft(TTL), NotRestorable)


def test_expiry_is_recorded_once_and_only_when_it_is_due() -> None:
    draft = Draft()
    assert draft.do(ExpireDraft()) == []
    draft.now += TTL * MICROSECONDS
    assert data(draft.do(ExpireDraft())) == [DraftExpired()]
    assert draft.do(ExpireDraft()) == []


def test_reverting_brings_all_content_back_as_new_events() -> None:
    draft = Draft(title="one", requirements={"a": 1})
    draft.do(ChangeTranscript("said"))
    for reference in ("x", "y", "z"):
        draft.do(AddAttachment(reference))
    before = draft.state
    draft.do(ChangeFields({"title": "two", "requirements": {}, "budget_usd": 7}))
    draft.do(ChangeTranscript(""))
    draft.do(RemoveAttachment("x"))
    draft.do(AddAttachment("w"))

    events = draft.do(RevertDraft(content_of(before)))

    assert content_of(draft.state) == content_of(before)
    assert {event.cause for event in events} == {"revert"}
    assert draft.do(RevertDraft(content_of(before))) == []


def test_publishing_lists_every_violation() -> None:
    draft = Draft(description="  short  ", category=" ")

    refusal = draft.refuses(PublishDraft(RULES), NotPublishable)

    assert isinstance(refusal, NotPublishable)
    assert [(v.pointer, v.code, v.limit, v.actual) for v in refusal.violations] == [
        ("/description", "too_short", 20, 5),
        ("/category", "required", None, None),
        ("/task_type", "required", None, None),
        ("/budget_usd", "required", None, None),
    ]


def test_publishing_records_the_amount_set_aside_rounded_half_up_to_cents() -> None:
    draft = Draft(**{**READY, "budget_usd": 10.05})

    events = draft.do(PublishDraft(PublishRules(20, compute_share=0.1)))

    assert data(events)[-1] == DraftPublished(1.01)
    assert draft.state.compute_budget == 1.01
    assert draft.state.status == "open"


def test_a_missing_title_is_synthesized_by_the_system() -> None:
    draft = Draft(**{**READY, "description": "\n  A first line that is a title  \nand more"})

    events = draft.do(PublishDraft(RULES))

    assert draft.state.title == "A first line that is a title"
    assert [event.actor for event in events] == ["system", USER]


@pytest.mark.parametrize(
    ("description", "transcript", "published"),
    [
        ("", "  What was said is long enough. ", "What was said is long enough."),
        ("short", "What was said is long enough.", "short\n\nWhat was said is long enough."),
        ("This description is long enough.", "What was said is long too.", "This description is long enough."),
    ],
)
def test_a_transcript_stands_in_for_a_description_that_is_too_short(
    description: str, transcript: str, published: str
) -> None:
    draft = Draft(**{**READY, "description": description, "title": "t"})
    draft.do(ChangeTranscript(transcript))

    draft.do(PublishDraft(RULES))

    assert draft.state.description == published


def test_a_description_made_of_the_transcript_is_cut_at_a_word() -> None:
    draft = Draft(**{**READY, "description": "short"})
    draft.do(ChangeTranscript("word " * 3000))

    draft.do(PublishDraft(RULES))

    assert len(draft.state.description) <= 5000
    assert draft.state.description.endswith("word")


def test_creating_and_publishing_in_one_go_is_all_or_nothing() -> None:
    content = Content(READY, transcript="")
    draft = Draft()
    draft.task, draft.log = None, []

    events = draft.do(CreateDraft(TTL, content, publish=RULES))
    assert draft.state.status == "open"
    assert [event.cause for event in events] == ["create"] * 5 + ["publish"] * 2

    draft.task = None
    draft.refuses(CreateDraft(TTL, Content({**READY, "description": ""}), publish=RULES), NotPublishable)


def test_texts_are_taken_with_one_kind_of_line_end() -> None:
    draft = Draft(description="one\r\ntwo\rthree", title="a\r\nb")

    draft.do(ChangeTranscript("said\r\nagain"))
    events = draft.do(ChangeFields({"description": "one\r\ntwo\r\nthree!"}))

    assert (draft.state.title, draft.state.transcript) == ("a\nb", "said\nagain")
    assert data(events) == [DraftFieldChanged("description", Edit(13, 0, "!"))]
    assert draft.do(ChangeFields({"description": "one\ntwo\nthree!"})) == []


def test_what_cannot_be_seen_is_no_content() -> None:
    unseen = "\u200b" * 25
    draft = Draft(description=unseen, category="\ufeff", task_type="\u2060", title=unseen)

    refusal = draft.refuses(PublishDraft(RULES), NotPublishable)

    assert isinstance(refusal, NotPublishable)
    assert [violation.pointer for violation in refusal.violations] == [
        "/description",
        "/category",
        "/task_type",
        "/budget_usd",
    ]
