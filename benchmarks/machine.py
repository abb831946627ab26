"""What a figure depends on and a reader has to know: the machine, the versions, PostgreSQL's settings."""

import os
import platform
import re
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psycopg

LIBRARIES = [
    "litestar",
    "msgspec",
    "uvicorn",
    "httptools",
    "uvloop",
    "psycopg",
    "psycopg-pool",
    "eventsourcing",
    "PyJWT",
    "palimpsest",
]
SETTINGS = [
    "server_version",
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "wal_level",
    "shared_buffers",
    "max_wal_size",
    "checkpoint_timeout",
    "jit",
    "data_checksums",
]


def describe(database_url: str) -> dict[str, Any]:
    return {
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load_average_before": os.getloadavg()[0],
        "libraries": {name: installed(name) for name in LIBRARIES},
        "wrk": wrk_version(),
        "postgresql": postgres_settings(database_url),
    }


def installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def cpu_model() -> str:
    information = Path("/proc/cpuinfo")
    named = information.is_file() and re.search(r"^model name\s*:\s*(.+)$", information.read_text(), re.MULTILINE)
    return named[1] if named else platform.processor() or "unknown"


def wrk_version() -> str | None:
    if not shutil.which("wrk"):
        return None
    finished = subprocess.run(["wrk", "--version"], capture_output=True, text=True, check=False)
    return finished.stdout.partition("[")[0].strip()


def postgres_settings(database_url: str) -> dict[str, str]:
    with psycopg.connect(database_url) as connection:
        query = "SELECT name, current_setting(name) FROM pg_settings WHERE name = ANY(%s)"
        return dict(connection.execute(query, [SETTINGS]).fetchall())
