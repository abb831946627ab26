"""The service with defects that quote what was typed: the category of a save chooses which, its title is the quote."""

import asyncio
import os
from pathlib import Path
from threading import Thread
from typing import Any

import msgspec
import uvicorn

import service.writing.batch
from service.application import App
from service.cli.serving import app_of_process, uvicorn_config
from service.http.headers import Cors
from service.logs import configure_logs
from service.settings import read_settings

decide = service.writing.batch.decide
cors_headers = Cors.headers


class Quoting(msgspec.Struct, tag_field="kind", tag="quoting"):
    """Wants another tag than it gets, and says which it got."""


def fail(text: str) -> None:
    """An error that quotes, led to by another that does."""
    try:
        {}[text]
    except KeyError as missing:
        raise ValueError(text) from ExceptionGroup(text, [missing])


class Dying:
    """Fails where nobody can catch it."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __del__(self) -> None:
        fail(self.text)


async def fail_later(text: str) -> None:
    """A task whose failure nobody awaits."""
    fail(text)


def quoting_decide(task: Any, task_id: Any, command: Any, given: Any) -> Any:
    """`decide`, but for the categories that stand for a defect."""
    changes = getattr(command, "values", {})
    text = changes.get("title", "")
    match changes.get("category"):
        case "raises":
            fail(text)
        case "converts":
            msgspec.convert({"kind": text}, Quoting)
        case "encodes":
            (text + "é").encode("ascii")
        case "task":
            asyncio.get_running_loop().create_task(fail_later(text), name=text)
        case "thread":
            Thread(target=fail, args=(text,), name=text).start()
        case "unraisable":
            Dying(text)
    return decide(task, task_id, command, given)


def quoting_headers(cors: Any, given: Any) -> Any:
    """`Cors.headers`, but for a request that asks for a failure outside of the routes."""
    if text := given.get(b"x-fail"):
        fail(text.decode())
    return cors_headers(cors, given)


def quoting_app() -> App:
    """The application as `serve` makes it, with the defects."""
    service.writing.batch.decide = quoting_decide
    Cors.headers = quoting_headers  # type: ignore[method-assign]
    return app_of_process(Path(os.environ["SLOTS"]))


if __name__ == "__main__":
    settings = read_settings(os.environ)
    configure_logs(settings.log_level)
    uvicorn.Server(uvicorn_config(quoting_app, settings)).run()
