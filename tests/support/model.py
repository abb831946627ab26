"""The contract in plain dicts: what each request on a task should answer, with none of the service's machinery.

A task is its owner and a list of states, one a version; a state is a dict. Changing a task appends to the list,
so that version N is item N - 1. Times are not predicted.
"""

import json
import re
from collections.abc import Callable
from copy import copy
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, NamedTuple

NEW: dict[str, Any] = {
    "title": "",
    "description": "",
    "category": "",
    "task_type": "",
    "requirements": {},
    "budget_usd": 0,
    "experimentation": 0.3,
    "brand_kit_id": None,
}
BODY = (
    "id",
    "user_id",
    "title",
    "description",
    "category",
    "task_type",
    "requirements",
    "budget_usd",
    "compute_budget",
    "status",
    "experimentation",
    "created_at",
    "expires_at",
    "attachments",
    "brand_kit_id",
    "prototype_tier",
)
VIEW = tuple(name for name in BODY if name not in ("created_at", "expires_at"))
MINIMUM = 20
COMPUTE_SHARE = 0.15

State = dict[str, Any]
Answer = dict[str, Any]


class Task:
    """A task: whose it is, and its state at each version."""

    def __init__(self, task_id: str, owner: str, cause: str) -> None:
        self.id = task_id
        self.owner = owner
        self.copied_from: dict[str, Any] | None = None
        self.states: list[State] = [
            {
                **NEW,
                "transcript": "",
                "attachments": [],
                "status": "draft",
                "compute_budget": None,
                "prototype_tier": None,
            }
            | {"cause": cause, "actor": owner, "request_id": None}
        ]

    @property
    def now(self) -> State:
        return self.states[-1]

    @property
    def version(self) -> int:
        return len(self.states)

    def record(self, cause: str, actor: str | None = None, **changed: Any) -> None:
        self.states.append({**self.now, **changed, "cause": cause, "actor": actor or self.owner, "request_id": None})

    def change(self, cause: str, values: State, actor: str | None = None) -> None:
        """One version for each value that is another one, in the order of the contract."""
        for name in (*NEW, "transcript"):
            if name in values and _canonical(values[name]) != _canonical(self.now[name]):
                self.record(cause, actor, **{name: values[name]})

    def view(self, version: int | None = None) -> Answer:
        """The fields of the body that can be predicted."""
        return shown({**self.states[(version or self.version) - 1], "id": self.id, "user_id": self.owner})


class Refused(Exception):
    """The problem that the request is answered with."""

    def __init__(self, status: int, problem: str, **more: Any) -> None:
        self.answer: Answer = {"status": status, "problem": problem, **more}


class Request(NamedTuple):
    """What a client asks of one task."""

    name: str
    argument: Any = None
    if_match: str | None = None
    key: str | None = None


def shown(body: State, names: tuple[str, ...] = VIEW) -> State:
    """Some of a body's fields, `requirements` as text: there `true` is not `1`, and the order of keys counts."""
    return {name: body[name] for name in names} | {"requirements": json.dumps(body["requirements"])}


def patch(task: Task, values: State) -> None:
    task.change("autosave", {name: NEW[name] if value is None else value for name, value in values.items()})


def merge_patch(task: Task, values: State) -> None:
    if values.get("requirements") is not None:
        values = {**values, "requirements": _merged(task.now["requirements"], values["requirements"])}
    patch(task, values)


def transcribe(task: Task, text: str) -> None:
    task.change("transcript", {"transcript": text})


def attach(task: Task, reference: str) -> None:
    attachments = task.now["attachments"]
    if reference not in attachments:
        if len(attachments) == 20:
            raise Refused(422, "validation", errors=[("/reference", "too_many", 20, 21)])
        task.record("attachment", attachments=[*attachments, reference])


def detach(task: Task, reference: str, cause: str = "attachment") -> None:
    attachments = task.now["attachments"]
    if reference in attachments:
        task.record(cause, attachments=[other for other in attachments if other != reference])


def publish(task: Task, _: None = None) -> None:
    if errors := publish_errors(task):
        raise Refused(422, "not-publishable", errors=errors)
    description, transcript = task.now["description"], task.now["transcript"].strip()
    if len(description.strip()) < MINIMUM <= len(transcript):
        start = description.rstrip() + "\n\n" if description.strip() else ""
        description = _cut(start + transcript, 5000)
    filled = {"description": description}
    if not task.now["title"].strip() and description.strip():
        filled["title"] = _cut(description.strip().splitlines()[0].rstrip(), 80)
    task.change("publish", filled, "system")
    share = Decimal(str(task.now["budget_usd"])) * Decimal(str(COMPUTE_SHARE))
    task.record("publish", status="open", compute_budget=float(share.quantize(Decimal("0.01"), ROUND_HALF_UP)))


def publish_errors(task: Task) -> list[tuple[Any, ...]]:
    """Everything that stands in the way of publishing: pointer, code, limit, actual."""
    state = task.now
    longest = max(len(state["description"].strip()), len(state["transcript"].strip()))
    found: list[tuple[Any, ...]] = []
    if longest < MINIMUM:
        found.append(("/description", "too_short", MINIMUM, longest))
    blank = [name for name in ("category", "task_type") if not state[name].strip()]
    found += [(f"/{name}", "required", None, None) for name in blank]
    if state["budget_usd"] == 0:
        found.append(("/budget_usd", "required", None, None))
    return found


def discard(task: Task, _: None = None) -> None:
    if task.now["status"] == "draft":
        task.record("discard", status="discarded")


def restore(task: Task, _: None = None) -> None:
    task.record("restore", status="draft")


def revert(task: Task, version: int) -> None:
    bring_content(task, task.states[version - 1], "revert")


def bring_content(task: Task, wanted: State, cause: str) -> None:
    """The eight fields and the transcript, then the attachments: those that are in the right place stay."""
    task.change(cause, wanted)
    kept: list[str] = []
    for reference in task.now["attachments"]:
        if wanted["attachments"][len(kept) : len(kept) + 1] == [reference]:
            kept.append(reference)
    for reference in task.now["attachments"]:
        if reference not in kept:
            detach(task, reference, cause)
    for reference in wanted["attachments"][len(kept) :]:
        task.record(cause, attachments=[*task.now["attachments"], reference])


class Operation(NamedTuple):
    """How an operation is asked for, in which states of a task it may be, and what it does."""

    method: str
    path: str
    change: Callable[[Task, Any], None]
    body: str | None = None
    query: str | None = None
    allowed: tuple[str, ...] = ("draft",)
    status: int = 200


OPERATIONS = {
    "patch": Operation("PATCH", "", patch, body="*"),
    "merge_patch": Operation("PATCH", "", merge_patch, body="*"),
    "transcribe": Operation("PUT", "/transcript", transcribe, body="text"),
    "forget_transcript": Operation("DELETE", "/transcript", lambda task, _: transcribe(task, "")),
    "attach": Operation("POST", "/attachments", attach, body="reference"),
    "detach": Operation("DELETE", "/attachments", detach, query="reference"),
    "publish": Operation("POST", "/publish", publish),
    "discard": Operation("DELETE", "", discard, allowed=("draft", "discarded"), status=204),
    "restore": Operation("POST", "/restore", restore, allowed=("discarded", "expired")),
    "revert": Operation("POST", "/revert", revert, body="version"),
}


class Model:
    """All tasks, and the idempotency keys of all users."""

    def __init__(self) -> None:
        self.tasks: dict[str, Task] = {}
        self.keys: dict[tuple[str, str], tuple[Any, Answer]] = {}

    def fork(self, task_id: str) -> "Model":
        """The same once more, to try what becomes of one task and of the keys."""
        model = Model()
        task = copy(self.tasks[task_id])
        task.states = list(task.states)
        model.tasks = self.tasks | {task_id: task}
        model.keys = dict(self.keys)
        return model

    def answer(self, user: str, task_id: str, request: Request) -> Answer:
        """What the request is answered with; carries it out where nothing stands against it."""
        try:
            return self._answer(user, task_id, request)
        except Refused as refused:
            return refused.answer

    def _answer(self, user: str, task_id: str, request: Request) -> Answer:
        operation = OPERATIONS[request.name]
        task = self.owned(user, task_id)
        if request.name == "revert" and not 1 <= request.argument <= task.version:
            raise Refused(404, "not-found")
        asked = (task_id, request.name.replace("merge_", ""), json.dumps(request.argument))
        if repeated := self.repeated(user, request.key, asked):
            return repeated
        if task.now["status"] not in operation.allowed:
            raise Refused(409, "not-restorable" if request.name == "restore" else "not-a-draft")
        require_match(task, request.if_match)
        operation.change(task, request.argument)
        view = None if operation.status == 204 else task.view()
        return self.keep(user, request.key, asked, {"status": operation.status, "version": task.version, "view": view})

    def create(self, user: str, task_id: str, values: State, key: str | None, *, published: bool = False) -> Answer:
        """What creating a task with this id is answered with; `published` for `POST /api/v1/tasks`."""
        asked = ("create", published, json.dumps(values))
        try:
            if repeated := self.repeated(user, key, asked):
                return repeated
            if task_id in self.tasks:
                raise Refused(409, "already-exists")
            task = Task(task_id, user, "create")
            task.change("create", {name: value for name, value in values.items() if name != "id" and value is not None})
            if published:
                publish(task)
        except Refused as refused:
            return refused.answer
        return self.keep(user, key, asked, self._created(task))

    def duplicate(self, user: str, source_id: str, task_id: str, if_match: str | None, key: str | None) -> Answer:
        """What duplicating a task is answered with, where the new one gets the id `task_id`."""
        asked = ("duplicate", source_id)
        try:
            source = self.owned(user, source_id)
            if repeated := self.repeated(user, key, asked):
                return repeated
            require_match(source, if_match)
        except Refused as refused:
            return refused.answer
        task = Task(task_id, user, "duplicate")
        task.copied_from = {"task_id": source_id, "version": source.version}
        bring_content(task, source.now, "duplicate")
        return self.keep(user, key, asked, self._created(task))

    def _created(self, task: Task) -> Answer:
        self.tasks[task.id] = task
        return {"status": 201, "version": task.version, "view": task.view()}

    def owned(self, user: str, task_id: str) -> Task:
        """A task that the user may change."""
        task = self.tasks.get(task_id)
        if task is None or task.owner != user:
            raise Refused(404, "not-found")
        return task

    def repeated(self, user: str, key: str | None, asked: Any) -> Answer | None:
        """What the key's first request was answered with."""
        known = self.keys.get((user, key)) if key else None
        if known and known[0] != asked:
            raise Refused(422, "idempotency-key-reused")
        return known[1] if known else None

    def keep(self, user: str, key: str | None, asked: Any, answer: Answer) -> Answer:
        """The answer, remembered for retries."""
        if key:
            self.keys[user, key] = asked, answer
        return answer


def require_match(task: Task, if_match: str | None) -> None:
    """If-Match: a version, a list of them, or any."""
    if if_match in (None, "*"):
        return
    assert if_match is not None
    versions = [int(tag) for tag in re.findall(r'"(\d+)"', if_match)]
    if task.version not in versions:
        known = [version for version in versions if version <= task.version]
        before = task.states[max(known) - 1] if known else task.now
        names = (*NEW, "transcript", "attachments", "status")
        changed = [name for name in names if _canonical(before[name]) != _canonical(task.now[name])]
        raise Refused(412, "version-mismatch", current_version=task.version, changed_fields=changed)


def _canonical(value: Any) -> Any:
    """Equal for values that are the same JSON: `true` is not `1`, `1` is `1.0`, key order does not matter."""
    if isinstance(value, dict):
        return "object", {key: _canonical(item) for key, item in value.items()}
    if isinstance(value, list):
        return "array", [_canonical(item) for item in value]
    return isinstance(value, bool), value


def _merged(target: Any, change: Any) -> Any:
    """RFC 7396, section 2."""
    if not isinstance(change, dict):
        return change
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in change.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = _merged(result.get(name), value)
    return result


def _cut(text: str, limit: int) -> str:
    """At most `limit` characters, up to where a word ends, or within one that is longer than half of them."""
    found = re.match(rf"(?s).{{0,{limit}}}(?!\S)", text)
    whole_words = found[0].rstrip() if found else ""
    return whole_words if len(text) <= limit or len(whole_words) + 1 >= limit // 2 else text[:limit].rstrip()
