"""The state that a history's events add up to: a fold of its own, which shares nothing with the service."""

from datetime import datetime, timedelta
from typing import Any

from tests.support.model import NEW

ENDS = {"DraftPublished": "open", "DraftDiscarded": "discarded", "DraftExpired": "expired"}


def fold(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """From the envelopes of a task, oldest first, its state after each of them."""
    states: list[dict[str, Any]] = []
    for event in events:
        state = {**states[-1]} if states else {}
        data, kind = event["data"], event["type"]
        if kind == "DraftCreated":
            state = {**NEW, "id": event["task_id"], "user_id": event["actor"], "created_at": event["occurred_at"]}
            state |= {"transcript": "", "attachments": [], "compute_budget": None, "prototype_tier": None}
        if kind in ("DraftCreated", "DraftRestored"):
            state |= {"status": "draft", "ttl": data["ttl_seconds"]}
        elif kind == "DraftFieldChanged":
            old = state[data["field"]]
            state[data["field"]] = _spliced(old, data["edit"]) if "edit" in data else data["value"]
        elif kind == "TranscriptChanged":
            state["transcript"] = _spliced(state["transcript"], data["edit"])
        elif kind == "AttachmentAdded":
            state["attachments"] = [*state["attachments"], data["reference"]]
        elif kind == "AttachmentRemoved":
            state["attachments"] = [other for other in state["attachments"] if other != data["reference"]]
        else:
            state["status"] = ENDS[kind]
            state["compute_budget"] = data.get("compute_budget")
        if kind not in ENDS:
            state["expires_at"] = _later(event["occurred_at"], state["ttl"])
        states.append(state)
    return states


def view(state: dict[str, Any]) -> dict[str, Any]:
    """What a task response's body should hold for a state of `fold`."""
    return {name: value for name, value in state.items() if name not in ("transcript", "ttl")}


def _spliced(text: str, edit: dict[str, Any]) -> str:
    return text[: edit["at"]] + edit["insert"] + text[edit["at"] + edit["cut"] :]


def _later(moment: str, seconds: int) -> str:
    return (datetime.fromisoformat(moment) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
