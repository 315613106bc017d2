"""Notes: what they are made of and how they are kept in the install's storage."""

import json
import re
import secrets
import time
from typing import Any, NamedTuple

from componentize_py_types import Err
from wit_world.imports import storage
from wit_world.imports.types import StorageEntry, StorageError

from web import HttpProblem

NAMESPACE = "notes"
ID_PATTERN = re.compile(r"[0-9a-f]{20}")
TITLE_LIMIT = 120
TEXT_LIMIT = 10_000


class Draft(NamedTuple):
    """A note that passed validation and is not stored yet."""

    title: str
    text: str


def validate(body: Any) -> tuple[Draft | None, dict[str, str]]:
    """Check what a caller sent; returns the draft, or None and what is wrong with each field."""
    if not isinstance(body, dict):
        return None, {"body": "must be an object with title and text"}
    title, text = body.get("title"), body.get("text", "")
    faults = {name: "is not known" for name in body if name not in ("title", "text")}
    if not isinstance(title, str) or not title.strip():
        faults["title"] = "is required"
    elif len(title) > TITLE_LIMIT:
        faults["title"] = f"may have at most {TITLE_LIMIT} characters"
    if not isinstance(text, str):
        faults["text"] = "must be text"
    elif len(text) > TEXT_LIMIT:
        faults["text"] = f"may have at most {TEXT_LIMIT} characters"
    return (None, faults) if faults else (Draft(title.strip(), text), {})


def create(draft: Draft) -> dict[str, Any]:
    """Store a new note and return it."""
    now_ms = time.time_ns() // 1_000_000
    note = {
        # Storage is ordered by key: an id that begins with the time keeps the notes in the order they were written.
        "id": f"{now_ms:012x}{secrets.token_hex(4)}",
        "title": draft.title,
        "text": draft.text,
        "created_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now_ms / 1000)),
    }
    value = json.dumps(note).encode()
    try:
        storage.put(StorageEntry(namespace=NAMESPACE, key=note["id"], value=value, revision=None))
    except Err as error:
        raise _refused(error) from error
    return note


def find(note_id: str) -> dict[str, Any] | None:
    """Return a note, or None if there is none of this id."""
    if not ID_PATTERN.fullmatch(note_id):
        return None
    try:
        return json.loads(storage.get(NAMESPACE, note_id).value)
    except Err as error:
        if error.value == StorageError.MISSING:
            return None
        raise _refused(error) from error


def delete(note_id: str) -> bool:
    """Delete a note; False if there was none of this id."""
    if not ID_PATTERN.fullmatch(note_id):
        return False
    try:
        storage.delete(NAMESPACE, note_id)
    except Err as error:
        if error.value == StorageError.MISSING:
            return False
        raise _refused(error) from error
    return True


def page(after: str | None) -> list[dict[str, Any]]:
    """Return the next notes behind an id, oldest first; empty when there are no more."""
    try:
        return [json.loads(entry.value) for entry in storage.list_entries(NAMESPACE, after)]
    except Err as error:
        raise _refused(error) from error


def _refused(error: Err) -> HttpProblem:
    if error.value == StorageError.DENIED:
        return HttpProblem(403, "This extension has not been allowed to keep data.")
    return HttpProblem(503, "The notes cannot be reached now.")
