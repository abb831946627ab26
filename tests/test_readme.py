"""The README's tour, run as written against a service."""

import re
import subprocess
from pathlib import Path

from tests.support.harness import Server

ROOT = Path(__file__).parent.parent


def tour() -> str:
    """The shell blocks of the tour, one script, each of whose commands must succeed."""
    section = (ROOT / "README.md").read_text().partition("## A tour\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"^```sh\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)
    assert len(blocks) == 6
    return "set -euo pipefail\n" + "\n".join(blocks)


def test_the_tour_runs_as_written(server: Server) -> None:
    script = tour().replace("API=http://127.0.0.1:8000", f"API={server.url}")

    run = subprocess.run(
        ["bash", "-c", script], cwd=ROOT, env=server.environment, capture_output=True, text=True, timeout=60
    )

    assert run.returncode == 0, run.stdout + run.stderr
    for shown in (
        '"budget_usd":151.5,',
        "HTTP/1.1 422",
        '"pointer":"/description","code":"too_short"',
        '"pointer":"/category","code":"required"',
        '"pointer":"/task_type","code":"required"',
        '"pointer":"/budget_usd","code":"required"',
        "HTTP/1.1 200",
        '"status":"open"',
        '"type":"DraftCreated"',
        "DraftFieldChanged",
    ):
        assert shown in run.stdout, shown
