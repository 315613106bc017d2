"""The error tree: one table of codes, and the statuses that are fixed outside."""

import re

import pytest

from alga_ext.errors import CODES, KINDS, Kind, PlatformError

FIXED = {
    # The runner's and the gateway's tables, as other programs rely on them.
    "invalid_request": 400, "unauthorized": 401, "unknown_capabilities": 400, "guest_timeout": 504,
    "guest_out_of_memory": 502, "guest_out_of_fuel": 502, "guest_trapped": 502, "guest_invalid_response": 502,
    "response_too_large": 502, "artifact_not_found": 502, "artifact_integrity": 502, "secret_unavailable": 502,
    "runner_unavailable": 503, "unauthenticated": 401, "tenant_mismatch": 403, "forbidden": 403, "not_installed": 404,
    "endpoint_not_found": 404, "idempotency_conflict": 409, "rate_limited": 429, "quota_exceeded": 429,
    "payload_too_large": 413, "bad_gateway": 502, "gateway_timeout": 504, "policy_unavailable": 503,
}  # fmt: skip


@pytest.mark.parametrize(("code", "status"), FIXED.items())
def test_a_code_that_others_rely_on_has_its_status(code: str, status: int) -> None:
    assert PlatformError(code, "detail").status == status


@pytest.mark.parametrize("code", CODES)
def test_every_code_is_a_plain_word_with_a_title(code: str) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", code)
    assert CODES[code].title
    assert not CODES[code].title.endswith(".")


def test_every_kind_has_a_meaning_and_is_used() -> None:
    assert set(KINDS) == set(Kind)
    assert {code.kind for code in CODES.values()} == set(Kind)


def test_an_unknown_code_is_a_programming_mistake() -> None:
    with pytest.raises(KeyError):
        PlatformError("no_such_code", "detail")


def test_context_is_kept_apart_from_the_detail() -> None:
    error = PlatformError("not_found", "Nothing here.", key="s3/secret/place")

    assert error.context == {"key": "s3/secret/place"}
    assert "s3/secret/place" not in f"{error}{error.detail}{error.title}"


@pytest.mark.parametrize(
    ("code", "retryable"),
    [
        ("database_unavailable", True),
        ("rate_limited", True),
        ("internal", True),
        ("conflict", False),
        ("signature_invalid", False),
    ],
)
def test_what_may_succeed_later_is_retryable(code: str, retryable: bool) -> None:
    assert PlatformError(code, "detail").retryable is retryable
