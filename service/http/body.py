"""The bodies of requests, and how they are read: straight into a struct, and field by field when that fails.

msgspec stops at the first violation; the slow way lists all of them (docs/api.md, Autosave). Both ways give the same
values. Wire structs are not events.
"""

from collections.abc import Callable
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType
from msgspec.structs import replace

from domain.commands import requirements_violations
from domain.errors import MAX_VIOLATIONS, Invalid, Violation
from domain.events import Json
from domain.json_values import canonical_number, depth
from domain.task import (
    BUDGET_RANGE,
    DESCRIPTION_LIMIT,
    EXPERIMENTATION_RANGE,
    FIELDS,
    NAME_LIMIT,
    REFERENCE_LIMIT,
    REQUIREMENTS_LEVELS,
    TITLE_LIMIT,
    TRANSCRIPT_LIMIT,
)
from service.http.lenient_json import READABLE_LEVELS, OutOfRange, read_any
from service.http.request import MAX_VERSION

_Title = Annotated[str, Meta(max_length=TITLE_LIMIT)]
_Description = Annotated[str, Meta(max_length=DESCRIPTION_LIMIT)]
_Name = Annotated[str, Meta(max_length=NAME_LIMIT)]
_Budget = Annotated[float, Meta(ge=BUDGET_RANGE[0], le=BUDGET_RANGE[1])]
_Experimentation = Annotated[float, Meta(ge=EXPERIMENTATION_RANGE[0], le=EXPERIMENTATION_RANGE[1])]
_Transcript = Annotated[str, Meta(max_length=TRANSCRIPT_LIMIT)]
_Reference = Annotated[str, Meta(min_length=1, max_length=REFERENCE_LIMIT)]


class TaskChanges(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a PATCH: absent is untouched, null goes back to the value of a new draft."""

    title: _Title | None | UnsetType = UNSET
    description: _Description | None | UnsetType = UNSET
    category: _Name | None | UnsetType = UNSET
    task_type: _Name | None | UnsetType = UNSET
    requirements: dict[str, Any] | None | UnsetType = UNSET
    budget_usd: _Budget | None | UnsetType = UNSET
    experimentation: _Experimentation | None | UnsetType = UNSET
    brand_kit_id: UUID | None | UnsetType = UNSET


class NewDraft(TaskChanges, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /api/v1/tasks/drafts`: an id of the client's choice, and any PATCH field."""

    id: UUID | None | UnsetType = UNSET


class NewTask(TaskChanges, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /api/v1/tasks`: the PATCH fields and a transcript; three of them are required."""

    transcript: _Transcript | None | UnsetType = UNSET


class Transcript(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The voice transcript."""

    text: _Transcript


class Attachment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A reference: a URL or a storage key."""

    reference: _Reference


class Revert(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The version whose content is restored."""

    version: int


_READ_ONLY = frozenset(
    {"id", "user_id", "compute_budget", "status", "created_at", "expires_at", "attachments", "prototype_tier"}
)

MAX_POINTER = 256
"""Characters of a pointer into a body."""

Check = Callable[[str, Json], list[Violation]]
"""From a pointer and a value to its violations."""


class Shape(msgspec.Struct, frozen=True):
    """A body: the struct it is read into, the checks of the slow way, and the fields that are required and not null."""

    decoder: "msgspec.json.Decoder[Any]"
    checks: dict[str, Check]
    required: tuple[str, ...] = ()
    nullable: bool = True


def _text(limit: int, minimum: int = 0) -> Check:
    def check(pointer: str, value: Json) -> list[Violation]:
        if not isinstance(value, str):
            return [_wrong_type(pointer, "a string")]
        found = []
        if len(value) > limit:
            message = f"At most {limit} characters."
            found.append(Violation(pointer, "too_long", message, limit=limit, actual=len(value)))
        if len(value) < minimum:
            message = f"At least {minimum} character."
            found.append(Violation(pointer, "too_short", message, limit=minimum, actual=len(value)))
        return found + _nul(pointer, value)

    return check


def _number(bounds: tuple[int, int]) -> Check:
    low, high = bounds

    def check(pointer: str, value: Json) -> list[Violation]:
        message = f"From {low} to {high}."
        if isinstance(value, OutOfRange):
            return [Violation(pointer, "out_of_range", message, limit=high)]
        if isinstance(value, bool) or not isinstance(value, int | float):
            return [_wrong_type(pointer, "a number")]
        if low <= value <= high:
            return []
        return [Violation(pointer, "out_of_range", message, limit=low if value < low else high, actual=_shown(value))]

    return check


def _uuid(pointer: str, value: Json) -> list[Violation]:
    if not isinstance(value, str):
        return [_wrong_type(pointer, "a string that is a uuid")]
    try:
        msgspec.convert(value, UUID)
    except msgspec.ValidationError:
        return [Violation(pointer, "format", "It must be a uuid.")]
    return []


def _version(pointer: str, value: Json) -> list[Violation]:
    if isinstance(value, OutOfRange | bool) or not isinstance(value, int):
        return [_wrong_type(pointer, "a whole number")]
    return []


def _requirements(pointer: str, value: Json) -> list[Violation]:
    """Its size and depth first: only what keeps within both is looked through."""
    if not isinstance(value, dict):
        return [_wrong_type(pointer, "an object")]
    found = requirements_violations(value) or _strange_values(pointer, value)
    return [replace(one, actual=None) if one.code == "too_deep" and _is_cut(one) else one for one in found]


def _requirements_patch(pointer: str, value: Json) -> list[Violation]:
    """As `_requirements`, for a merge patch, whose own size does not count: that of the merged object does."""
    if not isinstance(value, dict):
        return [_wrong_type(pointer, "an object")]
    if depth(value) > REQUIREMENTS_LEVELS:
        message = f"At most {REQUIREMENTS_LEVELS} levels of nesting."
        return [Violation(pointer, "too_deep", message, limit=REQUIREMENTS_LEVELS)]
    return _strange_values(pointer, value)


def _is_cut(violation: Violation) -> bool:
    """Whether deeper levels were not counted."""
    return violation.actual is not None and violation.actual >= READABLE_LEVELS - 1


def _strange_values(pointer: str, value: Json) -> list[Violation]:
    """U+0000, numbers beyond a double and integers beyond 64 bits, at any depth of a JSON value. Without recursion.

    One more than a refusal lists is enough: the search ends there.
    """
    found: list[Violation] = []
    left = [(pointer, value)]
    while left and len(found) <= MAX_VIOLATIONS:
        where, item = left.pop()
        if isinstance(item, OutOfRange):
            found.append(Violation(where, "out_of_range", "The number is too large."))
        elif isinstance(item, int) and not -(2**63) <= item < 2**63:
            found.append(Violation(where, "out_of_range", "An integer has at most 64 bits."))
        elif isinstance(item, str):
            found += _nul(where, item)
        elif isinstance(item, dict):
            for key, child in item.items():
                inner = _below(where, key)
                found += _nul(inner, key)
                if isinstance(child, int | str | dict | list | OutOfRange):
                    left.append((inner, child))
        elif isinstance(item, list):
            left += [
                (_below(where, str(index)), child)
                for index, child in enumerate(item)
                if isinstance(child, int | str | dict | list | OutOfRange)
            ]
    return found


def _below(pointer: str, name: str) -> str:
    """The pointer to a part of a value; where it would become too long, the pointer to the value itself."""
    if len(pointer) + len(name) > MAX_POINTER:
        return pointer
    return f"{pointer}/{_escaped(name)}"


_FIELD_CHECKS: dict[str, Check] = {
    "title": _text(TITLE_LIMIT),
    "description": _text(DESCRIPTION_LIMIT),
    "category": _text(NAME_LIMIT),
    "task_type": _text(NAME_LIMIT),
    "requirements": _requirements,
    "budget_usd": _number(BUDGET_RANGE),
    "experimentation": _number(EXPERIMENTATION_RANGE),
    "brand_kit_id": _uuid,
}

TASK_CHANGES = Shape(msgspec.json.Decoder(TaskChanges), _FIELD_CHECKS)
TASK_PATCH = Shape(msgspec.json.Decoder(TaskChanges), {**_FIELD_CHECKS, "requirements": _requirements_patch})
NEW_DRAFT = Shape(msgspec.json.Decoder(NewDraft), {"id": _uuid, **_FIELD_CHECKS})
NEW_TASK = Shape(
    msgspec.json.Decoder(NewTask),
    {**_FIELD_CHECKS, "transcript": _text(TRANSCRIPT_LIMIT)},
    ("category", "task_type", "budget_usd"),
)
TRANSCRIPT = Shape(msgspec.json.Decoder(Transcript), {"text": _text(TRANSCRIPT_LIMIT)}, ("text",), nullable=False)
ATTACHMENT = Shape(
    msgspec.json.Decoder(Attachment), {"reference": _text(REFERENCE_LIMIT, 1)}, ("reference",), nullable=False
)
REVERT = Shape(msgspec.json.Decoder(Revert), {"version": _version}, ("version",), nullable=False)


def read(body: bytes, shape: Shape) -> dict[str, Json]:
    """The values of a body.

    Raises the problem `malformed-json`, or `Invalid` with every violation.
    """
    if not shape.required or not shape.nullable:
        try:
            struct = shape.decoder.decode(body)
        except (ValueError, RecursionError):
            return _read_slowly(body, shape)
        values = {name: value for name in shape.checks if (value := getattr(struct, name)) is not UNSET}
        requirements = values.get("requirements")
        if b"\\u0000" not in body and not (requirements and shape.checks["requirements"]("", requirements)):
            return _canonical(values)
    return _read_slowly(body, shape)


def reference_of(text: str) -> str:
    """A reference from a query. Raises `Invalid` as for one in a body."""
    found = ATTACHMENT.checks["reference"]("/reference", text)
    if found:
        raise Invalid(found)
    return text


def split_fields(values: dict[str, Json]) -> dict[str, Json]:
    """Those of the values that are fields of the task; null is left out."""
    return {name: values[name] for name in FIELDS if values.get(name) is not None}


def _read_slowly(body: bytes, shape: Shape) -> dict[str, Json]:
    values = read_any(body)
    if not isinstance(values, dict):
        raise Invalid([_wrong_type("", "an object")])
    found: list[Violation] = []
    total = 0
    for name, value in values.items():
        check = shape.checks.get(name)
        if check is None:
            total += 1
            if len(found) < MAX_VIOLATIONS:
                found.append(_unknown(name, _below("", name)))
            continue
        pointer = f"/{_escaped(name)}"
        if value is not None:
            violations = check(pointer, value)
        else:
            violations = [] if shape.nullable else [_wrong_type(pointer, "a value, not null")]
        total += len(violations)
        found += violations
    for name in shape.required:
        if (shape.nullable and values.get(name) in (None, "")) or name not in values:
            total += 1
            found.append(Violation(f"/{name}", "required", "It is required."))
    if found:
        raise Invalid(found, total)
    return _canonical({name: _typed(name, value) for name, value in values.items()})


def _typed(name: str, value: Json) -> Json:
    return UUID(value) if name in ("id", "brand_kit_id") and value is not None else value


def _canonical(values: dict[str, Json]) -> dict[str, Json]:
    for name in ("budget_usd", "experimentation"):
        if isinstance(values.get(name), float):
            values[name] = canonical_number(values[name])
    return values


def _unknown(name: str, pointer: str) -> Violation:
    if name in _READ_ONLY:
        return Violation(pointer, "read_only", "This field cannot be written.")
    return Violation(pointer, "unknown_field", "This field does not exist.")


def _wrong_type(pointer: str, wanted: str) -> Violation:
    return Violation(pointer, "type", f"It must be {wanted}.")


def _nul(pointer: str, text: str) -> list[Violation]:
    return [Violation(pointer, "nul_character", "U+0000 cannot be stored.")] if "\0" in text else []


def _shown(value: int | float) -> int | float | None:
    """A number for the problem's `actual`, unless it is beyond 64 bits."""
    return value if abs(value) < MAX_VERSION else None


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
