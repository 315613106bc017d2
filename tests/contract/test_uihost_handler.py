"""The UI host's handler over a real object store: events in, answers with their headers out."""

import base64
import gzip
import json
import os
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import boto3
import brotli
import pytest

from alga_ext.settings import SettingsError
from alga_ext.stores import object_keys
from alga_ext.stores.aws import S3ObjectStore
from functions.uihost.services import Services
from functions.uihost.uihost import UiHost
from tests.support.bodies import MIB, PAYLOAD_LIMIT_BYTES, UNITS, body, body_of_answer, largest_payload
from tests.support.documented import documented
from tests.support.published_ui import (
    EXTENSION,
    FILES,
    HEX,
    LIST_LIFETIME,
    LISTING,
    PUBLISHER_KEY,
    RELEASE,
    list_withdrawn,
    publish_into,
)

PAGE, SCRIPT, LOGO = FILES["ui/index.html"], FILES["ui/js/app.js"], FILES["ui/logo.png"]
DRAWING = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
BASE = f"/ext-ui/{EXTENSION}/{HEX}"
TRUST = {
    "version": 1,
    "keys": [{"key_id": k.key_id, "public_key": k.public_pem, "use": "release"} for k in (RELEASE, LISTING)],
}
CSP = (
    "default-src 'self' https://ui.example; script-src 'self' https://ui.example; "
    "style-src 'self' https://ui.example 'unsafe-inline'; img-src 'self' https://ui.example data:; "
    "connect-src 'self' https://ui.example; object-src 'none'; base-uri 'self' https://ui.example; "
    "form-action 'self' https://ui.example; "
    "frame-ancestors https://host.example; sandbox allow-scripts"
)


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


class UiHostFixture:
    """The UI host and the store behind it."""

    def __init__(self, objects: S3ObjectStore, environment: dict[str, str]) -> None:
        self.objects = objects
        self._environment = {**os.environ, **environment}
        self.rewire()

    def rewire(self, **settings: str) -> None:
        """Build the UI host again, with settings of its environment changed."""
        self._ui_host = UiHost(Services.build({**self._environment, **settings}))

    def answer(self, event: dict[str, Any]) -> dict[str, Any]:
        return self._ui_host.answer(event)

    def get(self, path: str, method: str = "GET", **headers: str) -> Answer:
        event: dict[str, Any] = {
            "rawPath": path if path.startswith("/ext-ui") else f"{BASE}{path}",
            "headers": {name.replace("_", "-"): value for name, value in headers.items()},
            "requestContext": {"requestId": "r-1", "http": {"method": method}},
        }
        answer = self.answer(event)
        body = base64.b64decode(answer["body"]) if answer["isBase64Encoded"] else answer["body"].encode()
        return Answer(answer["statusCode"], answer["headers"], body)

    def code(self, path: str, method: str = "GET", **headers: str) -> tuple[int, str]:
        answer = self.get(path, method, **headers)
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["cache-control"] == "no-store"
        return answer.status, json.loads(answer.body)["code"]


@pytest.fixture
def host(aws: str) -> UiHostFixture:
    return host_of({**FILES, "ui/drawing.svg": DRAWING})


def host_of(files: dict[str, bytes], **members: Any) -> UiHostFixture:
    """A UI host over a new bucket with these files published."""
    bucket = f"bucket-{uuid.uuid4().hex[:12]}"
    boto3.client("s3").create_bucket(Bucket=bucket)
    objects = S3ObjectStore(f"s3://{bucket}/p")
    publish_into(objects, files, **members)
    list_withdrawn(objects, at=datetime.now(UTC))
    environment = {
        "BUNDLE_STORE_BASE": f"s3://{bucket}/p",
        "SIGNING_TRUST_BUNDLE": json.dumps(TRUST),
        "RUNNER_PUBLIC_BASE": "https://ui.example",
        "FRAME_ANCESTORS": "https://host.example",
    }
    return UiHostFixture(objects, environment)


def test_the_page_is_served_confined(host: UiHostFixture) -> None:
    answer = host.get("/index.html")

    assert (answer.status, answer.body) == (200, PAGE)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"] == CSP
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    assert answer.headers["cross-origin-embedder-policy"] == "require-corp"
    assert answer.headers["x-request-id"] == "r-1"


@pytest.mark.parametrize("base", [f"/ext-ui/{HEX}", f"/ext-ui/sha256:{HEX}", f"/ext-ui/{EXTENSION}/sha256%3A{HEX}"])
def test_every_spelling_of_a_url_gives_the_same_file(host: UiHostFixture, base: str) -> None:
    assert host.get(f"{base}/js/app.js") == host.get("/js/app.js")


@pytest.mark.parametrize("other", ["0195c0de-0000-4000-8000-00000000000c", EXTENSION.upper(), "com.acme.notes", "any"])
def test_an_extension_that_does_not_own_the_bundle_is_refused(host: UiHostFixture, other: str) -> None:
    assert host.code(f"/ext-ui/{other}/{HEX}/index.html") == (404, "ui_not_found")
    assert host.code(f"/ext-ui/{HEX}/index.html", x_alga_extension=other) == (404, "ui_not_found")


def test_the_extension_that_owns_the_bundle_may_stand_in_a_header(host: UiHostFixture) -> None:
    assert host.get(f"/ext-ui/{HEX}/index.html", x_alga_extension=EXTENSION).body == PAGE


def test_a_bundle_published_before_indexes_named_their_extension_is_served_to_any(aws: str) -> None:
    assert host_of(FILES, extension_id=None).get(f"/ext-ui/any/{HEX}/index.html").body == PAGE


def test_a_documented_event_is_answered(host: UiHostFixture) -> None:
    answer = host.answer(documented("function_url"))

    assert (answer["statusCode"], body_of_answer(answer)) == (200, brotli.compress(PAGE, quality=9))
    assert answer["headers"]["x-request-id"] == documented("function_url")["requestContext"]["requestId"]


DOCUMENT_CACHING = "public, max-age=60, must-revalidate, stale-if-error=0"
ASSET_CACHING = "public, max-age=31536000, immutable"


@pytest.mark.parametrize(
    ("path", "caching"),
    [
        ("/index.html", DOCUMENT_CACHING),
        ("", DOCUMENT_CACHING),
        ("/notes/5", DOCUMENT_CACHING),
        ("/drawing.svg", DOCUMENT_CACHING),
        ("/js/app.js", ASSET_CACHING),
        ("/logo.png", ASSET_CACHING),
    ],
)
def test_documents_are_asked_for_again_after_a_minute_and_assets_never(
    host: UiHostFixture, path: str, caching: str
) -> None:
    etag = host.get(path).headers["etag"]
    answers = [host.get(path), host.get(path, if_none_match=etag), host.get(path, range="bytes=0-1")]

    assert [answer.status for answer in answers] == [200, 304, 206]
    for answer in answers:
        assert (answer.headers["cache-control"], answer.headers["etag"]) == (caching, etag)
    assert host.get(path, "HEAD").headers["cache-control"] == caching


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("page.htm", "text/html; charset=utf-8"),
        ("PAGE.HTM", "text/html; charset=utf-8"),
        ("page.xhtml", "application/xhtml+xml"),
    ],
)
def test_every_kind_of_page_is_a_confined_document(aws: str, name: str, content_type: str) -> None:
    answer = host_of({**FILES, f"ui/{name}": b"<p>page</p>"}).get(f"/{name}")

    assert answer.headers["content-type"] == content_type
    assert answer.headers["content-security-policy"] == CSP
    assert answer.headers["cross-origin-embedder-policy"] == "require-corp"


def test_a_common_js_file_is_a_script(aws: str) -> None:
    answer = host_of({**FILES, "ui/lib.cjs": b"module.exports = 1"}).get("/lib.cjs")

    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["connection-allowlist"] == "(response-origin)"


@pytest.mark.parametrize(("name", "path"), [("a b.js", "/a%20b.js"), ("a+b.js", "/a+b.js"), ("ü.js", "/%C3%BC.js")])
def test_a_file_that_was_published_before_names_were_restricted_is_served(aws: str, name: str, path: str) -> None:
    assert host_of({**FILES, f"ui/{name}": SCRIPT}).get(path).body == SCRIPT


@pytest.mark.parametrize("suffix", ["txt", "bin"])
def test_a_file_of_any_bytes_arrives_whole_in_every_form(aws: str, suffix: str) -> None:
    files = {f"ui/{number}.{suffix}": body(kind, 100_000) for number, kind in enumerate(UNITS)}
    host = host_of({**FILES, **files})

    for path, data in files.items():
        for accepted in ("identity", "br", "gzip"):
            answer = host.get(path.removeprefix("ui"), accept_encoding=accepted)
            stored = {None: lambda raw: raw, "br": brotli.decompress, "gzip": gzip.decompress}
            unpacked = stored[answer.headers.get("content-encoding")](answer.body)
            assert (answer.status, unpacked == data) == (200, True)
        assert host.get(path.removeprefix("ui"), range="bytes=7-99").body == data[7:100]


@pytest.mark.parametrize("kind", UNITS)
def test_a_file_of_four_mebibytes_fits_and_a_larger_one_has_its_own_code(aws: str, kind: str) -> None:
    host = host_of({**FILES, "ui/fits.bin": body(kind, 4 * MIB), "ui/large.bin": body(kind, 5 * MIB)})
    event = {"rawPath": f"{BASE}/fits.bin", "requestContext": {"requestId": "r-1", "http": {"method": "GET"}}}
    answer = host.answer(event)

    assert (answer["statusCode"], body_of_answer(answer) == body(kind, 4 * MIB)) == (200, True)
    assert largest_payload(answer) <= PAYLOAD_LIMIT_BYTES
    if kind != "letters":  # 5 MiB of ASCII letters are 5 MiB of JSON
        assert host.code("/large.bin") == (502, "response_too_large")


@pytest.mark.parametrize(
    ("base", "origin"),
    [
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("https://UI.Example/some/path/", "https://ui.example"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_the_policy_names_the_origin_of_the_public_base(host: UiHostFixture, base: str, origin: str) -> None:
    host.rewire(RUNNER_PUBLIC_BASE=base)

    policy = host.get("/index.html").headers["content-security-policy"]
    own = [part for part in policy.split("; ") if "'self'" in part]
    assert len(own) == 7
    assert all(f"'self' {origin}" in part for part in own)


@pytest.mark.parametrize("base", ["https://a.example;script-src", "https://user@a.example", "https://*", "https://a b"])
def test_a_public_base_that_would_change_the_policy_stops_the_start(host: UiHostFixture, base: str) -> None:
    with pytest.raises(SettingsError, match="RUNNER_PUBLIC_BASE"):
        host.rewire(RUNNER_PUBLIC_BASE=base)


# Behind CloudFront without a domain of its own, the UI host learns its name from each request.


def test_the_name_that_cloudfront_gives_stands_in_the_policy(host: UiHostFixture) -> None:
    host.rewire(RUNNER_PUBLIC_BASE="")
    policy = host.get("/index.html", x_alga_ui_host="d111.cloudfront.net").headers["content-security-policy"]
    assert policy == CSP.replace("https://ui.example", "https://d111.cloudfront.net")


def test_a_configured_base_wins_over_the_name_in_the_request(host: UiHostFixture) -> None:
    policy = host.get("/index.html", x_alga_ui_host="evil.example").headers["content-security-policy"]
    assert policy == CSP


@pytest.mark.parametrize("name", ["", "d111.cloudfront.net; script-src *", "a b", "user@host"])
def test_a_page_is_not_sent_without_a_usable_name(host: UiHostFixture, name: str) -> None:
    host.rewire(RUNNER_PUBLIC_BASE="")
    assert host.code("/index.html", x_alga_ui_host=name) == (503, "policy_unavailable")


@pytest.mark.parametrize("path", ["/index.html", "/js/app.js", "/drawing.svg"])
def test_documents_and_scripts_connect_to_their_own_origin_only(host: UiHostFixture, path: str) -> None:
    assert host.get(path).headers["connection-allowlist"] == "(response-origin)"


@pytest.mark.parametrize("path", ["", "/", "/notes/5"])
def test_a_path_of_the_application_is_answered_by_its_page(host: UiHostFixture, path: str) -> None:
    answer = host.get(path)

    assert answer.body == PAGE
    assert answer.headers["content-security-policy"] == CSP


def test_a_drawing_is_a_document_too(host: UiHostFixture) -> None:
    assert host.get("/drawing.svg").headers["content-security-policy"] == CSP


def test_a_script_is_served_with_its_type(host: UiHostFixture) -> None:
    answer = host.get("/js/app.js")

    assert (answer.status, answer.body) == (200, SCRIPT)
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"


def test_bytes_that_are_no_text_travel_whole(host: UiHostFixture) -> None:
    assert host.get("/logo.png").body == LOGO


@pytest.mark.parametrize(
    ("accepts", "name", "unfold"), [("br", "br", brotli.decompress), ("gzip", "gzip", gzip.decompress)]
)
def test_a_form_the_browser_understands_is_sent(host: UiHostFixture, accepts: str, name: str, unfold: Any) -> None:
    answer = host.get("/js/app.js", accept_encoding=accepts)

    assert answer.headers["content-encoding"] == name
    assert answer.headers["vary"] == "accept-encoding"
    assert unfold(answer.body) == SCRIPT
    assert answer.headers["etag"] != host.get("/js/app.js").headers["etag"]


def test_what_the_browser_has_is_not_sent_again(host: UiHostFixture) -> None:
    etag = host.get("/index.html").headers["etag"]
    answer = host.get("/index.html", if_none_match=etag)

    assert (answer.status, answer.body) == (304, b"")
    assert answer.headers["etag"] == etag
    assert host.get("/index.html", if_none_match='"other"').status == 200


def test_head_says_the_size_and_sends_nothing(host: UiHostFixture) -> None:
    answer = host.get("/index.html", "HEAD")

    assert (answer.status, answer.body, answer.headers["content-length"]) == (200, b"", str(len(PAGE)))


@pytest.mark.parametrize(
    ("header", "part"), [("bytes=0-4", slice(0, 5)), ("bytes=5-", slice(5, None)), ("bytes=-7", slice(-7, None))]
)
def test_a_range_is_of_the_file_as_it_is(host: UiHostFixture, header: str, part: slice) -> None:
    answer = host.get("/js/app.js", range=header, accept_encoding="br")

    assert (answer.status, answer.body) == (206, SCRIPT[part])
    assert "content-encoding" not in answer.headers
    first, last = range(len(SCRIPT))[part][0], range(len(SCRIPT))[part][-1]
    assert answer.headers["content-range"] == f"bytes {first}-{last}/{len(SCRIPT)}"


def test_a_range_behind_the_end_is_refused_with_the_size(host: UiHostFixture) -> None:
    answer = host.get("/js/app.js", range="bytes=5000-")

    assert (answer.status, answer.headers["content-range"]) == (416, f"bytes */{len(SCRIPT)}")
    assert answer.headers["cache-control"] == "no-store"


def test_a_range_of_another_version_sends_everything(host: UiHostFixture) -> None:
    etag = host.get("/js/app.js").headers["etag"]

    assert host.get("/js/app.js", range="bytes=0-4", if_range=etag).status == 206
    assert host.get("/js/app.js", range="bytes=0-4", if_range='"other"').body == SCRIPT


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/missing.js", (404, "ui_not_found")),
        (f"/ext-ui/{EXTENSION}/{'cd' * 32}/index.html", (404, "ui_not_found")),
        (f"/ext-ui/{EXTENSION}/latest/index.html", (400, "ui_path_invalid")),
        ("/../x", (400, "ui_path_invalid")),
        ("/%2e%2e/x", (400, "ui_path_invalid")),
        ("/.env", (400, "ui_path_invalid")),
    ],
)
def test_what_is_not_there_is_refused_and_not_kept(host: UiHostFixture, path: str, expected: tuple[int, str]) -> None:
    assert host.code(path) == expected


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_only_get_and_head_are_answered(host: UiHostFixture, method: str) -> None:
    assert host.code("/index.html", method) == (405, "method_not_allowed")


def test_a_changed_file_is_not_served(host: UiHostFixture) -> None:
    boto3.client("s3").put_object(Bucket=host.objects._bucket, Key=f"p/ui/{HEX}/files/js/app.js", Body=b"evil()")

    assert host.code("/js/app.js") == (502, "ui_integrity")


def test_a_withdrawn_bundle_is_not_found(host: UiHostFixture) -> None:
    list_withdrawn(host.objects, HEX, at=datetime.now(UTC))

    assert host.code("/index.html") == (404, "ui_not_found")


def test_deleting_the_list_brings_no_withdrawn_page_back(host: UiHostFixture) -> None:
    list_withdrawn(host.objects, HEX, at=datetime.now(UTC))
    assert host.code("/index.html") == (404, "ui_not_found")
    host.objects.delete(object_keys.withdrawn_list())

    assert host.code("/index.html") == (404, "ui_not_found")
    host.rewire()  # a new process
    assert host.code("/index.html") == (503, "policy_unavailable")
    assert host.answer(HEALTH)["statusCode"] == 503


def test_a_list_that_has_expired_shows_nothing(host: UiHostFixture) -> None:
    list_withdrawn(host.objects, at=datetime.now(UTC) - LIST_LIFETIME)

    assert host.code("/index.html") == (503, "policy_unavailable")


def test_a_list_is_used_for_no_longer_than_the_setting_says(host: UiHostFixture) -> None:
    list_withdrawn(host.objects, at=datetime.now(UTC) - timedelta(seconds=310))
    assert host.get("/index.html").status == 200
    host.rewire(WITHDRAWN_LIST_LIFETIME_S="300")

    assert host.code("/index.html") == (503, "policy_unavailable")


@pytest.mark.parametrize("seconds", ["299", "86401", "0", "-1"])
def test_a_lifetime_that_is_too_short_or_too_long_fails_the_start(host: UiHostFixture, seconds: str) -> None:
    with pytest.raises(SettingsError, match=rf"WITHDRAWN_LIST_LIFETIME_S: it is {seconds} seconds.* 300 to 86400"):
        host.rewire(WITHDRAWN_LIST_LIFETIME_S=seconds)


@pytest.fixture
def trust_file(host: UiHostFixture, tmp_path: Path) -> Path:
    """The host's trust bundle as a file."""
    path = tmp_path / "trust.json"
    path.write_text(json.dumps(TRUST))
    host.rewire(SIGNING_TRUST_BUNDLE=str(path))
    return path


def revoking(key_id: str) -> str:
    return json.dumps({**TRUST, "revocations": [{"key_id": key_id, "from": "2026-01-01T00:00:00Z"}]})


def test_a_page_shown_before_is_gone_once_its_release_key_is_revoked(host: UiHostFixture, trust_file: Path) -> None:
    assert host.get("/index.html").status == 200
    trust_file.write_text(revoking(RELEASE.key_id))

    assert host.code("/index.html") == (502, "release_integrity")


def test_a_page_shown_before_is_gone_once_its_publishers_key_is_revoked(host: UiHostFixture, trust_file: Path) -> None:
    assert host.get("/index.html").status == 200
    trust_file.write_text(revoking(PUBLISHER_KEY))

    assert host.code("/index.html") == (502, "release_integrity")


def test_a_trust_bundle_that_cannot_be_read_any_more_shows_nothing_and_says_nothing(
    host: UiHostFixture, trust_file: Path
) -> None:
    host.get("/index.html")
    trust_file.write_text("{")
    answer = host.get("/index.html")

    assert (answer.status, json.loads(answer.body)["code"]) == (503, "policy_unavailable")
    assert b"trust" not in answer.body


def test_a_store_that_cannot_be_reached_is_a_503(host: UiHostFixture) -> None:
    host.rewire(AWS_ENDPOINT_URL="http://127.0.0.1:1")

    assert host.code("/index.html") == (503, "policy_unavailable")


def test_switched_off_it_answers_clearly(host: UiHostFixture) -> None:
    host.rewire(EXTENSIONS_ENABLED="false")

    assert host.code("/index.html") == (503, "extensions_disabled")


HEALTH = {"rawPath": "/healthz", "requestContext": {"http": {"method": "GET"}}}


def test_health_says_ok_and_no_more(host: UiHostFixture) -> None:
    answer = host.answer(HEALTH)

    assert (answer["statusCode"], json.loads(answer["body"])) == (200, {"status": "ok"})


def test_without_its_store_health_says_unavailable_and_no_more(host: UiHostFixture) -> None:
    host.rewire(AWS_ENDPOINT_URL="http://127.0.0.1:1")
    answer = host.answer(HEALTH)

    assert (answer["statusCode"], json.loads(answer["body"])) == (503, {"status": "unavailable"})


def test_health_notices_a_trust_bundle_that_cannot_be_read(host: UiHostFixture, trust_file: Path) -> None:
    trust_file.write_text("{")

    assert host.answer(HEALTH)["statusCode"] == 503


@pytest.mark.parametrize(
    "event", [{}, {"body": "!", "isBase64Encoded": True, "rawPath": BASE}, {"headers": None, "rawPath": "/x"}]
)
def test_any_event_gets_an_answer(host: UiHostFixture, event: dict[str, Any]) -> None:
    assert host.answer(event)["statusCode"] in (200, 404)
