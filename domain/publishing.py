"""The publish rules (docs/api.md, Publishing): what is still missing, and what is filled in."""

from decimal import ROUND_HALF_UP, Decimal

import msgspec

from domain.errors import Violation
from domain.task import DESCRIPTION_LIMIT, Task
from domain.text import cut_at_word, visible_length

SYNTHESIZED_TITLE_LIMIT = 80


class PublishRules(msgspec.Struct, frozen=True):
    """What the settings decide about publishing: code points of content, and the part of the budget set aside."""

    description_min_length: int
    compute_share: float | None = None


def violations(task: Task, rules: PublishRules) -> list[Violation]:
    """Everything that stands in the way of publishing `task`, in the order of its fields."""
    found = []
    actual = max(visible_length(task.description), visible_length(task.transcript))
    if actual < rules.description_min_length:
        found.append(
            Violation(
                "/description",
                "too_short",
                f"The description or the transcript needs at least {rules.description_min_length} characters.",
                limit=rules.description_min_length,
                actual=actual,
            )
        )
    if not visible_length(task.category):
        found.append(Violation("/category", "required", "A category is needed."))
    if not visible_length(task.task_type):
        found.append(Violation("/task_type", "required", "A task type is needed."))
    if task.budget_usd == 0:
        found.append(Violation("/budget_usd", "required", "A budget is needed."))
    return found


def synthesized(task: Task, rules: PublishRules) -> dict[str, str]:
    """The texts that publishing fills in for a publishable task: field to new value, in field order."""
    filled = {}
    description, transcript = task.description, task.transcript.strip()
    if visible_length(description) < rules.description_min_length <= visible_length(transcript):
        parts = [description.rstrip(), transcript] if visible_length(description) else [transcript]
        description = cut_at_word("\n\n".join(parts), DESCRIPTION_LIMIT)
    if not visible_length(task.title) and visible_length(description):
        first_line = next(line for line in description.splitlines() if visible_length(line))
        filled["title"] = cut_at_word(first_line.strip(), SYNTHESIZED_TITLE_LIMIT)
    if description != task.description:
        filled["description"] = description
    return filled


def compute_budget(task: Task, rules: PublishRules) -> int | float | None:
    """USD set aside out of the task's budget, rounded half up to cents; None where no share is set."""
    if rules.compute_share is None:
        return None
    share = Decimal(str(task.budget_usd)) * Decimal(str(rules.compute_share))
    cents = share.quantize(Decimal("0.01"), ROUND_HALF_UP)
    return int(cents) if cents == int(cents) else float(cents)
