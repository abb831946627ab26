"""The operations of `service.routes.audit`."""

from service.api.openapi.operation import READING, TASK, Operation, json_answer

OPERATIONS = (
    Operation(
        "GET",
        f"{TASK}/diff",
        "read_diff",
        "History",
        "Compare two versions of a task",
        (json_answer("The fields that differ; of text also the pieces.", "Diff", "diff"),),
        READING,
        ("task_id", "from_version", "to_version"),
    ),
    Operation(
        "GET",
        f"{TASK}/blame",
        "read_blame",
        "History",
        "See who typed what of today's description",
        (json_answer("The description in pieces, each with the event that brought it.", "BlamedText", "blame"),),
        READING,
        ("task_id",),
    ),
    Operation(
        "GET",
        f"{TASK}/verify",
        "verify",
        "History",
        "Check the digest chain of a task",
        (json_answer("Whether the chain, a replay and the view agree.", "Verdict", "verdict"),),
        READING,
        ("task_id",),
    ),
)
