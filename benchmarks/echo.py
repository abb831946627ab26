"""The framework's ceiling: validates the body, renders a whole task, touches no database."""

from datetime import UTC, datetime
from uuid import UUID

from litestar import Litestar, patch
from msgspec.structs import replace

from benchmarks.schemas import DEFAULTS, LIFE_OF_A_DRAFT, Task, TaskPatch

USER = UUID(int=1)
CREATED_AT = datetime(2026, 1, 1, tzinfo=UTC)
BLANK = Task(
    id=USER,
    user_id=USER,
    compute_budget=None,
    status="draft",
    created_at=CREATED_AT,
    expires_at=CREATED_AT + LIFE_OF_A_DRAFT,
    attachments=[],
    prototype_tier=None,
    **DEFAULTS,
)


@patch("/api/v1/tasks/{task_id:uuid}", sync_to_thread=False)
def update_task(task_id: UUID, data: TaskPatch) -> Task:
    return replace(BLANK, id=task_id, expires_at=datetime.now(UTC) + LIFE_OF_A_DRAFT, **data.changes())


app = Litestar([update_task], openapi_config=None, logging_config=None)
