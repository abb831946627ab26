"""Processes that a service started end with it, also where it had no chance to tell them."""

import os
import signal
import time
from threading import Thread

CHECK = 0.5
"""Seconds between two looks whether the parent process still lives."""


def end_with_parent() -> None:
    """From now on, end this process when the one that started it is gone."""
    Thread(target=_watch, args=(os.getppid(),), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(CHECK)
    os.kill(os.getpid(), signal.SIGKILL)
