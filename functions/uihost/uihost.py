"""Static UI of extensions, ``GET|HEAD /ext-ui/{extensionId}/{contentHash}/{path…}``.

Trigger: function URL behind CloudFront. Paths hold the bundle's hash, so everything is immutable; documents carry a
Content-Security-Policy that confines them as the sandboxed frame does.
"""

from typing import Any, Final

from alga_ext.edge.http import Request, problem, request_from_event, response
from alga_ext.errors import PlatformError
from alga_ext.telemetry import log_failure
from functions.uihost import compose, negotiation
from functions.uihost.bundles import File, Index
from functions.uihost.paths import UiPath, parse

SERVICE = "uihost"

IMMUTABLE: Final = "public, max-age=31536000, immutable"
_COMMON: Final = {
    "x-content-type-options": "nosniff",
    "access-control-allow-origin": "*",
    "cross-origin-resource-policy": "cross-origin",
    "referrer-policy": "no-referrer",
}


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    """Lambda entry point."""
    request = request_from_event({**event, "body": None})  # nothing here has a body, so none is read
    try:
        answer = _answer(request)
    except PlatformError as error:
        log_failure(SERVICE, error, request.request_id)
        answer = problem(_outward(error), request.request_id, _COMMON)
    except Exception as error:  # noqa: BLE001 - the rim: whatever else happens is ours, and is logged
        log_failure(SERVICE, error, request.request_id)
        answer = problem(PlatformError("internal", "Something went wrong on our side."), request.request_id, _COMMON)
    answer["headers"]["x-request-id"] = request.request_id
    return answer


def content_security_policy(frame_ancestors: str) -> str:
    """Return the policy of every document (docs/reference/ui-host.md)."""
    return (
        "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "connect-src 'self'; object-src 'none'; base-uri 'self'; form-action 'self'; "
        f"frame-ancestors {frame_ancestors}; sandbox allow-scripts"
    )


def _answer(request: Request) -> dict[str, Any]:
    if request.path == "/healthz":
        return response(200, {"content-type": "application/json", "cache-control": "no-store"}, b'{"status":"ok"}')
    if request.method not in ("GET", "HEAD"):
        raise PlatformError("method_not_allowed", "Files of extensions answer GET and HEAD.")
    if not compose.settings().extensions_enabled:
        raise PlatformError("extensions_disabled", "Extensions are switched off here.")
    wanted = parse(request.path)
    index = compose.bundles().index(wanted.content_hash)
    path, file = find_file(index, wanted.path)
    return _file_response(request, wanted, path, file)


def find_file(index: Index, path: str) -> tuple[str, File]:
    """Return the file for a path; an unknown path without extension is the entry (single-page applications).

    Raises:
        PlatformError: ``ui_not_found`` for an unknown path whose last segment has an extension.
    """
    file = index.files.get(path)
    if file is not None:
        return path, file
    if "." in path.rpartition("/")[2]:
        raise PlatformError("ui_not_found", f"The extension's UI has no file {path!r}.")
    page = "index.html" if "index.html" in index.files else index.entry
    return page, index.files[page]


def _file_response(request: Request, wanted: UiPath, path: str, file: File) -> dict[str, Any]:
    encoding = negotiation.choose_encoding(request.headers.get("accept-encoding", ""), set(file.variants))
    if "range" in request.headers:
        encoding = "identity"  # ranges are of the file as it is
    variant = file.variants[encoding]
    etag = f'"{variant.sha256}"'
    headers = {
        **_COMMON,
        "content-type": file.content_type,
        "cache-control": IMMUTABLE,
        "etag": etag,
        "vary": "accept-encoding",
        "accept-ranges": "bytes",
    }
    if (name := negotiation.http_name(encoding)) is not None:
        headers["content-encoding"] = name
    if file.content_type.startswith(("text/html", "image/svg+xml", "application/xml", "application/xhtml")):
        headers["content-security-policy"] = content_security_policy(compose.settings().frame_ancestors)
    if negotiation.etag_matches(request.headers.get("if-none-match", ""), etag):
        return response(304, {name: value for name, value in headers.items() if name != "content-encoding"})
    if request.method == "HEAD":
        return response(200, {**headers, "content-length": str(variant.size_bytes)})
    data = compose.bundles().read(wanted.content_hash, path, encoding, variant)
    if "range" not in request.headers or request.headers.get("if-range", etag) != etag:
        return response(200, headers, data)
    try:
        span = negotiation.byte_range(request.headers["range"], len(data))
    except ValueError:
        return response(416, {**_COMMON, "content-range": f"bytes */{len(data)}", "cache-control": "no-store"})
    if span is None:
        return response(200, headers, data)
    first, last = span
    return response(206, {**headers, "content-range": f"bytes {first}-{last}/{len(data)}"}, data[first : last + 1])


def _outward(error: PlatformError) -> PlatformError:
    if error.code in ("object_store_unavailable", "policy_unavailable", "trust_bundle_invalid", "key_invalid"):
        return PlatformError("policy_unavailable", "The file cannot be read just now; try again.")
    return error
