"""Entity tags (RFC 9110 §8.8.3).

With ``If-Match``, a change is only made to the state that the caller has read. With ``If-None-Match``, a state that the
caller has already is not sent again.
"""

import hashlib
import json

from pydantic import BaseModel

from alga_ext.errors import PlatformError


def etag_of(out: BaseModel) -> str:
    """Return the entity tag of a resource without a revision number.

    The tag is a hash of its JSON representation, so any change yields a new tag.
    """
    return tag_of_document(out.model_dump(mode="json"))


def tag_of_document(document: object) -> str:
    """Return the entity tag of a JSON document: a hash of its content."""
    shown = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return f'"{hashlib.sha256(shown.encode()).hexdigest()[:32]}"'


def revision_tag(revision: int) -> str:
    """Return the entity tag of an install. Its revision number counts its changes, a disabling included."""
    return f'"{revision}"'


def is_current(if_none_match: str | None, etag: str) -> bool:
    """Tell whether the caller has the current state: ``If-None-Match`` names its tag or is ``*`` (RFC 9110 §13.1.2)."""
    if if_none_match is None:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return "*" in tags or etag in tags


def check_match(if_match: str | None, etag: str) -> None:
    """Check that ``If-Match`` is absent, is ``*`` or names ``etag``.

    ``etag`` is the tag of the current state. That state must be locked, so that it cannot change before the transaction
    ends. The exception is disabling an install, which takes no lock: it stops something, whatever else changes.

    Raises:
        PlatformError: ``precondition_failed``.
    """
    if if_match is None or if_match.strip() == "*":
        return
    if etag not in [tag.strip() for tag in if_match.split(",")]:
        raise PlatformError(
            "precondition_failed",
            f"The state has changed since it was read: its ETag is {etag}, but If-Match is {if_match[:200]}. "
            "Read it again before the change.",
        )
