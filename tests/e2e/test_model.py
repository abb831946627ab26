"""The running service against a model of plain dicts: several users, two processes, and no difference.

Each rule sends requests and asks the model for the answers; what was touched is then read back and compared,
event by event. `make model` looks for much longer.
"""

import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import permutations
from threading import Barrier
from typing import Any
from uuid import UUID, uuid4

import httpx
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from tests.support.fold import fold, view
from tests.support.harness import Client, Server
from tests.support.model import (
    BODY,
    COMPUTE_SHARE,
    MINIMUM,
    OPERATIONS,
    VIEW,
    Answer,
    Model,
    Request,
    Task,
    publish_errors,
    shown,
)
from tests.support.request_strategies import (
    complete,
    conditions,
    fields,
    keys,
    picks,
    processes,
    requests,
    transcripts,
    users,
)

TASKS = "/api/v1/tasks"
STATE = (*VIEW[2:], "transcript")
SIGNATURE = ("cause", "actor", "request_id")


def seen(response: httpx.Response) -> Answer:
    """What the model predicts of a response, and a check of the rest of it."""
    assert UUID(response.headers["x-request-id"])
    if response.status_code >= 400:
        assert response.headers["content-type"] == "application/problem+json"
        problem = response.json()
        assert problem["status"] == response.status_code
        assert problem["instance"] == f"urn:uuid:{response.headers['x-request-id']}"
        answer = {"status": response.status_code, "problem": problem["type"].removeprefix("/problems/")}
        if "errors" in problem:
            answer["errors"] = [reduced(error) for error in problem["errors"]]
        return answer | {name: problem[name] for name in ("current_version", "changed_fields") if name in problem}
    version = int(re.fullmatch(r'"(\d+)"', response.headers["etag"])[1])  # type: ignore[index]
    assert response.headers["cache-control"] == "no-store, no-transform"
    return {"status": response.status_code, "version": version, "view": seen_view(response)}


def reduced(error: dict[str, Any]) -> tuple[Any, ...]:
    """An error as the model has it."""
    assert error["message"]
    return error["pointer"], error["code"], error.get("limit"), error.get("actual")


def seen_view(response: httpx.Response) -> Any:
    """The fields of a task's body that the model predicts."""
    if not response.content:
        return None
    body = response.json()
    assert tuple(body) == BODY
    return shown(body)


class Machine(RuleBasedStateMachine):
    """Rules send what users do; `touched` is what the invariant then reads back."""

    def __init__(self, processes: list[Client], bearer: Callable[[UUID], str]) -> None:
        super().__init__()
        self.processes = processes
        self.users = [str(uuid4()) for _ in range(3)]
        self.authorization = {user: bearer(UUID(user)) for user in self.users}
        self.model = Model()
        self.sent: list[tuple[str, str, Request]] = []
        self.touched: set[str] = set()

    def send(self, user: str, process: int, method: str, path: str, **more: Any) -> httpx.Response:
        headers = {"authorization": self.authorization[user]}
        headers |= {name: value for name, value in more.pop("headers", {}).items() if value is not None}
        if "json" in more:
            more["content"] = json.dumps(more.pop("json"), ensure_ascii=False).encode()
            headers.setdefault("content-type", "application/json")
        response = self.processes[process].request(method, path, headers=headers, **more)
        assert response.status_code < 500, response.text
        return response

    def send_request(self, user: str, process: int, task_id: str, request: Request) -> httpx.Response:
        operation = OPERATIONS[request.name]
        headers = {"if-match": request.if_match, "idempotency-key": request.key}
        more: dict[str, Any] = {}
        if operation.body:
            more["json"] = request.argument if operation.body == "*" else {operation.body: request.argument}
        if request.name == "merge_patch":
            headers["content-type"] = "application/merge-patch+json"
        if operation.query:
            more["params"] = {operation.query: request.argument}
        path = f"{TASKS}/{task_id}{operation.path}"
        return self.send(user, process, operation.method, path, headers=headers, **more)

    def resolved(self, task: Task, request: Request) -> Request:
        """The request with what depends on the task: versions, and what typing makes of the description."""
        name, argument, if_match, key = request
        if name == "type":
            at, cut, insert = argument
            text = task.now["description"]
            at %= len(text) + 1
            name, argument = "patch", {"description": (text[:at] + insert + text[at + cut :])[:5000]}
        elif name == "revert":
            argument = argument % (task.version + 2)
        stale = max(1, task.version - 3)
        tags = {
            "current": f'"{task.version}"',
            "weak": f'W/"{task.version}"',
            "stale": f'"{stale}"',
            "list": f'"{stale}", "{task.version}"',
        }
        return Request(name, argument, tags.get(if_match or "", if_match), key)

    def compare(self, response: httpx.Response, expected: Answer, request: Any = None) -> None:
        answer = seen(response)
        assert answer == expected, f"{request}\nanswered {answer}\nexpected {expected}"

    def sign(self, task: Task, before: int, response: httpx.Response, key: str | None = None) -> None:
        """Note which request the versions behind `before` came from."""
        for state in task.states[before:]:
            state["request_id"] = key or response.headers["x-request-id"]
        self.touched.add(task.id)

    def pick(self, number: int) -> Task:
        """One of the tasks; four times out of five one of the drafts."""
        tasks = list(self.model.tasks.values())
        drafts = [task for task in tasks if task.now["status"] == "draft"]
        return (drafts if drafts and number % 5 else tasks)[-1 - number // 5 % len(drafts or tasks)]

    @initialize(values=complete)
    def begin(self, values: dict[str, Any]) -> None:
        self.create(0, 0, "/drafts", values, None)
        self.create(1, 1, "/drafts", {}, None)

    @rule(user=users, process=processes, named=st.none() | picks, values=fields | complete, key=keys)
    def create_draft(self, user: int, process: int, named: int | None, values: dict[str, Any], key: str | None) -> None:
        """With an id of the server's, of the client's, or one that is taken."""
        if named is not None:
            values = {"id": str(uuid4()) if named % 3 else self.pick(named).id, **values}
        self.create(user, process, "/drafts", values, key)

    @rule(user=users, process=processes, values=complete, transcript=st.none() | transcripts, key=keys)
    def create_and_publish(
        self, user: int, process: int, values: dict[str, Any], transcript: str | None, key: str | None
    ) -> None:
        self.create(user, process, "", {**values, "transcript": transcript}, key)

    def create(self, user: int, process: int, path: str, values: dict[str, Any], key: str | None) -> None:
        owner = self.users[user]
        headers = {"idempotency-key": key}
        response = self.send(owner, process, "POST", TASKS + path, json=values, headers=headers)
        task_id = response.json().get("id") or values.get("id", "")
        known = task_id in self.model.tasks
        self.compare(response, self.model.create(owner, task_id, values, key, published=path == ""), values)
        if response.status_code == 201 and not known:
            assert response.headers["location"] == f"{TASKS}/{task_id}"
            self.sign(self.model.tasks[task_id], 0, response, key)
            if key:
                again = self.send(owner, 1 - process, "POST", TASKS + path, json=values, headers=headers)
                assert (again.content, again.headers["location"]) == (response.content, response.headers["location"])

    @rule(number=picks, steps=st.lists(st.tuples(processes, requests()), min_size=1, max_size=8))
    def change(self, number: int, steps: list[tuple[int, Request]]) -> None:
        task = self.pick(number)
        for process, request in steps:
            self.carry_out(task.owner, process, task, request)

    def carry_out(self, user: str, process: int, task: Task, request: Request) -> None:
        request = self.resolved(task, request)
        before = task.version
        response = self.send_request(user, process, task.id, request)
        self.compare(response, self.model.answer(user, task.id, request), request)
        self.sign(task, before, response, request.key)
        self.sent.append((user, task.id, request))

    @rule(number=picks, process=processes, request=requests())
    def change_a_task_of_somebody_else(self, number: int, process: int, request: Request) -> None:
        task = self.pick(number)
        self.carry_out(self.users[self.users.index(task.owner) - 1], process, task, request)

    @rule(process=processes, number=picks, other=st.none() | requests())
    def retry(self, process: int, number: int, other: Request | None) -> None:
        """An earlier key again, with the same request or with another one."""
        keyed = [sent for sent in self.sent if sent[2].key]
        if keyed:
            user, task_id, request = keyed[-1 - number % len(keyed)]
            task = self.model.tasks[task_id]
            self.carry_out(user, process, task, other._replace(key=request.key) if other else request)

    @rule(process=processes, number=picks, condition=conditions, key=keys)
    def duplicate(self, process: int, number: int, condition: str | None, key: str | None) -> None:
        source = self.pick(number)
        if_match = self.resolved(source, Request("publish", None, condition)).if_match
        headers = {"if-match": if_match, "idempotency-key": key}
        response = self.send(source.owner, process, "POST", f"{TASKS}/{source.id}/duplicate", headers=headers)
        copy_id = response.json().get("id", "")
        known = copy_id in self.model.tasks
        self.compare(response, self.model.duplicate(source.owner, source.id, copy_id, if_match, key))
        if response.status_code == 201 and not known:
            self.sign(self.model.tasks[copy_id], 0, response, key)

    @rule(number=picks, many=st.lists(st.tuples(processes, requests()), min_size=2, max_size=4), retried=processes)
    def change_at_once(self, number: int, many: list[tuple[int, Request]], retried: int) -> None:
        """Whatever happens at once, a retry among it, is answered as if it had happened in some order."""
        task = self.pick(number)
        many = [(process, self.resolved(task, request)) for process, request in many]
        keyed = [request for _, task_id, request in self.sent if task_id == task.id and request.key]
        many += [(retried, request) for request in keyed[-1:]]
        start = Barrier(len(many))

        def send(process: int, request: Request) -> httpx.Response:
            start.wait()
            return self.send_request(task.owner, process, task.id, request)

        with ThreadPoolExecutor(len(many)) as threads:
            responses = list(threads.map(lambda one: send(*one), many))
        answers = [seen(response) for response in responses]
        recorded_by = [event["request_id"] for event in self.history(task)]
        for order in permutations(range(len(many))):
            model = self.model.fork(task.id)
            changed = model.tasks[task.id]
            for index in order:
                before, request = changed.version, many[index][1]
                if model.answer(task.owner, task.id, request) != answers[index]:
                    break
                self.sign(changed, before, responses[index], request.key)
            else:
                # Of two that answer alike, the history tells which one was first.
                if [state["request_id"] for state in changed.states] == recorded_by:
                    self.model = model
                    return
        raise AssertionError(f"in no order of {many}\nanswered {answers}\nfrom {task.now}")

    @rule(process=processes)
    def attach_too_many(self, process: int) -> None:
        task = max(self.model.tasks.values(), key=lambda task: len(task.now["attachments"]))
        count = len(task.now["attachments"])
        for number in range(count, 21 if 3 < count < 20 else count):
            self.carry_out(task.owner, process, task, Request("attach", f"more/{number}"))

    @rule(number=picks, process=processes, values=fields)
    def refuse_what_is_invalid(self, number: int, process: int, values: dict[str, Any]) -> None:
        wrong = {"title": "t" * 201, "budget_usd": 2.5, "category": 7, "status": "open", "nothing": None}
        task = self.pick(number)
        response = self.send(task.owner, process, "PATCH", f"{TASKS}/{task.id}", json={**values, **wrong})
        errors = [
            ("/budget_usd", "out_of_range", 3, 2.5),
            ("/category", "type", None, None),
            ("/nothing", "unknown_field", None, None),
            ("/status", "read_only", None, None),
            ("/title", "too_long", 200, 201),
        ]
        answer = seen(response)
        assert answer | {"errors": sorted(answer["errors"])} == {
            "status": 422,
            "problem": "validation",
            "errors": errors,
        }
        self.touched.add(task.id)

    @rule(number=picks, process=processes, back=st.integers(-1, 15), by_time=st.booleans())
    def read_the_past(self, number: int, process: int, back: int, by_time: bool) -> None:
        task = self.pick(number)
        history = self.history(task)
        version = max(0, task.version - back)
        parameters: dict[str, Any] = {"version": version}
        if by_time and 1 <= version <= task.version:
            moment = history[version - 1]["occurred_at"]
            parameters = {"at": moment}
            version = max(event["version"] for event in history if event["occurred_at"] <= moment)
        response = self.send(task.owner, process, "GET", f"{TASKS}/{task.id}", params=parameters)
        if 1 <= version <= task.version:
            self.compare(response, {"status": 200, "version": version, "view": task.view(version)})
            assert response.json() == view(fold(history)[version - 1])
        else:
            self.compare(response, {"status": 404, "problem": "not-found"})

    @rule(
        number=picks,
        process=processes,
        back=st.integers(0, 2),
        template=st.sampled_from(('"{}"', 'W/"{}"', '"0", "{}"', "*")),
    )
    def read_the_present(self, number: int, process: int, back: int, template: str) -> None:
        """The task if it changed, its transcript, and what publishing would say."""
        task = self.pick(number)
        path = f"{TASKS}/{task.id}"
        tag = template.format(task.version - back)
        response = self.send(task.owner, process, "GET", path, headers={"if-none-match": tag})
        unchanged = back == 0 or tag == "*"
        expected = {"status": 304, "view": None} if unchanged else {"status": 200, "view": task.view()}
        self.compare(response, {**expected, "version": task.version})

        response = self.send(task.owner, process, "GET", f"{path}/transcript")
        if task.now["transcript"]:
            assert response.json() == {"text": task.now["transcript"]}
        else:
            self.compare(response, {"status": 404, "problem": "not-found"})

        response = self.send(task.owner, process, "GET", f"{path}/publish-check")
        if task.now["status"] == "draft":
            errors = publish_errors(task)
            assert response.json()["publishable"] == (not errors)
            assert [reduced(error) for error in response.json()["errors"]] == errors
        else:
            self.compare(response, {"status": 409, "problem": "not-a-draft"})

    @rule(number=picks, process=processes, after=st.integers(0, 12), limit=st.integers(1, 7))
    def page_through_the_history(self, number: int, process: int, after: int, limit: int) -> None:
        task = self.pick(number)
        found: list[dict[str, Any]] = []
        following: int | None = after
        while following is not None:
            parameters = {"after": following, "limit": limit}
            page = self.send(task.owner, process, "GET", f"{TASKS}/{task.id}/history", params=parameters).json()
            found += page["items"]
            following = page["next_after"]
            assert len(page["items"]) == limit or following is None
        assert found == self.history(task)[after:]

    @rule(
        user=users,
        process=processes,
        status=st.sampled_from((None, "draft", "open", "discarded", "expired")),
        category=st.sampled_from((None, None, "design", "code", "")),
        words=st.sampled_from((None, None, "LOGO", "bäck", "si a", "ogo", "o'")),
        limit=st.integers(1, 4),
    )
    def list_tasks(
        self, user: int, process: int, status: str | None, category: str | None, words: str | None, limit: int
    ) -> None:
        owner = self.users[user]
        wanted = {"status": status, "category": category, "q": words}
        items = list(self.walk(owner, process, wanted, limit))
        expected = {task.id: task for task in self.model.tasks.values() if self.is_listed(task, owner, wanted)}
        assert {item["id"] for item in items} == expected.keys()
        order = [(item["updated_at"], item["id"]) for item in items]
        assert order == sorted(set(order), reverse=True)
        for item in items:
            task = expected[item["id"]]
            history = self.history(task)
            times = {"version": task.version, "updated_at": history[-1]["occurred_at"]}
            assert tuple(item) == (*BODY, *times)
            assert item == view(fold(history)[-1]) | times

    @rule(process=processes, changes=st.lists(st.tuples(picks, requests()), min_size=1, max_size=3))
    def walk_while_tasks_change(self, process: int, changes: list[tuple[int, Request]]) -> None:
        """No task is shown twice, and every one that stays as it is is shown."""
        owner = self.pick(changes[0][0]).owner
        everything = dict.fromkeys(("status", "category", "q"))
        unchanged = {task.id for task in self.model.tasks.values() if self.is_listed(task, owner, everything)}
        found = []
        for item in self.walk(owner, process, everything, 1):
            found.append(item["id"])
            if changes:
                number, request = changes.pop()
                task = self.pick(number)
                unchanged.discard(task.id)
                self.carry_out(task.owner, process, task, request)
        assert len(found) == len(set(found))
        assert unchanged <= set(found)

    def walk(self, owner: str, process: int, wanted: dict[str, Any], limit: int) -> Iterator[dict[str, Any]]:
        parameters = {name: value for name, value in {**wanted, "limit": limit}.items() if value is not None}
        while True:
            page = self.send(owner, process, "GET", TASKS, params=parameters).json()
            assert len(page["items"]) <= limit
            yield from page["items"]
            if page["next_cursor"] is None:
                return
            assert len(page["items"]) == limit
            parameters["cursor"] = page["next_cursor"]

    @staticmethod
    def is_listed(task: Task, owner: str, wanted: dict[str, Any]) -> bool:
        state = task.now
        begun = re.findall(r"(?=\b(\w.*))", f"{state['title']}\n{state['description']}".casefold(), re.DOTALL)
        return (
            task.owner == owner
            and state["status"] in ([wanted["status"]] if wanted["status"] else ["draft", "open"])
            and wanted["category"] in (None, state["category"])
            and all(any(rest.startswith(word) for rest in begun) for word in (wanted["q"] or "").casefold().split())
        )

    def history(self, task: Task) -> list[dict[str, Any]]:
        path = f"{TASKS}/{task.id}/history"
        page = self.send(task.owner, 0, "GET", path, params={"limit": 1000}).json()
        assert page["next_after"] is None
        items: list[dict[str, Any]] = page["items"]
        return items

    @invariant()
    def what_was_touched_is_as_in_the_model(self) -> None:
        for task_id in self.touched:
            self.verify(self.model.tasks[task_id])
        self.touched.clear()

    @rule()
    def nothing_else_changed(self) -> None:
        self.touched.update(self.model.tasks)

    def verify(self, task: Task) -> None:
        """The view, the history and the events in it are those of the model."""
        response = self.send(task.owner, 1, "GET", f"{TASKS}/{task.id}")
        self.compare(response, {"status": 200, "version": task.version, "view": task.view()})
        history = self.history(task)
        states = fold(history)
        assert response.json() == view(states[-1])
        assert [event["version"] for event in history] == list(range(1, task.version + 1))
        assert [shown(state, STATE) for state in states] == [shown(state, STATE) for state in task.states]
        for event, expected in zip(history, task.states, strict=True):
            assert {name: event[name] for name in SIGNATURE} == {name: expected[name] for name in SIGNATURE}
            assert (event["task_id"], event["schema"]) == (task.id, 1)
            assert re.fullmatch("[0-9a-f]{64}", event["digest"])
        positions = [event["position"] for event in history]
        times = [event["occurred_at"] for event in history]
        assert positions == sorted(set(positions))
        assert times == sorted(times)
        assert history[0]["data"].get("copied_from") == task.copied_from


def test_no_difference_between_the_service_and_the_model(start_server: Callable[..., Server], database: str) -> None:
    share = {"PALIMPSEST_COMPUTE_SHARE": str(COMPUTE_SHARE), "PALIMPSEST_DESCRIPTION_MIN_LENGTH": str(MINIMUM)}
    servers = [start_server(PALIMPSEST_DATABASE_URL=database, **share) for _ in range(2)]
    with servers[0].client() as one, servers[1].client() as other:
        run_state_machine_as_test(
            lambda: Machine([one, other], servers[0].bearer),
            settings=settings(
                max_examples=settings.default.max_examples // 5,
                stateful_step_count=30,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
