"""Problems (RFC 9457): every refusal has one slug, and the table from slug to status stands here alone."""

from uuid import UUID

import msgspec

from domain import errors
from domain.errors import Violation
from service.store.errors import StoreUnavailable
from service.writing.requests import Overloaded


class ProblemType(msgspec.Struct, frozen=True):
    """What `/problems/<slug>` explains."""

    status: int
    title: str
    explanation: str


PROBLEMS: dict[str, ProblemType] = {
    "malformed-json": ProblemType(
        400, "The body is not JSON", "The body is not valid JSON in UTF-8, or holds an unpaired surrogate."
    ),
    "malformed-parameter": ProblemType(
        400, "A parameter is malformed", "A path or query parameter or a header cannot be read; detail names it."
    ),
    "unauthorized": ProblemType(
        401,
        "A valid token is needed",
        "Send Authorization: Bearer with a signed, unexpired token that has a sub.",
    ),
    "forbidden": ProblemType(403, "The token lacks the scope", "The token is valid, but this needs another scope."),
    "not-found": ProblemType(
        404,
        "There is no such thing",
        "The path, the task or the version does not exist, or the task is somebody else's.",
    ),
    "method-not-allowed": ProblemType(
        405, "The method is not allowed here", "The path exists; the header Allow lists its methods."
    ),
    "not-a-draft": ProblemType(
        409,
        "The task is not a draft",
        "Only a draft can be changed; this one was published or discarded, or has expired.",
    ),
    "not-restorable": ProblemType(
        409, "The task cannot be restored", "Only a discarded or expired draft can be restored."
    ),
    "already-exists": ProblemType(409, "The id is taken", "A task with the id that the request gave exists."),
    "version-mismatch": ProblemType(
        412,
        "The task is at another version",
        "If-Match names none that the task is at. current_version says where it is, changed_fields what differs there.",
    ),
    "body-too-large": ProblemType(413, "The body is too large", "A body may have at most 256 KiB."),
    "unsupported-media-type": ProblemType(
        415, "The media type is not supported", "Send application/json; a PATCH may be application/merge-patch+json."
    ),
    "validation": ProblemType(
        422, "The request breaks rules", "errors lists every rule that is broken, with its pointer."
    ),
    "not-publishable": ProblemType(
        422, "The draft cannot be published yet", "errors lists everything that is missing before publishing."
    ),
    "idempotency-key-reused": ProblemType(
        422, "The Idempotency-Key was used", "The key belongs to another request of this user. Choose a new one."
    ),
    "too-many-requests": ProblemType(429, "Too many requests", "Wait for the seconds that Retry-After gives."),
    "internal": ProblemType(
        500, "Something went wrong", "The service failed; nothing was acknowledged. instance is in the log."
    ),
    "history-corrupt": ProblemType(
        500, "The history does not add up", "The stored events are not those that were recorded. Nothing was changed."
    ),
    "store-unavailable": ProblemType(
        503, "The store does not answer", "The change was not acknowledged. Try again with the same Idempotency-Key."
    ),
    "overloaded": ProblemType(503, "The service is overloaded", "The change was not taken. Try again a little later."),
}
"""Every slug of contract section 5."""

_REFUSALS: dict[type[Exception], str] = {
    errors.TaskNotFound: "not-found",
    errors.AlreadyExists: "already-exists",
    errors.NotADraft: "not-a-draft",
    errors.NotRestorable: "not-restorable",
    errors.VersionMismatch: "version-mismatch",
    errors.Invalid: "validation",
    errors.NotPublishable: "not-publishable",
    errors.IdempotencyKeyReused: "idempotency-key-reused",
    errors.HistoryCorrupt: "history-corrupt",
    StoreUnavailable: "store-unavailable",
    Overloaded: "overloaded",
}

_RETRY_AFTER = {"store-unavailable": "1", "overloaded": "1"}


class Problem(Exception):
    """A request that is answered with a problem."""

    def __init__(
        self,
        slug: str,
        detail: str | None = None,
        *,
        violations: list[Violation] | None = None,
        headers: dict[str, str] | None = None,
        current_version: int | None = None,
        changed_fields: list[str] | None = None,
    ) -> None:
        super().__init__(detail or PROBLEMS[slug].explanation)
        self.slug = slug
        self.violations = violations
        self.headers = headers or {}
        self.current_version = current_version
        self.changed_fields = changed_fields

    @property
    def status(self) -> int:
        return PROBLEMS[self.slug].status


class ProblemBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body of a problem."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    errors: list[Violation] | None = None
    current_version: int | None = None
    changed_fields: list[str] | None = None


def problem_of(error: Exception) -> Problem:
    """The problem that stands for an exception; `internal` for those that nobody foresaw."""
    if isinstance(error, Problem):
        return error
    slug = _REFUSALS.get(type(error), "internal")
    if slug == "internal":
        return Problem(slug)
    violations = error.violations if isinstance(error, errors.Invalid | errors.NotPublishable) else None
    headers = {"retry-after": _RETRY_AFTER[slug]} if slug in _RETRY_AFTER else {}
    return Problem(slug, str(error) or None, violations=violations, headers=headers)


def body_of(problem: Problem, request_id: str | UUID) -> bytes:
    """The problem as JSON. Nothing of the machine's insides is in it."""
    kind = PROBLEMS[problem.slug]
    return msgspec.json.encode(
        ProblemBody(
            f"/problems/{problem.slug}",
            kind.title,
            kind.status,
            str(problem),
            f"urn:uuid:{request_id}",
            problem.violations,
            problem.current_version,
            problem.changed_fields,
        )
    )
