"""The service with a clock that is off: by as many seconds as the file CLOCK_OFFSET holds."""

import os
from pathlib import Path

import uvicorn

from projections.times import system_clock
from service.application import App, create_app
from service.cli.serving import uvicorn_config
from service.settings import read_settings


def skewed_clock() -> int:
    """The time of the machine's clock, off by what the file says."""
    return system_clock() + int(Path(os.environ["CLOCK_OFFSET"]).read_text()) * 1_000_000


def skewed_app() -> App:
    """The application as `serve` makes it, but for its clock."""
    return create_app(read_settings(os.environ), skewed_clock)


if __name__ == "__main__":
    settings = read_settings(os.environ)
    uvicorn.Server(uvicorn_config(skewed_app, settings)).run()
