"""Client of the platform's HTTP API: one method for each request, refusals as exceptions."""

import base64
import json
import os
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import urllib3

from alga_ext.bundles.archive import content_hash_of
from alga_ext.ids import ContentHash
from tools.cli.output import CommandError

DEFAULT_URL = "http://127.0.0.1:8700"
TIMEOUT = urllib3.Timeout(connect=3, read=40)
# Larger archives are uploaded directly to the object store: an API request has at most 6 MB, including base64.
INLINE_BYTES_MAX = 3 * 1024 * 1024
POLL_EVERY_S = 0.2
_PAUSES_S = (0.5, 1.0)
"""Seconds to wait before a creation is repeated."""
_RETRYABLE = (502, 503, 504)  # no answer from the registry, or an answer that says to try again


class ApiError(Exception):
    """The API refused or could not answer: HTTP status, the problem's code, detail and request id.

    ``explanation`` has the lines that a local platform adds when an extension failed.
    """

    def __init__(self, status: int, code: str, detail: str, request_id: str, explanation: Sequence[str] = ()) -> None:
        super().__init__(f"{code}: {detail}")
        self.explanation = tuple(explanation)
        self.status = status
        self.code = code
        self.detail = detail
        self.request_id = request_id


class Reply(NamedTuple):
    """An HTTP answer, successful or not."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Client:
    """Sends requests to one platform with one token, or without a token."""

    def __init__(self, url: str, token: str | None) -> None:
        self.url = url.rstrip("/")
        self._token = token
        self._pool = urllib3.PoolManager(timeout=TIMEOUT, retries=False)

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Send any request to the platform. Raises CommandError when it cannot be reached."""
        own = dict(headers or {})
        if self._token:
            own.setdefault("authorization", f"Bearer {self._token}")
        return self._send(method, self.url + path, body, own)

    def json(self, method: str, path: str, document: Any = None, headers: Mapping[str, str] | None = None) -> Any:
        """Send a registry request and return its JSON answer (None for 204). Raises ApiError."""
        body = None if document is None else json.dumps(document).encode()
        own = {} if body is None else {"content-type": "application/json"}
        reply = self.request(method, f"/api/registry/v1{path}", body, {**own, **(headers or {})})
        if reply.status >= 400:
            raise problem_of(reply)
        return json.loads(reply.body) if reply.body else None

    def create(self, path: str, document: Any) -> Any:
        """Create something exactly once: the request has an Idempotency-Key and is repeated when its answer is lost.

        Raises ApiError; CommandError when the platform cannot be reached.
        """
        headers = {"content-type": "application/json", "idempotency-key": str(uuid.uuid4())}
        body = json.dumps(document).encode()
        for pause_s in (*_PAUSES_S, None):
            try:
                reply = self.request("POST", f"/api/registry/v1{path}", body, headers)
            except CommandError:
                if pause_s is None:
                    raise
            else:
                if reply.status not in _RETRYABLE or pause_s is None:
                    break
            time.sleep(pause_s)
        if reply.status >= 400:
            raise problem_of(reply)
        return json.loads(reply.body)

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()

    def create_publisher(self, publisher: str, display_name: str) -> Any:
        """Register a publisher (platform admins)."""
        return self.create("/publishers", {"publisher": publisher, "display_name": display_name})

    def add_key(self, publisher: str, public_pem: str) -> Any:
        """Add a signing key to a publisher."""
        return self.create(f"/publishers/{quote(publisher, safe='')}/keys", {"public_key": public_pem})

    def revoke_key(self, publisher: str, key_id: str, reason: str, revoked_from: str | None, *, dry_run: bool) -> Any:
        """Revoke a key, or only ask what that would stop. Raises ApiError."""
        path = f"/publishers/{quote(publisher, safe='')}/keys/{quote(key_id, safe='')}/revoke"
        return self.json("POST", path, {"reason": reason, "revoked_from": revoked_from, "dry_run": dry_run})

    def publish(self, archive: Path, signature: bytes, publisher: str) -> Any:
        """Publish an archive with its DSSE envelope: a small one in one request, a larger one through an upload."""
        document: dict[str, Any] = {"signature": _envelope(signature)}
        content_hash = content_hash_of(archive)
        if archive.stat().st_size <= INLINE_BYTES_MAX:
            document |= {"bundle_b64": base64.b64encode(archive.read_bytes()).decode(), "content_hash": content_hash}
        else:
            document["upload_id"] = self._upload(archive, content_hash, publisher)
        return self.create("/versions", document)

    def wait_until_decided(self, version_id: str, timeout_s: float) -> Any:
        """Wait until a version is no longer pending and return it. Raises CommandError after `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        while (version := self.json("GET", f"/versions/{version_id}"))["state"] == "pending":
            if time.monotonic() > deadline:
                raise CommandError(
                    f"version {version_id} is still pending after {timeout_s:.0f} s",
                    "look again later, or read the logs of the functions prepare and assets",
                )
            time.sleep(POLL_EVERY_S)
        return version

    def install(self, extension: str, version: str | None, grants: Mapping[str, Any], config: Mapping[str, Any]) -> Any:
        """Install an extension for the token's tenant with exactly these grants."""
        body = {"extension": extension, "version": version, "grants": grants, "config": config}
        return self.create("/installs", body)

    def _upload(self, archive: Path, content_hash: ContentHash, publisher: str) -> str:
        size_bytes = archive.stat().st_size
        wanted = {"publisher": publisher, "content_hash": content_hash, "size_bytes": size_bytes}
        upload = self.create("/uploads", wanted)
        reply = self._send("PUT", upload["url"], archive.read_bytes(), upload["headers"])
        if reply.status >= 300:
            raise CommandError(f"the object store refused the upload with status {reply.status}", "publish again")
        return str(upload["upload_id"])

    def _send(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> Reply:
        try:
            answer = self._pool.request(method, url, body=body, headers=dict(headers), redirect=False)
        except urllib3.exceptions.HTTPError as error:
            raise CommandError(
                f"no answer from {url.split('?')[0]}: {type(error).__name__}",
                "is the platform running? `alga-ext dev` starts a local one; --url or ALGA_URL names another one",
            ) from error
        return Reply(answer.status, answer.headers, answer.data)


def problem_of(reply: Reply) -> ApiError:
    """Return the error of a problem document, or of an answer in any other form.

    API Gateway answers 413, 429 and 503 itself, with `{"message": …}` and without the platform's request id.
    """
    explanation: list[str] = []
    try:
        document = json.loads(reply.body)
        code, detail = document["code"], document["detail"]
        explanation = _explanation(document)
    except (ValueError, KeyError, TypeError):
        code, detail = f"http_{reply.status}", _message(reply.body)
    request_id = reply.headers.get("x-request-id") or reply.headers.get("apigw-requestid", "")
    return ApiError(reply.status, code, detail, request_id, explanation)


def _message(body: bytes) -> str:
    """Return the text of an error answer that is not a problem document."""
    try:
        message = json.loads(body)["message"]
    except (ValueError, KeyError, TypeError):
        message = None
    text = message if isinstance(message, str) else body.decode(errors="replace")
    return text[:300] or "no explanation was given"


def _explanation(document: Mapping[str, Any]) -> list[str]:
    """Return what a local platform says about a failed extension, as lines."""
    guest, refused = document.get("guest"), document.get("refused")
    parts = dict(guest) if isinstance(guest, dict) else {}
    parts["refused"] = refused.get("reason") if isinstance(refused, dict) else None
    lines = []
    for name in ("error", "stack", "stderr", "refused"):
        text = parts.get(name)
        if isinstance(text, str) and text.strip():
            first, *more = text.strip().splitlines()
            lines += [f"{name}: {first}", *(f"  {line.strip()}" for line in more)]
    return lines


def read_token(token_file: Path | None) -> str | None:
    """Return the bearer token from a file or from ALGA_TOKEN; None when neither is given."""
    if token_file is not None:
        return token_file.read_text(encoding="utf-8").strip()
    return os.environ.get("ALGA_TOKEN", "").strip() or None


def need_token(token_file: Path | None) -> str:
    """Return the token like `read_token`; raise CommandError when there is none."""
    token = read_token(token_file)
    if token is None:
        raise CommandError(
            "no token was given",
            "set ALGA_TOKEN or name a file with --token-file; `alga-ext token` makes a token for the local platform",
        )
    return token


def _envelope(signature: bytes) -> Any:
    try:
        return json.loads(signature)
    except ValueError:
        raise CommandError("the signature file is not a DSSE envelope", "make one with `alga-ext sign`") from None
