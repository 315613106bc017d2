"""The error tree: one table of codes, and the statuses that are fixed outside."""

import ast
import re
from pathlib import Path

import pytest

from alga_ext.errors import CODES, KINDS, RETRY_AFTER_S, Fault, Kind, PlatformError
from tests.support.places import ROOT
from tests.support.reference_pages import sections

FIXED = {
    # The runner's and the gateway's tables, as other programs rely on them.
    "invalid_request": 400, "unauthorized": 401, "unknown_capabilities": 400, "guest_timeout": 504,
    "guest_out_of_memory": 502, "guest_out_of_fuel": 502, "guest_trapped": 502, "guest_invalid_response": 502,
    "response_too_large": 502, "artifact_not_found": 502, "artifact_integrity": 502, "secret_unavailable": 502,
    "runner_unavailable": 503, "unauthenticated": 401, "tenant_mismatch": 403, "forbidden": 403, "not_installed": 404,
    "endpoint_not_found": 404, "idempotency_conflict": 409, "rate_limited": 429, "quota_exceeded": 429,
    "payload_too_large": 413, "bad_gateway": 502, "gateway_timeout": 504, "policy_unavailable": 503,
}  # fmt: skip

DESCRIBED = sections("errors.md", "###")


@pytest.mark.parametrize(("code", "status"), FIXED.items())
def test_a_code_that_others_rely_on_has_its_status(code: str, status: int) -> None:
    assert PlatformError(code, "detail").status == status


@pytest.mark.parametrize("code", CODES)
def test_every_code_is_a_plain_word_with_a_title(code: str) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", code)
    assert CODES[code].title
    assert not CODES[code].title.endswith(".")


def test_every_code_has_a_heading_and_every_heading_a_code() -> None:
    assert sorted(DESCRIBED) == sorted(CODES)


@pytest.mark.parametrize("code", sorted(CODES))
def test_a_code_is_described_with_its_status_and_what_to_do(code: str) -> None:
    error = PlatformError(code, "detail")
    text = " ".join(DESCRIBED[code].split())

    assert text.startswith(f"**{error.status}")
    assert ("try again" in text.partition(". ")[0]) == error.retryable
    assert "**Do:**" in text


@pytest.mark.parametrize("code", sorted(CODES))
def test_a_code_is_described_with_the_seconds_to_wait(code: str) -> None:
    told = re.findall(r"after ([0-9]+) s\b", " ".join(DESCRIBED[code].split()).partition(". ")[0])

    assert int(told[0] if told else 1) == (15 if code == "database_unavailable" else RETRY_AFTER_S.get(code, 1))


def test_only_codes_that_may_succeed_later_have_seconds_to_wait() -> None:
    assert [code for code in RETRY_AFTER_S if KINDS[CODES[code].kind].status not in (429, 503)] == []


def test_every_kind_has_a_meaning_and_is_used() -> None:
    assert set(KINDS) == set(Kind)
    assert {code.kind for code in CODES.values()} == set(Kind)


def test_an_unknown_code_is_a_programming_mistake() -> None:
    with pytest.raises(KeyError):
        PlatformError("no_such_code", "detail")


def test_an_error_reads_as_its_code_and_detail() -> None:
    error = PlatformError("not_found", "Nothing here.", key="k")

    assert (str(error), error.code, error.detail, error.status) == (
        "not_found: Nothing here.",
        "not_found",
        "Nothing here.",
        404,
    )
    assert error.title == "No resource has this path"


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


def silent_refusals(path: Path) -> list[str]:
    """Where a module raises ``PlatformError("…_integrity", …)`` without a fault."""
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call) and node.args]
    codes = {call: call.args[0] for call in calls if getattr(call.func, "id", "") == "PlatformError"}
    return [
        f"{path.relative_to(ROOT)}:{call.lineno}"
        for call, code in codes.items()
        if isinstance(code, ast.Constant) and str(code.value).endswith("_integrity")
        # A bare ** hands on the context of the error it comes from.
        if not any(keyword.arg in ("fault", None) for keyword in call.keywords)
    ]


def test_every_integrity_error_says_what_did_not_verify() -> None:
    modules = [*ROOT.glob("functions/**/*.py"), *ROOT.glob("layers/core/**/*.py")]

    assert [place for path in modules for place in silent_refusals(path)] == []


@pytest.mark.parametrize("fault", Fault)
def test_every_fault_is_explained(fault: Fault) -> None:
    assert f"| `{fault}` |" in (ROOT / "docs/reference/errors.md").read_text()


def test_every_fault_can_be_found() -> None:
    sources = "".join(path.read_text() for path in (*ROOT.glob("functions/**/*.py"), *ROOT.glob("layers/**/*.py")))

    assert [fault.name for fault in Fault if f"Fault.{fault.name}" not in sources] == []
