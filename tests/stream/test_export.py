"""Exports: everything once, in typed files by day, resumable at every point, and without text where redacted."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.synthetic_log import SyntheticLog, write_log
from domain.events import Recorded
from projections.history import envelope
from service.stream import export as module
from service.stream.export import MANIFEST, ExportError, export
from tests.support.harness import PALIMPSEST

EVENTS = list(SyntheticLog(3, 400, drafts=12, days=3))


@pytest.fixture
def log(database: str) -> str:
    write_log(database, EVENTS)
    return database


def lines(directory: Path) -> list[dict[str, Any]]:
    """The events of an NDJSON export, by position; each must lie in the directory of its day."""
    found = []
    for path in directory.glob("day=*/*.ndjson"):
        for line in path.read_text().splitlines():
            found.append(json.loads(line))
            assert path.parent.name == f"day={found[-1]['occurred_at'][:10]}"
    return sorted(found, key=lambda item: item["position"])


def data_of(events: list[Recorded]) -> list[Any]:
    """What the envelopes of the events must say, position, digest and all that is derived left out."""
    built = [envelope(place, event, b"") for place, event in enumerate(events, 1)]
    return [
        (
            e.position,
            str(e.task_id),
            e.version,
            e.type,
            e.occurred_at,
            e.cause,
            json.loads(json.dumps(e.data, default=str)),
        )
        for e in built
    ]


def told(items: list[dict[str, Any]]) -> list[Any]:
    names = ("position", "task_id", "version", "type", "occurred_at", "cause", "data")
    return [tuple(item[name] for name in names) for item in items]


def test_an_export_holds_every_event_once_and_its_manifest_says_where(log: str, tmp_path: Path) -> None:
    manifest = export(log, tmp_path, "ndjson", run=150)

    assert told(lines(tmp_path)) == data_of(EVENTS)
    assert (manifest.after, manifest.upto) == (0, 400)
    assert json.loads((tmp_path / MANIFEST).read_text())["upto"] == 400
    assert sum(file.events for file in manifest.files) == 400
    for file in manifest.files:
        content = (tmp_path / file.path).read_bytes()
        assert hashlib.sha256(content).hexdigest() == file.sha256
        positions = [json.loads(line)["position"] for line in content.splitlines()]
        assert (positions[0], positions[-1], len(positions)) == (file.first, file.last, file.events)


def test_an_export_goes_on_where_it_ended(database: str, tmp_path: Path) -> None:
    first = tmp_path / "a"
    log = list(SyntheticLog(3, 300, drafts=5))
    tasks = sorted({event.originator_id for event in log})
    early = [event for event in log if event.originator_id in tasks[: len(tasks) // 2]]
    late = [event for event in log if event.originator_id not in tasks[: len(tasks) // 2]]
    write_log(database, early)
    export(database, first, "ndjson")
    assert export(database, first, "ndjson").upto == len(early)
    write_log(database, late)

    manifest = export(database, first, "ndjson", after=len(early))

    assert told(lines(first)) == data_of(early + late)
    assert manifest.upto == len(log)
    export(database, tmp_path / "b", "ndjson", after=len(early))
    assert told(lines(tmp_path / "b")) == data_of(early + late)[len(early) :]


def test_an_export_that_was_ended_midway_is_whole_after_the_next(
    log: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    point = 0
    while True:
        directory = tmp_path / str(point)
        left = point

        def rename(self: Path, target: Path, real: Any = Path.rename) -> Path:
            nonlocal left
            left -= 1
            if left == -1:
                raise KeyboardInterrupt
            return real(self, target)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "rename", rename)
            try:
                export(log, directory, "ndjson", run=150)
                ended = False
            except KeyboardInterrupt:
                ended = True
        export(log, directory, "ndjson", run=170)
        assert told(lines(directory)) == data_of(EVENTS)
        assert not list(directory.rglob("*.part"))
        if not ended:
            break
        point += 1
    assert point > 8


def test_parquet_has_typed_columns(log: str, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="the extra analytics is not installed")

    export(log, tmp_path, "parquet", run=150)

    tables = [parquet.read_table(path, partitioning=None) for path in tmp_path.glob("day=*/*.parquet")]
    rows = sorted((row for table in tables for row in table.to_pylist()), key=lambda row: row["position"])
    assert [row["position"] for row in rows] == list(range(1, 401))
    assert {field.name: str(field.type) for field in tables[0].schema}["occurred_at"] == "timestamp[us, tz=UTC]"
    for row, event in zip(rows, EVENTS, strict=True):
        assert row["occurred_at"].timestamp() == pytest.approx(event.occurred_at / 1e6)
        built = envelope(0, event, b"").data
        assert row["field"] == built.get("field")
        assert row["edit_insert"] == built.get("edit", {}).get("insert")
        assert row["edit_insert_length"] == (len(row["edit_insert"]) if row["edit_insert"] is not None else None)
        assert (json.loads(row["value"]) if row["value"] is not None else None) == built.get("value")
        assert row["reference"] == built.get("reference")
        assert len(row["digest"]) == 64


@pytest.mark.parametrize("kind", ["ndjson", "parquet"])
def test_no_text_and_no_digest_are_in_a_redacted_export(log: str, tmp_path: Path, kind: Any) -> None:
    if kind == "parquet":
        parquet = pytest.importorskip("pyarrow.parquet", reason="the extra analytics is not installed")

    export(log, tmp_path, kind, redact=True)

    if kind == "parquet":
        tables = [parquet.read_table(path, partitioning=None) for path in tmp_path.glob("day=*/*.parquet")]
        rows = [row for table in tables for row in table.to_pylist()]
        assert not {"edit_insert", "reference", "digest"} & rows[0].keys()
        text = json.dumps(rows, default=str, ensure_ascii=False)
    else:
        text = "".join(path.read_text() for path in tmp_path.glob("day=*/*"))
        assert '"insert_length":1' in text
    assert not set("ñß☃😀") & set(text)
    for hidden in ("example.org", "colour", "blue", "digest", '"insert"'):
        assert hidden not in text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "parquet"}, "another kind: ndjson"),
        ({"redact": True}, "another kind: ndjson"),
        ({"after": 17}, "goes on there, not at 17"),
    ],
)
def test_what_does_not_fit_an_export_is_refused(log: str, tmp_path: Path, change: dict[str, Any], message: str) -> None:
    export(log, tmp_path, "ndjson")

    with pytest.raises(ExportError, match=message):
        export(log, tmp_path, **{"kind": "ndjson", **change})


def test_a_broken_manifest_and_an_unusable_directory_are_told(log: str, tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_text("{}")
    with pytest.raises(ExportError, match="not the manifest"):
        export(log, tmp_path, "ndjson")
    with pytest.raises(ExportError, match="cannot be written"):
        export(log, tmp_path / MANIFEST, "ndjson")


def test_without_the_extra_parquet_is_refused_in_one_line(log: str, tmp_path: Path) -> None:
    program = "import sys; sys.modules['pyarrow'] = None; from service.cli.main import main; main()"
    environment = {**os.environ, "PALIMPSEST_DATABASE_URL": log}

    ended = subprocess.run(
        [sys.executable, "-c", program, "export", str(tmp_path / "a"), "--format", "parquet"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 2
    assert ended.stderr == "palimpsest: Parquet needs the extra: pip install 'palimpsest[analytics]'\n"
    assert not (tmp_path / "a").exists()


def test_the_commands_project_rebuild_and_export(log: str, tmp_path: Path) -> None:
    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        environment = {**os.environ, "PALIMPSEST_DATABASE_URL": log}
        return subprocess.run([PALIMPSEST, *arguments], env=environment, capture_output=True, text=True, check=False)

    exported = run("export", str(tmp_path / "a"), "--format", "ndjson", "--redact")
    rebuilt = run("rebuild", "statistics")
    unknown = run("rebuild", "nothing")

    assert exported.returncode == 0
    assert exported.stdout.startswith(f"{tmp_path / 'a'} holds 400 events in ")
    assert (rebuilt.returncode, rebuilt.stdout) == (0, "statistics is the fold of the log up to position 400\n")
    assert unknown.returncode == 2
    assert len(lines(tmp_path / "a")) == 400
    assert module.RUN >= 10_000
