"""A real Chromium, people with browsers of their own, and texts as people typed them."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import pytest
from playwright.sync_api import Browser, Playwright, expect, sync_playwright

from tests.support.harness import Server
from tests.support.people import CHROMIUM_ARGUMENTS, Person
from tests.support.proxy import Proxy, Treatment

expect.set_options(timeout=20_000)

CALM: dict[str, object] = {"reduced_motion": "reduce"}
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="package")
def chromium_path() -> str:
    """The system's Chromium."""
    found = next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if found is None:
        pytest.skip(f"no browser: none of {', '.join(CHROMIUM_NAMES)} is installed (Debian: apt-get install chromium)")
    return found


@pytest.fixture(scope="package")
def playwright(chromium_path: str) -> Iterator[Playwright]:
    """Ended with the package, because no other event loop can run in this thread meanwhile."""
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="package")
def chromium(playwright: Playwright, chromium_path: str) -> Iterator[Browser]:
    """One browser process; each person has a context of their own in it, which shares nothing."""
    browser = playwright.chromium.launch(executable_path=chromium_path, args=CHROMIUM_ARGUMENTS)
    yield browser
    browser.close()


@pytest.fixture
def new_person(chromium: Browser, server: Server) -> Iterator[Callable[..., Person]]:
    """Somebody with a browser; `account` for a second browser of the same user, `url` to go through a proxy."""
    people: list[Person] = []

    def make(account: UUID | None = None, url: str | None = None, **context: object) -> Person:
        person = Person(server, chromium.new_context(**{**CALM, **context}), account, url or server.url)  # type: ignore[arg-type]
        people.append(person)
        return person

    yield make
    errors = [error for person in people for error in person.close()]
    assert not errors


@pytest.fixture
def person(new_person: Callable[..., Person]) -> Person:
    """Somebody with a browser."""
    return new_person()


@pytest.fixture
def new_proxy(server: Server) -> Iterator[Callable[[Treatment], Proxy]]:
    """A proxy in front of the shared service."""
    running: list[Proxy] = []

    def make(treatment: Treatment) -> Proxy:
        proxy = Proxy(server.url, treatment)
        proxy.__enter__()
        running.append(proxy)
        return proxy

    yield make
    for proxy in running:
        proxy.__exit__(None, None, None)


@pytest.fixture(scope="session")
def traces(pytestconfig: pytest.Config) -> Path:
    """The folder of recorded keystrokes, which a clone of the project does not have."""
    from tests.support.typed_sessions import traces_folder

    folder = traces_folder()
    if not folder.is_dir():
        pytest.skip(f"no recorded keystrokes in {folder} (set PALIMPSEST_TRACES to their folder)")
    return folder
