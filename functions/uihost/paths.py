"""Parse a request path: pure rules that refuse an invalid path before anything is looked up."""

import re
import unicodedata
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes

from alga_ext.errors import PlatformError
from alga_ext.ids import ContentHash, parse_content_hash

PREFIX: Final = "/ext-ui/"

_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")


class UiPath(NamedTuple):
    """A well-formed request path: the extension if it is named, the bundle's hash, and the file.

    ``path`` is relative to ``ui/``. An empty path means the page, see ``uihost.find_file``.
    """

    extension_id: str | None
    content_hash: ContentHash
    path: str


def parse(raw_path: str, extension: str = "") -> UiPath:
    """Parse ``/ext-ui/{contentHash}/{path…}`` or ``/ext-ui/{extensionId}/{contentHash}/{path…}``.

    The path is split at its slashes, and then each segment is decoded once. A ``%`` that remains after that is an
    ordinary character.

    Args:
        raw_path: percent-encoded, as the client wrote it.
        extension: the extension's id, percent-encoded, if it was taken out of the path before
            (``infra/cloudfront/page_url.js``).

    Raises:
        PlatformError: ``ui_not_found`` for another prefix; ``ui_path_invalid`` for a hash that is not valid, a ``.`` or
            ``..`` segment, a hidden segment, an empty one, a backslash, a control character, an encoded slash or
            bytes that are not UTF-8.
    """
    if not raw_path.startswith(PREFIX):
        raise PlatformError("ui_not_found", "Files of extensions are at /ext-ui/{extensionId}/{contentHash}/{path}.")
    if _BAD_ESCAPE.search(raw_path) or _BAD_ESCAPE.search(extension):
        raise _invalid("it has a '%' that is not followed by two hex digits")
    first, *rest = [_decoded(segment) for segment in raw_path.removeprefix(PREFIX).split("/")]
    content_hash = parse_content_hash(first)
    extension_id = _decoded(extension) or None
    if content_hash is None and rest:
        extension_id, content_hash, rest = first, parse_content_hash(rest[0]), rest[1:]
    if content_hash is None:
        raise _invalid("the content hash must be 'sha256:' and 64 hex digits, or the digits alone")
    segments = rest[:-1] if rest and rest[-1] == "" else rest  # a slash at the end changes nothing
    for segment in segments if extension_id is None else (extension_id, *segments):
        if not segment:
            raise _invalid("it has an empty segment")
        if segment.startswith("."):
            raise _invalid("it has a segment that begins with '.'")
        if "\\" in segment or "/" in segment:
            raise _invalid("it has a backslash or an encoded slash")
        if any(unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp") for character in segment):
            raise _invalid("it has a control character or another invisible character")
    return UiPath(extension_id, content_hash, "/".join(segments))


def _decoded(segment: str) -> str:
    try:
        return unquote_to_bytes(segment).decode()
    except UnicodeError:
        raise _invalid("its decoded bytes are not UTF-8") from None


def _invalid(why: str) -> PlatformError:
    return PlatformError("ui_path_invalid", f"The path is not valid: {why}.")
