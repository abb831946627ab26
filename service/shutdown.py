"""Hearing of the end in time: the server waits for open responses before it tells the application to stop."""

import asyncio
import signal
import threading
from collections.abc import Callable
from types import FrameType


def on_termination(callback: Callable[[], None]) -> None:
    """Call `callback` in the running loop as soon as the process is asked to end, before the server acts on it.

    What the server installed for the signals still happens: its loop is woken by the signal itself. Outside of the
    main thread, where signals cannot be heard, nothing is done.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        previous = signal.getsignal(number)

        def heard(received: int, frame: FrameType | None, previous: object = previous) -> None:
            loop.call_soon_threadsafe(callback)
            if callable(previous):
                previous(received, frame)

        signal.signal(number, heard)
