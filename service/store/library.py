"""The log as the `eventsourcing` library sees it: its recorder, and an application for its own tools."""

from collections.abc import Sequence
from typing import Any, NoReturn
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.persistence import NotSupportedError, StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder
from eventsourcing.utils import register_topic
from psycopg.conninfo import conninfo_to_dict
from typing_extensions import override

from domain.events import VOCABULARY


class EventRecorder(PostgresApplicationRecorder):
    """The library's recorder over `draft_events`: it reads; writing is the writer's, which keeps chain and view."""

    @override
    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> NoReturn:
        raise NotSupportedError("draft_events is written by append_events alone, which keeps the chain and the view")


class Draft(Application[UUID]):
    """The log as an application of the `eventsourcing` library; its name gives the table, `draft_events`."""

    env = {  # noqa: RUF012 (the library's own way)
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "MAPPER_TOPIC": "service.store.codec:EventMapper",
        "APPLICATION_RECORDER_TOPIC": "service.store.library:EventRecorder",
        "CREATE_TABLE": "no",
    }


for _name, _event in VOCABULARY.items():
    register_topic(_name, _event)


def library_environment(database_url: str) -> dict[str, str]:
    """The environment with which `Draft` and the library's own tools find the store."""
    parts = conninfo_to_dict(database_url)
    return {
        "POSTGRES_DBNAME": str(parts.get("dbname", "")),
        "POSTGRES_HOST": str(parts.get("host", "")),
        "POSTGRES_PORT": str(parts.get("port", "5432")),
        "POSTGRES_USER": str(parts.get("user", "")),
        "POSTGRES_PASSWORD": str(parts.get("password", "")),
    }
