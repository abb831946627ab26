"""Schemathesis against the service's own document: several scopes, never a 5xx (docs/api.md, Errors).

`FUZZ_SECONDS` and `FUZZ_EXAMPLES` lengthen it: `make fuzz` runs several thousand cases.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.harness import Server

HERE = Path(__file__).parent
SECONDS = int(os.environ.get("FUZZ_SECONDS", "6"))
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "4"))

ENDLESS = "/api/v1/events/stream"


@pytest.mark.parametrize("scope", ["", "audit analytics", "analytics"], ids=lambda scope: scope or "no scope")
def test_the_service_answers_as_its_document_says(server: Server, tmp_path: Path, scope: str) -> None:
    with server.client(scope=scope) as client:
        authorization = client.headers["authorization"]
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        f"--config-file={HERE / 'schemathesis.toml'}",
        "--no-color",
        "run",
        f"{server.url}/openapi.json",
        f"--header=Authorization: {authorization}",
        f"--exclude-path={ENDLESS}",
        f"--max-time={SECONDS}",
        f"--max-examples={EXAMPLES}",
        "--continue-on-failure",
        "--suppress-health-check=all",
    ]
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "tests.support.fuzz_checks", "PYTHONPATH": str(HERE.parents[1])}

    run = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS + 120)

    print(run.stdout[-20_000:], run.stderr[-5_000:])
    assert run.returncode == 0
    generated = re.search(r"(\d+) generated", run.stdout)
    assert generated
    assert int(generated[1]) > 5
