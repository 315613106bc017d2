"""Serve the static UI of extensions, ``GET|HEAD /ext-ui/[{extensionId}/]{contentHash}/{path…}``.

Trigger: function URL behind CloudFront. Each path contains the bundle's hash, so every file is immutable. Documents are
checked for a withdrawal every minute all the same. They carry a Content-Security-Policy that confines them in the same
way as the sandboxed frame.
"""

from collections.abc import Mapping
from typing import Any, Final

from alga_ext.edge.health import Health
from alga_ext.edge.http import Request, response
from alga_ext.edge.rim import Rim
from alga_ext.errors import PlatformError
from functions.uihost import negotiation
from functions.uihost.bundles import File, Index
from functions.uihost.paths import UiPath, parse
from functions.uihost.services import Services, origin_of

HOST_HEADER: Final = "x-alga-ui-host"
"""CloudFront's own domain, set by its function on every request, whatever the browser sent (infra/cloudfront/)."""
HEALTH_PATH: Final = "/healthz"
EXTENSION_HEADER: Final = "x-alga-extension"
"""The extension's id, when CloudFront has taken it out of the path (ADR 0032)."""
HEALTH_PROBE_KEY: Final = "releases/healthz"

ASSET_CACHING: Final = "public, max-age=31536000, immutable"
DOCUMENT_CACHING: Final = "public, max-age=60, must-revalidate, stale-if-error=0"
"""A withdrawal reaches browsers and CloudFront within a minute. Without ``stale-if-error=0``, CloudFront would go on
showing the page that it has while the UI host answers 503."""
_COMMON: Final = {
    "x-content-type-options": "nosniff",
    "access-control-allow-origin": "*",
    "cross-origin-resource-policy": "cross-origin",
    "referrer-policy": "no-referrer",
}


_DOCUMENTS: Final = ("text/html", "image/svg+xml", "application/xml", "application/xhtml")
CONNECTION_ALLOWLIST: Final = "(response-origin)"
"""On documents and scripts, a worker's included: they connect to no other origin. It covers WebRTC, which a content
security policy does not. Chromium applies it; other browsers ignore it (docs/reference/ui-host.md)."""
EMBEDDER_POLICY: Final = "require-corp"
"""On documents. A host page with this header shows no frame whose document does not send it too. Files of the UI host
may be embedded everywhere (``cross-origin-resource-policy``), and a document loads no others."""


class UiHost:
    """Answers browsers that show an extension's pages."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._rim = Rim("uihost", _outward, _COMMON, reads_bodies=False)
        self._health = Health(
            {
                "trust_bundle": self._check_trust,
                "object_store": self._check_store,
                "withdrawn_list": self._check_withdrawn_list,
            },
            services.monotonic_s,
        )

    def answer(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Answer one API Gateway v2 event; failures become problem documents."""
        return self._rim.answer(event, self._route)

    def _route(self, request: Request) -> dict[str, Any]:
        if request.path == HEALTH_PATH:
            return self._health.answer(detailed=False)  # requests have no token here, so no check is named
        if request.method not in ("GET", "HEAD"):
            detail = "Files of extensions can only be read with GET and HEAD."
            raise PlatformError("method_not_allowed", detail, allow=["GET", "HEAD"])
        if not self._services.settings.extensions_enabled:
            raise PlatformError(
                "extensions_disabled", "Extensions are switched off here; the operator can switch them on."
            )
        wanted = parse(request.path, request.headers.get(EXTENSION_HEADER, ""))
        index = self._services.bundles.index(wanted.content_hash)
        check_owner(index, wanted)
        path, file = find_file(index, wanted.path)
        return self._file_response(request, wanted, path, file)

    def _file_response(self, request: Request, wanted: UiPath, path: str, file: File) -> dict[str, Any]:
        encoding = negotiation.choose_encoding(request.headers.get("accept-encoding", ""), set(file.variants))
        if "range" in request.headers:
            encoding = "identity"  # byte ranges refer to the uncompressed file
        variant = file.variants[encoding]
        etag = f'"{variant.sha256}"'
        is_document = file.content_type.startswith(_DOCUMENTS)
        headers = {
            **_COMMON,
            "content-type": file.content_type,
            "cache-control": DOCUMENT_CACHING if is_document else ASSET_CACHING,
            "etag": etag,
            "vary": "accept-encoding",
            "accept-ranges": "bytes",
        }
        if (name := negotiation.http_name(encoding)) is not None:
            headers["content-encoding"] = name
        if is_document or file.content_type.startswith("text/javascript"):
            headers["connection-allowlist"] = CONNECTION_ALLOWLIST
        if is_document:
            headers["cross-origin-embedder-policy"] = EMBEDDER_POLICY
            headers["content-security-policy"] = content_security_policy(
                self._own_origin(request), self._services.settings.frame_ancestors
            )
        if negotiation.etag_matches(request.headers.get("if-none-match", ""), etag):
            return response(304, {name: value for name, value in headers.items() if name != "content-encoding"})
        if request.method == "HEAD":
            return response(200, {**headers, "content-length": str(variant.size_bytes)})
        data = self._services.bundles.read(wanted.content_hash, path, encoding, variant)
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

    def _own_origin(self, request: Request) -> str:
        """Return the UI host's origin: configured, or the domain that CloudFront gives.

        Only CloudFront can invoke this function, so that no browser chooses the header.

        Raises:
            PlatformError: ``policy_unavailable`` when neither tells it: a page is not sent without its policy.
        """
        if self._services.own_origin is not None:
            return self._services.own_origin
        try:
            return origin_of(f"https://{request.headers.get(HOST_HEADER, '')}")
        except ValueError as error:
            raise PlatformError(
                "policy_unavailable",
                f"The page's policy cannot be written: there is no RUNNER_PUBLIC_BASE, and no host in {HOST_HEADER}.",
                cause=error,
            ) from None

    def _check_trust(self) -> Mapping[str, Any]:
        self._services.trust.current()
        return {}

    def _check_withdrawn_list(self) -> Mapping[str, Any]:
        self._services.withdrawn.current()
        return {}

    def _check_store(self) -> Mapping[str, Any]:
        self._services.objects.size(HEALTH_PROBE_KEY)
        return {}


def content_security_policy(own_origin: str, frame_ancestors: str) -> str:
    """Return the Content-Security-Policy of every document (docs/reference/ui-host.md).

    A sandboxed document has an opaque origin, and there ``'self'`` matches nothing in WebKit. So the UI host's own
    origin stands beside it.
    """
    own = f"'self' {own_origin}"
    return (
        f"default-src {own}; script-src {own}; style-src {own} 'unsafe-inline'; img-src {own} data:; "
        f"connect-src {own}; object-src 'none'; base-uri {own}; form-action {own}; "
        f"frame-ancestors {frame_ancestors}; sandbox allow-scripts"
    )


def check_owner(index: Index, wanted: UiPath) -> None:
    """Raise ``ui_not_found`` for a bundle that does not belong to the extension that the request names.

    An index that was written before it named its extension belongs to any. Files are public and found by their hash, so
    this check gives a wrong URL a clear answer; it keeps no secret.
    """
    if wanted.extension_id is not None and index.extension_id not in (None, wanted.extension_id):
        raise PlatformError("ui_not_found", f"The extension {wanted.extension_id!r} has no bundle with this hash.")


def find_file(index: Index, path: str) -> tuple[str, File]:
    """Return the file for a path.

    An unknown path without a file extension, such as the empty path, gives the page: ``index.html``, or the entry when
    there is no such file. Single-page applications need this.

    Raises:
        PlatformError: ``ui_not_found`` for an unknown path whose last segment has a file extension.
    """
    file = index.files.get(path)
    if file is not None:
        return path, file
    if "." in path.rpartition("/")[2]:
        raise PlatformError("ui_not_found", f"The extension's UI has no file {path!r}.")
    page = "index.html" if "index.html" in index.files else index.entry
    return page, index.files[page]


def _outward(error: PlatformError) -> PlatformError:
    if error.code in ("object_store_unavailable", "policy_unavailable", "trust_bundle_invalid", "key_invalid"):
        return PlatformError("policy_unavailable", "The file cannot be read at the moment; try again later.")
    return error
