"""What one rate cannot tell: the cost of an edit in bytes, of age, of publishing, of starting.

Each function measures one thing on running servers and returns plain figures for the report.
"""

import random
import statistics
from collections.abc import Callable, Iterable
from dataclasses import asdict
from functools import partial
from itertools import count, islice
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import psycopg

from benchmarks import client, palimpsest
from benchmarks.load import Target, measure
from benchmarks.palimpsest import Product
from benchmarks.typist import Request, Work, draft_ids

Figures = dict[str, Any]
Send = Callable[[Iterable[Request]], client.Played]
CONNECTIONS = 32


def storage(product: Product, database_url: str, length: int, edits: int) -> Figures:
    """Bytes that a one-character edit of a text of so many characters leaves in each table, and in the WAL.

    First without and then with Idempotency-Key. Indexes, TOAST and free space maps are in the tables' sizes.
    """
    work = one_character_edits(length)
    product.create(work.start)
    fresh = iter(work.requests(edits * 2 + edits // 4))
    keys = (f"storage-{length}-{number}" for number in count())
    with psycopg.connect(database_url, autocommit=True) as database:
        send = partial(client.play_in_order, product.address, token=product.token)
        warm_up(database, send, islice(fresh, edits // 4))
        plain = cost(database, send, list(islice(fresh, edits)))
        keyed = cost(database, partial(send, keys=keys), list(fresh))
    return {
        "text_length": length,
        "edits": edits,
        "log_bytes_per_edit": plain["sizes"].get("draft_events", 0),
        "idempotency_bytes_per_edit": keyed["sizes"].get("idempotency_key", 0),
        "wal_bytes_per_edit": plain["wal"],
        "wal_bytes_per_keyed_edit": keyed["wal"],
        "plain": plain,
        "keyed": keyed,
    }


def crud_wal(address: str, database_url: str, work: Work, edits: int) -> float:
    """WAL bytes of the same edit in the peer that keeps no history."""
    fresh = iter(work.requests(edits + edits // 4))
    with psycopg.connect(database_url, autocommit=True) as database:
        send = partial(client.play_in_order, address, token="none")
        warm_up(database, send, islice(fresh, edits // 4))
        bytes_per_edit: float = cost(database, send, list(fresh))["wal"]
    return bytes_per_edit


def one_character_edits(length: int) -> Work:
    return Work(draft_ids(64, f"storage {length}"), start=length, keystrokes_only=True)


def warm_up(database: psycopg.Connection, send: Send, requests: Iterable[Request]) -> None:
    """So that the pages in use have been written whole since the checkpoint, which is not the edit's cost."""
    database.execute("CHECKPOINT")
    send(requests).check()


def cost(database: psycopg.Connection, send: Send, requests: list[Request]) -> Figures:
    """Bytes per edit: of tables with all that belongs to them, of indexes alone, and of WAL.

    The WAL is everybody's, a checkpoint's and a vacuum's too, so its figure is the median of five parts of the edits.
    """
    before, wal, fifth = sizes(database), [], -(-len(requests) // 5)
    for start in range(0, len(requests), fifth):
        part = requests[start : start + fifth]
        position = written(database)
        send(part).check()
        wal.append((written(database) - position) / len(part))
    growth = {name: (size - before.get(name, 0)) / len(requests) for name, size in sizes(database).items()}
    return {"wal": statistics.median(wal), "wal_of_parts": wal, "sizes": growth}


def written(database: psycopg.Connection) -> int:
    row = database.execute("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn").fetchone()
    assert row
    return int(row[0])


def sizes(database: psycopg.Connection) -> dict[str, int]:
    found = database.execute("""
        SELECT relname, pg_total_relation_size(oid) FROM pg_class
        WHERE relkind IN ('r', 'i') AND relnamespace = 'public'::regnamespace
    """)
    return dict(found.fetchall())


def age(product: Product, directory: Path, versions: int, *, drafts: int, rounds: int, seconds: int) -> Figures:
    """The same edits of texts of the same length, in drafts at version 10 and in drafts with a long past, in turns.

    Young drafts are new in each round, for they age while they are measured. Drafts are chosen evenly, so that none of
    the young ones ages faster than the others.
    """
    old = of_age(product, directory, "old", versions, drafts)
    cells = []
    for number in range(rounds):
        young = of_age(product, directory, f"young-{number}", 10, drafts)
        turns = [("young", young), ("old", old)]
        for name, target in turns if number % 2 == 0 else reversed(turns):
            measured = measure(target, CONNECTIONS, seconds)
            after = statistics.mean(product.version(draft) for draft in draft_ids(8, target.name))
            cells.append({"drafts": name, "round": number, "mean_version_after": after, **asdict(measured)})
    return {"versions": {"young": 10, "old": versions}, "drafts": drafts, "cells": cells}


def of_age(product: Product, directory: Path, group: str, version: int, drafts: int) -> Target:
    work = Work(draft_ids(drafts, group), start=400, keystrokes_only=True, evenly=True)
    product.create(work.start)
    write_up_to(product, work.drafts, version, whole_drafts(dict(work.start)), events=8)
    return Target(group, product.address, work.requests(30_000), directory, token=product.token)


def whole_drafts(texts: dict[UUID, str]) -> Callable[[UUID], bytes]:
    """Bodies that change all eight fields: the quickest way to many events."""
    rng, numbers = random.Random("whole drafts"), count(1)

    def body(draft: UUID) -> bytes:
        number = next(numbers)
        fields = {
            "title": f"Draft {number}",
            "description": f"{number:012d}{texts[draft][12:]}",
            "category": f"category {number}",
            "task_type": f"type {number}",
            "requirements": {"number": number},
            "budget_usd": 3 + number % 29_000 / 100,
            "experimentation": number % 9_973 / 10_000,
            "brand_kit_id": UUID(int=rng.getrandbits(128), version=4),
        }
        return msgspec.json.encode(fields)

    return body


def write_up_to(
    product: Product, drafts: list[UUID], version: int, body: Callable[[UUID], bytes], *, events: int
) -> None:
    """Send bodies of so many events each, the drafts in turn, until every draft is at the version or just past it.

    A body that happens to change nothing is made up for in the next of a few attempts.
    """
    for _ in range(10):
        lacking = {draft: max(0, version - product.version(draft)) for draft in drafts}
        if not any(lacking.values()):
            return
        bodies = {draft: -(-events_lacking // events) for draft, events_lacking in lacking.items()}
        turns = (draft for turn in range(max(bodies.values())) for draft in drafts if turn < bodies[draft])
        requests = (client.raw("PATCH", f"/api/v1/tasks/{draft}", product.token, body(draft)) for draft in turns)
        client.play(product.address, requests, CONNECTIONS).check()
    raise RuntimeError(f"drafts do not get to version {version}, they lack {sorted(set(lacking.values()))}")


def publishing(product: Product, database_url: str, events: int, drafts: int) -> Figures:
    """How long POST publish takes on drafts that were typed, one event a request, up to so many events."""
    work = Work(draft_ids(drafts, f"publish {events}"), start=100, length=1_000, seed=events)
    product.create(work.start, category="writing", task_type="article", budget_usd=25.0)
    write_up_to(product, work.drafts, events, lambda draft: work.next_request(draft).body, events=1)
    with psycopg.connect(database_url) as database:
        query = "SELECT count(*), avg(length(state))::float FROM draft_events WHERE originator_id = ANY(%s)"
        recorded, mean_bytes = database.execute(query, [work.drafts]).fetchone() or (0, 0)
    return {
        "events": events,
        "events_recorded": recorded,
        "mean_event_bytes": mean_bytes,
        "seconds": [product.publish(draft) for draft in work.drafts],
    }


def starting(directory: Path, user: UUID, *, edits: int, times: int) -> Figures:
    """From running `palimpsest serve` to 200 on /health/ready, its own PostgreSQL included, on data that is there."""
    work = Work(draft_ids(64, "starting"))
    with palimpsest.serve(directory, None, user, name="starting") as product:
        product.create(work.start)
        requests = work.requests(edits)
        client.play(product.address, (client.patch(r, product.token) for r in requests)).check()
        first = product.seconds_to_ready
    again = []
    for _ in range(times):
        with palimpsest.serve(directory, None, user, name="starting") as product:
            again.append(product.seconds_to_ready)
    return {"edits_in_the_data": len(requests), "first_start_seconds": first, "seconds": again}
