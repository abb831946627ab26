"""docs/analytics.md: every command runs, and both answers to a question are the same."""

import re
import subprocess
from pathlib import Path
from typing import Any

import psycopg
import pytest

from benchmarks.synthetic_log import SyntheticLog, write_log
from service.stream.export import export
from tests.support.harness import PALIMPSEST, Client, Server

PAGE = (Path(__file__).parent.parent / "docs" / "analytics.md").read_text()
QUESTIONS = re.findall(
    r"^### (.+?)\n.*?```sql duckdb\n(.*?)```\n\n```sql store\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL
)


@pytest.fixture(scope="module")
def answers(new_database: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Runs a query over an export with DuckDB, or over the store it was made from."""
    duckdb = pytest.importorskip("duckdb", reason="the extra analytics is not installed")
    pytest.importorskip("pyarrow", reason="the extra analytics is not installed")
    database = new_database()
    write_log(database, SyntheticLog(5, 6000, drafts=30, days=4))
    directory = tmp_path_factory.mktemp("analytics")
    export(database, directory / "events", "parquet", redact=True)

    def answer(query: str, where: str) -> list[tuple[Any, ...]]:
        if where == "store":
            with psycopg.connect(database) as connection:
                return connection.execute(query.encode()).fetchall()
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'America/New_York'")
            return list(connection.execute(query.replace("'events/", f"'{directory}/events/")).fetchall())

    return answer


def test_the_beginning_runs_as_written(server: Server, client: Client, tmp_path: Path) -> None:
    pytest.importorskip("duckdb", reason="the extra analytics is not installed")
    pytest.importorskip("pyarrow", reason="the extra analytics is not installed")
    client.new_draft(title="Hidden")
    blocks = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    script = "set -euo pipefail\n" + "\n".join(blocks).replace("http://127.0.0.1:8000", server.url)

    run = subprocess.run(
        ["bash", "-c", script.replace(".venv/bin/", f"{Path(PALIMPSEST).parent}/")],
        cwd=tmp_path,
        env=server.environment,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert run.returncode == 0, run.stdout + run.stderr
    for shown in ('"next_after":2,"head":', "id: 1\nevent: DraftCreated\n", '"funnel":{"created":', "events holds"):
        assert shown in run.stdout, shown
    counts = re.findall(r"DraftCreated +[│|] +(\d+)", run.stdout)
    assert len(counts) == 2
    assert counts[0] == counts[1]
    assert "Hidden" not in run.stdout


def test_there_are_five_questions() -> None:
    assert len(QUESTIONS) == 5


@pytest.mark.parametrize(("question", "over_export", "over_store"), QUESTIONS, ids=lambda text: text[:30])
def test_both_answers_to_a_question_are_the_same(
    answers: Any, question: str, over_export: str, over_store: str
) -> None:
    from_export, from_store = answers(over_export, "export"), answers(over_store, "store")

    assert from_export
    assert [tuple(map(_plain, row)) for row in from_export] == [tuple(map(_plain, row)) for row in from_store]


def _plain(value: Any) -> Any:
    return float(value) if type(value).__name__ == "Decimal" else value
