"""A browser that is killed in the middle of typing, offline, has lost nothing when it comes back."""

from pathlib import Path

import psutil  # type: ignore[import-untyped]
from playwright.sync_api import Playwright, expect

from tests.support.harness import Server
from tests.support.people import CHROMIUM_ARGUMENTS, Person, eventually, says


def test_a_browser_killed_while_typing_offline_delivers_when_it_is_started_again(
    playwright: Playwright, chromium_path: str, server: Server, tmp_path: Path
) -> None:
    profile = tmp_path / "profile"

    def start() -> Person:
        context = playwright.chromium.launch_persistent_context(
            profile, executable_path=chromium_path, args=CHROMIUM_ARGUMENTS
        )
        return Person(server, context, account, server.url)

    account = None
    person = start()
    account = person.account
    task_id = person.client.new_draft(description="Saved before. ")
    other = person.client.new_draft()
    page = person.open(task_id)
    person.context.set_offline(True)
    page.locator("#description").press("End")
    page.keyboard.type("Typed in the dark, up to this very lett", delay=10)
    page.keyboard.type("er")
    says(page, "Offline, kept on this device")
    kill(profile)
    person.client.close()

    person = start()
    page = person.open(other)
    eventually(
        page,
        lambda: person.description(task_id).endswith("this very letter"),
        "the words arrived, though another draft is open",
    )
    page.evaluate("id => { location.hash = `#/${id}`; }", task_id)
    says(page, "Saved")
    expect(page.locator("#description")).to_have_value("Saved before. Typed in the dark, up to this very letter")
    assert person.close() == []


def kill(profile: Path) -> None:
    """End the browser of this profile as a power cut would."""
    mine = [
        process
        for process in psutil.Process().children(recursive=True)
        if process.status() != psutil.STATUS_ZOMBIE and any(str(profile) in argument for argument in process.cmdline())
    ]
    assert mine
    for process in mine:
        process.kill()
    psutil.wait_procs(mine, timeout=10)
