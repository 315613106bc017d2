"""From a bundle to a record: publish, install, call, show, remember."""

import hashlib
import json
import time
from pathlib import Path

import pytest

from tests.support.site import PUBLISHER, Site
from tests.support.wat import guest
from tools.cli.bundles import sign_bundle
from tools.cli.client import INLINE_BYTES_MAX, ApiError

COUNTER = "(global $count (mut i32) (i32.const 0))"
COUNT = """
  (global.set $count (i32.add (global.get $count) (i32.const 1)))
  (call $respond (i32.const 200) (i32.const 512) (call $digits (global.get $count)))
"""
NAMES = "(call $respond (i32.const 204) (i32.const 0) (i32.const 0))"


def problem(body: bytes) -> str:
    return str(json.loads(body)["code"])


def test_a_call_reaches_the_guest_and_leaves_a_record(site: Site, hello: str) -> None:
    reply = site.call(hello)

    assert (reply.status, reply.body) == (200, b"hello")
    row = site.record(reply.headers["x-request-id"])
    assert (row["state"], row["status"], row["method"], row["path"]) == ("finished", 200, "GET", "/run")
    assert row["duration_ms"] > 0


def test_the_lines_of_a_failed_call_reach_the_tenants_admin_and_not_the_caller(site: Site) -> None:
    extension = site.install(
        guest(
            "(call $logging.log-warn (i32.const 0) (i32.const 5)) (unreachable)",
            imports=["logging.log-warn"],
            data='(data (i32.const 0) "hello")',
        ),
        capabilities=["cap:log.emit"],
    )
    reply = site.call(extension, role="acme")
    row = site.record(reply.headers["x-request-id"])
    path = f"/executions/{row['execution_id']}/logs"

    found = site.client("acme").json("GET", path)

    assert [(line["level"], line["source"], line["text"]) for line in found["lines"]] == [("warn", "guest", "hello")]
    assert (reply.status, b"hello" in reply.body) == (502, False)
    with pytest.raises(ApiError, match="logs_not_found"):
        site.client("globex").json("GET", path)
    with pytest.raises(ApiError, match="forbidden"):
        site.client("viewer").json("GET", path)


def test_another_tenant_neither_calls_nor_sees_it(site: Site, hello: str) -> None:
    reply = site.call(hello, role="globex")

    assert (reply.status, problem(reply.body)) == (404, "not_installed")
    assert site.rows("globex", "select 1 as one from app.extension_execution_log") == []


def test_without_a_token_nothing_is_told(site: Site, hello: str) -> None:
    reply = site.call(hello, role=None)

    assert (reply.status, problem(reply.body)) == (401, "unauthenticated")
    assert reply.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/", (404, "not_found")),
        ("GET", "/nowhere", (404, "not_found")),
        ("TRACE", "/api/ext/x.y/z", (405, "method_not_allowed")),
    ],
)
def test_what_no_route_matches_is_refused_in_our_words(
    site: Site, method: str, path: str, expected: tuple[int, str]
) -> None:
    reply = site.client(None).request(method, path)

    assert (reply.status, problem(reply.body)) == expected
    assert reply.headers["x-request-id"]


def test_an_undeclared_endpoint_is_not_found(site: Site, hello: str) -> None:
    reply = site.call(hello, "/other")

    assert (reply.status, problem(reply.body)) == (404, "endpoint_not_found")


def test_a_viewer_reads_and_does_not_write(site: Site, hello: str) -> None:
    assert site.call(hello, role="viewer").status == 200
    refused = site.call(hello, role="viewer", method="POST", body=b"x")
    assert (refused.status, problem(refused.body)) == (403, "forbidden")


def test_every_call_runs_in_a_fresh_instance(site: Site) -> None:
    counter = site.install(guest(COUNT, extra=COUNTER))

    assert [site.call(counter).body for _ in range(5)] == [b"1"] * 5


def test_a_bundle_with_a_flipped_byte_is_refused(site: Site, tmp_path: Path) -> None:
    archive = site.pack(guest(NAMES), tmp_path)
    signature = sign_bundle(archive, site.signer)
    data = bytearray(archive.read_bytes())
    data[len(data) // 2] ^= 1
    archive.write_bytes(data)

    with pytest.raises(ApiError) as refused:
        site.client("publisher").publish(archive, signature, PUBLISHER)

    assert (refused.value.status, refused.value.code) == (400, "bundle_hash_mismatch")


def test_a_large_bundle_goes_through_an_upload(site: Site, tmp_path: Path) -> None:
    # Digits of pi's quality: random enough that compression leaves it above the limit of one request.
    noise = b"".join(hash_block(n) for n in range(INLINE_BYTES_MAX // 32 + 1))
    component = guest(NAMES) + b"\x00" + leb128(len(noise) + 2) + b"\x01n" + noise
    archive = site.pack(component, tmp_path)
    assert archive.stat().st_size > INLINE_BYTES_MAX

    version = site.client("publisher").publish(archive, sign_bundle(archive, site.signer), PUBLISHER)

    assert site.client("publisher").wait_until_decided(version["version_id"], 60)["state"] == "ready"


def test_a_component_of_another_world_is_rejected_with_a_reason(site: Site) -> None:
    version = site.publish(b"\x00asm\x0d\x00\x01\x00")

    assert version["state"] == "rejected"
    assert version["state_reasons"][0]["code"] == "component_world_mismatch"


def test_the_page_is_confined_and_asked_for_again_after_a_minute(site: Site) -> None:
    version = site.publish(None)
    install = site.client("acme").install(version["name"], None, {}, {})

    reply = site.get(install["ui_url"])

    assert reply.status == 200
    assert reply.headers["cache-control"] == "public, max-age=60, must-revalidate, stale-if-error=0"
    assert "sandbox allow-scripts" in reply.headers["content-security-policy"]


def test_a_disabled_install_does_not_answer(site: Site) -> None:
    install = site.install(guest(NAMES))
    assert site.call(install).status == 204

    site.client("acme").json("POST", f"/installs/{install}/disable")

    deadline = time.monotonic() + 5  # the gateway caches a resolved install for two seconds
    while (reply := site.call(install)).status == 204 and time.monotonic() < deadline:
        time.sleep(0.2)
    assert (reply.status, problem(reply.body)) == (404, "not_installed")


def hash_block(number: int) -> bytes:
    return hashlib.sha256(number.to_bytes(8, "big")).digest()


def leb128(number: int) -> bytes:
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])
