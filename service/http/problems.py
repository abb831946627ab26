"""Problems (RFC 9457): every refusal has one slug; this is the only table from slug to status."""

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
        400, "Malformed JSON", "The body is not complete and valid JSON in UTF-8, or contains an unpaired surrogate."
    ),
    "malformed-parameter": ProblemType(
        400, "Malformed parameter", "A path or query parameter or a header has an invalid value; detail names it."
    ),
    "unauthorized": ProblemType(
        401,
        "Valid token required",
        "Send Authorization: Bearer with a signed, unexpired token that has a sub.",
    ),
    "forbidden": ProblemType(403, "Scope missing", "The token is valid, but it lacks the scope that is required here."),
    "not-found": ProblemType(
        404,
        "Not found",
        "The path, the task or the version does not exist, or the task belongs to another user.",
    ),
    "method-not-allowed": ProblemType(
        405, "Method not allowed", "The path exists; the Allow header lists its methods."
    ),
    "not-a-draft": ProblemType(
        409,
        "Not a draft",
        "Only a draft can be changed; this task is published, discarded or expired.",
    ),
    "not-restorable": ProblemType(409, "Not restorable", "Only a discarded or expired draft can be restored."),
    "already-exists": ProblemType(409, "Already exists", "A task with the id of the request exists."),
    "version-mismatch": ProblemType(
        412,
        "Version mismatch",
        "The task is at none of the versions in If-Match. current_version is its version, changed_fields lists what "
        "changed since.",
    ),
    "body-too-large": ProblemType(413, "Body too large", "A body may have at most 256 KiB."),
    "unsupported-media-type": ProblemType(
        415, "Unsupported media type", "Send application/json; a PATCH may be application/merge-patch+json."
    ),
    "validation": ProblemType(
        422, "Validation failed", "errors lists every rule that is violated, with the pointer to the value."
    ),
    "not-publishable": ProblemType(
        422, "Not publishable", "The draft cannot be published yet: errors lists everything that is missing."
    ),
    "idempotency-key-reused": ProblemType(
        422, "Idempotency-Key reused", "The user sent this key with another request before. Choose a new one."
    ),
    "too-many-requests": ProblemType(
        429, "Too many requests", "Retry after the number of seconds in the Retry-After header."
    ),
    "internal": ProblemType(
        500, "Internal error", "The service failed, and no change was acknowledged. The log has the id in instance."
    ),
    "history-corrupt": ProblemType(
        500, "History corrupted", "The stored events are not the ones that were recorded. Nothing was changed."
    ),
    "store-unavailable": ProblemType(
        503, "Store unavailable", "The change was not acknowledged. Retry with the same Idempotency-Key."
    ),
    "overloaded": ProblemType(503, "Overloaded", "The change was not accepted. Retry after the time in Retry-After."),
}
"""The problems by their slug (docs/api.md, Errors)."""

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
    """The request is answered with a problem."""

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
    """The problem that stands for an exception; `internal` for an unexpected one."""
    if isinstance(error, Problem):
        return error
    slug = _REFUSALS.get(type(error), "internal")
    if slug == "internal":
        return Problem(slug)
    violations = error.violations if isinstance(error, errors.Invalid | errors.NotPublishable) else None
    headers = {"retry-after": _RETRY_AFTER[slug]} if slug in _RETRY_AFTER else {}
    return Problem(slug, str(error) or None, violations=violations, headers=headers)


def body_of(problem: Problem, request_id: str | UUID) -> bytes:
    """The problem as JSON."""
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
