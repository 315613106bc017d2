"""Entity tags and ``If-Match`` (RFC 9110 §13.1.1): a change is made to what its maker has read, or not at all."""

import hashlib
import json

from pydantic import BaseModel

from alga_ext.errors import PlatformError


def etag_of(out: BaseModel) -> str:
    """Return the entity tag of a thing without a revision: a hash of how it is shown, so any change makes another."""
    shown = json.dumps(out.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    return f'"{hashlib.sha256(shown.encode()).hexdigest()[:32]}"'


def revision_tag(revision: int) -> str:
    """Return the entity tag of an install, which counts its changes."""
    return f'"{revision}"'


def check_match(if_match: str | None, etag: str) -> None:
    """Pass when ``If-Match`` is absent, ``*`` or names ``etag``, that of the thing as it is now, locked.

    Raises:
        PlatformError: ``precondition_failed``.
    """
    if if_match is None or if_match.strip() == "*":
        return
    if etag not in [tag.strip() for tag in if_match.split(",")]:
        raise PlatformError(
            "precondition_failed", f"It has changed: its ETag is {etag}, not {if_match[:200]}; read it again."
        )
