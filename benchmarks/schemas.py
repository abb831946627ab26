"""What the three peers agree on: the body of a PATCH and the task that answers it.

The fields and their limits are those of docs/api.md, so every contender validates and renders the same JSON.
The product has its own structs; nothing here is shared with it.
"""

from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType

LIFE_OF_A_DRAFT = timedelta(days=30)

Title = Annotated[str, Meta(max_length=200)]
Description = Annotated[str, Meta(max_length=5_000)]
Label = Annotated[str, Meta(max_length=100)]
Budget = Annotated[float, Meta(ge=3, le=300)]
Share = Annotated[float, Meta(ge=0, le=1)]

DEFAULTS: dict[str, Any] = {
    "title": "",
    "description": "",
    "category": "",
    "task_type": "",
    "requirements": {},
    "budget_usd": 0.0,
    "experimentation": 0.3,
    "brand_kit_id": None,
}


class TaskPatch(Struct, forbid_unknown_fields=True):
    """Absent leaves a field alone, null takes it back to the value of a new draft."""

    title: Title | None | UnsetType = UNSET
    description: Description | None | UnsetType = UNSET
    category: Label | None | UnsetType = UNSET
    task_type: Label | None | UnsetType = UNSET
    requirements: dict[str, Any] | None | UnsetType = UNSET
    budget_usd: Budget | None | UnsetType = UNSET
    experimentation: Share | None | UnsetType = UNSET
    brand_kit_id: UUID | None | UnsetType = UNSET

    def changes(self) -> dict[str, Any]:
        """The fields that the body names, with the values to store."""
        values = ((name, getattr(self, name)) for name in self.__struct_fields__)
        return {name: DEFAULTS[name] if value is None else value for name, value in values if value is not UNSET}


class Task(Struct):
    """The task as in docs/api.md, in its order."""

    id: UUID
    user_id: UUID
    title: str
    description: str
    category: str
    task_type: str
    requirements: dict[str, Any]
    budget_usd: float
    compute_budget: float | None
    status: str
    experimentation: float
    created_at: datetime
    expires_at: datetime
    attachments: list[str]
    brand_kit_id: UUID | None
    prototype_tier: int | None
