"""Somebody at a browser with the compose page open."""

import re
from collections.abc import Callable
from uuid import UUID, uuid4

from playwright.sync_api import BrowserContext, ConsoleMessage, Page, expect

from tests.support.harness import Client, Server, wait_until
from tests.support.typed_sessions import Edit

CHROMIUM_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]

OFTEN = "{ const every = setInterval; window.setInterval = (work, pause) => every(work, pause / 20); }"
"""The client asks for others' changes every 250 ms instead of every 5 s."""

IMPATIENT = "{ const later = setTimeout; window.setTimeout = (work, pause) => later(work, pause / 10); }"
"""What the page would wait seconds for, it waits tenths for."""

EDIT = """
([edits, id]) => {
  const element = document.getElementById(id);
  for (const [at, cut, insert] of edits) {
    const points = Array.from(element.value);
    const from = points.slice(0, at).join('').length;
    const to = from + points.slice(at, at + cut).join('').length;
    element.setRangeText(insert, from, to, 'end');
    element.dispatchEvent(new InputEvent('input', { bubbles: true }));
  }
}
"""
"""Edits an element as a keyboard would, but without waiting; offsets are code points."""


class Person:
    """A user in a browser of their own."""

    def __init__(self, server: Server, context: BrowserContext, account: UUID | None, url: str) -> None:
        self.account = account or uuid4()
        self.client: Client = server.client(self.account)
        self.context = context
        self.url = url
        self.errors: list[str] = []
        self._token = self.client.headers["Authorization"].removeprefix("Bearer ")
        context.set_default_timeout(15_000)
        context.add_init_script(OFTEN)

    def open(self, task_id: str = "", page: Page | None = None) -> Page:
        """Sign in with the link that the service prints, and open a draft."""
        page = page or self.context.new_page()
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.goto(f"{self.url}/#token={self._token}")
        expect(page.locator("#workspace")).to_be_visible()
        if task_id:
            page.evaluate("id => { location.hash = `#/${id}`; }", task_id)
            expect(page.locator("#description")).to_be_visible()
        return page

    def _note(self, message: ConsoleMessage) -> None:
        # What the network does is told as an error too; the tests arrange for that themselves.
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            self.errors.append(message.text)

    def description(self, task_id: str) -> str:
        """As the service has it."""
        text: str = self.client.get(f"/api/v1/tasks/{task_id}").json()["description"]
        return text

    def close(self) -> list[str]:
        """Ends the browser; returns what its pages complained about."""
        self.context.close()
        self.client.close()
        return self.errors


def edit(page: Page, edits: list[Edit], field: str = "description") -> None:
    """All these edits in one go."""
    page.evaluate(EDIT, [[list(each) for each in edits], field])


def says(page: Page, words: str | re.Pattern[str], seconds: float = 15) -> None:
    """Wait until the page says this about saving."""
    expect(page.locator("#save-words")).to_have_text(words, timeout=seconds * 1000)


def eventually(page: Page, condition: Callable[[], object], what: str) -> None:
    """Wait for something outside the page, and let the page's requests be answered meanwhile."""

    def holds() -> object:
        page.wait_for_timeout(20)
        return condition()

    wait_until(holds, what)


def watch_words(page: Page) -> None:
    """From now on, note every sentence about saving, the version it speaks of, and what the description held then."""
    page.evaluate("""() => {
      window.told = [];
      const words = document.getElementById('save-words');
      const note = () => window.told.push({
        words: words.textContent,
        version: Number(/\\d+/.exec(document.getElementById('save-state').title)?.[0] ?? 0),
        text: document.getElementById('description').value,
      });
      new MutationObserver(note).observe(words, { childList: true, characterData: true, subtree: true });
      note();
    }""")


def told(page: Page) -> list[dict[str, object]]:
    """What `watch_words` noted."""
    noted: list[dict[str, object]] = page.evaluate("() => window.told")
    return noted
