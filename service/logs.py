"""Logging: JSON lines, or for a person on a terminal. Tokens and typed text are never logged.

Exceptions are where text would slip through: PostgreSQL's details quote the row, Python's messages the value. So of an
exception the log has its type, where it was raised, and of its message only what `safe_message` returns.
"""

import copy
import logging
import sys
import threading
import traceback
from types import TracebackType
from typing import Any

import psycopg
import structlog
from typing_extensions import override

OURS = ("domain.", "projections.", "service.")
"""Modules whose exceptions hold no value in their message."""


QUOTING = ("asyncio", "uvicorn")
"""Loggers that write an exception out in the lines after the first, although it is passed as `exc_info`, too."""


def configure_logs(level: str) -> None:
    """Send all logging to standard error in one form, from `level` on; uncaught exceptions, too."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: list[structlog.typing.Processor] = (
        [_lines_of_failure, structlog.dev.ConsoleRenderer()]
        if sys.stderr.isatty()
        else [_parts_of_failure, structlog.processors.JSONRenderer()]
    )
    formatter = _Formatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.getLogger("psycopg").setLevel(logging.ERROR)
    sys.excepthook = _uncaught
    sys.unraisablehook = lambda unraisable: _uncaught(
        unraisable.exc_type, unraisable.exc_value, unraisable.exc_traceback
    )
    threading.excepthook = lambda raised: _uncaught(raised.exc_type, raised.exc_value, raised.exc_traceback)


def safe_message(error: BaseException) -> str:
    """The part of an exception's message that may be logged, in one line; "" where it could quote typed text.

    Of PostgreSQL's errors: the code, table and constraint, and the primary message but for those about a value.
    """
    if isinstance(error, psycopg.Error) and error.sqlstate:
        about = error.diag
        names = [error.sqlstate, *(name for name in (about.table_name, about.constraint_name) if name)]
        message = "" if isinstance(error, psycopg.DataError) else about.message_primary or ""
        return ": ".join(filter(None, (" ".join(names), message)))
    is_safe = isinstance(error, OSError | psycopg.OperationalError | psycopg.InterfaceError)
    if is_safe or f"{type(error).__module__}.".startswith(OURS):
        return " ".join(str(error).split())
    return ""


def failure_of(error: BaseException) -> list[dict[str, Any]]:
    """An exception and those that led to it, the last raised first, as parts without any value."""
    chain: list[dict[str, Any]] = []
    seen: set[int] = set()
    next_one: BaseException | None = error
    while next_one is not None and id(next_one) not in seen:
        seen.add(id(next_one))
        part: dict[str, Any] = {
            "exc_type": type(next_one).__name__,
            "exc_value": safe_message(next_one),
            "frames": [
                {"filename": frame.filename, "lineno": frame.lineno, "name": frame.name}
                for frame in traceback.extract_tb(next_one.__traceback__)
            ],
        }
        if isinstance(next_one, BaseExceptionGroup):
            part["exceptions"] = [failure_of(member) for member in next_one.exceptions]
        chain.append(part)
        next_one = next_one.__cause__ or (None if next_one.__suppress_context__ else next_one.__context__)
    return chain


class _Formatter(structlog.stdlib.ProcessorFormatter):
    """Lets no exception's own words into a message."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        record = copy.copy(record)
        if isinstance(record.args, tuple):
            record.args = tuple(
                _safe_text(value) if isinstance(value, BaseException) else value for value in record.args
            )
        if isinstance(record.msg, BaseException):
            record.msg = _safe_text(record.msg)
        if record.name.partition(".")[0] in QUOTING:
            record.msg, record.args = record.getMessage().partition("\n")[0], None
        return super().format(record)


def _safe_text(error: BaseException) -> str:
    return ": ".join(filter(None, (type(error).__name__, safe_message(error))))


def _uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt | SystemExit):
        return
    error = kind() if error is None else error
    logging.getLogger(__name__).error("uncaught exception", exc_info=(kind, error, trace))


def _parts_of_failure(_logger: Any, _name: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    failure = _failure_in(event)
    return {**event, "exception": failure} if failure else event


def _lines_of_failure(_logger: Any, _name: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    failure = _failure_in(event)
    return {**event, "exception": "\n".join(_lines(failure))} if failure else event


def _lines(failure: list[dict[str, Any]]) -> list[str]:
    lines = []
    for part in reversed(failure):
        lines += ["  {filename}:{lineno} in {name}".format(**frame) for frame in part["frames"]]
        for member in part.get("exceptions", ()):
            lines += _lines(member)
        lines.append(": ".join(filter(None, (part["exc_type"], part["exc_value"]))))
    return lines


def _failure_in(event: structlog.typing.EventDict) -> list[dict[str, Any]]:
    """Takes the exception out of the event."""
    raised = event.pop("exc_info", None)
    if raised is True:
        raised = sys.exc_info()
    error = raised[1] if isinstance(raised, tuple) else raised
    return failure_of(error) if isinstance(error, BaseException) else []
