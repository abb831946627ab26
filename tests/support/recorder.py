"""People who type without pause and note what the service acknowledged, whatever happens to it meanwhile."""

import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from uuid import UUID, uuid4

import httpx

from tests.support.harness import Client, Server

RETRY_PAUSE = 0.02
"""Seconds before a request that was not acknowledged is sent again, with the same key."""

GIVE_UP = 60.0
"""Seconds after which a request that is never acknowledged fails the test."""


@dataclass
class Save:
    """One autosave, sent as often as it takes under one key; what the first acknowledgement said."""

    task_id: str
    key: str
    change: dict[str, Any]
    etag: str = ""
    body: bytes = b""


@dataclass
class Person:
    """Who types into one task."""

    client: Client
    task_id: str
    saves: list[Save] = field(default_factory=list)


class Recorder:
    """Types for several people at once while it is entered; `stop` lets each finish the save it is at."""

    def __init__(self, server: Server, people: int, *, tasks: int | None = None) -> None:
        self.server = server
        self.answers: Counter[int] = Counter()
        self.unreachable = 0
        self.slowest = 0.0
        self.hiccup = 0.0
        self.wrong: list[str] = []
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        users = [uuid4() for _ in range(tasks or people)]
        drafts = [(user, self._draft(user)) for user in users]
        self.people = [self._person(*drafts[number % len(drafts)]) for number in range(people)]
        self._threads = [threading.Thread(target=self._type, args=(person,)) for person in self.people]
        self._threads.append(threading.Thread(target=self._measure_hiccups))

    @property
    def acknowledged(self) -> list[Save]:
        """Every save that was answered with 200."""
        return [save for person in self.people for save in person.saves if save.etag]

    @property
    def attempted(self) -> set[str]:
        """The key of every save that was ever sent."""
        return {save.key for person in self.people for save in person.saves}

    def stop(self) -> None:
        """Type no more, and wait until the last save of each is acknowledged."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        for person in self.people:
            person.client.close()

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _draft(self, user: UUID) -> str:
        with self.server.client(user) as client:
            return client.new_draft()

    def _person(self, user: UUID, task_id: str) -> Person:
        return Person(self.server.client(user), task_id)

    def _type(self, person: Person) -> None:
        chance = random.Random(person.task_id)
        number = 0
        while not self._stopping.is_set():
            number += 1
            # The title is another each time, also where several type into one task.
            save = Save(person.task_id, str(uuid4()), {"title": f"{number} {uuid4()}"})
            person.saves.append(save)
            answer = self._until_acknowledged(person, save)
            if answer is None:
                return
            save.etag, save.body = answer.headers["etag"], answer.content
            if chance.random() < 0.1:
                self.repeat(person, save)

    def _until_acknowledged(self, person: Person, save: Save) -> httpx.Response | None:
        deadline = time.monotonic() + GIVE_UP
        while time.monotonic() < deadline:
            answer = self.send(person, save)
            if answer is not None and answer.status_code == 200:
                return answer
            time.sleep(RETRY_PAUSE)
        self._note(f"never acknowledged: {save}")
        return None

    def send(self, person: Person, save: Save) -> httpx.Response | None:
        """One attempt; None where nobody answered."""
        begun = time.monotonic()
        try:
            answer = person.client.patch(
                f"/api/v1/tasks/{save.task_id}", json=save.change, headers={"Idempotency-Key": save.key}
            )
        except httpx.ReadTimeout:
            self._note(f"no answer in {time.monotonic() - begun:.1f} s")
            return None
        except httpx.TransportError:
            with self._lock:
                self.unreachable += 1
            return None
        with self._lock:
            self.answers[answer.status_code] += 1
            self.slowest = max(self.slowest, time.monotonic() - begun)
        if answer.status_code not in (200, 503) or (answer.status_code == 503 and "retry-after" not in answer.headers):
            self._note(f"{answer.status_code}: {answer.text}")
        return answer

    def repeat(self, person: Person, save: Save) -> None:
        """A retry of what was acknowledged is answered as it was."""
        answer = self.send(person, save)
        if answer is None or answer.status_code != 200:
            return
        if (answer.headers["etag"], answer.content) != (save.etag, save.body):
            self._note(f"a retry was answered {answer.headers['etag']} {answer.text} after {save}")

    def _note(self, what: str) -> None:
        with self._lock:
            self.wrong.append(what)

    def _measure_hiccups(self) -> None:
        """How late this machine, busy as it is, wakes somebody up: what no service can be blamed for."""
        while not self._stopping.is_set():
            begun = time.monotonic()
            time.sleep(0.01)
            self.hiccup = max(self.hiccup, time.monotonic() - begun - 0.01)
