"""Drafts typed through HTTP edit by edit: recorded sessions where there are any, and a seeded typist always."""

import pytest

from tests.support.harness import Client
from tests.support.type_traces import RECORDINGS, check_history, publish, type_into
from tests.support.typed_sessions import Edit, invented, recorded, traces_folder

EDITS = 600


def typed_and_published(client: Client, edits: list[Edit]) -> None:
    task_id = client.new_draft()

    type_into(client, task_id, edits)

    check_history(client, task_id, edits)
    publish(client, task_id)


@pytest.mark.parametrize("name", RECORDINGS)
def test_a_recorded_session_is_in_the_draft_and_its_history_to_the_character(client: Client, name: str) -> None:
    recording = traces_folder() / name
    if not recording.exists():
        pytest.skip(f"no recording {recording}: PALIMPSEST_TRACES names the folder that holds them")

    typed_and_published(client, recorded(recording, EDITS))


def test_an_invented_session_is_in_the_draft_and_its_history_to_the_character(client: Client) -> None:
    typed_and_published(client, invented(7, EDITS))
