"""The commands, and `decide`: what happens when one is carried out, or why it is refused.

Everything that the world decides comes in as data: the time, the actor, and in the commands what the settings
say. Nothing of it is looked up again when the events are replayed.
"""

from functools import singledispatch
from uuid import UUID

import msgspec

from domain import json_values as json
from domain.errors import AlreadyExists, Invalid, NotADraft, NotPublishable, NotRestorable, VersionMismatch, Violation
from domain.events import (
    Actor,
    AttachmentAdded,
    AttachmentRemoved,
    Cause,
    CopiedFrom,
    DraftCreated,
    DraftDiscarded,
    DraftExpired,
    DraftFieldChanged,
    DraftPublished,
    DraftRestored,
    Event,
    Json,
    Recorded,
    TranscriptChanged,
)
from domain.publishing import PublishRules, compute_budget, synthesized, violations
from domain.task import (
    ATTACHMENTS_LIMIT,
    FIELDS,
    NEW,
    REQUIREMENTS_BYTES,
    REQUIREMENTS_LEVELS,
    TEXT_FIELDS,
    Task,
    evolve,
)
from domain.text import find_edit, with_newlines


class Metadata(msgspec.Struct, frozen=True):
    """Who asks, when, and at which versions of the task it may happen.

    `now` is in microseconds since 1970, UTC. `expected` is what If-Match named: None for no condition,
    an empty tuple for any existing task.
    """

    now: int
    actor: Actor
    request_id: str
    expected: tuple[int, ...] | None = None


class Content(msgspec.Struct, frozen=True):
    """All that a person wrote: the values of `FIELDS`, the transcript and the attachments."""

    fields: dict[str, Json]
    transcript: str = ""
    attachments: tuple[str, ...] = ()


def content_of(task: Task) -> Content:
    """The content of a task."""
    return Content({field: getattr(task, field) for field in FIELDS}, task.transcript, task.attachments)


class Command(msgspec.Struct, frozen=True):
    """What a user or the system wants to happen to one task."""


class CreateDraft(Command, frozen=True):
    """A new draft of `content`; fields that it does not name stand as in a new draft."""

    ttl_seconds: int
    content: Content
    copied_from: CopiedFrom | None = None
    publish: PublishRules | None = None
    """Where given, the draft is published in the same commit, or nothing happens."""


class ChangeFields(Command, frozen=True):
    """The autosave: new values for some of `FIELDS`; `merge` merges `requirements` as RFC 7396 says."""

    values: dict[str, Json]
    merge: bool = False


class ChangeTranscript(Command, frozen=True):
    """A new transcript; `""` removes it."""

    text: str


class AddAttachment(Command, frozen=True):
    """One more reference, at the end."""

    reference: str


class RemoveAttachment(Command, frozen=True):
    """One reference less."""

    reference: str


class PublishDraft(Command, frozen=True):
    """Open the draft to bidders."""

    rules: PublishRules


class DiscardDraft(Command, frozen=True):
    """Throw the draft away."""


class RestoreDraft(Command, frozen=True):
    """Make a discarded or expired draft a draft again."""

    ttl_seconds: int


class RevertDraft(Command, frozen=True):
    """Bring all content back to what it was at an earlier version."""

    content: Content


class ExpireDraft(Command, frozen=True):
    """Record that the draft's life is over, if it is."""


def decide(task: Task | None, task_id: UUID, command: Command, metadata: Metadata) -> tuple[list[Recorded], Task]:
    """What carrying out `command` on `task` records, nothing where nothing changes, and the state after it.

    `task` is None where none exists, which only `CreateDraft` may meet. Raises a `Refusal`: `AlreadyExists`,
    `NotADraft`, `NotRestorable`, `VersionMismatch`, `Invalid` or `NotPublishable`, in this order (docs/api.md,
    Concurrency and retries).
    """
    draft = _Draft(task, task_id, metadata)
    _decide(command, draft)
    return draft.events, draft.existing


class _Draft:
    """The task under the command's hands: the events so far and the state that they lead to."""

    def __init__(self, task: Task | None, task_id: UUID, metadata: Metadata) -> None:
        self.task = task
        self.task_id = task_id
        self.metadata = metadata
        self.at = metadata.now if task is None else max(metadata.now, task.updated_at)
        self.events: list[Recorded] = []

    @property
    def existing(self) -> Task:
        assert self.task is not None
        return self.task

    def record(self, cause: Cause, data: Event, actor: Actor | None = None) -> None:
        version = self.task.version + 1 if self.task else 1
        event = Recorded(
            self.task_id, version, self.at, actor or self.metadata.actor, self.metadata.request_id, cause, data
        )
        self.events.append(event)
        self.task = evolve(self.task, event)

    def require_draft(self) -> None:
        status = self.existing.status_at(self.metadata.now)
        if status != "draft":
            raise NotADraft(status)
        self.require_version()

    def require_version(self) -> None:
        expected = self.metadata.expected
        if expected is None or (expected == () and self.task is not None):
            return
        if self.task is None or self.task.version not in expected:
            raise VersionMismatch(expected, self.task)

    def change_field(self, cause: Cause, field: str, value: Json, actor: Actor | None = None) -> None:
        old = getattr(self.existing, field)
        if field in TEXT_FIELDS:
            value = with_newlines(value)
            if value != old:
                self.record(cause, DraftFieldChanged(field, find_edit(old, value)), actor)
        elif not json.equal(value, old):
            stored = str(value) if isinstance(value, UUID) else value
            self.record(cause, DraftFieldChanged(field, value=stored), actor)

    def change_transcript(self, cause: Cause, text: str) -> None:
        text = with_newlines(text)
        if text != self.existing.transcript:
            self.record(cause, TranscriptChanged(find_edit(self.existing.transcript, text)))

    def change_content(self, cause: Cause, content: Content) -> None:
        for field in FIELDS:
            if field in content.fields:
                self.change_field(cause, field, content.fields[field])
        self.change_transcript(cause, content.transcript)
        self.change_attachments(cause, content.attachments)

    def change_attachments(self, cause: Cause, wanted: tuple[str, ...]) -> None:
        """Keep the longest common beginning; the rest is removed, and added in the wanted order."""
        kept = 0
        current = self.existing.attachments
        # References that stay in place are those of the wanted order that are met in it.
        in_place = set()
        for reference in current:
            if kept < len(wanted) and reference == wanted[kept]:
                in_place.add(reference)
                kept += 1
        for reference in current:
            if reference not in in_place:
                self.record(cause, AttachmentRemoved(reference))
        for reference in wanted[kept:]:
            self.record(cause, AttachmentAdded(reference))

    def publish(self, rules: PublishRules) -> None:
        found = violations(self.existing, rules)
        if found:
            raise NotPublishable(found)
        for field, text in synthesized(self.existing, rules).items():
            self.change_field("publish", field, text, "system")
        self.record("publish", DraftPublished(compute_budget(self.existing, rules)))


@singledispatch
def _decide(command: Command, draft: _Draft) -> None:
    raise TypeError(f"no rule for {type(command).__name__}")


@_decide.register
def _(command: CreateDraft, draft: _Draft) -> None:
    if draft.task is not None:
        raise AlreadyExists("A task with this id exists already.")
    draft.require_version()
    cause: Cause = "duplicate" if command.copied_from else "create"
    draft.record(cause, DraftCreated(command.ttl_seconds, command.copied_from))
    draft.change_content(cause, command.content)
    if command.publish:
        draft.publish(command.publish)


@_decide.register
def _(command: ChangeFields, draft: _Draft) -> None:
    draft.require_draft()
    values = command.values
    if command.merge and values.get("requirements") is not None and "requirements" in values:
        values = {**values, "requirements": _merged_requirements(draft.existing, values["requirements"])}
    for field in FIELDS:
        if field in values:
            value = values[field]
            draft.change_field("autosave", field, NEW[field] if value is None else value)


def _merged_requirements(task: Task, patch: dict[str, Json]) -> Json:
    merged = json.merge(task.requirements, patch)
    found = requirements_violations(merged)
    if found:
        raise Invalid(found)
    return merged


def requirements_violations(value: Json) -> list[Violation]:
    """What is wrong with the size of `requirements`, or else with their depth."""
    length = json.size(value)
    if length > REQUIREMENTS_BYTES:
        message = f"At most {REQUIREMENTS_BYTES} bytes as compact UTF-8 JSON."
        return [Violation("/requirements", "too_large", message, limit=REQUIREMENTS_BYTES, actual=length)]
    levels = json.depth(value)
    if levels > REQUIREMENTS_LEVELS:
        message = f"At most {REQUIREMENTS_LEVELS} levels of nesting."
        return [Violation("/requirements", "too_deep", message, limit=REQUIREMENTS_LEVELS, actual=levels)]
    return []


@_decide.register
def _(command: ChangeTranscript, draft: _Draft) -> None:
    draft.require_draft()
    draft.change_transcript("transcript", command.text)


@_decide.register
def _(command: AddAttachment, draft: _Draft) -> None:
    draft.require_draft()
    attachments = draft.existing.attachments
    if command.reference in attachments:
        return
    if len(attachments) >= ATTACHMENTS_LIMIT:
        message = f"At most {ATTACHMENTS_LIMIT} attachments."
        raise Invalid(
            [Violation("/reference", "too_many", message, limit=ATTACHMENTS_LIMIT, actual=len(attachments) + 1)]
        )
    draft.record("attachment", AttachmentAdded(command.reference))


@_decide.register
def _(command: RemoveAttachment, draft: _Draft) -> None:
    draft.require_draft()
    if command.reference in draft.existing.attachments:
        draft.record("attachment", AttachmentRemoved(command.reference))


@_decide.register
def _(command: PublishDraft, draft: _Draft) -> None:
    draft.require_draft()
    draft.publish(command.rules)


@_decide.register
def _(command: DiscardDraft, draft: _Draft) -> None:
    if draft.existing.status == "discarded":
        draft.require_version()
        return
    draft.require_draft()
    draft.record("discard", DraftDiscarded())


@_decide.register
def _(command: RestoreDraft, draft: _Draft) -> None:
    status = draft.existing.status_at(draft.metadata.now)
    if status not in ("discarded", "expired"):
        raise NotRestorable(status)
    draft.require_version()
    if draft.existing.status == "draft":
        draft.record("expire", DraftExpired(), "system")
    draft.record("restore", DraftRestored(command.ttl_seconds))


@_decide.register
def _(command: RevertDraft, draft: _Draft) -> None:
    draft.require_draft()
    draft.change_content("revert", command.content)


@_decide.register
def _(command: ExpireDraft, draft: _Draft) -> None:
    if draft.existing.status == "draft" and draft.existing.status_at(draft.metadata.now) == "expired":
        draft.record("expire", DraftExpired(), "system")
