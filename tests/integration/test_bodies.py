"""Bodies of every kind through runner and platform: what passes the limits arrives byte for byte."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from alga_ext.calls.envelope import ExecuteRequest, decode_response
from tests.security.guests import wat_snippets
from tests.support.bodies import MIB, PAYLOAD_LIMIT_BYTES, UNITS, body, body_of_answer, largest_payload
from tests.support.runner_fixture import MAXIMA, RunnerFixture, body_of, call, code_of
from tests.support.site import Site
from tools.guests import build_component

LIMIT = 4 * MIB
BINARY = {"content-type": "application/octet-stream"}
CAPS = [1_024, 64 * 1024, LIMIT, 5 * MIB]
"""Response caps of the runner. The last is more than a Lambda payload carries, with base64 inside an envelope."""


@pytest.fixture(scope="module")
def runners(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[int, tuple[RunnerFixture, str]]]:
    """By response cap: a runner, and the content hash of the guest that answers its body."""
    made = {}
    for cap in CAPS:
        house = RunnerFixture(tmp_path_factory.mktemp("house"), maxima=MAXIMA._replace(response_bytes=cap))
        made[cap] = house, house.publish(wat_snippets.echo())
    yield made
    for house, _ in made.values():
        house.close()


def echoed(content_hash: str, given: bytes) -> ExecuteRequest:
    return call(content_hash, method="POST", body=given, timeout_ms=10_000, memory_mb=256)


@settings(max_examples=30, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(sorted(UNITS)), st.sampled_from(CAPS[:3]), st.sampled_from([-LIMIT, -1, 0, 1]))
@example("zeros", LIMIT, 0)
@example("cyrillic", LIMIT, 0)
@example("quotes", LIMIT, 0)
@example("lone surrogates", LIMIT, 0)
def test_the_runners_answer_has_the_guests_bytes_or_says_that_they_are_too_many(
    runners: dict[int, tuple[RunnerFixture, str]], kind: str, cap: int, beyond: int
) -> None:
    house, content_hash = runners[cap]
    sent = body(kind, max(0, cap + beyond))
    answer = house.answer(echoed(content_hash, sent))
    response = decode_response(body_of_answer(answer))

    assert largest_payload(answer) <= PAYLOAD_LIMIT_BYTES
    if len(sent) <= cap:
        assert (code_of(response), response.status, body_of(response) == sent) == (None, 201, True)
    else:
        assert (code_of(response), response.status) == ("response_too_large", 502)


@pytest.mark.parametrize("kind", ["letters", "zeros", "quotes", "cyrillic"])
def test_an_envelope_that_lambda_does_not_carry_is_the_guests_response_too_large(
    runners: dict[int, tuple[RunnerFixture, str]], kind: str
) -> None:
    house, content_hash = runners[5 * MIB]
    answer = house.answer(echoed(content_hash, body(kind, 5 * MIB - 1)))
    response = decode_response(body_of_answer(answer))

    assert (answer["statusCode"], response.status, code_of(response)) == (200, 502, "response_too_large")
    assert response.usage.duration_ms > 0
    assert largest_payload(answer) <= PAYLOAD_LIMIT_BYTES


@pytest.fixture(scope="module")
def echo(site: Site) -> str:
    """An installed extension that answers its body, and a byte more to a DELETE."""
    endpoints = [{"method": method, "path": "/run"} for method in ("GET", "POST", "DELETE")]
    return site.install(wat_snippets.echo(), api={"endpoints": endpoints}, name="com.tests.echo")


@pytest.mark.parametrize(
    ("kind", "size"),
    [
        ("zeros", MIB),
        ("zeros", LIMIT),
        ("cyrillic", 2_200_000),
        ("quotes", 3_300_000),
        ("emoji", LIMIT),
        ("lone surrogates", 3_000_000),
        ("tar", MIB),
        ("gzip", 3_000_000),
        ("letters", LIMIT),
    ],
)
def test_a_body_goes_through_the_platform_and_back(site: Site, echo: str, kind: str, size: int) -> None:
    sent = body(kind, size)
    reply = site.call(echo, method="POST", body=sent, headers=BINARY)

    assert (reply.status, reply.body == sent) == (201, True)


def test_a_compressed_body_passes_both_ways_with_its_header(site: Site, tmp_path: Path) -> None:
    (tmp_path / "index.js").write_text(
        """export const handler = ({ http }) => {
          const found = http.headers.find(({ name }) => name === "content-encoding");
          return { status: 200, headers: [found], body: http.body };
        };"""
    )
    endpoints = [{"method": "POST", "path": "/run"}]
    echo = site.install(build_component(tmp_path).read_bytes(), api={"endpoints": endpoints}, runtime="wasm-js@1")
    text = b"text that was compressed by the caller"
    headers = {"content-type": "text/plain", "content-encoding": "gzip"}

    reply = site.call(echo, method="POST", body=gzip.compress(text), headers=headers)

    assert (reply.status, reply.headers["content-encoding"]) == (200, "gzip")
    assert reply.body == text, "the client decompresses what it was told is compressed"


def test_a_body_over_the_limit_has_its_own_code_and_record(site: Site, echo: str) -> None:
    refused = site.call(echo, method="DELETE", body=body("zeros", LIMIT), headers=BINARY)

    assert refused.status == 502
    assert b'"bad_gateway"' in refused.body
    row = site.record(refused.headers["x-request-id"])
    assert (row["status"], row["error_code"]) == (502, "response_too_large")


def test_a_request_over_the_limit_is_413(site: Site, echo: str) -> None:
    assert site.call(echo, method="POST", body=body("letters", LIMIT + 1), headers=BINARY).status == 413


@pytest.mark.parametrize(("method", "status"), [("GET", 200), ("POST", 201), ("DELETE", 201)])
def test_an_empty_body_is_there_unless_the_method_only_reads(site: Site, echo: str, method: str, status: int) -> None:
    assert site.call(echo, method=method).status == status
